//! What went wrong between device and edge, as a code and what to do about it.
//!
//! Everything that a clock can cause says so, with the time here: it is the fault that people find last. An answer
//! that nobody proved never counts for more than a refusal.

use super::custody::key_error;
use super::home::broken;
use super::transport::Http;
use crate::codes::Code;
use crate::error::CliError;
use glacis_dtx::{EnrolError, KeyError, SessionError, VaultError};
use glacis_sdk::{FlowError, FlowErrorKind};
use glacis_wire::Timestamp;
use glacis_wire::http::{REFERENCE, Response};
use glacis_wire::message::refusal::Refusal;
use std::error::Error;

impl Http {
    /// The last request got no answer.
    pub(super) fn unreachable(&self) -> CliError {
        let why = self.lost.as_deref().unwrap_or("no answer");
        CliError::new(Code::Unreachable, format!("nobody answers at {}: {why}", self.authority()))
            .help("start the edge (`glacis serve` or `glacis protect`), or look at the address")
    }

    fn clock(&self, now: Timestamp) -> CliError {
        let there = match &self.date {
            Some(date) => format!("at {} it is {date}", self.authority()),
            None => format!("{} is more than its tolerance away", self.authority()),
        };
        CliError::new(
            Code::DeviceClock,
            format!("the clocks disagree: here it is {}, {there}", now.rfc3339()),
        )
    }
}

/// A flow that ended without a decision.
pub(super) fn flow(http: &Http, error: FlowError, now: Timestamp) -> CliError {
    let told = match error.kind() {
        FlowErrorKind::Unreachable => http.unreachable(),
        FlowErrorKind::Refused(refusal) => return refusal_error(http, refusal, &error.to_string(), now),
        FlowErrorKind::Exhausted => match exhausted(&error) {
            Some(refusal) => return refusal_error(http, refusal, &error.to_string(), now),
            None => CliError::new(Code::DeviceRefused, error.to_string()),
        },
        FlowErrorKind::NotEnrolled => CliError::new(Code::DeviceMissing, "the device is not enrolled"),
        FlowErrorKind::Stale => http.clock(now),
        FlowErrorKind::Unverifiable => match cause::<EnrolError>(&error) {
            Some(EnrolError::Expired) => http.clock(now),
            Some(EnrolError::Untrusted(_)) => {
                let what = "the enrolment is not signed under the key set that this device trusts";
                CliError::new(Code::DevicePin, what)
            }
            _ => unverified(http, &error),
        },
        FlowErrorKind::Mismatched => unverified(http, &error),
        FlowErrorKind::Unreadable => {
            CliError::new(Code::BadAnswer, format!("{} is no edge of this version", http.authority()))
        }
        FlowErrorKind::Unpublishable => CliError::new(
            Code::DevicePin,
            format!("what {} publishes is refused: {}", http.authority(), why(&error)),
        ),
        FlowErrorKind::Custody => match (vault(&error), key(&error)) {
            (Some(error), _) => broken(error),
            (None, Some(error)) => key_error(error),
            (None, None) => CliError::new(Code::DeviceBroken, format!("the device's keys: {}", why(&error))),
        },
        FlowErrorKind::Unattested => CliError::new(Code::DeviceKeys, why(&error)).help(
            "nothing was enrolled; `glacis device enrol --evidence none` enrols as software, if that is what you want",
        ),
        FlowErrorKind::TooLarge | FlowErrorKind::Misuse => CliError::new(Code::Argument, why(&error)),
        _ => CliError::new(Code::Internal, why(&error)),
    };
    told.caused_by(error)
}

/// An answer of an own endpoint that is not the wanted one.
pub(super) fn refused(http: &Http, response: &Response) -> CliError {
    let reference = response.header(REFERENCE).unwrap_or("none");
    let what = format!("{} answers {} (reference {reference})", http.authority(), response.status);
    match response.status {
        503 => CliError::new(Code::Overloaded, what)
            .help("the edge has no policy yet, or has lost its cloud; publish a policy, then try again"),
        404 | 405 => CliError::new(Code::BadAnswer, format!("{} is no edge of ours", http.authority())),
        _ => CliError::new(Code::DeviceRefused, what),
    }
}

fn refusal_error(http: &Http, refusal: Refusal, what: &str, now: Timestamp) -> CliError {
    let what = format!("{} refused: {what}", http.authority());
    match refusal {
        Refusal::SignatureExpired => http.clock(now),
        Refusal::Unavailable | Refusal::Overloaded | Refusal::Upstream => {
            CliError::new(Code::Overloaded, what)
        }
        Refusal::DeviceRefused | Refusal::SessionRefused | Refusal::EnrolmentRefused => {
            CliError::new(Code::DeviceRefused, what).help(
                "this device was revoked, or is unknown there; `glacis device forget`, then enrol again",
            )
        }
        _ => CliError::new(Code::DeviceRefused, what),
    }
}

fn unverified(http: &Http, error: &FlowError) -> CliError {
    CliError::new(
        Code::DeviceAnswer,
        format!("what {} answers is not proven: {}", http.authority(), why(error)),
    )
}

/// The error with what caused it.
fn why(error: &FlowError) -> String {
    error.source().map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
}

/// The refusal that a flow met too often.
fn exhausted(error: &FlowError) -> Option<Refusal> {
    match cause::<FlowError>(error)?.kind() {
        FlowErrorKind::Refused(refusal) => Some(refusal),
        _ => None,
    }
}

/// The key store's own error, however deep.
fn key(error: &FlowError) -> Option<&KeyError> {
    let mut next = error.source();
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<KeyError>() {
            return Some(found);
        }
        // As in `vault`.
        match (error.downcast_ref::<SessionError>(), error.downcast_ref::<EnrolError>()) {
            (Some(SessionError::Key(found)), _) | (_, Some(EnrolError::Key(found))) => return Some(found),
            _ => next = error.source(),
        }
    }
    None
}

/// The vault's own error, however deep.
fn vault(error: &FlowError) -> Option<&VaultError> {
    let mut next = error.source();
    while let Some(error) = next {
        // Transparent errors hand on their source as their own, so each layer is looked at by itself.
        if let Some(found) = error.downcast_ref::<VaultError>() {
            return Some(found);
        }
        next = match (error.downcast_ref::<SessionError>(), error.downcast_ref::<KeyError>()) {
            (Some(SessionError::Vault(found) | SessionError::Key(KeyError::Vault(found))), _)
            | (_, Some(KeyError::Vault(found))) => return Some(found),
            _ => match error.downcast_ref::<EnrolError>() {
                Some(EnrolError::Vault(found) | EnrolError::Key(KeyError::Vault(found))) => {
                    return Some(found);
                }
                _ => error.source(),
            },
        };
    }
    None
}

fn cause<T: Error + 'static>(error: &FlowError) -> Option<&T> {
    error.source().and_then(|cause| cause.downcast_ref())
}
