//! The control plane: registry, decisions, features, lists, policies, audit.
//!
//! [`CloudCore`] is everything without sockets: one SQLite store, one owner, domain calls that each happen wholly
//! or not at all. [`server::Server`] puts it behind HTTP: one writer thread owns the core, commits in groups and
//! answers only what is durable. The simulator drives the core directly, over memory, clock and entropy of its own.
//!
//! What a decision reads (facts, feature cut, list versions) is kept with it, so that it can be evaluated again;
//! what happened is under a hash chain ([`audit`]). Nothing private ever gets here: the device lets out two bits
//! a declared node, and [`EventFacts`](glacis_wire::message::decide::EventFacts) has no place for more.

pub mod admin;
pub mod ask;
pub mod audit;
pub mod browse;
pub mod config;
mod core;
mod decide;
mod error;
mod evaluate;
pub mod explain;
mod fact;
mod feature;
pub mod fleet;
pub mod inspect;
pub mod lines;
mod list;
mod metrics;
mod operator_passkey;
pub mod otp;
pub mod page;
pub mod passkey;
pub mod policy;
pub mod pulse;
pub mod record;
pub mod registry;
pub mod replay;
mod report;
pub mod server;
mod state;
mod store;
mod sweep;
pub mod webhook;

pub use crate::core::CloudCore;
pub use config::{CloudConfig, CloudKeys, CloudLimits, Enrolling};
pub use error::{CloudError, CloudErrorKind};
pub use metrics::CloudMetrics;
pub use otp::{OtpDelivery, OtpSendError, OtpSender};
pub use policy::Publish;
pub use record::{LoggedEvent, Settled, StoredDecision};
pub use store::backup::{Copied, restore};
pub use store::{Birth, Place, SCHEMA_VERSION};
pub use sweep::Swept;
