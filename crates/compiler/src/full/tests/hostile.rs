//! Input that means harm: it is refused with a place, or ends within its budget. Nothing panics, nothing runs away.
//!
//! Every text here is run on a thread with a small stack, so that recursion that follows the input would show.

use super::{env, outcome, run, run_unchecked};
use crate::full::{Bindings, Program, Type, Value};

/// Runs on a stack that only bounded recursion fits.
fn on_small_stack(test: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new().stack_size(1 << 20).spawn(test).unwrap().join().unwrap();
}

#[test]
fn nesting_beyond_the_limit_is_refused_and_below_it_is_safe() {
    on_small_stack(|| {
        for (open, inner, close) in [
            ("(", "1", ")"),
            ("[", "1", "]"),
            ("{1: ", "1", "}"),
            ("dyn(", "1", ")"),
            ("!(", "true", ")"),
            ("-(", "1", ")"),
            ("[1].map(x, ", "1", ")"),
            ("true ? ", "true", " : true"),
            ("[1][", "0", "]"),
        ] {
            for depth in [10, 60, 80, 120, 240, 260, 5_000] {
                let text = format!("{}{inner}{}", open.repeat(depth), close.repeat(depth));
                let got = run(&text);
                if depth >= 260 {
                    assert!(got.starts_with("G2006") || got.starts_with("G2005"), "{open} {depth}: {got}");
                }
            }
        }
        for chain in [" + 1", ".a", "[0]", " < 1", ".size()", " ? 1 : 1"] {
            let got = run(&format!("1{}", chain.repeat(10_000)));
            assert!(got.starts_with("G2006") || got.starts_with("G2005"), "{chain}: {got}");
        }
        assert_eq!(run(&vec!["true"; 5_000].join(" && ")), "true");
        assert_eq!(run(&format!("{}true", "!".repeat(100_000))), "true");
        assert!(run(&"(".repeat(100_000)).starts_with("G2006"));
        assert!(run(&"a".repeat(200_000)).starts_with("G2006"));
    });
}

#[test]
fn a_large_flat_expression_is_within_every_limit() {
    on_small_stack(|| {
        for (open, item, close, most) in [
            ("[", "1+1,", "].size() > 1", 128 << 10),
            ("[", "'a'+'b',", "].size() > 1", 128 << 10),
            ("[", "[1]+[],", "].size() > 1", 64 << 10),
            ("[", "x.size(),", "].size() > 1", 64 << 10),
            ("[", "dyn(1)<2,", "].all(b, b)", 128 << 10),
            ("", "1 in [1] && ", "true", 128 << 10),
            ("[1].map(x, [", "x,", "].size() > 1)[0]", 128 << 10),
        ] {
            let count = (most - open.len() - close.len()) / item.len();
            let text = format!("{open}{}{close}", item.repeat(count));
            let env = env().variable("x", Type::String);
            let bound = Bindings::from([("x".to_owned(), Value::text("a"))]);
            assert_eq!(outcome(Program::compile(&text, &env), &bound), "true", "{item}");
        }
    });
}

#[test]
fn broken_text_has_a_place() {
    for (text, want) in [
        ("", "G2005 at 0"),
        ("\0", "G2001 at 0"),
        ("1 + \0", "G2001 at 4"),
        ("'a\0b'.size()", "3"),
        ("b'\\u00e9'", "G2004 at 2"),
        ("'\\ud800'", "G2004 at 1"),
        ("'\\U00110000'", "G2004 at 1"),
        ("'\\400'", "G2004 at 1"),
        ("b'\\377'.size()", "1"),
        ("b'\\xff\\xfe' == b'\\377\\376'", "true"),
        ("'\\xff'.size()", "1"),
        ("'\\u+041'", "G2004 at 1"),
        ("'\\x+1'", "G2004 at 1"),
        ("'\\", "G2004 at 1"),
        ("b'", "G2004 at 0"),
        ("`a`", "G2005 at 0"),
        ("{}.``", "G2004 at 3"),
        ("{}.`é`", "G2004 at 3"),
        ("{}.`a", "G2004 at 3"),
        ("18446744073709551616u", "G2003 at 0"),
        ("9223372036854775808", "G2003 at 0"),
        ("-9223372036854775809", "G2003 at 1"),
        ("0xFFFFFFFFFFFFFFFFF", "G2003 at 0"),
        ("0x", "G2003 at 0"),
        ("1.5u", "G2003 at 0"),
        ("1e999", "G2003 at 0"),
        ("1.0.0", "G2005 at 3"),
        ("{'a': 1", "G2005 at 7"),
        ("{,}", "G2005 at 1"),
        ("[,]", "G2005 at 1"),
        ("a.b{c: 1}", "G2010 at 3"),
        ("Msg{}", "G2010 at 3"),
        ("a.?b", "G2010 at 2"),
        ("a[?0]", "G2010 at 2"),
        ("[?a]", "G2010 at 1"),
        ("{?'a': 1}", "G2010 at 1"),
        ("for", "G2002 at 0"),
        (".for", "G2002 at 1"),
        ("{'for': 1}.for", "1"),
        ("{'true': 1}.true", "G2005 at 12"),
        ("é", "G2001 at 0"),
        ("'é' + é", "G2001 at 7"),
        ("1 == 1 // \u{0}", "true"),
    ] {
        assert_eq!(run(text), want, "{text:?}");
    }
}

#[test]
fn every_prefix_and_every_cut_byte_of_an_expression_is_refused_or_runs() {
    let whole =
        "{'a': [1u, 2.5e3, b'\\x00', null]}.`a`.exists(x, x == 1u) || has(a.b) ? -'é'[0] : .t.size(r'\\')";
    for (at, _) in whole.char_indices() {
        run(whole.get(..at).unwrap());
        let mut cut = whole.to_owned();
        cut.remove(at);
        run(&cut);
        for extra in ['(', '[', '{', '\'', '"', '`', '\\', '.', '?', '\0', '\u{202e}'] {
            let mut more = whole.to_owned();
            more.insert(at, extra);
            run(&more);
        }
    }
}

#[test]
fn work_is_bounded_whatever_is_asked() {
    let list = "[1,2,3,4,5,6,7,8,9,10]";
    let nested = |inner: &str, levels: usize| {
        (0..levels).fold(inner.to_owned(), |inner, level| format!("{list}.map(x{level}, {inner})"))
    };
    let doubled = |step: &str, times: usize| format!("[[1]]{}", step.repeat(times));
    for text in [
        nested("1", 9),
        nested("'a'.matches('(a*)*b')", 7),
        format!("{}.size()", nested("'abcdefgh' + 'abcdefgh'", 7)),
        // Values that share what they hold: small in memory, endless when walked.
        format!("{0} == {0}", doubled(".map(x, [x, x])", 60)),
        doubled(".map(x, [x, x])", 60),
        format!("'%s'.format({})", doubled(".map(x, [x, x])", 60)),
        format!("{}.flatten(100)", doubled(".map(x, [dyn(x), dyn(x)])", 60)),
        format!("[{}].distinct()", vec![doubled(".map(x, [x, x])", 40); 2].join(", ")),
        // Text that doubles.
        format!("['aaaaaaaa']{}", ".map(x, x + x)".repeat(60)),
        format!("['aa']{}", ".map(x, x.replace('a', 'aaaa'))".repeat(60)),
        format!("[['a', 'a']]{}", ".map(x, x + x)".repeat(60)),
        format!("['a']{}", ".map(x, strings.quote(x + x))".repeat(60)),
        format!("['a']{}", ".map(x, '%s%s'.format([x, x]))".repeat(60)),
        format!("['a']{}", ".map(x, [x, x].join(x))".repeat(60)),
        "lists.range(9223372036854775807)".to_owned(),
        "lists.range(100000).map(x, lists.range(100000))".to_owned(),
        "lists.range(2000).all(x, lists.range(1000).all(y, x in [x, y]))".to_owned(),
        "lists.range(300).map(x, '(a{1000}){1000}' + string(x)).exists(p, 'a'.matches(p))".to_owned(),
    ] {
        let got = run(&text);
        assert!(
            got.starts_with("error: budget") || got.starts_with("G2006") || got.starts_with("error: pattern"),
            "{}: {}",
            text.get(..60).unwrap_or(&text),
            got.get(..80).unwrap_or(&got)
        );
    }
}

/// Each step of the chain nests as deep as a text may, so that depths multiply.
#[test]
fn values_and_types_deeper_than_their_text_are_refused() {
    on_small_stack(|| {
        for (open, close) in [("[", "]"), ("{1: ", "}"), ("[[", "]]")] {
            let nest = |inner: &str| format!("{}{inner}{}", open.repeat(60), close.repeat(60));
            let chain = format!(".map(x, {})", nest("x")).repeat(60);
            for end in ["", ".size()", " == [2]"] {
                let got = run(&format!("[1]{chain}{end}"));
                assert!(got.starts_with("G2006"), "{open}: {got}");
                let got = run_unchecked(&format!("[1]{chain}{end}"));
                assert_eq!(got, "error: depth", "{open}");
                // Where the type is hidden, the value is still there.
                let hidden = format!(".map(x, dyn({}))", nest("x")).repeat(60);
                assert_eq!(run(&format!("[1]{hidden}{end}")), "error: depth", "{open}");
            }
        }
    });
}

#[test]
fn an_exhausted_budget_is_never_absorbed() {
    let endless = "lists.range(1000).all(x, lists.range(1000).all(y, true))";
    for text in
        [format!("{endless} || true"), format!("!({endless}) && false"), format!("[1].exists(z, {endless})")]
    {
        assert_eq!(run(&text), "error: budget", "{text}");
    }
}

#[test]
fn types_that_grow_without_bound_are_refused() {
    on_small_stack(|| {
        // A tree of maps whose leaves all have one large type: nothing compares them.
        let large = ".map(x, {x: x})".repeat(12);
        let leaves = (0..13).fold("x".to_owned(), |inner, _| format!("{{{inner}:{inner}}}"));
        let got =
            outcome(Program::compile(&format!("[1]{large}.map(x, {leaves})"), &env()), &Bindings::new());
        assert!(got.starts_with("G2006"), "{got}");
        for step in [".map(x, {x: x})", ".map(x, [{x: x}, {x: x}])", ".map(x, x + x)"] {
            let got =
                outcome(Program::compile(&format!("[1]{}", step.repeat(100)), &env()), &Bindings::new());
            assert!(
                got.starts_with("G2006") || got.starts_with("G3002") || got.starts_with("error"),
                "{step}: {got}"
            );
        }
    });
}

#[test]
fn bound_values_that_are_too_deep_or_too_large_are_refused() {
    let env = env().variable("v", Type::Dyn);
    let program = Program::compile("v == v", &env).unwrap();
    let bound = |value: Value| Bindings::from([("v".to_owned(), value)]);
    let deep = |depth| (0..depth).fold(Value::Null, |inner, _| Value::list([inner]));
    assert!(matches!(program.run(&bound(deep(200))), Ok(Value::Bool(true))));
    assert_eq!(program.run(&bound(deep(300))).unwrap_err().kind().code(), "binding");
    let wide = (0..40).fold(Value::Null, |inner, _| Value::list([inner.clone(), inner]));
    assert_eq!(program.run(&bound(wide)).unwrap_err().kind().code(), "binding");
}
