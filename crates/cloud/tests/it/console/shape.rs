//! The form of an answer: its keys and the types of its values, as a tree that two sides can be compared by.

use serde_json::{Map, Value, json};

/// Objects whose keys are names of something: of them the form of their values counts, under `*`.
const MAPS: [&str; 5] = ["answers", "fields", "lists", "observed", "policies"];

/// What a value is: a name of a type, or a tree. A list has the form of all its items together.
pub(crate) fn shape(value: &Value) -> Value {
    match value {
        Value::Null => json!("null"),
        Value::Bool(_) => json!("boolean"),
        Value::Number(_) => json!("number"),
        Value::String(_) => json!("string"),
        Value::Array(items) => json!([items.iter().map(shape).fold(json!("nothing"), join)]),
        Value::Object(fields) => {
            let of = |key: &str, value: &Value| match value {
                Value::Object(named) if MAPS.contains(&key) => {
                    json!({ "*": named.values().map(shape).fold(json!("nothing"), join) })
                }
                value => shape(value),
            };
            fields.iter().map(|(key, value)| (key.clone(), of(key, value))).collect()
        }
    }
}

/// The form of what has either form: `string|null`; a key that one of them lacks is marked with `?`.
pub(crate) fn join(one: Value, other: Value) -> Value {
    match (one, other) {
        (one, other) if one == other => one,
        (Value::String(nothing), other) | (other, Value::String(nothing)) if nothing == "nothing" => other,
        (Value::Array(one), Value::Array(other)) => {
            json!([one.into_iter().chain(other).fold(json!("nothing"), join)])
        }
        (Value::Object(one), Value::Object(other)) => Value::Object(joined(one, other)),
        (Value::String(one), Value::String(other)) => {
            let mut names: Vec<&str> = one.split('|').chain(other.split('|')).collect();
            names.sort_unstable();
            names.dedup();
            json!(names.join("|"))
        }
        // A tree or nothing at all.
        (Value::Object(mut tree), Value::String(name)) | (Value::String(name), Value::Object(mut tree)) => {
            let known = tree.remove("|").unwrap_or(json!(name.clone()));
            tree.insert("|".to_owned(), join(known, json!(name)));
            Value::Object(tree)
        }
        // A list or nothing at all.
        (Value::Array(form), Value::String(name)) | (Value::String(name), Value::Array(form)) => {
            json!({ "|": name, "[]": form.into_iter().fold(json!("nothing"), join) })
        }
        (Value::Object(mut tree), Value::Array(form)) | (Value::Array(form), Value::Object(mut tree)) => {
            let known = tree.remove("[]").unwrap_or(json!("nothing"));
            tree.insert("[]".to_owned(), form.into_iter().fold(known, join));
            Value::Object(tree)
        }
        (one, other) => json!(format!("{one} or {other}")),
    }
}

fn joined(one: Map<String, Value>, other: Map<String, Value>) -> Map<String, Value> {
    let plain = |key: &str| key.trim_end_matches('?').to_owned();
    let mut all = Map::new();
    for (key, value) in &one {
        let name = plain(key);
        let found = other.get(&name).or_else(|| other.get(&format!("{name}?")));
        let optional = key.ends_with('?') || !other.contains_key(&name);
        let value = found.map_or(value.clone(), |found| join(value.clone(), found.clone()));
        all.insert(if optional && !is_mark(&name) { format!("{name}?") } else { name }, value);
    }
    for (key, value) in other {
        let name = plain(&key);
        if !one.contains_key(&name) && !one.contains_key(&format!("{name}?")) {
            all.insert(if is_mark(&name) { name } else { format!("{name}?") }, value);
        }
    }
    all
}

/// Keys of a form that are no keys of a value.
fn is_mark(key: &str) -> bool {
    ["|", "*", "[]"].contains(&key)
}

/// What of a value is not of a form; paths with what is wrong there.
pub(crate) fn faults(value: &Value, form: &Value, path: &str) -> Vec<String> {
    let own = shape(value);
    match (value, form) {
        (Value::Object(fields), Value::Object(form)) => {
            let known =
                |key: &str| form.get(key).or_else(|| form.get(&format!("{key}?"))).or_else(|| form.get("*"));
            let mut found: Vec<String> = fields
                .iter()
                .flat_map(|(key, value)| match known(key) {
                    Some(form) => faults(value, form, &format!("{path}.{key}")),
                    None => vec![format!("{path}.{key}: the server never sends it")],
                })
                .collect();
            let missing =
                form.keys().filter(|key| !is_mark(key) && !key.ends_with('?') && !fields.contains_key(*key));
            found.extend(missing.map(|key| format!("{path}.{key}: the server always sends it")));
            found
        }
        (Value::Array(_), Value::Object(form)) if form.contains_key("[]") => {
            faults(value, &json!([form.get("[]")]), path)
        }
        (_, Value::Object(form)) => {
            let or = form.get("|").and_then(Value::as_str).unwrap_or_default();
            if or.split('|').any(|name| own == name) { Vec::new() } else { vec![format!("{path}: is {own}")] }
        }
        (Value::Array(items), Value::Array(form)) => {
            let form = form.first().cloned().unwrap_or(json!("nothing"));
            let each = items.iter().enumerate();
            each.flat_map(|(at, item)| faults(item, &form, &format!("{path}[{at}]"))).collect()
        }
        (_, Value::String(names)) if names.split('|').any(|name| own == name) => Vec::new(),
        _ => vec![format!("{path}: is {own}, must be {form}")],
    }
}

#[test]
fn forms_say_what_may_be_and_what_is_wrong() {
    let one = shape(&json!({ "a": 1, "b": null, "c": [{ "x": "t" }] }));
    let two = shape(&json!({ "a": 2, "b": "t", "c": [{ "x": null, "y": 1 }, { "x": "s" }] }));
    let both = join(one, two);
    assert_eq!(
        both,
        json!({ "a": "number", "b": "null|string", "c": [{ "x": "null|string", "y?": "number" }] })
    );
    assert_eq!(faults(&json!({ "a": 3, "b": null, "c": [] }), &both, ""), Vec::<String>::new());
    let named =
        join(shape(&json!({ "fields": { "x": 1 }, "l": null })), shape(&json!({ "fields": {}, "l": ["t"] })));
    assert_eq!(named, json!({ "fields": { "*": "number" }, "l": { "|": "null", "[]": "string" } }));
    for fits in [json!({ "fields": { "other": 2 }, "l": ["s"] }), json!({ "fields": {}, "l": null })] {
        assert_eq!(faults(&fits, &named, ""), Vec::<String>::new());
    }
    for (wrong, count) in [
        (json!({ "a": "t", "b": null, "c": [] }), 1),
        (json!({ "a": 1, "c": [] }), 1),
        (json!({ "a": 1, "b": null, "c": [{ "x": 1, "z": 1 }] }), 2),
        (json!([]), 1),
        (json!({ "a": 1, "b": null, "c": null }), 1),
    ] {
        assert_eq!(faults(&wrong, &both, "").len(), count, "{wrong}: {:?}", faults(&wrong, &both, ""));
    }
}
