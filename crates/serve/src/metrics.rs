//! Everything countable of one process in the text format that Prometheus scrapes.
//!
//! Values are read from the zones at each scrape; nothing is counted here. Names start with `glacis_`, units are in
//! the name, labels have small fixed sets of values: no path, no address, no device is ever a label.

mod edge;
mod store;

use crate::health::Probes;
use glacis_cloud::CloudMetrics;
use glacis_edge::{Gauges, Snapshot};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use std::fmt;

/// Content type of the answer.
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The metrics of this moment.
pub(crate) async fn text(probes: &Probes) -> Result<String, fmt::Error> {
    let ready = probes.ready().await;
    let scrape = Scrape {
        checks: ready.checks.into_iter().map(|(name, fault)| (name, fault.is_none())).collect(),
        store: probes.cloud_metrics(),
        edge: probes.edge().map(|edge| (edge.metrics().snapshot(), edge.gauges())),
    };
    let mut registry = Registry::default();
    registry.register_collector(Box::new(scrape));
    let mut text = String::new();
    encode(&mut text, &registry)?;
    Ok(text)
}

/// What was read for one scrape.
#[derive(Debug)]
struct Scrape {
    checks: Vec<(&'static str, bool)>,
    store: Option<CloudMetrics>,
    edge: Option<(Snapshot, Gauges)>,
}

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let out = &mut encoder;
        let checks = self.checks.iter().map(|(name, good)| ([("check", *name)], i64::from(*good))).collect();
        gauges(out, "glacis_ready", "1 where the check of /readyz holds", checks)?;
        if let Some(counts) = &self.store {
            store::encode(out, counts)?;
        }
        match &self.edge {
            Some((counts, now)) => edge::encode(out, counts, now),
            None => Ok(()),
        }
    }
}

type Labels<const N: usize> = [(&'static str, &'static str); N];

fn counters<const N: usize>(
    out: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    values: Vec<(Labels<N>, u64)>,
) -> Result<(), fmt::Error> {
    let values = values.into_iter().map(|(labels, value)| (labels, ConstCounter::new(value)));
    family(out, name, help, values)
}

fn gauges<const N: usize>(
    out: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    values: Vec<(Labels<N>, i64)>,
) -> Result<(), fmt::Error> {
    let values = values.into_iter().map(|(labels, value)| (labels, ConstGauge::new(value)));
    family(out, name, help, values)
}

fn family<const N: usize, M: EncodeMetric>(
    out: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    values: impl Iterator<Item = (Labels<N>, M)>,
) -> Result<(), fmt::Error> {
    let mut values = values.peekable();
    let Some((_, first)) = values.peek() else { return Ok(()) };
    let mut metric = out.encode_descriptor(name, help, None, first.metric_type())?;
    if N == 0 {
        return first.encode(metric);
    }
    values.try_for_each(|(labels, value)| value.encode(metric.encode_family(&labels)?))
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
