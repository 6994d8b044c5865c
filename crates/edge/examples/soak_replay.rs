//! Duplicates of signed requests over two nodes with take-overs, many of them.
//!
//! `soak_replay --duplicates N --seed S`; the exit code is 1 where one was accepted. The code is that of the test, which
//! runs a hundredth of it.
#![expect(
    clippy::cast_possible_truncation,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a soak may stop where something is not as it should be"
)]

#[path = "../tests/it/device.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod device;
#[path = "../tests/it/replay.rs"]
mod replay;
#[path = "../tests/it/world.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod world;

use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().collect();
    let value = |name: &str, default: u64| {
        let at = args.iter().position(|arg| arg == name);
        at.and_then(|at| args.get(at + 1)?.parse().ok()).unwrap_or(default)
    };
    let (duplicates, seed) = (value("--duplicates", 1_000_000), value("--seed", 1));
    let seen = replay::run(duplicates, seed);
    println!(
        "{} duplicates, {} accepted; {} fresh requests, {} legs taken over, {} nodes killed; refused {:?}",
        seen.duplicates, seen.accepted, seen.fresh, seen.legs, seen.kills, seen.refused
    );
    ExitCode::from(u8::from(seen.accepted > 0))
}
