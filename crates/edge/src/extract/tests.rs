//! One table a place: what is read, and what is refused because it could be read in two ways.

use super::*;
use crate::config::Segment;
use crate::config::{DeviceZone, Mode, Stance};
use crate::request::{Fields, Headers};
use glacis_wire::SignalName;

fn route(ty: Type, from: Extract) -> RouteConfig {
    RouteConfig {
        method: None,
        authority: None,
        path: vec![Segment::Fixed("t".into()), Segment::Capture("x".into())],
        upstream: 0,
        event: None,
        fields: vec![Field { signal: SignalName::parse("f").unwrap(), ty, max_bytes: 16, from }],
        principal: None,
        mode: Mode::Enforce,
        stance: Stance::Closed,
        device: DeviceZone::Optional,
        body_max: 100,
    }
}

/// What one field reads, as text; `refused: …` where it is refused.
fn check(ty: Type, from: Extract, path: &str, query: &str, body: &str, media: &str) -> String {
    let route = route(ty, from);
    let mut fields = Fields::default();
    for line in media.split('|').filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once('=').map_or(("content-type", line), |pair| match pair.0 {
            "enc" => ("content-encoding", pair.1),
            _ => ("content-type", line),
        });
        fields.add(name, value);
    }
    let headers: Vec<(String, String)> = media
        .split('|')
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let headers = Headers::List(&headers);
    let head = RequestHead { method: "POST", authority: "a", path, query, fields, headers };
    let routes = [route];
    let Some((_, route, captures)) = crate::route::find(&routes, &head) else { return "no route".into() };
    match extract(route, &head, &captures, body.as_bytes()) {
        Err(Unreadable(why)) => format!("refused: {why}"),
        Ok(fields) => match &fields[0].answer {
            Answer::Value(Value::String(text)) => format!("{text:?}"),
            Answer::Value(value) => format!("{value:?}"),
            other => format!("{other:?}"),
        },
    }
}

#[test]
fn query_keys_have_one_reading() {
    for (ty, query, want) in [
        (Type::String, "?x=1", "\"1\""),
        (Type::String, "?a=b&x=a+b%21", "\"a b!\""),
        (Type::String, "", "Missing"),
        (Type::String, "?y=1", "Missing"),
        (Type::String, "?x", "\"\""),
        (Type::Int, "?x=-12", "Int(-12)"),
        (Type::Int, "?x=012", "refused: value of another type"),
        (Type::Int, "?x=+1", "refused: value of another type"),
        (Type::Int, "?x=1.0", "refused: value of another type"),
        (Type::Bool, "?x=true", "Bool(true)"),
        (Type::Bool, "?x=1", "refused: value of another type"),
        (Type::Double, "?x=1.5e2", "Double(150.0)"),
        (Type::Double, "?x=inf", "refused: value of another type"),
        (Type::Double, "?x=1e999", "refused: value of another type"),
        (Type::String, "?x=1&x=2", "refused: key comes twice"),
        (Type::String, "?x=1&X=2", "refused: key comes twice"),
        (Type::String, "?x=1&%78=2", "refused: key comes twice"),
        (Type::String, "?x=1&x[]=2", "refused: key comes twice"),
        (Type::String, "?x=1;x=2", "refused: `;` in a pair"),
        (Type::String, "?=1", "refused: pair without key"),
        (Type::String, "?x=%2541", "refused: encoded twice"),
        (Type::String, "?x=%", "refused: broken percent-encoding"),
        (Type::String, "?x=%FF", "refused: not UTF-8"),
        (Type::String, "?x=%00", "refused: control character"),
        (Type::String, "?x=12345678901234567", "refused: value over its limit"),
    ] {
        assert_eq!(check(ty, Extract::Query("x".into()), "/t/1", query, "", ""), want, "{ty:?} {query}");
    }
    let many: String = (0..300).map(|n| format!("k{n}=1&")).collect::<String>() + "x=1";
    let got = check(Type::String, Extract::Query("x".into()), "/t/1", &format!("?{many}"), "", "");
    assert_eq!(got, "refused: too many pairs");
}

#[test]
fn path_segments_are_decoded_once() {
    for (path, want) in [
        ("/t/abc", "\"abc\""),
        ("/t/a+b", "\"a+b\""),
        ("/t/a%20b", "\"a b\""),
        ("/t/%FF", "refused: not UTF-8"),
        ("/t/", "no route"),
    ] {
        assert_eq!(check(Type::String, Extract::Path("x".into()), path, "", "", ""), want, "{path}");
    }
}

#[test]
fn json_members_have_one_reading() {
    let json = "application/json";
    let at = || Extract::Json(vec!["a".into(), "b".into()]);
    for (ty, body, media, want) in [
        (Type::Int, r#"{"a":{"b":5}}"#, json, "Int(5)"),
        (Type::Int, r#"{"a":{"\u0062":5}}"#, "application/json; charset=utf-8", "Int(5)"),
        (Type::Int, r#"{"a":{}}"#, json, "Missing"),
        (Type::Int, "[]", json, "Missing"),
        (Type::Int, r#"{"a":{"b":5.0}}"#, json, "refused: value of another type"),
        (Type::Int, r#"{"a":{"b":"5"}}"#, json, "refused: value of another type"),
        (Type::Int, r#"{"a":{"b":null}}"#, json, "refused: value of another type"),
        (Type::Int, r#"{"a":{"b":18446744073709551615}}"#, json, "refused: not strict JSON"),
        (Type::Double, r#"{"a":{"b":5}}"#, json, "Double(5.0)"),
        (Type::Double, r#"{"a":{"b":9007199254740993}}"#, json, "refused: inexact number"),
        (Type::Int, r#"{"a":{"b":1,"b":2}}"#, json, "refused: not strict JSON"),
        (Type::Int, r#"{"a":{"b":1,"B":2}}"#, json, "refused: not strict JSON"),
        (Type::Int, r#"{"a":{"b":1,"\u0062":2}}"#, json, "refused: not strict JSON"),
        (Type::Int, r#"{"a":{"b":1},"c":{"d":1,"d":2}}"#, json, "refused: not strict JSON"),
        (Type::Int, r#"{"a":{"b":1}} x"#, json, "refused: bytes after the JSON value"),
        (Type::Int, "\u{feff}{\"a\":{\"b\":1}}", json, "refused: not strict JSON"),
        (Type::Int, r#"{"a":{"b":1},}"#, json, "refused: not strict JSON"),
        (Type::Int, "", json, "refused: not strict JSON"),
        (Type::String, r#"{"a":{"b":"\ud800"}}"#, json, "refused: not strict JSON"),
        (Type::String, r#"{"a":{"b":"12345678901234567"}}"#, json, "refused: value over its limit"),
        (Type::Int, r#"{"a":{"b":5}}"#, "", "refused: no single content type"),
        (
            Type::Int,
            r#"{"a":{"b":5}}"#,
            "application/json|application/json",
            "refused: no single content type",
        ),
        (Type::Int, r#"{"a":{"b":5}}"#, "text/plain", "refused: other content type"),
        (Type::Int, r#"{"a":{"b":5}}"#, "application/json; charset=utf-7", "refused: other content type"),
        (Type::Int, r#"{"a":{"b":5}}"#, "application/json|enc=gzip", "refused: coded body"),
    ] {
        assert_eq!(check(ty, at(), "/t/1", "", body, media), want, "{ty:?} {body} {media}");
    }
    let deep = format!("{}1{}", "[".repeat(100), "]".repeat(100));
    assert_eq!(check(Type::Int, at(), "/t/1", "", &deep, json), "refused: not strict JSON");
}

#[test]
fn form_fields_have_one_reading() {
    let form = "application/x-www-form-urlencoded";
    for (body, media, want) in [
        ("x=1&y=2", form, "\"1\""),
        ("y=2", form, "Missing"),
        ("", form, "Missing"),
        ("x=1&x=2", form, "refused: key comes twice"),
        ("x=%2541", form, "refused: encoded twice"),
        ("x=1", "application/json", "refused: other content type"),
    ] {
        assert_eq!(check(Type::String, Extract::Form("x".into()), "/t/1", "", body, media), want, "{body}");
    }
}

#[test]
fn method_target_and_headers_have_one_reading() {
    let header = || Extract::Header("x-a".into());
    for (from, path, headers, want) in [
        (Extract::Method, "/t/1", "", "\"POST\""),
        (Extract::WholePath, "/t/1", "", "\"/t/1\""),
        (Extract::WholePath, "/t/0123456789abcdef", "", "refused: value over its limit"),
        (Extract::Route, "/T/17", "", "no route"),
        (Extract::Route, "/t/17", "", "\"POST /t/{id}\""),
        (Extract::Route, "/t/Ab", "", "\"POST /t/ab\""),
        (header(), "/t/1", "x-b: 1", "Missing"),
        (header(), "/t/1", "x-a: b c", "\"b c\""),
        (header(), "/t/1", "X-A: b", "\"b\""),
        (header(), "/t/1", "x-a: b|x-A: b", "refused: field twice, or not text"),
        (header(), "/t/1", "x-a: 0123456789abcdefg", "refused: value over its limit"),
    ] {
        assert_eq!(check(Type::String, from, path, "", "", headers), want, "{path} {headers}");
    }
    assert_eq!(check(Type::Int, header(), "/t/1", "", "", "x-a: 7"), "Int(7)");
    assert_eq!(check(Type::Int, header(), "/t/1", "", "", "x-a: 07"), "refused: value of another type");
}
