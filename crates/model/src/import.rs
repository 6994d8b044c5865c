//! Models of XGBoost and LightGBM, from the JSON that the libraries themselves write.
//!
//! Total: any bytes give a model or an [`ImportError`] that says where (tree, node, byte). What a model of ours
//! cannot mean is refused by name: categorical splits, dart, linear trees, several classes, other objectives than
//! those of [`Link`](crate::Link). Sizes and depth are limited before anything is believed, and nothing recurses.
//!
//! The scores of the imported model are the library's margins within the [bound](Imported::bound), for every input
//! that the library takes, thresholds and missing values included:
//! * XGBoost compares `(f32) x < t`. Rounding to `f32` is monotone, so a threshold is moved to the least `f64` that it
//!   rounds to `t` or above.
//! * LightGBM compares `x <= t` in `f64`, and reads a number up to 1e-35 from zero as zero. A threshold is moved to
//!   the least `f64` that goes right.

mod json;
mod lightgbm;
mod xgboost;

use crate::build::{BuildError, Built, Ensemble, Node, Wrong};
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// Longest file that is read, in bytes.
pub const IMPORT_BYTES_MAX: usize = 64 << 20;

/// Which library wrote a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `booster.save_model("model.json")` of XGBoost.
    Xgboost,
    /// `json.dumps(booster.dump_model())` of LightGBM.
    Lightgbm,
}

/// An imported model.
#[derive(Clone, Debug, PartialEq)]
pub struct Imported {
    /// The bytes of the model.
    pub bytes: Vec<u8>,
    /// How far rounding leaves to integers can move a score: half a unit a tree and for the base.
    pub quantisation: f64,
    /// How far the library's own sum can be from the exact sum of its leaves.
    pub library: f64,
    /// Features of the library's model that no tree reads; they are left out.
    pub unread: usize,
    /// What a person should know.
    pub notes: Vec<String>,
}

impl Imported {
    /// No score is farther than this from the library's margin.
    pub fn bound(&self) -> f64 {
        self.quantisation + self.library
    }
}

/// Reads a model.
///
/// # Errors
/// Where the bytes are no such model, or one that cannot be imported; the error says where and why.
pub fn import(format: Format, bytes: &[u8]) -> Result<Imported, ImportError> {
    if bytes.len() > IMPORT_BYTES_MAX {
        return Err(ImportError::new(0, Reason::TooLarge));
    }
    let document = json::Document::parse(bytes)?;
    let read = match format {
        Format::Xgboost => xgboost::read(&document)?,
        Format::Lightgbm => lightgbm::read(&document)?,
    };
    let unread = read.ensemble.features.len();
    let ensemble = without_unread(read.ensemble);
    let unread = unread - ensemble.features.len();
    let Built { bytes, quantisation, library } = ensemble.encode().map_err(ImportError::from)?;
    Ok(Imported { bytes, quantisation, library, unread, notes: read.notes })
}

/// What a library's model is in our words.
struct Read {
    ensemble: Ensemble,
    notes: Vec<String>,
}

/// Leaves out features that no tree reads: a device need not supply them, and a model has room for few.
fn without_unread(mut ensemble: Ensemble) -> Ensemble {
    let mut place = alloc::vec![None; ensemble.features.len()];
    for node in ensemble.trees.iter().flatten() {
        if let Node::Split { feature, .. } = node
            && let Some(place) = place.get_mut(*feature)
        {
            *place = Some(0);
        }
    }
    for (new, place) in place.iter_mut().flatten().enumerate() {
        *place = new;
    }
    let mut kept = place.iter();
    ensemble.features.retain(|_| kept.next().is_some_and(Option::is_some));
    for node in ensemble.trees.iter_mut().flatten() {
        if let Node::Split { feature, .. } = node {
            // A feature that does not exist stays one.
            *feature = place.get(*feature).copied().flatten().unwrap_or(usize::MAX);
        }
    }
    ensemble
}

/// Most that a sum of numbers up to `magnitudes` in all can be off, added one by one with relative error `unit`.
#[expect(clippy::cast_precision_loss, reason = "at most 2^16 trees")]
fn rounding(magnitudes: f64, additions: usize, unit: f64) -> f64 {
    // Each of n partial sums is off by at most unit of itself; the last factor is for the bound's own rounding.
    magnitudes * unit * additions as f64 * 1.001
}

/// Half a unit in the last place of 1, for `f32` and `f64`.
const UNIT_F32: f64 = 5.960_464_477_539_063e-8;
const UNIT_F64: f64 = 1.110_223_024_625_156_5e-16;

/// Why a file cannot be imported, and where that showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportError {
    offset: Option<usize>,
    tree: Option<usize>,
    node: Option<usize>,
    reason: Reason,
}

impl ImportError {
    const fn new(offset: usize, reason: Reason) -> Self {
        Self { offset: Some(offset), tree: None, node: None, reason }
    }

    /// Something that this importer refuses by name.
    fn refused(offset: usize, what: impl Into<String>) -> Self {
        Self::new(offset, Reason::Refused(what.into()))
    }

    /// Says in which tree it is.
    const fn in_tree(mut self, tree: usize) -> Self {
        self.tree = Some(tree);
        self
    }

    /// Says at which node it is.
    const fn at_node(mut self, node: usize) -> Self {
        self.node = Some(node);
        self
    }

    /// The byte of the file, where it is known.
    pub const fn offset(&self) -> Option<usize> {
        self.offset
    }

    /// The tree.
    pub const fn tree(&self) -> Option<usize> {
        self.tree
    }

    /// The node in the tree. LightGBM's nodes are counted in preorder.
    pub const fn node(&self) -> Option<usize> {
        self.node
    }

    /// What is wrong.
    pub const fn reason(&self) -> &Reason {
        &self.reason
    }
}

impl From<BuildError> for ImportError {
    fn from(error: BuildError) -> Self {
        let (tree, node) = (error.tree(), error.node());
        Self { offset: None, tree, node, reason: Reason::Build(error.wrong()) }
    }
}

impl fmt::Display for ImportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(tree) = self.tree {
            write!(f, "tree {tree}")?;
            if let Some(node) = self.node {
                write!(f, ", node {node}")?;
            }
            f.write_str(": ")?;
        }
        self.reason.fmt(f)?;
        if let Some(offset) = self.offset {
            write!(f, " (byte {offset})")?;
        }
        Ok(())
    }
}

impl core::error::Error for ImportError {}

/// What can be wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// Longer than [`IMPORT_BYTES_MAX`], or more values than are read.
    TooLarge,
    /// No JSON, for this reason.
    Json(&'static str),
    /// A member that is not there.
    Lacks(String),
    /// A member that is not of its form.
    Form(String),
    /// A model that ours cannot mean.
    Refused(String),
    /// Trees that make no model.
    Build(Wrong),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge => {
                write!(f, "file is longer than {IMPORT_BYTES_MAX} bytes or has too many values")
            }
            Self::Json(what) => write!(f, "not JSON: {what}"),
            Self::Lacks(what) => write!(f, "there is no `{what}`"),
            Self::Form(what) | Self::Refused(what) => f.write_str(what),
            Self::Build(wrong) => wrong.fmt(f),
        }
    }
}
