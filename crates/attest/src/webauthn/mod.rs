//! Family `webauthn`: registrations of Web Authentication Level 3, with the statement formats that are in use.
//!
//! Evidence is the `RegistrationResponseJSON` of the browser. The steps of §7.1 come first: ceremony, challenge,
//! origin, relying party, presence; then the statement by its format (§8). Sites must be expected: a registration for
//! nobody knows whose site is refused. What a page runs is proven by none of this, so values stay `claimed`.
//!
//! Source: <https://www.w3.org/TR/webauthn-3/>.

mod assertion;
mod ceremony;
mod statement;
mod tpm;

pub use assertion::{Asserted, AssertionAsked, AssertionClaims, StoredCredential, asserted, check_assertion};

use crate::android::KeyDescription;
use crate::appraisal::{Appraisal, AttestError, Claims, Genuine, NEVER, Reason};
use crate::authdata::{self, AuthData, cose_key};
use crate::cbor::{self, Value};
use crate::code::Code;
use crate::path::Path;
use crate::question::{Question, Relaxation};
use crate::relaxed::Relaxed;
use crate::standing::{Facts, KeyPlace};
use crate::x509::{Key, KeyKind};
use glacis_seal::foreign::{self, Curve, HashName, Scheme};
use glacis_seal::sha256;
use glacis_wire::message::enrol::TrustVector;
use serde::Serialize;

/// Name of the family.
pub const FAMILY: &str = "webauthn";

/// What a registration proves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WebauthnClaims {
    /// Format of the statement.
    pub format: &'static str,
    /// Who vouches for the authenticator.
    pub voucher: Voucher,
    /// The relying party that the credential is for.
    pub site: String,
    /// The page that asked.
    pub origin: String,
    /// Name of the credential.
    #[serde(serialize_with = "crate::appraisal::hex")]
    pub credential_id: Vec<u8>,
    /// The credential's key, as DER `SubjectPublicKeyInfo`.
    #[serde(serialize_with = "crate::appraisal::hex")]
    pub key: Vec<u8>,
    /// Algorithm of the key, by the registry of COSE.
    pub algorithm: i64,
    /// Model of the authenticator; zeros where it does not say.
    #[serde(serialize_with = "crate::appraisal::hex")]
    pub aaguid: Vec<u8>,
    /// Signatures made so far.
    pub counter: u32,
    /// Whether the user was verified.
    pub user_verified: bool,
    /// Whether the key may leave the authenticator as a backup.
    pub backup_eligible: bool,
    /// Whether it has.
    pub backed_up: bool,
    /// Maker of the TPM, as the TCG names it (format `tpm`).
    pub tpm_manufacturer: Option<String>,
    /// Statement of the secure hardware (format `android-key`).
    pub android: Option<KeyDescription>,
}

/// Who vouches for the authenticator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Voucher {
    /// Nobody.
    Nobody,
    /// The credential itself.
    Itself,
    /// A maker whom nobody anchored.
    Stranger,
    /// An anchored maker.
    Maker,
}

/// A registration whose ceremony holds.
pub(crate) struct Registration<'a> {
    pub(crate) auth_bytes: &'a [u8],
    pub(crate) auth: AuthData<'a>,
    pub(crate) client_hash: [u8; 32],
    pub(crate) algorithm: i128,
    pub(crate) key: Key,
    pub(crate) credential_id: &'a [u8],
    pub(crate) aaguid: &'a [u8],
}

/// What a statement adds.
pub(crate) struct Stated {
    pub(crate) format: &'static str,
    pub(crate) voucher: Voucher,
    pub(crate) path: Option<Path>,
    pub(crate) tpm_manufacturer: Option<String>,
    pub(crate) android: Option<KeyDescription>,
}

impl Registration<'_> {
    /// What most statements sign: authenticator data and the hash of the client data.
    pub(crate) fn signed(&self) -> Vec<u8> {
        [self.auth_bytes, &self.client_hash].concat()
    }
}

/// Appraises a registration.
pub(crate) fn appraise(body: &[u8], question: &Question<'_>) -> Result<Appraisal, AttestError> {
    let response = ceremony::Response::parse(body)?;
    let client = ceremony::check(&response.client_data, ceremony::Kind::Create, question.challenge)?;
    let object = cbor::read(&response.attestation_object).map_err(|_| broken("not an attestation object"))?;
    let part = |name: &str| object.member(name).ok_or_else(|| broken("a part is missing"));
    if object.members() != Some(3) {
        return Err(broken("parts that nobody knows"));
    }
    let auth_bytes = part("authData")?.bytes().ok_or_else(|| broken("no authenticator data"))?;
    let auth = AuthData::parse(auth_bytes).ok_or_else(|| broken("authenticator data cannot be read"))?;
    let site = ceremony::site(auth.rp_id_hash, &client.origin, &question.references.sites)?;
    flags(&auth, question.constraints.user_verification)?;
    let registration = credential(auth_bytes, auth, &response)?;
    let device_key = |key: &glacis_wire::message::PublicKey| {
        registration.key.kind == KeyKind::Ec(Curve::P256) && registration.key.bits == key.0
    };
    if question.device_key.is_some_and(|key| !device_key(key)) {
        return Err(Code::DeviceKey.into());
    }
    let mut relaxed = Relaxed::new(question);
    let format = part("fmt")?.text().ok_or_else(|| broken("no format"))?;
    let stated = statement::check(format, part("attStmt")?, &registration, question, &mut relaxed)?;
    let claims = claims(&registration, stated.format, stated.voucher, (site, client.origin))?;
    Ok(conclude(claims, stated, relaxed, question))
}

/// §7.1 steps 15 to 18, §7.2 steps 16 to 18.
fn flags(auth: &AuthData<'_>, user_verification: bool) -> Result<(), AttestError> {
    let has = |flag| auth.flags & flag != 0;
    if !has(authdata::PRESENT) {
        return Err(Code::UserPresence.into());
    }
    if user_verification && !has(authdata::VERIFIED) {
        return Err(Code::UserVerification.into());
    }
    if has(authdata::BACKED_UP) && !has(authdata::BACKUP_ELIGIBLE) {
        return Err(broken("a backup of what has none"));
    }
    Ok(())
}

fn credential<'a>(
    auth_bytes: &'a [u8],
    auth: AuthData<'a>,
    response: &ceremony::Response,
) -> Result<Registration<'a>, AttestError> {
    let credential = auth.credential.as_ref().ok_or_else(|| broken("no credential"))?;
    if credential.id != response.id {
        return Err(AttestError::new(Code::Binding, "the credential has another name"));
    }
    let key = credential.key.as_ref().and_then(cose_key);
    let (algorithm, key) =
        key.ok_or_else(|| AttestError::new(Code::Algorithm, "not a key that is in use"))?;
    // A credential that cannot be checked later is none: SHA-1 has no place in new keys.
    if algorithm == RS1 || cose_scheme(algorithm, key.kind).is_none() {
        return Err(AttestError::new(Code::Algorithm, format!("COSE algorithm {algorithm}")));
    }
    let (credential_id, aaguid) = (credential.id, credential.aaguid);
    let client_hash = *sha256(&response.client_data).as_bytes();
    Ok(Registration { auth_bytes, auth, client_hash, algorithm, key, credential_id, aaguid })
}

fn claims(
    registration: &Registration<'_>,
    format: &'static str,
    voucher: Voucher,
    (site, origin): (String, String),
) -> Result<WebauthnClaims, AttestError> {
    let flags = registration.auth.flags;
    Ok(WebauthnClaims {
        format,
        voucher,
        site,
        origin,
        credential_id: registration.credential_id.to_vec(),
        key: registration.key.info.clone(),
        algorithm: i64::try_from(registration.algorithm).map_err(|_| Code::Algorithm)?,
        aaguid: registration.aaguid.to_vec(),
        counter: registration.auth.counter,
        user_verified: flags & authdata::VERIFIED != 0,
        backup_eligible: flags & authdata::BACKUP_ELIGIBLE != 0,
        backed_up: flags & authdata::BACKED_UP != 0,
        tpm_manufacturer: None,
        android: None,
    })
}

fn conclude(
    mut claims: WebauthnClaims,
    stated: Stated,
    relaxed: Relaxed<'_>,
    question: &Question<'_>,
) -> Appraisal {
    claims.tpm_manufacturer = stated.tpm_manufacturer;
    claims.android = stated.android;
    let vouched = stated.voucher == Voucher::Maker;
    let finding = match stated.voucher {
        Voucher::Nobody => Some(Code::NoAttestation),
        Voucher::Itself => Some(Code::SelfAttestation),
        Voucher::Stranger => Some(Code::Unanchored),
        Voucher::Maker => None,
    };
    let mut reasons: Vec<Reason> = finding.into_iter().map(|code| Reason::new(code, "")).collect();
    reasons.extend(relaxed.reasons());
    let claim = if vouched { 2 } else { 0 };
    let vector = TrustVector {
        instance_identity: claim,
        hardware: claim,
        storage_opaque: claim,
        ..TrustVector::default()
    };
    let (basis, not_after) =
        stated.path.map_or((Default::default(), NEVER), |path| (path.basis, path.not_after));
    // The authenticator is genuine; of the machine that it is in or beside, and of the page, nothing is known.
    let facts = Facts {
        key: match stated.voucher {
            Voucher::Nobody | Voucher::Itself => KeyPlace::Unproven,
            Voucher::Stranger | Voucher::Maker => KeyPlace::Authenticator,
        },
        vouched,
        ..Facts::unproven(FAMILY, question.anchors.context.realm)
    };
    Genuine {
        facts,
        vector,
        reasons,
        relaxed: relaxed.used,
        basis,
        verified_at: question.now,
        not_after,
        claims: Claims::Webauthn(Box::new(claims)),
    }
    .appraised()
}

/// How a signature is checked that COSE names so; none if key and name do not fit.
pub(crate) const fn cose_scheme(algorithm: i128, kind: KeyKind) -> Option<Scheme> {
    match (algorithm, kind) {
        (-7, KeyKind::Ec(Curve::P256)) => Some(Scheme::Ecdsa(Curve::P256, HashName::Sha256)),
        (-35, KeyKind::Ec(Curve::P384)) => Some(Scheme::Ecdsa(Curve::P384, HashName::Sha384)),
        (-36, KeyKind::Ec(Curve::P521)) => Some(Scheme::Ecdsa(Curve::P521, HashName::Sha512)),
        (-8, KeyKind::Ed25519) => Some(Scheme::Ed25519),
        (-257, KeyKind::Rsa) => Some(Scheme::RsaPkcs1(HashName::Sha256)),
        (-258, KeyKind::Rsa) => Some(Scheme::RsaPkcs1(HashName::Sha384)),
        (-259, KeyKind::Rsa) => Some(Scheme::RsaPkcs1(HashName::Sha512)),
        (-37, KeyKind::Rsa) => Some(Scheme::RsaPss(HashName::Sha256)),
        (RS1, KeyKind::Rsa) => Some(Scheme::DangerRsaPkcs1Sha1),
        _ => None,
    }
}

/// Checks a signature that COSE names; SHA-1 only where that is allowed, and nowhere where nothing is.
pub(crate) fn verify_cose(
    algorithm: i128,
    key: &Key,
    (message, signature): (&[u8], &[u8]),
    relaxed: Option<&mut Relaxed<'_>>,
) -> Result<(), AttestError> {
    let scheme = cose_scheme(algorithm, key.kind);
    let scheme =
        scheme.ok_or_else(|| AttestError::new(Code::Algorithm, format!("COSE algorithm {algorithm}")))?;
    if scheme == Scheme::DangerRsaPkcs1Sha1 {
        relaxed.ok_or(Code::Sha1)?.use_up(Relaxation::DangerSha1, Code::Sha1)?;
    }
    Ok(foreign::verify(scheme, &key.bits, message, signature)?)
}

pub(crate) fn broken(what: &'static str) -> AttestError {
    AttestError::new(Code::Malformed, what)
}

/// Bytes of a member.
pub(crate) fn bytes_of<'a>(value: &Value<'a>, name: &str) -> Result<&'a [u8], AttestError> {
    value.member(name).and_then(Value::bytes).ok_or_else(|| broken("a part of the statement is missing"))
}

/// RSASSA-PKCS1-v1_5 with SHA-1 in the registry of COSE.
pub(crate) const RS1: i128 = -65_535;
