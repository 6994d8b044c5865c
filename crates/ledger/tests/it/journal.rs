//! The journal without faults: order, segments, acknowledgement, replay, and damage of every kind.

use crate::host;
use glacis_host::{Files, MemoryFiles};
use glacis_ledger::journal::SEGMENT_BYTES_MAX;
use glacis_ledger::{Journal, JournalError, JournalLimits, Opened, Position};
use glacis_wire::limits::RECORD_BYTES_MAX;
use std::sync::Arc;

pub(crate) const SMALL: JournalLimits = JournalLimits { segment_bytes: 400, total_bytes: 4_000 };

pub(crate) fn open(files: &MemoryFiles, limits: JournalLimits) -> Opened {
    Journal::open(Arc::new(files.clone()), host(), "edge", limits).unwrap()
}

pub(crate) fn all(journal: &Journal) -> Vec<(u64, Vec<u8>)> {
    let read = journal.read_after(Position::ZERO, usize::MAX, usize::MAX).unwrap();
    read.into_iter().map(|(position, record)| (position.number(), record)).collect()
}

fn record(number: u64) -> Vec<u8> {
    format!("record {number}").repeat(usize::try_from(number % 4).unwrap() + 1).into_bytes()
}

fn filled(files: &MemoryFiles, count: u64) -> Journal {
    let journal = open(files, SMALL).journal;
    for number in 1..=count {
        assert_eq!(journal.append(&record(number)).unwrap().number(), number);
    }
    journal
}

fn wanted(range: std::ops::RangeInclusive<u64>) -> Vec<(u64, Vec<u8>)> {
    range.map(|number| (number, record(number))).collect()
}

#[test]
fn unacknowledged_records_are_replayed_in_order_after_a_restart() {
    let files = MemoryFiles::new();
    drop(filled(&files, 30));
    let opened = open(&files, SMALL);
    assert_eq!((opened.unacknowledged, opened.torn_bytes), (30, 0));
    assert_eq!(all(&opened.journal), wanted(1..=30));
    assert_eq!(opened.journal.append(&record(31)).unwrap().number(), 31);
    opened.journal.acknowledge(Position::new(12)).unwrap();
    assert_eq!(all(&opened.journal), wanted(13..=31));
    drop(opened);
    let opened = open(&files, SMALL);
    assert_eq!(opened.unacknowledged, 19);
    assert_eq!(all(&opened.journal), wanted(13..=31));
    assert_eq!(opened.journal.acknowledged().number(), 12);
}

#[test]
fn acknowledged_segments_are_dropped_and_numbers_never_return() {
    let files = MemoryFiles::new();
    let journal = filled(&files, 30);
    let before = files.list().unwrap().len();
    assert!(before > 3, "{before} segments");
    journal.acknowledge(Position::new(30)).unwrap();
    assert_eq!(files.list().unwrap().len(), 1);
    journal.acknowledge(Position::new(99)).unwrap();
    assert_eq!(journal.acknowledged().number(), 30, "nothing beyond the last record can be acknowledged");
    drop(journal);
    let opened = open(&files, SMALL);
    assert_eq!(opened.unacknowledged, 0);
    assert_eq!(opened.journal.append(b"x").unwrap().number(), 31);
}

#[test]
fn reading_keeps_to_its_bounds() {
    let files = MemoryFiles::new();
    let journal = filled(&files, 20);
    let read = |after, records, bytes| journal.read_after(Position::new(after), records, bytes).unwrap();
    assert_eq!(read(0, 5, usize::MAX).len(), 5);
    assert_eq!(read(17, 5, usize::MAX).iter().map(|(p, _)| p.number()).collect::<Vec<_>>(), [18, 19, 20]);
    assert_eq!(read(0, 10, 0).len(), 1, "one record always fits");
    assert_eq!(read(20, 10, usize::MAX), []);
    assert_eq!(read(0, 0, usize::MAX), []);
    let two = record(1).len() + record(2).len();
    assert_eq!(read(0, 10, two).len(), 2);
    assert_eq!(read(0, 10, two - 1).len(), 1);
}

#[test]
fn limits_hold() {
    let files = MemoryFiles::new();
    let journal = open(&files, SMALL).journal;
    let too_large = journal.append(&vec![0; RECORD_BYTES_MAX + 1]).unwrap_err();
    assert!(matches!(too_large, JournalError::RecordTooLarge { bytes } if bytes == RECORD_BYTES_MAX + 1));
    let full = loop {
        if let Err(error) = journal.append(&[7; 100]) {
            break error;
        }
    };
    assert!(matches!(full, JournalError::Full { limit: 4_000 }), "{full}");
    assert!(journal.total_bytes() <= 4_000 && !journal.is_stopped());
    let held = all(&journal).len();
    journal.acknowledge(Position::new(10)).unwrap();
    journal.append(&[7; 100]).unwrap();
    assert_eq!(all(&journal).len(), held - 10 + 1);
    for limits in [
        JournalLimits { segment_bytes: 100, total_bytes: 199 },
        JournalLimits { segment_bytes: SEGMENT_BYTES_MAX + 1, total_bytes: u64::MAX },
    ] {
        let refused = Journal::open(Arc::new(MemoryFiles::new()), host(), "edge", limits).unwrap_err();
        assert!(matches!(refused, JournalError::Limits));
    }
}

#[test]
fn a_tail_torn_at_any_byte_is_cut_and_reported() {
    let files = MemoryFiles::new();
    let journal = open(&files, JournalLimits::default()).journal;
    for number in 1..=5 {
        journal.append(&record(number)).unwrap();
    }
    let before = journal.total_bytes();
    journal.append(&record(6)).unwrap();
    let after = journal.total_bytes();
    let name = files.list().unwrap().remove(0);
    for cut in before..after {
        let torn = files.snapshot();
        torn.append(&name).unwrap().truncate(cut).unwrap();
        let opened = open(&torn, JournalLimits::default());
        assert_eq!((opened.unacknowledged, opened.torn_bytes), (5, cut - before), "cut at {cut}");
        assert_eq!(all(&opened.journal), wanted(1..=5));
        assert_eq!(opened.journal.append(&record(6)).unwrap().number(), 6);
        drop(opened);
        assert_eq!(all(&open(&torn, JournalLimits::default()).journal), wanted(1..=6));
    }
}

#[test]
fn a_torn_header_is_a_segment_that_never_was() {
    let files = MemoryFiles::new();
    drop(filled(&files, 30));
    let last = files.list().unwrap().pop().unwrap();
    let segments = files.list().unwrap().len();
    files.append(&last).unwrap().truncate(10).unwrap();
    let opened = open(&files, SMALL);
    assert_eq!(opened.torn_bytes, 10);
    assert_eq!(files.list().unwrap().len(), segments - 1);
    let left = u64::try_from(all(&opened.journal).len()).unwrap();
    assert_eq!(all(&opened.journal), wanted(1..=left));
    assert_eq!(opened.journal.append(b"x").unwrap().number(), left + 1);
}

/// Flips each byte of a journal in turn: never a wrong record, never a silent loss in the middle.
#[test]
fn damage_is_an_error_except_at_the_very_tail() {
    let files = MemoryFiles::new();
    drop(filled(&files, 12));
    let names = files.list().unwrap();
    let tail_len =
        open(&files, SMALL).journal.append(&record(13)).map(|_| ()).map(|()| record(13).len()).unwrap();
    for (at, name) in names.iter().enumerate() {
        let content = files.read(name).unwrap().unwrap();
        for offset in 0..content.len() {
            let damaged = files.snapshot();
            let mut content = content.clone();
            content[offset] ^= 0x40;
            let in_tail = at + 1 == names.len() && offset + tail_len + 21 >= content.len();
            damaged.replace(name, &content).unwrap();
            match Journal::open(Arc::new(damaged), host(), "edge", SMALL) {
                Ok(opened) => {
                    assert!(in_tail, "{name} byte {offset} was cut as a tail");
                    assert_eq!(all(&opened.journal), wanted(1..=12), "{name} byte {offset}");
                }
                Err(JournalError::Corrupt { segment, .. }) => assert_eq!(&segment, name),
                Err(other) => panic!("{name} byte {offset}: {other}"),
            }
        }
    }
}

#[test]
fn a_missing_segment_in_the_middle_is_an_error() {
    let files = MemoryFiles::new();
    drop(filled(&files, 30));
    let names = files.list().unwrap();
    files.remove(&names[1]).unwrap();
    let missing = Journal::open(Arc::new(files), host(), "edge", SMALL).unwrap_err();
    assert!(matches!(missing, JournalError::Corrupt { segment, .. } if segment == names[2]));
}

#[test]
fn journals_of_other_names_are_left_alone() {
    let files = MemoryFiles::new();
    let named = |name| Journal::open(Arc::new(files.clone()), host(), name, SMALL).unwrap().journal;
    named("edge").append(b"one").unwrap();
    named("edge-2").append(b"two").unwrap();
    assert_eq!(all(&named("edge")), [(1, b"one".to_vec())]);
    assert_eq!(all(&named("edge-2")), [(1, b"two".to_vec())]);
}

#[test]
fn appends_from_many_threads_get_numbers_of_their_own_while_others_sync() {
    let files = MemoryFiles::new();
    let journal = open(&files, JournalLimits { segment_bytes: 4_000, total_bytes: 1 << 20 }).journal;
    std::thread::scope(|scope| {
        for thread in 0..8_u64 {
            let journal = &journal;
            scope.spawn(move || {
                for at in 0..200_u64 {
                    journal.append(&(thread * 1_000 + at).to_be_bytes()).unwrap();
                    if at % 50 == 0 {
                        journal.sync().unwrap();
                    }
                }
            });
        }
    });
    assert_eq!(journal.sync().unwrap().number(), 1_600);
    let read = all(&journal);
    assert!(read.iter().map(|(number, _)| *number).eq(1..=1_600));
    for thread in 0..8_u64 {
        let of_thread =
            read.iter().map(|(_, record)| u64::from_be_bytes(record.as_slice().try_into().unwrap()));
        let of_thread: Vec<u64> = of_thread.filter(|value| value / 1_000 == thread).collect();
        assert!(
            of_thread.iter().copied().eq((0..200).map(|at| thread * 1_000 + at)),
            "order within a thread"
        );
    }
}
