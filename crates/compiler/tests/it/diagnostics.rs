//! Every diagnostic, as text: golden files under `tests/golden`. `UPDATE=1` rewrites them.

use crate::support::{compile_texts, root};
use std::fmt::Write;

/// A catalogue with one signal of each kind that matters.
const SIGNALS: &str = r#"
signal."app.hooked" = { type = "bool", zone = "device", privacy = "private", purpose = ["fraud"], retention = "0d", min_trust = "attested", cost = 1 }
signal."app.rooted" = { type = "bool", zone = "device", privacy = "private", purpose = ["fraud"], retention = "0d", min_trust = "claimed", cost = 1 }
signal."app.risk" = { type = "int", zone = "device", privacy = "private", purpose = ["fraud"], retention = "0d", min_trust = "attested", cost = 1 }
signal."app.os" = { type = "string", zone = "device", privacy = "public", purpose = ["fraud"], retention = "0d", min_trust = "attested", max_bytes = 32, cost = 1 }
signal.user = { type = "string", zone = "request", principal = true, privacy = "pseudonymous", purpose = ["fraud"], retention = "30d", max_bytes = 64, cost = 1 }
signal.payee = { type = "string", zone = "request", privacy = "pseudonymous", purpose = ["fraud"], retention = "30d", max_bytes = 64, cost = 1 }
signal.amount = { type = "int", zone = "request", privacy = "pseudonymous", purpose = ["fraud"], retention = "30d", cost = 1 }
signal.rate = { type = "double", zone = "request", privacy = "pseudonymous", purpose = ["fraud"], retention = "30d", cost = 1 }
signal.tags = { type = "list(string)", zone = "request", privacy = "public", purpose = ["marketing"], retention = "30d", max_bytes = 8, max_items = 4, cost = 1 }
signal."net.load" = { type = "int", zone = "edge", privacy = "public", purpose = ["fraud"], retention = "0d", cost = 1 }
list.mules = { of = "string", zone = "cloud", privacy = "private", purpose = ["fraud"], retention = "30d", cost = 1 }
[feature."user.devices"]
kind = "distinct"
event = "pay"
key = ["user"]
of = "device.id"
window = "30d"
lateness = "30s"
include_self = true
counts = "attempts"
privacy = "pseudonymous"
purpose = ["fraud"]
retention = "30d"
cost = 1
"#;

const HEAD: &str = r#"[policy]
name = "p"
event = "pay"
purpose = "fraud"
combine = "strictest"
methods = ["otp", "passkey"]
if_error = "match"
if_unknown = { withheld = "match", denied = "match", version = "match", inexact = "match", unavailable = "match", absent = "skip" }
"#;

/// Compares `text` with a golden file, or rewrites it.
fn golden(name: &str, text: &str) {
    let path = root().join("crates/compiler/tests/golden").join(name);
    #[expect(clippy::disallowed_methods, reason = "UPDATE=1 is how a golden file is rewritten")]
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        return;
    }
    let held = std::fs::read_to_string(&path).unwrap_or_default();
    if held != text {
        let differs = held.lines().zip(text.lines()).position(|(a, b)| a != b).map_or(0, |at| at + 1);
        panic!("{name} differs from line {differs} on; UPDATE=1 rewrites it. Now:\n{text}");
    }
}

/// What the compiler says of a policy, or that it says nothing.
fn said(signals: &str, policy: &str, cases: Option<&str>) -> String {
    match compile_texts(signals, policy, cases) {
        Err(diagnostics) => diagnostics.to_string(),
        Ok(compiled) if compiled.warnings().is_empty() => "ok".to_owned(),
        Ok(compiled) => {
            let warnings: Vec<_> =
                compiled.warnings().iter().map(|warning| format!("warning: {warning}")).collect();
            warnings.join("\n")
        }
    }
}

fn report(out: &mut String, input: &str, said: &str) {
    let _ = writeln!(out, "## {}\n\n{said}\n", input.trim().replace('\n', "\n   "));
}

/// One rule a case, on line 10 of its policy.
fn rules(name: &str, cases: &[&str]) {
    let mut out = String::new();
    for case in cases {
        report(&mut out, case, &said(SIGNALS, &format!("{HEAD}[[rule]]\n{case}\n"), None));
    }
    golden(name, &out);
}

#[test]
fn conditions() {
    let conditions = [
        "app.hookd",
        "amuont > 5",
        "amount > 5.0",
        "rate > 5",
        "rate == 1.0",
        "amount > '5'",
        "amount",
        "amount && true",
        "!amount",
        "-payee == 'x'",
        "1 < amount < 9",
        "payee + 'x' == 'y'",
        "amount % 2.0 == 0",
        "rate % 2.0 == 0.0",
        "tags < ['a']",
        "amount in [1, 'a']",
        "amount in [1, amount]",
        "amount in [[1]]",
        "amount in ['1']",
        "amount in payee",
        "payee in list.mule",
        "payee in mules",
        "list.mules == 'x'",
        "amount in list.mules",
        "app.os in list.mules",
        "'x' in list.mules",
        "payee.first == 'x'",
        "has(amount + 1)",
        "has(amuont)",
        "has()",
        "size(amount) > 1",
        "payee.size(1) > 1",
        "payee.startsWith(1)",
        "startsWith(payee, 'x')",
        "payee.startswith('x')",
        "payee.matches('x.*')",
        "tags.exists(t, t == 'a')",
        "int(rate) > 1",
        "frobnicate(1)",
        "true ? 1 : 'a'",
        "amount > 5 ? 1 : 2",
        "amount / 0 > 1",
        "1 / 0 > 1 || amount > 5",
        "amount > 9223372036854775807 + 1",
        "amount = 5",
        "amount > 5 and payee == 'x'",
        "(amount > 5",
        "amount > 5 &&",
        "payee == 'x",
        "payee == null",
        "[1, 2][0] == 1",
        "{'a': 1}.a == 1",
        "size(payee) > 1u",
        "tags == ['a']",
        "[] == [] || amount in []",
        "payee.matches(user)",
        "payee.matches('(a')",
        "payee.matches('(?=a)b')",
        "payee.matches('(a{1,1000}){1,1000}')",
        "payee.matches('[ab]*a[ab]{24}')",
        "amount.matches('a')",
        "payee.inCIDR('10.0.0.1/8')",
        "payee.inCIDR(user)",
        "payee.inCIDR([])",
        "payee.inCIDR(['10.0.0.0/8', '::ffff:10.0.0.0/104'])",
        "timestamp('2024-02-30T00:00:00Z') == timestamp(0)",
        "timestamp('2024-02-29T00:00:00.0000001Z') == timestamp(0)",
        "timestamp(payee) == timestamp(0)",
        "timestamp('9999-12-31T23:59:59Z') + duration('1s') > timestamp(amount)",
        "timestamp(0) + timestamp(0) == timestamp(0)",
        "duration('1 hour') == duration('1h')",
        "duration(amount) == duration('1h')",
        "timestamp(amount).getHours('Mars/Olympus') == 1",
        "timestamp(amount).getHours(payee) == 1",
        "timestamp(amount).getHours('Europe/Berlin') >= 22",
        "duration('1h').getFullYear() == 1",
        "duration('1h').getHours('UTC') == 1",
        "amount.getHours() == 1",
        "amount + 1u == 2u",
        "-1u == 0u",
        "string(amount) == 'x'",
        "bytes(amount) == b'x'",
        "string(b'x') == payee && int('12') < amount",
        "tags[5] == 'a'",
        "tags['a'] == 'a'",
        "amount[0] == 1",
        "[][amount] == 1",
        "{'a': 1}['b'] == 1 || amount > 1",
        "{'a': 1, 'b': 2}[payee] > amount",
        "{'a': 1, 'a': 2}[payee] > 1",
        "{'a': 1, 1: 2}[payee] > 1",
        "{'a': 1, 'b': 'c'}[payee] > 1",
        "{'a': amount}[payee] > 1",
        "{1.5: 1}[rate] > 1",
        "{}[payee] > 1",
        "payee in {'a': 1}",
        "{'a': 1} == {'a': 1}",
        "[1, 2].exists(x, x == amount)",
        "[].exists(x, x == amount)",
        "[1, amount].exists(x, x == 1)",
        "payee.exists(x, x == 'a')",
        "[1, 2].exists(x, x)",
        "[1, 2].exists(1, true)",
        "[1, 2].map(x, x + 1) == [2]",
        "size([1, 2].filter(x, x > amount)) == 1",
        "(amount > 1 ? [1] : [2]).all(x, x > 1)",
        "[1, 2].exists(x, [3, 4].exists(y, [5, 6].exists(z, x + y + z == amount)))",
    ];
    let mut out = String::new();
    for condition in conditions {
        let policy = format!("{HEAD}[[rule]]\nid = \"r\"\neffect = \"block\"\nwhen = \"{condition}\"\n");
        report(&mut out, condition, &said(SIGNALS, &policy, None));
    }
    // Through TOML escapes the place is still the typed character.
    let escaped = "payee == \\\"x\\\" && amuont > 5";
    let policy = format!("{HEAD}[[rule]]\nid = \"r\"\neffect = \"block\"\nwhen = \"{escaped}\"\n");
    report(&mut out, escaped, &said(SIGNALS, &policy, None));
    golden("conditions.txt", &out);
}

#[test]
fn rules_and_entries() {
    rules(
        "rules.txt",
        &[
            "id = \"r\"\nwhen = \"amount > 5\"",
            "id = \"r\"\nwhen = \"amount > 5\"\nefect = \"block\"",
            "id = \"r\"\nwhen = \"amount > 5\"\neffect = \"blok\"",
            "id = \"r\"\nwhen = \"amount > 5\"\neffect = \"challenge\"",
            "id = \"r\"\nwhen = \"amount > 5\"\neffect = \"challenge(biometric)\"",
            "id = \"r\"\nwhen = \"amount > 5\"\neffect = \"score(many)\"",
            "id = \"r\"\nwhen = \"amount > 5\"\neffect = \"score(0)\"",
            "id = \"r\"\nwhen = \"amount > 5\"\neffect = \"score(10)\"",
            "id = \"r\"\nwhen = \"amount > 5\"\neffect = \"block\"\nobligations = [\"reveiw\"]",
            "id = \"R 1\"\nwhen = \"amount > 5\"\neffect = \"block\"",
            "id = \"r\"\nwhen = \"amount > 5\"\neffect = \"block\"\n[[rule]]\nid = \"r\"\nwhen = \"amount > 6\"\neffect = \"block\"",
            "id = \"r\"\nwhen = 5\neffect = \"block\"",
            "when = \"amount > 5\"\neffect = \"block\"",
            "id = \"r\"\nwhen = \"size(tags) > 1\"\neffect = \"block\"",
            "id = \"r\"\nwhen = \"net.load > 1\"\neffect = \"block\"\nif_unknown = { unavailible = \"skip\" }",
            "id = \"r\"\nwhen = \"net.load > 1\"\neffect = \"block\"\nif_unknown = { unavailable = \"skp\" }",
            "id = \"r\"\nwhen = \"net.load > 1\"\neffect = \"block\"\nif_unknown = { unavailable = \"danger_skip\" }",
            "id = \"r\"\nwhen = \"net.load > 1\"\neffect = \"challenge(otp)\"\nif_unknown = { unavailable = \"challenge(passkey)\" }",
            "id = \"r\"\nwhen = \"net.load > 1\"\nobligations = [\"review\"]\nif_unknown = { unavailable = \"challenge(otp)\" }",
            "id = \"r\"\nwhen = \"user.devices > 1\"\neffect = \"exempt\"\nif_unknown = { unavailable = \"skip\" }\nif_error = \"skip\"",
            "id = \"r\"\nwhen = \"user.devices > 1\"\neffect = \"block\"\nif_unknown = { withheld = \"skip\" }",
            "id = \"r\"\nwhen = \"user.devices > 1\"\neffect = \"block\"\nif_unknown = { withheld = \"danger_skip\", denied = \"skip\" }\nif_error = \"skip\"",
            "id = \"r\"\nwhen = \"user.devices > 1\"\neffect = \"block\"\nif_unknown = { withheld = \"challenge(passkey)\", denied = \"challenge(otp)\" }",
            "id = \"r\"\nwhen = \"user.devices > 1\"\neffect = \"block\"\nif_error = \"challenge(otp)\"",
            "id = \"r\"\nwhen = \"amount > 5\"\neffect = \"block\"\nlease = \"edge\"",
            "id = \"r\"\nwhen = \"app.rooted\"\neffect = \"exempt\"\ntext = \"device\"\nrelease = { nodes = 1 }",
        ],
    );
}

#[test]
fn release_and_placement() {
    rules(
        "release.txt",
        &[
            "id = \"r\"\nwhen = \"app.hooked\"\neffect = \"block\"",
            "id = \"r\"\nwhen = \"app.hooked\"\neffect = \"block\"\nrelease = \"verdict\"",
            "id = \"r\"\nwhen = \"app.hooked\"\neffect = \"block\"\nrelease = \"verdct\"\ntext = \"device\"",
            "id = \"r\"\nwhen = \"app.hooked\"\neffect = \"block\"\nrelease = { nodes = 1 }",
            "id = \"r\"\nwhen = \"app.hooked && amount > 5\"\neffect = \"block\"\nrelease = { nodes = 1 }\nreveal = [\"app.hooked\"]",
            "id = \"r\"\nwhen = \"app.hooked && amount > 5\"\neffect = \"block\"\nrelease = { nodes = 1 }\nreveal = [\"app.hookd\"]",
            "id = \"r\"\nwhen = \"app.hooked && amount > 5\"\neffect = \"block\"\nrelease = { nodes = 1 }\nreveal = [\"app.hooked\"]\ntext = \"device\"",
            "id = \"r\"\nwhen = \"app.hooked && amount > 5\"\neffect = \"block\"\nrelease = \"verdict\"\ntext = \"device\"",
            "id = \"r\"\nwhen = \"app.hooked && amount > 5 || app.risk > 7\"\neffect = \"block\"\nrelease = { nodes = 1 }\ntext = \"device\"",
            "id = \"r\"\nwhen = \"app.hooked && amount > 5 && app.risk > 7\"\neffect = \"block\"\nrelease = { nodes = 1 }\ntext = \"device\"",
            "id = \"r\"\nwhen = \"app.hooked || app.rooted\"\neffect = \"block\"\nrelease = { nodes = 2 }\ntext = \"device\"",
            "id = \"r\"\nwhen = \"app.hooked || app.rooted\"\neffect = \"block\"\nrelease = \"verdict\"\ntext = \"device\"",
            "id = \"r\"\nwhen = \"app.hooked == app.rooted\"\neffect = \"block\"\nrelease = { nodes = 1 }\ntext = \"device\"",
            "id = \"r\"\nwhen = \"app.risk > amount\"\neffect = \"block\"\nrelease = { nodes = 1 }\ntext = \"device\"",
            "id = \"r\"\nwhen = \"app.risk > user.devices\"\neffect = \"block\"\nrelease = { nodes = 1 }\ntext = \"device\"",
            "id = \"r\"\nwhen = \"app.os == payee\"\neffect = \"block\"\nrelease = { nodes = 1 }\ntext = \"device\"",
            "id = \"r\"\nwhen = \"app.os == payee\"\neffect = \"block\"\nrelease = { values = [\"app.os\"] }",
            "id = \"r\"\nwhen = \"app.os == payee\"\neffect = \"block\"\nrelease = { values = [\"app.is\"] }",
            "id = \"r\"\nwhen = \"app.risk > 5\"\neffect = \"block\"\nrelease = { values = [\"app.risk\"] }",
            "id = \"r\"\nwhen = \"app.risk > 5\"\neffect = \"score(5)\"\nrelease = \"verdict\"\ntext = \"device\"",
            "id = \"r\"\nwhen = \"amount > 5\"\neffect = \"block\"\nrelease = { nodes = 1 }",
            "id = \"r\"\nwhen = \"amount > 5\"\neffect = \"block\"\ndanger_undisclosed = true",
            "id = \"r\"\nwhen = \"app.hooked\"\neffect = \"block\"\ndanger_undisclosed = true",
            "id = \"r\"\nwhen = \"app.hooked\"\neffect = \"block\"\nrelease = { nodes = 1 }\ntext = \"device\"\ndanger_undisclosed = true",
            "id = \"r\"\nwhen = \"app.hooked || true\"\neffect = \"block\"\nrelease = { nodes = 1 }\ntext = \"device\"",
            "id = \"r\"\nwhen = \"user.devices > 1\"\neffect = \"block\"\nplace = \"edge\"",
            "id = \"r\"\nwhen = \"amount > 1\"\neffect = \"block\"\nplace = \"device\"",
            "id = \"r\"\nwhen = \"amount > 1\"\neffect = \"block\"\nplace = \"edge\"\ntext = \"cloud\"",
            "id = \"r\"\nwhen = \"app.hooked\"\neffect = \"block\"\nrelease = \"verdict\"\ntext = \"device\"\nplace = \"cloud\"",
            "id = \"r\"\nwhen = \"app.hooked\"\neffect = \"block\"\nrelease = \"verdict\"\ntext = \"device\"\nplace = \"device\"",
            "id = \"r\"\nwhen = \"app.risk > amount\"\neffect = \"block\"\nrelease = { nodes = 1 }\ntext = \"device\"\nvs_request = true",
            "id = \"r\"\nwhen = \"app.risk > amount\"\neffect = \"block\"\nrelease = { nodes = 1, vs_request = true }\ntext = \"device\"",
            "id = \"r\"\nwhen = \"app.risk > amount\"\neffect = \"block\"\nrelease = { nodes = 1, vs_request = 1 }\ntext = \"device\"",
            "id = \"r\"\nwhen = \"app.risk > amount\"\neffect = \"block\"\ntext = \"device\"",
            "id = \"r\"\nwhen = \"(app.hooked ? amount : 1) > 5\"\neffect = \"block\"\nrelease = { nodes = 1, vs_request = true }\ntext = \"device\"",
            "id = \"r\"\nwhen = \"app.hooked && amount > 5\"\neffect = \"block\"\nrelease = \"bit\"\ntext = \"device\"",
            "id = \"r\"\nwhen = \"app.hooked\"\neffect = \"block\"\nrelease = 1\ntext = \"device\"",
            "id = \"r\"\nwhen = \"app.risk < 20 && amount > 5\"\neffect = \"block\"\nrelease = { buckets = { \"app.risk\" = [20] } }\ntext = \"device\"",
            "id = \"r\"\nwhen = \"app.risk < 30 && amount > 5\"\neffect = \"block\"\nrelease = { buckets = { \"app.risk\" = [20] } }\ntext = \"device\"",
            "id = \"r\"\nwhen = \"app.risk < 20 || app.risk > 20\"\neffect = \"block\"\nrelease = { buckets = { \"app.risk\" = [20] } }\ntext = \"device\"",
            "id = \"r\"\nwhen = \"app.risk < 20\"\neffect = \"block\"\nrelease = { buckets = { \"app.risk\" = [20, 50] } }\ntext = \"device\"",
            "id = \"r\"\nwhen = \"app.risk < 20\"\neffect = \"block\"\nrelease = { buckets = { \"app.risk\" = [20, 20] } }\ntext = \"device\"",
            "id = \"r\"\nwhen = \"app.risk < 20\"\neffect = \"block\"\nrelease = { buckets = { \"app.risk\" = [2.5] } }\ntext = \"device\"",
            "id = \"r\"\nwhen = \"app.risk < 20\"\neffect = \"block\"\nrelease = { buckets = { \"app.risk\" = [] } }\ntext = \"device\"",
            "id = \"r\"\nwhen = \"app.risk < 20\"\neffect = \"block\"\nrelease = { buckets = { \"app.risk\" = 20 } }\ntext = \"device\"",
            "id = \"r\"\nwhen = \"app.risk < 20\"\neffect = \"block\"\nrelease = { buckets = { \"app.rsk\" = [20] } }\ntext = \"device\"",
            "id = \"r\"\nwhen = \"app.hooked\"\neffect = \"block\"\nrelease = { buckets = { \"app.hooked\" = [1] } }\ntext = \"device\"",
            "id = \"r\"\nwhen = \"app.os == payee\"\neffect = \"block\"\nrelease = { values = [\"app.os\"], buckets = { \"app.os\" = [1] } }",
            "id = \"r\"\nwhen = \"amount > 5\"\neffect = \"block\"\ndeclassify = [\"gone\"]",
        ],
    );
}

#[test]
fn files_and_heads() {
    let rule = "[[rule]]\nid = \"r\"\nwhen = \"net.load > 1\"\neffect = \"block\"\n";
    let mut out = String::new();
    for (from, to) in [
        ("[policy]", "[polcy]"),
        ("[policy]", "[policy"),
        ("name = \"p\"", "nme = \"p\""),
        ("name = \"p\"", "name = 5"),
        ("event = \"pay\"", "event = \"Pay!\""),
        ("purpose = \"fraud\"", "purpose = \"ads\""),
        ("\"strictest\"", "\"strict\""),
        ("[\"otp\", \"passkey\"]", "[\"otp\", \"otp\"]"),
        ("[\"otp\", \"passkey\"]", "[\"otp\", \"biometric\"]"),
        ("if_error = \"match\"\n", ""),
        ("if_error = \"match\"", "if_error = \"danger_skip\""),
        ("unavailable = \"match\", ", ""),
        ("withheld = \"match\"", "withheld = \"skip\""),
        ("withheld", "witheld"),
        ("combine", "danger_combine"),
    ] {
        let policy = format!("{HEAD}{rule}").replacen(from, to, 1);
        report(&mut out, &format!("{from} -> {to}"), &said(SIGNALS, &policy, None));
    }
    for classes in [
        "[[score_class]]\nat_least = 5\neffect = \"block\"",
        "[[score_class]]\nat_least = 50\neffect = \"challenge(otp)\"",
        "[[score_class]]\nat_least = 0\neffect = \"challenge(otp)\"",
        "[[score_class]]\nat_least = 5\nefect = \"challenge(otp)\"",
        "[[score_class]]\nat_least = 5\neffect = \"block(soft)\"\n[[score_class]]\nat_least = 6\neffect = \"challenge(otp)\"",
        "[[score_class]]\nat_least = 6\neffect = \"challenge(otp)\"\n[[score_class]]\nat_least = 5\neffect = \"block(soft)\"",
    ] {
        let rule = rule.replace("block", "score(10)");
        report(&mut out, classes, &said(SIGNALS, &format!("{HEAD}{classes}\n{rule}"), None));
    }
    golden("files.txt", &out);
}

#[test]
fn catalogues() {
    let rule = "[[rule]]\nid = \"r\"\nwhen = \"amount > 1\"\neffect = \"block\"\n";
    let policy = format!("{HEAD}{rule}");
    let amount = "signal.amount = { type = \"int\", zone = \"request\", privacy = \"pseudonymous\", purpose = [\"fraud\"], retention = \"30d\", cost = 1 }";
    let labels = "privacy = \"public\", purpose = [\"fraud\"], retention = \"30d\", cost = 1";
    let mut out = String::new();
    for (from, to) in [
        ("retention = \"30d\", cost = 1 }", "retenton = \"30d\", cost = 1 }"),
        ("zone = \"request\"", "zone = \"requst\""),
        ("\"int\"", "\"integer\""),
        ("\"30d\"", "\"30 days\""),
        ("cost = 1", "cost = 0"),
        ("purpose = [\"fraud\"]", "purpose = []"),
        ("purpose = [\"fraud\"]", "purpose = \"fraud\""),
        ("\"int\"", "\"string\""),
        ("\"int\"", "\"int\", max_bytes = 5"),
        ("\"request\"", "\"device\""),
        ("\"request\"", "\"device\", min_trust = \"proven\""),
        ("\"request\"", "\"request\", principal = true"),
        ("signal.amount", "signal.Amount"),
        ("signal.amount", "signal.\"a.in\""),
        ("signal.amount", "signal.\"list.amount\""),
        ("signal.amount", "signal.\"device.tier\""),
        ("signal.amount", "signal.app.amount"),
        ("signal.amount", "sginal.amount"),
    ] {
        report(&mut out, &format!("{from} -> {to}"), &said(&amount.replacen(from, to, 1), &policy, None));
    }
    for more in [
        format!("list.mules = {{ of = \"double\", zone = \"cloud\", {labels} }}"),
        format!("list.mules = {{ of = \"string\", zone = \"edge\", {labels} }}"),
        format!("list.\"a.b\" = {{ of = \"string\", zone = \"cloud\", {labels} }}"),
        "list.mules = { of = \"string\" }".to_owned(),
        format!(
            "feature.f = {{ kind = \"sum\", event = \"pay\", key = [\"amount\"], window = \"1h\", lateness = \"1s\", include_self = true, counts = \"attempts\", {labels} }}"
        ),
        format!(
            "feature.f = {{ kind = \"count\", of = \"amount\", event = \"pay\", key = [\"amuont\"], window = \"0s\", lateness = \"1s\", include_self = true, counts = \"allowed\", {labels} }}"
        ),
        format!(
            "feature.f = {{ kind = \"sum\", of = \"device.id\", event = \"pay\", key = [], window = \"1h\", lateness = \"1s\", include_self = true, counts = \"attempts\", {labels} }}"
        ),
        format!(
            "feature.amount = {{ kind = \"count\", event = \"pay\", key = [\"amount\"], window = \"1h\", lateness = \"1s\", include_self = true, counts = \"attempts\", {labels} }}"
        ),
        "feature.f = { kind = \"count\" }".to_owned(),
    ] {
        report(&mut out, &more, &said(&format!("{amount}\n{more}"), &policy, None));
    }
    golden("catalogues.txt", &out);
}

#[test]
fn cases() {
    let policy =
        format!("{HEAD}[[rule]]\nid = \"r\"\nwhen = \"net.load > 1 && amount > 5\"\neffect = \"block\"\n");
    let case = "[[case]]\nname = \"c\"\ntrust = \"claimed\"\nverdict = \"allow\"\ngiven = { amount = 1, net.load = 1 }\n";
    let mut out = String::new();
    for (from, to) in [
        ("", ""),
        ("net.load = 1", "\"net.load\" = 1"),
        ("net.load = 1", "net.laod = 1"),
        (", net.load = 1", ""),
        ("net.load = 1", "net.load = true"),
        ("net.load = 1", "net.load = { unknown = \"unavailable\" }"),
        ("net.load = 1", "net.load = { unknown = \"gone\" }"),
        ("net.load = 1", "net.load = { mising = true }"),
        ("net.load = 1", "net.load = { between = [1, 2] }"),
        ("net.load = 1", "net.load = { between = [2, 1] }"),
        ("net.load = 1", "net.load = { between = [1.0, 2] }"),
        ("\"allow\"", "\"alow\""),
        ("\"claimed\"", "\"trusted\""),
        ("trust = \"claimed\"\n", ""),
        ("verdict", "reasons = [\"q\"]\nverdict"),
        ("verdict", "pased = \"otp\"\nverdict"),
        ("verdict", "passed = \"biometric\"\nverdict"),
        ("[[case]]", "[case]"),
    ] {
        let text = if from.is_empty() { case.to_owned() } else { case.replacen(from, to, 1) };
        report(&mut out, &format!("{from} -> {to}"), &said(SIGNALS, &policy, Some(&text)));
    }
    report(&mut out, "the same name twice", &said(SIGNALS, &policy, Some(&format!("{case}{case}"))));
    golden("cases.txt", &out);
}
