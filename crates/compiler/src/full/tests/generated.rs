//! Random expressions made from the function table itself: well typed by construction, so they must check.
//!
//! Properties: what is built of overloads compiles; its value is of the deduced type; the checker changes no outcome;
//! a run within a smaller budget ends in the same outcome or in `budget`; and where conditions of policies are the
//! same text, both profiles come to the same. A new row of the table is covered without a word here.

use super::env;
use crate::conformance::show;
use crate::full::table::{self, Function, Overload, Sig};
use crate::full::{Bindings, Env, ErrorKind, EvalError, Library, Program, Type, Value};
use crate::reference::{Outcome, evaluate};
use crate::tests::testing::{Random, SIGNALS, catalogue, condition, for_each_case, policy, snapshot, typed};
use glacis_wire::{Answer, Trust, Type as SliceType, Value as SliceValue};

/// Types that expressions are made of.
fn any_type(random: &mut Random, depth: usize) -> Type {
    let scalars = [
        Type::Bool,
        Type::Int,
        Type::Uint,
        Type::Double,
        Type::String,
        Type::Bytes,
        Type::Timestamp,
        Type::Duration,
    ];
    match random.below(if depth == 0 { 8 } else { 11 }) {
        8 => Type::list(any_type(random, depth - 1)),
        9 => {
            let key = random.pick(&[Type::Bool, Type::Int, Type::Uint, Type::String]);
            Type::map(key, any_type(random, depth - 1))
        }
        10 => Type::Null,
        scalar => scalars[scalar].clone(),
    }
}

fn leaf(random: &mut Random, ty: &Type) -> String {
    let texts: &[&str] = match ty {
        Type::Null => &["null"],
        Type::Bool => &["true", "false"],
        Type::Int => &["0", "1", "-1", "3", "9223372036854775807", "-9223372036854775808"],
        Type::Uint => &["0u", "1u", "7u", "18446744073709551615u"],
        Type::Double => &["0.0", "-0.0", "1.5", "1e300", "(0.0 / 0.0)", "(1.0 / 0.0)"],
        Type::String => {
            &["''", "'a'", "'añ😀'", "'[a-z]+'", "'%s'", "'1h'", "'2024-02-29T00:00:00Z'", "'UTC'"]
        }
        Type::Bytes => &["b''", "b'\\xff\\x00'", "b'a'"],
        Type::Timestamp => &["timestamp(0)", "timestamp('9999-12-31T23:59:59Z')", "timestamp(-62135596800)"],
        Type::Duration => &["duration('0')", "duration('-1.5h')", "duration('9223372036854775807ns')"],
        Type::List(item) => {
            // Never empty: what an empty list holds is decided by the first overload that takes it.
            let items: Vec<String> = (0..=random.below(2)).map(|_| leaf(random, item)).collect();
            return format!("[{}]", items.join(", "));
        }
        Type::Map(key, value) => return format!("{{{}: {}}}", leaf(random, key), leaf(random, value)),
        Type::Type(_) => &["int", "list", "type(1)"],
        _ => &["dyn(1)", "dyn('a')", "dyn([1])", "dyn(null)", "dyn(2.5)"],
    };
    random.pick(texts).to_owned()
}

/// What the parameters of an overload are where its result is `want`; `None` where it cannot be.
fn fitting(random: &mut Random, overload: &Overload, want: &Type) -> Option<Vec<Type>> {
    let (mut a, mut b) = (None, None);
    if !bind(overload.result, want, &mut a, &mut b) {
        return None;
    }
    // A key of a map must be one; `A` is the key where a map takes part.
    let key = random.pick(&[Type::Int, Type::String, Type::Bool]);
    let keyed = overload.parameters.iter().any(|sig| matches!(sig, Sig::Map(..)));
    let a = if keyed { key } else { a.unwrap_or_else(|| any_type(random, 1)) };
    let b = b.unwrap_or_else(|| any_type(random, 1));
    if keyed && !bind(overload.result, want, &mut Some(a.clone()), &mut Some(b.clone())) {
        return None;
    }
    Some(overload.parameters.iter().map(|sig| filled(*sig, &a, &b)).collect())
}

fn bind(sig: Sig, want: &Type, a: &mut Option<Type>, b: &mut Option<Type>) -> bool {
    match (sig, want) {
        (Sig::A, want) => *a.get_or_insert_with(|| want.clone()) == *want,
        (Sig::B, want) => *b.get_or_insert_with(|| want.clone()) == *want,
        (Sig::List(sig), Type::List(want)) => bind(*sig, want, a, b),
        (sig, want) => sig.ty() == *want,
    }
}

fn filled(sig: Sig, a: &Type, b: &Type) -> Type {
    match sig {
        Sig::A => a.clone(),
        Sig::B => b.clone(),
        Sig::List(of) => Type::list(filled(*of, a, b)),
        Sig::Map(key, value) => Type::map(filled(*key, a, b), filled(*value, a, b)),
        Sig::Type(of) => Type::Type(Box::new(filled(*of, a, b))),
        other => other.ty(),
    }
}

fn written(function: &Function, overload: &Overload, args: &[String]) -> String {
    match (function.name, args) {
        ("_[_]", [on, index]) => format!("({on})[{index}]"),
        ("@in", [item, list]) => format!("(({item}) in ({list}))"),
        ("_?_:_", [test, yes, no]) => format!("(({test}) ? ({yes}) : ({no}))"),
        (name, [left, right]) if name.starts_with('_') => {
            format!("(({left}) {} ({right}))", name.trim_matches('_'))
        }
        (name, [inner]) if name.ends_with('_') => format!("({}({inner}))", name.trim_matches('_')),
        (name, [receiver, rest @ ..]) if overload.method => {
            format!("({receiver}).{name}({})", rest.join(", "))
        }
        (name, args) => format!("{name}({})", args.join(", ")),
    }
}

/// Text of an expression of type `want`.
fn expression(random: &mut Random, want: &Type, depth: usize) -> String {
    if depth == 0 || random.chance(10) {
        return leaf(random, want);
    }
    if random.chance(15) {
        return folded(random, want, depth);
    }
    let rows: Vec<(&Function, &Overload)> = table::all()
        .flat_map(|function| function.overloads.iter().map(move |overload| (function, overload)))
        .collect();
    for _ in 0..40 {
        let (function, overload) = rows[random.below(rows.len())];
        if let Some(parameters) = fitting(random, overload, want) {
            let args: Vec<String> =
                parameters.iter().map(|parameter| expression(random, parameter, depth - 1)).collect();
            return written(function, overload, &args);
        }
    }
    leaf(random, want)
}

/// A macro that gives `want`, where one does.
fn folded(random: &mut Random, want: &Type, depth: usize) -> String {
    let item = any_type(random, 1);
    let range = expression(random, &Type::list(item.clone()), depth - 1);
    let body = |random: &mut Random, ty: &Type| expression(random, ty, depth - 1);
    match want {
        Type::Bool => {
            let name = random.pick(&["all", "exists", "exists_one"]);
            format!("({range}).{name}(v{depth}, v{depth} == v{depth} || {})", body(random, &Type::Bool))
        }
        Type::List(of) if random.chance(50) => format!("({range}).map(v{depth}, {})", body(random, of)),
        Type::List(of) => {
            let range = expression(random, &Type::list(of.as_ref().clone()), depth - 1);
            format!("({range}).filter(v{depth}, {})", body(random, &Type::Bool))
        }
        _ => leaf(random, want),
    }
}

fn told(result: Result<Value, EvalError>) -> String {
    result.map_or_else(|error| error.to_string(), |value| show(&value))
}

#[test]
fn what_is_made_of_overloads_checks_and_keeps_its_type() {
    let (env, none) = (env(), Bindings::new());
    for_each_case(|random| {
        let want = any_type(random, 2);
        let depth = 1 + random.below(4);
        let text = expression(random, &want, depth);
        let program = match Program::compile(&text, &env) {
            Ok(program) => program,
            // A limit of text or of a type's size is no mistake.
            Err(found) => {
                let code = found.iter().next().unwrap().code;
                assert!(code == "G2006", "{text}\n{found}");
                return;
            }
        };
        let result = program.run(&none);
        if let Ok(value) = &result {
            assert!(value.fits(program.ty()), "{text}\n{} is no {}", show(value), program.ty());
        }
        let told_so = told(result);
        let unchecked = Program::compile_unchecked(&text, &env).unwrap();
        assert_eq!(told(unchecked.run(&none)), told_so, "{text}");
        let steps = u64::try_from(random.below(2_000)).unwrap();
        match program.run_within(&none, steps) {
            Err(error) if error.kind() == ErrorKind::Budget => {}
            other => assert_eq!(told(other), told_so, "{text} within {steps}"),
        }
    });
}

fn full_value(value: &SliceValue) -> Value {
    match value {
        SliceValue::Bool(value) => Value::Bool(*value),
        SliceValue::Int(value) => Value::Int(*value),
        SliceValue::Double(value) => Value::Double(*value),
        SliceValue::String(text) => Value::text(text),
        SliceValue::Uint(value) => Value::Uint(*value),
        SliceValue::Bytes(bytes) => Value::bytes(bytes),
        SliceValue::Timestamp(at) => Value::Timestamp((*at).into()),
        SliceValue::Duration(span) => Value::Duration((*span).into()),
        SliceValue::List(items) => Value::list(items.iter().map(full_value)),
    }
}

fn full_type(ty: SliceType) -> Type {
    match ty {
        SliceType::Bool => Type::Bool,
        SliceType::Int => Type::Int,
        SliceType::Double => Type::Double,
        SliceType::String => Type::String,
        SliceType::Uint => Type::Uint,
        SliceType::Bytes => Type::Bytes,
        SliceType::Timestamp => Type::Timestamp,
        SliceType::Duration => Type::Duration,
        list => Type::list(full_type(list.element().unwrap())),
    }
}

#[test]
fn a_condition_of_a_policy_means_in_full_what_it_means_in_the_slice() {
    let signals = catalogue();
    let env = Env::new().library(Library::Networks);
    let env = SIGNALS.iter().fold(env, |env, (name, ty)| env.variable(name, full_type(*ty)));
    for_each_case(|random| {
        let text = condition(random, SliceType::Bool, 4, 40);
        // `has` asks for a signal there and for a field here.
        if text.contains("has(") {
            return;
        }
        let given = snapshot(random, Trust::Proven, 100);
        let values = given.answers.iter().filter_map(|(name, given)| match given.answer.clone() {
            Answer::Value(value) => Some((name.as_str().to_owned(), full_value(&value))),
            _ => None,
        });
        let bindings: Bindings = values.collect();
        // An empty list has an item type there, which may be the wrong one.
        let Ok(expr) = typed(&text, &signals) else { return };
        let want = match evaluate(&policy(), &expr, &given, false, false) {
            Outcome::Value(value) => show(&full_value(&value)),
            Outcome::Error => "an error".to_owned(),
            Outcome::Unknown(_) | Outcome::Interval(..) => return,
        };
        let program = Program::compile(&text, &env).unwrap_or_else(|found| panic!("{text}\n{found}"));
        let got = program.run(&bindings).map_or_else(|_| "an error".to_owned(), |value| show(&value));
        assert_eq!(got, want, "{text}");
    });
}
