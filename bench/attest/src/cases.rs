//! Evidence of real devices, out of the corpus: what is appraised, and what is asked about it.
//!
//! The corpus is found through `$GLACIS_VECTORS` and never ships; without it there is nothing to measure. Which certificates
//! are in it is found here by marks of these very files, not by the verifier that is measured.

use crate::Outcome;
use crate::signatures::Signatures;
use glacis_attest::{
    Anchors, Appraisal, Constraints, Question, References, Relaxation, Revocations, Site, android, apple,
    pem, webauthn,
};
use glacis_seal::text::{parse_base64, parse_base64url};
use glacis_seal::{Context, sha256};
use glacis_wire::message::enrol::Evidence;
use glacis_wire::message::{Bytes, Text};
use glacis_wire::{Realm, TenantId, Timestamp};
use serde_json::Value;
use std::path::PathBuf;
use std::time::Duration;

/// One piece of evidence and one question.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) evidence: Evidence,
    /// What cannot be left out.
    pub(crate) signatures: Signatures,
    /// The guide of the issue for this case, in microseconds, where it has one.
    pub(crate) guide_us: Option<f64>,
    anchors: Anchors,
    references: References,
    constraints: Constraints,
    revocations: Revocations,
    challenge: Vec<u8>,
    now: Timestamp,
}

impl Case {
    /// Appraises once.
    pub(crate) fn appraise(&self) -> Outcome<Appraisal> {
        let question = Question {
            anchors: &self.anchors,
            references: &self.references,
            revocations: Some(&self.revocations),
            constraints: &self.constraints,
            challenge: &self.challenge,
            device_key: None,
            activation: None,
            now: self.now,
        };
        Ok(glacis_attest::appraise(&self.evidence, &question)?)
    }

    fn new(name: &'static str, family: &str, body: Vec<u8>, now: Timestamp) -> Outcome<Self> {
        Ok(Self {
            name,
            evidence: Evidence { family: Text(family.to_owned()), body: Bytes(body) },
            signatures: Signatures::default(),
            guide_us: None,
            anchors: Anchors::new(Context::new(TenantId::parse("bench")?, Realm::Production)),
            references: References::default(),
            constraints: Constraints::default(),
            revocations: Revocations::empty(now),
            challenge: Vec::new(),
            now,
        })
    }
}

/// All cases.
pub(crate) fn all() -> Outcome<Vec<Case>> {
    Ok(vec![
        phone("four certificates, StrongBox", STRONGBOX)?,
        phone("five certificates, root of 2026", ROOT_2026)?,
        iphone()?,
        key()?,
    ])
}

/// Where, as of when (seconds since 1970), for which challenge.
type Chain = (&'static str, u64, &'static [u8], Option<f64>);
const STRONGBOX: Chain = ("blueline/sdk28/SB_RSA_NONE.pem", 1_598_689_320, b"challenge", Some(400.0));
const ROOT_2026: Chain =
    ("tegu/sdk36/SB_EC_2026_ROOT.pem", 1_771_979_880, b"90578e1d-f5bf-4ccf-a27f-a4f4d89ee21f", None);

fn phone(name: &'static str, (file, at, challenge, guide_us): Chain) -> Outcome<Case> {
    let text = String::from_utf8(read(&format!("android-key-attestation/{file}"))?)?;
    let chain = pem::certificates(&text).ok_or("not PEM")?;
    let mut case = Case::new(name, android::FAMILY, chain.concat(), Timestamp::from_secs(at))?;
    case.signatures = Signatures::of_chain(&chain, &case.anchors.roots.android)?;
    case.challenge = challenge.to_vec();
    case.guide_us = guide_us;
    Ok(case)
}

fn iphone() -> Outcome<Case> {
    let found = IphoneEvidence::read()?;
    let mut case = Case::new("App Attest", apple::FAMILY, found.attestation.clone(), found.at)?;
    let chain = certificates_in(&found.attestation);
    case.signatures = Signatures::of_chain(&chain, &case.anchors.roots.app_attest)?;
    case.challenge = found.challenge;
    case.references.apple_apps = vec![found.app];
    case.constraints.allow.insert(Relaxation::DangerDevelopment);
    case.guide_us = Some(500.0);
    Ok(case)
}

/// An attestation of the corpus, for our verifier and for those of others.
pub(crate) struct IphoneEvidence {
    pub(crate) attestation: Vec<u8>,
    pub(crate) challenge: Vec<u8>,
    pub(crate) key_id: Vec<u8>,
    pub(crate) app: String,
    pub(crate) at: Timestamp,
}

impl IphoneEvidence {
    pub(crate) fn read() -> Outcome<Self> {
        let text = String::from_utf8(read("apple-app-attest/ios-14.4.yaml")?)?;
        // The first document is the attestation.
        let member = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
            line.map(|value| value.trim().trim_matches('\'').to_owned()).ok_or(format!("no {name}"))
        };
        let bytes = |name: &str| Ok::<_, String>(parse_base64(&member(name)?).ok_or("not base64")?);
        Ok(Self {
            attestation: bytes("attestationBase64")?,
            challenge: bytes("clientDataBase64")?,
            key_id: bytes("keyIdBase64")?,
            app: format!("{}.{}", member("teamIdentifier")?, member("bundleIdentifier")?),
            // 2021-01-23T12:13:33Z, and a minute.
            at: Timestamp::from_secs(1_611_404_013).after(Duration::from_secs(60)),
        })
    }
}

/// A registration of the corpus.
pub(crate) struct KeyEvidence {
    pub(crate) credential: Value,
    pub(crate) challenge: String,
    pub(crate) site: String,
    pub(crate) origin: String,
}

impl KeyEvidence {
    pub(crate) fn read() -> Outcome<Self> {
        let document: Value =
            serde_json::from_slice(&read("webauthn/packed-verify_attestation_from_yubikey_firefox.json")?)?;
        let text = |name: &str| {
            document.get(name).and_then(Value::as_str).map(str::to_owned).ok_or(format!("no {name}"))
        };
        Ok(Self {
            credential: document.get("credential").ok_or("no credential")?.clone(),
            challenge: text("challenge_b64url")?,
            site: text("rp_id")?,
            origin: text("origin")?,
        })
    }

    fn response(&self, name: &str) -> Outcome<Vec<u8>> {
        let text = self.credential.pointer(&format!("/response/{name}")).and_then(Value::as_str);
        Ok(text.and_then(parse_base64url).ok_or(format!("no {name}"))?)
    }
}

fn key() -> Outcome<Case> {
    let found = KeyEvidence::read()?;
    // 2022-01-01T00:00:00Z.
    let now = Timestamp::from_secs(1_640_995_200);
    let body = found.credential.to_string().into_bytes();
    let mut case = Case::new("WebAuthn, packed, a security key", webauthn::FAMILY, body, now)?;
    case.anchors.roots.authenticators = vec![parse_base64(YUBICO).ok_or("not base64")?];
    case.challenge = parse_base64url(&found.challenge).ok_or("not base64url")?;
    case.references.sites = vec![Site { id: found.site.clone(), origins: vec![found.origin.clone()] }];
    let object = found.response("attestationObject")?;
    let chain = certificates_in(&object);
    let leaf = chain.first().ok_or("no certificate")?;
    let message = [
        after(&object, b"hauthDataX\xc4", 0xc4)?,
        sha256(&found.response("clientDataJSON")?).as_bytes().to_vec(),
    ];
    let signature = after(&object, b"csigXG", 0x47)?;
    case.signatures = Signatures::of_chain(&chain, &case.anchors.roots.authenticators)?.and_statement(
        leaf,
        message.concat(),
        signature,
    )?;
    Ok(case)
}

/// Yubico's U2F Root CA Serial 457200631: <https://developers.yubico.com/U2F/yubico-u2f-ca-certs.txt>.
const YUBICO: &str = "\
    MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAv48GLoQVZamomFhDLK1hYrICfj7TPdXkq6SOEyu1Od5sAiGsEgx8vL1J\
    pOTdigI/Wm70/TT+UjEtYUIt7rMaGBqJ10IHzumV8lAPWvigJKnRZwZ5croEngjnqfBHWRX7GkRbTI5MM+RnM9j8uLyGLwnTBz7c\
    Gs9G1bs53rniBM+k50IxOt0Xbds28J3m8ExuWcm3lksG88vgSd+GR3FITwGPPciUF7hNCMzGRXBAWzzUW1hAkSoI6v/6k/Z5gzhV\
    ZUkQrdsIqj0s5bsJ/r/rLkBAbFI0xjBHdubSl105DVttcCFm8XkslKE18C7xkusZcEEoDaZNql2MH/Il4O1VmQIDAQAB";

/// The bytes behind a mark of CBOR in these very files; what is not there verifies nothing.
fn after(object: &[u8], mark: &[u8], length: usize) -> Outcome<Vec<u8>> {
    let at = object.windows(mark.len()).position(|window| window == mark).ok_or("mark not found")?;
    Ok(object.get(at + mark.len()..).and_then(|rest| rest.get(..length)).ok_or("too short")?.to_vec())
}

/// Certificates in a CBOR object: byte strings (`59 LLLL`) that begin as a DER sequence of two length bytes (`30 82`).
fn certificates_in(object: &[u8]) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    let mut rest = object;
    while let [first, tail @ ..] = rest {
        rest = tail;
        let [high, low, 0x30, 0x82, ..] = tail else { continue };
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        // A receipt is a sequence as well, and no certificate: it has no length here (`30 80`).
        if let (0x59, Some(certificate)) = (first, tail.get(2..2 + length)) {
            found.push(certificate.to_vec());
            rest = tail.get(2 + length..).unwrap_or(&[]);
        }
    }
    found
}

/// A file of the corpus.
#[expect(clippy::disallowed_methods, reason = "a bench finds the corpus as tests do")]
fn read(file: &str) -> Outcome<Vec<u8>> {
    let default = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors");
    let path = std::env::var_os("GLACIS_VECTORS").map_or_else(default, PathBuf::from).join(file);
    std::fs::read(&path)
        .map_err(|error| format!("no corpus ($GLACIS_VECTORS): {}: {error}", path.display()).into())
}
