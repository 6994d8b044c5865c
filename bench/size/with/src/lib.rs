//! The size of the engine: load a slice from bytes, run it over inputs of every type, say what it decided.
//!
//! One exported function of C, so that nothing but the engine and what it needs is linked. Nobody calls it: what it
//! takes and gives is as plain as it can be, and only there so that no part of the engine is optimised away.

use glacis_policy::{Close, Input, Inputs, Reading, Scratch, Slice, eval};
use glacis_wire::{Causes, Trust};

/// Most inputs of one call.
const INPUTS_MAX: usize = 64;
const TEXT_BYTES_MAX: usize = 4_096;
const SLICE_BYTES_MAX: usize = 100_000;

/// A slice and the inputs of one event.
#[repr(C)]
pub struct Request {
    slice_bytes: u32,
    slice: [u8; SLICE_BYTES_MAX],
    text: [u8; TEXT_BYTES_MAX],
    inputs: [Given; INPUTS_MAX],
}

/// One input: what it is, and its value as far as that has one.
#[repr(C)]
pub struct Given {
    /// 0 unknown, 1 missing, 2 failed, 3 Boolean, 4 int, 5 double, 6 text.
    kind: u8,
    /// The int, or the Boolean as 0 or 1.
    int: i64,
    double: f64,
    /// Where the text begins and ends.
    text: [u16; 2],
}

/// What a call gives when the bytes are no slice.
const NO_SLICE: u32 = u32::MAX;

/// Strictness of the verdict in the low byte, and above it how many rules matched.
#[unsafe(no_mangle)]
#[expect(unsafe_code, reason = "an exported name is unsafe to choose")]
pub extern "C" fn glacis_decide(request: &Request) -> u32 {
    decide(request).unwrap_or(NO_SLICE)
}

fn decide(request: &Request) -> Option<u32> {
    let bytes = request.slice.get(..usize::try_from(request.slice_bytes).ok()?)?;
    let slice = Slice::load(bytes).ok()?;
    let mut scratch = Scratch::for_slice(&slice);
    let mut slots = [Input { reading: Reading::WITHHELD, trust: Trust::Proven }; INPUTS_MAX];
    for (slot, given) in slots.iter_mut().zip(&request.inputs) {
        slot.reading = reading(given, &request.text)?;
    }
    let inputs = Inputs { slots: &slots, passed: None, close: Close::Here };
    let outcome = eval(&slice, &inputs, &mut scratch);
    let matched = u32::try_from(scratch.reasons(&slice).count()).ok()?;
    Some(matched << 8 | u32::from(slice.rank(outcome.strictest)))
}

fn reading<'a>(given: &Given, text: &'a [u8; TEXT_BYTES_MAX]) -> Option<Reading<'a>> {
    Some(match given.kind {
        0 => Reading::Unknown(Causes::PENDING),
        1 => Reading::Missing,
        2 => Reading::Error,
        3 => Reading::Bool(given.int != 0),
        4 => Reading::Int(given.int),
        5 => Reading::Double(given.double),
        _ => {
            let [from, to] = given.text.map(usize::from);
            Reading::Str(std::str::from_utf8(text.get(from..to)?).ok()?)
        }
    })
}
