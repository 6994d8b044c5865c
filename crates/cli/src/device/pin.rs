//! Where trust begins: a key set from a file, by its fingerprint, or, if asked for, from whoever answers first.
//!
//! What an edge serves is a chain of key sets, each signed by the one before. A fingerprint picks the link to begin
//! with; first use begins with the first and so believes an attacker as readily as the installation.

use super::fault::refused;
use super::home::PinnedBy;
use super::transport::Http;
use crate::codes::Code;
use crate::error::CliError;
use clap::Args;
use glacis_sdk::drive::Transport;
use glacis_seal::published::{self, Held};
use glacis_seal::{Context, Purpose, open_envelope};
use glacis_serve::keys::read_key_set;
use glacis_wire::http::{PATH_BUNDLE, Request};
use glacis_wire::message::policy::{KeySet, KeyUse, Published};
use glacis_wire::message::{List, Signed};
use glacis_wire::{Decode, Zone};
use std::path::PathBuf;

/// How to know the installation.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub(super) struct PinArgs {
    /// The installation's key set: a file of `glacis keys export`, or keys/key-set-N.json on the same machine
    #[arg(long, value_name = "FILE")]
    key_set: Option<PathBuf>,
    /// The fingerprint of a key set, as `glacis keys fingerprint` prints it
    #[arg(long, value_name = "SHA256")]
    pin: Option<Fingerprint>,
    /// Believe whoever answers first, and print the fingerprint; an attacker in between stays unnoticed
    #[arg(long)]
    trust_first_use: bool,
}

/// A fingerprint as an argument.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Fingerprint(String);

impl std::str::FromStr for Fingerprint {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text: String = text.chars().filter(|letter| *letter != ':').collect();
        let hex = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if hex { Ok(Self(text.to_ascii_lowercase())) } else { Err("64 hexadecimal digits") }
    }
}

/// A key set to begin with.
#[derive(Debug)]
pub(super) struct Trusted {
    pub(super) context: Context,
    pub(super) key_set: KeySet,
    pub(super) by: PinnedBy,
}

impl PinArgs {
    /// Finds the key set that the arguments name.
    pub(super) fn establish(&self, http: &mut Http) -> Result<Trusted, CliError> {
        if let Some(path) = &self.key_set {
            let shown = path.display().to_string();
            let bytes = std::fs::read(path)
                .map_err(|error| CliError::new(Code::Argument, format!("--key-set {shown}: {error}")))?;
            let (context, key_set) = read_key_set(&shown, &bytes)?;
            return Ok(Trusted { context, key_set, by: PinnedBy::File });
        }
        if self.pin.is_none() && !self.trust_first_use {
            return Err(CliError::new(Code::DeviceUnpinned, "a first contact needs something to trust"));
        }
        let served = served(http)?;
        let (at, by) = match &self.pin {
            None => (0, PinnedBy::FirstUse),
            Some(pin) => {
                let is_pinned = |signed: &Signed| glacis_seal::sha256(&signed.body).to_string() == pin.0;
                let at = served.key_sets.iter().position(is_pinned).ok_or_else(|| {
                    let what = format!("{} serves no key set with this fingerprint", http.authority());
                    CliError::new(Code::DevicePin, what)
                })?;
                (at, PinnedBy::Fingerprint)
            }
        };
        let foreign = || {
            let what = format!("what {} serves is not signed by its own keys", http.authority());
            CliError::new(Code::DevicePin, what)
        };
        let first = served.key_sets.get(at).ok_or_else(foreign)?;
        let key_set = KeySet::from_bytes(&first.body).map_err(|_| foreign())?;
        let context = Context::new(key_set.tenant.clone(), key_set.realm);
        published::check_key_set(&key_set, &context).map_err(|_| foreign())?;
        if at == 0 && !signs_itself(first, &key_set, &context) {
            return Err(foreign());
        }
        // The rest of the chain and the bundle must follow from it, or this is no installation at all.
        let rest = Published {
            key_sets: List(served.key_sets.iter().skip(at + 1).cloned().collect()),
            bundle: served.bundle,
        };
        let held = Held { key_set, bundle: None };
        let accepted = published::accept(&held, &context, Zone::Device, &rest).map_err(|_| foreign())?;
        Ok(Trusted { context, key_set: accepted.held.key_set, by })
    }

    /// Whether the arguments, if there are any, name one of these key sets.
    pub(super) fn agrees(&self, sets: &[&KeySet]) -> Result<bool, CliError> {
        let prints = fingerprints(sets)?;
        if let Some(pin) = &self.pin {
            return Ok(prints.contains(&pin.0));
        }
        let Some(path) = &self.key_set else { return Ok(true) };
        let shown = path.display().to_string();
        let bytes = std::fs::read(path)
            .map_err(|error| CliError::new(Code::Argument, format!("--key-set {shown}: {error}")))?;
        let (_, given) = read_key_set(&shown, &bytes)?;
        Ok(sets.contains(&&given))
    }
}

/// The fingerprint of a key set.
pub(super) fn fingerprint(key_set: &KeySet) -> Result<String, CliError> {
    let digest = published::fingerprint(key_set);
    digest.map(|digest| digest.to_string()).map_err(|error| CliError::new(Code::Internal, error.to_string()))
}

fn fingerprints(sets: &[&KeySet]) -> Result<Vec<String>, CliError> {
    sets.iter().map(|set| fingerprint(set)).collect()
}

fn signs_itself(signed: &Signed, key_set: &KeySet, context: &Context) -> bool {
    let policy = key_set.keys.iter().filter(|key| key.usage == KeyUse::Policy);
    policy.into_iter().any(|key| open_envelope::<KeySet>(signed, context, Purpose::KeySet, &key.key).is_ok())
}

/// Everything that the edge serves to devices.
fn served(http: &mut Http) -> Result<Published, CliError> {
    let request = Request {
        method: String::from("GET"),
        authority: http.authority().to_owned(),
        path: PATH_BUNDLE.to_owned(),
        query: String::from("?keys=0"),
        ..Request::default()
    };
    let response = http.exchange(&request).map_err(|_| http.unreachable())?;
    if response.status != 200 {
        return Err(refused(http, &response));
    }
    let published = Published::from_bytes(&response.body);
    published.map_err(|_| CliError::new(Code::BadAnswer, format!("{} is no edge of ours", http.authority())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_64_digits_in_any_case() {
        let digits = "AB:".repeat(31) + "ab";
        assert_eq!(digits.parse::<Fingerprint>().unwrap().0, "ab".repeat(32));
        for text in ["", "ab", &"x".repeat(64), &"a".repeat(63), &"a".repeat(65)] {
            assert!(text.parse::<Fingerprint>().is_err(), "{text}");
        }
    }
}
