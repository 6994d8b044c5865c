//! What the control plane's writer counts, as metrics.
//!
//! Counters are of what is durable; a batch that failed is counted as a batch and for nothing else. Time is in
//! microseconds, whole, since a counter of seconds would round most commits to nothing.

use super::{counters, gauges, signed};
use glacis_cloud::CloudMetrics;
use prometheus_client::encoding::DescriptorEncoder;
use std::fmt;

pub(super) fn encode(out: &mut DescriptorEncoder<'_>, store: &CloudMetrics) -> Result<(), fmt::Error> {
    let decisions = [("allow", store.allowed), ("challenge", store.challenged), ("block", store.blocked)];
    let decisions = decisions.map(|(verdict, count)| ([("verdict", verdict)], count)).to_vec();
    counters(out, "glacis_store_decisions", "Decisions stored, by verdict", decisions)?;
    let commit_us = u64::try_from(store.commit.as_micros()).unwrap_or(u64::MAX);
    for (name, help, value) in [
        ("glacis_store_batches", "Batches committed", store.batches),
        ("glacis_store_batches_failed", "Batches of which nothing was kept", store.failed),
        ("glacis_store_calls", "Calls in committed batches", store.jobs),
        ("glacis_store_commit_microseconds", "Time that commits took", commit_us),
        ("glacis_store_swept_rows", "Rows that retention removed", store.swept_rows),
        ("glacis_collateral_refused", "Collateral that was offered and refused", store.collateral_refused),
        ("glacis_devices_fallen", "Devices that fell with a piece of collateral", store.devices_fallen),
    ] {
        counters(out, name, help, vec![([], value)])?;
    }
    for (name, help, value) in [
        ("glacis_store_bytes", "Bytes of the store: used pages and log", store.store_bytes),
        ("glacis_store_calls_waiting", "Calls that wait for the writer", store.queued),
        ("glacis_store_swept_at_milliseconds", "When retention last looked, since 1970", store.swept_at_ms),
        ("glacis_collateral_version", "Version of the collateral in force", store.collateral_version),
        (
            "glacis_collateral_stale_at_milliseconds",
            "When the collateral in force becomes stale, since 1970",
            store.collateral_stale_at_ms,
        ),
        (
            "glacis_issuers_crowded",
            "Issuers that vouch for more devices than there can be",
            store.issuers_crowded,
        ),
    ] {
        gauges(out, name, help, vec![([], signed(value))])?;
    }
    Ok(())
}
