//! Invariant 10 for the journal: kill -9 at random points of a real process, an external ledger of what was
//! acknowledged, and every acknowledged record found again.

use crate::host;
use glacis_host::{DirFiles, Entropy, SystemHost};
use glacis_ledger::{Journal, JournalLimits, Position};
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

const LIMITS: JournalLimits = JournalLimits { segment_bytes: 20_000, total_bytes: 64 << 20 };
const ROUNDS: usize = 25;

/// A record whose content follows from its number.
fn record(number: u64) -> Vec<u8> {
    let len = usize::try_from(number * 7 % 251).unwrap();
    let mut record = number.to_be_bytes().to_vec();
    record.resize(8 + len, u8::try_from(number % 256).unwrap());
    record
}

fn open(path: &str) -> glacis_ledger::Opened {
    // A killed child's lock goes with it, but its parent may be told of the death a moment before.
    let files = DirFiles::open(path).unwrap();
    Journal::open(Arc::new(files), host(), "kill", LIMITS).unwrap()
}

/// Not a test: the process that is killed. It reads a directory from its standard input, appends for ever and says
/// each number after the journal took it; `-N` says that everything up to N was acknowledged.
#[test]
#[ignore = "runs as a child of invariant_10_acknowledged_records_survive_kill_9"]
fn writer_child() {
    let mut path = String::new();
    std::io::stdin().lock().read_line(&mut path).unwrap();
    if path.trim().is_empty() {
        return;
    }
    let journal = open(path.trim()).journal;
    let mut out = std::io::stdout().lock();
    writeln!(out, "\nready").unwrap();
    for number in journal.last().number() + 1.. {
        assert_eq!(journal.append(&record(number)).unwrap().number(), number);
        writeln!(out, "{number}").unwrap();
        out.flush().unwrap();
        if number % 97 == 0 {
            journal.sync().unwrap();
        }
        if number % 401 == 0 {
            // Said first: from here on the records may be gone.
            writeln!(out, "-{}", number - 200).unwrap();
            out.flush().unwrap();
            journal.acknowledge(Position::new(number - 200)).unwrap();
        }
    }
}

fn spawn(path: &str) -> Child {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--ignored", "--nocapture", "kill::writer_child"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    writeln!(child.stdin.take().unwrap(), "{path}").unwrap();
    child
}

/// Lets a child write for a random while, kills it, and reads what it had said.
fn round(path: &str, wait: Duration, (mut newest, mut acknowledged): (u64, u64)) -> (u64, u64) {
    let mut child = spawn(path);
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while line.trim() != "ready" {
        line.clear();
        assert_ne!(out.read_line(&mut line).unwrap(), 0, "the child died before it was ready");
    }
    // The pipe holds 64 KiB, so the reader must go on while the child writes.
    let reader = std::thread::spawn(move || {
        let mut said = String::new();
        out.read_to_string(&mut said).unwrap();
        said
    });
    std::thread::sleep(wait);
    child.kill().unwrap();
    child.wait().unwrap();
    let said = reader.join().unwrap();
    // A line without its end was cut by the kill: it says nothing.
    for line in said.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')) {
        match line.strip_prefix('-') {
            Some(number) => acknowledged = number.parse().unwrap(),
            None => newest = line.parse().unwrap(),
        }
    }
    (newest, acknowledged)
}

#[test]
fn invariant_10_acknowledged_records_survive_kill_9() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal").to_str().unwrap().to_owned();
    let (mut newest, mut acknowledged, mut torn) = (0, 0, 0);
    for at in 0..ROUNDS {
        let [random, ..] = SystemHost::new().array::<1>().unwrap();
        let wait = Duration::from_micros(u64::from(random) * 400);
        let before = newest;
        (newest, acknowledged) = round(&path, wait, (newest, acknowledged));
        assert!(newest > before || random < 10, "round {at}: nothing was written in {wait:?}");
        let opened = open(&path);
        torn += opened.torn_bytes;
        assert!(opened.journal.last().number() >= newest, "round {at}: the newest record is lost");
        let read = opened.journal.read_after(Position::ZERO, usize::MAX, usize::MAX).unwrap();
        let first = read.first().map_or(newest + 1, |(position, _)| position.number());
        assert!(
            first <= acknowledged + 1,
            "round {at}: records after {acknowledged} are gone, first is {first}"
        );
        for (want, (position, content)) in (first..).zip(&read) {
            assert_eq!((position.number(), content), (want, &record(want)), "round {at}");
        }
        newest = opened.journal.last().number();
    }
    assert!(newest > 1_000, "{newest} records in {ROUNDS} rounds");
    println!("{ROUNDS} kills, {newest} records, {torn} torn bytes cut");
}
