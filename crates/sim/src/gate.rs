//! The gateway's configuration in the demo, as an operator would write it.
//!
//! It goes through the same parser as an operator's file, so the demo cannot have a setting that nobody else can.
//! Two limits differ from the defaults, and say why.

use crate::keys::TENANT;
use crate::shop::Shop;
use glacis_edge::{ConfigError, EdgeConfig};
use glacis_seal::PublicKey;
use glacis_seal::text::base64url;
use std::net::SocketAddr;

/// Requests of one device: enough for a person, far below a script.
const DEVICE_BURST: u32 = 60;
/// Of which so many come back each second.
const DEVICE_PER_SECOND: u32 = 30;

/// Where everything is.
#[derive(Clone, Copy, Debug)]
pub struct Places {
    /// Where devices connect.
    pub listen: SocketAddr,
    /// The control plane.
    pub cloud: SocketAddr,
    /// The shop's protected door.
    pub shop: SocketAddr,
}

/// The configuration of the demo's one gateway.
///
/// # Errors
/// Never: the text is fixed but for addresses and a key.
pub fn config(places: Places, token_key: &PublicKey) -> Result<EdgeConfig, ConfigError> {
    EdgeConfig::parse("demo.toml", &text(places, token_key))
}

fn text(places: Places, token_key: &PublicKey) -> String {
    let Places { listen, cloud, shop } = places;
    let (key, issuer) = (base64url(&token_key.0), Shop::ISSUER);
    format!(
        r#"
tenant = "{TENANT}"
realm = "demo"
node = "edge-1"
listen = "{listen}"
cloud = "{cloud}"
cloud_wait_ms = 5000
bundle_every_ms = 200
feed_every_ms = 500

[limits]
device = {{ burst = {DEVICE_BURST}, per_second = {DEVICE_PER_SECOND} }}
# Every device has a prefix of its own here; enrolling and acting must fit in it.
prefix = {{ burst = 2000, per_second = 2000 }}
asymmetric = {{ burst = 2000, per_second = 2000 }}

[token]
alg = "ES256"
key = "{key}"
issuer = "{issuer}"

[upstream.shop]
address = "{shop}"

[[route]]
method = "GET"
path = "/accounts/{{account}}"
upstream = "shop"
event = "account.view"
principal = {{ signal = "user", claim = "sub" }}

[[route]]
method = "POST"
path = "/transfers"
upstream = "shop"
event = "payment.transfer"
body_max_bytes = 4096
principal = {{ signal = "user", claim = "sub" }}
[route.fields.payee]
json = "/payee"
max_bytes = 64
[route.fields.amount]
json = "/amount"
type = "int"
[route.fields.currency]
json = "/currency"
max_bytes = 3
"#
    )
}
