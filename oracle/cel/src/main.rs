//! Compares the profile `full` with the crate `cel` on generated expressions.
//!
//! `cel-oracle [--cases N] [--seed S] [--show N]`: prints how many agree, how many are of each known class of
//! deviations, and what no class explains; exit 1 if there is any. The same seed gives the same expressions.

mod deviations;
mod generate;

use cel::objects::{Key as TheirKey, Value as Theirs};
use cel::{Context, Program as TheirProgram};
use deviations::{CLASSES, Seen};
use generate::{Random, expression};
use glacis_compiler::conformance::show;
use glacis_compiler::full::{Bindings, Duration, Env, Key, Program, Timestamp, Value};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().collect();
    let number = |name: &str, otherwise: u64| {
        let at = args.iter().position(|arg| arg == name);
        at.and_then(|at| args.get(at + 1)?.parse().ok()).unwrap_or(otherwise)
    };
    let (cases, seed, most) = (number("--cases", 100_000), number("--seed", 1), number("--show", 20));
    std::panic::set_hook(Box::new(|_| {}));
    let mut counts = vec![0_u64; CLASSES.len()];
    let (mut agree, mut with_value, mut unexplained) = (0_u64, 0_u64, 0_u64);
    let mut random = Random::new(seed);
    for _ in 0..cases {
        let text = expression(&mut random);
        let (ours, theirs) = (ours(&text), theirs(&text));
        if ours == theirs {
            agree += 1;
            with_value += u64::from(ours != "error" && ours != "refused");
            continue;
        }
        let seen = Seen { text: &text, ours: &ours, theirs: &theirs };
        match CLASSES.iter().position(|class| (class.is)(&seen)) {
            Some(class) => counts[class] += 1,
            None => {
                unexplained += 1;
                if unexplained <= most {
                    println!("{text}\n  full: {ours}\n  cel:  {theirs}");
                }
            }
        }
    }
    println!(
        "cases {cases}, seed {seed}: {agree} agree ({with_value} on a value), {unexplained} unexplained"
    );
    for (class, count) in CLASSES.iter().zip(&counts) {
        println!("{count:>8}  {}: {}", class.name, class.because);
    }
    ExitCode::from(u8::from(unexplained > 0))
}

fn ours(text: &str) -> String {
    let Ok(program) = Program::compile_unchecked(text, &Env::new()) else { return "refused".to_owned() };
    program.run(&Bindings::new()).map_or_else(|_| "error".to_owned(), |value| show(&value))
}

fn theirs(text: &str) -> String {
    let run = || {
        let Ok(program) = TheirProgram::compile(text) else { return "refused".to_owned() };
        match program.execute(&Context::default()) {
            Ok(value) => converted(&value).map_or_else(|| "another kind".to_owned(), |value| show(&value)),
            Err(_) => "error".to_owned(),
        }
    };
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| "panic".to_owned())
}

/// Their value as one of ours.
fn converted(value: &Theirs) -> Option<Value> {
    Some(match value {
        Theirs::Null => Value::Null,
        Theirs::Bool(value) => Value::Bool(*value),
        Theirs::Int(value) => Value::Int(*value),
        Theirs::UInt(value) => Value::Uint(*value),
        Theirs::Float(value) => Value::Double(*value),
        Theirs::String(text) => Value::text(text),
        Theirs::Bytes(bytes) => Value::bytes(bytes),
        Theirs::List(items) => Value::list(items.iter().map(converted).collect::<Option<Vec<_>>>()?),
        Theirs::Map(map) => {
            let entries = map.map.iter().map(|(key, value)| Some((converted_key(key), converted(value)?)));
            Value::map(entries.collect::<Option<Vec<_>>>()?)
        }
        Theirs::Duration(span) => Value::Duration(Duration::from_nanos(span.num_nanoseconds()?)),
        Theirs::Timestamp(at) => {
            let nanos = i128::from(at.timestamp()) * 1_000_000_000 + i128::from(at.timestamp_subsec_nanos());
            Value::Timestamp(Timestamp::from_nanos(nanos)?)
        }
        _ => return None,
    })
}

fn converted_key(key: &TheirKey) -> Key {
    match key {
        TheirKey::Int(value) => Key::Int(*value),
        TheirKey::Uint(value) => Key::Uint(*value),
        TheirKey::Bool(value) => Key::Bool(*value),
        TheirKey::String(text) => Key::String(text.as_str().into()),
    }
}
