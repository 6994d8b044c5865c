//! A full disk: a clear error, nothing acknowledged is lost, and the same process goes on once there is space.

use crate::tmpfs::Tmpfs;
use crate::world::{World, decided, thumb};
use glacis_cloud::server::writer::{CloudHandle, Writer, WriterLimits};
use glacis_cloud::{CloudErrorKind, Place};
use glacis_wire::Reference;
use std::io::Write as _;
use std::process::Command;

impl Tmpfs {
    fn resize(&self, size: &str) {
        let options = format!("remount,size={size}");
        let done = Command::new("mount").args(["-o", &options]).arg(&self.at).status().unwrap();
        assert!(done.success());
    }
}

/// Decides until the disk is full; gives what was acknowledged.
fn fill(world: &World, handle: &CloudHandle) -> Vec<Reference> {
    let mut acknowledged = Vec::new();
    loop {
        // Several at once, so that a batch holds more than the one that fails.
        let calls: Vec<_> = (0..8)
            .map(|device| {
                let facts = world.transfer(thumb(device), "ann", &"b".repeat(500), 5);
                let handle = handle.clone();
                std::thread::spawn(move || handle.call_blocking(move |core| core.decide(&facts)))
            })
            .collect();
        let mut full = false;
        for call in calls {
            match call.join().unwrap() {
                Ok(answer) => acknowledged.push(decided(answer).reference),
                Err(error) => {
                    assert_eq!(error.kind(), CloudErrorKind::StorageFull, "{error}");
                    full = true;
                }
            }
        }
        if full {
            return acknowledged;
        }
        assert!(acknowledged.len() < 100_000, "the disk never filled");
    }
}

fn check(handle: &CloudHandle, acknowledged: &[Reference]) {
    let acknowledged = acknowledged.to_vec();
    let (events, report) = handle
        .call_blocking(move |core| {
            for reference in &acknowledged {
                core.decision(reference)?;
            }
            Ok((core.counts()?.events, core.verify_audit_whole()?))
        })
        .unwrap();
    assert_eq!(report.fault, None);
    assert!(events > 0);
}

fn fills_and_recovers(
    world: &World,
    place: &Place<'_>,
    shrink: impl FnOnce(&CloudHandle),
    grow: impl FnOnce(&CloudHandle),
) {
    let mut core = world.open(place);
    core.publish(&world.publish(1)).unwrap();
    let (writer, handle) = Writer::start(core, WriterLimits::default()).unwrap();
    shrink(&handle);
    let mut acknowledged = fill(world, &handle);
    assert!(acknowledged.len() >= 8, "something fitted before");
    // Where a batch did not fit, one decision may; then it is full, with the same clear error, and reading goes on.
    let still = (0..1_000).find_map(|_| {
        let facts = world.transfer(thumb(1), "ann", &"b".repeat(500), 5);
        match handle.call_blocking(move |core| core.decide(&facts)) {
            Ok(answer) => {
                acknowledged.push(decided(answer).reference);
                None
            }
            Err(error) => Some(error),
        }
    });
    let still = still.unwrap();
    assert_eq!((still.kind(), still.kind().status()), (CloudErrorKind::StorageFull, 507));
    check(&handle, &acknowledged);
    grow(&handle);
    let facts = world.transfer(thumb(1), "ann", "bob", 5);
    let after = decided(handle.call_blocking(move |core| core.decide(&facts)).unwrap());
    let mut all = acknowledged;
    all.push(after.reference);
    check(&handle, &all);
    drop(handle);
    writer.join();
    let mut core = world.open(place);
    for reference in &all {
        core.decision(reference).unwrap();
    }
    assert_eq!(core.verify_audit_whole().unwrap().fault, None);
    println!("{} decisions acknowledged before the disk was full", all.len() - 1);
}

#[test]
fn invariant_10_a_full_file_system_loses_nothing_acknowledged() {
    let world = World::new(90);
    let dir = tempfile::tempdir().unwrap();
    let Some(disk) = Tmpfs::mount(&dir.path().join("disk"), "size=3m") else {
        println!("skipped: mounting a small tmpfs needs root; the page limit below covers SQLITE_FULL");
        return;
    };
    let path = disk.at.join("cloud.db");
    fills_and_recovers(&world, &Place::File(&path), |_handle| {}, |_handle| disk.resize("64m"));
}

#[test]
fn a_page_limit_loses_nothing_acknowledged() {
    let world = World::new(91);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cloud.db");
    let limit = |pages: u32| {
        move |handle: &CloudHandle| {
            let set = move |core: &mut glacis_cloud::CloudCore| {
                let sql = format!("PRAGMA max_page_count = {pages}");
                core.danger_connection().query_row(&sql, [], |_row| Ok(())).unwrap();
                Ok(())
            };
            handle.call_blocking(set).unwrap();
        }
    };
    fills_and_recovers(&world, &Place::File(&path), limit(200), limit(1_000_000));
}

#[test]
fn after_a_failed_fsync_nothing_is_written_ever_again() {
    let world = World::new(92);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cloud.db");
    let mut core = world.open(&Place::File(&path));
    core.publish(&world.publish(1)).unwrap();
    let kept = decided(core.decide(&world.transfer(thumb(1), "ann", "bob", 5)).unwrap()).reference;
    let (writer, handle) = Writer::start(core, WriterLimits::default()).unwrap();
    let facts = world.transfer(thumb(1), "ann", "bob", 5);
    let mid_batch = handle.call_blocking(move |core| {
        let answer = core.decide(&facts);
        core.danger_fail_fsync();
        answer
    });
    // Whether that very batch was still committed is open; every later call is refused, reads too.
    drop(mid_batch);
    for _ in 0..3 {
        let facts = world.transfer(thumb(1), "ann", "bob", 5);
        let error = handle.call_blocking(move |core| core.decide(&facts)).unwrap_err();
        assert_eq!((error.kind(), error.kind().status()), (CloudErrorKind::Stopped, 503));
    }
    drop(handle);
    writer.join();
    let mut core = world.open(&Place::File(&path));
    core.decision(&kept).unwrap();
    assert_eq!(core.verify_audit_whole().unwrap().fault, None);
}

/// Fills the disk but for so many bytes; what fills it is removed with the file that is returned.
fn leave(disk: &Tmpfs, room: u64) -> tempfile::TempPath {
    let mut ballast = tempfile::NamedTempFile::new_in(&disk.at).unwrap();
    let mut size = 0_u64;
    while ballast.write_all(&[1; 4_096]).is_ok() {
        size += 4_096;
    }
    ballast.as_file().set_len(size.saturating_sub(room)).unwrap();
    ballast.into_temp_path()
}

#[test]
fn a_read_that_meets_the_full_disk_takes_its_whole_batch_with_it() {
    let world = World::new(93);
    let dir = tempfile::tempdir().unwrap();
    let Some(disk) = Tmpfs::mount(&dir.path().join("disk"), "size=6m") else {
        println!("skipped: mounting a small tmpfs needs root");
        return;
    };
    let mut core = world.open(&Place::File(&disk.at.join("cloud.db")));
    core.publish(&world.publish(1)).unwrap();
    let facts = |device: u8| world.transfer(thumb(device), "ann", &"b".repeat(500), 5);
    core.begin().unwrap();
    for _ in 0..300 {
        core.decide(&facts(1)).unwrap();
    }
    core.commit().unwrap();
    // So small that pages have to make room while others are read.
    core.danger_connection().pragma_update(None, "cache_size", 10).unwrap();
    let mut taken = 0;
    for room in 0..16 {
        let empty = "PRAGMA wal_checkpoint(TRUNCATE)";
        core.danger_connection().query_row(empty, [], |_row| Ok(())).unwrap();
        let ballast = leave(&disk, room * 8_192);
        core.begin().unwrap();
        let mut answered = Vec::new();
        for device in 0..40 {
            answered.extend(core.decide(&facts(device)).ok().map(|answer| decided(answer).reference));
            if device % 4 == 3 {
                let before = core.danger_connection().is_autocommit();
                drop(core.decisions(u64::from(device) * 3, 50));
                taken += u32::from(!before && core.danger_connection().is_autocommit());
            }
        }
        let committed = core.commit().is_ok();
        ballast.close().unwrap();
        assert_eq!(core.verify_audit_whole().unwrap().fault, None, "room {room}");
        for reference in &answered {
            assert_eq!(core.decision(reference).is_ok(), committed, "room {room}");
        }
    }
    assert!(taken > 0, "no read met the full disk");
}
