//! The command as a person or a script meets it: the real binary, its output and its exit codes.

#![expect(clippy::expect_used, reason = "a helper of tests fails the test")]

mod attest;
#[path = "../../../../tests/support/authenticator.rs"]
#[expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]
#[expect(dead_code, reason = "passkeys are registered here, and nobody is challenged")]
mod authenticator;
mod backtest;
mod cel;
mod codes;
mod collateral;
mod console;
mod device;
mod edge;
mod editor;
mod faults;
#[path = "../../../attest/tests/it/forge.rs"]
#[expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests fail the test")]
mod forge;
mod guide;
mod help;
mod hosts;
mod installation;
mod keys;
mod liar;
mod live;
mod model;
mod operate;
#[path = "../../../attest/tests/it/phone.rs"]
mod phone;
mod policy;
mod protect;

use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Runs the binary.
fn glacis(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_glacis"));
    command.args(args).stdin(Stdio::null()).output().expect("the binary starts")
}

/// Runs `glacis keys ACTION --dir DIR …`.
fn keys(dir: &Path, action: &[&str], rest: &[&str]) -> Output {
    let dir = dir.to_string_lossy();
    let args: Vec<&str> =
        ["keys"].iter().chain(action).chain(&["--dir", &dir]).chain(rest).copied().collect();
    glacis(&args)
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap_or(-1)
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
