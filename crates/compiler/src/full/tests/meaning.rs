//! What expressions mean, where the shared vectors say nothing or where a mistake would be easy.
//!
//! Rows are grouped by subject. What the vectors cover is not repeated.

use super::{env, outcome, run, run_unchecked, text};
use crate::full::{Bindings, Env, Key, Program, Signature, Type, Value};

fn table(rows: &[(&str, &str)]) {
    for (text, want) in rows {
        assert_eq!(run(text), *want, "{text}");
    }
}

#[test]
fn arithmetic_is_checked() {
    table(&[
        ("9223372036854775807 + 1", "error: overflow"),
        ("-9223372036854775808 - 1", "error: overflow"),
        ("-(-9223372036854775808)", "error: overflow"),
        ("-9223372036854775808 / -1", "error: overflow"),
        ("-9223372036854775808 % -1", "error: overflow"),
        ("1u - 2u", "error: overflow"),
        ("18446744073709551615u + 1u", "error: overflow"),
        ("1 / 0", "error: divide_by_zero"),
        ("1u % 0u", "error: divide_by_zero"),
        ("1.0 / 0.0", "inf"),
        ("0.0 / 0.0", "NaN"),
        ("-7 / 2", "-3"),
        ("-7 % 2", "-1"),
        ("1 + 1.0", "G3002 at 0"),
        ("-1u", "G3002 at 0"),
        ("dyn(1) + dyn(1.0)", "error: no_such_overload"),
    ]);
}

#[test]
fn numbers_of_any_type_compare_and_index() {
    table(&[
        ("dyn(1) == 1.0 && dyn(1u) == 1", "true"),
        ("dyn(1) < 1.5 && dyn(2u) > 1", "true"),
        ("dyn(0.0/0.0) == 0.0/0.0", "false"),
        ("0.0/0.0 != 0.0/0.0", "true"),
        ("0.0/0.0 < 1.0 || 0.0/0.0 >= 1.0", "false"),
        ("-1 < dyn(0u)", "true"),
        ("dyn(-1) == 18446744073709551615u", "false"),
        ("{1: 'a'}[dyn(1.0)]", "\"a\""),
        ("{1: 'a'}[dyn(1.5)]", "error: no_such_key"),
        ("{18446744073709551615u: 'a'}[dyn(-1)]", "error: no_such_key"),
        ("[1, 2][dyn(1.0)]", "2"),
        ("[1, 2][dyn(0u)]", "1"),
        ("[1, 2][2]", "error: index_range"),
        ("[1, 2][-1]", "error: index_range"),
        ("[1][dyn('a')]", "error: no_such_overload"),
        ("dyn(1.0) in [1, 2]", "true"),
        ("0.0/0.0 in [0.0/0.0]", "false"),
        ("{1: 1, 1u: 2}", "error: map_key"),
        ("{true: 1, 1: 2, 'a': 3}.size()", "3"),
        ("{1.5: 1}", "error: map_key"),
    ]);
}

#[test]
fn errors_are_absorbed_where_the_other_side_decides() {
    table(&[
        ("1/0 > 0 || true", "true"),
        ("true || 1/0 > 0", "true"),
        ("1/0 > 0 && false", "false"),
        ("1/0 > 0 || false", "error: divide_by_zero"),
        ("1/0 > 0 || [1][9] > 0", "error: divide_by_zero"),
        ("[1, 0].exists(x, 1/x > 0)", "true"),
        ("[0, 1].exists(x, 1/x > 0)", "true"),
        ("[0, 1].all(x, 1/x > 5)", "false"),
        ("[0, 1].all(x, 1/x > 0)", "error: divide_by_zero"),
        ("[0, 1].exists_one(x, 1/x > 0)", "error: divide_by_zero"),
        ("true ? 1 : 1/0", "1"),
        ("(1/0 > 0) ? 1 : 2", "error: divide_by_zero"),
    ]);
    assert_eq!(run_unchecked("1 || true"), "true");
    assert_eq!(run_unchecked("1 || false"), "error: no_such_overload");
    assert_eq!(run_unchecked("1 ? 2 : 3"), "error: no_such_overload");
    assert_eq!(run_unchecked("[1].all(x, x)"), "error: no_such_overload");
    assert_eq!(run_unchecked("1.all(x, true)"), "error: no_such_overload");
    assert_eq!(run_unchecked("contains('ab', 'a')"), "error: unbound_function");
}

#[test]
fn macros_have_their_own_names() {
    table(&[
        ("[1, 2].map(x, x > 1, x * 10)", "[20]"),
        ("[[1], [2, 3]].map(x, x.map(y, y + x.size()))", "[[2], [4, 5]]"),
        ("[1].map(x, [2].map(x, x))", "[[2]]"),
        ("{'b': 1, 'a': 2}.map(k, k)", "[\"a\", \"b\"]"),
        ("[5, 6].transformList(i, x, i * x)", "[0, 6]"),
        ("{'a': 1}.transformMap(k, v, k + string(v))", "{\"a\": \"a1\"}"),
        ("{'a': 1, 'b': 2}.exists(k, v, k == 'b' && v == 2)", "true"),
        ("[3].all(i, x, i < x)", "true"),
        ("[1].exists(x, x, true)", "G3013 at 14"),
        ("[1].all(1, true)", "G3013 at 8"),
        ("[1].all(a.b, true)", "G3013 at 8"),
        ("has(1)", "G3013 at 0"),
        ("has({'a': 1}.a)", "true"),
        ("has({'a': 1}.`a-b`)", "false"),
        ("1.map(x, x)", "G3002 at 0"),
        ("x.map(x, x)", "G3005 at 0"),
        ("[1].map(x, y)", "G3005 at 11"),
    ]);
    let plain = Env::new().without_macros();
    assert_eq!(outcome(Program::compile("[1].all(x, true)", &plain), &Bindings::new()), "G3005 at 8");
}

#[test]
fn times_keep_their_ranges_and_zones() {
    table(&[
        ("timestamp('9999-12-31T23:59:59.999999999Z') + duration('1ns')", "error: overflow"),
        ("timestamp('0001-01-01T00:00:00Z') - duration('1ns')", "error: overflow"),
        ("timestamp('10000-01-01T00:00:00Z')", "error: conversion"),
        ("timestamp('9999-12-31T23:59:59-01:00')", "error: conversion"),
        ("timestamp('0000-12-31T23:59:59Z')", "error: conversion"),
        ("timestamp(253402300800)", "error: conversion"),
        ("timestamp(-62135596800)", "timestamp(0001-01-01T00:00:00Z)"),
        ("timestamp('2024-02-29T00:00:00Z').getDayOfYear()", "59"),
        ("timestamp('2023-02-29T00:00:00Z')", "error: conversion"),
        ("timestamp('2023-01-01t00:00:00Z')", "error: conversion"),
        ("timestamp('2023-01-01T00:00:60Z')", "error: conversion"),
        ("timestamp('2023-01-01T00:00:00.Z')", "error: conversion"),
        ("timestamp('2023-01-01T00:00:00')", "error: conversion"),
        ("timestamp('2023-06-01T12:00:00.5+02:00')", "timestamp(2023-06-01T10:00:00.5Z)"),
        ("timestamp('2024-07-01T12:00:00Z').getHours('Europe/Berlin')", "14"),
        ("timestamp('2024-01-01T12:00:00Z').getHours('Europe/Berlin')", "13"),
        ("timestamp('2024-01-01T12:00:00Z').getHours('europe/berlin')", "13"),
        ("timestamp('2024-01-01T12:00:00Z').getHours('Mars/Base')", "error: zone"),
        ("timestamp('2024-01-01T12:00:00Z').getHours('+24:00')", "error: zone"),
        ("timestamp('2024-01-01T12:00:00Z').getHours('+2:00')", "error: zone"),
        ("timestamp('9999-12-31T23:00:00Z').getFullYear('+02:00')", "10000"),
        ("timestamp('0001-01-01T00:00:00Z').getFullYear('-02:00')", "0"),
        ("timestamp('1969-12-31T23:59:59.9Z').getMilliseconds()", "900"),
        ("int(timestamp('1969-12-31T23:59:59.9Z'))", "-1"),
        ("duration('1h1m1.001001001s')", "duration(3661.001001001s)"),
        ("duration('-1.5h')", "duration(-5400s)"),
        ("duration('.5s')", "duration(0.5s)"),
        ("duration('0')", "duration(0s)"),
        ("duration('1')", "error: conversion"),
        ("duration('')", "error: conversion"),
        ("duration('-')", "error: conversion"),
        ("duration('1.2.3s')", "error: conversion"),
        ("duration('1d')", "error: conversion"),
        ("duration('9223372036854775807ns') + duration('1ns')", "error: overflow"),
        ("duration('9223372036854775808ns')", "error: conversion"),
        ("duration('99999999999999999999h')", "error: conversion"),
        ("duration('1500ms').getMilliseconds()", "500"),
        ("timestamp('2024-01-01T00:00:00Z') - timestamp('1700-01-01T00:00:00Z')", "error: overflow"),
    ]);
}

#[test]
fn conversions_never_wrap() {
    table(&[
        ("int(9223372036854775808u)", "error: conversion"),
        ("int(9223372036854775807.0)", "error: conversion"),
        ("int(-1.9)", "-1"),
        ("int(0.0/0.0)", "error: conversion"),
        ("int('0x10')", "error: conversion"),
        ("int(' 1')", "error: conversion"),
        ("uint(-1)", "error: conversion"),
        ("uint(18446744073709551616.0)", "error: conversion"),
        ("uint(-0.5)", "error: conversion"),
        ("double('1e999')", "error: conversion"),
        ("double('Infinity')", "inf"),
        ("double('1e-999')", "0.0"),
        ("string(1000000.0)", "\"1e+06\""),
        ("string(123456.5)", "\"123456.5\""),
        ("string(0.00001)", "\"1e-05\""),
        ("string(b'\\xff')", "error: conversion"),
        ("bool('yes')", "error: conversion"),
        ("bytes('é').size()", "2"),
        ("'é😀'.size()", "2"),
        ("type(1) == int && type(int) == type && type([]) == list", "true"),
        ("type(null) == null_type && type(timestamp(0)) == google.protobuf.Timestamp", "true"),
    ]);
}

#[test]
fn names_resolve_by_the_longest_and_the_innermost() {
    let value = |number| Value::Int(number);
    let bindings = Bindings::from([
        ("a".to_owned(), Value::map([(Key::String("b".into()), value(1))])),
        ("a.b".to_owned(), value(2)),
        ("x.a.b".to_owned(), value(3)),
    ]);
    let map = || Type::map(Type::String, Type::Int);
    let declared = Env::new().variable("a", map()).variable("a.b", Type::Int).variable("x.a.b", Type::Int);
    for (container, text, want) in [
        ("", "a.b", "2"),
        ("x", "a.b", "3"),
        ("x.y", "a.b", "3"),
        ("x", ".a.b", "2"),
        ("", "a['b']", "1"),
        ("", "a.`b`", "1"),
        ("", "[{'b': 4}].map(a, a.b)", "[4]"),
        ("", "[{'b': 4}].map(a, .a.b)", "[2]"),
        ("", "int == type(1)", "true"),
    ] {
        let env = declared.clone().container(container);
        assert_eq!(outcome(Program::compile(text, &env), &bindings), want, "{text} in `{container}`");
        let env = Env::new().container(container);
        assert_eq!(outcome(Program::compile_unchecked(text, &env), &bindings), want, "{text} unchecked");
    }
}

#[test]
fn variables_hold_their_types_and_functions_may_lack_a_body() {
    let env = env().variable("n", Type::Int).variable("l", Type::list(Type::String));
    let bound = |name: &str, value| Bindings::from([(name.to_owned(), value)]);
    for (bindings, want) in [
        (bound("n", Value::Int(1)), "1"),
        (bound("n", text("1")), "error: binding"),
        (bound("l", Value::list([Value::Int(1)])), "error: binding"),
        (Bindings::new(), "error: unbound"),
    ] {
        assert_eq!(outcome(Program::compile("n", &env), &bindings), want, "{bindings:?}");
    }
    let signature = Signature { method: false, parameters: vec![Type::Int], result: Type::Bool };
    let env = env.function("f.g", signature);
    assert_eq!(outcome(Program::compile("f.g(1)", &env), &Bindings::new()), "error: unbound_function");
    assert_eq!(outcome(Program::compile("f.g(1) || true", &env), &Bindings::new()), "true");
    assert_eq!(outcome(Program::compile("f.g('a')", &env), &Bindings::new()), "G3002 at 0");
    assert_eq!(outcome(Program::compile("f.h(1)", &env), &Bindings::new()), "G3005 at 0");
}

#[test]
fn libraries_are_offered_only_where_asked_for() {
    for text in ["'a'.charAt(0)", "math.abs(1)", "[1].sort()", "[1].transformList(i, x, x)"] {
        let found = Program::compile(text, &Env::new()).unwrap_err();
        assert!(["G3005", "G3008"].contains(&found.iter().next().unwrap().code), "{text}: {found}");
        assert!(Program::compile(text, &env()).is_ok(), "{text}");
    }
}

#[test]
fn library_functions_keep_their_edges() {
    table(&[
        ("[3, 1, 2].sort()", "[1, 2, 3]"),
        ("[1.0, 0.0/0.0].sort()", "error: no_such_overload"),
        ("[1, 1.0, 2].sort()", "error: no_such_overload"),
        ("[].sort()", "[]"),
        ("[1, 2, 1u, 1.0].distinct()", "[1, 2]"),
        ("[1, [2, [3]]].flatten(1)", "[1, 2, [3]]"),
        ("[[1], [2]].flatten()", "[1, 2]"),
        ("[1].flatten(-1)", "error: argument"),
        ("[1, 2, 3].slice(1, 3)", "[2, 3]"),
        ("[1, 2, 3].slice(2, 1)", "error: index_range"),
        ("[1, 2, 3].slice(0, 4)", "error: index_range"),
        ("[1, 2].reverse() == [2, 1] && 'aé'.reverse() == 'éa'", "true"),
        ("lists.range(3)", "[0, 1, 2]"),
        ("lists.range(-1)", "[]"),
        ("math.greatest(1, 2u, 3.5)", "3.5"),
        ("math.least([3, 1, 2])", "1"),
        ("math.greatest([])", "error: argument"),
        ("math.sqrt(16)", "4.0"),
        ("math.bitShiftLeft(1, 63)", "-9223372036854775808"),
        ("'abc'.split('', 2)", "[\"a\", \"bc\"]"),
        ("''.split('')", "[]"),
        ("'a,b'.split(',', -1)", "[\"a\", \"b\"]"),
        ("'aaa'.replace('', '-')", "\"-a-a-a-\""),
        ("'%s'.format([])", "error: argument"),
        ("'%'.format([])", "error: argument"),
        ("'%.9999f'.format([1.0])", "error: argument"),
        ("'%e|%x|%s'.format([0.0, -255, {'b': 1, 'a': [null]}])", "\"0.000000e+00|-ff|{a: [null], b: 1}\""),
        ("base64.encode(b'') + base64.encode(b'a') + base64.encode(b'abcd')", "\"YQ==YWJjZA==\""),
        ("base64.decode('YWJj') == b'abc' && base64.decode('YQ') == b'a'", "true"),
        ("base64.decode('YR==')", "error: conversion"),
        ("base64.decode('YQ=')", "error: conversion"),
        ("base64.decode('Y')", "error: conversion"),
        ("base64.decode('====')", "error: conversion"),
        ("base64.decode('Y-==')", "error: conversion"),
        ("base64.decode('YQ==YQ==')", "error: conversion"),
        ("'a'.matches('[')", "error: pattern"),
        ("'aéb'.matches('^a.b$')", "true"),
    ]);
}
