//! A store of an older schema version, as its own software left it, opens with today's and loses nothing.
//!
//! The file of version 1 is made from the script of version 1, with rows in the shape of version 1 in every table and the
//! chain of version 1 over them, computed here and not by the code under test.

use crate::authenticator::Authenticator;
use crate::world::{World, decided, passed, thumb};
use glacis_cloud::admin::ListChange;
use glacis_cloud::passkey::Registration;
use glacis_cloud::{CloudCore, Place, SCHEMA_VERSION};
use glacis_ledger::chain::Chain;
use glacis_seal::sha256;
use glacis_wire::message::decide::{DecideAnswer, EventFacts};
use glacis_wire::message::policy::FeedAction;
use glacis_wire::message::refusal::Refusal;
use glacis_wire::{Answer, Encode as _, Method, Reference, Thumbprint, Value};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, params};
use std::path::Path;

const VERSION_1: &str = include_str!("../../migrations/0001_birth.sql");
const VERSION_2: &str = include_str!("../../migrations/0002_group_commit.sql");

/// Tables under the chain with their code in version 1.
const KINDS: [(&str, i64); 14] = [
    ("event", 0),
    ("decision", 1),
    ("incident", 2),
    ("tier_change", 3),
    ("opening", 4),
    ("feed_entry", 5),
    ("list_change", 6),
    ("device_record", 7),
    ("key_set", 8),
    ("bundle", 9),
    ("policy_source", 10),
    ("feedback", 11),
    ("token", 12),
    ("token_end", 13),
];

/// What happened before the upgrade.
struct Before {
    facts: Vec<EventFacts>,
    references: Vec<Reference>,
    token: String,
}

fn live(world: &World, core: &mut CloudCore) -> Before {
    let bootstrap = core.bootstrap_token().unwrap().unwrap();
    let life = std::time::Duration::from_secs(3_600);
    let token = core.bootstrap(bootstrap.expose(), "ops", life).unwrap().expose().to_owned();
    let challenge = core.enrol_challenge().unwrap();
    core.enrol(&world.enrolment(&world.device(), &challenge, None)).unwrap();
    let change = ListChange { list: "mules", item: "m1", present: true, effective: None, by: "ops" };
    core.change_list(&change).unwrap();
    let (mut all, mut references) = (Vec::new(), Vec::new());
    for device in 1..=4 {
        let facts = world.transfer(thumb(device), "ann", "bob", 5);
        let first = decided(core.decide(&facts).unwrap());
        let second = decided(core.decide(&passed(&facts, Method::Otp, device)).unwrap());
        core.feedback(&first.reference, "fraud", "ops").unwrap();
        let mut conflict = world.transfer(thumb(device), "ann", "bob", 6);
        conflict.event_id = facts.event_id;
        core.decide(&conflict).unwrap();
        references.extend([first.reference, second.reference]);
        all.push(facts);
    }
    Before { facts: all, references, token }
}

/// Writes what `new` holds as version 1 would have: whole records, one entry a row.
fn as_version_1(world: &World, new: &Connection, path: &Path) {
    let old = Connection::open(path).unwrap();
    old.execute_batch(VERSION_1).unwrap();
    old.execute_batch("PRAGMA application_id = 0x474C4353; PRAGMA user_version = 1; BEGIN").unwrap();
    for mark in ["tenant", "realm"] {
        copy(new, &old, "meta", &format!("SELECT key, value FROM meta WHERE key = '{mark}'"));
    }
    copy(
        new,
        &old,
        "event",
        "SELECT seq, thumbprint, event_id, identity, received, ingested, facts_bytes FROM event",
    );
    copy(
        new,
        &old,
        "decision",
        "SELECT id, decision.seq, proof, standing, reference, decision.ingested, CASE WHEN shared IS NULL \
         THEN record_bytes ELSE CAST(facts_bytes || record_bytes AS BLOB) END, settled_bytes \
         FROM decision JOIN event ON event.seq = decision.seq",
    );
    let plain = KINDS.iter().skip(2).map(|(table, _)| *table);
    for table in plain.chain(["spent_proof", "device", "used_challenge", "otp"]) {
        copy(new, &old, table, &format!("SELECT {} FROM {table}", columns(&old, table)));
    }
    chain_version_1(world, &old);
    old.execute_batch("COMMIT").unwrap();
}

/// The columns that a table of an old store has.
fn columns(old: &Connection, table: &str) -> String {
    let statement = old.prepare(&format!("SELECT * FROM {table}")).unwrap();
    statement.column_names().collect::<Vec<_>>().join(", ")
}

fn copy(from: &Connection, to: &Connection, table: &str, select: &str) {
    let mut statement = from.prepare(select).unwrap();
    let columns = statement.column_count();
    let places = vec!["?"; columns].join(", ");
    let mut rows = statement.query([]).unwrap();
    while let Some(row) = rows.next().unwrap() {
        let values: Vec<rusqlite::types::Value> = (0..columns).map(|at| row.get(at).unwrap()).collect();
        let sql = format!("INSERT INTO {table} VALUES ({places})");
        to.execute(&sql, rusqlite::params_from_iter(values)).unwrap();
    }
}

fn chain_version_1(world: &World, old: &Connection) {
    let mut chain = Chain::new(world.context.clone());
    let at = 1_800_000_000_000_i64;
    for (table, kind) in KINDS {
        let mut statement = old.prepare(&format!("SELECT rowid, * FROM {table} ORDER BY rowid")).unwrap();
        let columns = statement.column_count();
        let mut rows = statement.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let mut bytes = Vec::new();
            for column in 1..columns {
                let (code, value): (u8, Vec<u8>) = match row.get_ref(column).unwrap() {
                    ValueRef::Null => (0, Vec::new()),
                    ValueRef::Integer(value) => (1, value.to_be_bytes().to_vec()),
                    ValueRef::Real(_) => panic!("version 1 has no such column"),
                    ValueRef::Text(text) => (3, sized(text)),
                    ValueRef::Blob(blob) => (4, sized(blob)),
                };
                bytes.push(code);
                bytes.extend(value);
            }
            let (digest, number): (_, i64) = (sha256(&bytes), row.get(0).unwrap());
            let entry =
                [&at.to_be_bytes()[..], &kind.to_be_bytes(), &number.to_be_bytes(), digest.as_bytes()]
                    .concat();
            let link = chain.append(&entry);
            let seq = i64::try_from(link.seq).unwrap();
            let values = params![seq, at, kind, number, digest.as_bytes(), link.hash.as_bytes()];
            old.execute("INSERT INTO audit VALUES (?1, ?2, ?3, ?4, ?5, ?6)", values).unwrap();
        }
    }
}

fn sized(bytes: &[u8]) -> Vec<u8> {
    [&u64::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat()
}

fn upgraded(seed: u64) -> (World, tempfile::TempDir, CloudCore, CloudCore, Before) {
    let world = World::new(seed);
    let mut new = world.core();
    let before = live(&world, &mut new);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cloud.db");
    as_version_1(&world, new.danger_connection(), &path);
    let core = world.open(&Place::File(&path));
    (world, dir, core, new, before)
}

#[test]
fn a_store_of_version_1_is_upgraded_with_all_that_it_holds() {
    let (world, _dir, mut core, mut new, before) = upgraded(130);
    let version: u32 =
        core.danger_connection().pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    assert_eq!(version, SCHEMA_VERSION);
    assert_eq!(core.verify_audit_whole().unwrap().fault, None);
    assert_eq!(core.counts().unwrap(), new.counts().unwrap());
    assert_eq!(core.decisions(0, 100).unwrap(), new.decisions(0, 100).unwrap());
    assert_eq!(core.events(1, 100).unwrap(), new.events(1, 100).unwrap());
    for reference in &before.references {
        assert_eq!(core.decision(reference).unwrap(), new.decision(reference).unwrap());
    }
    assert_eq!(core.feedback_on(&before.references[0]).unwrap().len(), 1);
    assert_eq!(core.incidents(100).unwrap(), new.incidents(100).unwrap());
    assert_eq!(core.list("mules").unwrap(), new.list("mules").unwrap());
    assert_eq!(core.authorise(&before.token).unwrap().name(), "ops");
    drop(world);
}

/// A store that was used, taken back to an older version and opened again: all of it is there.
fn taken_back(seed: u64, back: impl FnOnce(&Connection)) -> (World, tempfile::TempDir, CloudCore, Before) {
    let world = World::new(seed);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cloud.db");
    let mut core = world.open(&Place::File(&path));
    core.publish(&world.publish(1)).unwrap();
    let before = live(&world, &mut core);
    let counts = core.counts().unwrap();
    drop(core);
    back(&Connection::open(&path).unwrap());
    let mut core = world.open(&Place::File(&path));
    assert_eq!(core.counts().unwrap(), counts);
    assert_eq!(core.verify_audit_whole().unwrap().fault, None);
    for reference in &before.references {
        core.decision(reference).unwrap();
    }
    (world, dir, core, before)
}

/// Takes a store back to version 8, which knew no passkeys.
fn as_version_8(store: &Connection) {
    let later = "DROP TABLE passkey_change; DROP TABLE passkey; DROP TABLE passkey_answer; \
                 DROP TABLE operator_passkey; DROP TABLE operator_passkey_end; DROP TABLE operator_passkey_use; \
                 PRAGMA user_version = 8";
    store.execute_batch(later).unwrap();
}

#[test]
fn a_store_of_version_8_takes_passkeys_after_the_upgrade() {
    let (_world, _dir, mut core, before) = taken_back(139, as_version_8);
    assert_eq!(core.passkeys("ann").unwrap(), []);
    let options = core.passkey_options("ann").unwrap();
    let site = ("shop.test", "https://shop.test");
    let response = Authenticator::new(7, site, &options.user).register(&options.challenge).to_string();
    let asked = Registration {
        principal: "ann",
        challenge: &options.challenge,
        response: response.as_bytes(),
        by: "shop",
    };
    core.add_passkey(&asked).unwrap();
    assert_eq!(core.passkeys("ann").unwrap().len(), 1);
    assert_eq!(core.verify_audit_whole().unwrap().fault, None);
    let passkeys: u32 = core
        .danger_connection()
        .query_row("SELECT count(*) FROM operator_passkey", [], |row| row.get(0))
        .unwrap();
    assert_eq!(passkeys, 0);
    assert_eq!(core.authorise(&before.token).unwrap().name(), "ops");
}

/// Takes a store back to version 7, which knew no collateral and not what appraisals rest on.
fn as_version_7(store: &Connection) {
    as_version_8(store);
    let later = "DROP TABLE collateral; DROP TABLE collateral_bytes; DROP TABLE support; DROP TABLE reappraisal; \
                 DROP TABLE issuer; \
                 ALTER TABLE device DROP COLUMN revocations_as_of; ALTER TABLE device DROP COLUMN collateral; \
                 ALTER TABLE device DROP COLUMN issuer; ALTER TABLE device DROP COLUMN fallen; \
                 PRAGMA user_version = 7";
    store.execute_batch(later).unwrap();
}

#[test]
fn a_store_of_version_7_keeps_its_devices_which_rest_on_nothing_until_they_enrol_again() {
    let (world, _dir, mut core, _before) = taken_back(138, as_version_7);
    let page = core.devices_page(&glacis_cloud::page::Ask { cursor: None, limit: 10 }).unwrap();
    let (device, tier) = page.items[0];
    let view = core.device(&device).unwrap();
    assert_eq!((view.tier, view.rests_on.len(), view.collateral), (tier, 0, None));
    assert_eq!(core.collateral().unwrap(), None);
    let challenge = core.enrol_challenge().unwrap();
    core.enrol(&world.enrolment(&world.device(), &challenge, None)).unwrap();
    assert_eq!(core.verify_audit_whole().unwrap().fault, None);
}

/// Takes a store back to version 6, which knew no lineage, partners and answers that are given again.
fn as_version_6(store: &Connection) {
    as_version_7(store);
    let later = "DROP TABLE lineage; DROP TABLE hardware; DROP TABLE partner; DROP TABLE enrol_count; \
                 ALTER TABLE used_challenge DROP COLUMN enrolment; \
                 ALTER TABLE used_challenge DROP COLUMN answer_bytes; \
                 ALTER TABLE device DROP COLUMN uniqueness; ALTER TABLE device DROP COLUMN partner; \
                 ALTER TABLE feed_entry DROP COLUMN until; PRAGMA user_version = 6";
    store.execute_batch(later).unwrap();
}

#[test]
fn a_store_of_version_6_keeps_its_devices_and_its_feed() {
    let mut listed = None;
    let (world, _dir, mut core, _before) = taken_back(137, |store| {
        as_version_6(store);
        let device: Vec<u8> = store.query_row("SELECT thumbprint FROM device", [], |row| row.get(0)).unwrap();
        listed = Thumbprint::try_from(device.as_slice()).ok();
    });
    let device = listed.unwrap();
    core.refuse_device(&device, "stolen").unwrap();
    assert_eq!(core.device(&device).unwrap().listed, Some(FeedAction::Refuse));
    let challenge = core.enrol_challenge().unwrap();
    core.enrol(&world.enrolment(&world.device(), &challenge, None)).unwrap();
    assert_eq!(core.verify_audit_whole().unwrap().fault, None);
}

/// Takes a store back to version 4, in which every decision had an entry of its own.
fn as_version_4(store: &Connection) {
    let runs: i64 = store
        .query_row("SELECT count(*) FROM audit WHERE last_row IS NOT NULL", [], |row| row.get(0))
        .unwrap();
    assert_eq!(runs, 0);
    as_version_6(store);
    let later = "DROP INDEX device_by_enrolment; DROP INDEX device_by_tier; DROP INDEX incident_by_device;";
    store.execute_batch(later).unwrap();
    store.execute_batch("ALTER TABLE audit DROP COLUMN last_row; PRAGMA user_version = 4").unwrap();
}

#[test]
fn a_store_of_version_4_goes_on_with_shared_entries() {
    let (world, _dir, mut core, before) = taken_back(136, as_version_4);
    core.begin().unwrap();
    for device in 1..=3 {
        core.decide(&world.transfer(thumb(device), "ann", "bob", 5)).unwrap();
    }
    core.commit().unwrap();
    let newest = core.audit_tail(1).unwrap();
    assert_eq!(newest[0].last_row - newest[0].row, 2);
    assert_eq!(core.verify_audit_whole().unwrap().fault, None);
    for reference in &before.references {
        core.decision(reference).unwrap();
    }
}

/// Takes a store back to version 3, with a few of its keys in the tables that version 3 had for them.
fn as_version_3(store: &Connection) {
    as_version_4(store);
    let key_tables =
        VERSION_2.split(";\n").filter(|statement| statement.contains("_key (")).collect::<Vec<_>>();
    assert_eq!(key_tables.len(), 2);
    store.execute_batch("DROP TABLE key_run; DROP TABLE event_chunk; DROP TABLE reference_chunk").unwrap();
    store.execute_batch(&key_tables.join(";\n")).unwrap();
    store
        .execute_batch("INSERT INTO event_key VALUES (0, 17, 1); INSERT INTO reference_key VALUES (0, 4, 2)")
        .unwrap();
    for mark in ["event_key_moved", "reference_key_moved"] {
        store.execute("INSERT INTO meta VALUES (?1, x'0000000000000002')", [mark]).unwrap();
    }
    store.pragma_update(None, "user_version", 3).unwrap();
}

#[test]
fn a_store_of_version_3_finds_every_key_after_the_upgrade() {
    let (_world, _dir, mut core, before) = taken_back(134, as_version_3);
    for facts in &before.facts {
        assert!(
            decided(core.decide(facts).unwrap()).repeated,
            "the first event is known as well as the last"
        );
    }
}

#[test]
fn old_events_keep_their_rules_after_the_upgrade() {
    let (world, _dir, mut core, _new, before) = upgraded(131);
    let facts = &before.facts[0];
    // Once: the same request gets what stands, the same id for another action is refused.
    let again = decided(core.decide(facts).unwrap());
    assert_eq!((again.reference, again.repeated), (before.references[1], true));
    let mut conflict = facts.clone();
    conflict.fields.0[0].answer = Answer::Value(Value::String("carl".to_owned()));
    assert_eq!(core.decide(&conflict).unwrap(), DecideAnswer::Refused(Refusal::EventConflict));
    let reuse = core.decide(&passed(&before.facts[1], Method::Otp, 1)).unwrap();
    assert_eq!(reuse, DecideAnswer::Refused(Refusal::ProofSpent));
    // Renewals made before count: one of four is used.
    for proof in 101..=103 {
        assert!(!decided(core.decide(&passed(facts, Method::Otp, proof)).unwrap()).repeated);
    }
    let fifth = core.decide(&passed(facts, Method::Otp, 104)).unwrap();
    assert_eq!(fifth, DecideAnswer::Refused(Refusal::DecisionsSpent));
    // Features go on: four devices of this user before, this one is the fifth.
    let new = decided(core.decide(&world.transfer(thumb(9), "ann", "bob", 5)).unwrap());
    let answers = core.decision(&new.reference).unwrap().settled.unwrap().answers.0;
    assert!(answers.iter().any(|stated| stated.answer == Answer::Value(Value::Int(5))), "{answers:?}");
    assert_eq!(core.verify_audit_whole().unwrap().fault, None);
}

#[test]
fn a_tampered_row_of_version_1_is_found_after_the_upgrade() {
    for sql in [
        "UPDATE decision SET record_bytes = (SELECT record_bytes FROM decision WHERE id = 3) WHERE id = 1",
        "UPDATE decision SET shared = 1 WHERE id = 1",
        "UPDATE event SET first_decision = 2 WHERE seq = 1",
        "UPDATE event SET received = received + 1 WHERE seq = 2",
        "DELETE FROM feedback WHERE id = 1",
    ] {
        let (_world, _dir, mut core, _new, _before) = upgraded(132);
        assert!(core.danger_connection().execute(sql, []).unwrap() > 0);
        assert!(core.verify_audit_whole().unwrap().fault.is_some(), "{sql}");
    }
}

#[test]
fn what_was_stored_before_reads_back_byte_by_byte() {
    let (_world, _dir, mut core, mut new, _before) = upgraded(133);
    let (_, kept) = core.decisions(0, 100).unwrap();
    let (_, made) = new.decisions(0, 100).unwrap();
    for (kept, made) in kept.iter().zip(&made) {
        assert_eq!(kept.record.to_bytes().unwrap(), made.record.to_bytes().unwrap());
    }
    assert!(!kept.is_empty());
}

#[test]
fn the_runs_of_a_long_log_leave_no_write_ahead_log_that_counts_as_used() {
    let world = World::new(135);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cloud.db");
    drop(world.open(&Place::File(&path)));
    let store = Connection::open(&path).unwrap();
    store.pragma_update(None, "foreign_keys", false).unwrap();
    store
        .execute_batch(
            "WITH RECURSIVE row (id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM row WHERE id < 120000) \
             INSERT INTO decision (id, seq, standing, reference, ingested, record_bytes, settled_bytes, shared) \
             SELECT id, 1, 1, randomblob(8), 0, x'', x'', 1 FROM row",
        )
        .unwrap();
    store.close().unwrap();
    let core = world.open(&Place::File(&path));
    let rows: i64 = core
        .danger_connection()
        .query_row("SELECT count(*) FROM reference_chunk", [], |row| row.get(0))
        .unwrap();
    assert!(rows > 300, "a run was written");
    let log = std::fs::metadata(dir.path().join("cloud.db-wal")).unwrap().len();
    assert!(log < 1 << 17, "{log} bytes");
}
