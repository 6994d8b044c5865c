//! Patterns, networks and time zones are compared by what they say, not by how they are written.
//!
//! The slices of one policy are held to another, which differs in one table. They are proven exactly if both say the same
//! of every input.

use crate::support::{compiled, quick, reasons, slices};
use glacis_compiler::Compiled;
use glacis_proof::prove::Standing;

fn policy(condition: &str) -> Compiled {
    let labels = "zone = \"edge\"\nprivacy = \"public\"\npurpose = [\"x\"]\nretention = \"1d\"\ncost = 1\n";
    let catalogue = format!(
        "[signal.s]\ntype = \"string\"\nmax_bytes = 64\n{labels}[signal.t]\ntype = \"timestamp\"\n{labels}"
    );
    let policy = format!(
        "[policy]\nname = \"a\"\nevent = \"a.b\"\npurpose = \"x\"\ncombine = \"strictest\"\nmethods = [\"otp\"]\n\
         if_error = \"match\"\n[policy.if_unknown]\nunavailable = \"match\"\n[[rule]]\nid = \"only\"\n\
         when = '''{condition}'''\neffect = \"block\"\n"
    );
    compiled(&catalogue, &policy)
}

/// Holds the slices of each condition to the policy of each; those in one row say the same.
fn check(rows: &[&[&str]], condition: fn(&str) -> String) {
    let all: Vec<(usize, &str, Compiled)> = rows
        .iter()
        .enumerate()
        .flat_map(|(row, texts)| texts.iter().map(move |text| (row, *text, policy(&condition(text)))))
        .collect();
    for (row, written, policy) in &all {
        for (other_row, held, other) in &all {
            let proof = quick(policy, &slices(other));
            let standing = proof.theorems[0].standing();
            let want = if row == other_row { Standing::Proven } else { Standing::Refuted };
            assert_eq!(standing, want, "{held} for {written}\n{}", reasons(&proof));
        }
    }
}

#[test]
fn patterns_are_equal_by_their_texts() {
    let rows: &[&[&str]] = &[
        &["a|b", "[ab]", "[a-b]", "b|a|ab"],
        &["^a*$", "^(a|aa)*$", "^(?:a*)*$"],
        &["^a+$", "^aa*$"],
        &["(?i)ab", "[aA][bB]"],
        &["ab"],
        &["^a{3}$", "^aaa$"],
        &["^a{3}"],
        &["^[0-9]{2,4}$", r"^\d\d\d?\d?$"],
        &["é"],
        &["^.$"],
        &["", "a*", "$", "^"],
        &[r"\bx"],
    ];
    check(rows, |pattern| format!("s.matches(r\"{pattern}\")"));
}

#[test]
fn networks_are_equal_by_their_addresses() {
    let rows: &[&[&str]] = &[
        &["\"10.0.0.0/8\"", "[\"10.0.0.0/9\", \"10.128.0.0/9\"]", "[\"10.0.0.0/8\", \"10.1.0.0/16\"]"],
        &["\"10.0.0.0/9\""],
        &["[\"10.0.0.0/8\", \"::/0\"]", "[\"::/1\", \"8000::/1\", \"10.0.0.0/8\"]"],
        &["\"0.0.0.0/0\"", "[\"128.0.0.0/1\", \"0.0.0.0/1\"]"],
        &["\"::/0\""],
        &["\"10.0.0.1/32\""],
    ];
    check(rows, |networks| format!("s.inCIDR({networks})"));
}

#[test]
fn zones_are_equal_by_their_offsets() {
    let rows: &[&[&str]] = &[
        &["UTC", "+00:00", "Etc/GMT", "-00:00"],
        &["Asia/Kolkata", "Asia/Calcutta"],
        &["+05:30"],
        &["Europe/Berlin"],
        &["Europe/Paris"],
        &["Australia/Lord_Howe"],
        &["Etc/GMT-1", "+01:00"],
    ];
    check(rows, |zone| format!("t.getHours(\"{zone}\") < 6"));
}
