//! An expression of the profile `full`: parsed, checked, run, or refused with a place.
//!
//! Invariants: compiling and running are total, repeatable and within their budget; a refusal names a place inside
//! of the text; the checker changes no outcome.

use glacis_compiler::Diagnostics;
use glacis_compiler::conformance::show;
use glacis_compiler::full::{
    Bindings, Duration, Env, EvalError, Key, Library, Program, Timestamp, Type, Value,
};

/// Checks one input.
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (env, bindings) = scene();
    let checked = Program::compile(text, &env);
    let unchecked = Program::compile_unchecked(text, &env);
    [&checked, &unchecked].into_iter().for_each(|program| is_placed(program, text));
    let Ok(unchecked) = unchecked else {
        assert!(checked.is_err(), "what does not parse cannot check");
        return;
    };
    let loose = outcome(unchecked.run_within(&bindings, STEPS));
    assert_eq!(loose, outcome(unchecked.run_within(&bindings, STEPS)), "two runs differ");
    let Ok(checked) = checked else { return };
    // Not that the value is of the deduced type: where `dyn` takes part, that is no promise of CEL.
    let strict = outcome(checked.run_within(&bindings, STEPS));
    assert_eq!(strict, loose, "the checker changes what the expression comes to");
}

fn outcome(result: Result<Value, EvalError>) -> String {
    result.map_or_else(|error| error.to_string(), |value| show(&value))
}

fn is_placed(program: &Result<Program, Diagnostics>, text: &str) {
    let Err(found) = program else { return };
    let first = found.iter().next().expect("a refusal says why");
    assert!(first.span.start <= first.span.end && first.span.end <= text.len(), "{first} is outside");
    assert!(text.is_char_boundary(first.span.start) && text.is_char_boundary(first.span.end), "{first} cuts");
}

/// A variable of every type, with a value.
fn scene() -> (Env, Bindings) {
    let text = |text: &str| Value::text(text);
    let values = [
        ("b", Type::Bool, Value::Bool(true)),
        ("i", Type::Int, Value::Int(-7)),
        ("u", Type::Uint, Value::Uint(7)),
        ("d", Type::Double, Value::Double(0.5)),
        ("s", Type::String, text("añb")),
        ("y", Type::Bytes, Value::bytes(&[0, 255])),
        (
            "t",
            Type::Timestamp,
            Timestamp::parse("2024-02-29T23:59:59.5Z").map_or(Value::Null, Value::Timestamp),
        ),
        ("p", Type::Duration, Value::Duration(Duration::from_nanos(1_500_000_000))),
        ("l", Type::list(Type::Int), Value::list([Value::Int(1), Value::Int(2)])),
        ("m", Type::map(Type::String, Type::Dyn), Value::map([(Key::String("a".into()), text("x"))])),
        ("a.b", Type::Dyn, Value::list([Value::Null, Value::Double(f64::NAN)])),
    ];
    let env = Library::ALL.into_iter().fold(Env::new().container("a"), Env::library);
    let env = values.iter().fold(env, |env, (name, ty, _)| env.variable(name, ty.clone()));
    (env, values.into_iter().map(|(name, _, value)| (name.to_owned(), value)).collect())
}

/// Enough for every small expression, little enough for many a second.
const STEPS: u64 = 20_000;
