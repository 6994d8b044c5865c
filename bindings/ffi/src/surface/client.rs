//! The client of one device, as an app holds it: opened on a folder, it begins flows and says how it stands.
//!
//! It owns no socket and no prompt. A client runs one flow at a time; a second one is refused until the first has ended,
//! was cancelled, or was dropped.

use super::error::GlacisError;
use super::flow::Flow;
use super::keys::PlatformStore;
use super::types::{Action, ClientConfig, Status};
use crate::bridge;
use crate::lease::Slot;
use std::sync::Arc;

/// The client of one device.
#[derive(Debug, uniffi::Object)]
pub struct Client(Arc<Slot>);

#[uniffi::export]
impl Client {
    /// Opens a client whose keys are in its folder, sealed: tier `software`, and it says so.
    #[uniffi::constructor]
    pub fn with_software_keys(config: ClientConfig) -> Result<Arc<Self>, GlacisError> {
        bridge::open(config, None).map(|slot| Arc::new(Self(slot)))
    }

    /// Opens a client whose keys are with the platform. Keys that another kind of store made are refused, never replaced.
    #[uniffi::constructor]
    pub fn with_platform_keys(config: ClientConfig, store: PlatformStore) -> Result<Arc<Self>, GlacisError> {
        bridge::open(config, Some(store)).map(|slot| Arc::new(Self(slot)))
    }

    /// How it stands.
    pub fn status(&self) -> Result<Status, GlacisError> {
        self.0.status()
    }

    /// Enrols the device, or renews its enrolment. A platform that attests gives evidence about the device key.
    pub fn enrol(&self) -> Result<Arc<Flow>, GlacisError> {
        bridge::enrol(&self.0).map(Arc::new)
    }

    /// Opens a session ahead of need; a guarded action opens one itself.
    pub fn open_session(&self) -> Result<Arc<Flow>, GlacisError> {
        bridge::open_session(&self.0).map(Arc::new)
    }

    /// Pulls newer key sets and the newest policy.
    pub fn pull(&self) -> Result<Arc<Flow>, GlacisError> {
        bridge::pull(&self.0).map(Arc::new)
    }

    /// Sends queued records of local decisions; none if there are none. Where a batch left in this minute already, the flow
    /// sends nothing and ends with no records.
    pub fn report(&self) -> Result<Option<Arc<Flow>>, GlacisError> {
        bridge::report(&self.0).map(|flow| flow.map(Arc::new))
    }

    /// Begins a guarded action.
    pub fn act(&self, action: Action) -> Result<Arc<Flow>, GlacisError> {
        bridge::act(&self.0, action).map(Arc::new)
    }

    /// Gives the folder back, at once or when the running flow has ended. Everything durable is in it already.
    pub fn shut(&self) {
        self.0.shut();
    }
}
