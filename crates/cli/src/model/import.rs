//! `glacis model import`: a library's JSON in, a model and its bound out.
//!
//! Without `--out` nothing is written: the report says what the model would be. It has everything that `show` prints,
//! and what only the import knows: where the bound comes from, and what was left out.

use super::read;
use super::show::{self, Thresholds};
use crate::codes::Code;
use crate::error::CliError;
use crate::output::{plain, print, print_json};
use clap::{Args, ValueEnum};
use glacis_model::Model;
use glacis_model::import::{Format, IMPORT_BYTES_MAX, Imported, import};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::Write;
use std::path::PathBuf;

/// Arguments of `glacis model import`.
#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// JSON of XGBoost's `save_model("model.json")`, or of LightGBM's `json.dumps(booster.dump_model())`
    file: PathBuf,
    /// Which library wrote it
    #[arg(long, value_name = "LIBRARY")]
    format: Library,
    /// Write the model here; without it, only report
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    thresholds: Thresholds,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Library {
    Xgboost,
    Lightgbm,
}

/// Imports, reports, and writes if that was asked for.
pub(crate) fn run(args: &ImportArgs, out: &mut dyn Write) -> Result<(), CliError> {
    let format = match args.format {
        Library::Xgboost => Format::Xgboost,
        Library::Lightgbm => Format::Lightgbm,
    };
    let json = read(&args.file, IMPORT_BYTES_MAX)?;
    let imported = import(format, &json).map_err(|error| {
        let what = format!("{}: {error}", args.file.display());
        CliError::new(Code::ModelRefused, what).caused_by(error)
    })?;
    let model = Model::load(&imported.bytes).map_err(|error| {
        CliError::new(Code::Internal, format!("an imported model does not load: {error}")).caused_by(error)
    })?;
    let thresholds = args.thresholds.of(&model)?;
    if let Some(path) = &args.out {
        std::fs::write(path, &imported.bytes).map_err(|error| {
            CliError::new(Code::ModelFile, format!("{}: {error}", path.display())).caused_by(error)
        })?;
    }
    if args.json {
        let mut document = show::document(&model, &thresholds);
        extend(&mut document, &imported, args);
        print_json(out, &document)
    } else {
        print(out, plain(&text(&model, &imported, &thresholds, args)).trim_end())
    }
}

fn extend(document: &mut Value, imported: &Imported, args: &ImportArgs) {
    if let Value::Object(members) = document {
        members.insert("quantisation".to_owned(), json!(imported.quantisation));
        members.insert("library_rounding".to_owned(), json!(imported.library));
        members.insert("unread_features".to_owned(), json!(imported.unread));
        members.insert("notes".to_owned(), json!(imported.notes));
        members.insert("out".to_owned(), json!(args.out.as_ref().map(|path| path.to_string_lossy())));
    }
}

fn text(model: &Model<'_>, imported: &Imported, thresholds: &[show::Threshold], args: &ImportArgs) -> String {
    let mut shown = show::text(model, thresholds);
    // Writing to a string cannot fail.
    let _ = write!(
        shown,
        "\n|score - margin of the library| <= {:.3e}: {:.3e} from rounding to units, {:.3e} from the library's own sums\n",
        imported.bound(),
        imported.quantisation,
        imported.library
    );
    if imported.unread > 0 {
        let _ = writeln!(shown, "{} features that no tree reads are left out", imported.unread);
    }
    for note in &imported.notes {
        let _ = writeln!(shown, "note: {note}");
    }
    let _ = match &args.out {
        Some(path) => writeln!(shown, "written to {}", path.display()),
        None => writeln!(shown, "nothing written; --out FILE writes the model"),
    };
    shown
}
