//! The meaning of a policy: a four-valued interpreter of the typed *source* tree (DESIGN §4.2).
//!
//! This is the oracle. It folds nothing, shares nothing, knows nothing of slices, nodes or zones' order, and
//! uses no code of the engine; it is meant to be read next to the specification, sentence by sentence. It
//! recurses over the source, whose depth the parser limits. Keep it simple and slow.
//!
//! [`whole`] decides on a [`Snapshot`]: each signal's answer once, with the trust of its producer.

mod model;

use crate::catalogue::Birth;
use crate::checked::{BinaryOp, Checked, Expr, ExprKind, Release, Rule};
use crate::full;
use glacis_policy::{Effect, Entry, Obligations, TimePart};
use glacis_wire::interval::Ends;
use glacis_wire::{
    Answer, Cause, Causes, Given, Interval, Method, Moment, SignalName, Span, Trust, Type, Value, Verdict,
};
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;

/// Σ: what is known of every signal. A signal that is not in it is `unknown(withheld)` by a claimed producer.
///
/// An honest snapshot gives all device signals one trust (the session's) and all others [`Trust::Proven`].
#[derive(Clone, Default, PartialEq)]
pub struct Snapshot {
    /// Answers by signal; list tests and features are signals.
    pub answers: BTreeMap<SignalName, Given>,
}

impl fmt::Debug for Snapshot {
    /// Names only: the values are private.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.answers.keys()).finish()
    }
}

/// What the whole policy says.
#[derive(Clone, Debug, PartialEq)]
pub struct Whole {
    /// The verdict.
    pub verdict: Verdict,
    /// Ids of the rules that match, by their condition or by how they close; in the order of the policy.
    pub matched: Vec<String>,
    /// Duties of the rules that match.
    pub obligations: Obligations,
}

/// One of CEL's four outcomes, or a number that is known to lie between two ends.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// A value.
    Value(Value),
    /// A number in here, and more than one is; what compares it and cannot tell is unknown for these causes, or, if there
    /// is none, an error.
    Interval(Interval, Causes),
    /// No value: the computation failed.
    Error,
    /// Not known, for these causes.
    Unknown(Causes),
}

/// Decides the whole policy on one snapshot.
///
/// `outage`: the cloud did not answer. Its signals are then `unknown(unavailable)`, and so is, as a whole, every
/// rule that the edge may not hold.
pub fn whole(policy: &Checked, snapshot: &Snapshot, passed: Option<Method>, outage: bool) -> Whole {
    let mut matched = Vec::new();
    let mut obligations = Obligations::NONE;
    let mut effects = Vec::new();
    for rule in policy.rules() {
        if let Some(effect) = settle(policy, rule, snapshot, outage) {
            matched.push(rule.id.clone());
            obligations = obligations.union(rule.obligations);
            effects.push(effect);
        }
    }
    Whole { verdict: combine(policy, &effects, passed), matched, obligations }
}

/// The outcome of an expression; `trusted` is the plane Σ⁻.
pub fn evaluate(policy: &Checked, expr: &Expr, snapshot: &Snapshot, trusted: bool, outage: bool) -> Outcome {
    Evaluation { policy, snapshot, trusted, outage }.expr(expr)
}

/// The effect with which a rule matches, if it does.
fn settle(policy: &Checked, rule: &Rule, snapshot: &Snapshot, outage: bool) -> Option<Effect> {
    let condition = |trusted: bool| {
        if outage && rule.is_hidden() {
            Outcome::Unknown(Causes::of(Cause::Unavailable))
        } else if rule.release == Release::Undisclosed {
            Outcome::Unknown(Causes::of(Cause::Withheld))
        } else {
            evaluate(policy, &rule.when, snapshot, trusted, outage)
        }
    };
    let (given, trusted) = (condition(false), condition(true));
    let lenient = match rule.effect {
        Effect::Exempt => true,
        Effect::Score(points) => points < 0,
        Effect::Block | Effect::SoftBlock | Effect::Challenge(_) => false,
    };
    if lenient {
        // Uses Σ⁻ alone and closes only as skip.
        return (trusted == TRUE).then_some(rule.effect);
    }
    if given == TRUE {
        return Some(rule.effect);
    }
    match trusted {
        // INVARIANT: a condition is Boolean, so no interval.
        Outcome::Value(_) | Outcome::Interval(..) => None,
        Outcome::Error => apply(policy, rule.effect, rule.error),
        Outcome::Unknown(causes) => {
            let entries = causes.iter().map(|cause| apply(policy, rule.effect, rule.entry(cause)));
            entries.max_by_key(|applied| applied.map_or(0, |effect| strictness(policy, effect))).flatten()
        }
    }
}

/// The milder of an entry and the rule's effect. Points have no milder form: any entry but `skip` adds them.
fn apply(policy: &Checked, effect: Effect, entry: Entry) -> Option<Effect> {
    match (entry, effect) {
        (Entry::Skip, _) => None,
        (Entry::Match, _) | (Entry::Milder(_), Effect::Score(_)) => Some(effect),
        (Entry::Milder(milder), _) => {
            Some(if strictness(policy, milder) < strictness(policy, effect) { milder } else { effect })
        }
    }
}

/// `challenge` in the order of methods, then `block(soft)`, then `block`. Others never compare: one rank.
fn strictness(policy: &Checked, effect: Effect) -> usize {
    match effect {
        Effect::Exempt | Effect::Score(_) => 1,
        Effect::Challenge(method) => policy.rank(Verdict::Challenge(method)),
        Effect::SoftBlock => policy.rank(Verdict::Block),
        Effect::Block => policy.rank(Verdict::Block) + 1,
    }
}

/// max(hard, exempt ? allow : max(soft effects, score class)); a passed method removes challenges up to it.
fn combine(policy: &Checked, effects: &[Effect], passed: Option<Method>) -> Verdict {
    if effects.contains(&Effect::Block) {
        return Verdict::Block;
    }
    if effects.contains(&Effect::Exempt) {
        return Verdict::Allow;
    }
    let mut score: i64 = 0;
    let mut soft = Vec::new();
    for effect in effects {
        match effect {
            Effect::Score(points) => score += i64::from(*points),
            other => soft.push(*other),
        }
    }
    let reached = policy.classes().iter().filter(|class| score >= class.at_least);
    soft.extend(reached.map(|class| class.effect).max_by_key(|effect| strictness(policy, *effect)));
    let verdicts = soft.into_iter().map(|effect| match effect {
        Effect::Challenge(method) => Verdict::Challenge(method),
        _ => Verdict::Block,
    });
    // A method that the policy does not name answers none of its challenges.
    let passed = passed.filter(|method| policy.methods().contains(method));
    let passed = passed.map_or(0, |method| policy.rank(Verdict::Challenge(method)));
    let standing = verdicts.filter(|verdict| *verdict == Verdict::Block || policy.rank(*verdict) > passed);
    standing.max_by_key(|verdict| policy.rank(*verdict)).unwrap_or(Verdict::Allow)
}

const TRUE: Outcome = Outcome::Value(Value::Bool(true));
const FALSE: Outcome = Outcome::Value(Value::Bool(false));

struct Evaluation<'a> {
    policy: &'a Checked,
    snapshot: &'a Snapshot,
    trusted: bool,
    outage: bool,
}

impl Evaluation<'_> {
    fn expr(&self, expr: &Expr) -> Outcome {
        match &expr.kind {
            ExprKind::Literal(value) => Outcome::Value(value.clone()),
            ExprKind::List(items) => strict(items.iter().map(|item| self.expr(item)).collect(), |items| {
                all_values(items)
                    .map_or_else(|| left_open(items.iter()), |items| Outcome::Value(Value::List(items)))
            }),
            ExprKind::Signal(name) => match self.answer(name) {
                Answer::Value(value) => Outcome::Value(value),
                Answer::Interval(interval) => Outcome::Interval(interval, Causes::of(Cause::Inexact)),
                Answer::Missing | Answer::Error => Outcome::Error,
                Answer::Unknown(causes) => Outcome::Unknown(causes),
            },
            ExprKind::Has(name) => match self.answer(name) {
                Answer::Value(_) | Answer::Interval(_) => TRUE,
                Answer::Missing => FALSE,
                Answer::Error => Outcome::Error,
                Answer::Unknown(causes) => Outcome::Unknown(causes),
            },
            ExprKind::Not(a) => self.strict([a], |[a]| Some(Value::Bool(!boolean(a)?))),
            ExprKind::Neg(a) => self.strict([a], |[a]| negate(a)),
            ExprKind::Binary(BinaryOp::And, a, b) => connective(false, self.expr(a), self.expr(b)),
            ExprKind::Binary(BinaryOp::Or, a, b) => connective(true, self.expr(a), self.expr(b)),
            ExprKind::Binary(op, a, b) => {
                let operands = vec![self.expr(a), self.expr(b)];
                strict(operands, |operands| match operands {
                    [a, b] => {
                        of_interval(*op, a, b).unwrap_or_else(|| values([a, b], |[a, b]| binary(*op, a, b)))
                    }
                    _ => Outcome::Error,
                })
            }
            ExprKind::If(condition, yes, no) => match self.expr(condition) {
                Outcome::Value(Value::Bool(true)) => self.expr(yes),
                Outcome::Value(Value::Bool(false)) => self.expr(no),
                Outcome::Unknown(causes) => Outcome::Unknown(causes),
                Outcome::Value(_) | Outcome::Interval(..) | Outcome::Error => Outcome::Error,
            },
            ExprKind::Model(name, inputs) => self.score(name, inputs),
            ExprKind::Size(a) => self.strict([a], |[a]| size(a)),
            ExprKind::StartsWith(a, b) => self.texts(a, b, |text, part| text.starts_with(part)),
            ExprKind::EndsWith(a, b) => self.texts(a, b, |text, part| text.ends_with(part)),
            ExprKind::Contains(a, b) => self.texts(a, b, |text, part| text.contains(part)),
            ExprKind::Matches(a, pattern) => self.strict([a], |[a]| match a {
                Value::String(text) => full::pattern_matches(pattern, text).map(Value::Bool),
                _ => None,
            }),
            ExprKind::InNetworks(a, networks) => self.strict([a], |[a]| in_networks(a, networks)),
            ExprKind::TimePart(part, a, zone) => self.strict([a], |[a]| time_part(*part, a, zone.as_deref())),
            ExprKind::Convert(a) => self.strict([a], |[a]| convert(a, expr.ty)),
            ExprKind::Index(a, b) => self.strict([a, b], |[list, at]| match (list, at) {
                (Value::List(items), Value::Int(at)) => items.get(usize::try_from(*at).ok()?).cloned(),
                _ => None,
            }),
            ExprKind::Pick { keys, values, key } => {
                let parts = keys.iter().chain(values).chain([&**key]).map(|part| self.expr(part)).collect();
                strict(parts, |all| {
                    let Some(all) = all_values(all) else { return left_open(all.iter()) };
                    let found = || {
                        let (key, entries) = all.split_last()?;
                        let (keys, values) = entries.split_at_checked(keys.len())?;
                        let found = keys.iter().zip(values).find(|(known, _)| *known == key);
                        found.map(|(_, value)| value.clone())
                    };
                    found().map_or(Outcome::Error, Outcome::Value)
                })
            }
        }
    }

    /// A score: known inputs bound it, and of unknown and failed ones nothing is known. What is missing takes the branch
    /// that training chose. If no input is known, nor is the score, as of any other operator.
    fn score(&self, name: &str, inputs: &[Expr]) -> Outcome {
        let input = |input: &Expr| input.reads().map_or(Answer::Error, |name| self.answer(name));
        let inputs: Vec<Answer> = inputs.iter().map(input).collect();
        let mut causes = Causes::NONE;
        for input in &inputs {
            if let Answer::Unknown(more) = input {
                causes = causes.union(*more);
            }
        }
        if inputs.iter().all(|input| matches!(input, Answer::Unknown(_) | Answer::Error)) {
            return unknown(causes);
        }
        if inputs.iter().any(|input| matches!(input, Answer::Interval(_))) {
            causes = causes.union(Causes::of(Cause::Inexact));
        }
        let model = self.policy.models().iter().find(|model| model.name == name);
        match model.and_then(|model| model::bounds(&model.bytes, &inputs)) {
            Some((lo, hi)) if lo == hi => Outcome::Value(Value::Int(lo)),
            Some((lo, hi)) => {
                Interval::ints(lo, hi).map_or(Outcome::Error, |scores| Outcome::Interval(scores, causes))
            }
            None => Outcome::Error,
        }
    }

    /// A signal's answer in this plane.
    fn answer(&self, name: &SignalName) -> Answer {
        let Some(signal) = self.policy.signals().get(name) else { return Answer::Error };
        if self.outage && signal.birth == Birth::Cloud {
            return Answer::unknown(Cause::Unavailable);
        }
        let Some(given) = self.snapshot.answers.get(name) else { return Answer::unknown(Cause::Withheld) };
        let trust: Trust = given.trust;
        if self.trusted && trust < signal.min_trust {
            return Answer::unknown(Cause::Withheld);
        }
        match &given.answer {
            Answer::Value(value) if !value.is(signal.ty) => Answer::Error,
            Answer::Interval(interval) if !signal.is_aggregate() || interval.ty() != signal.ty => {
                Answer::Error
            }
            Answer::Interval(interval) => interval.point().map_or(Answer::Interval(*interval), Answer::Value),
            Answer::Unknown(causes) if causes.is_empty() => Answer::unknown(Cause::Withheld),
            answer => answer.clone(),
        }
    }

    fn strict<const N: usize>(
        &self,
        operands: [&Expr; N],
        apply: impl FnOnce([&Value; N]) -> Option<Value>,
    ) -> Outcome {
        let outcomes = operands.iter().map(|operand| self.expr(operand)).collect();
        strict(outcomes, |operands| {
            let operands: Vec<&Outcome> = operands.iter().collect();
            <[&Outcome; N]>::try_from(operands).map_or(Outcome::Error, |operands| values(operands, apply))
        })
    }

    fn texts(&self, a: &Expr, b: &Expr, holds: fn(&str, &str) -> bool) -> Outcome {
        self.strict([a, b], |values| match values {
            [Value::String(text), Value::String(part)] => Some(Value::Bool(holds(text, part))),
            _ => None,
        })
    }
}

/// A strict operator: the union over unknown operands, else an error if one is, else what it makes of the others.
fn strict(operands: Vec<Outcome>, apply: impl FnOnce(&[Outcome]) -> Outcome) -> Outcome {
    let mut causes = Causes::NONE;
    let mut failed = false;
    for operand in &operands {
        match operand {
            Outcome::Unknown(more) => causes = causes.union(*more),
            Outcome::Error => failed = true,
            Outcome::Value(_) | Outcome::Interval(..) => {}
        }
    }
    if !causes.is_empty() {
        return Outcome::Unknown(causes);
    }
    if failed {
        return Outcome::Error;
    }
    apply(&operands)
}

/// An operator on values: an interval among them leaves it unknown, whatever it would come to; `None` is an error.
fn values<const N: usize>(
    operands: [&Outcome; N],
    apply: impl FnOnce([&Value; N]) -> Option<Value>,
) -> Outcome {
    let values: Vec<&Value> = operands.iter().filter_map(|operand| value(operand)).collect();
    let Ok(values) = <[&Value; N]>::try_from(values) else { return left_open(operands.into_iter()) };
    apply(values).map_or(Outcome::Error, Outcome::Value)
}

/// What the intervals among some operands leave open.
fn left_open<'a>(operands: impl Iterator<Item = &'a Outcome>) -> Outcome {
    let causes = operands.map(|operand| match operand {
        Outcome::Interval(_, causes) => *causes,
        Outcome::Value(_) | Outcome::Error | Outcome::Unknown(_) => Causes::NONE,
    });
    unknown(causes.fold(Causes::NONE, Causes::union))
}

/// Unknown for these causes; without one something failed.
const fn unknown(causes: Causes) -> Outcome {
    if causes.is_empty() { Outcome::Error } else { Outcome::Unknown(causes) }
}

const fn value(outcome: &Outcome) -> Option<&Value> {
    match outcome {
        Outcome::Value(value) => Some(value),
        Outcome::Interval(..) | Outcome::Error | Outcome::Unknown(_) => None,
    }
}

fn all_values(outcomes: &[Outcome]) -> Option<Vec<Value>> {
    outcomes.iter().map(|outcome| value(outcome).cloned()).collect()
}

/// A comparison of one interval with a value, and `in` of one in a list: known where all its numbers decide alike.
/// `None` where the operator reads no interval, or can say nothing of one.
///
/// Not every number has to be asked: between two neighbouring constants of the operator all decide alike. So the ends
/// are asked, each constant inside, and the number next to it on either side.
fn of_interval(op: BinaryOp, a: &Outcome, b: &Outcome) -> Option<Outcome> {
    let compares = matches!(
        op,
        BinaryOp::Eq
            | BinaryOp::Ne
            | BinaryOp::Lt
            | BinaryOp::Le
            | BinaryOp::Gt
            | BinaryOp::Ge
            | BinaryOp::In
    );
    let (interval, causes, constant, flipped) = match (a, b) {
        (Outcome::Interval(interval, causes), Outcome::Value(constant)) => {
            (interval, causes, constant, false)
        }
        (Outcome::Value(constant), Outcome::Interval(interval, causes)) if op != BinaryOp::In => {
            (interval, causes, constant, true)
        }
        _ => return None,
    };
    if !compares {
        return None;
    }
    let constants = match constant {
        Value::List(items) => items.as_slice(),
        one => std::slice::from_ref(one),
    };
    let asked = asked(*interval, constants);
    let decide = |number: &Value| {
        if flipped { binary(op, constant, number) } else { binary(op, number, constant) }
    };
    let mut decided = asked.iter().map(decide);
    let first = decided.next()??;
    let alike = decided.all(|other| other.as_ref() == Some(&first));
    Some(if alike { Outcome::Value(first) } else { unknown(*causes) })
}

/// The ends of an interval, and of its numbers each constant and its neighbours.
fn asked(interval: Interval, constants: &[Value]) -> Vec<Value> {
    match interval.ends() {
        Ends::Ints { lo, hi } => {
            let ints = constants.iter().filter_map(|constant| match constant {
                Value::Int(value) => Some([value.saturating_sub(1), *value, value.saturating_add(1)]),
                _ => None,
            });
            let inside = ints.flatten().filter(|value| (lo..=hi).contains(value));
            [lo, hi].into_iter().chain(inside).map(Value::Int).collect()
        }
        Ends::Doubles { lo, hi } => {
            let doubles = constants.iter().filter_map(|constant| match constant {
                Value::Double(value) => Some([value.next_down(), *value, value.next_up()]),
                _ => None,
            });
            let inside = doubles.flatten().filter(|value| (lo..=hi).contains(value));
            [lo, hi].into_iter().chain(inside).map(Value::Double).collect()
        }
    }
}

/// `&&` (deciding value false) and `||` (true): a deciding value wins, then unknown, then error.
fn connective(deciding: bool, a: Outcome, b: Outcome) -> Outcome {
    let decided = Outcome::Value(Value::Bool(deciding));
    if a == decided || b == decided {
        return decided;
    }
    strict(vec![a, b], |_| Outcome::Value(Value::Bool(!deciding)))
}

fn boolean(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(value) => Some(*value),
        _ => None,
    }
}

fn negate(value: &Value) -> Option<Value> {
    match value {
        Value::Int(value) => value.checked_neg().map(Value::Int),
        Value::Double(value) => Some(Value::Double(-value)),
        _ => None,
    }
}

/// Whether the address that a text spells is in a network.
fn in_networks(value: &Value, networks: &[String]) -> Option<Value> {
    let Value::String(text) = value else { return None };
    let address = full::address(text)?;
    let networks: Option<Vec<_>> = networks.iter().map(|network| full::Network::parse(network)).collect();
    Some(Value::Bool(networks?.iter().any(|network| network.contains(address))))
}

/// A part of a moment in a zone, or of a span.
fn time_part(part: TimePart, value: &Value, zone: Option<&str>) -> Option<Value> {
    let number = match value {
        Value::Timestamp(at) => {
            let civil = full::Timestamp::from(*at).civil(zone).ok()?;
            match part {
                TimePart::FullYear => civil.year,
                TimePart::Month => civil.month - 1,
                TimePart::Date => civil.day,
                TimePart::DayOfMonth => civil.day - 1,
                TimePart::DayOfWeek => civil.weekday,
                TimePart::DayOfYear => civil.day_of_year,
                TimePart::Hours => civil.hour,
                TimePart::Minutes => civil.minute,
                TimePart::Seconds => civil.second,
                TimePart::Milliseconds => civil.nanos / 1_000_000,
            }
        }
        Value::Duration(span) => {
            let seconds = span.as_us() / 1_000_000;
            match part {
                TimePart::Hours => seconds / 3_600,
                TimePart::Minutes => seconds / 60,
                TimePart::Seconds => seconds,
                TimePart::Milliseconds => span.as_us() / 1_000 - seconds * 1_000,
                _ => return None,
            }
        }
        _ => return None,
    };
    Some(Value::Int(number))
}

/// A value as one of another type. What has no counterpart there is an error.
fn convert(value: &Value, to: Type) -> Option<Value> {
    match to {
        Type::Int => Some(Value::Int(match value {
            Value::Uint(value) => i64::try_from(*value).ok()?,
            Value::Double(value) => truncated(*value, -(2.0_f64.powi(63)), true)?.try_into().ok()?,
            Value::String(text) => text.parse().ok()?,
            Value::Timestamp(at) => at.as_us().div_euclid(1_000_000),
            _ => return None,
        })),
        Type::Uint => Some(Value::Uint(match value {
            Value::Int(value) => u64::try_from(*value).ok()?,
            Value::Double(value) => truncated(*value, 0.0, false)?.try_into().ok()?,
            Value::String(text) => text.parse().ok()?,
            _ => return None,
        })),
        Type::Double => Some(Value::Double(match value {
            #[expect(clippy::cast_precision_loss, reason = "the nearest double is what the conversion is")]
            Value::Int(value) => *value as f64,
            #[expect(clippy::cast_precision_loss, reason = "the nearest double is what the conversion is")]
            Value::Uint(value) => *value as f64,
            Value::String(text) => {
                let value: f64 = text.parse().ok()?;
                let overflown = value.is_infinite() && !text.to_ascii_lowercase().contains("inf");
                if overflown {
                    return None;
                }
                value
            }
            _ => return None,
        })),
        Type::Bool => match value {
            Value::String(text) => match text.as_str() {
                "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(Value::Bool(true)),
                "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(Value::Bool(false)),
                _ => None,
            },
            _ => None,
        },
        Type::Timestamp => match value {
            Value::Int(seconds) => Moment::from_us(seconds.checked_mul(1_000_000)?).map(Value::Timestamp),
            _ => None,
        },
        Type::String => match value {
            Value::Bytes(bytes) => String::from_utf8(bytes.clone()).ok().map(Value::String),
            _ => None,
        },
        Type::Bytes => match value {
            Value::String(text) => Some(Value::Bytes(text.clone().into_bytes())),
            _ => None,
        },
        _ => None,
    }
}

/// A double without its fraction, above `least` (or, inclusive, from it on). Doubles beyond 64 bits end far beyond.
fn truncated(value: f64, least: f64, exclusive: bool) -> Option<i128> {
    let inside = if exclusive { least < value } else { least <= value };
    #[expect(
        clippy::cast_possible_truncation,
        reason = "saturates far beyond 64 bits, the fraction is dropped"
    )]
    inside.then_some(value as i128)
}

/// Bytes of bytes, code points of a string, items of a list.
fn size(value: &Value) -> Option<Value> {
    let size = match value {
        Value::String(text) => text.chars().count(),
        Value::Bytes(bytes) => bytes.len(),
        Value::List(items) => items.len(),
        _ => return None,
    };
    i64::try_from(size).ok().map(Value::Int)
}

fn binary(op: BinaryOp, a: &Value, b: &Value) -> Option<Value> {
    match op {
        // Doubles inside compare as IEEE 754 says: NaN equals nothing, zeros are equal.
        BinaryOp::Eq => Some(Value::Bool(a == b)),
        BinaryOp::Ne => Some(Value::Bool(a != b)),
        BinaryOp::Lt => order(a, b, |order| order == Some(Ordering::Less)),
        BinaryOp::Le => order(a, b, |order| matches!(order, Some(Ordering::Less | Ordering::Equal))),
        BinaryOp::Gt => order(a, b, |order| order == Some(Ordering::Greater)),
        BinaryOp::Ge => order(a, b, |order| matches!(order, Some(Ordering::Greater | Ordering::Equal))),
        BinaryOp::In => match b {
            Value::List(items) => Some(Value::Bool(items.iter().any(|item| item == a))),
            _ => None,
        },
        BinaryOp::Add => match (a, b) {
            (Value::Timestamp(at), Value::Duration(by)) | (Value::Duration(by), Value::Timestamp(at)) => {
                moment(i128::from(at.as_us()) + i128::from(by.as_us()))
            }
            (Value::Duration(a), Value::Duration(b)) => span(i128::from(a.as_us()) + i128::from(b.as_us())),
            _ => arithmetic(a, b, i64::checked_add, u64::checked_add, |a, b| a + b),
        },
        BinaryOp::Sub => match (a, b) {
            (Value::Timestamp(at), Value::Duration(by)) => {
                moment(i128::from(at.as_us()) - i128::from(by.as_us()))
            }
            (Value::Timestamp(a), Value::Timestamp(b)) => span(i128::from(a.as_us()) - i128::from(b.as_us())),
            (Value::Duration(a), Value::Duration(b)) => span(i128::from(a.as_us()) - i128::from(b.as_us())),
            _ => arithmetic(a, b, i64::checked_sub, u64::checked_sub, |a, b| a - b),
        },
        BinaryOp::Mul => arithmetic(a, b, i64::checked_mul, u64::checked_mul, |a, b| a * b),
        BinaryOp::Div => arithmetic(a, b, i64::checked_div, u64::checked_div, |a, b| a / b),
        BinaryOp::Rem => match (a, b) {
            (Value::Int(a), Value::Int(b)) => a.checked_rem(*b).map(Value::Int),
            (Value::Uint(a), Value::Uint(b)) => a.checked_rem(*b).map(Value::Uint),
            _ => None,
        },
        // Not strict: see `connective`.
        BinaryOp::And | BinaryOp::Or => None,
    }
}

fn order(a: &Value, b: &Value, holds: fn(Option<Ordering>) -> bool) -> Option<Value> {
    let order = match (a, b) {
        (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
        (Value::Int(a), Value::Int(b)) => Some(a.cmp(b)),
        (Value::Double(a), Value::Double(b)) => a.partial_cmp(b),
        // By code points, which is the order of UTF-8 bytes.
        (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
        (Value::Uint(a), Value::Uint(b)) => Some(a.cmp(b)),
        (Value::Bytes(a), Value::Bytes(b)) => Some(a.cmp(b)),
        (Value::Timestamp(a), Value::Timestamp(b)) => Some(a.cmp(b)),
        (Value::Duration(a), Value::Duration(b)) => Some(a.cmp(b)),
        _ => return None,
    };
    Some(Value::Bool(holds(order)))
}

/// Microseconds as a moment, if it is one.
fn moment(us: i128) -> Option<Value> {
    i64::try_from(us).ok().and_then(Moment::from_us).map(Value::Timestamp)
}

/// Microseconds as a span, if it is one.
fn span(us: i128) -> Option<Value> {
    i64::try_from(us).ok().and_then(Span::from_us).map(Value::Duration)
}

fn arithmetic(
    a: &Value,
    b: &Value,
    int: fn(i64, i64) -> Option<i64>,
    uint: fn(u64, u64) -> Option<u64>,
    double: fn(f64, f64) -> f64,
) -> Option<Value> {
    match (a, b) {
        (Value::Int(a), Value::Int(b)) => int(*a, *b).map(Value::Int),
        (Value::Uint(a), Value::Uint(b)) => uint(*a, *b).map(Value::Uint),
        (Value::Double(a), Value::Double(b)) => Some(Value::Double(double(*a, *b))),
        _ => None,
    }
}
