//! The TPM on the device's side, against `swtpm` and judged by `tpm2-tools`.
//!
//! What a chip does right is in `keys`, `sealing` and `endorsed`; what goes wrong in `faults`.
#![expect(clippy::indexing_slicing, clippy::panic, reason = "tests over bytes whose form they know")]

mod endorsed;
mod evidence;
mod faults;
mod keys;
pub(crate) mod rig;
mod sealing;
mod store;
