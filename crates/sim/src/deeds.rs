//! What users do, as the app's requests, and what those requests say as signals.
//!
//! The two views are made side by side from one deed: the check later holds what the gateway extracted from the
//! bytes against what was meant to be said.

use crate::schedule::Deed;
use crate::snapshots::text;
use glacis_sdk::Action;
use glacis_wire::http::Request;
use glacis_wire::id::NameError;
use glacis_wire::{Answer, EventName, SignalName, Value};
use std::collections::BTreeMap;

/// The currency of the demo.
const CURRENCY: &str = "EUR";

/// The app's own request for `deed` of `user`, unsigned and without authority.
pub fn request(deed: &Deed, user: &str, token: &str) -> Request {
    let bearer = ("authorization".to_owned(), format!("Bearer {token}"));
    match deed {
        Deed::View => Request {
            method: "GET".to_owned(),
            path: format!("/accounts/{user}"),
            headers: vec![bearer],
            ..Request::default()
        },
        Deed::Transfer { payee, amount } => Request {
            method: "POST".to_owned(),
            path: "/transfers".to_owned(),
            headers: vec![bearer, ("content-type".to_owned(), "application/json".to_owned())],
            body: serde_json::json!({ "payee": payee, "amount": amount, "currency": CURRENCY })
                .to_string()
                .into_bytes(),
            ..Request::default()
        },
    }
}

/// The event that `deed` is.
///
/// # Errors
/// Never: the names are constants.
pub fn event(deed: &Deed) -> Result<EventName, NameError> {
    EventName::parse(match deed {
        Deed::View => "account.view",
        Deed::Transfer { .. } => "payment.transfer",
    })
}

/// The guarded action for `deed`.
///
/// # Errors
/// As [`event`].
pub fn action(deed: &Deed, user: &str, token: &str) -> Result<Action, NameError> {
    Ok(Action { event: event(deed)?, request: request(deed, user, token), said: said(deed, user)? })
}

/// What the request says, as the edge will extract it.
///
/// # Errors
/// Never: the names are constants.
pub fn said(deed: &Deed, user: &str) -> Result<BTreeMap<SignalName, Answer>, NameError> {
    let mut said = BTreeMap::from([(SignalName::parse("user")?, text(user))]);
    if let Deed::Transfer { payee, amount } = deed {
        said.insert(SignalName::parse("payee")?, text(payee));
        said.insert(SignalName::parse("amount")?, Answer::Value(Value::Int(*amount)));
        said.insert(SignalName::parse("currency")?, text(CURRENCY));
    }
    Ok(said)
}
