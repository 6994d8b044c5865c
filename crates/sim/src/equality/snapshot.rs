//! Random snapshots Σ of honest zones, and what a dishonest device could say instead.
//!
//! All device signals have the session's trust and an unknown one is `withheld`, or, on a route without a device
//! zone or for another policy version, all are `absent` or `version`; every other answer is proven.

use crate::rng::Rng;
use glacis_compiler::catalogue::Birth;
use glacis_compiler::checked::{Checked, Expr, ExprKind};
use glacis_compiler::reference::Snapshot;
use glacis_wire::{Answer, Cause, Causes, Given, Interval, Moment, Span, Trust, Type, Value};

/// What the edge knows of the device before it looks at any signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Device {
    /// It runs the policy; its session has this trust.
    Runs(Trust),
    /// It said nothing that counts, for this cause.
    Silent(Cause),
}

impl Device {
    pub(super) fn draw(rng: &mut Rng) -> Self {
        match rng.below(20) {
            0 => Self::Silent(Cause::Absent),
            1 => Self::Silent(Cause::Version),
            2..9 => Self::Runs(Trust::Claimed),
            _ => Self::Runs(Trust::Attested),
        }
    }
}

/// The same event with a device of which nothing is known, for this cause.
pub(super) fn silence(policy: &Checked, snapshot: &mut Snapshot, cause: Cause) {
    for signal in policy.signals().values().filter(|signal| signal.birth == Birth::Device) {
        let given = Given { answer: Answer::unknown(cause), trust: Trust::Proven };
        snapshot.answers.insert(signal.name.clone(), given);
    }
}

/// The values that answers are drawn from: a few that conditions like to trip over, and what this policy compares
/// with, one below and one above it.
#[derive(Clone, Debug)]
pub(super) struct Domain {
    ints: Vec<i64>,
    doubles: Vec<f64>,
    strings: Vec<String>,
    uints: Vec<u64>,
    bytes: Vec<Vec<u8>>,
    moments: Vec<Moment>,
    spans: Vec<Span>,
}

impl Domain {
    pub(super) fn of(policy: &Checked) -> Self {
        let mut domain = Self {
            ints: vec![0, 1, 2, 3, -1, -7, i64::MAX, i64::MIN],
            doubles: vec![0.0, -0.0, 1.0, f64::NAN, f64::INFINITY],
            strings: ["", "a", "ab", "b", "é", "éa", "aab", "10.1.2.3", "10.200.0.1", "::1", "12"]
                .map(str::to_owned)
                .to_vec(),
            uints: vec![0, 1, 2, 12, u64::MAX],
            bytes: vec![Vec::new(), vec![b'a'], vec![0xff, 0]],
            // Around the beginning of summer time in Berlin.
            moments: [0, -1, 1_711_846_799_999_999, 1_711_846_800_000_000]
                .into_iter()
                .filter_map(Moment::from_us)
                .chain([Moment::MIN, Moment::MAX])
                .collect(),
            spans: [0, 3_600_000_000, -1]
                .into_iter()
                .filter_map(Span::from_us)
                .chain([Span::MIN, Span::MAX])
                .collect(),
        };
        policy.rules().iter().for_each(|rule| domain.learn(&rule.when));
        domain
    }

    /// Takes the literals of an expression.
    fn learn(&mut self, expr: &Expr) {
        match &expr.kind {
            ExprKind::Literal(Value::Int(value)) => {
                self.ints.extend([value.saturating_sub(1), *value, value.saturating_add(1)]);
            }
            ExprKind::Literal(Value::Double(value)) => self.doubles.push(*value),
            ExprKind::Literal(Value::String(value)) => self.strings.push(value.clone()),
            ExprKind::Literal(Value::Uint(value)) => {
                self.uints.extend([value.saturating_sub(1), *value, value.saturating_add(1)]);
            }
            ExprKind::Literal(Value::Bytes(value)) => self.bytes.push(value.clone()),
            ExprKind::Literal(Value::Timestamp(value)) => {
                let near = [-1, 0, 1].map(|by| value.as_us().saturating_add(by));
                self.moments.extend(near.into_iter().filter_map(Moment::from_us));
            }
            ExprKind::Literal(Value::Duration(value)) => {
                let near = [-1, 0, 1].map(|by| value.as_us().saturating_add(by));
                self.spans.extend(near.into_iter().filter_map(Span::from_us));
            }
            _ => expr.parts().into_iter().for_each(|part| self.learn(part)),
        }
    }

    /// A value of this type.
    pub(super) fn value(&self, rng: &mut Rng, ty: Type) -> Value {
        match ty {
            Type::Bool => Value::Bool(rng.chance(50)),
            Type::Int => Value::Int(rng.pick(&self.ints).copied().unwrap_or(0)),
            Type::Double => Value::Double(rng.pick(&self.doubles).copied().unwrap_or(0.0)),
            Type::String => Value::String(rng.pick(&self.strings).cloned().unwrap_or_default()),
            Type::Uint => Value::Uint(rng.pick(&self.uints).copied().unwrap_or(0)),
            Type::Bytes => Value::Bytes(rng.pick(&self.bytes).cloned().unwrap_or_default()),
            Type::Timestamp => Value::Timestamp(rng.pick(&self.moments).copied().unwrap_or(Moment::MIN)),
            Type::Duration => Value::Duration(rng.pick(&self.spans).copied().unwrap_or(Span::MAX)),
            Type::BoolList => self.list(rng, Type::Bool),
            Type::IntList => self.list(rng, Type::Int),
            Type::DoubleList => self.list(rng, Type::Double),
            Type::StringList => self.list(rng, Type::String),
            Type::UintList => self.list(rng, Type::Uint),
            Type::BytesList => self.list(rng, Type::Bytes),
            Type::TimestampList => self.list(rng, Type::Timestamp),
            Type::DurationList => self.list(rng, Type::Duration),
        }
    }

    /// An interval between two values that conditions trip over, often a narrow one.
    fn interval(&self, rng: &mut Rng, ty: Type) -> Option<Interval> {
        match (self.value(rng, ty), self.value(rng, ty)) {
            (Value::Int(a), Value::Int(_)) if rng.chance(50) => {
                let width = i64::try_from(rng.below(4)).unwrap_or(0);
                Interval::ints(a.min(a.saturating_add(width)), a.saturating_add(width))
            }
            (Value::Int(a), Value::Int(b)) => Interval::ints(a.min(b), a.max(b)),
            (Value::Double(a), Value::Double(_)) if rng.chance(30) => Interval::doubles(a, a.next_up()),
            (Value::Double(a), Value::Double(b)) => Interval::doubles(a.min(b), a.max(b)),
            _ => None,
        }
    }

    fn list(&self, rng: &mut Rng, item: Type) -> Value {
        Value::List((0..rng.below(4)).map(|_| self.value(rng, item)).collect())
    }

    fn answer(&self, rng: &mut Rng, ty: Type, causes: &[Cause]) -> Answer {
        let cause = |rng: &mut Rng| Causes::of(rng.pick(causes).copied().unwrap_or(Cause::Withheld));
        match rng.below(16) {
            0 => Answer::Missing,
            1 => Answer::Error,
            2 | 3 => Answer::Unknown(cause(rng)),
            4 => Answer::Unknown(cause(rng).union(cause(rng))),
            _ => Answer::Value(self.value(rng, ty)),
        }
    }

    /// An answer for every signal that the policy reads.
    pub(super) fn snapshot(&self, rng: &mut Rng, policy: &Checked, device: Device) -> Snapshot {
        let mut snapshot = Snapshot::default();
        for (name, signal) in policy.signals() {
            let given = match (signal.birth, device) {
                (Birth::Device, Device::Silent(cause)) => {
                    Given { answer: Answer::unknown(cause), trust: Trust::Proven }
                }
                (Birth::Device, Device::Runs(trust)) => {
                    Given { answer: self.answer(rng, signal.ty, &[Cause::Withheld]), trust }
                }
                _ => {
                    let interval =
                        self.interval(rng, signal.ty).filter(|_| signal.is_aggregate() && rng.chance(45));
                    let answer =
                        interval.map_or_else(|| self.answer(rng, signal.ty, &Cause::ALL), Answer::Interval);
                    Given { answer, trust: Trust::Proven }
                }
            };
            snapshot.answers.insert(name.clone(), given);
        }
        snapshot
    }
}
