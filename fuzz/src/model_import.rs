//! Input: a byte that picks the library, then the file that it wrote.
//!
//! Invariants: importing is total and repeatable; an error is inside the file; what is imported loads, has a finite
//! bound, and keeps the promises of a loaded model.

use crate::model_load;
use glacis_model::Model;
use glacis_model::import::{Format, import};

/// Checks one input.
pub fn run(data: &[u8]) {
    let Some((which, file)) = data.split_first() else { return };
    let format = if which & 1 == 0 { Format::Xgboost } else { Format::Lightgbm };
    match import(format, file) {
        Ok(imported) => {
            assert_eq!(import(format, file).as_ref(), Ok(&imported), "two imports differ");
            assert!(imported.bound().is_finite());
            let model = Model::load(&imported.bytes).expect("an imported model loads");
            model_load::check(&model, file);
        }
        Err(error) => assert!(error.offset().is_none_or(|at| at <= file.len()), "an error outside the file"),
    }
}
