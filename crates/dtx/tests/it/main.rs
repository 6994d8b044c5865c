//! The device's middleware from outside, against a cloud and an edge made of `seal` alone.
#![expect(clippy::unwrap_used, reason = "helpers of a test binary")]

mod choice;
mod custody;
mod dying;
mod enrol;
mod foreign;
mod kept;
#[cfg(target_os = "linux")]
mod memory;
mod pkcs11;
mod policy;
mod session;
mod software;
mod storage;
#[path = "../../../../tests/support/swtpm.rs"]
mod swtpm;
mod tpm;

use glacis_dtx::enrol::{Challenged, Draft};
use glacis_dtx::{CustodyErrorKind, Enrolled, Enrolment, KeyError, KeyStore, SoftwareKeyStore, Vault};
use glacis_host::{Entropy, Files, MemoryFiles, SeededHost};
use glacis_seal::{Context, Purpose, SigningKey, key_id, sign_envelope, thumbprint};
use glacis_wire::message::enrol::{
    AttestationResult, DeviceCertificate, EnrolChallenge, EnrolResponse, TrustVector,
};
use glacis_wire::message::policy::{KeySet, KeyUse, PublishedKey};
use glacis_wire::message::{List, PublicKey, Tail, Text};
use glacis_wire::{Realm, TenantId, Tier, Timestamp, Trust};
use std::sync::Arc;

pub(crate) const NOW: Timestamp = Timestamp::from_secs(1_000_000);

pub(crate) fn context() -> Context {
    Context::new(TenantId::parse("acme").unwrap(), Realm::Demo)
}

pub(crate) fn host(label: &str) -> Arc<SeededHost> {
    Arc::new(SeededHost::new(1, NOW).stream(label))
}

pub(crate) fn key(label: &str) -> SigningKey {
    SigningKey::generate(|out| host(label).fill(out)).unwrap()
}

pub(crate) fn vault(files: impl Files + 'static) -> Arc<Vault> {
    Arc::new(Vault::open(Arc::new(files), host("vault"), context()).unwrap())
}

pub(crate) fn key_store(vault: &Arc<Vault>) -> Arc<dyn KeyStore> {
    Arc::new(SoftwareKeyStore::open(Arc::clone(vault)).unwrap())
}

/// Why the back end failed.
pub(crate) fn kind<T: std::fmt::Debug>(result: Result<T, KeyError>) -> CustodyErrorKind {
    let error = result.unwrap_err();
    let KeyError::Custody(error) = &error else {
        assert_eq!(error.to_string(), "an error of the back end");
        return CustodyErrorKind::Failed;
    };
    error.kind()
}

pub(crate) fn key_set(version: u64, policy: &[&str]) -> KeySet {
    let named = |label: &str, usage| {
        let key = key(label).public();
        PublishedKey { id: key_id(&key), usage, key }
    };
    let mut keys: Vec<_> = policy.iter().map(|label| named(label, KeyUse::Policy)).collect();
    keys.push(named("result", KeyUse::Result));
    let Context { tenant, realm } = context();
    KeySet { tenant, realm, version, issued: NOW, keys: List(keys) }
}

pub(crate) fn challenge() -> EnrolChallenge {
    EnrolChallenge { nonce: [7; 32], not_after: Timestamp::from_secs(1_000_300), mac: [0; 32] }
}

/// What the cloud answers about these keys, signed by the key of this label.
pub(crate) fn answer(device_key: PublicKey, passkey: Option<PublicKey>, signer: &str) -> EnrolResponse {
    let thumbprint = thumbprint(&device_key);
    let not_after = Timestamp::from_secs(2_000_000);
    let certificate = DeviceCertificate { thumbprint, device_key, passkey, issued: NOW, not_after };
    let result = AttestationResult {
        thumbprint,
        tier: Tier::Software,
        trust: Trust::Claimed,
        family: Text("none".to_owned()),
        vector: TrustVector::default(),
        verified_at: NOW,
        not_after,
        certificate: Tail::default(),
    };
    EnrolResponse {
        certificate: sign_envelope(&key(signer), &context(), Purpose::Certificate, &certificate).unwrap(),
        result: sign_envelope(&key(signer), &context(), Purpose::Result, &result).unwrap(),
    }
}

pub(crate) fn challenged(keys: &Arc<dyn KeyStore>, passkey: bool) -> Enrolment<Challenged> {
    Enrolment::<Draft>::begin(Arc::clone(keys), context(), passkey)
        .unwrap()
        .challenged(challenge(), NOW)
        .unwrap()
}

pub(crate) fn enrolled(keys: &Arc<dyn KeyStore>) -> Enrolled {
    let enrolment = challenged(keys, false).evidenced(None).unwrap();
    let response = answer(*enrolment.device_key(), None, "result");
    enrolment.finish(response, &key_set(1, &["policy"]), NOW).unwrap()
}

/// A device with keys and an enrolment on files of its own.
pub(crate) fn device() -> (MemoryFiles, Arc<Vault>, Arc<dyn KeyStore>, Enrolled) {
    let files = MemoryFiles::new();
    let vault = vault(files.clone());
    let keys = key_store(&vault);
    let enrolled = enrolled(&keys);
    (files, vault, keys, enrolled)
}
