//! Family `tpm`: TPM 2.0, from its endorsement key to what was booted.
//!
//! Five links, each by bytes that arrived: a maker certified the endorsement key; the TPM that holds it gave a secret to
//! the attestation key ([`make_credential`] made it before, the caller says in the question what it was); the
//! attestation key, which signs nothing but what its TPM states, certified the device key and quoted the registers; and
//! the log of the boot replays to those registers. Each statement carries the challenge.
//!
//! Tier: `hardware` for a device key in a maker's TPM, since nobody can copy it, whatever runs beside it. `strong` needs
//! a verified boot too: registers 0 to 7 quoted in a bank that is not SHA-1 and replayed by the log in good order, secure
//! boot on, no debugger, and only expected authorities behind what ran. A bad boot is worth no less than one that is not
//! shown: who hides it would gain otherwise. Which app asks, a TPM never says; values stay `claimed`.
//!
//! Source: TPM 2.0 Library 1.59; TCG EK Credential Profile 2.6; TCG PC Client Platform Firmware Profile 1.06.

mod activation;
mod conclude;
mod endorsement;
mod keys;
mod log;
mod platform;
mod quoted;

pub use activation::{ENTROPY_BYTES, identity_digest, make_credential};
pub use endorsement::{TpmModel, describe_endorsement};
pub use log::{Boot, EventLog};
pub use platform::{Platform, PlatformCertificate};
pub use quoted::{Clock, check_quote};

use crate::appraisal::{Appraisal, AttestError};
use crate::code::Code;
use crate::question::{Question, Relaxation};
use crate::relaxed::Relaxed;
use crate::structures::Public;
use glacis_seal::secret::equal;
use glacis_seal::{Purpose, hash::context_digest};
use glacis_wire::message::PublicKey;
use glacis_wire::message::tpm::TpmEvidence;
use glacis_wire::{Decode, Digest};
use serde::Serialize;

pub use glacis_wire::message::tpm::FAMILY;

/// What the evidence of a TPM proves.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TpmClaims {
    /// The device key.
    #[serde(serialize_with = "crate::appraisal::hex_public_key")]
    pub key: PublicKey,
    /// Names the chip: for a pseudonym, and never to be kept.
    #[serde(skip)]
    pub hardware_id: HardwareId,
    /// Whether the TPM gave the secret of its credential to the attestation key.
    pub activated: bool,
    /// What the maker says that it is; none where nobody vouches.
    pub model: Option<TpmModel>,
    /// Machines that an anchored maker says it is in.
    pub platforms: Vec<Platform>,
    /// The TPM's clock when it quoted.
    pub clock: Clock,
    /// Registers that were quoted.
    pub registers: Vec<Register>,
    /// `TPM_ALG_ID` of the bank in which the log was replayed.
    pub bank: Option<u16>,
    /// Registers that the log replays in that bank.
    pub replayed: Vec<u8>,
    /// What the log proves.
    pub boot: Option<Boot>,
}

impl TpmClaims {
    /// Whether one chip is one device here: a maker vouches for the endorsement key, and the TPM proved to hold it.
    pub const fn is_unique(&self) -> bool {
        self.activated && self.model.is_some()
    }
}

/// One register as it was quoted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Register {
    /// Its bank, `TPM_ALG_ID`.
    pub bank: u16,
    /// Its number.
    pub index: u8,
    /// Its value.
    #[serde(serialize_with = "crate::appraisal::hex")]
    pub value: Vec<u8>,
}

/// SHA-256 of the endorsement key as DER `SubjectPublicKeyInfo`: the same for as long as the chip lives, for whoever
/// asks. Of the key alone: the rest of its public area is in no certificate, and whoever sends it could vary it at will.
/// A chip with endorsement keys of two kinds has two such names.
///
/// A caller turns it into a pseudonym of one operator and drops it. It prints nothing and has no form in JSON.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct HardwareId(Digest);

impl HardwareId {
    /// The bytes, for deriving a pseudonym and nothing else.
    pub const fn expose(&self) -> &Digest {
        &self.0
    }
}

impl std::fmt::Debug for HardwareId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HardwareId(…)")
    }
}

/// Appraises evidence.
pub(crate) fn appraise(body: &[u8], question: &Question<'_>) -> Result<Appraisal, AttestError> {
    let evidence = TpmEvidence::from_bytes(body)?;
    let mut relaxed = Relaxed::new(question);
    // What costs nothing first: forms, roles, the secret, the key.
    let ek = parse_public(&evidence.identity.ek)?;
    let ak = parse_public(&evidence.identity.ak)?;
    let device = parse_public(&evidence.device_key)?;
    keys::endorsement_key(&ek)?;
    keys::attestation_key(&ak)?;
    let device_name = keys::device_key(&device)?;
    let activated = activation(&evidence, question, &mut relaxed)?;
    let key = PublicKey(device.key.bits.as_slice().try_into().map_err(|_| Code::Algorithm)?);
    if question.device_key.is_some_and(|expected| *expected != key) {
        return Err(Code::DeviceKey.into());
    }
    let challenge = qualifying_data(question, &key);
    quoted::certified(&evidence.certified, challenge.as_bytes(), &device_name)?;
    if !evidence.pcrs.windows(2).all(|pair| matches!(pair, [one, next] if place(one) < place(next))) {
        return Err(AttestError::new(Code::Registers, "registers out of order"));
    }
    let clock = quoted::quote(&evidence.quoted, challenge.as_bytes(), &evidence.pcrs)?;
    // Then signatures: the chain of the chip, and what its keys state.
    let chain: Vec<&[u8]> = evidence.identity.ek_certificates.iter().map(|cert| &**cert).collect();
    let endorsed = endorsement::endorsed(&chain, &ek.key, question, &mut relaxed)?;
    quoted::signature(&ak, &evidence.certified, &mut relaxed)?;
    quoted::signature(&ak, &evidence.quoted, &mut relaxed)?;
    let certificates: Vec<&[u8]> = evidence.platform_certificates.iter().map(|cert| &**cert).collect();
    let roots = (question.anchors.roots.platforms.as_slice(), question.now);
    let (platforms, strangers) =
        platform::platforms(&certificates, chain.first().copied(), roots, &mut relaxed)?;
    let hardware_id = HardwareId(ek.key.digest());
    let proven = conclude::Proven { evidence: &evidence, key, hardware_id, activated, clock };
    Ok(conclude::conclude(proven, (endorsed, platforms, strangers), relaxed, question))
}

/// The qualifying data of both statements.
fn qualifying_data(question: &Question<'_>, key: &PublicKey) -> Digest {
    context_digest(&question.anchors.context, Purpose::TpmEvidence, &[question.challenge, &key.0])
}

/// Whether the TPM gave the secret to the attestation key; a wrong one never passes.
fn activation(
    evidence: &TpmEvidence,
    question: &Question<'_>,
    relaxed: &mut Relaxed<'_>,
) -> Result<bool, AttestError> {
    match (question.activation, &evidence.activation) {
        (Some(expected), Some(_)) if expected.identity != identity_digest(&evidence.identity) => {
            Err(AttestError::new(Code::Activation, "a credential of other keys"))
        }
        (Some(expected), Some(given)) if equal(&expected.secret, given) => Ok(true),
        (Some(_), Some(_)) => Err(AttestError::new(Code::Activation, "another secret")),
        _ => {
            relaxed.use_up(Relaxation::DangerNoActivation, Code::Activation)?;
            Ok(false)
        }
    }
}

const fn place(pcr: &glacis_wire::message::tpm::Pcr) -> (u16, u8) {
    (pcr.bank, pcr.index)
}

fn parse_public(bytes: &[u8]) -> Result<Public<'_>, AttestError> {
    Public::parse(bytes).ok_or_else(|| AttestError::new(Code::Malformed, "a public area cannot be read"))
}
