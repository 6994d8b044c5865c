//! The grammar by table: text in, tree or located error out.

use super::ast::{Ast, AstKind};
use super::parse::{CONDITION_BYTES_MAX, parse};
use std::fmt::Write;

/// A tree as cel-go's debug text without types and blanks: `_&&_(a,b)`, `x.f(1)`, `[1,2]`.
pub(crate) fn show(ast: &Ast) -> String {
    let all = |items: &[Ast]| items.iter().map(show).collect::<Vec<_>>().join(",");
    match &ast.kind {
        AstKind::Null => "null".to_owned(),
        AstKind::Uint(value) => format!("{value}u"),
        AstKind::Bytes(bytes) => format!("b{}", String::from_utf8_lossy(bytes)),
        AstKind::Map(entries) => {
            let entry = |(key, value): &(Ast, Ast)| format!("{}:{}", show(key), show(value));
            format!("{{{}}}", entries.iter().map(entry).collect::<Vec<_>>().join(","))
        }
        AstKind::Root(name) => format!(".{name}"),
        AstKind::Quoted(inner, field) => format!("{}.{}", show(inner), field.value),
        AstKind::Index(inner, index) => format!("_[_]({},{})", show(inner), show(index)),
        AstKind::Bool(value) => value.to_string(),
        AstKind::Int(value) => value.to_string(),
        AstKind::Double(value) => value.to_string(),
        AstKind::Text(text) => text.chars().fold(String::new(), |mut out, letter| {
            let _ = write!(out, "{}", if letter == '"' { "\\\"".to_owned() } else { letter.to_string() });
            out
        }),
        AstKind::List(items) => format!("[{}]", all(items)),
        AstKind::Name(name) => name.clone(),
        AstKind::Field(inner, field) => format!("{}.{}", show(inner), field.value),
        AstKind::Not(inner) => format!("!_({})", show(inner)),
        AstKind::Neg(inner) => format!("-_({})", show(inner)),
        AstKind::Binary(op, a, b) if op.symbol() == "in" => format!("@in({},{})", show(a), show(b)),
        AstKind::Binary(op, a, b) => format!("_{}_({},{})", op.symbol(), show(a), show(b)),
        AstKind::If(a, b, c) => format!("_?_:_({},{},{})", show(a), show(b), show(c)),
        AstKind::Call { receiver: None, name, args } => match (name.value.as_str(), args.as_slice()) {
            ("has", [arg]) => format!("{}~test-only~", show(arg)),
            _ => format!("{}({})", name.value, all(args)),
        },
        AstKind::Call { receiver: Some(on), name, args } => folded(on, &name.value, args)
            .unwrap_or_else(|| format!("{}.{}({})", show(on), name.value, all(args))),
    }
}

/// A macro as cel-go expands it: variable, range, accumulator, its start, condition, step, result.
fn folded(on: &Ast, name: &str, args: &[Ast]) -> Option<String> {
    let (result, variable) = ("@result", args.first().map(show)?);
    let (test, item) = match args {
        [_, only] => (show(only), show(only)),
        [_, test, item] => (show(test), show(item)),
        _ => return None,
    };
    let grown = |item: &str| format!("_+_({result},[{item}])");
    let chosen = |step: &str| format!("_?_:_({test},{step},{result})");
    let (start, condition, step, end) = match (name, args.len()) {
        ("all", 2) => (
            "true",
            format!("@not_strictly_false({result})"),
            format!("_&&_({result},{test})"),
            result.to_owned(),
        ),
        ("exists", 2) => (
            "false",
            format!("@not_strictly_false(!_({result}))"),
            format!("_||_({result},{test})"),
            result.to_owned(),
        ),
        ("exists_one" | "existsOne", 2) => {
            ("0", "true".to_owned(), chosen(&format!("_+_({result},1)")), format!("_==_({result},1)"))
        }
        ("map", 2) => ("[]", "true".to_owned(), grown(&item), result.to_owned()),
        ("map", 3) => ("[]", "true".to_owned(), chosen(&grown(&item)), result.to_owned()),
        ("filter", 2) => ("[]", "true".to_owned(), chosen(&grown(&variable)), result.to_owned()),
        _ => return None,
    };
    let parts = [&variable, &show(on), result, start, &condition, &step, &end];
    Some(format!("__comprehension__({})", parts.join(",")))
}

#[test]
fn precedence_and_associativity_are_cels() {
    for (text, want) in [
        ("a || b && c", "_||_(a,_&&_(b,c))"),
        ("a && b || c", "_||_(_&&_(a,b),c)"),
        ("a == b && c < d", "_&&_(_==_(a,b),_<_(c,d))"),
        ("1 < 2 == true", "_==_(_<_(1,2),true)"),
        ("a in b == c", "_==_(@in(a,b),c)"),
        ("a + b * c - d", "_-_(_+_(a,_*_(b,c)),d)"),
        ("a - b - c", "_-_(_-_(a,b),c)"),
        ("a / b % c", "_%_(_/_(a,b),c)"),
        ("a + b < c", "_<_(_+_(a,b),c)"),
        ("!a && b", "_&&_(!_(a),b)"),
        ("!a.b", "!_(a.b)"),
        ("!!a", "a"),
        ("!!!a", "!_(a)"),
        ("!(!a)", "!_(!_(a))"),
        ("-a * b", "_*_(-_(a),b)"),
        ("- -1", "1"),
        ("-(-1)", "-_(-1)"),
        ("---1", "-1"),
        ("--a", "a"),
        ("a ? b : c ? d : e", "_?_:_(a,b,_?_:_(c,d,e))"),
        ("a ? (b ? c : d) : e", "_?_:_(a,_?_:_(b,c,d),e)"),
        ("a || b ? c : d || e", "_?_:_(_||_(a,b),c,_||_(d,e))"),
        ("(a || b) && c", "_&&_(_||_(a,b),c)"),
        ("a || b || c", "_||_(_||_(a,b),c)"),
        ("a || b || c || d", "_||_(_||_(a,b),_||_(c,d))"),
        ("x.y.startsWith('a')", "x.y.startsWith(a)"),
        ("'ab'.size()", "ab.size()"),
        ("size([1, 2,])", "size([1,2])"),
        ("has(a.b)", "a.b~test-only~"),
        (
            "a.map(x, x > 1, -x)",
            "__comprehension__(x,a,@result,[],true,_?_:_(_>_(x,1),_+_(@result,[-_(x)]),@result),@result)",
        ),
        ("-5 - -3", "_-_(-5,-3)"),
        ("1-1", "_-_(1,1)"),
        ("a // all of it\n && b", "_&&_(a,b)"),
    ] {
        assert_eq!(show(&parse(text).unwrap()), want, "{text}");
    }
}

#[test]
fn literals_are_cels() {
    for (text, want) in [
        ("0x1F", AstKind::Int(31)),
        ("-0x10", AstKind::Int(-16)),
        ("9223372036854775807", AstKind::Int(i64::MAX)),
        ("-9223372036854775808", AstKind::Int(i64::MIN)),
        ("1.5e3", AstKind::Double(1500.0)),
        (".5", AstKind::Double(0.5)),
        ("1e2", AstKind::Double(100.0)),
        (r#""a\n\t\"\\""#, AstKind::Text("a\n\t\"\\".to_owned())),
        (r"'\x41\101\u00e9\U0001F600\?\`'", AstKind::Text("AAé😀?`".to_owned())),
        (r"r'\n\'", AstKind::Text(r"\n\".to_owned())),
        (r#"R"""a"b\c""""#, AstKind::Text(r#"a"b\c"#.to_owned())),
        ("'''a\n'b'''", AstKind::Text("a\n'b".to_owned())),
        ("\"\"", AstKind::Text(String::new())),
    ] {
        assert_eq!(parse(text).unwrap().kind, want, "{text}");
    }
}

/// The code, where it starts, and a part of the message.
#[test]
fn errors_are_located() {
    for (text, at, code, part) in [
        ("", 0, "G2005", "ends where a value"),
        ("a &&", 4, "G2005", "ends where a value"),
        ("a && && b", 5, "G2005", "found `&&`, expected a value"),
        ("a b", 2, "G2005", "found `b`"),
        ("(a", 0, "G2005", "no closing `)`"),
        ("a)", 1, "G2005", "found `)`"),
        ("a = b", 2, "G2001", "`=` is not an operator"),
        ("a & b", 2, "G2001", "`&`"),
        ("a | b", 2, "G2001", "`|`"),
        ("a # b", 2, "G2001", "unexpected character `#`"),
        ("a ? b", 5, "G2005", "expected"),
        ("a ? b ? c : d : e", 6, "G2005", "found `?`"),
        ("!-a", 1, "G2005", "found `-`"),
        ("f(,)", 2, "G2005", "found `,`"),
        ("f(a,)", 4, "G2005", "found `)`"),
        ("'abc", 0, "G2004", "no closing"),
        ("'a\nb'", 0, "G2004", "no closing"),
        (r"'\q'", 1, "G2004", "not an escape"),
        (r"'\ud800'", 1, "G2004", "not an escape"),
        (r"'\400'", 1, "G2004", "not an escape"),
        ("9223372036854775808", 0, "G2003", "out of the range of int"),
        ("99999999999999999999", 0, "G2003", "out of the range of int"),
        ("1e999", 0, "G2003", "out of the range of double"),
        ("1x", 0, "G2003", "letter follows"),
        ("x == null", 5, "G2010", "`null`"),
        ("Msg{a: 1}", 3, "G2010", "a protobuf message"),
        (".a", 0, "G2010", "leading dot"),
        ("a.?b", 2, "G2010", "optional"),
        ("a.`b`", 2, "G2010", "quoted"),
        ("for", 0, "G2002", "reserved"),
        ("a.in", 2, "G2005", "expected a name"),
    ] {
        let error = parse(text).expect_err(text);
        assert_eq!((error.span.start, error.code), (at, error.code), "{text}: {error:?}");
        assert_eq!(error.code, code, "{text}: {error:?}");
        assert!(error.message.contains(part), "{text}: {}", error.message);
        assert!(error.span.end <= text.len() && error.span.start <= error.span.end, "{text}: {error:?}");
    }
}

#[test]
fn depth_is_limited_but_chains_are_not_deep() {
    let nested = |depth: usize| format!("{}a{}", "(".repeat(depth), ")".repeat(depth));
    assert!(parse(&nested(60)).is_ok());
    assert_eq!(parse(&nested(70)).unwrap_err().code, "G2006");
    assert_eq!(parse(&"!".repeat(70)).unwrap_err().code, "G2005");
    assert!(parse(&format!("{}a", "!".repeat(71))).unwrap().depth == 2);
    assert_eq!(parse(&format!("{}a{}", "!(".repeat(70), ")".repeat(70))).unwrap_err().code, "G2006");
    let sum = |terms: usize| vec!["a"; terms].join(" + ");
    assert!(parse(&sum(60)).is_ok());
    assert_eq!(parse(&sum(70)).unwrap_err().code, "G2006");
    let alternatives = vec!["a"; 2000].join("||");
    assert!(parse(&alternatives).unwrap().depth <= 12);
    assert_eq!(parse(&"a".repeat(CONDITION_BYTES_MAX + 1)).unwrap_err().code, "G2006");
    assert_eq!(parse(&"[".repeat(CONDITION_BYTES_MAX)).unwrap_err().code, "G2006");
    assert_eq!(parse(&"-".repeat(CONDITION_BYTES_MAX)).unwrap_err().code, "G2005");
}
