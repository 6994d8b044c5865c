//! One policy with all that a policy can have: every type, effect, release, table, a model, lists and features.
//!
//! What faults are planted in. A rule is named after what it is there for.

use crate::support::compiled;
use glacis_compiler::Compiled;
use glacis_model::build::{Column, Ensemble, Node};
use glacis_model::{Kind, Link};
use std::fmt::Write as _;

/// The policy, compiled.
pub(crate) fn policy() -> Compiled {
    let policy = glacis_compiler::inline(POLICY, |_| Ok::<_, ()>(model(3.0))).unwrap();
    compiled(&catalogue(), &policy)
}

/// A model of two inputs, with a leaf of this value.
pub(crate) fn model(leaf: f64) -> Vec<u8> {
    let column = |name: &str| Column { name: name.to_owned(), kind: Kind::Double, zero_is_missing: false };
    let split = |feature| Node::Split { feature, from: 10.0, missing_right: true, left: 1, right: 2 };
    let tree = |feature| vec![split(feature), Node::Leaf(1.0), Node::Leaf(leaf)];
    let ensemble = Ensemble {
        features: vec![column("a"), column("b")],
        trees: vec![tree(0), tree(1)],
        base: 0.0,
        link: Link::Identity,
        slack: 0.0,
    };
    ensemble.encode().unwrap().bytes
}

fn catalogue() -> String {
    let mut text = String::new();
    let purpose = "purpose = [\"fraud\"]\nretention = \"1d\"\ncost = 1\n";
    for (name, ty, zone, more) in SIGNALS {
        let privacy = match zone {
            "device" if !more.contains("claimed") => "private",
            "device" => "public",
            _ => "pseudonymous",
        };
        let _ = write!(text, "[signal.\"{name}\"]\ntype = \"{ty}\"\nzone = \"{zone}\"\n{more}\n");
        let _ = write!(text, "privacy = \"{privacy}\"\n{purpose}");
    }
    for list in ["mules", "vip"] {
        let _ = write!(
            text,
            "[list.{list}]\nof = \"string\"\nzone = \"cloud\"\nprivacy = \"pseudonymous\"\n{purpose}"
        );
    }
    let feature = "event = \"pay.out\"\nkey = [\"user\"]\nprivacy = \"pseudonymous\"\nwindow = \"1h\"\n\
                   lateness = \"30s\"\ninclude_self = true\ncounts = \"attempts\"\n";
    let _ = write!(text, "[feature.\"user.payments_1h\"]\nkind = \"count\"\n{feature}{purpose}");
    let _ = write!(text, "[feature.\"user.rate_1h\"]\nkind = \"sum\"\nof = \"rate\"\n{feature}{purpose}");
    text
}

const SIGNALS: [(&str, &str, &str, &str); 22] = [
    ("app.hooked", "bool", "device", "min_trust = \"attested\""),
    ("app.debugger", "bool", "device", "min_trust = \"attested\""),
    ("app.forwarder", "bool", "device", "min_trust = \"attested\""),
    ("app.calls", "int", "device", "min_trust = \"attested\""),
    ("app.build", "int", "device", "min_trust = \"claimed\""),
    ("app.os", "string", "device", "min_trust = \"claimed\"\nmax_bytes = 16"),
    ("amount", "int", "request", ""),
    ("fee", "int", "request", ""),
    ("rate", "double", "request", ""),
    ("payee", "string", "request", "max_bytes = 64"),
    ("country", "string", "edge", "max_bytes = 8"),
    ("address", "string", "edge", "max_bytes = 64"),
    ("night", "bool", "edge", ""),
    ("urgent", "bool", "request", "min_trust = \"proven\""),
    ("due", "timestamp", "request", ""),
    ("idle", "duration", "edge", ""),
    ("quota", "uint", "request", ""),
    ("token", "bytes", "request", "max_bytes = 16"),
    ("items", "list(int)", "request", "max_items = 4"),
    ("age", "int", "cloud", ""),
    ("known", "bool", "cloud", ""),
    ("user", "string", "request", "principal = true\nmax_bytes = 64"),
];

const POLICY: &str = r#"
[policy]
name = "rich"
event = "pay.out"
purpose = "fraud"
combine = "strictest"
methods = ["otp", "passkey"]
if_error = "match"
[policy.if_unknown]
withheld = "challenge(otp)"
denied = "match"
version = "match"
inexact = "challenge(otp)"
unavailable = "challenge(otp)"
absent = "skip"

[[model]]
name = "risk"
file = "risk"

[[score_class]]
at_least = 5
effect = "challenge(otp)"
[[score_class]]
at_least = 9
effect = "block(soft)"

[[rule]]
id = "hooked"
when = "app.hooked || app.debugger"
effect = "block"
text = "device"
release = "verdict"

[[rule]]
id = "prompt"
when = "app.calls > 3 && !app.forwarder"
effect = "challenge(otp)"
text = "device"
release = "verdict"

[[rule]]
id = "relay"
when = "app.forwarder && amount > 1000"
effect = "challenge(passkey)"
reveal = ["app.forwarder"]
release = { nodes = 1 }

[[rule]]
id = "old-build"
when = "app.build < 7 && amount > 10 && app.hooked"
effect = "score(2)"
text = "device"
release = { nodes = 1, values = ["app.build"] }

[[rule]]
id = "silent"
when = "app.calls > 90"
effect = "challenge(passkey)"
text = "device"
danger_undisclosed = true

[[rule]]
id = "burst"
when = "amount > 5000 && user.payments_1h >= 3"
effect = "block(soft)"

[[rule]]
id = "band"
when = "user.payments_1h > 2 && user.payments_1h < 9 && amount >= 7"
effect = "score(4)"

[[rule]]
id = "blurred"
when = "user.payments_1h < 3 && user.payments_1h > 8 && amount >= 7"
effect = "score(1)"

[[rule]]
id = "either-band"
when = "user.rate_1h < 0.5 || user.rate_1h > 8.5"
effect = "score(1)"

[[rule]]
id = "mule"
when = "payee in list.mules"
effect = "block"
text = "cloud"

[[rule]]
id = "far"
when = "known && age < 18"
effect = "score(3)"
text = "cloud"
if_unknown = { unavailable = "skip" }

[[rule]]
id = "vip"
when = "user in list.vip && !night"
effect = "exempt"

[[rule]]
id = "trusted-night"
when = "night && amount < 5"
effect = "score(-2)"

[[rule]]
id = "country"
when = 'country in ["de", "at", "fr"] || country.startsWith("x")'
effect = "score(3)"

[[rule]]
id = "not-country"
when = 'country != "ch" && amount == 42'
effect = "challenge(otp)"

[[rule]]
id = "long-prefix"
when = 'payee.startsWith("abcdefghij") && night'
effect = "challenge(otp)"

[[rule]]
id = "choice"
when = "night ? amount > 100 : amount > 900"
effect = "challenge(otp)"
obligations = ["notify"]

[[rule]]
id = "sum"
when = "night && amount > 20 && amount + fee > 100"
effect = "block(soft)"

[[rule]]
id = "pattern"
when = 'payee.matches("^[a-z]{2}[0-9]+$")'
effect = "challenge(passkey)"

[[rule]]
id = "network"
when = 'address.inCIDR(["10.0.0.0/8", "2001:db8::/32"]) && amount > 1'
effect = "challenge(otp)"

[[rule]]
id = "hour"
when = 'due.getHours("Europe/Berlin") < 6'
effect = "score(1)"

[[rule]]
id = "model"
when = "model.risk(amount, rate) > 3"
effect = "challenge(otp)"

[[rule]]
id = "no-payee"
when = "!has(payee) || rate > 0.5"
effect = "score(1)"
obligations = ["review"]

[[rule]]
id = "scalars"
when = 'quota >= 12u && idle < duration("1h") && due > timestamp("2024-03-31T01:00:00Z") && token != b"\x00"'
effect = "score(2)"

[[rule]]
id = "earned"
when = "urgent && amount > 3 && (night || country == \"it\")"
effect = "challenge(passkey)"

[[rule]]
id = "skipping"
when = "urgent && app.build > 3"
effect = "score(1)"
text = "device"
release = { nodes = 0, values = ["app.build"] }
if_unknown = { absent = "skip" }

[[rule]]
id = "wide"
when = """
(amount > 1 && night) || (amount < -5 && urgent) || country == \"pl\" || (rate > 2.5 && fee > 3) || quota < 2u
|| idle > duration(\"9h\") || user.payments_1h > 77 || payee.startsWith(\"abcdefghijk\")"""
effect = "score(1)"

[[rule]]
id = "watch"
when = "items.exists(item, item == 4)"
obligations = ["review"]
"#;
