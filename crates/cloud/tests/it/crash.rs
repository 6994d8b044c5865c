//! Kill -9 of a real process under load: what was acknowledged is there afterwards (invariant 10).
//!
//! The parent runs this very test binary as the child, reads its acknowledgements from a pipe (the ledger outside
//! of the store), kills it at a different point each round, and then opens the store itself.

use crate::world::{START, World, decided, thumb};
use glacis_cloud::server::writer::{Writer, WriterLimits};
use glacis_cloud::{CloudCore, Place};
use glacis_host::{Clock as _, SystemHost};
use glacis_wire::message::decide::EventFacts;
use glacis_wire::{EventId, Reference};
use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

const ROUNDS: usize = 24;
const CLIENTS: usize = 8;

pub(crate) fn open(path: &Path) -> CloudCore {
    CloudCore::open(&Place::File(path), World::new(80).config(), Arc::new(SystemHost::new())).unwrap()
}

pub(crate) fn facts(world: &World, host: &SystemHost, client: u8) -> EventFacts {
    let id = glacis_host::entropy::array(host).unwrap();
    EventFacts {
        event_id: EventId::new(id),
        received: host.now(),
        ..world.transfer(thumb(client), "ann", "bob", 5)
    }
}

/// The child: decides until it is killed, and says `ack` for what it was told is durable.
#[test]
#[ignore = "run by the test below, which kills it"]
fn child_decides_until_killed() {
    let mut path = String::new();
    std::io::stdin().read_line(&mut path).unwrap();
    let (_writer, handle) = Writer::start(open(Path::new(path.trim())), WriterLimits::default()).unwrap();
    std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            let handle = handle.clone();
            scope.spawn(move || {
                let (world, host) = (World::new(80), SystemHost::new());
                loop {
                    let facts = facts(&world, &host, u8::try_from(client).unwrap());
                    let answer = handle.call_blocking(move |core| core.decide(&facts));
                    let reference = decided(answer.unwrap()).reference.text();
                    // One write a line, so that a line is whole or not there.
                    std::io::stdout().write_all(format!("\nack {reference}\n").as_bytes()).unwrap();
                }
            });
        }
    });
}

fn spawn(path: &Path) -> Child {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::child_decides_until_killed", "--ignored", "--nocapture"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    writeln!(child.stdin.as_mut().unwrap(), "{}", path.display()).unwrap();
    child
}

/// Runs a child, kills it after `acks` acknowledgements, and gives all that it made.
fn run_and_kill(path: &Path, acks: usize) -> Vec<Reference> {
    let mut child = spawn(path);
    let mut seen = Vec::new();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    while let Some(Ok(line)) = lines.next() {
        seen.extend(line.strip_prefix("ack ").and_then(Reference::parse));
        if seen.len() == acks {
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    assert!(seen.len() >= acks, "the child ended by itself after {} acknowledgements", seen.len());
    seen
}

#[test]
fn invariant_10_nothing_acknowledged_is_lost_by_kill_9() {
    assert!(START.as_ms() > 0);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cloud.db");
    open(&path).publish(&World::new(80).publish(1)).unwrap();
    let mut acknowledged = BTreeSet::new();
    for round in 0..ROUNDS {
        // Points from "right after the start" to "in the middle of a checkpoint" (8,192 rows, three a decision).
        let acks = [1, 2, 3, 17, 60, 140, 333, 900][round % 8] + round;
        let seen = run_and_kill(&path, acks);
        acknowledged.extend(seen.iter().map(|reference| *reference.as_bytes()));
        let mut core = open(&path);
        for reference in seen {
            core.decision(&reference).unwrap();
        }
        let report = core.verify_audit_whole().unwrap();
        assert_eq!((report.fault, report.complete), (None, true), "round {round}");
        let counts = core.counts().unwrap();
        assert_eq!(core.newest_event().unwrap(), counts.events, "the log has no gap");
        assert_eq!(counts.events, counts.decisions);
    }
    let mut core = open(&path);
    for reference in &acknowledged {
        core.decision(&Reference::new(*reference)).unwrap();
    }
    let integrity: String =
        core.danger_connection().query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(integrity, "ok");
    println!("{ROUNDS} kills, {} acknowledged, all found", acknowledged.len());
}
