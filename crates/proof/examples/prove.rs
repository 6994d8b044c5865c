//! What a proof costs: the rule sets of `glacis-compiler`'s example `engine`, compiled and proven.
//!
//! Variant A: each rule is a conjunction of 2 to 4 of {int, double, string in a list of 8 to 31, prefix, bool} over 60
//! signals. Variant B: 30 % of the rules with `||`, `!` or `?:`, a tenth with an atom that no table knows. Variant W: each rule is as
//! wide as a plan indexes, 16 conjunctions of 4. One core; times are of one run, and memory is the peak of the process, so that one size a run tells most.
//!
//! `cargo run --release -p glacis-proof --example prove -- B 2000`

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::disallowed_methods,
    reason = "an example measures, and stops where it cannot"
)]

use glacis_compiler::{Compiled, Source, compile};
use glacis_policy::Binding;
use glacis_proof::prove::{Limits, prove};
use glacis_wire::PolicyDigest;
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

/// As wide as a plan indexes: 16 terms, 64 literals.
fn wide(random: &mut Random) -> String {
    let term = |random: &mut Random| (0..4).map(|_| atom(random)).collect::<Vec<_>>().join(" && ");
    (0..16).map(|_| format!("({})", term(random))).collect::<Vec<_>>().join(" || ")
}

fn condition(random: &mut Random, variant: char) -> String {
    if variant == 'W' {
        return wide(random);
    }
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
    atoms.join(" && ")
}

fn policy(random: &mut Random, variant: char, rules: usize) -> String {
    let mut text = String::from(
        "[policy]\nname = \"bench\"\nevent = \"bench.event\"\npurpose = \"fraud\"\ncombine = \"strictest\"\n\
         methods = [\"otp\"]\nif_error = \"match\"\n[policy.if_unknown]\nwithheld = \"match\"\ndenied = \"match\"\n\
         version = \"match\"\ninexact = \"match\"\nunavailable = \"match\"\nabsent = \"match\"\n\
         [[score_class]]\nat_least = 3\neffect = \"challenge(otp)\"\n",
    );
    for at in 0..rules {
        let when = condition(random, variant);
        let effect = ["block(soft)", "challenge(otp)", "score(3)"][random.below(3)];
        let _ = write!(text, "[[rule]]\nid = \"r{at}\"\nwhen = '{when}'\neffect = \"{effect}\"\n");
    }
    text
}

fn build(variant: char, rules: usize) -> Compiled {
    let mut random = Random(42);
    let (catalogue, policy) = (catalogue(), policy(&mut random, variant, rules));
    let source = |name, text| Source { name, text };
    compile(source("signals.toml", &catalogue), source("policy.toml", &policy), None).unwrap()
}

fn measure(variant: char, rules: usize) {
    let compiled = build(variant, rules);
    let slices = compiled.slices(&Binding::unbound(PolicyDigest::new([7; 32])));
    let before = peak_mb();
    let start = Instant::now();
    let proof = prove(&compiled, slices.each_ref().map(Vec::as_slice), Limits::default());
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "{variant} {rules:>5} rules: {seconds:>7.2} s, peak {} MB ({before} MB before), proven: {}",
        peak_mb(),
        proof.is_proven()
    );
    for theorem in &proof.theorems {
        println!("    {}: {:?}", theorem.claim.name(), theorem.checked);
    }
    for open in proof.open().take(3) {
        println!("    open: {open}");
    }
    for reason in proof.refuted().take(3) {
        println!("    refuted: {reason}");
    }
}

/// Peak of resident memory; 0 where the system does not say.
fn peak_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).map_or(0, |kb| kb / 1_024)
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(rules) = arguments.get(2) {
        return measure(arguments[1].chars().next().unwrap(), rules.parse().unwrap());
    }
    for variant in ['A', 'B'] {
        for rules in [20, 200, 2_000] {
            measure(variant, rules);
        }
    }
}
