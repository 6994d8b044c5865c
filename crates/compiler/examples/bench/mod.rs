//! Random policies to measure with: what the examples of `compiler` and `proof` decide, prove and compare.
//!
//! Variant A: each rule is a conjunction of 2 to 4 of {int `>`, `<`, `==`; double `>`, `<`; string in a list of 8 to 31;
//! prefix of 2 or 4 characters; bool} over 20 int, 15 double, 20 string and 5 bool signals. Variant B: 30 % of the rules
//! with `||`, `!` or `?:`, a tenth with an atom that no table knows. One seed gives one policy in every example.

use std::fmt::Write as _;

/// SplitMix64 (Steele, Lea, Flood 2014).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    pub(crate) const fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }
}

const KINDS: [(&str, &str, usize); 4] =
    [("i", "int", 20), ("d", "double", 15), ("s", "string", 20), ("b", "bool", 5)];
pub(crate) const WORDS: usize = 400;

pub(crate) fn word(at: usize) -> String {
    let letters = b"abcdefghijklmnop";
    let letter = |shift: u32| char::from(letters[(at.wrapping_mul(2_654_435_761) >> shift) & 15]);
    format!("{}{}{}{}-{at}", letter(4), letter(9), letter(14), letter(19))
}

pub(crate) fn catalogue() -> String {
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

pub(crate) fn atom(random: &mut Random) -> String {
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

/// Conditions that a rule joins by `&&`, and its effect.
pub(crate) type Rule = (Vec<String>, &'static str);

/// Rules of a variant.
pub(crate) fn rules(random: &mut Random, variant: char, count: usize) -> Vec<Rule> {
    (0..count).map(|_| (condition(random, variant), effect(random))).collect()
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

pub(crate) fn effect(random: &mut Random) -> &'static str {
    ["block(soft)", "challenge(otp)", "score(3)"][random.below(3)]
}

/// The policy file.
pub(crate) fn policy(rules: &[Rule]) -> String {
    let mut text = String::from(
        "[policy]\nname = \"bench\"\nevent = \"bench.event\"\npurpose = \"fraud\"\ncombine = \"strictest\"\n\
         methods = [\"otp\"]\nif_error = \"match\"\n[policy.if_unknown]\nwithheld = \"match\"\ndenied = \"match\"\n\
         version = \"match\"\ninexact = \"match\"\nunavailable = \"match\"\nabsent = \"match\"\n\
         [[score_class]]\nat_least = 3\neffect = \"challenge(otp)\"\n",
    );
    for (at, (atoms, effect)) in rules.iter().enumerate() {
        let when = atoms.join(" && ");
        let _ = write!(text, "[[rule]]\nid = \"r{at}\"\nwhen = '{when}'\neffect = \"{effect}\"\n");
    }
    text
}
