//! Input: length of the slice (two bytes), the slice, then bytes that choose the answers.
//!
//! Invariants: loading is total; what loads encodes to the same bytes; evaluating is total, repeatable and
//! consistent with itself (mildest is not stricter than strictest, a settled verdict is both, a device settles
//! only a block, and a closed run is settled); what a device discloses can be encoded.

use glacis_policy::{Close, Input, Inputs, Reading, Scratch, Slice, disclose, eval};
use glacis_wire::{
    Cause, Causes, Decode, Disclosed, Encode, Method, Moment, Span, Trust, Type, Value, Verdict, Zone,
};

/// Checks one input.
pub fn run(data: &[u8]) {
    let Some((length, rest)) = data.split_first_chunk::<2>() else { return };
    let length = usize::from(u16::from_be_bytes(*length)).min(rest.len());
    let (bytes, choices) = rest.split_at(length);
    let Ok(slice) = Slice::load(bytes) else { return };
    assert_eq!(slice.encode().as_deref(), Ok(bytes), "a loaded slice has another form");
    check(&slice, choices);
}

/// Runs a slice over the answers that `choices` picks, in every way of closing.
pub(crate) fn check(slice: &Slice, choices: &[u8]) {
    let lists = [
        vec![Value::Int(7)],
        vec![Value::Bool(true)],
        vec![Value::Double(0.5)],
        vec![Value::String("a".into())],
        vec![Value::Uint(7)],
        vec![Value::Bytes(vec![0xff])],
        vec![Value::Timestamp(Moment::MAX)],
        vec![Value::Duration(Span::MIN)],
    ];
    let mut choices = choices.iter().copied().chain(std::iter::repeat(0));
    let slots: Vec<Input<'_>> =
        slice.slots().iter().map(|slot| input(slot.ty, &mut choices, &lists)).collect();
    let passed = match choices.next().unwrap_or(0) % 3 {
        0 => None,
        1 => slice.methods().first().copied(),
        _ => slice.methods().last().copied(),
    };
    let mut scratch = Scratch::for_slice(slice);
    for close in [Close::Open, Close::CloudUnavailable, Close::Here] {
        judge(slice, &Inputs { slots: &slots, passed, close }, &mut scratch);
    }
    judge(slice, &Inputs { slots: &[], passed: None::<Method>, close: Close::Here }, &mut scratch);
}

fn judge(slice: &Slice, inputs: &Inputs<'_>, scratch: &mut Scratch) {
    let outcome = eval(slice, inputs, scratch);
    assert_eq!(eval(slice, inputs, scratch), outcome, "two runs differ");
    let (mild, strict) = (slice.rank(outcome.mildest), slice.rank(outcome.strictest));
    assert!(mild <= strict, "the mildest verdict is stricter than the strictest");
    if slice.zone() == Zone::Device {
        assert!(matches!(outcome.settled, None | Some(Verdict::Block)), "a device settled {outcome:?}");
        let disclosed = disclose(slice, scratch, inputs);
        assert_eq!((disclosed.nodes.len(), disclosed.values.len()), slice.layout());
        if let Ok(bytes) = disclosed.to_bytes() {
            assert_eq!(Disclosed::from_bytes(&bytes).as_ref(), Ok(&disclosed));
        }
    } else if let Some(verdict) = outcome.settled {
        assert_eq!(
            (slice.rank(verdict), slice.rank(verdict)),
            (mild, strict),
            "settled within an open interval"
        );
    }
}

fn input<'a>(ty: Type, choices: &mut impl Iterator<Item = u8>, lists: &'a [Vec<Value>; 8]) -> Input<'a> {
    let (choice, trust) = (choices.next().unwrap_or(0), choices.next().unwrap_or(0));
    let small = i64::from(choices.next().unwrap_or(0)) - 128;
    let [ints, bools, doubles, strings, uints, bytes, moments, spans] = lists;
    let value = match ty {
        Type::Bool => Reading::Bool(small > 0),
        Type::Int => Reading::Int(if choice & 0x80 == 0 { small } else { i64::MAX - small.abs() }),
        Type::Double => Reading::Double(f64::from(i32::try_from(small).unwrap_or(0)) / 3.0),
        Type::String => Reading::Str(match choice & 0x70 {
            0x10 => "10.9.9.9",
            0x20 => "7",
            0x30 => "é\n",
            _ if small > 0 => "a",
            _ => "",
        }),
        Type::Uint => Reading::Uint(small.cast_unsigned()),
        Type::Bytes => Reading::Bytes(if small > 0 { b"a" } else { &[0xff] }),
        Type::Timestamp => {
            Reading::Timestamp(Moment::from_us(small * 500_000_000_000_000).unwrap_or(Moment::MAX))
        }
        Type::Duration => Reading::Duration(Span::from_us(small * 1_000_000_007).unwrap_or(Span::MIN)),
        Type::UintList => Reading::List(uints),
        Type::BytesList => Reading::List(bytes),
        Type::TimestampList => Reading::List(moments),
        Type::DurationList => Reading::List(spans),
        Type::IntList => Reading::List(ints),
        Type::BoolList => Reading::List(bools),
        Type::DoubleList => Reading::List(doubles),
        Type::StringList => Reading::List(strings),
    };
    let reading = match choice & 0x0f {
        0 => Reading::Unknown(Causes::of(Cause::Withheld)),
        1 => Reading::Missing,
        2 => Reading::Error,
        3 => Reading::PENDING,
        4 => Reading::Unknown(Causes::of(Cause::Denied)),
        5 => Reading::Double(f64::NAN),
        _ => value,
    };
    let trust = match trust % 3 {
        0 => Trust::Claimed,
        1 => Trust::Attested,
        _ => Trust::Proven,
    };
    Input { reading, trust }
}
