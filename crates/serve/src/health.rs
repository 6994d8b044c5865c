//! Whether the process lives, and whether it may be sent traffic.
//!
//! `/healthz` fails only when a restart is what helps: the store has stopped. `/readyz` fails while something is
//! missing that comes by itself or by an operator: policy, feed, room on the disk. Both name every check.

use crate::config::CloudSection;
use glacis_cloud::server::writer::CloudHandle;
use glacis_cloud::{CloudErrorKind, CloudMetrics};
use glacis_edge::EdgeCore;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// What is asked.
#[derive(Clone, Debug)]
pub(crate) struct Probes {
    store: Option<StoreProbe>,
    edge: Option<Arc<EdgeCore>>,
}

#[derive(Clone, Debug)]
struct StoreProbe {
    handle: CloudHandle,
    quota: u64,
}

/// The result of one question: a sentence for each check that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Health {
    /// Check and, where it failed, why.
    pub(crate) checks: Vec<(&'static str, Option<String>)>,
}

impl Health {
    /// Whether every check holds.
    pub(crate) fn is_good(&self) -> bool {
        self.checks.iter().all(|(_, fault)| fault.is_none())
    }

    /// `{"status": "ok" | "failing", "checks": {NAME: "ok" | WHY}}`
    pub(crate) fn json(&self) -> Value {
        let state = |fault: &Option<String>| json!(fault.as_deref().unwrap_or("ok"));
        let checks: Map<String, Value> =
            self.checks.iter().map(|(name, fault)| ((*name).to_owned(), state(fault))).collect();
        json!({ "status": if self.is_good() { "ok" } else { "failing" }, "checks": checks })
    }
}

impl Probes {
    /// Questions to what runs in this process.
    pub(crate) fn new(cloud: Option<(&CloudHandle, &CloudSection)>, edge: Option<Arc<EdgeCore>>) -> Self {
        let store =
            cloud.map(|(handle, section)| StoreProbe { handle: handle.clone(), quota: section.disk_quota });
        Self { store, edge }
    }

    /// The gateway, if it runs here.
    pub(crate) fn edge(&self) -> Option<&Arc<EdgeCore>> {
        self.edge.as_ref()
    }

    /// Whether the store has stopped for good.
    pub(crate) async fn has_stopped(&self) -> bool {
        match &self.store {
            Some(store) => store.answers().await == Err(CloudErrorKind::Stopped),
            None => false,
        }
    }

    /// Whether a restart would help.
    pub(crate) async fn alive(&self) -> Health {
        let fault = self.has_stopped().await.then(|| STOPPED.to_owned());
        Health { checks: vec![("process", None), ("store", fault)] }
    }

    /// Whether traffic may be sent here.
    pub(crate) async fn ready(&self) -> Health {
        let mut checks = Vec::new();
        if let Some(store) = &self.store {
            let fault = match store.answers().await {
                Ok(()) => None,
                Err(CloudErrorKind::Stopped) => Some(STOPPED.to_owned()),
                Err(kind) => Some(format!("the store does not take calls: {}", kind.code())),
            };
            checks.push(("store", fault));
            let (bytes, quota) = (store.handle.metrics().store_bytes, store.quota);
            let over = bytes >= quota;
            let why = || {
                format!("the store holds {bytes} bytes, its quota is {quota}; raise it or shorten retention")
            };
            checks.push(("disk", over.then(why)));
        }
        if let Some(edge) = &self.edge {
            let policy = edge.bundle_version().is_none();
            checks.push(("policy", policy.then(|| "no policy has come from the control plane".to_owned())));
            let feed = !policy && !edge.is_ready();
            let leaves = "an operator sends clients elsewhere: `glacis edge drain --end` takes them again";
            checks.push(("drain", edge.is_draining().then(|| leaves.to_owned())));
            checks.push(("feed", feed.then(|| "no revocation feed or device policy has come".to_owned())));
        }
        Health { checks }
    }

    /// What the control plane counts, if it runs here.
    pub(crate) fn cloud_metrics(&self) -> Option<CloudMetrics> {
        self.store.as_ref().map(|store| store.handle.metrics())
    }
}

impl StoreProbe {
    async fn answers(&self) -> Result<(), CloudErrorKind> {
        self.handle.call(|_core| Ok(())).await.map_err(|error| error.kind())
    }
}

const STOPPED: &str = "a disk error ended all writing of this process; restart it on sound storage";
