//! What a decision costs: random rule sets through `compile`, `Slice::load` and `eval`, from typed inputs.
//!
//! Variant A: each rule is a conjunction of 2 to 4 of {int `>`, `<`, `==`; double `>`, `<`; string in a list of 8 to
//! 31; prefix of 2 or 4 characters; bool} over 20 int, 15 double, 20 string and 5 bool signals, all known.
//! Variant B: 30 % of the rules with `||`, `!` or `?:`, a tenth with an atom that no table knows, and a third of the
//! signals unknown. Times are the best of some rounds.
//!
//! `cargo run --release -p glacis-compiler --example engine`

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::disallowed_methods,
    reason = "an example measures, and stops where it cannot"
)]

mod bench;

use bench::{Random, WORDS, catalogue, policy, word};
use glacis_compiler::{Source, compile};
use glacis_policy::{Binding, Close, Indexing, Input, Inputs, Reading, RuleState, Scratch, Slice, eval};
use glacis_wire::{PolicyDigest, Trust};
use std::time::Instant;

/// Few enough that the events themselves stay in a cache that is near, as those of a running system do.
const EVENTS: usize = 100;

enum Raw {
    Int(i64),
    Double(f64),
    Text(String),
    Bool(bool),
    Unknown,
}

fn event(random: &mut Random, slice: &Slice, variant: char) -> Vec<Raw> {
    let raw = |slot: &glacis_policy::Slot| {
        if variant == 'B' && random.below(3) == 0 {
            return Raw::Unknown;
        }
        match slot.ty {
            glacis_wire::Type::Int => Raw::Int(i64::try_from(random.below(1_000)).unwrap()),
            glacis_wire::Type::Double => Raw::Double(random.below(100_000) as f64 / 100.0),
            glacis_wire::Type::String => Raw::Text(word(random.below(WORDS))),
            _ => Raw::Bool(random.below(2) == 0),
        }
    };
    slice.slots().iter().map(raw).collect()
}

/// The shortest time of some rounds, a call: what the clock of the thread would say, if nothing came between.
fn best(rounds: usize, calls: usize, mut round: impl FnMut()) -> f64 {
    let mut best = f64::MAX;
    for _ in 0..rounds {
        let start = Instant::now();
        round();
        best = best.min(start.elapsed().as_nanos() as f64 / calls as f64);
    }
    best
}

fn measure(variant: char, rules: usize, rounds: usize) {
    let mut random = Random(42);
    let (catalogue, policy) = (catalogue(), policy(&bench::rules(&mut random, variant, rules)));
    let source = |name, text| Source { name, text };
    let build = || compile(source("signals.toml", &catalogue), source("policy.toml", &policy), None).unwrap();
    let compiled = build();
    let compile_ms = best(3, 1, || drop(build())) / 1e6;
    let [_, _, bytes] = compiled.slices(&Binding::unbound(PolicyDigest::new([7; 32])));
    let slice = Slice::load(&bytes).unwrap();
    let load_us = best(5, 1, || drop(Slice::load(&bytes).unwrap())) / 1e3;
    let events: Vec<Vec<Raw>> = (0..EVENTS).map(|_| event(&mut random, &slice, variant)).collect();
    let inputs: Vec<Vec<Input<'_>>> = events.iter().map(|event| event.iter().map(input).collect()).collect();
    let mut scratch = Scratch::for_slice(&slice);
    let (mut matched, mut strict) = (0, 0);
    let ns = best(rounds, inputs.len(), || {
        for slots in &inputs {
            let outcome = eval(&slice, &Inputs { slots, passed: None, close: Close::Here }, &mut scratch);
            strict += u64::from(slice.rank(outcome.strictest));
        }
    });
    for slots in &inputs {
        eval(&slice, &Inputs { slots, passed: None, close: Close::Here }, &mut scratch);
        matched += scratch.rules().iter().filter(|state| **state != RuleState::Unmatched).count();
    }
    let bare = slice.indexing().filter(|rule| *rule != Indexing::Whole).count();
    println!(
        "{variant} {rules:>5} rules: {ns:>8.0} ns, {:>6.2} matched, {bare:>3} rules not wholly indexed, \
         {:>8} bytes, load {load_us:>7.0} us, compile {compile_ms:>6.1} ms, steps at most {} ({strict})",
        f64::from(u32::try_from(matched).unwrap()) / inputs.len() as f64,
        bytes.len(),
        slice.steps_max(),
    );
}

fn input(raw: &Raw) -> Input<'_> {
    let reading = match raw {
        Raw::Int(value) => Reading::Int(*value),
        Raw::Double(value) => Reading::Double(*value),
        Raw::Text(value) => Reading::Str(value),
        Raw::Bool(value) => Reading::Bool(*value),
        Raw::Unknown => Reading::WITHHELD,
    };
    Input { reading, trust: Trust::Proven }
}

fn main() {
    if let Some(rules) = std::env::args().nth(2) {
        let variant = std::env::args().nth(1).and_then(|text| text.chars().next()).unwrap_or('A');
        return measure(variant, rules.parse().unwrap(), 3_000);
    }
    for variant in ['A', 'B'] {
        for rules in [20, 200, 2_000] {
            measure(variant, rules, 40);
        }
    }
}
