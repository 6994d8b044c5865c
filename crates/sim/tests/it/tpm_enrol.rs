//! TPMs enrol at the real control plane: activation, evidence, one chip one device, and everything that is not that.
//!
//! The chips are `swtpm` with certificates of its own authority, which counts because the test adds it.

use crate::swtpm::Swtpm;
use glacis_attest::{Anchors, Roots};
use glacis_cloud::registry::{Uniqueness, Why};
use glacis_cloud::{Birth, CloudConfig, CloudCore, CloudError, CloudErrorKind, Enrolling, Place};
use glacis_dtx::enrol::Draft;
use glacis_dtx::tpm::{DeviceTpm, Measured, TpmOptions};
use glacis_dtx::{Enrolment, KeyStore, Role, Vault};
use glacis_host::{Clock as _, Host, MemoryFiles, SystemHost, TpmSocket};
use glacis_seal::sha256;
use glacis_sim::keys::{RunKeys, limits};
use glacis_wire::message::enrol::{EnrolChallenge, EnrolRequest, Evidence};
use glacis_wire::message::policy::FeedAction;
use glacis_wire::message::refusal::Refusal;
use glacis_wire::message::tpm::{Activation, FAMILY, TpmEvidence};
use glacis_wire::message::{Bytes, PublicKey};
use glacis_wire::{Decode as _, Encode as _, Tier};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

const REFUSED: CloudErrorKind = CloudErrorKind::Refused(Refusal::EnrolmentRefused);

/// A control plane that TPMs of these makers enrol at.
struct Cloud {
    keys: RunKeys,
    makers: Vec<Vec<u8>>,
    store: PathBuf,
}

impl Cloud {
    fn new(store: PathBuf, chips: &[&Chip]) -> Self {
        let keys = RunKeys::make(&SystemHost::new()).unwrap();
        let makers = chips.iter().flat_map(|chip| chip.maker()).collect();
        Self { keys, makers, store }
    }

    fn open(&self) -> CloudCore {
        let context = self.keys.context().clone();
        let roots = Roots { tpm: self.makers.clone(), ..Roots::vendors() };
        let config = CloudConfig {
            birth: Birth { tenant: context.tenant.clone(), realm: context.realm },
            key_set: self.keys.signed_key_set().unwrap(),
            keys: self.keys.cloud().unwrap(),
            anchors: Anchors { roots, ..Anchors::new(context) },
            enrolling: Enrolling { families: [FAMILY.to_owned()].into(), ..Enrolling::default() },
            passkeys: None,
            limits: limits(),
        };
        CloudCore::open(&Place::File(&self.store), config, Arc::new(SystemHost::new())).unwrap()
    }
}

/// A device with its TPM.
struct Chip {
    swtpm: Swtpm,
    tpm: Option<(Arc<DeviceTpm>, Arc<dyn KeyStore>)>,
}

impl Chip {
    /// A chip that its maker vouches for; `None` where there is no `swtpm`.
    fn new() -> Option<Self> {
        Some(Self::of(Swtpm::certified()?))
    }

    fn of(swtpm: Swtpm) -> Self {
        Self { swtpm, tpm: None }
    }

    /// The key that signed its endorsement certificate.
    fn maker(&self) -> Vec<Vec<u8>> {
        let file = std::fs::read(self.swtpm.folder().join("ca/issuercert.pem")).unwrap();
        glacis_attest::anchors(&file).unwrap()
    }

    /// Puts it into a device of the control plane's tenant.
    fn at(mut self, cloud: &Cloud) -> Self {
        let host: Arc<dyn Host> = Arc::new(SystemHost::new());
        let vault = Vault::open(Arc::new(MemoryFiles::new()), host, cloud.keys.context().clone()).unwrap();
        let options = TpmOptions { wait: Duration::from_secs(60), ..TpmOptions::default() };
        let link = Box::new(TpmSocket::new(self.swtpm.address()));
        let tpm = DeviceTpm::open(Arc::new(vault), link, options).unwrap();
        let store = Arc::new(tpm.key_store().unwrap());
        self.tpm = Some((tpm, store));
        self
    }

    fn tpm(&self) -> &Arc<DeviceTpm> {
        &self.tpm.as_ref().unwrap().0
    }

    fn store(&self) -> Arc<dyn KeyStore> {
        Arc::clone(&self.tpm.as_ref().unwrap().1)
    }

    fn activation(&self, core: &mut CloudCore, challenge: &EnrolChallenge, key: &PublicKey) -> Activation {
        let request = self.tpm().request(challenge, key, SystemHost::new().now()).unwrap();
        core.enrol_activation(&request).unwrap()
    }

    fn prove(&self, challenge: &EnrolChallenge, key: &PublicKey, activation: &Activation) -> Evidence {
        self.tpm().evidence(challenge, key, activation, &Measured::default()).unwrap()
    }

    /// An enrolment with this evidence, signed by the device key in the chip.
    fn enrolment(
        &self,
        cloud: &Cloud,
        challenge: &EnrolChallenge,
        evidence: Option<Evidence>,
    ) -> EnrolRequest {
        let context = cloud.keys.context().clone();
        let draft = Enrolment::<Draft>::begin(self.store(), context, false).unwrap();
        let challenged = draft.challenged(challenge.clone(), SystemHost::new().now()).unwrap();
        challenged.evidenced(evidence).unwrap().request().unwrap()
    }

    /// The whole way.
    fn enrol(&self, cloud: &Cloud, core: &mut CloudCore) -> Result<PublicKey, CloudError> {
        let key = self.store().create(Role::Device).unwrap();
        let challenge = core.enrol_challenge()?;
        let activation = self.activation(core, &challenge, &key);
        let evidence = self.prove(&challenge, &key, &activation);
        core.enrol(&self.enrolment(cloud, &challenge, Some(evidence))).map(|_answer| key)
    }
}

fn body_of(evidence: &Evidence) -> TpmEvidence {
    TpmEvidence::from_bytes(&evidence.body).unwrap()
}

fn with_body(evidence: &Evidence, body: &TpmEvidence) -> Evidence {
    Evidence { family: evidence.family.clone(), body: Bytes(body.to_bytes().unwrap()) }
}

/// Every byte of the files of a store.
fn raw(folder: &Path) -> Vec<Vec<u8>> {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.is_file()).map(|path| std::fs::read(path).unwrap()).collect()
}

#[test]
fn a_chip_enrols_over_a_restart_and_is_one_device_whose_id_nobody_keeps() {
    let Some(chip) = Chip::new() else { return };
    let folder = tempfile::tempdir().unwrap();
    let cloud = Cloud::new(folder.path().join("cloud.db"), &[&chip]);
    let chip = chip.at(&cloud);
    let mut core = cloud.open();
    let key = chip.store().create(Role::Device).unwrap();
    let challenge = core.enrol_challenge().unwrap();
    let activation = chip.activation(&mut core, &challenge, &key);
    // The control plane remembers nothing of it, and knows it again.
    drop(core);
    let mut core = cloud.open();
    let evidence = chip.prove(&challenge, &key, &activation);
    core.enrol(&chip.enrolment(&cloud, &challenge, Some(evidence.clone()))).unwrap();
    let first = glacis_seal::thumbprint(&key);
    let view = core.device(&first).unwrap();
    assert_eq!(
        (view.tier, view.uniqueness, view.family.as_str()),
        (Tier::Hardware, Uniqueness::Hardware, FAMILY)
    );
    // Another key of the chip takes the place of the first.
    chip.store().renew(Role::Device).unwrap();
    let second = glacis_seal::thumbprint(&chip.enrol(&cloud, &mut core).unwrap());
    let (old, new) = (core.device(&first).unwrap(), core.device(&second).unwrap());
    assert_eq!((old.tier, old.listed), (Tier::Software, Some(FeedAction::Cap)));
    assert_eq!((new.lineage[0].old, new.lineage[0].why), (first, Why::SameHardware));
    // Nothing that names the chip is in the files, and what is there is found.
    let body = body_of(&evidence);
    let point = &body.identity.ek[body.identity.ek.len() - 66..];
    let mut ids = vec![
        body.identity.ek.0.clone(),
        sha256(&body.identity.ek).as_bytes().to_vec(),
        point[..32].to_vec(),
        point[point.len() - 32..].to_vec(),
        body.identity.ak.0.clone(),
    ];
    ids.extend(body.identity.ek_certificates.iter().map(|certificate| certificate[..96].to_vec()));
    let check = |files: &[Vec<u8>]| {
        let holds = |what: &[u8]| files.iter().any(|file| file.windows(what.len()).any(|at| at == what));
        assert!(holds(first.as_bytes()) && holds(second.as_bytes()));
        for (number, id) in ids.iter().enumerate() {
            assert!(!holds(id), "id {number}");
        }
    };
    check(&raw(folder.path()));
    drop(core);
    check(&raw(folder.path()));
}

#[test]
fn evidence_that_was_moved_repeated_or_made_up_enrols_nobody() {
    let (Some(mine), Some(theirs)) = (Chip::new(), Chip::new()) else { return };
    let folder = tempfile::tempdir().unwrap();
    let cloud = Cloud::new(folder.path().join("cloud.db"), &[&mine, &theirs]);
    let (mine, theirs) = (mine.at(&cloud), theirs.at(&cloud));
    let mut core = cloud.open();
    let key = mine.store().create(Role::Device).unwrap();
    let their_key = theirs.store().create(Role::Device).unwrap();
    let challenge = core.enrol_challenge().unwrap();
    let activation = mine.activation(&mut core, &challenge, &key);
    let good = mine.prove(&challenge, &key, &activation);
    let their_activation = theirs.activation(&mut core, &challenge, &their_key);
    let their_good = theirs.prove(&challenge, &their_key, &their_activation);
    let (body, their_body) = (body_of(&good), body_of(&their_good));
    let enrolment = mine.enrolment(&cloud, &challenge, Some(good.clone()));
    let other = core.enrol_challenge().unwrap();
    let other_activation = mine.activation(&mut core, &other, &key);
    let other_body = body_of(&mine.prove(&other, &key, &other_activation));
    assert_ne!(body.activation, other_body.activation, "a secret is for one challenge");
    let forged = |body: TpmEvidence| Some(with_body(&good, &body));
    for (name, evidence) in [
        ("without a secret", forged(TpmEvidence { activation: None, ..body.clone() })),
        ("a guessed secret", forged(TpmEvidence { activation: Some([0; 32]), ..body.clone() })),
        (
            "the secret of another chip",
            forged(TpmEvidence { activation: their_body.activation, ..body.clone() }),
        ),
        (
            "the secret of another challenge",
            forged(TpmEvidence { activation: other_body.activation, ..body.clone() }),
        ),
        (
            "the identity of another chip",
            forged(TpmEvidence { identity: their_body.identity.clone(), ..body.clone() }),
        ),
        (
            "identity and secret of another chip",
            forged(TpmEvidence {
                identity: their_body.identity.clone(),
                activation: their_body.activation,
                ..body.clone()
            }),
        ),
        (
            "the device key of another chip",
            forged(TpmEvidence { device_key: their_body.device_key.clone(), ..body.clone() }),
        ),
        (
            "certified by another chip",
            forged(TpmEvidence { certified: their_body.certified.clone(), ..body.clone() }),
        ),
        ("quoted by another chip", forged(TpmEvidence { quoted: their_body.quoted.clone(), ..body.clone() })),
        ("all of another chip", Some(their_good.clone())),
        ("of another challenge", Some(with_body(&good, &other_body))),
    ] {
        let refused = core.enrol(&mine.enrolment(&cloud, &challenge, evidence)).unwrap_err();
        assert_eq!(refused.kind(), REFUSED, "{name}");
    }
    assert_eq!(core.counts().unwrap().devices, 0);
    // Nobody who is trusted made the chip: production without its maker, and this cloud before it was added.
    let stranger = Cloud {
        makers: Vec::new(),
        store: folder.path().join("stranger.db"),
        ..Cloud::new(PathBuf::new(), &[])
    };
    let elsewhere = stranger.open().enrol(&mine.enrolment(&stranger, &challenge, Some(good.clone())));
    assert_eq!(elsewhere.unwrap_err().kind(), REFUSED, "another control plane");
    core.enrol(&enrolment).unwrap();
    let again = core.enrol(&theirs.enrolment(&cloud, &challenge, Some(their_good))).unwrap_err();
    assert_eq!(again.kind(), REFUSED, "the challenge was spent");
    theirs.enrol(&cloud, &mut core).unwrap();
    assert_eq!(core.counts().unwrap().devices, 2);
}

#[test]
fn a_chip_of_a_maker_that_nobody_added_enrols_nothing() {
    let (Some(vouched), Some(blank)) = (Chip::new(), Swtpm::blank()) else { return };
    let folder = tempfile::tempdir().unwrap();
    let cloud = Cloud::new(folder.path().join("cloud.db"), &[]);
    let mut core = cloud.open();
    // Also one that has no certificate at all: it has a chip's keys, and nobody says that it is one.
    for chip in [vouched.at(&cloud), Chip::of(blank).at(&cloud)] {
        let refused = chip.enrol(&cloud, &mut core).unwrap_err();
        assert_eq!(refused.kind(), REFUSED, "{refused}");
    }
    assert_eq!(core.counts().unwrap().devices, 0);
}
