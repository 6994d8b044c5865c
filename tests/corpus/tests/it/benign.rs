//! Each harmless host for some seconds: no sensor detects anything, and most of them know that there is nothing.
//!
//! The long run of the same hosts is `cargo xtask soak benign`.

use crate::kit;
use glacis_corpus::benign::HOSTS;
use glacis_corpus::kit::Trouble;
use std::collections::BTreeSet;
use std::time::Duration;

/// Long enough for a virtual machine to compile what is hot, and for every sensor to look many times.
const WATCHED: Duration = Duration::from_secs(6);

fn host(name: &str) {
    let host = HOSTS.iter().find(|host| host.name == name).unwrap();
    let outcome = match host.run(&kit(), WATCHED, u64::from(std::process::id())) {
        Ok(outcome) => outcome,
        Err(lacking @ Trouble::Lacking { .. }) => {
            println!("{lacking}");
            return;
        }
        Err(failed) => panic!("{name}: {failed}"),
    };
    println!("{name}: {outcome:?}");
    assert_eq!(outcome.detected, BTreeSet::new(), "{name}: {outcome:?}");
    assert!(outcome.clear.len() > outcome.unknown.len(), "{name} proves little: {outcome:?}");
}

macro_rules! hosts {
    ($($name:ident: $host:literal;)*) => {
        $(#[test] fn $name() { host($host); })*

        #[test]
        fn each_host_has_its_test() {
            let tested = BTreeSet::from([$($host),*]);
            let hosts = HOSTS.iter().filter(|host| !host.soak_only).map(|host| host.name);
            assert_eq!(tested, hosts.collect());
        }
    };
}

hosts! {
    an_app_in_peace_is_clear: "nothing odd";
    a_profiled_app_is_clear: "perf record on the process";
    a_sanitized_program_is_clear: "AddressSanitizer build";
    a_java_virtual_machine_is_clear: "Java virtual machine";
    node_is_clear: "Node";
    python_with_ctypes_is_clear: "CPython with ctypes";
    an_app_behind_walls_is_clear: "control group and namespaces";
    an_app_with_little_memory_is_clear: "little memory by a control group";
    an_app_whose_clock_is_stepped_is_clear: "clock stepped by up to a day";
    an_app_with_a_library_that_it_allows_is_clear: "preloaded library that the app allows";
}
