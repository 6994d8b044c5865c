//! What goes on beside requests: pulling bundles and feed, shipping the journal, syncing it.
//!
//! Pulls are jittered, so that nodes do not ask in step. Shipping is at-least-once: entries leave the journal when
//! the cloud has acknowledged them, and the cloud knows repetitions. The journal is synced by a thread of its own,
//! since a slow disk must not hold up anything else.

use super::Shared;
use super::cloud::{CloudClient, Outage};
use crate::config::EdgeConfig;
use crate::core::EdgeCore;
use crate::duty::Batch;
use glacis_wire::Encode;
use glacis_wire::http::Response;
use glacis_wire::message::decide::ReportAck;
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

/// Pause between two syncs of the journal. Source: invariant 10 (fsync ≤ 100 ms later), with room for the sync.
const SYNC_EVERY: Duration = Duration::from_millis(80);
/// Pause between two looks for something to ship.
const SHIP_EVERY: Duration = Duration::from_millis(200);
/// Longest pause between two attempts to ship.
const SHIP_RETRY_MAX: Duration = Duration::from_secs(3);
/// Longest wait for an answer to a pull or a report.
const CALL_WAIT: Duration = Duration::from_secs(10);
/// Pause after the first failure of a pull; it doubles up to the configured one.
const RETRY: Duration = Duration::from_millis(100);

pub(super) fn start(core: &Arc<EdgeCore>, shared: &Arc<Shared>) -> io::Result<Vec<JoinHandle<()>>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (its, stop) = (Arc::clone(core), Arc::clone(shared));
    let carry = move || runtime.block_on(carry(its, stop));
    let carrier = std::thread::Builder::new().name("edge-carrier".to_owned()).spawn(carry)?;
    let (its, stop) = (Arc::clone(core), Arc::clone(shared));
    let sync = move || {
        while !stop.is_stopping() {
            std::thread::park_timeout(SYNC_EVERY);
            sync(&its);
        }
        // Workers may still have been finishing requests.
        std::thread::park_timeout(SYNC_EVERY);
        sync(&its);
    };
    let syncer = std::thread::Builder::new().name("edge-sync".to_owned()).spawn(sync)?;
    Ok(vec![carrier, syncer])
}

fn sync(core: &EdgeCore) {
    if let Err(error) = core.duty().sync() {
        tracing::error!(%error, "journal cannot be synced; nothing further is decided");
    }
}

async fn carry(core: Arc<EdgeCore>, shared: Arc<Shared>) {
    let client = Arc::new(CloudClient::new(Arc::clone(&core)));
    let bundle = pull(&core, &client, |config| config.bundle_every, Bundle { etags: Default::default() });
    let feed = pull(&core, &client, |config| config.feed_every, Feed { etag: None });
    let ship = async {
        let mut pause = SHIP_EVERY;
        loop {
            tokio::time::sleep(pause).await;
            // Reading the journal for a cloud that does not take it is work for nothing.
            pause = if ship_all(&core, &client).await {
                SHIP_EVERY
            } else {
                pause.saturating_mul(2).min(SHIP_RETRY_MAX)
            };
        }
    };
    tokio::select! {
        () = shared.stopped() => {}
        () = async { tokio::join!(bundle, feed, ship); } => {}
    }
    let _ = tokio::time::timeout(core.config().limits.drain, ship_all(&core, &client)).await;
}

/// Ships until nothing is left; `false` where the cloud or the journal does not take part.
async fn ship_all(core: &EdgeCore, client: &CloudClient) -> bool {
    loop {
        match core.duty().batch() {
            Ok(None) => return true,
            Ok(Some(batch)) => match ship(core, client, &batch).await {
                Ok(()) => {}
                Err(outage) => {
                    tracing::debug!(%outage, "nothing shipped");
                    return false;
                }
            },
            Err(error) => {
                tracing::error!(%error, "journal cannot be read");
                return false;
            }
        }
    }
}

async fn ship(core: &EdgeCore, client: &CloudClient, batch: &Batch) -> Result<(), Outage> {
    let body = batch.report.to_bytes().map_err(|_| Outage::Unreadable)?;
    let ack: ReportAck = client.message("POST", "/v1/report", body, CALL_WAIT).await?;
    tracing::debug!(accepted = ack.accepted, repeated = ack.repeated, "shipped");
    core.duty().acknowledge(batch).map_err(|error| {
        tracing::error!(%error, "acknowledgement cannot be kept; entries will be sent again");
        Outage::Unreadable
    })
}

/// Something that the cloud publishes.
trait Pulled {
    async fn pull(&mut self, core: &EdgeCore, client: &CloudClient) -> Result<(), Outage>;
}

/// Pulls for ever: every `every` (jittered down to three quarters of it), sooner again while it fails.
async fn pull(
    core: &EdgeCore,
    client: &CloudClient,
    every: impl Fn(&EdgeConfig) -> Duration,
    mut what: impl Pulled,
) {
    let mut retry = RETRY;
    loop {
        let every = every(&core.config());
        let pause = match what.pull(core, client).await {
            Ok(()) => {
                retry = RETRY;
                jittered(core, every)
            }
            Err(outage) => {
                tracing::debug!(%outage, "pull failed");
                retry = retry.saturating_mul(2).min(every);
                jittered(core, retry)
            }
        };
        tokio::time::sleep(pause).await;
    }
}

fn jittered(core: &EdgeCore, pause: Duration) -> Duration {
    let mut byte = [0];
    let _ = core.host().fill(&mut byte);
    pause.saturating_sub(pause.saturating_mul(u32::from(byte[0])) / 1_024)
}

/// The two bundles, edge and device.
struct Bundle {
    etags: [Option<String>; 2],
}

impl Pulled for Bundle {
    async fn pull(&mut self, core: &EdgeCore, client: &CloudClient) -> Result<(), Outage> {
        let [edge, device] = &mut self.etags;
        let target = format!("/v1/published/edge?keys={}", core.key_set_version());
        if let Some(answer) = changed(client, &target, edge).await? {
            match core.accept_bundle(&answer.body) {
                Ok(true) => tracing::info!(version = core.bundle_version(), "policy in force"),
                Ok(false) => {}
                Err(error) => tracing::error!(%error, "bundle refused; the live one stays"),
            }
        }
        // Devices may hold any earlier key set, so all of them are asked for.
        if let Some(answer) = changed(client, "/v1/published/device?keys=0", device).await?
            && let Err(error) = core.accept_device_bundle(&answer.body)
        {
            tracing::error!(%error, "device bundle refused; the live one stays");
            // Its key set may come with the next pull of ours.
            *device = None;
        }
        Ok(())
    }
}

struct Feed {
    etag: Option<String>,
}

impl Pulled for Feed {
    async fn pull(&mut self, core: &EdgeCore, client: &CloudClient) -> Result<(), Outage> {
        let now = core.host().now();
        match changed(client, "/v1/feed", &mut self.etag).await? {
            None => core.confirm_feed(now),
            Some(answer) => {
                if let Err(error) = core.accept_feed(&answer.body, now) {
                    tracing::error!(%error, "feed refused; the live one stays");
                    self.etag = None;
                }
            }
        }
        Ok(())
    }
}

/// The answer, unless the cloud says that nothing changed since `etag`, which is kept up to date.
async fn changed(
    client: &CloudClient,
    target: &str,
    etag: &mut Option<String>,
) -> Result<Option<Response>, Outage> {
    let answer = client.call("GET", target, etag.as_deref(), Vec::new(), CALL_WAIT).await?;
    match answer.status {
        304 => Ok(None),
        200 => {
            *etag = answer.header("etag").map(ToOwned::to_owned);
            Ok(Some(answer))
        }
        status => Err(Outage::Status(status)),
    }
}
