//! What the node accepts from the cloud: key sets, its bundle, the device bundle it passes on, the feed.
//!
//! Acceptance is [`glacis_seal::published`]: signed, for this tenant, realm and zone, never older than what is
//! held. Whatever is refused changes nothing; the live policy stays. What was accepted is kept in the node's
//! files, so that a restart goes on from there and not from the pinned key set (invariant 4).

use super::live::{BundleError, Live};
use super::{EdgeCore, StartError};
use crate::state::lock;
use crate::trust::feed::FeedState;
use glacis_host::Files;
use glacis_seal::Context;
use glacis_seal::published::{self, Held, PublishedError};
use glacis_wire::message::policy::{FeedAction, KeySet, Published};
use glacis_wire::message::{List, Signed};
use glacis_wire::{Decode, Encode, Reader, Thumbprint, Timestamp, Writer, Zone};
use std::sync::{Arc, PoisonError};

/// File of the accepted key set and bundle.
const FILE: &str = "published";

/// Why something published was refused; the live one stays.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct AcceptError(Kind);

#[derive(Debug, thiserror::Error)]
enum Kind {
    #[error(transparent)]
    Published(#[from] PublishedError),
    #[error(transparent)]
    Bundle(#[from] BundleError),
    #[error("cannot keep it: {0}")]
    Keep(String),
    #[error("not a message: {0}")]
    Decode(#[from] glacis_wire::DecodeError),
}

impl EdgeCore {
    /// Accepts an answer to a pull of the edge's bundle; whether anything changed.
    pub fn accept_bundle(&self, bytes: &[u8]) -> Result<bool, AcceptError> {
        self.try_accept_bundle(bytes).map_err(AcceptError)
    }

    fn try_accept_bundle(&self, bytes: &[u8]) -> Result<bool, Kind> {
        let mut state = lock(&self.published);
        let accepted = published::accept_bytes(&state.held, &self.context, Zone::Edge, bytes)?;
        if !accepted.news {
            return Ok(false);
        }
        let live = self.live().with_bundle(&accepted.bundle)?;
        let signed = Published::from_bytes(bytes)?.bundle;
        keep(&*self.files, &accepted.held.key_set, &signed)?;
        state.keys = Arc::new(accepted.held.key_set.clone());
        state.held = accepted.held;
        *self.live.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(live);
        self.facts.bundle();
        Ok(true)
    }

    /// Accepts an answer to a pull of the device bundle, to pass it on.
    pub fn accept_device_bundle(&self, bytes: &[u8]) -> Result<(), AcceptError> {
        self.try_accept_device(bytes).map_err(AcceptError)
    }

    fn try_accept_device(&self, bytes: &[u8]) -> Result<(), Kind> {
        let mut state = lock(&self.published);
        let published = Published::from_bytes(bytes)?;
        // Devices check the chain of key sets from what they hold; we check the bundle under our newest set.
        let newest = Published { key_sets: List(Vec::new()), bundle: published.bundle.clone() };
        let held = Held { key_set: state.held.key_set.clone(), bundle: None };
        let accepted = published::accept(&held, &self.context, Zone::Device, &newest)?;
        let version = accepted.bundle.version;
        if let Some((held, _)) = &state.device
            && version < *held
        {
            return Err(PublishedError::Older { offered: version, held: *held }.into());
        }
        state.device = Some((version, published));
        Ok(())
    }

    /// The device bundle with the key sets newer than `held`.
    pub(super) fn device_published(&self, held: u64) -> Option<(u64, Published)> {
        let state = lock(&self.published);
        let (version, published) = state.device.as_ref()?;
        let newer = |signed: &&Signed| KeySet::from_bytes(&signed.body).is_ok_and(|set| set.version > held);
        let key_sets = published.key_sets.iter().filter(newer).cloned().collect();
        Some((*version, Published { key_sets: List(key_sets), bundle: published.bundle.clone() }))
    }

    /// Accepts an answer to a pull of the feed.
    pub fn accept_feed(&self, bytes: &[u8], now: Timestamp) -> Result<(), AcceptError> {
        self.try_accept_feed(bytes, now).map_err(AcceptError)
    }

    fn try_accept_feed(&self, bytes: &[u8], now: Timestamp) -> Result<(), Kind> {
        let signed = Signed::from_bytes(bytes)?;
        let held = self.feed().version();
        let feed = published::accept_feed(&self.keys(), &self.context, held, &signed)?;
        *self.feed.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(FeedState::new(feed, now));
        Ok(())
    }

    /// The cloud said, authenticated, that the feed we hold is still the newest.
    pub fn confirm_feed(&self, now: Timestamp) {
        let mut feed = self.feed.write().unwrap_or_else(PoisonError::into_inner);
        *feed = Arc::new(feed.confirmed(now));
    }

    /// What the feed that this node holds says of a device.
    pub fn listed(&self, device: &Thumbprint) -> Option<FeedAction> {
        self.feed().action(device)
    }

    /// Version of the key set that is held, for the next pull.
    pub fn key_set_version(&self) -> u64 {
        lock(&self.published).held.key_set.version
    }

    /// Whether everything that the cloud publishes is here: policies, the device bundle to pass on, and a feed.
    pub fn is_ready(&self) -> bool {
        self.bundle_version().is_some()
            && lock(&self.published).device.is_some()
            && self.feed().version().is_some()
    }

    /// Version of the live bundle; `None` before the first.
    pub fn bundle_version(&self) -> Option<u64> {
        self.live().version
    }
}

fn keep(files: &dyn Files, key_set: &KeySet, bundle: &Signed) -> Result<(), Kind> {
    let mut out = Writer::new();
    let encoded = key_set.encode(&mut out).and_then(|()| bundle.encode(&mut out));
    encoded.map_err(|error| Kind::Keep(error.to_string()))?;
    files.replace(FILE, out.as_bytes()).map_err(|error| Kind::Keep(error.to_string()))
}

/// What was accepted before the restart; the pinned key set where that is newer or nothing was.
pub(super) fn restore(
    files: &dyn Files,
    settings: Live,
    context: &Context,
    pinned: KeySet,
) -> Result<(Held, Live), StartError> {
    published::check_key_set(&pinned, context).map_err(|error| StartError::State(error.to_string()))?;
    let Some(bytes) = files.read(FILE).map_err(|error| StartError::State(error.to_string()))? else {
        return Ok((Held { key_set: pinned, bundle: None }, settings));
    };
    let mut input = Reader::new(&bytes);
    let (key_set, bundle) = KeySet::decode(&mut input)
        .and_then(|key_set| Ok((key_set, Signed::decode(&mut input)?)))
        .map_err(|error| StartError::State(error.to_string()))?;
    // A key that a newer pinned set no longer names may have leaked: nothing it signed is believed any more.
    let key_set = if key_set.version < pinned.version { pinned } else { key_set };
    let held = Held { key_set, bundle: None };
    let newest = Published { key_sets: List(Vec::new()), bundle };
    let accepted = published::accept(&held, context, Zone::Edge, &newest).map_err(|error| {
        StartError::State(format!(
            "file `{FILE}`: {error}; remove the file to start without a policy, which the next pull brings"
        ))
    })?;
    // Authentic, but of a version of this program that wrote slices otherwise. It still holds what is older off.
    let live = match settings.with_bundle(&accepted.bundle) {
        Ok(live) => live,
        Err(error) => {
            let version = accepted.bundle.version;
            tracing::warn!(%error, version, "the stored policy cannot be run by this version: publish it again");
            settings
        }
    };
    Ok((accepted.held, live))
}
