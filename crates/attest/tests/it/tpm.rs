//! Family `tpm`, judged by TPMs that are not ours: one in software, and those whose evidence is in the corpus.

mod activation;
mod boot;
mod chip;
mod forged;
mod log;
mod platform;
mod published;
mod soft;

use glacis_attest::tpm::TpmClaims;
use glacis_attest::{
    Anchors, Appraisal, AttestError, Constraints, Question, References, Relaxation, Released, Roots,
};
use glacis_seal::sha256;
use glacis_wire::message::enrol::Evidence;
use glacis_wire::message::tpm::{FAMILY, TpmEvidence, TpmIdentity};
use glacis_wire::message::{Bytes, PublicKey, Text};
use glacis_wire::{Encode, Realm, Timestamp};
pub(crate) use soft::{CHALLENGE, SECRET};
use soft::{Log, Soft, authority};

/// In the years of certificates that tests make.
pub(crate) const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

/// What is asked of evidence.
#[derive(Clone)]
pub(crate) struct Ask {
    pub(crate) realm: Realm,
    pub(crate) roots: Roots,
    pub(crate) references: References,
    pub(crate) allow: Vec<Relaxation>,
    pub(crate) challenge: Vec<u8>,
    pub(crate) device_key: Option<PublicKey>,
    pub(crate) activation: Option<Released>,
    pub(crate) now: Timestamp,
}

impl Ask {
    /// Production, this root of makers, the usual challenge; no credential was made.
    pub(crate) fn new(root: Vec<u8>) -> Self {
        Self {
            realm: Realm::Production,
            roots: Roots { tpm: vec![root], ..Roots::vendors() },
            references: References::default(),
            allow: vec![],
            challenge: CHALLENGE.to_vec(),
            device_key: None,
            activation: None,
            now: NOW,
        }
    }

    /// The same, after this TPM was to open the usual secret.
    pub(crate) fn released(self, identity: &TpmIdentity) -> Self {
        let identity = glacis_attest::tpm::identity_digest(identity);
        Self { activation: Some(Released { identity, secret: SECRET }), ..self }
    }

    pub(crate) fn bytes(&self, body: &[u8]) -> Result<Appraisal, AttestError> {
        let constraints =
            Constraints { allow: self.allow.iter().copied().collect(), ..Constraints::default() };
        let anchors =
            Anchors { roots: self.roots.clone(), ..Anchors::new(crate::context("acme", self.realm)) };
        let question = Question {
            anchors: &anchors,
            references: &self.references,
            revocations: None,
            constraints: &constraints,
            challenge: &self.challenge,
            device_key: self.device_key.as_ref(),
            activation: self.activation.as_ref(),
            now: self.now,
        };
        let evidence = Evidence { family: Text(FAMILY.to_owned()), body: Bytes(body.to_vec()) };
        glacis_attest::appraise(&evidence, &question)
    }

    pub(crate) fn of(&self, evidence: &TpmEvidence) -> Result<Appraisal, AttestError> {
        self.bytes(&evidence.to_bytes().unwrap())
    }

    /// The code of a refusal and its detail, or tier and findings.
    pub(crate) fn line(&self, evidence: &TpmEvidence) -> String {
        line(&self.of(evidence))
    }
}

pub(crate) fn line(outcome: &Result<Appraisal, AttestError>) -> String {
    match outcome {
        Err(refused) => format!("refused: {} {}", refused.code(), refused.detail()).trim_end().to_owned(),
        Ok(found) => {
            let reasons: Vec<String> = found
                .reasons
                .iter()
                .map(|one| format!("{} {}", one.code, one.detail).trim_end().to_owned())
                .collect();
            format!("{}, {}: {}", found.status().name(), found.tier.name(), reasons.join("; "))
                .trim_end_matches([':', ' '])
                .to_owned()
        }
    }
}

pub(crate) fn claims(found: &Appraisal) -> &TpmClaims {
    let glacis_attest::Claims::Tpm(claims) = &found.claims else { panic!("{:?}", found.claims) };
    claims
}

/// Evidence of a good boot, and what is asked for it.
pub(crate) fn booted() -> (Soft, Ask) {
    let mut soft = Soft::new();
    Log::boot(&[1], &authority("vendor")).into(&mut soft);
    let mut ask = ask(&soft);
    ask.references.boot_authorities = vec![sha256(&authority("vendor"))];
    (soft, ask)
}

/// What is asked of this TPM: its own maker is anchored, its own keys had a credential.
pub(crate) fn ask(soft: &Soft) -> Ask {
    Ask::new(crate::forge::spki(&soft.root)).released(&soft.evidence().identity)
}
