//! Prover and verifier of family `tpm` meet: `dtx` on a real TPM in software, `attest` on the other side, bytes between.
//!
//! They share no code but `wire` and `seal`. The TPM is `swtpm` with certificates of its own authority, which counts only
//! because the test adds it.

use crate::swtpm::Swtpm;
use glacis_attest::tpm::{ENTROPY_BYTES, identity_digest, make_credential};
use glacis_attest::{
    Anchors, Appraisal, AttestError, Constraints, Question, References, Released, Roots, appraise, pem,
    public_key_of,
};
use glacis_dtx::tpm::{DeviceTpm, Measured, Tpm2KeyStore, TpmOptions};
use glacis_dtx::{KeyStore, Role, Vault};
use glacis_host::{Clock, Host, MemoryFiles, SystemHost, TpmSocket};
use glacis_seal::Context;
use glacis_wire::message::enrol::{EnrolChallenge, Evidence};
use glacis_wire::message::tpm::{ActivationRequest, TpmEvidence};
use glacis_wire::message::{Bytes, PublicKey};
use glacis_wire::{Decode, Encode, Realm, TenantId, Tier};
use std::sync::Arc;
use std::time::Duration;

const SECRET: [u8; 32] = *b"only one TPM can open this text.";

fn context(tenant: &str) -> Context {
    Context::new(TenantId::parse(tenant).unwrap(), Realm::Demo)
}

fn challenge() -> EnrolChallenge {
    let not_after = SystemHost::new().now().after(Duration::from_secs(300));
    EnrolChallenge { nonce: [7; 32], not_after, mac: [0; 32] }
}

/// A device of this tenant with its TPM.
struct Device {
    swtpm: Swtpm,
    tpm: Arc<DeviceTpm>,
    store: Tpm2KeyStore,
    key: PublicKey,
}

impl Device {
    fn new(swtpm: Swtpm) -> Self {
        let host: Arc<dyn Host> = Arc::new(SystemHost::new());
        let vault = Vault::open(Arc::new(MemoryFiles::new()), host, context("acme")).unwrap();
        let options = TpmOptions { wait: Duration::from_secs(60), ..TpmOptions::default() };
        let link = Box::new(TpmSocket::new(swtpm.address()));
        let tpm = DeviceTpm::open(Arc::new(vault), link, options).unwrap();
        let store = tpm.key_store().unwrap();
        let key = store.create(Role::Device).unwrap();
        Self { swtpm, tpm, store, key }
    }

    /// Both steps, each message through its bytes; what the cloud remembers between them.
    fn prove(&self) -> (Evidence, Released) {
        let now = SystemHost::new().now();
        let request = self.tpm.request(&challenge(), &self.key, now).unwrap();
        let request = ActivationRequest::from_bytes(&request.to_bytes().unwrap()).unwrap();
        let activation = make_credential(&request.identity, &SECRET, &[5; ENTROPY_BYTES]).unwrap();
        let evidence = self.tpm.evidence(&challenge(), &self.key, &activation, &Measured::default()).unwrap();
        let evidence = Evidence::from_bytes(&evidence.to_bytes().unwrap()).unwrap();
        (evidence, Released { identity: identity_digest(&request.identity), secret: SECRET })
    }

    /// The key that signed its endorsement certificate.
    fn authority(&self) -> Vec<u8> {
        let text = std::fs::read_to_string(self.swtpm.folder().join("ca/issuercert.pem")).unwrap();
        public_key_of(&pem::certificates(&text).unwrap()[0]).unwrap()
    }
}

/// What the verifier is asked; the rest is strict.
struct Ask {
    tenant: &'static str,
    authority: Vec<u8>,
    nonce: [u8; 32],
    key: PublicKey,
    released: Option<Released>,
}

impl Ask {
    fn of(device: &Device, released: Released) -> Self {
        let (nonce, key) = (challenge().nonce, device.key);
        Self { tenant: "acme", authority: device.authority(), nonce, key, released: Some(released) }
    }

    fn about(&self, evidence: &Evidence) -> Result<Appraisal, AttestError> {
        let roots = Roots { tpm: vec![self.authority.clone()], ..Roots::vendors() };
        let anchors = Anchors { roots, ..Anchors::new(context(self.tenant)) };
        let question = Question {
            anchors: &anchors,
            references: &References::default(),
            revocations: None,
            constraints: &Constraints::default(),
            challenge: &self.nonce,
            device_key: Some(&self.key),
            activation: self.released.as_ref(),
            now: SystemHost::new().now(),
        };
        appraise(evidence, &question)
    }

    fn refusal(&self, evidence: &Evidence) -> String {
        self.about(evidence).map_or_else(|refused| refused.code().to_string(), |found| format!("{found:?}"))
    }
}

#[test]
fn the_verifier_believes_the_prover_and_nothing_that_differs() {
    let (Some(swtpm), Some(other)) = (Swtpm::certified(), Swtpm::certified()) else { return };
    let (device, other) = (Device::new(swtpm), Device::new(other));
    let (evidence, released) = device.prove();
    let ask = Ask::of(&device, released.clone());
    let found = ask.about(&evidence).unwrap();
    // How it booted is not shown: there is no firmware, and no log.
    assert_eq!(found.tier, Tier::Hardware, "{found:?}");
    let with = |change: &dyn Fn(&mut Ask)| {
        let mut ask = Ask::of(&device, released.clone());
        change(&mut ask);
        ask.refusal(&evidence)
    };
    for (what, refused, want) in [
        ("another challenge", with(&|ask| ask.nonce = [8; 32]), "challenge"),
        ("another tenant", with(&|ask| ask.tenant = "other"), "challenge"),
        ("another key", with(&|ask| ask.key = other.key), "device-key"),
        ("another authority", with(&|ask| ask.authority = other.authority()), "unknown-root"),
        ("no credential was made", with(&|ask| ask.released = None), "activation"),
    ] {
        assert!(refused.starts_with(want), "{what}: {refused}");
    }
    // The chip of somebody else, with what this one was asked.
    let (theirs, _) = other.prove();
    let refused = ask.refusal(&theirs);
    assert!(!refused.contains("Appraisal"), "{refused}");
    // Without the credential nothing is proven, and the evidence says so itself.
    let plain = device.store.attest(Role::Device, &challenge().nonce).unwrap().unwrap();
    assert!(ask.refusal(&plain).starts_with("activation"));
}

#[test]
fn parts_of_two_chips_are_no_chip() {
    let (Some(swtpm), Some(other)) = (Swtpm::certified(), Swtpm::certified()) else { return };
    let (device, other) = (Device::new(swtpm), Device::new(other));
    let (evidence, released) = device.prove();
    let (theirs, _) = other.prove();
    let read = |evidence: &Evidence| TpmEvidence::from_bytes(&evidence.body).unwrap();
    let (ours, theirs) = (read(&evidence), read(&theirs));
    let ask = Ask::of(&device, released);
    let mixed: [(&str, TpmEvidence); 4] = [
        ("identity", TpmEvidence { identity: theirs.identity.clone(), ..ours.clone() }),
        ("certified key", TpmEvidence { certified: theirs.certified.clone(), ..ours.clone() }),
        ("device key", TpmEvidence { device_key: theirs.device_key.clone(), ..ours.clone() }),
        ("quote", TpmEvidence { quoted: theirs.quoted.clone(), ..ours.clone() }),
    ];
    for (what, mixed) in mixed {
        let evidence = Evidence { body: Bytes(mixed.to_bytes().unwrap()), ..evidence.clone() };
        assert!(ask.about(&evidence).is_err(), "{what} of another chip");
    }
    ask.about(&evidence).unwrap();
}

#[test]
fn a_chip_that_nobody_vouches_for_is_refused_whatever_it_proves() {
    let (Some(blank), Some(certified)) = (Swtpm::blank(), Swtpm::certified()) else { return };
    let (blank, certified) = (Device::new(blank), Device::new(certified));
    let (evidence, released) = blank.prove();
    let ask = Ask { authority: certified.authority(), key: blank.key, ..Ask::of(&certified, released) };
    let refused = ask.refusal(&evidence);
    assert!(!refused.contains("Appraisal"), "{refused}");
}
