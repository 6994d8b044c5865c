//! Kill -9 of a real process under load: what was acknowledged is there afterwards (invariant 10).
//!
//! The parent runs this very test binary as the child, reads its acknowledgements from a pipe (the ledger outside
//! of the store), kills it at a point drawn from a seed, and then opens the store itself. One store begins with old
//! events, which children sweep, another with as many keys as make children move them; some children write their
//! log into the file after each commit. So points lie in all of that.

use crate::world::{World, decided, thumb};
use glacis_cloud::server::writer::{Writer, WriterLimits};
use glacis_cloud::{CloudCore, Place};
use glacis_host::{Clock as _, Host, SeededHost, SystemHost};
use glacis_wire::message::decide::EventFacts;
use glacis_wire::{EventId, Reference};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// Points of each seed on a store with old events, and on one with many keys.
const ROUNDS: [u64; 2] = [75, 25];
const CLIENTS: u8 = 8;
/// Old decisions before the first round: some ten steps of a sweep.
const OLD: usize = 12_000;
/// Young ones before the first round: a few less than start a move of keys.
const YOUNG: usize = 114_660;
/// Their age: beyond the window of a day and the look-back of an hour.
const AGE: Duration = Duration::from_secs(30 * 3_600);
/// Rounds between two verifications of everything.
const VERIFY_EVERY: u64 = 25;

fn open_at(path: &Path, host: Arc<dyn Host>) -> CloudCore {
    let mut world = World::new(80);
    world.limits.retention = Duration::from_secs(3_600);
    CloudCore::open(&Place::File(path), world.config(), host).unwrap()
}

pub(crate) fn open(path: &Path) -> CloudCore {
    open_at(path, Arc::new(SystemHost::new()))
}

pub(crate) fn facts(world: &World, host: &impl Host, client: u8) -> EventFacts {
    let id = glacis_host::entropy::array(host).unwrap();
    EventFacts {
        event_id: EventId::new(id),
        received: host.now(),
        ..world.transfer(thumb(client), "ann", "bob", 5)
    }
}

fn say_acknowledged(reference: &Reference) {
    // One write a line, so that a line is whole or not there.
    std::io::stdout().write_all(format!("\nack {}\n", reference.text()).as_bytes()).unwrap();
}

/// The child: decides until it is killed, and says `ack` for what it was told is durable.
#[test]
#[ignore = "run by the test below, which kills it"]
fn child_decides_until_killed() {
    let mut path = String::new();
    std::io::stdin().read_line(&mut path).unwrap();
    let (writer, handle) = Writer::start(open(Path::new(path.trim())), WriterLimits::default()).unwrap();
    std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            let handle = handle.clone();
            scope.spawn(move || {
                let (world, host) = (World::new(80), SystemHost::new());
                loop {
                    let facts = facts(&world, &host, client);
                    let answer = handle.call_blocking(move |core| core.decide(&facts));
                    say_acknowledged(&decided(answer.unwrap()).reference);
                }
            });
        }
    });
    writer.join();
}

/// The same, with a checkpoint after each batch.
#[test]
#[ignore = "run by the test below, which kills it"]
fn child_checkpoints_until_killed() {
    let mut path = String::new();
    std::io::stdin().read_line(&mut path).unwrap();
    let mut core = open(Path::new(path.trim()));
    let (world, host) = (World::new(80), SystemHost::new());
    loop {
        core.begin().unwrap();
        let answers: Vec<_> =
            (0..CLIENTS).map(|client| decided(core.decide(&facts(&world, &host, client)).unwrap())).collect();
        core.commit().unwrap();
        answers.iter().for_each(|answer| say_acknowledged(&answer.reference));
        core.danger_connection().query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_row| Ok(())).unwrap();
    }
}

/// Numbers drawn from a seed; printed, so that a failing run can be drawn again.
struct Draw(u64);

impl Draw {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ mixed >> 31) % end
    }
}

/// When a child is killed: after so many acknowledgements and so much time more.
struct Point {
    child: &'static str,
    acks: u64,
    then: Duration,
}

impl Point {
    fn draw(draw: &mut Draw) -> Self {
        let child = match draw.below(4) {
            0 => "crash::child_checkpoints_until_killed",
            _ => "crash::child_decides_until_killed",
        };
        // From "while it opens" over "in its first commit" to "in full run".
        let (acks, then_us) = match draw.below(4) {
            0 => (0, draw.below(80_000)),
            1 => (1, draw.below(4_000)),
            2 => (1 + draw.below(24), draw.below(12_000)),
            _ => (1 + draw.below(200), draw.below(4_000)),
        };
        Self { child, acks, then: Duration::from_micros(then_us) }
    }
}

/// Runs a child to its point, and gives all that it acknowledged.
fn run_and_kill(path: &Path, point: &Point) -> Vec<Reference> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", point.child, "--ignored", "--nocapture"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    writeln!(child.stdin.as_mut().unwrap(), "{}", path.display()).unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let (sender, acknowledged) = channel();
    let reader = std::thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            if let Some(reference) = line.strip_prefix("ack ").and_then(Reference::parse) {
                sender.send(reference).unwrap();
            }
        }
    });
    let mut seen = wait_for(&acknowledged, point.acks);
    std::thread::sleep(point.then);
    assert!(child.try_wait().unwrap().is_none(), "the child ended by itself");
    child.kill().unwrap();
    child.wait().unwrap();
    reader.join().unwrap();
    seen.extend(acknowledged.iter());
    seen
}

fn wait_for(acknowledged: &Receiver<Reference>, count: u64) -> Vec<Reference> {
    let next = |_| acknowledged.recv_timeout(Duration::from_secs(60)).unwrap();
    (0..count).map(next).collect()
}

/// A store with so many events of that age, as a control plane of then left it.
fn prepare(path: &Path, events: usize, age: Duration) -> Vec<Reference> {
    let world = World::new(80);
    let host = Arc::new(SeededHost::new(81, SystemHost::new().now().before(age)));
    let mut core = open_at(path, host.clone());
    core.publish(&world.publish(1)).unwrap();
    core.begin().unwrap();
    let mut decide = |at: usize| {
        let device = u8::try_from(at % 200).unwrap();
        decided(core.decide(&facts(&world, &*host, device)).unwrap()).reference
    };
    let references = (0..events).map(&mut decide).collect();
    core.commit().unwrap();
    references
}

fn verify(path: &Path, acknowledged: &[Reference]) {
    let mut core = open(path);
    for reference in acknowledged {
        core.decision(reference).unwrap();
    }
    let report = core.verify_audit_whole().unwrap();
    assert_eq!((report.fault, report.complete), (None, true));
    let (newest, counts) = (core.newest_event().unwrap(), core.counts().unwrap());
    let first = core.events(1, 1).unwrap()[0].seq;
    assert_eq!(newest + 1 - first, counts.events, "the log has no gap");
    assert_eq!(counts.events, counts.decisions);
}

/// Kills children at so many points; gives what they acknowledged.
fn kill_at_points(path: &Path, draw: &mut Draw, rounds: u64) -> Vec<Reference> {
    let mut acknowledged = Vec::new();
    for round in 1..=rounds {
        // The next child recovers what this one left; now and then we look ourselves.
        acknowledged.extend(run_and_kill(path, &Point::draw(draw)));
        if round % VERIFY_EVERY == 0 {
            verify(path, &acknowledged);
        }
    }
    let check = "PRAGMA integrity_check";
    let integrity: String = open(path).danger_connection().query_row(check, [], |row| row.get(0)).unwrap();
    assert_eq!(integrity, "ok");
    acknowledged
}

fn kill_at_points_of(seed: u64) {
    let dir = tempfile::tempdir().unwrap();
    let mut draw = Draw(seed);
    let swept = dir.path().join("swept.db");
    let old = prepare(&swept, OLD, AGE);
    let mut acknowledged = kill_at_points(&swept, &mut draw, ROUNDS[0]).len();
    let mut core = open(&swept);
    let gone = old.iter().filter(|reference| core.decision(reference).is_err()).count();
    assert!(gone > 0, "no child came to sweep");
    let full = dir.path().join("full.db");
    let young = prepare(&full, YOUNG, Duration::ZERO);
    acknowledged += kill_at_points(&full, &mut draw, ROUNDS[1]).len();
    let mut core = open(&full);
    let keys = "SELECT count(*) FROM event_chunk";
    let moved: i64 = core.danger_connection().query_row(keys, [], |row| row.get(0)).unwrap();
    assert!(moved > 0, "no child came to move keys");
    for reference in young.iter().step_by(101) {
        core.decision(reference).unwrap();
    }
    println!(
        "seed {seed}: {} kills, {acknowledged} acknowledged, all found; {gone} old events swept, {moved} rows of keys written",
        ROUNDS.iter().sum::<u64>()
    );
}

#[test]
fn invariant_10_nothing_acknowledged_is_lost_by_kill_9() {
    kill_at_points_of(20_261_122);
}

#[test]
fn invariant_10_nor_at_points_never_drawn_before() {
    let seed = u64::from_be_bytes(glacis_host::entropy::array(&SystemHost::new()).unwrap());
    println!("seed {seed}");
    kill_at_points_of(seed);
}
