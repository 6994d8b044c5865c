//! Tests of the corpus: each attack is seen as the table says, no harmless host raises an alarm.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panicking")]

mod adversary;
mod benign;

use glacis_corpus::kit::Kit;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A kit around the app that cargo built for these tests.
fn kit() -> Kit {
    Kit::new(Path::new(env!("CARGO_BIN_EXE_glacis-corpus"))).unwrap()
}

/// Attacks wait for each other: two that stop processes or load a core at once would disturb the times.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}
