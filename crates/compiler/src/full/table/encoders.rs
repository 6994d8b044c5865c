//! The library `encoders`: base64 as cel-go's `ext.Encoders` has it (RFC 4648 §4).
//!
//! Encoding pads. Decoding takes text with its padding or without any; a letter of another alphabet, a length that
//! no bytes have, or bits that encoding would not have set are an error, so that no two texts mean the same bytes but
//! for their padding.

use super::{Cost, Function, Library, Sig, call, row};
use crate::full::fault::{ErrorKind, Meter, Outcome};
use crate::full::value::Value;
use std::sync::Arc;

pub(super) const FUNCTIONS: &[Function] = &[
    row(
        Library::Encoders,
        "base64.encode",
        &[call(&[Sig::Bytes], Sig::String)],
        Cost::Bytes,
        encode,
        "Bytes as base64 text, padded.",
    ),
    row(
        Library::Encoders,
        "base64.decode",
        &[call(&[Sig::String], Sig::Bytes)],
        Cost::Bytes,
        decode,
        "The bytes of base64 text, with its padding or without.",
    ),
];

fn encode(args: &[Value], meter: &mut Meter) -> Outcome<Value> {
    let [Value::Bytes(bytes)] = args else { return Err(ErrorKind::NoSuchOverload) };
    meter.bytes(bytes.len().saturating_mul(2))?;
    Ok(Value::String(Arc::from(text_of(bytes))))
}

/// Bytes as base64, padded.
pub(crate) fn text_of(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let bits =
            group.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        for place in 0..4 {
            let index = usize::try_from(bits >> (18 - 6 * place) & 63).unwrap_or(0);
            let letter = ALPHABET.get(index).filter(|_| place <= group.len()).copied().unwrap_or(b'=');
            text.push(char::from(letter));
        }
    }
    text
}

fn decode(args: &[Value], _: &mut Meter) -> Outcome<Value> {
    match args {
        [Value::String(text)] => {
            bytes_of(text).map(|bytes| Value::bytes(&bytes)).ok_or(ErrorKind::Conversion)
        }
        _ => Err(ErrorKind::NoSuchOverload),
    }
}

/// Bytes of base64.
pub(crate) fn bytes_of(text: &str) -> Option<Vec<u8>> {
    let letters = text.trim_end_matches('=');
    let padding = text.len() - letters.len();
    if padding > 0 && (padding > 2 || !text.len().is_multiple_of(4)) {
        return None;
    }
    let mut bytes = Vec::with_capacity(letters.len() / 4 * 3 + 2);
    let (mut bits, mut count) = (0_u32, 0_u32);
    for letter in letters.bytes() {
        let value = ALPHABET.iter().position(|known| *known == letter)?;
        bits = (bits << 6 | u32::try_from(value).ok()?) & 0xFFFF;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from(bits >> count & 0xFF).ok()?);
        }
    }
    let left = bits & ((1 << count) - 1);
    (count < 6 && left == 0).then_some(bytes)
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
