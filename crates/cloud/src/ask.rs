//! Questions of backends: an event that no edge saw, decided by the same code over facts that we build.
//!
//! A backend may state the event, its principal and the signals of zone `request` that the policy's catalogue
//! declares, each in its declared type and within its limits; nothing else. A declared signal that it does not state
//! is `missing`, as for an edge that does not find the field. There is no device: tier `none`, nothing signed,
//! received now. The answer is bound to the digest of the action, as every decision is.
//!
//! An idempotency key makes the answer itself repeatable, byte for byte: it is kept in the transaction of the
//! decision. Without one, the event id still counts once and gives the same verdict again.

use crate::core::{CloudCore, Tx};
use crate::decide::Prepared;
use crate::error::{CloudError, CloudErrorKind};
use crate::state::facts_of;
use crate::store::int;
use glacis_compiler::catalogue::{Birth, Catalogue, Origin};
use glacis_compiler::full::time_value;
use glacis_policy::Obligations;
use glacis_wire::limits::{LIST_ITEMS_MAX, PRINCIPAL_BYTES_MAX, VALUE_BYTES_MAX};
use glacis_wire::message::decide::{DEVICE_ZONE, DecideAnswer, EventFacts, SignalAnswer};
use glacis_wire::message::refusal::Refusal;
use glacis_wire::message::{List, Text};
use glacis_wire::{
    Answer, Cause, Digest, EventId, EventName, NodeName, PolicyDigest, Reference, SignalName, Tier,
    Timestamp, Trust, Type, Value, Verdict,
};
use rusqlite::{OptionalExtension as _, params};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

/// Name in records of whoever asks here.
const NODE: &str = "api";
/// Life of a verdict. Source: DESIGN §5.3 step 4, at most 60 s.
const VERDICT_LIFE: Duration = Duration::from_secs(60);
/// How long an answer is given again under its key. Source: what clients of other APIs expect, a day.
const KEY_LIFE: Duration = Duration::from_secs(86_400);
/// Answers kept; beyond it the oldest go first. About 700 bytes each.
const KEYS_MAX: i64 = 1_000_000;
/// Rows that one new key looks at for ends of life; more than one, so that the table shrinks.
const SWEEP_ROWS: i64 = 16;

/// What a backend wants to know.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// Which event.
    pub event: EventName,
    /// Names the user action; the same over retries.
    pub event_id: EventId,
    /// SHA-256 of the action.
    pub content: Digest,
    /// The user, as the backend authenticated them.
    pub principal: Option<String>,
    /// Signals of zone `request`, at most once each; `null` says that there is none.
    pub fields: BTreeMap<String, serde_json::Value>,
    /// Whether the action has no device at all (`absent`), not just none that we know of (`withheld`).
    pub no_device_zone: bool,
}

/// What a backend is told.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// The verdict.
    pub verdict: Verdict,
    /// What may be quoted.
    pub reference: Reference,
    /// Duties of the rules that matched.
    pub obligations: Obligations,
    /// Digest that it is bound to.
    pub content: Digest,
    /// Void afterwards.
    pub not_after: Timestamp,
    /// Whether the verdict was given before.
    pub repeated: bool,
    /// The policy that decided.
    pub policy: PolicyDigest,
    /// Its version, as long as it is in force.
    pub version: Option<u64>,
}

/// One use of an idempotency key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Once {
    /// Whose key it is.
    pub bearer: u64,
    /// The key.
    pub key: String,
    /// Digest of the request.
    pub request: Digest,
}

/// An answer as it was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// HTTP status.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

/// Signals that a question may state, of one policy.
#[derive(Debug)]
pub(crate) struct Askable {
    fields: BTreeMap<SignalName, Declared>,
    principal_max: usize,
}

#[derive(Clone, Copy, Debug)]
struct Declared {
    ty: Type,
    bytes_max: usize,
    items_max: usize,
}

impl CloudCore {
    /// Decides what is asked; `render` makes the answer's bytes, which a key has given again.
    pub fn ask(
        &mut self,
        question: &Question,
        once: Option<&Once>,
        render: impl FnOnce(Result<&Told, Refusal>) -> Sent,
    ) -> Result<Sent, CloudError> {
        self.call(|tx| {
            if let Some(once) = once
                && let Some(sent) = tx.sent_before(once)?
            {
                return Ok(sent);
            }
            let prepared = tx.facts_of_question(question)?;
            let sent = match tx.decide(&prepared)? {
                DecideAnswer::Refused(refusal) => render(Err(refusal)),
                DecideAnswer::Decided(decided) => {
                    let told = tx.told(&decided.reference, decided.repeated)?;
                    render(Ok(&told))
                }
            };
            if let Some(once) = once {
                tx.keep_sent(once, &sent)?;
            }
            Ok(sent)
        })
    }
}

impl Askable {
    pub(crate) fn of(catalogue: &Catalogue) -> Self {
        let mut askable = Self { fields: BTreeMap::new(), principal_max: PRINCIPAL_BYTES_MAX };
        for (name, signal) in catalogue.signals() {
            match (&signal.origin, signal.birth) {
                (Origin::Principal, _) => {
                    let max = signal.max_bytes.unwrap_or(PRINCIPAL_BYTES_MAX);
                    askable.principal_max = max.min(PRINCIPAL_BYTES_MAX);
                }
                (Origin::Observed, Birth::Request) => {
                    let bytes_max = signal.max_bytes.unwrap_or(VALUE_BYTES_MAX).min(VALUE_BYTES_MAX);
                    let items_max = signal.max_items.unwrap_or(LIST_ITEMS_MAX).min(LIST_ITEMS_MAX);
                    askable.fields.insert(name.clone(), Declared { ty: signal.ty, bytes_max, items_max });
                }
                _ => {}
            }
        }
        askable
    }

    fn principal(&self, question: &Question) -> Result<Option<Text<PRINCIPAL_BYTES_MAX>>, CloudError> {
        match &question.principal {
            None => Ok(None),
            Some(user) if !user.is_empty() && user.len() <= self.principal_max => {
                Ok(Some(Text(user.clone())))
            }
            Some(_) => {
                let detail = format!("a principal has 1 to {} bytes", self.principal_max);
                Err(CloudError::new(CloudErrorKind::Unprocessable, detail).at("/principal"))
            }
        }
    }

    /// Every declared signal with what the question says of it.
    fn stated(&self, question: &Question) -> Result<Vec<SignalAnswer>, CloudError> {
        for name in question.fields.keys() {
            let known = SignalName::parse(name).is_ok_and(|name| self.fields.contains_key(&name));
            if !known {
                let detail = "the catalogue declares no such signal of zone `request`";
                return Err(CloudError::new(CloudErrorKind::Unprocessable, detail).at(pointer(name)));
            }
        }
        let answer = |(name, declared): (&SignalName, &Declared)| {
            let answer = match question.fields.get(name.as_str()) {
                None | Some(serde_json::Value::Null) => Answer::Missing,
                Some(value) => Answer::Value(declared.value(value).map_err(|wrong| {
                    CloudError::new(CloudErrorKind::Unprocessable, wrong).at(pointer(name.as_str()))
                })?),
            };
            Ok(SignalAnswer { signal: name.clone(), answer })
        };
        self.fields.iter().map(answer).collect()
    }
}

impl Declared {
    /// The value in its declared type; else what is wrong, without the value.
    fn value(&self, json: &serde_json::Value) -> Result<Value, String> {
        let Some(element) = self.ty.element() else { return self.scalar(self.ty, json) };
        match json {
            serde_json::Value::Array(items) if items.len() > self.items_max => {
                Err(format!("more than {} items", self.items_max))
            }
            serde_json::Value::Array(items) => {
                let items = items.iter().map(|item| self.scalar(element, item)).collect::<Result<_, _>>()?;
                Ok(Value::List(items))
            }
            _ => Err(format!("not a `{}`", self.ty.name())),
        }
    }

    fn scalar(&self, ty: Type, json: &serde_json::Value) -> Result<Value, String> {
        let value = match ty {
            Type::Bool => json.as_bool().map(Value::Bool),
            Type::Int => {
                let integral = || json.as_f64().filter(|_| !json.is_u64()).and_then(integral);
                json.as_i64().or_else(integral).map(Value::Int)
            }
            Type::Double => double(json).map(Value::Double),
            Type::Uint => json.as_u64().map(Value::Uint),
            Type::Bytes => json.as_str().map(|text| Value::Bytes(text.as_bytes().to_vec())),
            Type::Timestamp | Type::Duration => json.as_str().and_then(|text| time_value(ty, text)),
            _ => json.as_str().map(|text| Value::String(text.to_owned())),
        };
        let length = match &value {
            Some(Value::String(text)) => text.len(),
            Some(Value::Bytes(bytes)) => bytes.len(),
            _ => 0,
        };
        match value {
            _ if length > self.bytes_max => Err(format!("longer than {} bytes", self.bytes_max)),
            Some(value) => Ok(value),
            None => Err(format!("not a `{}`", self.ty.name())),
        }
    }
}

/// The integer that the double is, where doubles are exact: JSON has one kind of number, and `5.0` is 5.
pub(crate) fn integral(value: f64) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    #[expect(clippy::cast_possible_truncation, reason = "whole and below 2^53")]
    (value.fract() == 0.0 && value.abs() <= EXACT).then_some(value as i64)
}

/// The double that the number is. Source: IEEE 754 binary64 holds integers up to 2^53 exactly.
fn double(json: &serde_json::Value) -> Option<f64> {
    let whole = json.as_i64().map(i64::unsigned_abs).or_else(|| json.as_u64());
    json.as_f64().filter(|_| whole.is_none_or(|whole| whole <= 1 << 53))
}

/// RFC 6901.
fn pointer(field: &str) -> String {
    format!("/fields/{}", field.replace('~', "~0").replace('/', "~1"))
}

impl Tx<'_> {
    /// As an edge would state it; of an event that is known, as it was stated then, if it is the same.
    fn facts_of_question(&self, question: &Question) -> Result<Prepared<'static>, CloudError> {
        let live = self.desk.state.shelf.live();
        let mut policies = live.into_iter().flat_map(|release| &release.policies);
        let policy = policies.find(|policy| *policy.slice.event() == question.event).ok_or_else(|| {
            let detail = format!("no policy in force decides `{}`", question.event);
            CloudError::new(CloudErrorKind::NoPolicy, detail).at("/event")
        })?;
        let absent = SignalAnswer {
            signal: SignalName::parse(DEVICE_ZONE).map_err(|error| CloudError::corrupt(error.to_string()))?,
            answer: Answer::unknown(Cause::Absent),
        };
        let facts = EventFacts {
            event: question.event.clone(),
            policy: policy.slice.policy(),
            thumbprint: None,
            tier: Tier::None,
            trust: Trust::Claimed,
            event_id: question.event_id,
            content: question.content,
            principal: policy.askable.principal(question)?,
            received: self.now,
            disclosed: None,
            fields: List(policy.askable.stated(question)?),
            observed: List(if question.no_device_zone { vec![absent] } else { Vec::new() }),
            passed: None,
            node: NodeName::parse(NODE).map_err(|error| CloudError::corrupt(error.to_string()))?,
        };
        let prepared = Prepared::new(Cow::Owned(facts))?;
        match self.stated_before(&prepared)? {
            None => Ok(prepared),
            Some(before) => Prepared::new(Cow::Owned(before)),
        }
    }

    /// The facts of the event that was logged under this id, where they state the same action. A catalogue that
    /// declares one signal more since then makes no other action of a retry.
    fn stated_before(&self, prepared: &Prepared<'_>) -> Result<Option<EventFacts>, CloudError> {
        let facts = &*prepared.facts;
        let Some(known) = self.known(prepared)? else { return Ok(None) };
        let sql = "SELECT facts_bytes FROM event WHERE seq = ?1";
        let bytes: Vec<u8> =
            self.log()?.prepare_cached(sql)?.query_row([int(known.seq)], |row| row.get(0))?;
        let before = facts_of(&bytes)?;
        let says = |facts: &EventFacts| -> Vec<SignalAnswer> {
            let mut said: Vec<_> =
                facts.fields.iter().filter(|field| field.answer != Answer::Missing).cloned().collect();
            said.sort_by(|a, b| a.signal.cmp(&b.signal));
            said
        };
        let same = before.event == facts.event
            && before.content == facts.content
            && before.principal == facts.principal
            && says(&before) == says(facts);
        Ok(same.then_some(before))
    }

    fn told(&self, reference: &Reference, repeated: bool) -> Result<Told, CloudError> {
        let decision = self.decision_of(reference)?;
        let facts = &decision.record.facts;
        let holds = |release: &&std::sync::Arc<crate::policy::Release>| {
            release.policies.iter().any(|policy| policy.slice.policy() == facts.policy)
        };
        let version = self.desk.state.shelf.releases().iter().rev().find(holds).map(|found| found.version);
        Ok(Told {
            verdict: decision.record.verdict,
            reference: *reference,
            obligations: decision.settled.map_or(Obligations::NONE, |settled| settled.obligations),
            content: facts.content,
            not_after: self.now.after(VERDICT_LIFE),
            repeated,
            policy: facts.policy,
            version,
        })
    }

    /// What was answered under this key.
    fn sent_before(&self, once: &Once) -> Result<Option<Sent>, CloudError> {
        let sql = "SELECT request, status, body FROM idempotency WHERE bearer = ?1 AND key = ?2 AND at > ?3";
        let since = int(self.now.before(KEY_LIFE).as_ms());
        let found = self
            .conn
            .prepare_cached(sql)?
            .query_row(params![int(once.bearer), once.key, since], |row| {
                Ok((row.get::<_, [u8; 32]>(0)?, Sent { status: row.get(1)?, body: row.get(2)? }))
            })
            .optional()?;
        match found {
            None => Ok(None),
            Some((request, sent)) if Digest::new(request) == once.request => Ok(Some(sent)),
            Some(_) => {
                let detail = "the key was used for another request; take a new key for a new request";
                Err(CloudError::new(CloudErrorKind::KeyReused, detail))
            }
        }
    }

    fn keep_sent(&self, once: &Once, sent: &Sent) -> Result<(), CloudError> {
        let end = int(self.now.before(KEY_LIFE).as_ms());
        let sql = "DELETE FROM idempotency WHERE id <= (SELECT coalesce(max(id), 0) FROM idempotency) - ?1 \
                   OR id IN (SELECT id FROM (SELECT id, at FROM idempotency ORDER BY id LIMIT ?2) WHERE at <= ?3)";
        self.conn.prepare_cached(sql)?.execute(params![KEYS_MAX - 1, SWEEP_ROWS, end])?;
        let sql = "INSERT INTO idempotency (bearer, key, request, at, status, body) \
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (bearer, key) DO UPDATE \
                   SET request = excluded.request, at = excluded.at, status = excluded.status, body = excluded.body";
        self.conn.prepare_cached(sql)?.execute(params![
            int(once.bearer),
            once.key,
            once.request.as_bytes(),
            int(self.now.as_ms()),
            sent.status,
            sent.body,
        ])?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn declared(ty: Type) -> Declared {
        Declared { ty, bytes_max: 4, items_max: 2 }
    }

    #[test]
    fn a_value_has_its_declared_type_and_limits_or_is_refused() {
        for (ty, value, want) in [
            (Type::Bool, json!(true), Some(Value::Bool(true))),
            (Type::Bool, json!(1), None),
            (Type::Int, json!(-5), Some(Value::Int(-5))),
            (Type::Int, json!(5.0), Some(Value::Int(5))),
            (Type::Int, json!(5.5), None),
            (Type::Int, json!(1e300), None),
            (Type::Int, json!("5"), None),
            (Type::Int, json!(u64::MAX), None),
            (Type::Double, json!(5), Some(Value::Double(5.0))),
            (Type::Double, json!(0.5), Some(Value::Double(0.5))),
            (Type::Double, json!((1_u64 << 53) + 1), None),
            (Type::Double, json!(u64::MAX), None),
            (Type::String, json!("abcd"), Some(Value::String("abcd".to_owned()))),
            (Type::String, json!("abcde"), None),
            (Type::String, json!("äöü"), None),
            (Type::IntList, json!([1, 2]), Some(Value::List(vec![Value::Int(1), Value::Int(2)]))),
            (Type::IntList, json!([1, 2, 3]), None),
            (Type::IntList, json!([1, "2"]), None),
            (Type::IntList, json!(1), None),
            (Type::StringList, json!(["abcde"]), None),
            (Type::StringList, json!([["a"]]), None),
            (Type::String, json!({}), None),
        ] {
            assert_eq!(declared(ty).value(&value).ok(), want, "{} {value}", ty.name());
        }
    }

    #[test]
    fn a_pointer_escapes_what_rfc_6901_says() {
        assert_eq!(pointer("a/b~c"), "/fields/a~1b~0c");
    }
}
