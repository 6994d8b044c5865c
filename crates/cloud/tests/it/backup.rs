//! Backups of a store under load, and restores: whole or not there, and never in the place of anything.

use crate::world::{World, decided, thumb};
use glacis_cloud::server::writer::{Writer, WriterLimits};
use glacis_cloud::{Birth, CloudErrorKind, Place, restore};
use glacis_host::SystemHost;
use glacis_wire::{Realm, Reference, TenantId};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

fn birth(world: &World) -> Birth {
    Birth { tenant: world.context.tenant.clone(), realm: world.context.realm }
}

fn kind(from: &Path, to: &Path, birth: &Birth) -> CloudErrorKind {
    let error = restore(from, to, birth).unwrap_err();
    assert!(!to.exists(), "a refused restore leaves nothing");
    error.kind()
}

/// Names in a folder, sorted.
fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_backup_under_load_restores_to_all_that_was_acknowledged_before_it() {
    let world = World::new(150);
    let dir = tempfile::tempdir().unwrap();
    let out = tempfile::tempdir().unwrap();
    let mut core = world.open(&Place::File(&dir.path().join("cloud.db")));
    core.publish(&world.publish(1)).unwrap();
    let (writer, handle) = Writer::start(core, WriterLimits::default()).unwrap();
    let stop = AtomicBool::new(false);
    let decide = |device: u8| -> Reference {
        let facts = world.transfer(thumb(device), "ann", "bob", 5);
        decided(handle.call_blocking(move |core| core.decide(&facts)).unwrap()).reference
    };
    std::thread::scope(|scope| {
        for client in 0..4 {
            let (stop, decide) = (&stop, &decide);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    decide(client);
                }
            });
        }
        for round in 0..5 {
            let before: Vec<Reference> = (0..20).map(|_| decide(9)).collect();
            let copy = out.path().join(format!("backup-{round}"));
            let copied = handle.backup_to(&copy).unwrap();
            assert_eq!(copied.bytes, std::fs::metadata(&copy).unwrap().len());
            assert_eq!(std::fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
            let restored = out.path().join(format!("restored-{round}"));
            assert_eq!(restore(&copy, &restored, &birth(&world)).unwrap().head, copied.head);
            let mut core = world.open(&Place::File(&restored));
            for reference in &before {
                core.decision(reference).unwrap();
            }
            assert_eq!(core.audit_head().unwrap(), copied.head);
            assert_eq!(core.verify_audit_whole().unwrap().fault, None);
            // It goes on as a store of its own.
            decided(core.decide(&world.transfer(thumb(8), "eve", "bob", 5)).unwrap());
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert!(names(out.path()).iter().all(|name| !name.contains("part")), "{:?}", names(out.path()));
    drop(handle);
    writer.join();
}

#[test]
fn a_backup_overwrites_nothing_and_a_store_in_memory_has_none() {
    let world = World::new(151);
    let dir = tempfile::tempdir().unwrap();
    let (writer, handle) =
        Writer::start(world.open(&Place::File(&dir.path().join("cloud.db"))), WriterLimits::default())
            .unwrap();
    let taken = dir.path().join("taken");
    std::fs::write(&taken, "mine").unwrap();
    assert_eq!(handle.backup_to(&taken).unwrap_err().kind(), CloudErrorKind::Conflict);
    assert_eq!(std::fs::read(&taken).unwrap(), b"mine");
    assert_eq!(
        handle.backup_to(&dir.path().join("no/such/folder")).unwrap_err().kind(),
        CloudErrorKind::Storage
    );
    // What a crash left of an earlier try has another name, and is in nobody's way.
    std::fs::write(dir.path().join("good.part"), "half a backup").unwrap();
    handle.backup_to(&dir.path().join("good")).unwrap();
    assert!(!dir.path().join("good.part").exists());
    drop(handle);
    writer.join();
    let (writer, handle) = Writer::start(world.core(), WriterLimits::default()).unwrap();
    assert_eq!(handle.backup_to(&dir.path().join("x")).unwrap_err().kind(), CloudErrorKind::Invalid);
    drop(handle);
    writer.join();
}

/// Where others may write, one of them may have put something under the name that a backup is built under.
#[test]
fn a_backup_writes_into_no_file_that_somebody_left_for_it() {
    let world = World::new(154);
    let dir = tempfile::tempdir().unwrap();
    let core = world.open(&Place::File(&dir.path().join("cloud.db")));
    let (writer, handle) = Writer::start(core, WriterLimits::default()).unwrap();
    let (copy, part) = (dir.path().join("copy"), dir.path().join("copy.part"));
    let precious = dir.path().join("precious");
    std::fs::write(&precious, "precious").unwrap();
    std::os::unix::fs::symlink(&precious, &part).unwrap();
    handle.backup_to(&copy).unwrap();
    assert_eq!(std::fs::read_to_string(&precious).unwrap(), "precious");
    std::fs::remove_file(&copy).unwrap();

    std::fs::write(&part, "left by a crash, or by somebody").unwrap();
    std::fs::set_permissions(&part, std::fs::Permissions::from_mode(0o666)).unwrap();
    let theirs = std::fs::File::open(&part).unwrap();
    handle.backup_to(&copy).unwrap();
    assert_eq!(copy.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(theirs.metadata().unwrap().len(), 31, "it is another file");

    std::fs::set_permissions(&copy, std::fs::Permissions::from_mode(0o644)).unwrap();
    let new = dir.path().join("new.db");
    restore(&copy, &new, &birth(&world)).unwrap();
    assert_eq!(new.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    drop(handle);
    writer.join();
}

#[test]
fn a_restore_refuses_what_is_not_a_backup_of_this_installation() {
    let world = World::new(152);
    let dir = tempfile::tempdir().unwrap();
    let live = dir.path().join("cloud.db");
    let mut core = world.open(&Place::File(&live));
    core.publish(&world.publish(1)).unwrap();
    for device in 0..4 {
        core.decide(&world.transfer(thumb(device), "ann", "bob", 5)).unwrap();
    }
    let (writer, handle) = Writer::start(core, WriterLimits::default()).unwrap();
    let copy = dir.path().join("backup");
    handle.backup_to(&copy).unwrap();
    let to = dir.path().join("new.db");
    let own = birth(&world);
    assert_eq!(kind(&live, &to, &own), CloudErrorKind::NotAStore, "a store in use");
    let other = Birth { tenant: TenantId::parse("globex").unwrap(), ..own.clone() };
    assert_eq!(kind(&copy, &to, &other), CloudErrorKind::WrongTenant);
    let other = Birth { realm: Realm::Production, ..own.clone() };
    assert_eq!(kind(&copy, &to, &other), CloudErrorKind::WrongRealm);
    assert_eq!(kind(&dir.path().join("nothing"), &to, &own), CloudErrorKind::Storage);
    let bytes = std::fs::read(&copy).unwrap();
    let bad = dir.path().join("bad");
    std::fs::write(&bad, &bytes[..bytes.len() / 2]).unwrap();
    assert!(restore(&bad, &to, &own).is_err(), "cut short");
    std::fs::write(&bad, "no database at all, but something long enough to be looked at".repeat(20)).unwrap();
    assert_eq!(kind(&bad, &to, &own), CloudErrorKind::NotAStore);
    for sql in ["UPDATE event SET received = received + 1 WHERE seq = 2", "DELETE FROM audit WHERE seq = 3"] {
        std::fs::write(&bad, &bytes).unwrap();
        let tampered = rusqlite::Connection::open(&bad).unwrap();
        tampered.execute_batch(sql).unwrap();
        drop(tampered);
        assert_eq!(kind(&bad, &to, &own), CloudErrorKind::Corrupt, "{sql}");
    }
    // Nothing is overwritten: not a store, not one whose process is running, not the backup itself.
    let before = std::fs::read(&live).unwrap();
    for taken in [&live, &copy] {
        assert_eq!(restore(&copy, taken, &own).unwrap_err().kind(), CloudErrorKind::Conflict);
    }
    assert_eq!(std::fs::read(&live).unwrap(), before);
    restore(&copy, &to, &own).unwrap();
    assert!(names(dir.path()).iter().all(|name| !name.contains(".part")), "{:?}", names(dir.path()));
    drop(handle);
    writer.join();
}

/// The child: decides, and makes one backup after another, until it is killed.
#[test]
#[ignore = "run by the test below, which kills it"]
fn child_backs_up_until_killed() {
    let mut folder = String::new();
    std::io::stdin().read_line(&mut folder).unwrap();
    let folder = Path::new(folder.trim());
    let core = crate::crash::open(&folder.join("cloud.db"));
    let (_writer, handle) = Writer::start(core, WriterLimits::default()).unwrap();
    let busy = handle.clone();
    std::thread::spawn(move || {
        let (world, host) = (World::new(80), SystemHost::new());
        loop {
            let facts = crate::crash::facts(&world, &host, 1);
            busy.call_blocking(move |core| core.decide(&facts)).unwrap();
        }
    });
    for number in 0.. {
        let id = std::process::id();
        handle.backup_to(&folder.join(format!("backup-{id}-{number}"))).unwrap();
        std::io::stdout().write_all(b"\nmade\n").unwrap();
    }
}

#[test]
fn a_backup_that_is_killed_leaves_nothing_that_looks_like_one() {
    let world = World::new(80);
    let dir = tempfile::tempdir().unwrap();
    crate::crash::open(&dir.path().join("cloud.db")).publish(&world.publish(1)).unwrap();
    let mut made = 0;
    for round in 0..12_u64 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "backup::child_backs_up_until_killed", "--ignored", "--nocapture"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        writeln!(child.stdin.as_mut().unwrap(), "{}", dir.path().display()).unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let done = lines.by_ref().map_while(Result::ok).filter(|line| line == "made").take(2).count();
        assert_eq!(done, 2, "the child ended by itself");
        std::thread::sleep(Duration::from_micros(round * 1_700));
        child.kill().unwrap();
        child.wait().unwrap();
        for name in names(dir.path()).iter().filter(|name| name.starts_with("backup-")) {
            let file = dir.path().join(name);
            if !name.contains(".part") {
                made += 1;
                let to = dir.path().join("restored");
                restore(&file, &to, &birth(&world)).unwrap();
                std::fs::remove_file(&to).unwrap();
            }
            std::fs::remove_file(&file).unwrap();
        }
    }
    assert!(made >= 24, "{made}");
}

#[test]
fn metrics_say_what_happened() {
    let world = World::new(153);
    let (writer, handle) = Writer::start(world.core(), WriterLimits::default()).unwrap();
    for device in 1..=3 {
        let facts = world.transfer(thumb(device), "ann", "bob", 5);
        handle.call_blocking(move |core| core.decide(&facts)).unwrap();
        let mut stranger = world.transfer(thumb(device), "ann", "bob", 5);
        stranger.policy = glacis_wire::PolicyDigest::new([3; 32]);
        handle.call_blocking(move |core| core.decide(&stranger)).unwrap_err();
    }
    let mut withheld = world.transfer(thumb(1), "ann", "bob", 5);
    withheld.disclosed = None;
    handle.call_blocking(move |core| core.decide(&withheld)).unwrap();
    let metrics = handle.metrics();
    assert_eq!((metrics.allowed, metrics.challenged, metrics.blocked), (3, 1, 0));
    assert_eq!((metrics.failed, metrics.queued, metrics.jobs_last), (0, 0, 1));
    assert!(metrics.batches >= 7 && metrics.jobs >= 7 && metrics.store_bytes > 0);
    drop(handle);
    writer.join();
}
