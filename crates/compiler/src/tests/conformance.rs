//! The shared CEL vectors, run through parser, checker and reference.
//!
//! A case of scope `core` either gives the very result that CEL gives or is refused with a located error. Cases
//! of cel-go give the parse tree as well; where both parse, the trees are the same.

use crate::catalogue::Catalogue;
use crate::cel::parse::parse;
use crate::cel::tests::show;
use crate::reference::{Outcome, Snapshot, evaluate};
use crate::tests::testing::{policy, signal, typed};
use glacis_wire::{Answer, Given, SignalName, Trust, Type, Value};
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The cases of all files, or nothing where the corpus is not there.
fn cases() -> Option<Vec<(String, Json)>> {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/vectors");
    #[expect(clippy::disallowed_methods, reason = "where the corpus lies is given by the environment")]
    let (named, ci) = (std::env::var_os("GLACIS_VECTORS"), std::env::var("CI"));
    let folder = named.map_or(PathBuf::from(beside), PathBuf::from).join("cel/json");
    let Ok(entries) = std::fs::read_dir(&folder) else {
        assert_ne!(ci.as_deref(), Ok("true"), "no CEL vectors at {}", folder.display());
        println!("skipped: no CEL vectors");
        return None;
    };
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut cases = Vec::new();
    for path in files {
        let file: Json = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        for section in file["sections"].as_array().unwrap() {
            for case in section["tests"].as_array().unwrap() {
                if case["scope"] == "core" {
                    cases.push((file["origin"].as_str().unwrap().to_owned(), case.clone()));
                }
            }
        }
    }
    Some(cases)
}

/// A value of the vectors, if it is of one of our types.
fn value(json: &Json) -> Option<Value> {
    let (kind, inner) = json.as_object()?.iter().next()?;
    Some(match kind.as_str() {
        "boolValue" => Value::Bool(inner.as_bool()?),
        "int64Value" => Value::Int(inner.as_str()?.parse().ok()?),
        "doubleValue" => Value::Double(match inner.as_str() {
            Some("NaN") => f64::NAN,
            Some("Infinity") => f64::INFINITY,
            Some("-Infinity") => f64::NEG_INFINITY,
            _ => inner.as_f64()?,
        }),
        "stringValue" => Value::String(inner.as_str()?.to_owned()),
        "listValue" => match inner.get("values") {
            Some(items) => Value::List(items.as_array()?.iter().map(value).collect::<Option<_>>()?),
            None => Value::List(Vec::new()),
        },
        _ => return None,
    })
}

/// Variables of a case as signals; those that have no type of ours are left out, so that using them is refused.
fn scene(case: &Json) -> (Catalogue, Snapshot) {
    let mut catalogue = Catalogue::default();
    let mut snapshot = Snapshot::default();
    for (name, bound) in case["bindings"].as_object().into_iter().flatten() {
        let Some(value) = value(&bound["value"]) else { continue };
        let Some(ty) = Type::ALL.into_iter().find(|ty| value.is(*ty)) else { continue };
        let Ok(parsed) = SignalName::parse(name) else { continue };
        catalogue
            .signals
            .insert(parsed.clone(), crate::catalogue::Signal { name: parsed.clone(), ..signal("x.2", ty) });
        snapshot.answers.insert(parsed, Given { answer: Answer::Value(value), trust: Trust::Proven });
    }
    (catalogue, snapshot)
}

#[test]
fn core_vectors_agree_or_are_refused() {
    let Some(cases) = cases() else { return };
    let mut refused: BTreeMap<&str, usize> = BTreeMap::new();
    let (mut agreed, mut total) = (0, 0);
    // Without a container: names of ours are global.
    let ours = |case: &Json| case["checkOnly"] != true && case.get("container").is_none();
    for (_, case) in cases.iter().filter(|(origin, case)| origin == "cel-spec" && ours(case)) {
        total += 1;
        let text = case["expr"].as_str().unwrap();
        let (catalogue, snapshot) = scene(case);
        let expr = match typed(text, &catalogue) {
            Ok(expr) => expr,
            Err(error) => {
                assert!(error.span.end <= text.len() + 3, "{text}: {error:?}");
                *refused.entry(error.code).or_default() += 1;
                // Valid CEL is "not supported" or does not type; only a reserved word or depth is refused by form.
                let by_form = ["G2001", "G2003", "G2004", "G2005"].contains(&error.code);
                assert!(!by_form || case.get("evalError").is_some() || is_odd(text), "{text}: {error:?}");
                continue;
            }
        };
        let policy = crate::checked::Checked { signals: catalogue.signals, ..policy() };
        let got = evaluate(&policy, &expr, &snapshot, false, false);
        let want = if case.get("evalError").is_some() {
            Outcome::Error
        } else {
            let json = case.get("value").or_else(|| case["typedResult"].get("result"));
            Outcome::Value(
                json.map_or(Some(Value::Bool(true)), value).unwrap_or_else(|| panic!("{text}: {case}")),
            )
        };
        assert_eq!(format!("{got:?}"), format!("{want:?}"), "{text}");
        agreed += 1;
    }
    println!(
        "core cases of cel-spec: {total}, in the subset and equal: {agreed}, refused by code: {refused:?}"
    );
    assert!(agreed >= 200, "the subset shrank: {agreed}");
}

/// Reserved words as field names: legal in CEL, of no use where names are signals.
fn is_odd(text: &str) -> bool {
    ["in", "true", "false", "null"].iter().any(|word| text.contains(&format!(".{word}")))
}

#[test]
fn parse_trees_are_those_of_cel_go() {
    let Some(cases) = cases() else { return };
    let (mut equal, mut refused, mut broken) = (0, 0, 0);
    for (_, case) in &cases {
        let text = case["expr"].as_str().unwrap();
        let parsed = parse(text);
        let Some(tree) = case["ast"].as_str() else {
            let message = case["checkError"].as_str().unwrap_or("");
            if message.contains("Syntax error") || message.contains("literal") {
                assert!(parsed.is_err(), "{text} is no CEL: {message}");
                broken += 1;
            }
            continue;
        };
        let Ok(ast) = parsed else {
            refused += 1;
            continue;
        };
        // Macros are expanded there; here they are calls that the checker refuses or knows.
        let macros = ["__comprehension__", "~test-only~", "cel."].iter().any(|word| tree.contains(word));
        // Escapes and large doubles are printed otherwise there; their values are checked above.
        let printed = ["\\", "e+", "e-"].iter().any(|form| tree.contains(form));
        if macros || printed {
            continue;
        }
        assert_eq!(plain(&show(&ast)), plain(&untyped(tree)), "{text}");
        equal += 1;
    }
    println!("trees equal to cel-go's: {equal}, refused here: {refused}, broken in both: {broken}");
    assert!(equal >= 400, "the subset shrank: {equal}");
}

/// cel-go's debug text without `^#…#`.
fn untyped(tree: &str) -> String {
    let mut out = String::new();
    let mut rest = tree;
    while let Some((before, after)) = rest.split_once("^#") {
        out.push_str(before);
        rest = after.split_once('#').map_or("", |(_, rest)| rest);
    }
    out + rest
}

/// Without quotes, blanks and the forms of numbers and escapes that are only a matter of printing.
fn plain(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_whitespace() && !matches!(letter, '"' | '\\')).collect()
}
