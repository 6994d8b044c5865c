//! What actors can reach: the gateway, the shop, time, and the user's own phone.
//!
//! A [`World`] hides whether there are sockets. The demo's has loopback HTTP between real servers
//! ([`crate::http`]); the in-process one calls the cores directly under a seeded host ([`crate::inprocess`]).
//! Actors cannot tell them apart, which is what makes their verdict totals comparable.

use crate::actor::Site;
use crate::chips::Chips;
use crate::platform::Makers;
use crate::shop::Shop;
use glacis_host::Host;
use glacis_sdk::drive::Transport;
use glacis_wire::Thumbprint;
use std::sync::Arc;
use std::time::Duration;

/// Why a part of the world failed.
#[derive(Debug, thiserror::Error)]
#[error("{part}: {what}")]
pub struct WorldError {
    part: &'static str,
    what: String,
}

impl WorldError {
    /// A failure of `part`.
    pub fn new(part: &'static str, what: impl ToString) -> Self {
        Self { part, what: what.to_string() }
    }
}

/// A device's way to every authority.
pub type Line = Box<dyn Transport + Send>;

/// What actors can reach.
pub trait World {
    /// What apps of this world are built with.
    fn site(&self) -> &Site;
    /// Authority of the shop's plain door.
    fn plain(&self) -> &str;
    /// The shop, for measuring goals and for reading one's own inbox.
    fn shop(&self) -> &Shop;
    /// The makers of genuine devices.
    fn makers(&self) -> &Makers;
    /// Clock and entropy for the part `label`.
    fn host(&self, label: &str) -> Arc<dyn Host>;
    /// The line of device `number`.
    ///
    /// # Errors
    /// If the kernel grants no socket.
    fn line(&self, number: u32) -> Result<Line, WorldError>;
    /// Lets time pass.
    fn pass(&self, by: Duration);
    /// Starts a victim process for the `hooked-app` attacks; none where the world has no processes.
    fn victim(&self) -> Option<&crate::victim::VictimCommand>;
    /// Whether the gateway has heard that this device is not what it was.
    fn is_listed(&self, device: &Thumbprint) -> bool;
    /// Where emulated TPMs are made; none where no device has one.
    fn chips(&self) -> Option<&Chips>;
    /// Verdicts so far: the gateway's own, and those it got from the control plane.
    fn decided(&self) -> (u32, u32);
}
