//! One chip, one device: what happens to a second key of a chip, and that no id of a chip is ever stored.

use crate::world::{Device, World, key};
use glacis_cloud::registry::{Uniqueness, Why};
use glacis_cloud::{CloudCore, CloudErrorKind, Place};
use glacis_seal::{MacKey, SigningKey, sha256};
use glacis_wire::message::policy::FeedAction;
use glacis_wire::message::refusal::Refusal;
use glacis_wire::message::simulated::SecurityLevel;
use glacis_wire::{Encode as _, Tier};
use std::path::Path;
use std::time::Duration;

const REFUSED: CloudErrorKind = CloudErrorKind::Refused(Refusal::EnrolmentRefused);

#[test]
fn a_second_key_of_a_chip_retires_the_first_and_says_so() {
    let world = World::new(320);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cloud.db");
    let mut core = world.open(&Place::File(&path));
    let (chip, other) = (key(&world.host), key(&world.host));
    let [first, second, third, elsewhere] = [(); 4].map(|()| world.device());
    world.enrol_chip(&mut core, &first, &chip).unwrap();
    world.enrol_chip(&mut core, &elsewhere, &other).unwrap();
    world.host.advance(Duration::from_secs(5));
    world.enrol_chip(&mut core, &second, &chip).unwrap();
    let retired = core.device(&first.thumbprint).unwrap();
    let change = retired.history.last().unwrap();
    assert_eq!(
        (change.from, change.to, change.reason.as_str()),
        (Tier::Hardware, Tier::Software, "same-hardware")
    );
    assert_eq!((retired.listed, retired.lineage.len()), (Some(FeedAction::Cap), 1));
    assert_eq!((retired.lineage[0].new, retired.lineage[0].why), (second.thumbprint, Why::SameHardware));
    let live = core.device(&second.thumbprint).unwrap();
    assert_eq!((live.tier, live.listed, live.uniqueness), (Tier::Hardware, None, Uniqueness::Hardware));
    assert_eq!(core.device(&elsewhere.thumbprint).unwrap().listed, None, "another chip");
    // The same key again is the same device.
    world.enrol_chip(&mut core, &second, &chip).unwrap();
    assert_eq!(core.device(&second.thumbprint).unwrap().lineage.len(), 1);
    drop(core);
    let mut core = world.open(&Place::File(&path));
    world.enrol_chip(&mut core, &third, &chip).unwrap();
    let line: Vec<_> =
        core.device(&first.thumbprint).unwrap().lineage.iter().map(|step| (step.old, step.new)).collect();
    assert_eq!(line, [(first.thumbprint, second.thumbprint), (second.thumbprint, third.thumbprint)]);
    let live = |core: &mut CloudCore, device: &Device| {
        core.device(&device.thumbprint).unwrap().tier > Tier::Software
    };
    let of_the_chip = [&first, &second, &third];
    assert_eq!(of_the_chip.iter().filter(|device| live(&mut core, device)).count(), 1);
    assert_eq!(core.verify_audit_whole().unwrap().fault, None);
}

#[test]
fn a_chip_that_an_operator_refused_enrols_nothing_more_and_a_forked_one_does() {
    let world = World::new(321);
    let mut core = world.core();
    let chip = key(&world.host);
    let [stolen, again, fresh] = [(); 3].map(|()| world.device());
    world.enrol_chip(&mut core, &stolen, &chip).unwrap();
    core.refuse_device(&stolen.thumbprint, "stolen").unwrap();
    let refused = world.enrol_chip(&mut core, &again, &chip).unwrap_err();
    assert_eq!((refused.kind(), refused.detail()), (REFUSED, "an operator refused the device of this chip"));
    assert_eq!(core.device(&again.thumbprint).unwrap_err().kind(), CloudErrorKind::NotFound);
    // A fork is not the chip's fault: its next key cures it, and is a step of the line all the same.
    let chip = key(&world.host);
    world.enrol_chip(&mut core, &fresh, &chip).unwrap();
    crate::lineage::fork(&mut core, fresh.thumbprint);
    let cure = world.device();
    world.enrol_chip(&mut core, &cure, &chip).unwrap();
    assert_eq!(core.device(&cure.thumbprint).unwrap().tier, Tier::Hardware);
    let forked = core.device(&fresh.thumbprint).unwrap();
    assert_eq!(forked.history.last().unwrap().reason, "session-fork");
    assert_eq!((forked.lineage[0].new, forked.lineage[0].why), (cure.thumbprint, Why::SameHardware));
}

#[test]
fn a_key_never_moves_to_another_chip() {
    let world = World::new(322);
    let mut core = world.core();
    let device = world.device();
    world.enrol_chip(&mut core, &device, &key(&world.host)).unwrap();
    let refused = world.enrol_chip(&mut core, &device, &key(&world.host)).unwrap_err();
    assert!(refused.detail().contains("another chip"), "{refused}");
    assert_eq!(core.device(&device.thumbprint).unwrap().history.len(), 1);
}

#[test]
fn a_vouched_key_of_the_same_chip_is_one_step_of_the_line() {
    let world = World::new(323);
    let mut core = world.core();
    let chip = key(&world.host);
    let (old, new) = (world.device(), world.device());
    world.enrol_chip(&mut core, &old, &chip).unwrap();
    let challenge = core.enrol_challenge().unwrap();
    let made = (&world.root, &chip);
    let evidence = world.evidence_of_chip(&new, &challenge.nonce, SecurityLevel::Tee, made);
    let plain = world.enrolment_with(&new, &challenge, Some(evidence));
    core.enrol(&world.replacing(&old, &new, plain)).unwrap();
    let lineage = core.device(&new.thumbprint).unwrap().lineage;
    assert_eq!(lineage.iter().map(|step| step.why).collect::<Vec<_>>(), [Why::Replaced]);
    // The chip is the new key's now.
    let third = world.device();
    world.enrol_chip(&mut core, &third, &chip).unwrap();
    assert_eq!(core.device(&new.thumbprint).unwrap().listed, Some(FeedAction::Cap));
}

/// Every byte of the files of a store.
fn raw(folder: &Path) -> Vec<Vec<u8>> {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.is_file()).map(|path| std::fs::read(path).unwrap()).collect()
}

fn holds(files: &[Vec<u8>], what: &[u8]) -> bool {
    files.iter().any(|file| file.windows(what.len()).any(|window| window == what))
}

/// Everything that a chip can be known by: its key, the id that verifiers make of it, its certificate.
fn ids_of(world: &World, chip: &SigningKey, evidence: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let point = chip.public().0;
    let id = sha256(&point);
    vec![
        ("key", point.to_vec()),
        ("one coordinate", point[1..33].to_vec()),
        ("the other", point[33..].to_vec()),
        ("id", id.as_bytes().to_vec()),
        ("id in hexadecimal", id.to_string().into_bytes()),
        ("id under the context", glacis_seal::key_id(&chip.public()).as_bytes().to_vec()),
        ("evidence", evidence[..64].to_vec()),
        ("end of the evidence", evidence[evidence.len() - 64..].to_vec()),
        ("root", world.root.public().0.to_vec()),
    ]
}

#[test]
fn no_id_of_a_chip_is_in_the_files_of_a_store() {
    let world = World::new(324);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cloud.db");
    let mut core = world.open(&Place::File(&path));
    let chip = key(&world.host);
    let [first, second] = [(); 2].map(|()| world.device());
    let challenge = core.enrol_challenge().unwrap();
    let made = (&world.root, &chip);
    let evidence = world.evidence_of_chip(&first, &challenge.nonce, SecurityLevel::Tee, made);
    core.enrol(&world.enrolment_with(&first, &challenge, Some(evidence.clone()))).unwrap();
    world.enrol_chip(&mut core, &second, &chip).unwrap();
    let mut forged = evidence.clone();
    forged.body.0[9] ^= 1;
    let challenge = core.enrol_challenge().unwrap();
    core.enrol(&world.enrolment_with(&first, &challenge, Some(forged))).unwrap_err();
    let sql = "SELECT pseudonym FROM hardware";
    let pseudonym: Vec<u8> = core.danger_connection().query_row(sql, [], |row| row.get(0)).unwrap();
    assert!(std::fs::metadata(dir.path().join("cloud.db-wal")).unwrap().len() > 0, "the log is searched too");
    let check = |files: &[Vec<u8>]| {
        // What is there is found: the search works.
        assert!(holds(files, first.thumbprint.as_bytes()) && holds(files, &pseudonym));
        for (name, id) in ids_of(&world, &chip, &evidence.body) {
            assert!(!holds(files, &id), "{name}");
        }
    };
    check(&raw(dir.path()));
    core.danger_connection().query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_row| Ok(())).unwrap();
    check(&raw(dir.path()));
    drop(core);
    check(&raw(dir.path()));
    assert!(evidence.to_bytes().unwrap().len() > 128);
}

#[test]
fn two_operators_know_one_chip_by_two_pseudonyms() {
    let world = World::new(325);
    let chip = key(&world.host);
    let pseudonym = |own: [u8; 32]| {
        let mut config = world.config();
        config.keys.own = MacKey::new(own);
        let mut core = CloudCore::open(&Place::Memory, config, world.host.clone()).unwrap();
        world.enrol_chip(&mut core, &world.device(), &chip).unwrap();
        let sql = "SELECT pseudonym FROM hardware";
        core.danger_connection().query_row(sql, [], |row| row.get::<_, Vec<u8>>(0)).unwrap()
    };
    assert_eq!(pseudonym([9; 32]), pseudonym([9; 32]));
    assert_ne!(pseudonym([9; 32]), pseudonym([8; 32]));
}
