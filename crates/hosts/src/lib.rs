//! The trust pipeline behind other proxies and inside services.
//!
//! [`glacis_edge::EdgeCore`] decides; a host brings it requests and does what it says. The built-in gateway is one
//! host; here are three more: an Envoy `ext_authz` service, an nginx `auth_request` service (both [`Hosted`]) and a
//! [`GlacisLayer`] for tower. What each can do is data ([`Capabilities`]), and a configuration that needs more is
//! refused at start.
//!
//! What must not happen here: nothing is decided, and no request is read in a way that its proxy and the service
//! behind it do not share.

mod auth_request;
mod body;
mod capability;
mod ext_authz;
mod head;
mod layer;
mod own;
mod pipeline;
mod service;

pub use auth_request::{PATH_ANSWER, PATH_AUTHORIZE};
pub use body::{Answered, Passed};
pub use capability::{
    AUTH_REQUEST, BUFFER_MAX, BodyReach, Capabilities, EXT_AUTHZ, GATEWAY, LAYER, LackError,
};
pub use ext_authz::PATH_CHECK;
pub use layer::{GlacisLayer, GlacisService};
pub use service::{HostError, HostKind, Hosted, PEER, SECRET, Secret, SecretError};
