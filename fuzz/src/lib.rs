//! What each fuzz target checks, as plain functions of bytes.
//!
//! A check panics where a promise is broken and returns otherwise; refusing an input is fine, contradicting
//! oneself is not. Nothing here asks a clock or makes randomness, so that an input alone reproduces a finding.

pub mod cel;
pub mod collateral;
pub mod condition;
pub mod disclosed;
pub mod evidence;
mod evidence_seeds;
#[path = "../../crates/attest/tests/it/forge.rs"]
mod forge;
pub mod httpsig;
pub mod model_import;
pub mod model_load;
pub mod policy;
pub mod published;
pub mod results;
#[path = "../../crates/attest/tests/it/rsa.rs"]
#[expect(dead_code, reason = "the tests that it is shared with have more keys")]
mod rsa;
pub mod seeds;
pub mod slice;
#[path = "../../crates/attest/tests/it/tpm/soft.rs"]
mod soft;
pub mod statements;
pub mod tpm;
pub mod tpm_response;
pub mod wire;
