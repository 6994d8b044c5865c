//! Family `tpm`: TPM 2.0, from its endorsement key to what was booted.
//!
//! A TPM proves in two steps. [`make_credential`] makes a secret that only the TPM of an endorsement key gives to one
//! attestation key; what comes back with the evidence proves that both keys live in one chip. So far this is all that
//! the module does.

mod activation;
mod keys;

pub use activation::{ENTROPY_BYTES, make_credential};

use crate::appraisal::AttestError;
use crate::code::Code;
use crate::structures::Public;

fn parse_public(bytes: &[u8]) -> Result<Public<'_>, AttestError> {
    Public::parse(bytes).ok_or_else(|| AttestError::new(Code::Malformed, "a public area cannot be read"))
}
