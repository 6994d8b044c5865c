//! The gateway under measurement and the authority that both ends of the bench agree on: fixed demo keys, the
//! shipped policy `view`, a fresh feed. Nothing is switched off.
//! No cloud runs: every request is one that the edge decides alone.

use crate::Outcome;
use glacis_compiler::{Source, compile};
use glacis_edge::gateway::Gateway;
use glacis_edge::{EdgeConfig, EdgeCore, EdgeKeys};
use glacis_host::{Clock, DirFiles, SystemHost};
use glacis_policy::Owner;
use glacis_seal::{
    ClusterKey, ClusterKeys, Context, Purpose, Secret, SigningKey, key_id, sha256, sign_envelope,
};
use glacis_wire::message::policy::{Bundle, BundleSlice, Feed, KeySet, KeyUse, Published, PublishedKey};
use glacis_wire::message::{Bytes, List, Tail};
use glacis_wire::{Encode, Realm, TenantId, Timestamp, Zone};
use std::path::Path;
use std::sync::Arc;

/// The path that every request asks for; an event of the policy `view`.
pub(crate) const PATH: &str = "/accounts/4711";

const POLICY: &str = include_str!("../../../../policies/view/policy.toml");
const SIGNALS: &str = include_str!("../../../../policies/signals.toml");

/// Keys that are worth nothing outside this bench.
pub(crate) fn key(seed: u8) -> SigningKey {
    let filled = SigningKey::generate(|out| {
        out.fill(seed);
        Ok::<_, ()>(())
    });
    filled.expect("a fixed seed makes a key")
}

/// The key that enrols devices.
pub(crate) fn result_key() -> SigningKey {
    key(2)
}

pub(crate) fn context() -> Context {
    Context::new(TenantId::parse("bench").expect("a name"), Realm::Demo)
}

/// The edge slice of the policy, and its digest.
pub(crate) fn slice() -> Outcome<BundleSlice> {
    let source = |name, text| Source { name, text };
    let compiled = compile(source("signals.toml", SIGNALS), source("policy.toml", POLICY), None)
        .map_err(|found| format!("policy does not compile: {found}"))?;
    let Context { tenant, realm } = context();
    let binding = compiled.bind(Owner { tenant, realm }, sha256);
    let (policy, [_, edge, _]) = (binding.policy, compiled.slices(&binding));
    Ok(BundleSlice { event: compiled.event().clone(), policy, slice: Bytes(edge) })
}

fn config(listen: &str, backend: &str) -> String {
    format!(
        r#"
tenant = "bench"
realm = "demo"
node = "bench-1"
listen = "{listen}"
threads = 1
cloud = "127.0.0.1:9"
feed_stale_s = 3600

[limits]
prefix = {{ burst = 1000000, per_second = 1000000 }}
device = {{ burst = 1000000, per_second = 1000000 }}
journal_bytes = 4294967296

[upstream.shop]
address = "{backend}"

[[route]]
method = "GET"
path = "/accounts/{{account}}"
upstream = "shop"
event = "account.view"
[route.fields.account]
path = "account"
"#
    )
}

/// Serves until killed.
pub(crate) fn serve(listen: &str, backend: &str, state: &Path) -> Outcome<()> {
    let context = context();
    let (policy, result, feed) = (key(1), result_key(), key(3));
    let keys = [(KeyUse::Policy, &policy), (KeyUse::Result, &result), (KeyUse::Feed, &feed)];
    let keys = keys.map(|(usage, key)| PublishedKey { id: key_id(&key.public()), usage, key: key.public() });
    let issued = Timestamp::ZERO;
    let (tenant, realm) = (context.tenant.clone(), context.realm);
    let key_set = KeySet { tenant: tenant.clone(), realm, version: 1, issued, keys: List(keys.to_vec()) };
    let current = ClusterKey { epoch: 1, secret: Secret::new([9; 32]) };
    let edge_keys = EdgeKeys {
        tickets: ClusterKeys { current, previous: None, next: None },
        nonce: Secret::new([11; 32]),
        upstream: Secret::new([12; 32]),
        node: Secret::new([13; 32]),
        key_set,
    };
    let files = Arc::new(DirFiles::open(state)?);
    let host = Arc::new(SystemHost::new());
    let now = host.now();
    let config = EdgeConfig::parse("bench.toml", &config(listen, backend))?;
    let core = Arc::new(EdgeCore::new(config, edge_keys, host, files)?);
    let slices = List(vec![slice()?]);
    let metering = Tail::default();
    let bundle =
        Bundle { tenant: tenant.clone(), realm, zone: Zone::Edge, version: 1, issued, slices, metering };
    let bundle = sign_envelope(&policy, &context, Purpose::Bundle, &bundle)?;
    core.accept_bundle(&Published { key_sets: List(vec![]), bundle }.to_bytes()?)?;
    let listed = Feed { tenant, realm, version: 1, issued: now, entries: List(vec![]) };
    let signed = sign_envelope(&feed, &context, Purpose::Feed, &listed)?;
    core.accept_feed(&signed.to_bytes()?, now)?;
    let running = Gateway::bind(core)?.start()?;
    eprintln!("gateway on {}", running.local_addr());
    loop {
        std::thread::park();
    }
}
