//! Between the words of the SDK and those of the interface, in both directions.
//!
//! What an app gives is checked here: a name that is none is an error that says which, before anything is signed. The rest
//! is copied as it is, since the layers below check it for every caller.

use crate::remedy;
use crate::surface::error::GlacisError;
use crate::surface::types::{
    Action, Appraised, Enrolment, HttpHeader, HttpRequest, HttpResponse, Method, Outcome, Prompt,
    SignalValue, Status, Verdict,
};
use glacis_sdk::flow::enrol::Appraised as Found;
use glacis_sdk::{Answered, SignalSet};
use glacis_wire::http::{Request, Response};
use glacis_wire::{Answer, EventName, SignalName, Value};
use std::collections::{BTreeMap, HashMap};

pub(crate) fn request_out(request: Request) -> HttpRequest {
    let Request { method, authority, path, query, headers, body } = request;
    HttpRequest { method, authority, path, query, headers: headers_out(headers), body }
}

fn request_in(request: HttpRequest) -> Request {
    let HttpRequest { method, authority, path, query, headers, body } = request;
    Request { method, authority, path, query, headers: headers_in(headers), body }
}

pub(crate) fn response_in(response: HttpResponse) -> Response {
    let HttpResponse { status, headers, body } = response;
    Response { status, headers: headers_in(headers), body }
}

fn response_out(response: Response) -> HttpResponse {
    let Response { status, headers, body } = response;
    HttpResponse { status, headers: headers_out(headers), body }
}

fn headers_out(headers: Vec<(String, String)>) -> Vec<HttpHeader> {
    headers.into_iter().map(|(name, value)| HttpHeader { name, value }).collect()
}

fn headers_in(headers: Vec<HttpHeader>) -> Vec<(String, String)> {
    headers.into_iter().map(|header| (header.name, header.value)).collect()
}

pub(crate) fn prompt_out(prompt: glacis_sdk::Prompt) -> Prompt {
    let webauthn = prompt.webauthn.map(|challenge| challenge.as_bytes().to_vec());
    Prompt { method: method_out(prompt.method), message: prompt.message, webauthn }
}

const fn method_out(method: glacis_wire::Method) -> Method {
    match method {
        glacis_wire::Method::Otp => Method::Otp,
        glacis_wire::Method::Passkey => Method::Passkey,
    }
}

const fn verdict_out(verdict: glacis_wire::Verdict) -> Verdict {
    match verdict {
        glacis_wire::Verdict::Allow => Verdict::Allow,
        glacis_wire::Verdict::Challenge(method) => Verdict::Challenge { method: method_out(method) },
        glacis_wire::Verdict::Block => Verdict::Block,
    }
}

pub(crate) fn outcome_out(outcome: glacis_sdk::Outcome) -> Outcome {
    Outcome {
        verdict: verdict_out(outcome.verdict),
        on_device: outcome.zone == Answered::Device,
        event_id: outcome.event_id.to_string(),
        reference: outcome.reference.map(|reference| reference.text()),
        response: outcome.response.map(response_out),
    }
}

pub(crate) fn appraised_out(found: Found) -> Appraised {
    Appraised {
        device: found.thumbprint.to_string(),
        tier: found.tier.name().to_owned(),
        trust: found.trust.name().to_owned(),
    }
}

pub(crate) fn status(client: &mut glacis_sdk::Client) -> Status {
    let enrolled = client.line().enrolment().map(|enrolled| {
        let result = enrolled.result();
        let found = Found { thumbprint: enrolled.thumbprint(), tier: result.tier, trust: result.trust };
        Enrolment { appraised: appraised_out(found), not_after_ms: enrolled.not_after().as_ms() }
    });
    Status {
        enrolled,
        is_behind: client.is_behind(),
        records: u64::try_from(client.records()).unwrap_or(u64::MAX),
        dropped: client.dropped(),
    }
}

/// The action, and the signals that it is judged on.
pub(crate) fn action_in(action: Action) -> Result<(glacis_sdk::Action, SignalSet), GlacisError> {
    let Action { event, request, signals, said } = action;
    let event = EventName::parse(&event).map_err(|error| remedy::name(&event, &error))?;
    let signals = answers(signals)?.into_iter().collect();
    let action = glacis_sdk::Action { event, request: request_in(request), said: answers(said)? };
    Ok((action, signals))
}

fn answers(values: HashMap<String, SignalValue>) -> Result<BTreeMap<SignalName, Answer>, GlacisError> {
    let parsed = values.into_iter().map(|(name, value)| match SignalName::parse(&name) {
        Ok(signal) => Ok((signal, answer(value))),
        Err(error) => Err(remedy::name(&name, &error)),
    });
    parsed.collect()
}

fn answer(value: SignalValue) -> Answer {
    Answer::Value(match value {
        SignalValue::Truth { value } => Value::Bool(value),
        SignalValue::Int { value } => Value::Int(value),
        SignalValue::Uint { value } => Value::Uint(value),
        SignalValue::Double { value } => Value::Double(value),
        SignalValue::Text { value } => Value::String(value),
        SignalValue::Bytes { value } => Value::Bytes(value),
        SignalValue::Texts { value } => Value::List(value.into_iter().map(Value::String).collect()),
        SignalValue::Missing => return Answer::Missing,
    })
}
