//! Random snapshots Σ of honest zones, and what a dishonest device could say instead.
//!
//! All device signals have the session's trust and an unknown one is `withheld`, or, on a route without a device
//! zone or for another policy version, all are `absent` or `version`; every other answer is proven.

use crate::rng::Rng;
use glacis_compiler::catalogue::Birth;
use glacis_compiler::checked::Checked;
use glacis_compiler::reference::Snapshot;
use glacis_wire::{Answer, Cause, Causes, Given, Trust, Type, Value};

/// What the edge knows of the device before it looks at any signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Device {
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

/// Draws an answer for every signal that the policy reads.
pub(super) fn draw(rng: &mut Rng, policy: &Checked, device: Device) -> Snapshot {
    let mut snapshot = Snapshot::default();
    for (name, signal) in policy.signals() {
        let given = match (signal.birth, device) {
            (Birth::Device, Device::Silent(cause)) => {
                Given { answer: Answer::unknown(cause), trust: Trust::Proven }
            }
            (Birth::Device, Device::Runs(trust)) => {
                Given { answer: answer(rng, signal.ty, &[Cause::Withheld]), trust }
            }
            _ => Given { answer: answer(rng, signal.ty, &Cause::ALL), trust: Trust::Proven },
        };
        snapshot.answers.insert(name.clone(), given);
    }
    snapshot
}

fn answer(rng: &mut Rng, ty: Type, causes: &[Cause]) -> Answer {
    let cause = |rng: &mut Rng| Causes::of(rng.pick(causes).copied().unwrap_or(Cause::Withheld));
    match rng.below(16) {
        0 => Answer::Missing,
        1 => Answer::Error,
        2 | 3 => Answer::Unknown(cause(rng)),
        4 => Answer::Unknown(cause(rng).union(cause(rng))),
        _ => Answer::Value(value(rng, ty)),
    }
}

/// A value from the domain that conditions compare with.
pub(super) fn value(rng: &mut Rng, ty: Type) -> Value {
    const INTS: [i64; 11] = [0, 1, 2, 3, 4, 5, -1, -7, 10, i64::MAX, i64::MIN];
    const DOUBLES: [f64; 8] = [0.0, -0.0, 1.0, 0.5, -2.5, f64::NAN, f64::INFINITY, 3.0];
    const STRINGS: [&str; 8] = ["", "a", "ab", "b", "é", "éa", "software", "aab"];
    match ty {
        Type::Bool => Value::Bool(rng.chance(50)),
        Type::Int => Value::Int(rng.pick(&INTS).copied().unwrap_or(0)),
        Type::Double => Value::Double(rng.pick(&DOUBLES).copied().unwrap_or(0.0)),
        Type::String => Value::String(rng.pick(&STRINGS).copied().unwrap_or("").to_owned()),
        Type::BoolList => list(rng, Type::Bool),
        Type::IntList => list(rng, Type::Int),
        Type::DoubleList => list(rng, Type::Double),
        Type::StringList => list(rng, Type::String),
    }
}

fn list(rng: &mut Rng, item: Type) -> Value {
    Value::List((0..rng.below(4)).map(|_| value(rng, item)).collect())
}
