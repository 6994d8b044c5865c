//! The pages of docs/policies say of each policy what its compiled form says (`UPDATE=1` rewrites the tables there).

use crate::policies::shipped;
use crate::support::{file, root, unbound};
use glacis_compiler::Compiled;
use glacis_compiler::checked::Rule;
use glacis_policy::{Effect, Slice};
use glacis_wire::Zone;
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// Pages and the policies that stand on them.
const PAGES: [(&str, &[&str]); 5] = [
    ("account-takeover", &["account-login", "account-change"]),
    ("payment", &["payment"]),
    ("card-payment", &["card-payment"]),
    ("scalping", &["scalping"]),
    ("iot-command", &["iot-command"]),
];

/// What stands between a page's marks for a policy.
fn tables(name: &str) -> String {
    let compiled = shipped(name);
    let mut shown = format!("`{name}`:\n\n| rule | does | stands in | reads |\n|---|---|---|---|\n");
    let held = compiled.slices(&unbound()).map(|bytes| {
        let slice = Slice::load(&bytes).unwrap();
        slice.rules().iter().map(|rule| rule.reason.clone()).collect::<BTreeSet<_>>()
    });
    for rule in compiled.checked().rules() {
        let zones = Zone::ALL.iter().zip(&held).filter(|(_, held)| held.contains(&rule.id));
        let zones: Vec<&str> = zones.map(|(zone, _)| zone.name()).collect();
        let _ =
            writeln!(shown, "| `{}` | {} | {} | {} |", rule.id, does(rule), zones.join(", "), reads(rule));
    }
    shown.push_str("\n| signal | born | label | kept |\n|---|---|---|---|\n");
    for signal in compiled.checked().signals().values() {
        let days = signal.retention.as_secs() / 86_400;
        let kept = if days == 0 { "not at all".to_owned() } else { format!("{days} d") };
        let _ = writeln!(
            shown,
            "| `{}` | {} | {} | {kept} |",
            signal.name,
            signal.birth.name(),
            signal.privacy.name()
        );
    }
    shown + "\n" + &leaves(&compiled)
}

fn does(rule: &Rule) -> String {
    let duties = rule.obligations.iter().map(|duty| duty.name().to_owned());
    let effect = (rule.effect != Effect::Score(0)).then(|| rule.effect.to_string());
    effect.into_iter().chain(duties).collect::<Vec<_>>().join(", ")
}

fn reads(rule: &Rule) -> String {
    let mut names: Vec<String> = Vec::new();
    for (name, _) in rule.when.readings() {
        let name = format!("`{name}`");
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names.join(", ")
}

fn leaves(compiled: &Compiled) -> String {
    let layout = compiled.layout();
    assert!(layout.values.is_empty(), "{}: a shipped policy lets a value out", compiled.name());
    if layout.nodes.is_empty() {
        return "Nothing leaves the device.\n".to_owned();
    }
    let nodes = layout.nodes.iter().map(|node| format!("- whether `{}`\n", node.text));
    "What leaves the device, yes or no:\n\n".to_owned() + &nodes.collect::<String>()
}

/// A page that does not say whom a policy may hurt is not finished.
const HEADINGS: [&str; 4] =
    ["## What it stops, and how", "**What it does not stop.**", "## Whom it may hurt", "## Measured"];

#[test]
fn pages_say_what_the_compiled_policies_say_and_whom_they_may_hurt() {
    for (page, policies) in PAGES {
        let path = format!("docs/policies/{page}.md");
        let text = file(&path);
        for heading in HEADINGS {
            assert!(text.contains(heading), "{page}: {heading}");
        }
        let mut want = text.clone();
        for name in policies {
            let (open, close) = (format!("<!-- policy: {name} -->\n"), "<!-- end -->\n");
            let start = want.find(&open).unwrap_or_else(|| panic!("{path}: no {open}")) + open.len();
            let end = start + want.get(start..).unwrap().find(close).unwrap();
            want.replace_range(start..end, &tables(name));
        }
        #[expect(clippy::disallowed_methods, reason = "UPDATE=1 rewrites what tests compare")]
        if std::env::var("UPDATE").is_ok() {
            std::fs::write(root().join(&path), &want).unwrap();
            continue;
        }
        assert_eq!(text, want, "{path} differs from the policy; UPDATE=1 rewrites it");
    }
}
