//! What an operator gives the cloud: whose it is, its keys, its trust anchors, its limits.
//!
//! Secrets come in as keys, never as text, and show nothing in `Debug`. Limits have one default each, here.
//! Reading files and environment is the command's business, not this module's.

use crate::store::Birth;
use glacis_attest::Anchors;
use glacis_seal::{MacKey, SigningKey};
use glacis_wire::message::Signed;
use std::time::Duration;

/// Keys that the cloud itself uses. None of them can sign a policy: policies are signed where they are made.
#[derive(Debug)]
pub struct CloudKeys {
    /// Signs certificates, attestation results and grants; published with use `result`.
    pub result: SigningKey,
    /// Signs the revocation feed; published with use `feed`.
    pub feed: SigningKey,
    /// MACs challenge nonces; shared with the edge.
    pub nonce: MacKey,
    /// MACs enrolment challenges, one-time passwords and token hashes; nobody else holds it.
    pub own: MacKey,
}

/// Everything needed to open a core.
#[derive(Debug)]
pub struct CloudConfig {
    /// Whose store it is; fixed at its birth.
    pub birth: Birth,
    /// The pinned key set, signed by one of its own policy keys. Later ones come with a publish.
    pub key_set: Signed,
    /// Own keys.
    pub keys: CloudKeys,
    /// What enrolment evidence is appraised against.
    pub anchors: Anchors,
    /// Bounds.
    pub limits: CloudLimits,
}

/// Bounds of one core.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloudLimits {
    /// Feature entries held in memory: one an event and group of features by the same key. About 100 bytes each,
    /// and 24 more for every sum and distinct of the group beyond two.
    ///
    /// Unit: entries. Default: 2,000,000. Beyond it the keys concerned read `unknown(unavailable)`.
    pub feature_entries_max: usize,
    /// List changes held, over all lists.
    ///
    /// Unit: changes. Default: 1,000,000. Beyond it a change is refused.
    pub list_changes_max: usize,
    /// Codes sent to one principal within an hour.
    ///
    /// Unit: codes. Default: 20. With five tries a code and a million codes, that is a chance of 1 in 10,000 an
    /// hour for whoever holds the device key and guesses.
    pub otp_sent_hourly_max: u32,
    /// How long a device certificate is good.
    ///
    /// Default: 365 days.
    pub certificate_life: Duration,
    /// How long an attestation result is good; no session outlives it.
    ///
    /// Default: 24 hours; the evidence may say less.
    pub result_life: Duration,
    /// How far a node's receive time may lie ahead of the cloud's clock.
    ///
    /// Default: 60 s, the skew that node authentication allows.
    pub ahead_max: Duration,
    /// How long events, decisions and what belongs to them are kept.
    ///
    /// Default: 90 days; at least an hour, and never less than the longest feature window needs.
    pub retention: Duration,
    /// Bytes that the store may use on the disk.
    ///
    /// Unit: bytes. Default: 10 GiB. Beyond it no decision is stored: 507, as on a full disk.
    pub disk_quota: u64,
}

impl Default for CloudLimits {
    fn default() -> Self {
        Self {
            feature_entries_max: 2_000_000,
            list_changes_max: 1_000_000,
            otp_sent_hourly_max: 20,
            certificate_life: Duration::from_secs(365 * 86_400),
            result_life: Duration::from_secs(86_400),
            ahead_max: Duration::from_secs(60),
            retention: Duration::from_secs(90 * 86_400),
            disk_quota: 10 << 30,
        }
    }
}
