//! A thousand changed policies: what matters is found with a witness that replays, what does not is never called a
//! difference. What matters is found out by trying every event of a small space, which this module lists itself.

use crate::support::{Random, difference, head, points, rule, try_policy, word};
use glacis_compiler::checked::ExprKind;
use glacis_compiler::reference::{Snapshot, whole};
use glacis_compiler::{Checked, Compiled};
use glacis_proof::diff::{Finding, Obstacle};
use glacis_proof::state::atoms;
use glacis_wire::{Answer, Cause, Given, Interval, Method, Moment, SignalName, Trust, Value};
use std::collections::BTreeSet;

/// A condition as a person would write it.
#[derive(Clone, Debug, PartialEq)]
enum Cond {
    Atom(String),
    And(Vec<Cond>),
    Or(Vec<Cond>),
    Not(Box<Cond>),
    If(Box<[Cond; 3]>),
}

#[derive(Clone, Debug)]
struct Line {
    id: String,
    when: Cond,
    effect: &'static str,
    closing: Option<&'static str>,
    /// The edge may not hold it, or nothing of it leaves the device.
    hidden: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Draft {
    rules: Vec<Line>,
    withheld: &'static str,
    unavailable: &'static str,
    second_class: bool,
}

impl Cond {
    fn text(&self) -> String {
        let join = |parts: &[Self], by: &str| {
            let parts: Vec<String> = parts.iter().map(|part| format!("({})", part.text())).collect();
            parts.join(by)
        };
        match self {
            Self::Atom(text) => text.clone(),
            Self::And(parts) => join(parts, " && "),
            Self::Or(parts) => join(parts, " || "),
            Self::Not(part) => format!("!({})", part.text()),
            Self::If(parts) => {
                let [a, b, c] = &**parts;
                format!("({}) ? ({}) : ({})", a.text(), b.text(), c.text())
            }
        }
    }

    /// The atoms, to be changed in place.
    fn atoms(&mut self) -> Vec<&mut String> {
        match self {
            Self::Atom(text) => vec![text],
            Self::And(parts) | Self::Or(parts) => parts.iter_mut().flat_map(Self::atoms).collect(),
            Self::Not(part) => part.atoms(),
            Self::If(parts) => parts.iter_mut().flat_map(Self::atoms).collect(),
        }
    }
}

impl Draft {
    pub(crate) fn text(&self) -> String {
        let mut text = head("\"otp\", \"passkey\"", self.withheld, self.unavailable);
        if self.second_class {
            text.push_str("[[score_class]]\nat_least = 5\neffect = \"block(soft)\"\n");
        }
        text.push_str(&points());
        for line in &self.rules {
            let shown = rule(&line.id, &line.when.text(), line.effect);
            let device = "text = \"device\"\nrelease = { nodes = 9 }\n";
            text.push_str(&match (line.hidden, shown.contains(device)) {
                (false, _) => shown,
                (true, true) => shown.replace(device, "danger_undisclosed = true\n"),
                (true, false) => shown + "text = \"cloud\"\n",
            });
            let lenient = line.effect == "exempt" || line.effect.starts_with("score(-");
            if let Some(closing) = line.closing.filter(|_| !lenient) {
                text.push_str(&format!(
                    "if_error = \"match\"\nif_unknown = {{ unavailable = \"{closing}\" }}\n"
                ));
            }
        }
        text
    }
}

fn atom(random: &mut Random) -> String {
    let op = random.pick(&["<", "<=", ">", ">=", "==", "!="]);
    match random.below(18) {
        0 | 1 => format!("amount {op} {}", random.below(4)),
        2 => format!("speed {op} {}.5", random.below(3)),
        3 => "dev.hooked".to_owned(),
        4 => format!("dev.risk {op} {}", random.below(3)),
        5 => "night".to_owned(),
        6 => format!("tries {op} {}", random.below(4)),
        7 => "name in list.bad".to_owned(),
        8 => format!("name {}", random.pick(&["== 'ab'", "in ['a', 'ab']", "!= ''", ">= 'b'"])),
        9 => format!(
            "name.{}",
            random.pick(&["startsWith('a')", "endsWith('b')", "contains('ab')", "startsWith('ab')"])
        ),
        10 => format!("has({})", random.pick(&["amount", "name", "dev.hooked"])),
        11 => format!("size(name) {op} {}", random.below(4)),
        12 => random.pick(&["'a' in tags", "'b' in tags", "size(tags) > 1", "tags[0] == 'a'"]).to_owned(),
        13 => format!("amount % 3 {op} {}", random.below(3)),
        14 => format!("name.matches('{}')", random.pick(&["^a", "b$", "^a?b+$"])),
        15 => random.pick(&["device.tier == 'none'", "device.tier in ['hardware', 'strong']"]).to_owned(),
        16 => format!("at.getHours() {op} {}", random.pick(&[0, 6, 23])),
        _ => format!("amount + other {op} {}", random.below(3)),
    }
}

fn cond(random: &mut Random, depth: usize) -> Cond {
    if depth == 0 || random.chance(30) {
        return Cond::Atom(atom(random));
    }
    let parts = |random: &mut Random| (0..2 + random.below(2)).map(|_| cond(random, depth - 1)).collect();
    match random.below(10) {
        0..4 => Cond::And(parts(random)),
        4..7 => Cond::Or(parts(random)),
        7 | 8 => Cond::Not(Box::new(cond(random, depth - 1))),
        _ => Cond::If(Box::new([cond(random, depth - 1), cond(random, depth - 1), cond(random, depth - 1)])),
    }
}

const EFFECTS: [&str; 9] = [
    "block",
    "block(soft)",
    "challenge(otp)",
    "challenge(passkey)",
    "exempt",
    "score(2)",
    "score(3)",
    "score(-1)",
    "review",
];

pub(crate) fn draft(random: &mut Random) -> Draft {
    let rules = (0..1 + random.below(3))
        .map(|at| Line {
            id: format!("r{at}"),
            when: cond(random, 2),
            effect: random.pick(&EFFECTS),
            closing: random.chance(20).then(|| random.pick(&["skip", "match"])),
            hidden: random.chance(15),
        })
        .collect();
    Draft {
        rules,
        withheld: random.pick(&["match", "challenge(otp)", "challenge(passkey)"]),
        unavailable: random.pick(&["match", "skip", "challenge(otp)"]),
        second_class: random.chance(15),
    }
}

/// A change that may matter.
fn changed(random: &mut Random, draft: &Draft) -> Draft {
    let mut new = draft.clone();
    let at = random.below(new.rules.len());
    match random.below(7) {
        0 => new.rules[at].effect = random.pick(&EFFECTS),
        1 => drop(new.rules.remove(at)),
        2 => new.unavailable = random.pick(&["match", "skip", "challenge(otp)"]),
        3 if random.chance(50) => new.rules[at].hidden = !new.rules[at].hidden,
        3 => new.withheld = random.pick(&["match", "challenge(otp)", "challenge(passkey)"]),
        4 => {
            if let Cond::And(parts) | Cond::Or(parts) = &mut new.rules[at].when {
                parts.pop();
            } else {
                new.rules[at].when = Cond::Not(Box::new(new.rules[at].when.clone()));
            }
        }
        _ => {
            let mut atoms = new.rules[at].when.atoms();
            let chosen = random.below(atoms.len());
            *atoms[chosen] = neighbour(random, atoms[chosen]);
        }
    }
    new
}

/// An atom with another operator or constant.
fn neighbour(random: &mut Random, atom: &str) -> String {
    for (from, to) in
        [("< ", "<= "), ("> ", ">= "), (">= ", "> "), ("<= ", "< "), ("== ", "!= "), ("'ab'", "'a'")]
    {
        if atom.contains(from) && random.chance(50) {
            return atom.replacen(from, to, 1);
        }
    }
    atom.replace('1', "2").replace('0', "1")
}

/// A change that means nothing.
fn reworded(random: &mut Random, draft: &Draft) -> Draft {
    let mut new = draft.clone();
    let at = random.below(new.rules.len());
    let line = &mut new.rules[at];
    match random.below(6) {
        0 => line.when = turned(&line.when),
        1 => line.when = Cond::Not(Box::new(Cond::Not(Box::new(line.when.clone())))),
        2 => line.id = "renamed".to_owned(),
        3 => new.rules.reverse(),
        4 if !line.effect.starts_with("score") => {
            let mut again = line.clone();
            again.id = "again".to_owned();
            new.rules.push(again);
        }
        _ => {
            for atom in line.when.atoms() {
                *atom = as_next(atom);
            }
        }
    }
    new
}

/// Operands in the other order, and De Morgan.
fn turned(cond: &Cond) -> Cond {
    let not = |cond: &Cond| Cond::Not(Box::new(cond.clone()));
    match cond {
        Cond::And(parts) => {
            let negated = parts.iter().rev().map(|part| not(&turned(part)));
            Cond::Not(Box::new(Cond::Or(negated.collect())))
        }
        Cond::Or(parts) => Cond::Or(parts.iter().rev().map(turned).collect()),
        other => other.clone(),
    }
}

/// `x > 1` as `x >= 2` of integers.
fn as_next(atom: &str) -> String {
    let Some((signal, number)) = atom.split_once(" > ") else { return atom.to_owned() };
    match number.parse::<i64>() {
        Ok(number) if ["amount", "dev.risk", "tries"].contains(&signal) => {
            format!("{signal} >= {}", number + 1)
        }
        _ => atom.to_owned(),
    }
}

/// Everything that is tried of one signal.
pub(crate) fn answers(name: &str) -> Vec<Answer> {
    let ints = |from: i64| (from..6).map(|value| Answer::Value(Value::Int(value))).collect::<Vec<_>>();
    let mut found = match name {
        "dev.hooked" | "night" | "list.bad(name)" => {
            [true, false].map(|value| Answer::Value(Value::Bool(value))).to_vec()
        }
        "amount" | "other" | "dev.risk" => ints(-2),
        "speed" => [-1.0, 0.5, 1.0, 1.5, 2.5, 9.0, f64::NAN]
            .map(|value| Answer::Value(Value::Double(value)))
            .to_vec(),
        "tries" => {
            let between = |lo, hi| Interval::ints(lo, hi).map(Answer::Interval);
            let some = [between(0, 1), between(1, 3), between(2, 4), between(3, 9), between(0, 9)];
            ints(0).into_iter().chain(some.into_iter().flatten()).collect()
        }
        "tags" => {
            let text = |text: &str| Value::String(text.to_owned());
            let lists =
                [vec![], vec![text("a")], vec![text("b"), text("a")], vec![text("z"), text("b"), text("z")]];
            lists.map(|items| Answer::Value(Value::List(items))).to_vec()
        }
        "device.tier" => {
            return ["none", "software", "hardware", "strong"]
                .map(|tier| Answer::Value(Value::String(tier.to_owned())))
                .to_vec();
        }
        "at" => [0, 6, 7, 23]
            .map(|hour| Answer::Value(Value::Timestamp(Moment::from_us(hour * 3_600_000_000).unwrap())))
            .to_vec(),
        _ => ["", "a", "ab", "abc", "b", "bab", "zz"]
            .map(|text| Answer::Value(Value::String(text.to_owned())))
            .to_vec(),
    };
    found.extend([Answer::Missing, Answer::Error]);
    let causes: &[Cause] = match name {
        "dev.hooked" | "dev.risk" => &[Cause::Withheld, Cause::Denied],
        "speed" | "night" | "list.bad(name)" | "at" => &[Cause::Unavailable],
        "tries" => &[Cause::Unavailable, Cause::Withheld, Cause::Denied],
        _ => &[],
    };
    found.extend(causes.iter().map(|cause| Answer::unknown(*cause)));
    found
}

/// Whether some event of the small space tells the two apart; `None` if there are too many of them.
fn tells_apart(before: &Compiled, after: &Compiled) -> Option<bool> {
    let both = [before.checked(), after.checked()];
    some_event(both, |snapshot, outage| {
        [None, Some(Method::Otp)].into_iter().any(|passed| {
            let [first, second] = both.map(|policy| whole(policy, snapshot, passed, outage));
            first.verdict != second.verdict || first.obligations != second.obligations
        })
    })
}

/// Whether `holds` of some event of the small space; `None` if there are too many of them.
pub(crate) fn some_event(
    both: [&Checked; 2],
    mut holds: impl FnMut(&Snapshot, bool) -> bool,
) -> Option<bool> {
    let names: BTreeSet<&SignalName> = both.iter().flat_map(|policy| policy.signals().keys()).collect();
    let names: Vec<&SignalName> = names.into_iter().filter(|name| !is_silent(name, both)).collect();
    let all: Vec<Vec<Answer>> = names.iter().map(|name| answers(name.as_str())).collect();
    let count: usize = all.iter().map(Vec::len).product();
    // The reference compiles a pattern each time that it meets it.
    let atoms = both.iter().flat_map(|policy| policy.rules()).flat_map(|rule| atoms(&rule.when));
    let slow = atoms.filter(|atom| matches!(atom.kind, ExprKind::Matches(..))).count();
    if count > if slow == 0 { 12_000 } else { 300 } {
        return None;
    }
    for device in [Trust::Attested, Trust::Claimed] {
        for outage in [false, true] {
            for at in 0..count {
                let mut rest = at;
                let mut snapshot = Snapshot::default();
                for (name, all) in names.iter().zip(&all) {
                    let answer = all[rest % all.len()].clone();
                    rest /= all.len();
                    let told = answer == Answer::unknown(Cause::Denied);
                    let trust =
                        if name.as_str().starts_with("dev.") && !told { device } else { Trust::Proven };
                    snapshot.answers.insert((*name).clone(), Given { answer, trust });
                }
                if holds(&snapshot, outage) {
                    return Some(true);
                }
            }
        }
    }
    Some(false)
}

/// Whether only the rule that makes all classes reachable could read it.
fn is_silent(name: &SignalName, policies: [&Checked; 2]) -> bool {
    let mut rules = policies.iter().flat_map(|policy| policy.rules());
    name.as_str() == "amount"
        && !rules
            .any(|rule| rule.id != "points" && rule.when.readings().iter().any(|(read, _)| *read == name))
}

/// Calls `case` with policies that compile.
fn for_pairs(
    seed: u64,
    pairs: usize,
    change: fn(&mut Random, &Draft) -> Draft,
    mut case: impl FnMut(&str, &Compiled, &Compiled),
) {
    let mut random = Random::new(seed);
    let mut made = 0;
    while made < pairs {
        let draft = draft(&mut random);
        let new = change(&mut random, &draft);
        let (first, second) = (draft.text(), new.text());
        if let (Ok(before), Ok(after)) = (try_policy(&first), try_policy(&second)) {
            made += 1;
            case(&format!("{first}\n=====\n{second}"), &before, &after);
        }
    }
}

#[test]
fn every_change_that_matters_is_found_and_replays() {
    let (mut tried, mut found, mut open) = (0, 0, 0);
    for_pairs(11, 1_000, changed, |texts, before, after| {
        let difference = difference(before, after);
        assert_ne!(difference.decision, Finding::Undetermined(Obstacle::Replay), "{texts}");
        assert_ne!(difference.reasons, Finding::Undetermined(Obstacle::Replay), "{texts}");
        open += usize::from(word(&difference.decision) == "undetermined");
        if let Some(differs) = tells_apart(before, after) {
            tried += 1;
            found += usize::from(differs);
            assert!(
                !differs || word(&difference.decision) == "differs",
                "{:?}\n{texts}",
                difference.decision
            );
        }
    });
    assert!(tried > 400 && found > 150, "{tried} tried, {found} of them differ");
    assert!(open < 50, "{open} of 1,000 undetermined");
}

#[test]
fn a_change_of_words_is_never_a_difference() {
    let mut open = 0;
    for_pairs(12, 1_000, reworded, |texts, before, after| {
        let difference = difference(before, after);
        assert_ne!(word(&difference.decision), "differs", "{texts}\n{:?}", difference.decision);
        assert_ne!(difference.decision, Finding::Undetermined(Obstacle::Replay), "{texts}");
        open += usize::from(word(&difference.decision) == "undetermined");
    });
    assert!(open < 20, "{open} of 1,000 undetermined");
}
