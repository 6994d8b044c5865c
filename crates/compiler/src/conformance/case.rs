//! One conformance case and the reader of a file of them.
//!
//! Values and types are proto JSON: 64-bit integers are strings, bytes are base64, what is absent is the default.
//! A value or a type that the profile `full` does not have (a message) is `None`, and so is a case that needs one.

use crate::full::{Duration, Env, Key, Library, Map, Signature, Timestamp, Type, Value, bytes_of};
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::fmt;

/// One case, as it was read.
#[derive(Clone, Debug)]
pub struct Case {
    file: String,
    section: String,
    name: String,
    pub(super) origin: Origin,
    scope: String,
    fields: Json,
}

/// Where a case comes from, and so what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// It has a value or an error.
    Spec,
    /// It has a parse tree and a type, or an error of the checker.
    Go,
}

/// What a case wants of an evaluation.
#[derive(Clone, Debug)]
pub(super) enum Want {
    Value(Value),
    Error,
    /// A value that only messages have.
    Message,
}

/// A file is no file of cases.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CorpusError(String);

impl fmt::Display for CorpusError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for CorpusError {}

impl Case {
    /// Reads the cases of one file.
    ///
    /// # Errors
    /// The text is not JSON, or not of the form of such a file.
    pub fn read(text: &str) -> Result<Vec<Self>, CorpusError> {
        let file: Json = serde_json::from_str(text).map_err(|error| CorpusError(error.to_string()))?;
        let missing = |what: &str| CorpusError(format!("`{what}` is missing or no text"));
        let word = |json: &Json, key: &str| json.get(key).and_then(Json::as_str).map(str::to_owned);
        let name = word(&file, "file").ok_or_else(|| missing("file"))?;
        let origin = if file.get("origin").and_then(Json::as_str) == Some("cel-go") {
            Origin::Go
        } else {
            Origin::Spec
        };
        let sections = file.get("sections").and_then(Json::as_array).ok_or_else(|| missing("sections"))?;
        let mut cases = Vec::new();
        for section in sections {
            let section_name = word(section, "name").unwrap_or_default();
            let mut seen: BTreeMap<String, usize> = BTreeMap::new();
            for fields in section.get("tests").and_then(Json::as_array).into_iter().flatten() {
                let own = word(fields, "name").unwrap_or_default();
                let count = seen.entry(own.clone()).or_default();
                *count += 1;
                let name_of = if *count == 1 && !own.is_empty() { own } else { format!("{own}#{count}") };
                word(fields, "expr").ok_or_else(|| missing("expr"))?;
                cases.push(Self {
                    file: name.clone(),
                    section: section_name.clone(),
                    name: name_of,
                    origin,
                    scope: word(fields, "scope").unwrap_or_else(|| "core".to_owned()),
                    fields: fields.clone(),
                });
            }
        }
        Ok(cases)
    }

    /// The file's name.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The case's name, with a number where a section has it twice.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// File, section and name: unique.
    pub fn id(&self) -> String {
        format!("{}/{}/{}", self.file, self.section, self.name)
    }

    /// The expression.
    pub fn expr(&self) -> &str {
        self.text("expr").unwrap_or("")
    }

    /// `core`, `proto`, or `ext:` and a library.
    pub fn scope(&self) -> &str {
        &self.scope
    }

    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.fields.get(key).and_then(Json::as_str)
    }

    pub(super) fn flag(&self, key: &str) -> bool {
        self.fields.get(key).and_then(Json::as_bool).unwrap_or(false)
    }

    /// The type that the case deduces, as text; cel-spec's own word before cel-go's.
    pub(super) fn deduced(&self) -> Option<String> {
        let own = self.fields.get("typedResult").and_then(|typed| typed.get("deducedType"));
        match own {
            Some(json) => ty(json).map(|ty| ty.to_string()),
            None => self.text("type").map(str::to_owned),
        }
    }

    /// Whether cel-go refused it only for an option or a limit of its own test.
    pub(super) fn failed_by_option(&self) -> bool {
        let error = self.text("checkError").unwrap_or("");
        OPTIONS.iter().any(|option| error.contains(option))
    }

    pub(super) fn want(&self) -> Want {
        if self.fields.get("evalError").is_some() {
            return Want::Error;
        }
        let given = self.fields.get("value");
        let given = given.or_else(|| self.fields.get("typedResult").and_then(|typed| typed.get("result")));
        match given {
            None => Want::Value(Value::Bool(true)),
            Some(json) => value(json).map_or(Want::Message, Want::Value),
        }
    }

    /// Values of variables; `None` where one is a message.
    pub(super) fn bindings(&self) -> Option<BTreeMap<String, Value>> {
        let bound = self.fields.get("bindings").and_then(Json::as_object).into_iter().flatten();
        bound.map(|(name, given)| Some((name.clone(), value(given.get("value")?)?))).collect()
    }

    /// The environment; `None` where a declaration needs a message.
    pub(super) fn env(&self) -> Option<Env> {
        let mut env = Env::new().container(self.text("container").unwrap_or(""));
        if self.flag("disableMacros") {
            env = env.without_macros();
        }
        if self.scope != "core" {
            env = Library::ALL.into_iter().fold(env, Env::library);
        }
        for declared in self.fields.get("typeEnv").and_then(Json::as_array).into_iter().flatten() {
            let name = declared.get("name").and_then(Json::as_str)?;
            if let Some(ident) = declared.get("ident") {
                env = env.variable(name, ty(ident.get("type")?)?);
            }
            let function = declared.get("function").and_then(|function| function.get("overloads"));
            for overload in function.and_then(Json::as_array).into_iter().flatten() {
                env = env.function(name, signature(overload)?);
            }
        }
        Some(env)
    }
}

fn signature(json: &Json) -> Option<Signature> {
    let parameters = json.get("params").and_then(Json::as_array).into_iter().flatten();
    Some(Signature {
        method: json.get("isInstanceFunction").and_then(Json::as_bool).unwrap_or(false),
        parameters: parameters.map(ty).collect::<Option<_>>()?,
        result: ty(json.get("resultType")?)?,
    })
}

/// A type in proto JSON.
fn ty(json: &Json) -> Option<Type> {
    let (kind, inner) = json.as_object()?.iter().next()?;
    let part = |key: &str| inner.get(key).map_or(Some(Type::Dyn), ty);
    Some(match kind.as_str() {
        "dyn" => Type::Dyn,
        "null" => Type::Null,
        "primitive" => match inner.as_str()? {
            "BOOL" => Type::Bool,
            "INT64" => Type::Int,
            "UINT64" => Type::Uint,
            "DOUBLE" => Type::Double,
            "STRING" => Type::String,
            "BYTES" => Type::Bytes,
            _ => return None,
        },
        "wellKnown" => match inner.as_str()? {
            "TIMESTAMP" => Type::Timestamp,
            "DURATION" => Type::Duration,
            _ => return None,
        },
        "messageType" => match inner.as_str()? {
            "google.protobuf.Timestamp" => Type::Timestamp,
            "google.protobuf.Duration" => Type::Duration,
            _ => return None,
        },
        "listType" => Type::list(part("elemType")?),
        "mapType" => Type::map(part("keyType")?, part("valueType")?),
        "type" => Type::Type(Box::new(if inner.as_object()?.is_empty() { Type::Dyn } else { ty(inner)? })),
        "typeParam" => Type::Param(inner.as_str()?.to_owned()),
        "abstractType" => {
            let of = inner.get("parameterTypes").and_then(Json::as_array).into_iter().flatten();
            Type::Opaque(inner.get("name")?.as_str()?.to_owned(), of.map(ty).collect::<Option<_>>()?)
        }
        _ => return None,
    })
}

/// A value in proto JSON.
fn value(json: &Json) -> Option<Value> {
    let (kind, inner) = json.as_object()?.iter().next()?;
    Some(match kind.as_str() {
        "nullValue" => Value::Null,
        "boolValue" => Value::Bool(inner.as_bool()?),
        "int64Value" => Value::Int(inner.as_str()?.parse().ok()?),
        "uint64Value" => Value::Uint(inner.as_str()?.parse().ok()?),
        "doubleValue" => Value::Double(match inner.as_str() {
            Some("NaN") => f64::NAN,
            Some("Infinity") => f64::INFINITY,
            Some("-Infinity") => f64::NEG_INFINITY,
            _ => inner.as_f64()?,
        }),
        "stringValue" => Value::text(inner.as_str()?),
        "bytesValue" => Value::bytes(&bytes_of(inner.as_str()?)?),
        "typeValue" => Value::Type(inner.as_str()?.into()),
        "listValue" => {
            let items = inner.get("values").and_then(Json::as_array).into_iter().flatten();
            Value::list(items.map(value).collect::<Option<Vec<_>>>()?)
        }
        "mapValue" => {
            let entries = inner.get("entries").and_then(Json::as_array).into_iter().flatten();
            let entry = |entry: &Json| Some((key(&value(entry.get("key")?)?)?, value(entry.get("value")?)?));
            Value::map(entries.map(entry).collect::<Option<Vec<_>>>()?)
        }
        "objectValue" => {
            let text = inner.get("value")?.as_str()?;
            match inner.get("@type")?.as_str()?.rsplit_once('/')?.1 {
                "google.protobuf.Timestamp" => Value::Timestamp(Timestamp::parse(text)?),
                "google.protobuf.Duration" => Value::Duration(Duration::parse(text)?),
                _ => return None,
            }
        }
        _ => return None,
    })
}

fn key(value: &Value) -> Option<Key> {
    Some(match value {
        Value::Bool(value) => Key::Bool(*value),
        Value::Int(value) => Key::Int(*value),
        Value::Uint(value) => Key::Uint(*value),
        Value::String(text) => Key::String(text.clone()),
        _ => return None,
    })
}

/// A value so that only values of one type and content have the same text; NaN equals itself here.
pub fn show(value: &Value) -> String {
    let joined = |items: Vec<String>| items.join(", ");
    let map = |map: &Map| {
        map.iter().map(|(key, value)| format!("{}: {}", show(&key.value()), show(value))).collect()
    };
    match value {
        Value::Null => "null".to_owned(),
        Value::Uint(value) => format!("{value}u"),
        Value::Double(value) => format!("{value:?}"),
        Value::String(text) => format!("{text:?}"),
        Value::Bytes(bytes) => format!("b\"{}\"", bytes.escape_ascii()),
        Value::Timestamp(at) => format!("timestamp({at})"),
        Value::Duration(span) => format!("duration({span})"),
        Value::List(items) => format!("[{}]", joined(items.iter().map(show).collect())),
        Value::Map(entries) => format!("{{{}}}", joined(map(entries))),
        Value::Type(name) => format!("type({name})"),
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
    }
}

/// What errors of cel-go say where an option or a limit of the test is the reason.
const OPTIONS: &[&str] =
    &["unsupported syntax: '`'", "recursion limit exceeded", "max recursion depth exceeded"];
