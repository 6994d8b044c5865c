//! Family `soter`: Tencent SOTER: a device key of the maker, a key of the app, a key of the scene, and what it signed.
//!
//! Four levels, each signed by the one above, all in secure hardware: ATTK (one a device, from the factory) → ASK (one an
//! app) → AuthKey (one a scene) → the final statement, which the hardware signs once a user was verified. Signatures are
//! RSA-PSS with SHA-256. Evidence is an object of JSON that holds the device's parts as they were exported, in
//! base64url, since what was signed are exactly those bytes; the reference lists its members.
//!
//! Every level names device and app and counts up; all levels must agree and grow. Who trusts a device anchors a maker's
//! root, the device's ATTK, or an ASK that the maker's own service has confirmed. Of app, system and boot the evidence says
//! nothing that Glacis could check, so values stay `claimed`. There is no revocation list.
//!
//! Source: <https://github.com/Tencent/soter/wiki>; the server's example there, for names of members and salt lengths.

mod ask;
mod statement;

pub use ask::{AskClaims, check_ask};

use crate::appraisal::{Appraisal, AttestError, Claims, Genuine, Reason};
use crate::code::Code;
use crate::json::{Json, wrong};
use crate::question::Question;
use crate::relaxed::Relaxed;
use crate::standing::{Facts, KeyPlace};
use crate::x509::{Key, KeyKind};
use ask::{Ask, Vouched};
use glacis_seal::Purpose;
use glacis_seal::hash::context_digest;
use glacis_seal::text::{base64url, parse_base64url};
use glacis_wire::message::PublicKey;
use glacis_wire::message::enrol::TrustVector;
use serde::Serialize;
use statement::{Final, Signed, Stated, signed_key};

/// Name of the family.
pub const FAMILY: &str = "soter";

/// What the evidence proves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SoterClaims {
    /// Who vouches for the device.
    pub voucher: SoterVoucher,
    /// The app's key, as DER `SubjectPublicKeyInfo`.
    #[serde(serialize_with = "crate::appraisal::hex")]
    pub app_key: Vec<u8>,
    /// The scene's key, as DER `SubjectPublicKeyInfo`.
    #[serde(serialize_with = "crate::appraisal::hex")]
    pub scene_key: Vec<u8>,
    /// Names the device; the same for every app and for as long as it lives.
    pub cpu_id: Concealed,
    /// Names the finger, or whatever else was recognised.
    pub fid: Concealed,
    /// Number of the app on this device, as its system gave it.
    pub uid: String,
    /// How far the device has counted.
    pub counter: u64,
    /// Name of the secure system.
    pub tee: String,
    /// Its version.
    pub tee_version: String,
    /// Maker of the sensor.
    pub sensor: String,
    /// Its version.
    pub sensor_version: String,
}

/// Who vouches for a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SoterVoucher {
    /// A maker, whose root is anchored.
    Maker,
    /// Whoever anchored the device's own key.
    DeviceKey,
    /// Whoever anchored the app's key.
    AppKey,
    /// Nobody.
    Nobody,
}

/// Text that names a device or a finger. It is not printed by `Debug`, so that no log holds one by accident; the claims as
/// JSON have it, for whoever may see them.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Concealed(String);

impl Concealed {
    /// The text, for deriving a pseudonym and nothing else.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Concealed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Concealed(…)")
    }
}

/// What the final statement must carry as `raw` for an enrolment: base64url of a digest over challenge and device key.
///
/// The scene's key is RSA and no device key, so the device key is bound by what the scene's key signs. Without a device key
/// `raw` must be the challenge itself.
pub fn bound_challenge(context: &glacis_seal::Context, challenge: &[u8], device_key: &PublicKey) -> String {
    let parts: [&[u8]; 2] = [challenge, &device_key.0];
    base64url(context_digest(context, Purpose::SoterEvidence, &parts).as_bytes())
}

/// Appraises evidence.
pub(crate) fn appraise(body: &[u8], question: &Question<'_>) -> Result<Appraisal, AttestError> {
    let object = Json::read_object(body)?;
    known(&object, &["attk", "ask", "auth_key", "final"])?;
    let mut relaxed = Relaxed::new(question);
    // What costs nothing first: forms, challenge, one device and app, growing counters.
    let scene = signed(&object, "auth_key")?;
    let last = signed(&object, "final")?;
    let final_statement = Final::parse(&last)?;
    challenge(final_statement.raw.as_bytes(), question)?;
    let (stated, scene_key) = signed_key(&scene)?;
    follows(&stated, &final_statement.stated)?;
    // Then signatures, from the anchor down.
    let ask = Ask::check(&object, question, &mut relaxed)?;
    if let Some(above) = &ask.stated {
        follows(above, &stated)?;
    }
    scene.verify(&ask.key)?;
    last.verify(&scene_key)?;
    Ok(conclude(ask, (final_statement, scene_key), relaxed, question))
}

/// Members of our own object are ours to name: one that nobody knows is a mistake.
fn known(object: &Json, names: &[&str]) -> Result<(), AttestError> {
    let stranger = object.names().find(|name| !names.contains(name));
    stranger.map_or(Ok(()), |_| Err(AttestError::new(Code::Malformed, "a member that nobody knows")))
}

/// One statement with its signature.
fn signed(object: &Json, name: &str) -> Result<Signed, AttestError> {
    let part = object.member(name).ok_or_else(|| wrong(name, "missing"))?;
    known(part, &["json", "signature"])?;
    Signed::parse(bytes(part, "json")?, bytes(part, "signature")?)
}

/// Bytes of a member, in base64url.
fn bytes(object: &Json, name: &str) -> Result<Vec<u8>, AttestError> {
    parse_base64url(object.need_text(name)?).ok_or_else(|| wrong(name, "not base64url"))
}

fn challenge(raw: &[u8], question: &Question<'_>) -> Result<(), AttestError> {
    let right = match question.device_key {
        Some(key) => bound_challenge(&question.anchors.context, question.challenge, key).as_bytes() == raw,
        None => question.challenge == raw,
    };
    if right { Ok(()) } else { Err(Code::Challenge.into()) }
}

/// A level names the device and app of the one above and has counted further.
fn follows(above: &Stated, below: &Stated) -> Result<(), AttestError> {
    if above.cpu_id != below.cpu_id || above.uid != below.uid {
        return Err(AttestError::new(Code::Binding, "levels of two devices or apps"));
    }
    if below.counter <= above.counter {
        return Err(Code::Counter.into());
    }
    Ok(())
}

fn conclude(
    ask: Ask,
    (last, scene_key): (Final, Key),
    relaxed: Relaxed<'_>,
    question: &Question<'_>,
) -> Appraisal {
    let Ask { key: app_key, vouched: Vouched { voucher, basis, not_after }, .. } = ask;
    let vouched = voucher != SoterVoucher::Nobody;
    // The key that enrols is another than the scene's, and nothing says where it lives.
    let elsewhere = question.device_key.is_some();
    let found = [(!vouched).then_some(Code::Unanchored), elsewhere.then_some(Code::KeyUnproven)];
    let mut reasons: Vec<Reason> = found.into_iter().flatten().map(|code| Reason::new(code, "")).collect();
    reasons.extend(relaxed.reasons());
    let claim = if vouched { 2 } else { 0 };
    let vector = TrustVector {
        instance_identity: claim,
        hardware: claim,
        storage_opaque: if elsewhere { 0 } else { claim },
        ..TrustVector::default()
    };
    let Stated { cpu_id, uid, counter, .. } = last.stated;
    // No level says which system runs or who wrote the app.
    let facts = Facts {
        key: if elsewhere { KeyPlace::Unproven } else { KeyPlace::Environment },
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
        claims: Claims::Soter(Box::new(SoterClaims {
            voucher,
            app_key: app_key.info,
            scene_key: scene_key.info,
            cpu_id: Concealed(cpu_id),
            fid: Concealed(last.fid),
            uid,
            counter,
            tee: last.tee,
            tee_version: last.tee_version,
            sensor: last.sensor,
            sensor_version: last.sensor_version,
        })),
    }
    .appraised()
}

/// A key of a level: RSA, whose length is checked with its signature.
fn rsa(key: Key) -> Result<Key, AttestError> {
    if key.kind == KeyKind::Rsa {
        return Ok(key);
    }
    Err(AttestError::new(Code::Algorithm, "a key of SOTER that is not RSA"))
}
