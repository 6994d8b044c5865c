//! A disk that refuses one sync, on the real system call: the process stops for ever and never tries again.
//!
//! The child is this test binary under `strace`, which makes the N-th `fsync` or `fdatasync` fail with EIO. Its log
//! is the proof that the fault hit and that no other sync of that file followed. The file itself is synced by the
//! thread that moves the log into it, and only by it.

use crate::crash::{facts, open};
use crate::world::{World, decided, thumb};
use glacis_cloud::CloudErrorKind;
use glacis_cloud::server::writer::{Writer, WriterLimits};
use glacis_host::SystemHost;
use glacis_wire::Reference;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

const CLIENTS: u8 = 4;
/// Decisions of each client at most; more than are needed to reach every injected fault.
const CALLS: usize = 40_000;

/// The child: decides until it is stopped, then asks for everything once more.
#[test]
#[ignore = "run by the test below, under strace"]
fn child_decides_until_the_disk_fails() {
    let mut path = String::new();
    std::io::stdin().read_line(&mut path).unwrap();
    let (writer, handle) = Writer::start(open(Path::new(path.trim())), WriterLimits::default()).unwrap();
    let say = |line: String| std::io::stdout().write_all(format!("\n{line}\n").as_bytes()).unwrap();
    say("open".to_owned());
    std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (handle, say) = (handle.clone(), &say);
            scope.spawn(move || {
                let (world, host) = (World::new(80), SystemHost::new());
                for _ in 0..CALLS {
                    let facts = facts(&world, &host, client);
                    match handle.call_blocking(move |core| core.decide(&facts)) {
                        Ok(answer) => say(format!("ack {}", decided(answer).reference.text())),
                        Err(error) => {
                            say(format!("error {}", error.kind().code()));
                            break;
                        }
                    }
                }
            });
        }
    });
    let (world, host) = (World::new(80), SystemHost::new());
    for _ in 0..5 {
        let facts = facts(&world, &host, 1);
        let write = handle.call_blocking(move |core| core.decide(&facts)).unwrap_err();
        let read = handle.call_blocking(|core| core.counts()).unwrap_err();
        let swept = handle.call_blocking(|core| core.sweep()).unwrap_err();
        for error in [write, read, swept] {
            assert_eq!(error.kind(), CloudErrorKind::Stopped);
        }
    }
    say("stopped".to_owned());
    drop(handle);
    writer.join();
    std::process::exit(3);
}

/// Whether one process may trace another here.
fn can_trace() -> bool {
    let probe = Command::new("strace").args(["-o", "/dev/null", "cat", "/dev/null"]).output();
    match probe {
        Err(error) => println!("skipped: ptrace: strace cannot be started: {error}"),
        Ok(done) if !done.status.success() => println!("skipped: ptrace: this machine forbids it"),
        Ok(_) => return true,
    }
    false
}

/// What one traced child did.
struct Traced {
    acknowledged: Vec<Reference>,
    said: String,
    code: Option<i32>,
    /// Lines of syncs, in order.
    syncs: Vec<String>,
}

impl Traced {
    fn told_all_and_stopped(&self) {
        let told = self.said.lines().filter(|line| *line == "error storage-stopped").count();
        assert_eq!(told, usize::from(CLIENTS), "every client was told: {}", self.said);
        assert!(self.said.contains("\nstopped\n"), "{}", self.said);
        assert_eq!(self.code, Some(3));
    }
}

/// Lets the `nth` sync fail, of those that strace's further arguments select.
fn run(path: &Path, log: &Path, nth: usize, select: &[&str]) -> Traced {
    let inject = format!("inject=fsync,fdatasync:error=EIO:when={nth}");
    let mut child = Command::new("strace")
        .args(["-f", "-qq", "-y", "--seccomp-bpf", "-e", "trace=fsync,fdatasync", "-e", &inject])
        .args(select)
        .arg("-o")
        .arg(log)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "eio::child_decides_until_the_disk_fails", "--ignored", "--nocapture"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    writeln!(child.stdin.as_mut().unwrap(), "{}", path.display()).unwrap();
    let done = child.wait_with_output().unwrap();
    let said = String::from_utf8(done.stdout).unwrap();
    let acknowledged = said.lines().filter_map(|line| Reference::parse(line.strip_prefix("ack ")?)).collect();
    let log = std::fs::read_to_string(log).unwrap();
    let syncs = log.lines().filter(|line| line.contains("sync(")).map(str::to_owned).collect();
    Traced { acknowledged, said, code: done.status.code(), syncs }
}

#[test]
fn invariant_10_after_a_failed_fsync_the_process_stops_and_loses_nothing() {
    if !can_trace() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cloud.db");
    open(&path).publish(&World::new(80).publish(1)).unwrap();
    let mut all = Vec::new();
    // Commits, from the first of a process to one in full run.
    for nth in [4, 9, 40, 150] {
        let traced = run(&path, &dir.path().join(format!("strace-{nth}")), nth, &[]);
        let hit = traced.syncs.iter().position(|line| line.contains("(INJECTED)"));
        let hit = hit.unwrap_or_else(|| panic!("sync {nth} was never made: {} were", traced.syncs.len()));
        assert!(traced.syncs[hit].contains("EIO"), "{}", traced.syncs[hit]);
        assert!(traced.syncs[hit].contains("cloud.db"), "{}", traced.syncs[hit]);
        assert_eq!(traced.syncs.len(), hit + 1, "synced again after the fault: {:?}", &traced.syncs[hit..]);
        traced.told_all_and_stopped();
        all.extend(traced.acknowledged);
        // A sound disk again: all that was acknowledged is there, and the store goes on.
        let mut core = open(&path);
        for reference in &all {
            core.decision(reference).unwrap();
        }
        assert_eq!(core.verify_audit_whole().unwrap().fault, None);
        decided(core.decide(&facts(&World::new(80), &SystemHost::new(), thumb(7).as_bytes()[0])).unwrap());
    }
    println!("4 failed syncs, {} acknowledged, all found", all.len());
    assert!(all.len() > 100);
}

#[test]
fn invariant_10_after_a_failed_sync_of_the_moved_log_the_process_stops_and_loses_nothing() {
    if !can_trace() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cloud.db");
    open(&path).publish(&World::new(80).publish(1)).unwrap();
    // The file alone, whose first sync is that of the first pass over the log.
    let select = ["-P", path.to_str().unwrap()];
    let traced = run(&path, &dir.path().join("strace"), 1, &select);
    let [only] = &*traced.syncs else {
        panic!("one sync of the file, and none after it: {:?}", traced.syncs)
    };
    assert!(only.contains("EIO") && only.contains("(INJECTED)"), "{only}");
    traced.told_all_and_stopped();
    let mut core = open(&path);
    for reference in &traced.acknowledged {
        core.decision(reference).unwrap();
    }
    assert_eq!(core.verify_audit_whole().unwrap().fault, None);
    println!("{} acknowledged, all found", traced.acknowledged.len());
    assert!(traced.acknowledged.len() > 1_000, "{}", traced.acknowledged.len());
}
