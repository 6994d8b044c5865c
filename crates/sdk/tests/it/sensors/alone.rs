//! Real attacks on a real process: attach, and patch, from outside; the victim must notice, and remember.
//!
//! `strace` and `gdb` are tools of the machine: where one is missing the test prints `skipped:`, and fails in CI.
//! Writing through `/proc/PID/mem` needs no tool, only that the writer is the parent or root.

use crate::child::{Victim, in_ci};
use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

fn sleep_ms(ms: u64) {
    std::thread::sleep(Duration::from_millis(ms));
}

/// Starts `tool` if the machine has it.
fn tool(program: &str, args: &[&str]) -> Option<Child> {
    let spawned = Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    if spawned.is_err() {
        assert!(!in_ci(), "`{program}` must be installed in CI");
        println!("skipped: `{program}` is not installed");
    }
    spawned.ok()
}

/// Waits until the victim reads `detected`, for at most five seconds.
fn wait_detected(victim: &mut Victim, question: &str) {
    for _ in 0..250 {
        if victim.ask(question) == "detected" {
            return;
        }
        sleep_ms(20);
    }
    panic!("`{question}` did not become detected");
}

/// Ends a tool; one that is killed while it attaches leaves its victim stopped.
fn end(mut tool: Child, victim: &Victim) {
    tool.kill().unwrap();
    tool.wait().unwrap();
    sleep_ms(100);
    victim.signal("-CONT");
}

#[test]
fn an_undisturbed_process_stays_clear_within_its_budget() {
    let mut victim = Victim::start();
    for _ in 0..40 {
        assert_eq!(victim.ask("read tracer"), "clear");
        assert_eq!(victim.ask("read prologue"), "clear");
        sleep_ms(50);
    }
    assert_eq!(victim.ask("call"), "42");
    println!("usage in 2 s: {}", victim.ask("usage"));
}

#[test]
fn a_process_frozen_and_thawed_is_clear() {
    let mut victim = Victim::start();
    victim.signal("-STOP");
    sleep_ms(3_000);
    victim.signal("-CONT");
    assert_eq!(victim.ask("read tracer"), "clear");
    assert_eq!(victim.ask("read prologue"), "clear");
}

#[test]
fn strace_is_detected_and_stays_detected_after_it_left() {
    let mut victim = Victim::start();
    let pid = victim.pid.to_string();
    let Some(strace) = tool("strace", &["-q", "-o", "/dev/null", "-p", &pid]) else { return };
    wait_detected(&mut victim, "read tracer");
    end(strace, &victim);
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    assert!(status.contains("TracerPid:\t0"), "strace left");
    assert_eq!(victim.ask("read tracer"), "detected");
    assert_eq!(victim.ask("read prologue"), "clear", "tracing patches nothing");
}

#[test]
fn a_tracer_of_another_thread_than_the_leader_is_detected() {
    let mut victim = Victim::start();
    let mut threads: Vec<u32> = std::fs::read_dir(format!("/proc/{}/task", victim.pid))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_str().unwrap().parse().unwrap())
        .filter(|thread| *thread != victim.pid)
        .collect();
    threads.sort_unstable();
    // The first is libtest's; the watches come after it.
    let thread = threads.first().unwrap().to_string();
    let Some(strace) = tool("strace", &["-q", "-o", "/dev/null", "-p", &thread]) else { return };
    wait_detected(&mut victim, "read tracer");
    end(strace, &victim);
}

#[test]
fn gdb_is_detected_and_stays_detected_after_it_left() {
    let mut victim = Victim::start();
    let pid = victim.pid.to_string();
    let Some(gdb) = tool("gdb", &["-nx", "-q", "-batch", "-p", &pid, "-ex", "continue"]) else { return };
    wait_detected(&mut victim, "read tracer");
    end(gdb, &victim);
    assert_eq!(victim.ask("read tracer"), "detected");
}

#[test]
fn a_breakpoint_in_a_guarded_function_is_a_patch() {
    let mut victim = Victim::start();
    let (pid, stop) = (victim.pid.to_string(), format!("break *{}", victim.address));
    let gdb = ["-nx", "-q", "-batch", "-p", &pid, "-ex", &stop, "-ex", "continue"];
    let Some(gdb) = tool("gdb", &gdb) else { return };
    wait_detected(&mut victim, "read prologue");
    assert_eq!(victim.ask("read tracer"), "detected");
    end(gdb, &victim);
    assert_eq!(victim.ask("read prologue"), "detected");
}

#[test]
fn a_function_patched_through_proc_mem_is_detected_also_after_it_was_restored() {
    let mut victim = Victim::start();
    assert_eq!(victim.ask("call"), "42");
    let memory = OpenOptions::new().read(true).write(true).open(format!("/proc/{}/mem", victim.pid)).unwrap();
    let mut original = [0; PATCH.len()];
    memory.read_exact_at(&mut original, victim.address).unwrap();
    memory.write_all_at(PATCH, victim.address).unwrap();
    assert_eq!(victim.ask("call"), "1", "the patch works");
    assert_eq!(victim.ask("read prologue"), "detected", "seen by the look of the very decision");
    memory.write_all_at(&original, victim.address).unwrap();
    assert_eq!(victim.ask("call"), "42");
    assert_eq!(victim.ask("read prologue"), "detected");
    assert_eq!(victim.ask("read tracer"), "clear", "writing memory attaches nothing");
}

#[test]
fn a_patch_that_is_gone_before_the_decision_was_seen_by_the_watch() {
    let mut victim = Victim::start();
    let memory = OpenOptions::new().read(true).write(true).open(format!("/proc/{}/mem", victim.pid)).unwrap();
    let mut original = [0; PATCH.len()];
    memory.read_exact_at(&mut original, victim.address).unwrap();
    memory.write_all_at(PATCH, victim.address).unwrap();
    sleep_ms(1_000);
    memory.write_all_at(&original, victim.address).unwrap();
    assert_eq!(victim.ask("read prologue"), "detected");
}

/// `return 1`, as an attacker would write it.
#[cfg(target_arch = "x86_64")]
const PATCH: &[u8] = &[0xb8, 0x01, 0x00, 0x00, 0x00, 0xc3];
#[cfg(target_arch = "aarch64")]
const PATCH: &[u8] = &[0x20, 0x00, 0x80, 0x52, 0xc0, 0x03, 0x5f, 0xd6];
