//! The states of a signal leave nothing out: whatever value it has, exact atoms say of some state what they say of it.

use crate::support::{Random, head, points, policy, rule};
use glacis_compiler::reference::{Outcome, Snapshot, evaluate};
use glacis_proof::state::{Atom, Space, State, World, distinct};
use glacis_wire::{Answer, Cause, Interval, SignalName, Trust, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Exact atoms of random constants over a signal.
fn atom(random: &mut Random, signal: &str) -> String {
    let op = random.pick(&["<", "<=", ">", ">=", "==", "!="]);
    let word = |random: &mut Random| -> String {
        let length = random.below(8);
        (0..length).map(|_| random.pick(&['a', 'b', '~', 'é', '\u{10ffff}', '0'])).collect()
    };
    match signal {
        "amount" | "tries" => match random.below(3) {
            0 => format!("{signal} in [{}, {}]", number(random), number(random)),
            _ => format!("{signal} {op} {}", number(random)),
        },
        "speed" => {
            let constant = random.pick(&["0.0", "-0.0", "1.5", "1.0e308", "-1.0e-308", "2.5", "5.0e-324"]);
            format!("speed {op} {constant}")
        }
        "at" => format!("at {op} timestamp('2024-01-0{}T00:00:00Z')", 1 + random.below(3)),
        _ => match random.below(3) {
            0 => format!("name.startsWith('{}')", word(random)),
            1 => format!("name in ['{}', '{}']", word(random), word(random)),
            _ => format!("name {op} '{}'", word(random)),
        },
    }
}

fn number(random: &mut Random) -> i64 {
    random.pick(&[0, 1, 2, 5, 6, -1, -3, i64::MAX, i64::MAX - 1, -i64::MAX])
}

fn value(random: &mut Random, signal: &str) -> Value {
    match signal {
        "amount" => Value::Int(number(random).wrapping_add(i64::try_from(random.below(3)).unwrap() - 1)),
        "tries" => Value::Int(number(random).saturating_abs()),
        "speed" => {
            let near =
                random.pick(&[0.0, -0.0, 1.5, 1e308, -1e-308, 2.5, 5e-324, f64::NAN, f64::INFINITY, -9.0]);
            Value::Double(random.pick(&[near, near.next_up(), near.next_down()]))
        }
        "at" => {
            let day = 1_704_067_200_000_000 + i64::try_from(random.below(4)).unwrap() * 86_400_000_000;
            let us = random.pick(&[day, day - 1, day + 1]);
            Value::Timestamp(glacis_wire::Moment::from_us(us).unwrap())
        }
        _ => {
            let mut text = String::new();
            for _ in 0..random.below(7) {
                let next: char =
                    random.pick(&['a', 'b', '~', 'é', '\u{7f}', '\u{10ffff}', '0', '\0', '\u{80}', 'c']);
                if text.len() + next.len_utf8() <= 6 {
                    text.push(next);
                }
            }
            Value::String(text)
        }
    }
}

#[test]
fn every_value_is_like_one_of_the_states() {
    let mut random = Random::new(41);
    let mut checked_values = 0;
    for round in 0..400 {
        let signal = ["amount", "tries", "speed", "at", "name"][round % 5];
        let atoms: Vec<String> = (0..1 + random.below(5)).map(|_| atom(&mut random, signal)).collect();
        let text = head("\"otp\", \"passkey\"", "match", "match")
            + &points()
            + &rule("r", &atoms.join(" || "), "block");
        let compiled = policy(&text);
        let space = Space::of(&[(&compiled).into()]);
        let name = SignalName::parse(signal).unwrap();
        let own: Vec<Atom<'_>> =
            distinct(compiled.checked()).into_iter().filter(|atom| atom.signals.contains(&name)).collect();
        assert!(own.iter().all(|atom| atom.is_exact), "{text}");
        let world = World { outage: false, device: Trust::Attested };
        let say = |answer: &Answer| -> Vec<Outcome> {
            let given = space.given(&name, answer.clone(), world);
            let snapshot = Snapshot { answers: BTreeMap::from([(name.clone(), given)]) };
            own.iter().map(|atom| evaluate(compiled.checked(), atom.expr, &snapshot, false, false)).collect()
        };
        let states: Vec<Vec<Outcome>> = space.states(&name).iter().map(|state| say(&state.answer)).collect();
        for _ in 0..60 {
            let one = value(&mut random, signal);
            let mut tried = vec![Answer::Value(one.clone())];
            if let ("tries", Value::Int(lo), Value::Int(hi)) = (signal, one, value(&mut random, signal)) {
                tried.extend(Interval::ints(lo.min(hi), lo.max(hi)).map(Answer::Interval));
            }
            for answer in tried {
                checked_values += 1;
                assert!(states.contains(&say(&answer)), "{answer:?}\n{text}");
            }
        }
    }
    assert!(checked_values > 20_000);
}

#[test]
fn only_what_can_be_known_is_a_state() {
    let text = head("\"otp\", \"passkey\"", "match", "match")
        + &points()
        + &rule("a", "dev.hooked && night", "block")
        + &rule("b", "user == 'x' && request.signed && device.tier == 'none' && tries > 2", "block");
    let compiled = policy(&text);
    let space = Space::of(&[(&compiled).into()]);
    let causes = |name: &str| -> BTreeSet<&str> {
        let states = space.states(&SignalName::parse(name).unwrap()).iter();
        let unknown = states.filter_map(|state: &State| match &state.answer {
            Answer::Unknown(causes) => causes.single().map(Cause::name),
            _ => None,
        });
        unknown.collect()
    };
    assert_eq!(causes("dev.hooked"), BTreeSet::from(["absent", "denied", "version", "withheld"]));
    assert_eq!(causes("night"), BTreeSet::from(["unavailable"]));
    assert_eq!(causes("user"), BTreeSet::from(["withheld"]));
    assert_eq!(causes("amount"), BTreeSet::new());
    assert_eq!(causes("tries"), BTreeSet::from(["denied", "inexact", "unavailable", "withheld"]));
    assert_eq!(space.states(&SignalName::parse("request.signed").unwrap()).len(), 2);
    assert_eq!(space.states(&SignalName::parse("device.tier").unwrap()).len(), 4);
    let below_zero = |state: &State| matches!(state.answer, Answer::Value(Value::Int(..0)));
    assert!(!space.states(&SignalName::parse("tries").unwrap()).iter().any(below_zero));
}
