//! Models of a policy: how they come into its text, what a call may look like, and what a score means.

use crate::support::{compile_texts, file, unbound};
use glacis_compiler::reference::{Snapshot, whole};
use glacis_compiler::{Compiled, Diagnostics, inline};
use glacis_model::build::{Column, Ensemble, Node};
use glacis_model::{Kind, Link, Model};
use glacis_policy::Slice;
use glacis_wire::{Answer, Cause, Given, SignalName, Trust, Value, Verdict, Zone};

const HEAD: &str = r#"[policy]
name = "p"
event = "payment.transfer"
purpose = "fraud-prevention"
combine = "strictest"
methods = ["otp", "passkey"]
if_error = "challenge(passkey)"
if_unknown = { withheld = "challenge(otp)", denied = "challenge(otp)", inexact = "challenge(otp)", unavailable = "challenge(otp)" }
[[model]]
name = "risk"
file = "risk.model"
"#;

/// amount < 100: 1, else 8; transfers_1h < 3 (missing goes right): 0, else 4.
fn bytes() -> Vec<u8> {
    let column = |name: &str, kind| Column { name: name.to_owned(), kind, zero_is_missing: false };
    let tree = |feature, from, missing_right, [left, right]: [f64; 2]| {
        let root = Node::Split { feature, from, missing_right, left: 1, right: 2 };
        vec![root, Node::Leaf(left), Node::Leaf(right)]
    };
    let ensemble = Ensemble {
        features: vec![column("amount", Kind::Int), column("transfers_1h", Kind::Double)],
        trees: vec![tree(0, 100.0, false, [1.0, 8.0]), tree(1, 3.0, true, [0.0, 4.0])],
        base: 0.0,
        link: Link::Identity,
        slack: 0.0,
    };
    ensemble.encode().unwrap().bytes
}

/// The score of a margin.
fn score(margin: f64) -> i64 {
    Model::load(&bytes()).unwrap().score_of(margin).unwrap()
}

fn compiled(rules: &str) -> Result<Compiled, Diagnostics> {
    let text =
        inline(&format!("{HEAD}{rules}"), |name| if name == "risk.model" { Ok(bytes()) } else { Err(()) });
    compile_texts(&file("policies/signals.toml"), &text.unwrap(), None)
}

fn rule(when: &str) -> String {
    format!("[[rule]]\nid = \"a\"\nwhen = \"{when}\"\neffect = \"block\"\n")
}

#[test]
fn a_file_becomes_data_on_its_line_and_the_digest_covers_it() {
    let text = inline(HEAD, |_| Ok::<_, ()>(vec![1, 2, 3])).unwrap();
    assert_eq!(text.lines().nth(10), Some("data = \"AQID\""));
    assert_eq!(inline(HEAD, |_| Err::<Vec<u8>, _>("gone")), Err("gone"));
    let outside = HEAD.replace("risk.model", "../risk.model");
    assert_eq!(inline(&outside, |_| Err::<Vec<u8>, _>("asked")), Ok(outside.clone()));
    let asked = rule("model.risk(amount, user.transfers_1h) > 5");
    let compiled = compiled(&asked).unwrap_or_else(|error| panic!("{error}"));
    let bytes = bytes();
    assert!(compiled.canonical().windows(bytes.len()).any(|window| window == bytes));
    for slice in compiled.slices(&unbound()).map(|bytes| Slice::load(&bytes).unwrap()) {
        assert_eq!(slice.parts().models.len(), usize::from(slice.zone() != Zone::Device));
    }
}

#[test]
fn calls_that_do_not_fit_are_located() {
    for (when, code) in [
        ("model.risk(amount) > 5", "G3041"),
        ("model.risk(user.transfers_1h, amount) > 5", "G3041"),
        ("model.risk(amount, payee) > 5", "G3041"),
        ("model.risk(amount, user.transfers_1h + 1) > 5", "G3041"),
        ("model.rusk(amount, user.transfers_1h) > 5", "G3005"),
        ("model.risk > 5", "G3005"),
        ("model.risk(amount, user.transfers_1h)", "G3009"),
        ("model.risk(amount, user.transfers_1h) > 5.0", "G3002"),
    ] {
        let found = compiled(&rule(when)).unwrap_err().to_string();
        assert!(found.contains(code) && found.contains("policy.toml:14:"), "{when}: {found}");
    }
    for (model, code) in [
        ("name = \"m\"\nfile = \"../m\"", "G4041"),
        ("name = \"m\"\ndata = \"AQID\"", "G4041"),
        ("name = \"m\"\ndata = \"!\"", "G4041"),
        ("name = \"a-b\"\ndata = \"\"", "G1019"),
        ("name = \"m\"", "G1004"),
        ("name = \"risk\"\nfile = \"risk.model\"", "G4002"),
    ] {
        let found = compiled(&format!("[[model]]\n{model}\n")).unwrap_err().to_string();
        assert!(found.contains(code), "{model}: {found}");
    }
}

/// What is given of two inputs, and what a rule comes to that blocks from a margin of 8 on.
#[test]
fn a_score_decides_where_its_bounds_do() {
    let when = format!("model.risk(amount, user.transfers_1h) >= {}", score(8.0));
    let compiled = compiled(&rule(&when)).unwrap_or_else(|error| panic!("{error}"));
    let int = |value| Answer::Value(Value::Int(value));
    let between = |lo, hi| Answer::Interval(glacis_wire::Interval::ints(lo, hi).unwrap());
    let [otp, passkey] = [glacis_wire::Method::Otp, glacis_wire::Method::Passkey].map(Verdict::Challenge);
    let away = || Answer::unknown(Cause::Unavailable);
    for (amount, transfers, want) in [
        (int(99), int(2), Verdict::Allow),
        (int(100), int(2), Verdict::Block),
        (int(99), int(3), Verdict::Allow),
        (int(5), Answer::Missing, Verdict::Allow),
        // 8 from the amount alone, at most 5 without it.
        (int(100), away(), Verdict::Block),
        (int(99), away(), Verdict::Allow),
        (away(), int(2), otp),
        (int(100), between(0, 9), Verdict::Block),
        (away(), between(0, 9), otp),
        (away(), away(), otp),
        (int(100), Answer::Error, Verdict::Block),
        (Answer::Error, int(2), passkey),
        (Answer::Error, away(), otp),
        (Answer::Error, Answer::Error, passkey),
    ] {
        let given = [("amount", &amount), ("user.transfers_1h", &transfers)].map(|(name, answer)| {
            let name = SignalName::parse(name).unwrap();
            (name, Given { answer: answer.clone(), trust: Trust::Proven })
        });
        let seen = Snapshot { answers: given.into_iter().collect() };
        let got = whole(compiled.checked(), &seen, None, false).verdict;
        assert_eq!(got, want, "{amount:?} {transfers:?}");
    }
}
