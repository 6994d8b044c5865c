//! The certificate of an endorsement key: a maker says that this key is in a TPM of his.
//!
//! The chain leads to an anchored key; the leaf is about the very key that arrived, is meant for endorsement, and names
//! maker, model and version, which together are no single device's.
//!
//! Source: TCG EK Credential Profile for TPM Family 2.0, 2.6, §3.2 (contents), §3.2.16 (extended key usage).

use crate::appraisal::AttestError;
use crate::asn1::Asn1Error;
use crate::code::Code;
use crate::names::{EXTENDED_KEY_USAGE, KNOWN, SUBJECT_ALT_NAME, names_purpose, tpm_name};
use crate::path::Path;
use crate::question::{Question, Relaxation};
use crate::relaxed::Relaxed;
use crate::x509::{Cert, Key, KeyKind};
use der::asn1::ObjectIdentifier as Oid;
use serde::Serialize;

/// What a TPM is, as its maker certified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TpmModel {
    /// The maker: `id:` and eight hexadecimal digits (TCG Vendor ID Registry).
    pub manufacturer: String,
    /// The model.
    pub model: String,
    /// The version of its firmware.
    pub version: String,
}

impl TpmModel {
    /// Whether it is a program: libtpms calls itself IBM's `swtpm`; the simulators are those of IBM and Microsoft.
    pub fn is_program(&self) -> bool {
        self.model.eq_ignore_ascii_case("swtpm") || PROGRAMS.contains(&self.manufacturer.as_str())
    }
}

/// Reads one certificate of an endorsement key (DER) and what it says; whether anybody vouches for it is not asked.
///
/// # Errors
/// `Malformed` if it is none, `Purpose` if it is a certificate for something else.
pub fn describe_endorsement(certificate: &[u8]) -> Result<TpmModel, AttestError> {
    describe(&Cert::parse(certificate)?)
}

/// A chain that holds, and what it says.
pub(super) struct Endorsed {
    pub(super) model: TpmModel,
    pub(super) path: Path,
}

/// Checks the chain of an endorsement key; none where nobody vouches and that may be.
pub(super) fn endorsed(
    chain: &[&[u8]],
    ek: &Key,
    question: &Question<'_>,
    relaxed: &mut Relaxed<'_>,
) -> Result<Option<Endorsed>, AttestError> {
    if chain.is_empty() {
        relaxed.use_up(Relaxation::DangerUnanchored, Code::UnknownRoot)?;
        return Ok(None);
    }
    let certs: Vec<Cert<'_>> = chain.iter().map(|cert| Cert::parse(cert)).collect::<Result<_, _>>()?;
    let leaf = certs.first().ok_or(Code::Malformed)?;
    // Some makers name the padding in the key's algorithm; it is the same key.
    let same_kind = leaf.key.kind == ek.kind || leaf.key.kind == KeyKind::Other(RSAES_OAEP);
    if !same_kind || leaf.key.bits != ek.bits {
        return Err(AttestError::new(Code::Binding, "the certificate is about another endorsement key"));
    }
    let model = describe(leaf)?;
    let path = Path::of_maker(&certs, &question.anchors.roots.tpm, KNOWN, question.now, relaxed)?;
    if path.used_unanchored {
        return Ok(None);
    }
    Ok(Some(Endorsed { model, path: path.without_leaf_serial() }))
}

fn describe(leaf: &Cert<'_>) -> Result<TpmModel, AttestError> {
    let purpose = |what: &'static str| AttestError::new(Code::Purpose, what);
    if !leaf.is_version_3() || leaf.is_ca() {
        return Err(purpose("not a certificate of an endorsement key"));
    }
    let usages = leaf.extension(EXTENDED_KEY_USAGE).ok_or_else(|| purpose("no purpose"))?;
    if !names_purpose(usages, TCG_KP_EK).unwrap_or(false) {
        return Err(purpose("not the purpose of an endorsement key"));
    }
    let names = leaf.extension(SUBJECT_ALT_NAME).ok_or_else(|| purpose("no names"))?;
    let name = tpm_name(names).map_err(|Asn1Error| purpose("the TPM is not named"))?;
    Ok(TpmModel { manufacturer: name.manufacturer, model: name.model, version: name.version })
}

const RSAES_OAEP: Oid = Oid::new_unwrap("1.2.840.113549.1.1.7");
/// 2.23.133.8.1: `tcg-kp-EKCertificate`.
const TCG_KP_EK: &[u8] = &[0x67, 0x81, 0x05, 8, 1];
/// Makers of programs: IBM (libtpms, IBM's simulator) and Microsoft's reference implementation ("XCG ", "MSFT").
const PROGRAMS: &[&str] = &["id:00001014", "id:49424D00", "id:58434720"];
