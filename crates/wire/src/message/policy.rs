//! Signed policy bundles, key sets and the revocation feed: everything the cloud publishes.
//!
//! Trust starts from a pinned [`KeySet`]; each next one is signed by a policy key of the one before. Nothing
//! here ever goes backwards: a receiver keeps the highest version of each and refuses lower (invariant 4).

use super::{Bytes, List, PublicKey, Signed, Tail, code, message};
use crate::id::{EventName, KeyId, PolicyDigest, Realm, TenantId, Thumbprint};
use crate::limits::{BUNDLE_SLICES_MAX, FEED_ENTRIES_MAX, SLICE_BYTES_MAX};
use crate::time::Timestamp;
use crate::trust::Tier;
use crate::verdict::Zone;

code! {
    /// What a published key may sign.
    KeyUse {
        /// Key sets and bundles.
        Policy = 0 "policy",
        /// Device certificates, attestation results and grants.
        Result = 1 "result",
        /// Revocation feeds.
        Feed = 2 "feed",
    }
}

message! {
    /// One published verification key.
    PublishedKey {
        /// SHA-256 of the key, first 16 bytes.
        id: KeyId,
        /// What it may sign.
        usage: KeyUse,
        /// The key.
        key: PublicKey,
    }
}

message! {
    /// All verification keys in force (purpose `KeySet`).
    KeySet {
        /// Whose.
        tenant: TenantId,
        /// Which realm.
        realm: Realm,
        /// Counts up by one.
        version: u64,
        /// When it was made.
        issued: Timestamp,
        /// The keys.
        keys: List<PublishedKey, 32>,
    }
}

message! {
    /// One slice for one event.
    BundleSlice {
        /// Which event.
        event: EventName,
        /// Which policy.
        policy: PolicyDigest,
        /// Bytes for `Slice::load`.
        slice: Bytes<SLICE_BYTES_MAX>,
    }
}

message! {
    /// What devices count before they disclose for an event (DESIGN §4.3); of policies with a budget.
    Metering {
        /// Which event.
        event: EventName,
        /// What one disclosure tells at most. Unit: bits.
        bits: u64,
        /// What all disclosures of one session may tell. Unit: bits.
        per_session: Option<u64>,
        /// What all disclosures of one day may tell. Unit: bits.
        per_day: Option<u64>,
    }
}

message! {
    /// Everything one zone may hold (purpose `Bundle`).
    Bundle {
        /// Whose.
        tenant: TenantId,
        /// Which realm.
        realm: Realm,
        /// For which zone.
        zone: Zone,
        /// Counts up.
        version: u64,
        /// When it was made.
        issued: Timestamp,
        /// One slice an event.
        slices: List<BundleSlice, BUNDLE_SLICES_MAX>,
        /// For devices, and only of events whose budget is one of sessions or days; in the order of the slices.
        metering: Tail<Metering, BUNDLE_SLICES_MAX>,
    }
}

message! {
    /// Answer to a pull: key sets newer than the asker's, oldest first, and the newest bundle of its zone.
    Published {
        /// Signed [`KeySet`]s.
        key_sets: List<Signed, 32>,
        /// A signed [`Bundle`].
        bundle: Signed,
    }
}

code! {
    /// What happens to a listed device.
    FeedAction {
        /// Its tier is at most `software`, and it must enrol again for more.
        Cap = 0 "cap",
        /// Its sessions and openings are refused.
        Refuse = 1 "refuse",
    }
}

message! {
    /// One listed device.
    FeedEntry {
        /// Which device.
        thumbprint: Thumbprint,
        /// What happens to it.
        action: FeedAction,
        /// Since when.
        since: Timestamp,
    }
}

message! {
    /// The whole revocation feed (purpose `Feed`).
    Feed {
        /// Whose.
        tenant: TenantId,
        /// Which realm.
        realm: Realm,
        /// Counts up.
        version: u64,
        /// When it was made; decides staleness.
        issued: Timestamp,
        /// Sorted by thumbprint.
        entries: List<FeedEntry, FEED_ENTRIES_MAX>,
    }
}

impl FeedAction {
    /// The highest tier that the action leaves; `None` where it leaves no session at all.
    pub const fn tier_max(self) -> Option<Tier> {
        match self {
            Self::Cap => Some(Tier::Software),
            Self::Refuse => None,
        }
    }
}
