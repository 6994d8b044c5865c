//! A decision in short, as JSON.
//!
//! Rows come as bytes from the thread that decides and are decoded wherever this runs. Texts that a client controls are
//! texts; nothing is escaped beyond JSON.

use super::versions::ByDigest;
use crate::lines::{Line, RawLine};
use serde::Serialize;

/// What records hold of time. Unit: microseconds.
pub(super) const RESOLUTION_US: u64 = 1_000;

/// One decision in short.
#[derive(Serialize)]
pub(super) struct LineJson {
    row: String,
    reference: Option<String>,
    decided_ms: u64,
    event: String,
    verdict: String,
    zone: &'static str,
    closed_by: &'static str,
    reasons: Vec<String>,
    principal: Option<String>,
    thumbprint: Option<String>,
    tier: &'static str,
    node: Option<String>,
    policy_version: Option<u64>,
    acted: bool,
    took_us: Option<u64>,
}

impl LineJson {
    pub(super) fn of(line: Line, versions: &ByDigest) -> Self {
        Self {
            row: line.row.to_string(),
            reference: line.reference.map(|reference| reference.text()),
            decided_ms: line.decided.as_ms(),
            event: line.event,
            verdict: line.verdict.to_string(),
            zone: line.zone.name(),
            closed_by: line.closed_by,
            reasons: line.reasons,
            principal: line.principal,
            thumbprint: line.thumbprint.map(|device| device.to_string()),
            tier: line.tier.name(),
            node: line.node,
            policy_version: versions.newest(&line.policy),
            acted: line.acted,
            took_us: line.took_ms.map(|took| took.saturating_mul(RESOLUTION_US)),
        }
    }

    /// Rows, without those whose bytes are no record: the audit check is what finds those.
    pub(super) fn all(raw: &[RawLine], versions: &ByDigest) -> Vec<Self> {
        let read = |line: &RawLine| {
            let read = line.read();
            read.inspect_err(|error| tracing::error!(%error, "a stored row cannot be read")).ok()
        };
        raw.iter().filter_map(read).map(|line| Self::of(line, versions)).collect()
    }
}
