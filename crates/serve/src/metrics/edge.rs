//! What a gateway counts and is, as metrics.
//!
//! Latencies are in seconds, as Prometheus wants them; buckets are those of `glacis_edge`. Ages that are unknown are
//! left out and not zero, so that an alarm on a feed's age does not take "none yet" for "fresh".

use super::{counters, gauges, signed};
use glacis_edge::{Gauges, Histogram, LATENCY_BUCKETS_US, Snapshot};
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use std::fmt;

pub(super) fn encode(
    out: &mut DescriptorEncoder<'_>,
    edge: &Snapshot,
    now: &Gauges,
) -> Result<(), fmt::Error> {
    for (name, help, value) in [
        ("glacis_edge_requests", "Requests begun", edge.requests),
        ("glacis_edge_sessions", "Sessions opened", edge.sessions),
        ("glacis_edge_legs", "Further legs of sessions opened", edge.legs),
        ("glacis_edge_repeated", "Stored verdicts given again", edge.repeated),
        ("glacis_edge_bundles", "Policy bundles put in force", edge.bundles),
        ("glacis_edge_reloads", "Configurations put in force while the node ran", edge.reloads),
        ("glacis_edge_connections", "Client connections accepted", edge.connections),
        ("glacis_edge_tunnels", "WebSockets granted", edge.tunnels),
        ("glacis_edge_received_bytes", "Bytes read from clients", edge.bytes_in),
        ("glacis_edge_sent_bytes", "Bytes written to clients", edge.bytes_out),
    ] {
        counters(out, name, help, vec![([], value)])?;
    }
    let verdicts = ["allow", "challenge", "block"];
    let by_zone = [("edge", edge.edge), ("cloud", edge.cloud)];
    let decisions = by_zone.iter().flat_map(|(zone, counts)| {
        verdicts.iter().zip(counts).map(|(verdict, count)| ([("zone", *zone), ("verdict", *verdict)], *count))
    });
    counters(out, "glacis_edge_decisions", "Decisions by deciding zone and verdict", decisions.collect())?;
    let by_code =
        |counts: &[(&'static str, u64)]| counts.iter().map(|(code, n)| ([("code", *code)], *n)).collect();
    counters(
        out,
        "glacis_edge_refused",
        "Requests refused before a decision, by code",
        by_code(&edge.refused),
    )?;
    let help = "Requests that a route would have refused if it enforced, by code";
    counters(out, "glacis_edge_would_refuse", help, by_code(&edge.would_refuse))?;
    for (name, help, value) in [
        ("glacis_edge_open_connections", "Client connections that are open", Some(edge.open_connections)),
        (
            "glacis_edge_policy_version",
            "Policy version in force, 0 for none",
            Some(now.bundle_version.unwrap_or(0)),
        ),
        ("glacis_edge_key_set_version", "Version of the key set that is held", Some(now.key_set_version)),
        ("glacis_edge_journal_bytes", "Journal that waits for the cloud", Some(now.journal_bytes)),
        ("glacis_edge_learnt_routes", "Routes learnt or named", u64::try_from(now.learnt_routes).ok()),
        ("glacis_edge_feed_age_seconds", "Age of the revocation feed", now.feed_age.map(|age| age.as_secs())),
        (
            "glacis_edge_bypass_seconds",
            "How long the bypass in force will last, 0 for none",
            Some(now.bypassed_for.map_or(0, |left| left.as_secs())),
        ),
    ] {
        gauges(out, name, help, value.map(|value| ([], signed(value))).into_iter().collect())?;
    }
    latency(
        out,
        "glacis_edge_upstream_seconds",
        "Wait for the head of an upstream's answer",
        &edge.upstream,
    )?;
    latency(out, "glacis_edge_cloud_seconds", "Wait for a decision of the cloud", &edge.cloud_wait)
}

#[expect(clippy::cast_precision_loss, reason = "a metric is a float")]
fn latency(
    out: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    latency: &Histogram,
) -> Result<(), fmt::Error> {
    let ends = LATENCY_BUCKETS_US.iter().map(|us| *us as f64 / 1e6).chain([f64::INFINITY]);
    let buckets: Vec<(f64, u64)> = ends.zip(latency.buckets).collect();
    let mut metric = out.encode_descriptor(name, help, None, MetricType::Histogram)?;
    let count = latency.buckets.iter().sum();
    metric.encode_histogram::<NoLabelSet>(latency.sum_us as f64 / 1e6, count, &buckets, None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus_client::collector::Collector;
    use prometheus_client::registry::Registry;

    #[derive(Debug)]
    struct One(Snapshot, Gauges);

    impl Collector for One {
        fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
            super::encode(&mut encoder, &self.0, &self.1)
        }
    }

    #[test]
    fn a_gateway_is_told_in_the_format_of_prometheus() {
        let mut counts = Snapshot { would_refuse: vec![("prefix-limited", 3)], ..Snapshot::default() };
        counts.edge[2] = 5;
        counts.upstream.buckets[0] = 2;
        counts.upstream.buckets[14] = 1;
        counts.upstream.sum_us = 6_000_100;
        let now = Gauges {
            learnt_routes: 7,
            journal_bytes: 9,
            bundle_version: Some(4),
            key_set_version: 1,
            feed_version: None,
            feed_age: None,
            bypassed_for: Some(std::time::Duration::from_secs(60)),
        };
        let mut registry = Registry::default();
        registry.register_collector(Box::new(One(counts, now)));
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        for line in [
            "glacis_edge_would_refuse_total{code=\"prefix-limited\"} 3",
            "glacis_edge_decisions_total{zone=\"edge\",verdict=\"block\"} 5",
            "glacis_edge_policy_version 4",
            "glacis_edge_bypass_seconds 60",
            "glacis_edge_upstream_seconds_bucket{le=\"0.0001\"} 2",
            "glacis_edge_upstream_seconds_bucket{le=\"5.0\"} 2",
            "glacis_edge_upstream_seconds_bucket{le=\"+Inf\"} 3",
            "glacis_edge_upstream_seconds_count 3",
            "glacis_edge_upstream_seconds_sum 6.0001",
        ] {
            assert!(text.lines().any(|have| have == line), "{line} is not in\n{text}");
        }
        assert!(!text.contains("feed_age"), "an unknown age is not zero");
    }
}
