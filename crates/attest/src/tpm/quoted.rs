//! Statements that an attestation key signs: which object is in its TPM, and what its registers hold.
//!
//! A restricted key signs nothing that begins as a TPM begins unless the TPM itself made it; so a statement counts only
//! under a key whose attributes were looked at before. What it was made for, and which registers it is about, is
//! compared with what arrived beside it, byte by byte.

use super::parse_public;
use crate::appraisal::AttestError;
use crate::code::Code;
use crate::question::Relaxation;
use crate::relaxed::Relaxed;
use crate::structures::{About, Public, Statement, TpmHash, TpmSignature};
use glacis_seal::foreign::{self, Scheme};
use glacis_seal::secret::equal;
use glacis_wire::message::tpm::{Attested, Pcr};
use serde::Serialize;

/// What a TPM said of its clock and firmware when it signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Clock {
    /// Milliseconds that the TPM has counted; keys outside the endorsement hierarchy blur it.
    pub milliseconds: u64,
    /// Times that the TPM was reset.
    pub resets: u32,
    /// Times that it resumed.
    pub restarts: u32,
    /// Whether the clock never ran backwards.
    pub safe: bool,
    /// Firmware of the TPM, as its maker counts.
    pub firmware: u64,
}

/// Checks a quote by itself: `ak` is `TPMT_PUBLIC`, and the registers are those quoted, in their order.
///
/// For evidence that is not ours, whose attestation key somebody else vouches for. Nothing is said about that key beyond
/// its attributes.
///
/// # Errors
/// `KeyAttributes`, `Malformed`, `Challenge`, `Registers`, `Signature`, `Algorithm` or `Sha1`.
pub fn check_quote(
    ak: &[u8],
    quoted: &Attested,
    challenge: &[u8],
    registers: &[Pcr],
    allow: &std::collections::BTreeSet<Relaxation>,
) -> Result<Clock, AttestError> {
    let ak = parse_public(ak)?;
    super::keys::attestation_key(&ak)?;
    let mut relaxed = Relaxed::of(allow);
    let clock = quote(quoted, challenge, registers)?;
    signature(&ak, quoted, &mut relaxed)?;
    Ok(clock)
}

/// The TPM certified the object of this name.
pub(super) fn certified(attested: &Attested, challenge: &[u8], name: &[u8]) -> Result<(), AttestError> {
    let statement = statement(&attested.attest, challenge)?;
    let About::Object { name: certified } = statement.about else {
        return Err(AttestError::new(Code::Malformed, "the certification is about no object"));
    };
    if certified == name {
        Ok(())
    } else {
        Err(AttestError::new(Code::Binding, "the certification is about another key"))
    }
}

/// The TPM quoted exactly these registers.
pub(super) fn quote(attested: &Attested, challenge: &[u8], registers: &[Pcr]) -> Result<Clock, AttestError> {
    let statement = statement(&attested.attest, challenge)?;
    let About::Registers { selected, digest } = &statement.about else {
        return Err(AttestError::new(Code::Malformed, "the quote is about no registers"));
    };
    let given = registers.iter().map(|pcr| (pcr.bank, pcr.index));
    if !selected.iter().copied().eq(given) {
        return Err(AttestError::new(Code::Registers, "other registers than those quoted"));
    }
    let mut values = Vec::new();
    for pcr in registers {
        let right = TpmHash::from_id(pcr.bank).is_some_and(|hash| hash.bytes() == pcr.value.len());
        if !right {
            return Err(AttestError::new(Code::Registers, "a register of another length than its bank's"));
        }
        values.extend_from_slice(&pcr.value);
    }
    // Part 3, §18.4: the hash of the signing scheme.
    let signed = parse_signature(attested)?;
    if signed.hash.digest(&values) != *digest {
        return Err(AttestError::new(Code::Registers, "other values than those quoted"));
    }
    Ok(Clock {
        milliseconds: statement.clock,
        resets: statement.resets,
        restarts: statement.restarts,
        safe: statement.clock_safe,
        firmware: statement.firmware,
    })
}

/// The attestation key signed this, with the scheme that is its own where it has one.
pub(super) fn signature(
    ak: &Public<'_>,
    attested: &Attested,
    relaxed: &mut Relaxed<'_>,
) -> Result<(), AttestError> {
    let signature = parse_signature(attested)?;
    let own = ak.scheme.is_none_or(|scheme| scheme == (signature.algorithm, signature.hash.id()));
    let scheme = signature.scheme(ak.key.kind).filter(|_| own);
    let scheme =
        scheme.ok_or_else(|| AttestError::new(Code::Algorithm, "not the attestation key's scheme"))?;
    if scheme == Scheme::DangerRsaPkcs1Sha1 {
        relaxed.use_up(Relaxation::DangerSha1, Code::Sha1)?;
    }
    Ok(foreign::verify(scheme, &ak.key.bits, &attested.attest, signature.bytes())?)
}

fn statement<'a>(bytes: &'a [u8], challenge: &[u8]) -> Result<Statement<'a>, AttestError> {
    let statement = Statement::parse(bytes);
    let statement = statement.ok_or_else(|| AttestError::new(Code::Malformed, "not a statement of a TPM"))?;
    if equal(statement.extra_data, challenge) { Ok(statement) } else { Err(Code::Challenge.into()) }
}

fn parse_signature(attested: &Attested) -> Result<TpmSignature, AttestError> {
    TpmSignature::parse(&attested.signature)
        .ok_or_else(|| AttestError::new(Code::Malformed, "a signature cannot be read"))
}
