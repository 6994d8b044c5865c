//! What an error of the layers below is called here, and what helps against it.
//!
//! Codes are stable: those of flows and refusals are the SDK's own names, those of key stores begin with `keys-`. The text
//! of a cause is the whole chain, so that a report from the field is enough.

use crate::surface::error::GlacisError;
use glacis_dtx::{CustodyErrorKind, EnrolError, KeyError, SessionError, VaultError};
use glacis_sdk::{FlowError, FlowErrorKind};
use glacis_wire::message::refusal::Refusal;
use glacis_wire::{DecodeError, NameError};
use std::error::Error;

/// Of a flow that ended without its end.
pub(crate) fn of_flow(error: &FlowError) -> GlacisError {
    if let Some(keys) = chain(error).find_map(key_error) {
        return of_keys(keys);
    }
    let (code, because) = (error.kind().name().to_owned(), told(error));
    let remedy = against(error.kind()).to_owned();
    match error.kind() {
        FlowErrorKind::Refused(_) => {
            let reference = error.reference().map(|reference| reference.text());
            GlacisError::Refused { code, because, remedy, reference }
        }
        FlowErrorKind::Custody => GlacisError::Storage { code, because, remedy },
        FlowErrorKind::Unattested => GlacisError::Keys { code, because, remedy },
        FlowErrorKind::Misuse | FlowErrorKind::TooLarge => GlacisError::Setup { code, because, remedy },
        _ => GlacisError::Undecided { code, because, remedy },
    }
}

/// Of the key store.
pub(crate) fn of_keys(error: &KeyError) -> GlacisError {
    let (code, remedy) = match error {
        KeyError::Custody(custody) => (of_custody(custody.kind()), custody.kind().remedy()),
        KeyError::Missing(_) => ("keys-missing", "enrol the device"),
        KeyError::Ended { .. } => ("keys-ended", "enrol the device anew: the key refuses for good"),
        KeyError::OtherCustody { .. } => (
            "keys-other-store",
            "open the client with the store that made its keys, or begin in a new folder",
        ),
        KeyError::InUse => ("keys-in-use", "shut the other client of this folder first"),
        KeyError::VerificationMissing(_) | KeyError::VerificationMismatch => {
            ("keys-verification", "ask the user, and reply to the prompt that is open")
        }
        KeyError::Vault(vault) => return storage(vault),
        _ => ("keys-failed", "look at what the store said"),
    };
    GlacisError::Keys { code: code.to_owned(), because: told(error), remedy: remedy.to_owned() }
}

const fn of_custody(kind: CustodyErrorKind) -> &'static str {
    match kind {
        CustodyErrorKind::Unavailable => "keys-unavailable",
        CustodyErrorKind::Gone => "keys-gone",
        CustodyErrorKind::Late => "keys-late",
        CustodyErrorKind::Busy => "keys-busy",
        CustodyErrorKind::PinMissing => "keys-pin-missing",
        CustodyErrorKind::PinWrong => "keys-pin-wrong",
        CustodyErrorKind::Locked => "keys-locked",
        CustodyErrorKind::KeyLost => "keys-lost",
        CustodyErrorKind::Full => "keys-full",
        CustodyErrorKind::Refused => "keys-refused",
        CustodyErrorKind::Unsupported => "keys-unsupported",
        CustodyErrorKind::Panicked => "keys-panicked",
        CustodyErrorKind::Lied => "keys-lied",
        _ => "keys-failed",
    }
}

const fn against(kind: FlowErrorKind) -> &'static str {
    match kind {
        FlowErrorKind::NotEnrolled => "enrol the device",
        FlowErrorKind::Refused(refusal) => against_refusal(refusal),
        FlowErrorKind::Unverifiable | FlowErrorKind::Mismatched | FlowErrorKind::Unreadable => {
            "believe nothing of the answer: something between the app and the edge made or changed it, or the key set is \
             another installation's"
        }
        FlowErrorKind::Stale => "try again; if it stays so, set the device's clock",
        FlowErrorKind::Unpublishable => {
            "keep the policy in force; tell the operator that a publication was refused"
        }
        FlowErrorKind::Unreachable | FlowErrorKind::Exhausted => "try again later",
        FlowErrorKind::Custody => {
            "look at the folder: its space, its permissions, who else put files into it"
        }
        FlowErrorKind::Unattested => "say that a platform attests only where it gives evidence",
        FlowErrorKind::TooLarge => "make the request smaller",
        FlowErrorKind::Entropy => "restart the device: it has no randomness",
        _ => "look at the order of calls",
    }
}

const fn against_refusal(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::PrefixLimited | Refusal::DeviceLimited => "wait, then try again",
        Refusal::Overloaded | Refusal::Unavailable | Refusal::Upstream => "try again later",
        Refusal::SignatureExpired => "send requests at once; if it stays so, set the device's clock",
        Refusal::DigestMismatch | Refusal::SignatureWrong | Refusal::SignatureCoverage => {
            "send the request exactly as the flow gave it"
        }
        Refusal::DeviceRefused | Refusal::SessionRefused => {
            "enrol the device anew; ask the operator if it stays so"
        }
        Refusal::PrincipalWrong => "sign the user in again",
        Refusal::NoRoute | Refusal::HeadTooLarge | Refusal::BodyTooLarge | Refusal::BodyUnreadable => {
            "look at the request: the edge has no such route, or cannot read it"
        }
        _ => "begin the action anew; quote the reference if it stays so",
    }
}

/// Of the folder.
pub(crate) fn storage(error: &(dyn Error + 'static)) -> GlacisError {
    let lost = matches!(error.downcast_ref(), Some(VaultError::KeyLost | VaultError::Sealed(_)));
    let remedy = if lost { "begin in a new folder, and enrol anew" } else { against(FlowErrorKind::Custody) };
    GlacisError::Storage { code: "storage".to_owned(), because: told(error), remedy: remedy.to_owned() }
}

pub(crate) fn key_set(error: &DecodeError) -> GlacisError {
    setup("key-set", told(error), "export it anew: `glacis keys export --raw`")
}

pub(crate) fn name(given: &str, error: &NameError) -> GlacisError {
    let shown: String = given.chars().take(SHOWN_MAX).collect();
    setup("name", format!("`{}`: {error}", shown.escape_debug()), "use the names of the policy")
}

pub(crate) fn busy() -> GlacisError {
    setup("busy", "another flow of this client runs".to_owned(), "end that flow, or cancel it")
}

pub(crate) fn shut() -> GlacisError {
    setup("shut", "the client was shut".to_owned(), "open it again")
}

pub(crate) fn ended() -> GlacisError {
    setup("ended", "the flow has ended".to_owned(), "begin another one")
}

fn setup(code: &str, because: String, remedy: &str) -> GlacisError {
    GlacisError::Setup { code: code.to_owned(), because, remedy: remedy.to_owned() }
}

/// The chain of causes as one text; a layer that only passes another one's words on says nothing twice.
fn told(error: &(dyn Error + 'static)) -> String {
    let mut texts: Vec<String> = Vec::new();
    for text in chain(error).map(ToString::to_string) {
        if texts.last().is_none_or(|last| !last.ends_with(&text)) {
            texts.push(text);
        }
    }
    texts.join(": ")
}

fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| (**error).source())
}

/// The key store's error, also where a layer passes it on under its own name.
fn key_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a KeyError> {
    match (error.downcast_ref(), error.downcast_ref()) {
        (Some(EnrolError::Key(key)), _) | (_, Some(SessionError::Key(key))) => Some(key),
        _ => error.downcast_ref(),
    }
}

/// Most letters of a name that is none.
const SHOWN_MAX: usize = 80;
