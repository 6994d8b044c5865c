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

use glacis_compiler::reference::Snapshot;
use glacis_compiler::{Compiled, Source, compile};
use glacis_proof::analyse::analyse;
use glacis_proof::counterfactual::{Counterfactual, explain};
use glacis_proof::diff::{Finding, diff};
use glacis_proof::event::Event;
use glacis_proof::state::{Space, State, World};
use glacis_wire::{Answer, Trust};
use std::fmt::Write as _;
use std::time::Instant;

/// SplitMix64 (Steele, Lea, Flood 2014).
struct Random(u64);

impl Random {
    const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    const fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }
}

const KINDS: [(&str, &str, usize); 4] =
    [("i", "int", 20), ("d", "double", 15), ("s", "string", 20), ("b", "bool", 5)];
const WORDS: usize = 400;

fn word(at: usize) -> String {
    let letters = b"abcdefghijklmnop";
    let letter = |shift: u32| char::from(letters[(at.wrapping_mul(2_654_435_761) >> shift) & 15]);
    format!("{}{}{}{}-{at}", letter(4), letter(9), letter(14), letter(19))
}

fn catalogue() -> String {
    let mut text = String::new();
    for (prefix, ty, count) in KINDS {
        for at in 0..count {
            let size = if ty == "string" { "max_bytes = 64\n" } else { "" };
            let _ = write!(
                text,
                "[signal.{prefix}{at}]\ntype = \"{ty}\"\nzone = \"edge\"\n{size}privacy = \"pseudonymous\"\n\
                 purpose = [\"fraud\"]\nretention = \"30d\"\ncost = 1\n"
            );
        }
    }
    text
}

fn atom(random: &mut Random) -> String {
    match random.below(60) {
        at @ 0..20 => {
            let (operator, least) = [("<", 0), (">", 350), ("==", 0)][random.below(3)];
            format!("i{at} {operator} {}", least + random.below(650))
        }
        at @ 20..35 => {
            let (operator, least) = [("<", 0), (">", 35_000)][random.below(2)];
            format!("d{} {operator} {:.2}", at - 20, (least + random.below(65_000)) as f64 / 100.0)
        }
        at @ 35..55 if random.below(2) == 0 => {
            let words: Vec<_> =
                (0..8 + random.below(24)).map(|_| format!("\"{}\"", word(random.below(WORDS)))).collect();
            format!("s{} in [{}]", at - 35, words.join(", "))
        }
        at @ 35..55 => {
            let length = [2, 4][random.below(2)];
            format!("s{}.startsWith(\"{}\")", at - 35, word(random.below(WORDS)).get(..length).unwrap())
        }
        at => format!("b{} == {}", at - 55, random.below(2) == 0),
    }
}

fn condition(random: &mut Random, variant: char) -> Vec<String> {
    let mut atoms: Vec<String> = (0..2 + random.below(3)).map(|_| atom(random)).collect();
    if variant == 'B' && random.below(10) < 3 {
        let (a, b, c) = (atom(random), atom(random), atom(random));
        atoms[0] = match random.below(3) {
            0 => format!("({a} || {b})"),
            1 => format!("!({a} && {b})"),
            _ => format!("({a} ? {b} : {c})"),
        };
    }
    if variant == 'B' && random.below(10) == 0 {
        let (a, b) = (random.below(20), random.below(20));
        atoms[1] = format!("i{a} + i{b} > {}", random.below(2_000));
    }
    atoms
}

type Rules = Vec<(Vec<String>, &'static str)>;

fn rules(random: &mut Random, variant: char, rules: usize) -> Rules {
    let rule =
        |_| (condition(random, variant), ["block(soft)", "challenge(otp)", "score(3)"][random.below(3)]);
    (0..rules).map(rule).collect()
}

fn policy(rules: &Rules) -> Compiled {
    let mut text = String::from(
        "[policy]\nname = \"bench\"\nevent = \"bench.event\"\npurpose = \"fraud\"\ncombine = \"strictest\"\n\
         methods = [\"otp\"]\nif_error = \"match\"\n[policy.if_unknown]\nwithheld = \"match\"\ndenied = \"match\"\n\
         version = \"match\"\ninexact = \"match\"\nunavailable = \"match\"\nabsent = \"match\"\n\
         [[score_class]]\nat_least = 3\neffect = \"challenge(otp)\"\n",
    );
    for (at, (atoms, effect)) in rules.iter().enumerate() {
        let _ = write!(
            text,
            "[[rule]]\nid = \"r{at}\"\nwhen = '{}'\neffect = \"{effect}\"\n",
            atoms.join(" && ")
        );
    }
    let catalogue = catalogue();
    compile(
        Source { name: "signals.toml", text: &catalogue },
        Source { name: "policy.toml", text: &text },
        None,
    )
    .unwrap()
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
            let whole = policy(&rules);
            measure(&format!("{variant} identical"), count, &whole, &policy(&rules));
            let mut other = rules.clone();
            for (atoms, _) in &mut other {
                atoms.reverse();
            }
            measure(&format!("{variant} in other words"), count, &whole, &policy(&other));
            let mut other = rules.clone();
            let (at, place) = threshold(&rules);
            other[at].0[place].push('7');
            measure(&format!("{variant} one threshold"), count, &whole, &policy(&other));
            let mut other = rules.clone();
            other.remove(count / 2);
            measure(&format!("{variant} one rule removed"), count, &whole, &policy(&other));
        }
        let rules = rules(&mut Random(42), variant, 200);
        let whole = policy(&rules);
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
fn threshold(rules: &Rules) -> (usize, usize) {
    let places =
        rules.iter().enumerate().flat_map(|(at, (atoms, _))| (0..atoms.len()).map(move |place| (at, place)));
    let mut places = places
        .filter(|(at, place)| rules[*at].0[*place].starts_with('i') && !rules[*at].0[*place].contains('+'));
    places.next().unwrap()
}
