//! Input: length of the model (two bytes), the model, then bytes that choose the inputs.
//!
//! Invariants: loading is total; what loads is evaluated without a panic, repeatably, within its declared steps;
//! points give points; and an interval holds the score of any point inside it.

use glacis_model::{Input, Model, Scratch};

/// Checks one input.
pub fn run(data: &[u8]) {
    let Some((length, rest)) = data.split_first_chunk::<2>() else { return };
    let length = usize::from(u16::from_be_bytes(*length)).min(rest.len());
    let (bytes, choices) = rest.split_at(length);
    match Model::load(bytes) {
        Ok(model) => check(&model, choices),
        Err(error) => assert!(error.offset() <= bytes.len(), "an error outside the bytes"),
    }
}

/// Scores a model at the inputs that `choices` picks, as points and as what is known of them.
pub(crate) fn check(model: &Model<'_>, choices: &[u8]) {
    let mut choices = choices.iter().copied().chain(std::iter::repeat(0));
    let count = model.features().count();
    let (points, known): (Vec<Input>, Vec<Input>) = (0..count).map(|_| pick(&mut choices)).unzip();
    let mut scratch = Scratch::new();
    let cost = model.cost();
    let point = model.score(&points, &mut scratch);
    assert!(point.point().is_some(), "points give no point");
    assert!(scratch.steps() <= cost.point, "{} steps of {}", scratch.steps(), cost.point);
    let all = model.score(&[], &mut scratch);
    assert!(scratch.steps() <= cost.any, "{} steps of {}", scratch.steps(), cost.any);
    let some = model.score(&known, &mut scratch);
    assert!(scratch.steps() <= cost.any.max(cost.point), "{} steps", scratch.steps());
    assert_eq!(model.score(&known, &mut scratch), some, "two runs differ");
    assert!(all.lo <= some.lo && some.lo <= point.lo && point.hi <= some.hi && some.hi <= all.hi);
}

/// A point, and something that holds it.
fn pick(choices: &mut impl Iterator<Item = u8>) -> (Input, Input) {
    let (choice, small) = (choices.next().unwrap_or(0), f64::from(choices.next().unwrap_or(0)) - 128.0);
    let whole = small as i64;
    let point = match choice & 0x03 {
        0 => Input::Missing,
        1 => Input::Int(if choice & 0x80 == 0 { whole } else { whole << 56 }),
        _ => Input::Double(if choice & 0x80 == 0 { small / 3.0 } else { small * 1e300 }),
    };
    let known = match (choice & 0x0c, point) {
        (0, _) => Input::Unknown,
        (4, Input::Double(value)) => Input::Doubles { lo: value - 1.0, hi: value },
        (4, Input::Int(value)) => Input::Ints { lo: value, hi: value.saturating_add(9) },
        _ => point,
    };
    (point, known)
}
