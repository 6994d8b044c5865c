//! The gateway: a trust pipeline as a pure library, and a reverse proxy that hosts it.
//!
//! [`EdgeCore`] is the library (DESIGN §7): no async, no sockets, time passed in, randomness through
//! [`glacis_host`]. It takes a request head, says what it needs ([`Step`]), and ends in an answer or in an order to
//! forward. [`gateway::Gateway`] owns the sockets and does what the core says; other hosts (an `ext_authz`
//! service, a simulator without sockets) drive the same core.
//!
//! What must not happen here: no rule text is parsed (slices come compiled and signed), no verdict is invented
//! (unknowns close by policy; the route's stance answers only where no policy can be run), and no decision
//! leaves without its record in the journal.

pub mod config;
pub mod core;
mod duty;
pub mod extract;
pub mod gateway;
mod learnt;
pub mod limit;
mod metrics;
pub mod offline;
pub mod request;
mod route;
mod state;
mod trust;

pub use crate::config::{ConfigError, EdgeConfig};
pub use crate::core::{
    AcceptError, BYPASS_MAX, Body, EdgeCore, EdgeKeys, Forward, Gauges, Held, ModeError, Pending, Relay,
    ReloadError, StartError, Step, WEIGHT_MAX,
};
pub use crate::duty::{Batch, Duty, JournalError};
pub use crate::learnt::{Counted, Counts, Learning, LearntRoute, OTHER, ROUTES_MAX};
pub use crate::metrics::{Facts as Metrics, Histogram, LATENCY_BUCKETS_US, Snapshot};
pub use crate::offline::{OfflineError, OfflineEvidence, OfflineStanding, OfflineVerifier};
pub use crate::request::{Fields, RequestHead};
