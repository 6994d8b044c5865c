//! An axum application behind the pipeline, without a gateway: `cargo run -p glacis-hosts --example axum`.
//!
//! Its keys live as long as the process and no control plane runs beside it, so its one decided route observes: it
//! counts what would have been refused, and forwards. `glacis serve` shows how an installation gets its keys.

use axum::Router;
use axum::extract::ConnectInfo;
use axum::routing::get;
use glacis_edge::gateway::Background;
use glacis_edge::{EdgeConfig, EdgeCore, EdgeKeys};
use glacis_host::{Clock, Entropy, Host, MemoryFiles, SystemHost};
use glacis_hosts::{GlacisLayer, LackError};
use glacis_seal::{ClusterKey, ClusterKeys, SealError, Secret, SigningKey, key_id};
use glacis_wire::message::List;
use glacis_wire::message::policy::{KeySet, KeyUse, PublishedKey};
use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;

/// `app` behind the pipeline.
pub(crate) fn protected(app: Router, core: Arc<EdgeCore>) -> Result<Router, LackError> {
    let peer = |parts: &axum::http::request::Parts| {
        parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|client| client.0.ip())
    };
    Ok(app.layer(GlacisLayer::new(core, peer)?))
}

/// Serves it, so that the layer learns where requests come from.
pub(crate) async fn serve(listener: TcpListener, app: Router) -> std::io::Result<()> {
    axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await
}

/// A pipeline with keys of its own.
pub(crate) fn pipeline() -> Result<Arc<EdgeCore>, Box<dyn Error>> {
    let config = EdgeConfig::parse("axum.toml", CONFIG)?;
    let host = SystemHost::new();
    let secret = || Secret::generate(|out: &mut [u8]| host.fill(out));
    let key = |usage| {
        let key = SigningKey::generate(|out: &mut [u8]| host.fill(out))?.public();
        Ok::<_, SealError>(PublishedKey { id: key_id(&key), usage, key })
    };
    let keys = vec![key(KeyUse::Policy)?, key(KeyUse::Result)?, key(KeyUse::Feed)?];
    let current = ClusterKey { epoch: 1, secret: secret()? };
    let keys = EdgeKeys {
        tickets: ClusterKeys { current, previous: None, next: None },
        nonce: secret()?,
        upstream: secret()?,
        node: secret()?,
        key_set: KeySet {
            tenant: config.tenant.clone(),
            realm: config.realm,
            version: 1,
            issued: host.now(),
            keys: List(keys),
        },
    };
    let host: Arc<dyn Host> = Arc::new(SystemHost::new());
    Ok(Arc::new(EdgeCore::new(config, keys, host, Arc::new(MemoryFiles::new()))?))
}

/// Runs until it is interrupted.
#[tokio::main(flavor = "current_thread")]
#[cfg_attr(test, expect(dead_code, reason = "a test serves by itself"))]
async fn main() -> Result<(), Box<dyn Error>> {
    let core = pipeline()?;
    let listener = TcpListener::bind(core.config().listen).await?;
    println!("http://{}/accounts/7", listener.local_addr()?);
    let background = Background::start(&core)?;
    let app = Router::new().route("/accounts/{account}", get(async || "an account"));
    let app = protected(app, Arc::clone(&core))?;
    tokio::select! {
        served = serve(listener, app) => served?,
        interrupted = tokio::signal::ctrl_c() => interrupted?,
    }
    background.shutdown();
    Ok(())
}

const CONFIG: &str = r#"
tenant = "acme"
realm = "demo"
node = "axum"
listen = "127.0.0.1:8080"
cloud = "127.0.0.1:7402"

[upstream.here]
address = "127.0.0.1:8080"

[[route]]
path = "/accounts/{account}"
upstream = "here"
event = "account.view"
mode = "observe"
stance = "open"
"#;
