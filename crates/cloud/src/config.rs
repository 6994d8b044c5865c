//! What an operator gives the cloud: whose it is, its keys, its trust anchors, its limits.
//!
//! Secrets come in as keys, never as text, and show nothing in `Debug`. Limits have one default each, here.
//! Reading files and environment is the command's business, not this module's.

use crate::store::Birth;
use glacis_attest::{Anchors, References, Revocations, Site};
use glacis_seal::{MacKey, SigningKey};
use glacis_wire::message::{PublicKey, Signed};
use std::collections::BTreeSet;
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
    /// Which evidence enrols.
    pub enrolling: Enrolling,
    /// The relying party of users' passkeys; none where they have none here.
    pub passkeys: Option<Site>,
    /// Bounds.
    pub limits: CloudLimits,
}

/// Which evidence enrols, and what is expected of it. The default is closed: evidence of no family enrols, and a device
/// that gives none is worth tier `software`.
#[derive(Clone, Debug, Default)]
pub struct Enrolling {
    /// Families that enrol; each must be one that this build verifies.
    pub families: BTreeSet<String>,
    /// What is expected of apps and devices.
    pub references: References,
    /// Certificates that are worth nothing any more.
    pub revocations: Option<Revocations>,
    /// The key that signs collateral. Where there is one, what is expected and trusted comes from collateral alone, and
    /// without any in force no evidence enrols.
    pub collateral_key: Option<PublicKey>,
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
    /// Assertions of one principal's passkeys that may fail for one device within an hour, before none is looked at there.
    ///
    /// Unit: assertions. Default: 20. None can be guessed: it bounds the work that one user's challenges can make.
    pub passkey_failed_hourly_max: u32,
    /// How long a device certificate is good.
    ///
    /// Default: 365 days.
    pub certificate_life: Duration,
    /// How long an attestation result is good; no session outlives it.
    ///
    /// Default: 24 hours; the evidence may say less.
    pub result_life: Duration,
    /// Enrolments a day (of UTC) in all; more are refused with 429.
    ///
    /// Default: 1,000,000. A device enrols again once a [`result_life`](Self::result_life).
    pub enrolments_daily_max: u64,
    /// Enrolments an hour from one address prefix (/24 of IPv4, /48 of IPv6), where an edge tells it.
    ///
    /// Default: 10,000; whole cities share a prefix behind a carrier.
    pub enrolments_prefix_hourly_max: u64,
    /// Devices that one attestation key of a factory may vouch for before there is an alarm.
    ///
    /// Default: 10,000. Source: Android's compatibility definition has one key for 100,000 units of a model (§9.11); whose
    /// app is on more than a tenth of them says more.
    pub issuer_batch_max: u64,
    /// The same of a remotely provisioned key, which is one device's own.
    ///
    /// Default: 16: apps installed again and again within the weeks that such a key lives.
    pub issuer_own_max: u64,
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
            passkey_failed_hourly_max: 20,
            certificate_life: Duration::from_secs(365 * 86_400),
            result_life: Duration::from_secs(86_400),
            enrolments_daily_max: 1_000_000,
            enrolments_prefix_hourly_max: 10_000,
            issuer_batch_max: 10_000,
            issuer_own_max: 16,
            ahead_max: Duration::from_secs(60),
            retention: Duration::from_secs(90 * 86_400),
            disk_quota: 10 << 30,
        }
    }
}
