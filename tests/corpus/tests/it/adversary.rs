//! Each attack with its real tool: seen by at least the sensors that the table in docs/NUMBERS.md names for it.

use crate::{alone, kit};
use glacis_corpus::adversary::{ATTACKS, claims};
use glacis_corpus::kit::Trouble;
use std::collections::{BTreeMap, BTreeSet};

/// Carries the attack out and compares with the table.
fn attack(tool: &str, mode: &str) {
    let _alone = alone();
    let attack = ATTACKS.iter().find(|attack| attack.tool == tool && attack.mode == mode).unwrap();
    let claims = claims().unwrap();
    let claim = claims.get(&(tool.to_owned(), mode.to_owned())).unwrap();
    let row = match attack.run(&kit()) {
        Ok(row) => row,
        Err(lacking @ Trouble::Lacking { .. }) => {
            println!("{lacking}");
            return;
        }
        Err(failed) => panic!("{tool}, {mode}: {failed}"),
    };
    println!("{row:?}");
    let unseen: Vec<_> = claim.seen.iter().filter(|sensor| !row.seen.contains_key(*sensor)).collect();
    assert!(unseen.is_empty(), "the table says that {unseen:?} see this: {row:?}");
    let newly_missed: Vec<_> = row.missed.iter().filter(|sensor| !claim.missed.contains(*sensor)).collect();
    assert!(newly_missed.is_empty(), "{newly_missed:?} must see this: {row:?}");
    assert!(!row.seen.is_empty(), "nothing saw it: {row:?}");
}

#[test]
fn the_table_has_a_row_for_each_attack_and_eleven_tools_are_seen() {
    let claims = claims().unwrap();
    let rows: BTreeSet<_> = claims.keys().map(|(tool, mode)| (tool.as_str(), mode.as_str())).collect();
    let attacks: BTreeSet<_> = ATTACKS.iter().map(|attack| (attack.tool, attack.mode)).collect();
    assert_eq!(rows, attacks);
    // A tool counts if something sees it in every way of use.
    let mut tools: BTreeMap<&str, bool> = BTreeMap::new();
    for ((tool, _), claim) in &claims {
        *tools.entry(tool).or_insert(true) &= !claim.seen.is_empty();
    }
    assert_eq!(tools.len(), 12);
    assert!(tools.values().filter(|seen| **seen).count() >= 11, "{tools:?}");
}

macro_rules! attacks {
    ($($name:ident: $tool:literal, $mode:literal;)*) => {
        $(#[test] fn $name() { attack($tool, $mode); })*

        #[test]
        fn each_attack_has_its_test() {
            let tested = BTreeSet::from([$(($tool, $mode)),*]);
            assert_eq!(tested, ATTACKS.iter().map(|attack| (attack.tool, attack.mode)).collect());
        }
    };
}

attacks! {
    frida_that_attaches_is_seen: "Frida", "attach";
    frida_that_hooks_is_seen: "Frida", "hook (Interceptor.attach)";
    frida_that_replaces_is_seen: "Frida", "replace (Interceptor.replace)";
    frida_that_spawns_is_seen: "Frida", "spawn, then hook";
    frida_in_a_java_virtual_machine_is_seen: "Frida", "attach to a Java virtual machine";
    frida_in_node_is_seen: "Frida", "attach to Node";
    frida_in_python_is_seen: "Frida", "attach to CPython";
    gdb_that_attaches_is_seen: "gdb", "attach";
    gdb_with_a_breakpoint_is_seen: "gdb", "breakpoint in the guarded function";
    strace_is_seen: "strace", "attach";
    ltrace_is_seen: "ltrace", "attach";
    a_writer_of_memory_is_seen: "/proc/PID/mem", "code of the guarded function";
    a_writer_of_code_that_nobody_guards_is_seen: "/proc/PID/mem", "code that nobody guards";
    a_writer_of_data_is_seen: "/proc/PID/mem", "a number in memory";
    a_uprobe_is_seen: "bpftrace", "uprobe on the guarded function";
    faketime_is_seen: "libfaketime", "an hour ahead";
    a_time_namespace_is_seen: "unshare --time", "a day of uptime more";
    proxychains_is_seen: "proxychains4", "connections through a proxy";
    qemu_is_seen: "qemu-user", "emulated processor";
    valgrind_is_seen: "valgrind", "memcheck";
    a_preloaded_library_is_seen: "LD_PRELOAD", "own library in front of libc";
    a_preloaded_library_that_hides_is_seen: "LD_PRELOAD", "the same, wiping its name from the environment";
}
