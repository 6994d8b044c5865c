//! Verifiers of others on the same bytes: `webauthn-rs-core` in this process, `webauthn` and `pyattest` of PyPI in theirs.
//!
//! What each leaves out is said where it is printed: a comparison of different work would be none. A peer that refuses the
//! evidence ends the bench, so that nobody is measured at saying no.

use crate::cases::{IphoneEvidence, KeyEvidence};
use crate::{Outcome, meter};
use serde_json::{Value, json};
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;
use url::Url;
use webauthn_rs_core::WebauthnCore;
use webauthn_rs_core::proto::RegistrationState;
use webauthn_rs_core::proto::{COSEAlgorithm, RegisterPublicKeyCredential};

/// A peer's CPU time for one appraisal, in microseconds.
pub(crate) struct Peer {
    pub(crate) name: String,
    pub(crate) us: f64,
}

/// `webauthn-rs-core` on the registration. Without a list of authorities it checks the statement and not the chain.
pub(crate) fn webauthn_rs() -> Outcome<Peer> {
    let found = KeyEvidence::read()?;
    let core = WebauthnCore::new_unsafe_experts_only(
        "bench",
        &found.site,
        vec![Url::parse(&found.origin)?],
        Duration::from_secs(60),
        None,
        None,
    );
    let said = |error| format!("webauthn-rs-core: {error:?}");
    let builder = core.new_challenge_register_builder(b"user", "user", "user").map_err(said)?;
    let builder = builder.credential_algorithms(COSEAlgorithm::all_possible_algs());
    let (_, state) = core.generate_challenge_register(builder).map_err(said)?;
    // It draws its own challenge; the one of the corpus goes in by the form in which servers keep the state.
    let mut state = serde_json::to_value(&state)?;
    *state.get_mut("challenge").ok_or("the state has no challenge")? = Value::String(found.challenge.clone());
    let state: RegistrationState = serde_json::from_value(state)?;
    let text = found.credential.to_string();
    let us = meter::median_us(|| {
        let credential: RegisterPublicKeyCredential = serde_json::from_str(&text)?;
        core.register_credential(&credential, &state, None).map_err(said)?;
        Ok(())
    })?;
    Ok(Peer { name: "webauthn-rs-core, statement without its chain".to_owned(), us })
}

/// The verifiers of PyPI, by the interpreter that has them.
pub(crate) fn python(interpreter: &str) -> Outcome<(Vec<Peer>, Vec<Peer>)> {
    let (key, phone) = (KeyEvidence::read()?, IphoneEvidence::read()?);
    let hex = |bytes: &[u8]| glacis_seal::text::hex(bytes);
    let asked = json!({
        "webauthn": {
            "credential": key.credential, "challenge": key.challenge, "site": key.site, "origin": key.origin,
        },
        "pyattest": {
            "attestation": hex(&phone.attestation), "challenge": hex(&phone.challenge),
            "key_id": hex(&phone.key_id), "app": phone.app, "at": phone.at.as_secs(),
        },
    });
    let mut child = Command::new(interpreter)
        .args(["-c", include_str!("../python/peers.py")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    child.stdin.take().ok_or("no standard input")?.write_all(asked.to_string().as_bytes())?;
    let output = child.wait_with_output()?;
    if !output.status.success() {
        return Err(format!("the peers in Python: {}", output.status).into());
    }
    let said: Value = serde_json::from_slice(&output.stdout)?;
    let peer = |name: &str| {
        let us = said.pointer(&format!("/{name}/us")).and_then(Value::as_f64).ok_or(format!("no {name}"))?;
        let version = said.pointer(&format!("/{name}/version")).and_then(Value::as_str).unwrap_or("?");
        Ok::<_, String>((us, version.to_owned()))
    };
    let ((key_us, key_version), (phone_us, phone_version)) = (peer("webauthn")?, peer("pyattest")?);
    Ok((
        vec![Peer {
            name: format!("webauthn {key_version} of PyPI, statement without its chain"),
            us: key_us,
        }],
        vec![Peer { name: format!("pyattest {phone_version} of PyPI"), us: phone_us }],
    ))
}
