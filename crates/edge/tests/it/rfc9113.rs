//! RFC 9113 from the side of a client that was written by others, in another language, and can do wrong.
//!
//! The cases, with their sections and what may come of them, are in `tests/http2/rfc9113.py`; here is the gateway that
//! they run against. None may end it.

use crate::gateway::Town;
use std::path::Path;
use std::process::Command;

/// What the script ends with: cases that come out as their section says, with PROTOCOL_ERROR in place of a code that says
/// more, and otherwise. It changes with the script, and with h2.
const SUMMARY: &str = "84 right, 18 general, 1 known, 0 WRONG";

#[test]
fn every_case_of_rfc_9113_comes_out_as_its_section_says() {
    let Some(python) = crate::service::python() else {
        println!("skipped: python: GLACIS_PYTHON names no interpreter with h2");
        return;
    };
    let town = Town::new();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/http2/rfc9113.py");
    let output = Command::new(python).arg(script).arg(town.address.to_string()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    println!("{said}");
    assert!(output.status.success(), "see above");
    assert!(said.contains(SUMMARY), "another count of cases");
    assert!(town.raw(b"GET /public/a HTTP/1.1\r\nhost: a\r\n\r\n").starts_with("HTTP/1.1 200"));
}
