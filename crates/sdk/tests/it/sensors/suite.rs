//! The suite in a process of its own: clear while nothing happens, and each attack seen by the right sensors.

use crate::child::Victim;
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Sensors that detected.
fn detected(readings: &BTreeMap<String, String>) -> Vec<&str> {
    readings.iter().filter(|(_, state)| *state == "detected").map(|(id, _)| id.as_str()).collect()
}

fn memory(victim: &Victim) -> File {
    OpenOptions::new().read(true).write(true).open(format!("/proc/{}/mem", victim.pid)).unwrap()
}

/// Where a function of the victim's C library is in its memory.
fn in_libc(victim: &Victim, function: &str) -> u64 {
    let maps = std::fs::read_to_string(format!("/proc/{}/maps", victim.pid)).unwrap();
    let line = maps.lines().find(|line| line.ends_with("libc.so.6")).unwrap();
    // Its first mapping begins with the file, and its addresses count from there.
    let start = u64::from_str_radix(line.split('-').next().unwrap(), 16).unwrap();
    start + exported(&std::fs::read(line.rsplit(' ').next().unwrap()).unwrap(), function)
}

/// Address of a function that an ELF file exports, by its table of dynamic symbols.
fn exported(file: &[u8], function: &str) -> u64 {
    let number = |from: usize, bytes: usize| {
        file[from..from + bytes].iter().rev().fold(0, |sum: usize, byte| sum << 8 | usize::from(*byte))
    };
    let (sections, count) = (number(40, 8), number(60, 2));
    let section = |index: usize| sections + 64 * index;
    const DYNAMIC_SYMBOLS: usize = 11;
    let table = (0..count).map(section).find(|at| number(at + 4, 4) == DYNAMIC_SYMBOLS).unwrap();
    let strings = number(section(number(table + 40, 4)) + 24, 8);
    let (from, bytes) = (number(table + 24, 8), number(table + 32, 8));
    let named = |at: &usize| {
        let name = &file[strings + number(*at, 4)..];
        name.starts_with(function.as_bytes()) && name[function.len()] == 0
    };
    let symbol = (from..from + bytes).step_by(24).find(named).unwrap();
    number(symbol + 8, 8) as u64
}

#[test]
fn an_undisturbed_process_that_works_stays_clear() {
    let mut victim = Victim::with_suite(&[]);
    for _ in 0..10 {
        assert_eq!(victim.ask("churn"), "churned");
        let readings = victim.readings();
        for (id, state) in &readings {
            // Nobody told it of a peer's key.
            let want = if id == "peer-key" { "unknown:no-baseline" } else { "clear" };
            assert_eq!(state, want, "{id}");
        }
    }
    assert_eq!(victim.ask("load"), "intact");
    println!("{}", victim.ask("usage"));
}

#[test]
fn a_patched_function_is_seen_by_bytes_and_by_pages_and_the_page_stays() {
    let mut victim = Victim::with_suite(&[]);
    let memory = memory(&victim);
    let mut original = [0; 1];
    memory.read_exact_at(&mut original, victim.address).unwrap();
    // The very same byte: nothing to see in the bytes, but the page is now a copy.
    memory.write_all_at(&original, victim.address).unwrap();
    assert_eq!(detected(&victim.readings()), ["text-pages"]);
    memory.write_all_at(&[original[0] ^ 1], victim.address).unwrap();
    assert_eq!(detected(&victim.readings()), ["prologue", "text-pages"]);
    memory.write_all_at(&original, victim.address).unwrap();
    assert_eq!(detected(&victim.readings()), ["prologue", "text-pages"], "latched");
    assert_eq!(victim.ask("call"), "42");
}

#[cfg(target_arch = "x86_64")]
#[test]
fn a_trap_is_a_breakpoint() {
    let mut victim = Victim::with_suite(&[]);
    memory(&victim).write_all_at(&[0xcc], victim.address + 4).unwrap();
    assert_eq!(detected(&victim.readings()), ["breakpoint", "prologue", "text-pages"]);
}

#[test]
fn a_hook_on_the_c_library_is_seen() {
    let mut victim = Victim::with_suite(&[]);
    // A function that the victim does not call.
    memory(&victim).write_all_at(&[0xe9, 0, 0, 0, 0], in_libc(&victim, "ptrace")).unwrap();
    assert_eq!(detected(&victim.readings()), ["libc-prologue", "text-pages"]);
}

#[test]
fn changed_state_is_seen_and_not_given_out() {
    let mut victim = Victim::with_suite(&[]);
    let marker: Vec<u8> = (0..32_u8).map(|byte| byte.wrapping_mul(37) ^ 0x5a).collect();
    let memory = memory(&victim);
    let maps = std::fs::read_to_string(format!("/proc/{}/maps", victim.pid)).unwrap();
    let mut found = 0;
    for line in maps.lines().filter(|line| line.contains("rw-p")) {
        let (start, end) = line.split(' ').next().unwrap().split_once('-').unwrap();
        let (start, end) = (u64::from_str_radix(start, 16).unwrap(), u64::from_str_radix(end, 16).unwrap());
        let mut bytes = vec![0; usize::try_from(end - start).unwrap()];
        if memory.read_exact_at(&mut bytes, start).is_err() {
            continue;
        }
        for place in bytes.windows(marker.len()).enumerate().filter(|(_, window)| *window == marker) {
            memory.write_all_at(&[marker[0] ^ 1], start + place.0 as u64).unwrap();
            found += 1;
        }
    }
    assert!(found > 0, "the marker is in memory");
    assert_eq!(victim.ask("load"), "nothing");
    assert_eq!(detected(&victim.readings()), ["canary"]);
}

#[test]
fn what_the_environment_brings_is_seen() {
    for (variables, want) in [
        (&[("HTTPS_PROXY", "http://127.0.0.1:3128")][..], &["proxy"][..]),
        (&[("LD_AUDIT", "libgcc_s.so.1")], &["preload"]),
        // A library that the victim was not linked with and that interposes nothing.
        (&[("LD_PRELOAD", "libutil.so.1")], &["preload"]),
        (&[("HTTPS_PROXY", ""), ("LD_PRELOAD", "")], &[]),
    ] {
        let mut victim = Victim::with_suite(variables);
        assert_eq!(detected(&victim.readings()), want, "{variables:?}");
    }
}

/// Builds a module from [`LIAR`], or from nothing, with the C compiler that the build of this project needs anyway.
fn build(source: &str, module: &Path, more: &[&str]) {
    let file = module.with_extension("c");
    std::fs::write(&file, source).unwrap();
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-O1", "-o"]).args([module, &file]).args(more);
    assert!(compiler.status().unwrap().success());
}

const LIAR: &str = include_str!("liar.c");

#[test]
fn a_c_library_that_lies_about_proc_blinds_nothing_and_gives_itself_away() {
    let folder = tempfile::tempdir().unwrap();
    let module = folder.path().join("liar.so");
    build(LIAR, &module, &[]);
    let mut victim = Victim::with_suite(&[("LD_PRELOAD", module.to_str().unwrap())]);
    let environ = std::fs::read(format!("/proc/{}/environ", victim.pid)).unwrap();
    let trace = environ.windows(10).any(|window| window == b"LD_PRELOAD");
    assert!(!trace, "it removed its name");
    let readings = victim.readings();
    assert_eq!(detected(&readings), ["preload", "symbol-owner"]);
    for (id, state) in readings.iter().filter(|(id, _)| *id != "peer-key") {
        assert!(!state.starts_with("unknown"), "{id} is {state}");
    }
}

#[test]
fn a_liar_that_takes_the_name_of_a_built_in_library_is_seen_by_its_symbols() {
    // This program was linked with `libgcc_s.so.1`; the liar says to be that, and brings the real one by its path.
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let real =
        maps.lines().find_map(|line| line.ends_with("/libgcc_s.so.1").then(|| line.rsplit(' ').next()));
    let real = real.flatten().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (stand_in, module) = (folder.path().join("real.so"), folder.path().join("libgcc_s.so.1"));
    build("", &stand_in, &[&format!("-Wl,-soname,{real}")]);
    build(LIAR, &module, &["-Wl,-soname,libgcc_s.so.1,--no-as-needed", stand_in.to_str().unwrap()]);
    let mut victim = Victim::with_suite(&[("LD_PRELOAD", module.to_str().unwrap())]);
    assert_eq!(detected(&victim.readings()), ["symbol-owner"]);
}

#[test]
fn a_muted_sensor_says_nothing_although_the_others_do() {
    let mut victim = Victim::with_suite(&[]);
    assert_eq!(victim.ask("mute text-pages"), "muted");
    memory(&victim).write_all_at(&[0xf4], victim.address).unwrap();
    let readings = victim.readings();
    assert_eq!(readings["text-pages"], "unknown:muted");
    assert_eq!(detected(&readings), ["prologue"]);
}

#[test]
fn a_suite_that_was_frozen_and_thawed_is_clear() {
    let mut victim = Victim::with_suite(&[]);
    victim.signal("-STOP");
    std::thread::sleep(Duration::from_secs(3));
    victim.signal("-CONT");
    let cached = victim.ask("cached");
    assert!(!cached.contains("detected") && !cached.contains("pending"), "{cached}");
    assert_eq!(detected(&victim.readings()), [""; 0]);
}
