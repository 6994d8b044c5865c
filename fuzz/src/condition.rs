//! A condition in CEL over a catalogue with a signal of every type, as one rule of an otherwise sound policy.
//!
//! Invariants: compiling is total and repeatable; a refusal names a place inside the file; what compiles gives
//! three slices that load and run.

use glacis_compiler::{Source, compile};
use glacis_policy::{Binding, Slice};
use glacis_wire::PolicyDigest;

/// Checks one input.
pub fn run(data: &[u8]) {
    let Ok(condition) = std::str::from_utf8(data) else { return };
    RELEASES.iter().for_each(|release| compile_and_check(&around(condition, release)));
}

/// A policy whose one rule has this condition and this release.
pub(crate) fn around(condition: &str, release: &str) -> String {
    POLICY.replace("CONDITION", &toml_string(condition)).replace("RELEASE", release)
}

/// Compiles a policy against [`SIGNALS`] and checks whatever comes of it.
pub(crate) fn compile_and_check(policy: &str) {
    let compiled = || {
        let source = Source { name: "policy.toml", text: policy };
        compile(Source { name: "signals.toml", text: SIGNALS }, source, None)
    };
    match (compiled(), compiled()) {
        (Ok(first), Ok(second)) => {
            assert_eq!(first.canonical(), second.canonical(), "two compilations differ");
            let unbound = Binding::unbound(PolicyDigest::new([7; PolicyDigest::LEN]));
            for bytes in first.slices(&unbound) {
                let slice = Slice::load(&bytes)
                    .unwrap_or_else(|error| panic!("a compiled slice does not load: {error}"));
                crate::slice::check(&slice, &[6, 2, 200]);
            }
        }
        (Err(first), Err(second)) => {
            let text = first.to_string();
            assert_eq!(text, second.to_string(), "two refusals differ");
            assert!(text.contains(".toml:"), "a refusal names no place: {text}");
        }
        _ => panic!("compiling is not repeatable"),
    }
}

/// Basic TOML string of any text.
fn toml_string(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for letter in text.chars() {
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            control if control.is_control() => quoted.push_str(&format!("\\u{:04X}", u32::from(control))),
            plain => quoted.push(plain),
        }
    }
    quoted.push('"');
    quoted
}

/// A signal of every type and zone.
pub(crate) const SIGNALS: &str = r#"
[signal."app.hooked"]
type = "bool"
zone = "device"
privacy = "private"
purpose = ["fraud-prevention"]
retention = "0d"
min_trust = "attested"
cost = 1

[signal."app.age"]
type = "double"
zone = "device"
privacy = "private"
purpose = ["fraud-prevention"]
retention = "0d"
min_trust = "attested"
cost = 1

[signal.amount]
type = "int"
zone = "request"
privacy = "pseudonymous"
purpose = ["fraud-prevention"]
retention = "30d"
cost = 1

[signal.quota]
type = "uint"
zone = "edge"
privacy = "pseudonymous"
purpose = ["fraud-prevention"]
retention = "30d"
cost = 1

[signal.token]
type = "bytes"
max_bytes = 64
zone = "edge"
privacy = "pseudonymous"
purpose = ["fraud-prevention"]
retention = "30d"
cost = 1

[signal.due]
type = "timestamp"
zone = "edge"
privacy = "pseudonymous"
purpose = ["fraud-prevention"]
retention = "30d"
cost = 1

[signal.idle]
type = "duration"
zone = "edge"
privacy = "pseudonymous"
purpose = ["fraud-prevention"]
retention = "30d"
cost = 1

[signal.payee]
type = "string"
max_bytes = 64
zone = "request"
privacy = "pseudonymous"
purpose = ["fraud-prevention"]
retention = "30d"
cost = 1

[signal.user]
type = "string"
max_bytes = 64
principal = true
zone = "request"
privacy = "pseudonymous"
purpose = ["fraud-prevention"]
retention = "30d"
cost = 1

[signal."request.tags"]
type = "list(string)"
max_items = 8
max_bytes = 16
zone = "request"
privacy = "pseudonymous"
purpose = ["fraud-prevention"]
retention = "30d"
cost = 1

[list.mules]
of = "string"
zone = "cloud"
privacy = "pseudonymous"
purpose = ["fraud-prevention"]
retention = "30d"
cost = 1

[feature."user.transfers_1h"]
kind = "count"
event = "payment.transfer"
key = ["user"]
window = "1h"
lateness = "30s"
include_self = true
counts = "attempts"
privacy = "pseudonymous"
purpose = ["fraud-prevention"]
retention = "30d"
cost = 1
"#;

/// One rule around the condition.
const POLICY: &str = r#"
[policy]
name = "fuzz"
event = "payment.transfer"
purpose = "fraud-prevention"
combine = "strictest"
methods = ["otp", "passkey"]
if_error = "match"

[policy.if_unknown]
withheld = "match"
denied = "match"
version = "match"
inexact = "match"
unavailable = "challenge(otp)"
absent = "skip"

[[rule]]
id = "fuzzed"
when = CONDITION
effect = "block"
RELEASE
"#;

/// What the rule may let out: nothing, one node, two.
pub(crate) const RELEASES: &[&str] =
    &["", "release = { nodes = 1 }\ntext = \"device\"", "release = { nodes = 2 }\ntext = \"device\""];
