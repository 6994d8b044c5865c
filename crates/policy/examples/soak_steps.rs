//! `cargo xtask soak steps`: no evaluation takes more abstract steps than its slice declares, and the declared bound is
//! not far above what happens.
//!
//! Each random slice gets random answers and adversarial ones: everything unknown for every cause, missing, failing,
//! pending, the widest interval, each of them trusted too little. Prints one line of JSON; exits 1 if a bound was passed,
//! or if one is more than four times the worst that its slice was seen to take; 2 on bad arguments.

use glacis_policy::mutant::eval_counted;
use glacis_policy::{Close, Input, Inputs, Parts, Reading, Scratch, Slice};
use glacis_wire::{Cause, Causes, Interval, Trust, Type, Zone};
use std::process::ExitCode;

#[path = "../tests/it/generate.rs"]
#[expect(dead_code, reason = "shared with the tests, which use more of it")]
mod generate;
#[path = "../tests/it/models.rs"]
mod models;

/// Random inputs of one slice; the adversarial ones come on top.
const INPUTS: usize = 48;
/// How far above the worst evaluation a bound may be.
const RATIO_MAX: f64 = 4.0;

#[derive(Default)]
struct Seen {
    inputs: u64,
    slices: u64,
    passed: u64,
    /// Largest bound over the worst evaluation of its slice.
    ratio: f64,
    ratios: f64,
}

fn main() -> ExitCode {
    let Some((cases, seed)) = arguments() else {
        eprintln!("usage: soak_steps --cases N --seed S");
        return ExitCode::from(2);
    };
    let mut random = generate::Random::new(seed);
    let mut seen = Seen::default();
    while seen.inputs < cases {
        let Some((worst, bound)) = slice(&mut random, &mut seen) else {
            eprintln!("a generated slice did not load");
            return ExitCode::FAILURE;
        };
        #[expect(clippy::cast_precision_loss, reason = "a ratio for people")]
        let ratio = bound as f64 / worst.max(1) as f64;
        seen.ratio = seen.ratio.max(ratio);
        seen.ratios += ratio;
    }
    #[expect(clippy::cast_precision_loss, reason = "a ratio for people")]
    let mean = seen.ratios / seen.slices as f64;
    println!(
        "{{\"seed\":{seed},\"inputs\":{},\"slices\":{},\"over_the_bound\":{},\"bound_over_worst\":{{\"largest\":{:.2},\"mean\":{mean:.2}}}}}",
        seen.inputs, seen.slices, seen.passed, seen.ratio,
    );
    if seen.passed == 0 && seen.ratio <= RATIO_MAX { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs one random slice; the most steps seen, and its bound.
fn slice(random: &mut generate::Random, seen: &mut Seen) -> Option<(u64, u64)> {
    let zone = random.pick(&Zone::ALL);
    let parts = generate::parts(random, zone);
    let slice = Slice::try_new(&parts).ok()?;
    let mut scratch = Scratch::for_slice(&slice);
    let bound = slice.steps_max();
    let mut worst = 0;
    let mut run = |slots: &[Input<'_>]| {
        let (_, steps) =
            eval_counted(&slice, &Inputs { slots, passed: None, close: Close::Open }, &mut scratch);
        seen.inputs += 1;
        seen.passed += u64::from(steps > bound);
        worst = worst.max(steps);
    };
    for _ in 0..INPUTS {
        let (given, waits) = (generate::answers(random, &parts), generate::pending(random, &parts));
        run(&generate::inputs(&given, &waits));
    }
    adversarial(&parts).iter().for_each(|slots| run(slots));
    seen.slices += 1;
    Some((worst, bound))
}

/// Inputs that make a slice work.
fn adversarial(parts: &Parts) -> Vec<Vec<Input<'static>>> {
    let all = Cause::ALL.into_iter().map(Causes::of).fold(Causes::PENDING, Causes::union);
    let widest = |ty| match ty {
        Type::Int => Interval::ints(i64::MIN, i64::MAX).map_or(Reading::Missing, Reading::Interval),
        Type::Double => {
            Interval::doubles(f64::NEG_INFINITY, f64::INFINITY).map_or(Reading::Missing, Reading::Interval)
        }
        _ => Reading::Unknown(all),
    };
    let mut found = Vec::new();
    for trust in [Trust::Claimed, Trust::Proven] {
        for reading in [Reading::Unknown(all), Reading::Missing, Reading::Error] {
            found.push(vec![Input { reading, trust }; parts.slots.len()]);
        }
        // What can be an interval is the widest one, all else unknown for every cause.
        let slots = parts.slots.iter().map(|slot| Input { reading: widest(slot.ty), trust });
        found.push(slots.collect());
        // A model is asked where one of its inputs is known: one slot is missing, all others are unknown.
        for known in 0..parts.slots.len() {
            let slot = |at| if at == known { Reading::Missing } else { Reading::Unknown(all) };
            found.push((0..parts.slots.len()).map(|at| Input { reading: slot(at), trust }).collect());
        }
    }
    found
}

fn arguments() -> Option<(u64, u64)> {
    let (mut cases, mut seed) = (None, None);
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let value = words.next()?.parse().ok()?;
        match word.as_str() {
            "--cases" => cases = Some(value),
            "--seed" => seed = Some(value),
            _ => return None,
        }
    }
    Some((cases?, seed?))
}
