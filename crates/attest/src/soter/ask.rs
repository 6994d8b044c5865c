//! The app's key, and who vouches for it: a chain of the maker, the device's own key, or an anchor.
//!
//! In the older form the device's key (ATTK) signs JSON about the app's key (ASK). In the newer one the device's key store
//! signs a certificate about it, whose statement is Android's and whose challenge is SOTER's JSON. That certificate is a
//! statement and no link of a path: the device's key may issue no certificates, and is the leaf of the maker's chain.
//!
//! Any app can have any key attested by such a store, over any challenge. What makes a key SOTER's is a purpose of its own
//! that the hardware enforces; a key that may sign for its app, too, is refused, whatever its challenge says.

use super::statement::{Signed, Stated, signed_key};
use super::{SoterVoucher, bytes, known, rsa, signed};
use crate::android::{KEY_DESCRIPTION, KeyDescription, SecurityLevel, describe};
use crate::appraisal::{AttestError, Basis, NEVER};
use crate::asn1::{Reader, Rules};
use crate::code::Code;
use crate::json::{Json, wrong};
use crate::path::Path;
use crate::pem;
use crate::question::{Question, Relaxation};
use crate::relaxed::Relaxed;
use crate::x509::{CHAIN_MAX, Cert, Key};
use der::asn1::ObjectIdentifier as Oid;
use glacis_wire::Timestamp;
use glacis_wire::limits::EVIDENCE_BYTES_MAX;

/// An app's key, and what it rests on.
pub(super) struct Ask {
    pub(super) key: Key,
    /// What its statement says; none for a key that is anchored itself.
    pub(super) stated: Option<Stated>,
    pub(super) vouched: Vouched,
}

/// What vouches for a device's key.
pub(super) struct Vouched {
    pub(super) voucher: SoterVoucher,
    pub(super) basis: Basis,
    pub(super) not_after: Timestamp,
}

/// What a chain says about an app's key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AskClaims {
    /// Who vouches for the device.
    pub voucher: SoterVoucher,
    /// The app's key, as DER `SubjectPublicKeyInfo`.
    pub app_key: Vec<u8>,
    /// Names the device.
    pub cpu_id: super::Concealed,
    /// Number of the app on this device.
    pub uid: String,
    /// How far the device had counted.
    pub counter: u64,
    /// Relaxations that it needed.
    pub relaxed: Vec<Relaxation>,
}

/// Checks an app's key as a device exports it: JSON with a member `certs`, a list of PEM, leaf first.
///
/// For servers that take the key once and statements later. `question` says whom to trust, what to let pass, and when;
/// there is no challenge in this part, so that of the question is not looked at.
///
/// # Errors
/// A chain that proves nothing, with the code that says why.
pub fn check_ask(exported: &[u8], question: &Question<'_>) -> Result<AskClaims, AttestError> {
    // LIMIT: as of evidence, of which this is a part elsewhere.
    if exported.len() > EVIDENCE_BYTES_MAX {
        return Err(Code::TooLarge.into());
    }
    let mut relaxed = Relaxed::new(question);
    let Ask { key, stated, vouched } = certified(exported, question, &mut relaxed)?;
    let stated = stated.ok_or(Code::NoStatement)?;
    Ok(AskClaims {
        voucher: vouched.voucher,
        app_key: key.info,
        cpu_id: super::Concealed(stated.cpu_id),
        uid: stated.uid,
        counter: stated.counter,
        relaxed: relaxed.used,
    })
}

impl Ask {
    /// Reads and checks the members `attk` and `ask` of evidence.
    pub(super) fn check(
        object: &Json,
        question: &Question<'_>,
        relaxed: &mut Relaxed<'_>,
    ) -> Result<Self, AttestError> {
        let part = object.member("ask").ok_or_else(|| wrong("ask", "missing"))?;
        known(part, &["certs", "json", "signature", "key"])?;
        let has = |name| part.member(name).is_some();
        let device = object.member("attk");
        match (has("certs"), has("key"), has("json"), device) {
            (true, false, false, None) if !has("signature") => {
                certified(&bytes(part, "certs")?, question, relaxed)
            }
            (false, true, false, None) if !has("signature") => {
                anchored(&bytes(part, "key")?, question, relaxed)
            }
            (false, false, true, Some(device)) => stated(&signed(object, "ask")?, device, question, relaxed),
            _ => Err(AttestError::new(Code::Malformed, "an app's key in no form, or in two")),
        }
    }
}

/// The app's key is anchored itself, or nobody vouches for it.
fn anchored(info: &[u8], question: &Question<'_>, relaxed: &mut Relaxed<'_>) -> Result<Ask, AttestError> {
    let key = rsa(Key::parse(info).ok_or_else(|| wrong("key", "not a public key"))?)?;
    let vouched = by_anchor(&key, SoterVoucher::AppKey, question, relaxed)?;
    Ok(Ask { key, stated: None, vouched })
}

/// The older form: the device's key signed a statement about the app's.
fn stated(
    signed: &Signed,
    device: &Json,
    question: &Question<'_>,
    relaxed: &mut Relaxed<'_>,
) -> Result<Ask, AttestError> {
    known(device, &["certs", "key"])?;
    let (stated, key) = signed_key(signed)?;
    let (device_key, vouched) = match (device.member("certs"), device.member("key")) {
        (Some(_), None) => {
            let chain = chain_of(&bytes(device, "certs")?)?;
            let certs: Vec<Cert<'_>> = parse(&chain)?;
            let device_key = certs.first().ok_or(Code::Malformed)?.key.clone();
            (device_key, device_chain(&certs, question, relaxed)?)
        }
        (None, Some(_)) => {
            let info = bytes(device, "key")?;
            let key = Key::parse(&info).ok_or_else(|| wrong("key", "not a public key"))?;
            let vouched = by_anchor(&key, SoterVoucher::DeviceKey, question, relaxed)?;
            (key, vouched)
        }
        _ => return Err(AttestError::new(Code::Malformed, "a device's key in no form, or in two")),
    };
    signed.verify(&rsa(device_key)?)?;
    Ok(Ask { key, stated: Some(stated), vouched })
}

/// The newer form: the device's key signed a certificate about the app's.
fn certified(
    exported: &[u8],
    question: &Question<'_>,
    relaxed: &mut Relaxed<'_>,
) -> Result<Ask, AttestError> {
    let chain = chain_of(exported)?;
    let certs: Vec<Cert<'_>> = parse(&chain)?;
    let (leaf, above) = certs.split_first().ok_or(Code::Malformed)?;
    let device = above.first().ok_or_else(|| AttestError::new(Code::UnknownRoot, "one certificate alone"))?;
    if leaf.is_ca() {
        return Err(AttestError::new(Code::Purpose, "the leaf may issue certificates"));
    }
    if let Some(unknown) = leaf.unknown_critical(&[]) {
        return Err(AttestError::new(Code::CriticalExtension, unknown.to_string()));
    }
    let mut vouched = device_chain(above, question, relaxed)?;
    quirks(leaf, device, question.now, relaxed)?;
    leaf.signed_by(&device.key).map_err(|code| AttestError::new(code, "the certificate of the app's key"))?;
    let description = describe(leaf, relaxed)?;
    serves_soter(&description, relaxed)?;
    // LIMIT: `KeyDescription` bounds the challenge.
    let stated = Stated::parse(&Json::read_object(&description.attestation_challenge)?)?;
    let key = rsa(leaf.key.clone())?;
    vouched.not_after = vouched.not_after.min(leaf.not_after());
    Ok(Ask { key, stated: Some(stated), vouched })
}

/// What real certificates of app's keys get wrong: each refuses, or passes by name.
fn quirks(
    leaf: &Cert<'_>,
    device: &Cert<'_>,
    now: Timestamp,
    relaxed: &mut Relaxed<'_>,
) -> Result<(), AttestError> {
    if now < leaf.not_before() {
        relaxed.use_up(Relaxation::DangerExpired, Code::NotYetValid)?;
    }
    if leaf.not_after() < now {
        relaxed.use_up(Relaxation::DangerExpired, Code::Expired)?;
    }
    if leaf.issuer() != device.subject() {
        relaxed.use_up(Relaxation::DangerNameChain, Code::NameChain)?;
    }
    // Nobody asks those lists; but what stands in a certificate must be what it says it is. Real devices write a zero.
    match leaf.extension(CRL_DISTRIBUTION_POINTS) {
        Some([] | [0]) => relaxed.use_up(Relaxation::DangerLenientDer, Code::Malformed),
        Some(points) if Reader::only(points, Rules::Der).and_then(|points| points.sequence()).is_err() => {
            Err(AttestError::new(Code::Malformed, "an extension cannot be read"))
        }
        _ => Ok(()),
    }
}

/// The hardware made the key, keeps it, and lets it serve SOTER alone.
fn serves_soter(description: &KeyDescription, relaxed: &mut Relaxed<'_>) -> Result<(), AttestError> {
    let (statement, key) = (description.attestation_security_level, description.key_mint_security_level);
    if statement != key {
        return Err(Code::Level.into());
    }
    if statement == SecurityLevel::Software {
        relaxed.use_up(Relaxation::DangerSoftwareLevel, Code::SoftwareLevel)?;
    }
    let enforced = &description.hardware_enforced;
    let only =
        |numbers: Option<&crate::android::Numbers>, one: u64| numbers.is_some_and(|all| all.0 == [one]);
    let right = only(enforced.purposes.as_ref(), PURPOSE_SOTER)
        && enforced.algorithms == Some(ALGORITHM_RSA)
        && only(enforced.digests.as_ref(), DIGEST_SHA_256)
        && only(enforced.paddings.as_ref(), PADDING_PSS);
    if !right {
        return Err(AttestError::new(Code::Purpose, "the key does not serve SOTER alone"));
    }
    if enforced.origin != Some(ORIGIN_GENERATED) {
        relaxed.use_up(Relaxation::DangerImportedKey, Code::KeyOrigin)?;
    }
    Ok(())
}

/// A device's key and who certified it.
fn device_chain(
    certs: &[Cert<'_>],
    question: &Question<'_>,
    relaxed: &mut Relaxed<'_>,
) -> Result<Vouched, AttestError> {
    let device = certs.first().ok_or(Code::UnknownRoot)?;
    // A key with a statement is one of an app's, which signs what the app likes.
    if certs.iter().any(|cert| cert.extension(KEY_DESCRIPTION).is_some()) {
        return Err(Code::ExtensionPlace.into());
    }
    if question.anchors.roots.soter.contains(&device.key.info) {
        return by_anchor(&device.key, SoterVoucher::DeviceKey, question, relaxed);
    }
    let path = Path::of_maker(certs, &question.anchors.roots.soter, &[], question.now, relaxed)?;
    if path.used_unanchored {
        let (voucher, basis) = (SoterVoucher::Nobody, Basis::default());
        return Ok(Vouched { voucher, basis, not_after: path.not_after });
    }
    let Path { basis, not_after, .. } = path.without_leaf_serial();
    Ok(Vouched { voucher: SoterVoucher::Maker, basis, not_after })
}

/// A key that is anchored itself. Nothing of it goes into the basis, since it names one device.
fn by_anchor(
    key: &Key,
    level: SoterVoucher,
    question: &Question<'_>,
    relaxed: &mut Relaxed<'_>,
) -> Result<Vouched, AttestError> {
    let voucher = if question.anchors.roots.soter.contains(&key.info) {
        level
    } else {
        relaxed.use_up(Relaxation::DangerUnanchored, Code::UnknownRoot)?;
        SoterVoucher::Nobody
    };
    Ok(Vouched { voucher, basis: Basis::default(), not_after: NEVER })
}

/// Certificates as a device exports them.
fn chain_of(exported: &[u8]) -> Result<Vec<Vec<u8>>, AttestError> {
    let json = Json::read_object(exported)?;
    let list = json.member("certs").and_then(Json::list).ok_or_else(|| wrong("certs", "not a list"))?;
    if list.len() > CHAIN_MAX {
        return Err(AttestError::new(Code::TooLarge, "more certificates than a chain may have"));
    }
    let one = |item: &Json| pem::blocks(item.text()?, &["CERTIFICATE"], 1)?.pop();
    let chain: Option<Vec<Vec<u8>>> = list.iter().map(one).collect();
    chain.filter(|chain| !chain.is_empty()).ok_or_else(|| wrong("certs", "not certificates as PEM"))
}

fn parse(chain: &[Vec<u8>]) -> Result<Vec<Cert<'_>>, AttestError> {
    chain.iter().map(|cert| Cert::parse(cert)).collect()
}

/// `cRLDistributionPoints`.
const CRL_DISTRIBUTION_POINTS: Oid = Oid::new_unwrap("2.5.29.31");
/// The purpose that key stores gave to SOTER's keys, as the corpus and the maintainers' examples have it; `KeyPurpose.aidl`
/// ends far below.
const PURPOSE_SOTER: u64 = 0xff01_0001;
/// `Algorithm.RSA`.
const ALGORITHM_RSA: u64 = 1;
/// `Digest.SHA_2_256`.
const DIGEST_SHA_256: u64 = 4;
/// `PaddingMode.RSA_PSS`.
const PADDING_PSS: u64 = 3;
/// `KeyOrigin.GENERATED`.
const ORIGIN_GENERATED: u64 = 0;
