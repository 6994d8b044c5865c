//! What `diff` costs: random policies of 20 to 2,000 rules against themselves, against a copy in other words, and with
//! one threshold changed or one rule removed. The policies are those of the engine's example: variant A knows only
//! conjunctions of comparisons, lists and prefixes, B also `||`, `!`, `?:` and sums of two signals.
//!
//! `cargo run --release -p glacis-proof --example diff`

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::disallowed_methods,
    reason = "an example measures, and stops where it cannot"
)]

#[path = "../../compiler/examples/bench/mod.rs"]
mod bench;

use bench::{Random, Rule, catalogue, policy, rules};
use glacis_compiler::reference::Snapshot;
use glacis_compiler::{Compiled, Source, compile};
use glacis_proof::analyse::analyse;
use glacis_proof::counterfactual::{Counterfactual, explain};
use glacis_proof::diff::{Finding, diff};
use glacis_proof::event::Event;
use glacis_proof::state::{Space, State, World};
use glacis_wire::{Answer, Trust};
use std::time::Instant;

fn compiled(rules: &[Rule]) -> Compiled {
    let (catalogue, policy) = (catalogue(), policy(rules));
    let source = |name, text| Source { name, text };
    compile(source("signals.toml", &catalogue), source("policy.toml", &policy), None).unwrap()
}

fn measure(what: &str, rules: usize, before: &Compiled, after: &Compiled) {
    let start = Instant::now();
    let found = diff(before.into(), after.into());
    let ms = start.elapsed().as_secs_f64() * 1e3;
    let word = |finding: &Finding| match finding {
        Finding::Equal => "equal".to_owned(),
        Finding::Differs(_) => "differs".to_owned(),
        Finding::Undetermined(obstacle) => format!("undetermined ({obstacle})"),
    };
    println!(
        "{rules:>5} rules, {what:<22} {ms:>9.1} ms  decisions {}, reasons {}",
        word(&found.decision),
        word(&found.reasons)
    );
}

fn main() {
    let most = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(2_000);
    for variant in ['A', 'B'] {
        for count in [20, 200, 2_000].into_iter().filter(|count| *count <= most) {
            let rules = rules(&mut Random(42), variant, count);
            let whole = compiled(&rules);
            measure(&format!("{variant} identical"), count, &whole, &compiled(&rules));
            let mut other = rules.clone();
            for (atoms, _) in &mut other {
                atoms.reverse();
            }
            measure(&format!("{variant} in other words"), count, &whole, &compiled(&other));
            let mut other = rules.clone();
            let (at, place) = threshold(&rules);
            other[at].0[place].push('7');
            measure(&format!("{variant} one threshold"), count, &whole, &compiled(&other));
            let mut other = rules.clone();
            other.remove(count / 2);
            measure(&format!("{variant} one rule removed"), count, &whole, &compiled(&other));
        }
        let rules = rules(&mut Random(42), variant, 200);
        let whole = compiled(&rules);
        explained(variant, "nothing known", &whole, |states| states.last());
        explained(variant, "all known", &whole, |states| states.iter().rev().find(|state| is_value(state)));
        let start = Instant::now();
        let found = analyse((&whole).into());
        println!(
            "  200 rules, {variant} analysed {:>20.1} ms, {} findings",
            start.elapsed().as_secs_f64() * 1e3,
            found.facts.len()
        );
    }
}

const fn is_value(state: &State) -> bool {
    matches!(state.answer, Answer::Value(_))
}

/// The time to explain an event in which every signal is in the state that is picked.
fn explained(variant: char, what: &str, policy: &Compiled, pick: fn(&[State]) -> Option<&State>) {
    let space = Space::of(&[policy.into()]);
    let world = World { outage: false, device: Trust::Attested };
    let answers = space.signals().filter_map(|name| {
        let state = pick(space.states(name))?;
        Some((name.clone(), space.given(name, state.answer.clone(), world)))
    });
    let event = Event { snapshot: Snapshot { answers: answers.collect() }, passed: None, outage: false };
    let start = Instant::now();
    let found = explain(policy.into(), &event);
    let changes = match found.milder {
        Counterfactual::Least(change) => format!("least change of {} signals", change.flips.len()),
        Counterfactual::Some(change, _) => format!("a change of {} signals", change.flips.len()),
        other => format!("{other:?}"),
    };
    println!(
        "  200 rules, {variant} explained, {what:<14} {:>6.1} ms, {changes}",
        start.elapsed().as_secs_f64() * 1e3
    );
}

/// A rule and an atom that compares with a number.
fn threshold(rules: &Vec<Rule>) -> (usize, usize) {
    let places =
        rules.iter().enumerate().flat_map(|(at, (atoms, _))| (0..atoms.len()).map(move |place| (at, place)));
    let mut places = places
        .filter(|(at, place)| rules[*at].0[*place].starts_with('i') && !rules[*at].0[*place].contains('+'));
    places.next().unwrap()
}
