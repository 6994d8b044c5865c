//! From what an app asks for to a flow of the SDK that runs by itself.
//!
//! Everything that can be refused before a flow begins is refused here, in the call that began it. A flow that could not
//! begin leaves the client where it is.

mod evidence;
mod platform;
#[cfg(feature = "contract")]
pub(crate) mod rehearsal;

use crate::convert;
use crate::coroutine::{Coroutine, Desk, Work};
use crate::lease::{Held, Lease, Slot};
use crate::remedy;
use crate::surface::error::GlacisError;
use crate::surface::flow::Flow;
use crate::surface::keys::PlatformStore;
use crate::surface::types::{Action, ClientConfig, Ended};
use evidence::OfPlatform;
use glacis_dtx::{KeyStore, SoftwareKeyStore, Vault};
use glacis_host::{DirFiles, SystemHost};
use glacis_sdk::flow::enrol::NoEvidence;
use glacis_sdk::flow::pull::Pulled;
use glacis_sdk::{ClientParts, DEVICE_FINAL_TTL, SignalSet};
use glacis_seal::Context;
use glacis_wire::message::policy::KeySet;
use glacis_wire::{AppName, Decode, EventName};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

/// Opens a client on its folder.
pub(crate) fn open(config: ClientConfig, store: Option<PlatformStore>) -> Result<Arc<Slot>, GlacisError> {
    let pinned = KeySet::from_bytes(&config.key_set).map_err(|error| remedy::key_set(&error))?;
    let app = config.app.map(|app| AppName::parse(&app).map_err(|error| remedy::name(&app, &error)));
    let (app, context) = (app.transpose()?, Context::new(pinned.tenant.clone(), pinned.realm));
    let files = DirFiles::open(config.folder).map_err(|error| remedy::storage(&error))?;
    let vault = Vault::open(Arc::new(files), Arc::new(SystemHost::new()), context);
    let vault = Arc::new(vault.map_err(|error| remedy::storage(&error))?);
    let attests = store.as_ref().is_some_and(|store| store.claim.attests);
    let keys: Arc<dyn KeyStore> = match store {
        Some(store) => {
            Arc::new(platform::open(Arc::clone(&vault), store).map_err(|error| remedy::of_keys(&error))?)
        }
        None => {
            Arc::new(SoftwareKeyStore::open(Arc::clone(&vault)).map_err(|error| remedy::of_keys(&error))?)
        }
    };
    let mut client = glacis_sdk::Client::new(ClientParts {
        vault,
        keys: Arc::clone(&keys),
        pinned,
        authority: config.authority,
        app,
        // Each action brings its own.
        source: Box::new(|_: &EventName| SignalSet::new()),
        device_final_ttl: config.device_final_ttl_s.map_or(DEVICE_FINAL_TTL, Duration::from_secs),
    })
    .map_err(|error| remedy::of_flow(&error))?;
    if config.keep_sessions {
        client.keep_sessions(NUMBERS_AT_ONCE).map_err(|error| remedy::of_flow(&error))?;
    }
    Ok(Slot::new(Held { client, keys, attests }))
}

/// Enrols the device.
pub(crate) fn enrol(slot: &Arc<Slot>) -> Result<Flow, GlacisError> {
    begin(slot, |mut lease, desk| {
        Box::pin(async move {
            let Held { client, keys, attests } = lease.held()?;
            let appraised = if *attests {
                desk.drive(client.enrol(&mut OfPlatform(Arc::clone(keys)))).await?
            } else {
                desk.drive(client.enrol(&mut NoEvidence)).await?
            };
            Ok(Ended::Enrolled { appraised: convert::appraised_out(appraised) })
        })
    })
}

/// Opens a session.
pub(crate) fn open_session(slot: &Arc<Slot>) -> Result<Flow, GlacisError> {
    begin(slot, |mut lease, desk| {
        Box::pin(async move {
            desk.drive(lease.held()?.client.open()).await?;
            Ok(Ended::Opened)
        })
    })
}

/// Pulls the newest policy.
pub(crate) fn pull(slot: &Arc<Slot>) -> Result<Flow, GlacisError> {
    begin(slot, |mut lease, desk| {
        Box::pin(async move {
            let newer = match desk.drive(lease.held()?.client.pull()).await? {
                Pulled::Unchanged => None,
                Pulled::Newer(version) => Some(version),
            };
            Ok(Ended::Pulled { newer })
        })
    })
}

/// Reports local decisions, if there is something to report now.
pub(crate) fn report(slot: &Arc<Slot>) -> Result<Option<Flow>, GlacisError> {
    let mut lease = slot.lend()?;
    if lease.held()?.client.records() == 0 {
        return Ok(None);
    }
    let work = |mut lease: Lease, desk: Arc<Desk>| -> Work {
        Box::pin(async move {
            let Some(report) = lease.held()?.client.report() else {
                return Ok(Ended::Reported { records: 0 });
            };
            let records = desk.drive(report).await?;
            Ok(Ended::Reported { records: u64::try_from(records).unwrap_or(u64::MAX) })
        })
    };
    Ok(Some(Flow::new(Coroutine::new(move |desk| work(lease, desk)))))
}

/// Begins a guarded action.
pub(crate) fn act(slot: &Arc<Slot>, action: Action) -> Result<Flow, GlacisError> {
    let (action, mut signals) = convert::action_in(action)?;
    begin(slot, |mut lease, desk| {
        Box::pin(async move {
            let client = &mut lease.held()?.client;
            client.set_source(Box::new(move |_: &EventName| std::mem::take(&mut signals)));
            let act = client.act(action).map_err(|error| remedy::of_flow(&error))?;
            let outcome = desk.drive(act).await?;
            Ok(Ended::Decided { outcome: convert::outcome_out(outcome) })
        })
    })
}

fn begin(slot: &Arc<Slot>, work: impl FnOnce(Lease, Arc<Desk>) -> Work) -> Result<Flow, GlacisError> {
    let lease = slot.lend()?;
    Ok(Flow::new(Coroutine::new(|desk| work(lease, desk))))
}

/// Request numbers that one write of a kept session reserves.
const NUMBERS_AT_ONCE: NonZeroU32 = NonZeroU32::new(16).unwrap();
