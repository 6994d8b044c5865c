//! Gradient boosted trees in integers: a flat format, read in place, scored bit-exactly on every machine.
//!
//! A [`Model`] is a checked view of bytes ([`Model::load`], total over any input): nothing is copied, nothing is
//! allocated. [`Model::score`] runs it over one [`Input`] a feature in a caller's [`Scratch`]; it recurses nowhere,
//! cannot fail, and takes at most the steps that [`Model::cost`] declares.
//!
//! Sums of floating-point numbers depend on their order, so two machines may disagree about a score, and then about
//! a decision. Here each feature's value is first replaced by its *bin*, the number of its thresholds that it
//! reaches; trees compare bins; leaves are integers in one power-of-two unit; and a score is an integer sum.
//!
//! What is not known has a meaning too: a missing value takes the side that the training chose for it, and an
//! unknown value, or one known to lie in an interval, makes the score an [`Interval`] that holds every score that
//! the values could give.
//!
//! [`format`] the bytes · [`load`] which bytes are a model · [`map`] keeping one without borrowing · [`input`] values and their bins ·
//! [`score`](mod@score) sums. With the feature `import`, `build` writes models and `import` reads those of XGBoost
//! and LightGBM; neither is for devices.
#![no_std]

#[cfg(feature = "import")]
extern crate alloc;

#[cfg(feature = "import")]
pub mod build;
pub mod format;
#[cfg(feature = "import")]
pub mod import;
pub mod input;
mod link;
pub mod load;
pub mod map;
mod model;
pub mod score;

pub use input::Input;
pub use link::Link;
pub use load::{Fault, LoadError};
pub use map::Map;
pub use model::{Cost, Feature, Kind, Model};
pub use score::{Interval, Scratch};
