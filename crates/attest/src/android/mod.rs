//! Family `android-key`: Android Key Attestation, from Keymaster 2 to `KeyMint` 4 and what follows.
//!
//! Evidence is the certificate chain of the key as DER, leaf first, the root optional. The leaf carries the statement
//! of the secure hardware ([`KeyDescription`]); everything that counts is taken from what the hardware enforces. The
//! one exception is the app's identity, which the system states and which is therefore worth what verified boot is
//! worth.
//!
//! Source: <https://source.android.com/docs/security/features/keystore/attestation>.

mod authorization;
mod conclude;
mod description;

pub use authorization::{
    AppPackage, ApplicationId, AuthorizationList, BootState, HardwareId, Numbers, Octets, Present,
    RootOfTrust,
};
pub use description::{KeyDescription, SecurityLevel};

use crate::appraisal::{Appraisal, AttestError};
use crate::asn1::Rules;
use crate::code::Code;
use crate::path::{self, Path, Rule};
use crate::question::{Question, Relaxation};
use crate::relaxed::Relaxed;
use crate::revocation::{Revocations, Status};
use crate::x509::{self, Cert, Key};
use crate::{cbor, roots};
use der::asn1::ObjectIdentifier as Oid;
use glacis_wire::message::PublicKey;
use serde::Serialize;

/// Name of the family.
pub const FAMILY: &str = "android-key";

/// What a chain proves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AndroidClaims {
    /// The statement.
    pub description: KeyDescription,
    /// The level that counts: of key and statement the lower one.
    pub level: SecurityLevel,
    /// How the device got its issuing key.
    pub provisioning: Provisioning,
    /// Kind of the attested key.
    pub key_kind: &'static str,
    /// The attested key, as DER `SubjectPublicKeyInfo`.
    #[serde(serialize_with = "crate::appraisal::hex")]
    pub key: Vec<u8>,
    /// Which app asked; none where references name no app or the statement names none of them.
    pub app: Option<String>,
}

/// How the device got its issuing key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Provisioning {
    /// In the factory, shared by many devices.
    Factory,
    /// From Google's servers, short-lived, its own.
    Remote {
        /// How many certificates the device asked for in the last 30 days, if it says so.
        certificates_issued: Option<u64>,
    },
    /// In some other way.
    Unknown,
}

/// Appraises a chain.
pub(crate) fn appraise(body: &[u8], question: &Question<'_>) -> Result<Appraisal, AttestError> {
    let pieces = x509::split(body)?;
    let certs: Vec<Cert<'_>> = pieces.into_iter().map(Cert::parse).collect::<Result<_, _>>()?;
    let mut relaxed = Relaxed::new(question);
    let path = check_chain(&certs, question, &mut relaxed)?;
    let leaf = certs.first().ok_or(Code::Malformed)?;
    let description = describe(leaf, &mut relaxed)?;
    if description.attestation_challenge != question.challenge {
        return Err(Code::Challenge.into());
    }
    if question.device_key.is_some_and(|key| !is_key(&leaf.key, key)) {
        return Err(Code::DeviceKey.into());
    }
    let provisioning = provisioning(&certs);
    let issuer = certs.get(1);
    conclude::conclude(conclude::Checked { leaf, issuer, description, provisioning, path, relaxed }, question)
}

/// Reads the statement of one certificate without believing anything: no signature is checked, no rule applied.
///
/// # Errors
/// `Malformed` where it cannot be read, `NoStatement` where there is none.
pub fn read_statement(certificate: &[u8], lenient: bool) -> Result<KeyDescription, AttestError> {
    let cert = Cert::parse(certificate)?;
    let bytes = cert.extension(KEY_DESCRIPTION).ok_or(Code::NoStatement)?;
    KeyDescription::parse(bytes, if lenient { Rules::Lenient } else { Rules::Der })
}

/// Everything about the chain that does not depend on the statement; shared with `WebAuthn`'s format `android-key`.
pub(crate) fn check_chain(
    certs: &[Cert<'_>],
    question: &Question<'_>,
    relaxed: &mut Relaxed<'_>,
) -> Result<Path, AttestError> {
    if certs.iter().skip(1).any(|cert| cert.extension(KEY_DESCRIPTION).is_some()) {
        return Err(Code::ExtensionPlace.into());
    }
    if certs.first().is_some_and(|leaf| leaf.extension(KEY_DESCRIPTION).is_none()) {
        return Err(Code::NoStatement.into());
    }
    let software = roots::decode(roots::ANDROID_SOFTWARE_P256).and_then(|info| Key::parse(&info));
    let mut anchors = question.anchors.roots.android.clone();
    if relaxed.may(Relaxation::DangerSoftwareRoot) {
        anchors.extend(software.iter().map(|key| key.info.clone()));
    }
    let rule = Rule {
        anchors: &anchors,
        now: question.now,
        danger_expired: relaxed.may(Relaxation::DangerExpired),
        danger_unanchored: false,
        known: &[],
    };
    let mut path = path::check(certs, &rule).map_err(|error| name_software_root(error, certs))?;
    if path.used_expired {
        relaxed.use_up(Relaxation::DangerExpired, Code::Expired)?;
    }
    if software.is_some_and(|key| path.basis.anchor == Some(key.digest())) {
        relaxed.use_up(Relaxation::DangerSoftwareRoot, Code::SoftwareRoot)?;
    }
    path.basis.revocations_as_of = check_revocations(certs, question, relaxed)?;
    Ok(path)
}

/// The statement of the leaf, strictly, or leniently where that is allowed.
pub(crate) fn describe(leaf: &Cert<'_>, relaxed: &mut Relaxed<'_>) -> Result<KeyDescription, AttestError> {
    let bytes = leaf.extension(KEY_DESCRIPTION).ok_or(Code::NoStatement)?;
    let strict = KeyDescription::parse(bytes, Rules::Der);
    match strict {
        Err(_) if relaxed.may(Relaxation::DangerLenientDer) => {
            let lenient = KeyDescription::parse(bytes, Rules::Lenient)?;
            relaxed.use_up(Relaxation::DangerLenientDer, Code::Malformed)?;
            Ok(lenient)
        }
        strict => strict,
    }
}

/// Whether the attested key is this P-256 key.
pub(crate) fn is_key(attested: &Key, key: &PublicKey) -> bool {
    use crate::x509::KeyKind;
    use glacis_seal::foreign::Curve;
    attested.kind == KeyKind::Ec(Curve::P256) && attested.bits == key.0
}

/// A chain to a root whose private key is public deserves a code of its own.
fn name_software_root(error: AttestError, certs: &[Cert<'_>]) -> AttestError {
    let known = [roots::ANDROID_SOFTWARE_P256, roots::ANDROID_SOFTWARE_RSA];
    let mut keys = known.iter().filter_map(|text| Key::parse(&roots::decode(text)?));
    let ends_there =
        |key: &Key| certs.last().is_some_and(|last| last.key == *key || last.signed_by(key).is_ok());
    if error.code() == Code::UnknownRoot && keys.any(|key| ends_there(&key)) {
        return Code::SoftwareRoot.into();
    }
    error
}

fn check_revocations(
    certs: &[Cert<'_>],
    question: &Question<'_>,
    relaxed: &mut Relaxed<'_>,
) -> Result<Option<glacis_wire::Timestamp>, AttestError> {
    let Some(list) = question.revocations else {
        relaxed.use_up(Relaxation::DangerNoRevocationList, Code::NoRevocationList)?;
        return Ok(None);
    };
    if list.as_of().after(question.constraints.revocation_age_max) < question.now {
        relaxed.use_up(Relaxation::DangerStaleRevocationList, Code::StaleRevocationList)?;
    }
    for (place, cert) in certs.iter().enumerate() {
        let code = match status(list, cert) {
            Some(Status::Revoked) => Code::Revoked,
            Some(Status::Suspended) => Code::Suspended,
            None => continue,
        };
        return Err(AttestError::new(code, format!("certificate {place}")));
    }
    Ok(Some(list.as_of()))
}

fn status(list: &Revocations, cert: &Cert<'_>) -> Option<Status> {
    list.status(cert.serial())
}

fn provisioning(certs: &[Cert<'_>]) -> Provisioning {
    let Some(issuer) = certs.get(1) else { return Provisioning::Unknown };
    if let Some(info) = issuer.extension(PROVISIONING_INFO) {
        let issued = cbor::read(info).ok().and_then(|map| map.numbered(1)?.integer());
        let certificates_issued = issued.and_then(|count| u64::try_from(count).ok());
        return Provisioning::Remote { certificates_issued };
    }
    let titles = issuer.subject_texts(TITLE);
    if titles.iter().any(|title| title == "TEE" || title == "StrongBox") {
        return Provisioning::Factory;
    }
    Provisioning::Unknown
}

/// The extension that holds the statement.
pub(crate) const KEY_DESCRIPTION: Oid = Oid::new_unwrap("1.3.6.1.4.1.11129.2.1.17");
/// The extension that tells how often a device was provisioned.
const PROVISIONING_INFO: Oid = Oid::new_unwrap("1.3.6.1.4.1.11129.2.1.30");
/// `title` in names: `TEE` or `StrongBox` in issuers that were made in a factory.
const TITLE: Oid = Oid::new_unwrap("2.5.4.12");
/// `organizationName`: the same in issuers that were provisioned remotely.
const ORGANIZATION: Oid = Oid::new_unwrap("2.5.4.10");
