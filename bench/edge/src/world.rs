//! The gateway under measurement and the authority that both ends of a bench agree on: fixed demo keys, a policy of one
//! rule (the shipped `view`) or of 200, a fresh feed. Nothing is switched off.
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

/// How many rules the gateway under measurement has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicySize {
    /// The shipped policy `view`.
    One,
    /// The same, and 199 more over what a request says.
    TwoHundred,
}

const POLICY: &str = include_str!("../../../policies/view/policy.toml");
const SIGNALS: &str = include_str!("../../../policies/signals.toml");
const RULES: usize = 200;

/// Request signals that the rules of [`PolicySize::TwoHundred`] read.
const MORE_SIGNALS: &[(&str, &str)] = &[
    ("view.account", "string"),
    ("view.agent", "string"),
    ("view.language", "string"),
    ("view.page", "int"),
];

impl PolicySize {
    fn signals(self) -> String {
        let mut text = SIGNALS.to_owned();
        if self == Self::TwoHundred {
            for (name, ty) in MORE_SIGNALS {
                let max = if *ty == "string" { "max_bytes = 64\n" } else { "" };
                text.push_str(&format!(
                    "\n[signal.\"{name}\"]\ntype = \"{ty}\"\nzone = \"request\"\n{max}privacy = \"pseudonymous\"\n\
                     purpose = [\"fraud-prevention\"]\nretention = \"30d\"\ncost = 1\n"
                ));
            }
        }
        text
    }

    /// The rules: conjunctions of two to four tests. A request of ours fulfils none of them, as most requests do.
    fn policy(self) -> String {
        let mut text = POLICY.to_owned();
        if self == Self::TwoHundred {
            (1..RULES).for_each(|at| text.push_str(&rule(at)));
        }
        text
    }

    fn fields(self) -> String {
        let field = |name: &str, ty: &str, from: &str| {
            format!("[route.fields.\"view.{name}\"]\n{from}\ntype = \"{ty}\"\n")
        };
        match self {
            Self::One => "[route.fields.account]\npath = \"account\"\n".to_owned(),
            Self::TwoHundred => [
                field("account", "string", "path = \"account\""),
                field("agent", "string", "header = \"user-agent\""),
                field("language", "string", "header = \"accept-language\""),
                field("page", "int", "query = \"page\""),
            ]
            .concat(),
        }
    }
}

fn rule(at: usize) -> String {
    let tests = [
        format!("view.account == \"k{at}\""),
        format!("view.agent.startsWith(\"tool-{}\")", at % 23),
        format!("view.page > {}", 100 + at),
        format!("view.language == \"l{}\"", at % 17),
        "device.tier == \"none\"".to_owned(),
        "!request.signed".to_owned(),
    ];
    let several = tests.iter().cycle().skip(at % tests.len()).take(2 + at % 3);
    let when = several.map(String::as_str).collect::<Vec<_>>().join(" && ");
    format!("\n[[rule]]\nid = \"r{at}\"\nwhen = '{when}'\neffect = \"block\"\n")
}

/// Keys that are worth nothing outside this bench.
pub fn key(seed: u32) -> SigningKey {
    let filled = SigningKey::generate(|out| {
        out.fill(7);
        out.iter_mut().zip(seed.to_be_bytes()).for_each(|(to, from)| *to = from);
        Ok::<_, ()>(())
    });
    filled.expect("a fixed seed makes a key")
}

/// The key that enrols devices.
pub fn result_key() -> SigningKey {
    key(2)
}

pub fn context() -> Context {
    Context::new(TenantId::parse("bench").expect("a name"), Realm::Demo)
}

/// The edge slice of the policy, and its digest.
pub fn slice(size: PolicySize) -> Outcome<BundleSlice> {
    let source = |name, text| Source { name, text };
    let (signals, policy) = (size.signals(), size.policy());
    let compiled = compile(source("signals.toml", &signals), source("policy.toml", &policy), None)
        .map_err(|found| format!("policy does not compile: {found}"))?;
    let Context { tenant, realm } = context();
    let binding = compiled.bind(Owner { tenant, realm }, sha256);
    let (policy, [_, edge, _]) = (binding.policy, compiled.slices(&binding));
    Ok(BundleSlice { event: compiled.event().clone(), policy, slice: Bytes(edge) })
}

fn config(listen: &str, backend: &str, size: PolicySize) -> String {
    let fields = size.fields();
    format!(
        r#"
tenant = "bench"
realm = "demo"
node = "bench-1"
listen = "{listen}"
threads = 1
cloud = "127.0.0.1:9"
feed_stale_s = 7200
feed_very_stale_s = 14400

[limits]
prefix = {{ burst = 1000000, per_second = 1000000 }}
device = {{ burst = 1000000, per_second = 1000000 }}
asymmetric = {{ burst = 1000000, per_second = 1000000 }}
connections = 20000
legs = 2097152
journal_bytes = 8589934592

[upstream.shop]
address = "{backend}"

[[route]]
method = "GET"
path = "/plain/{{*}}"
upstream = "shop"

[[route]]
method = "GET"
path = "/accounts/{{account}}"
upstream = "shop"
event = "account.view"
{fields}"#
    )
}

/// Serves until killed.
pub fn serve(listen: &str, backend: &str, state: &Path, size: PolicySize) -> Outcome<()> {
    let core = Arc::new(core((listen, backend), state, size)?);
    let running = Gateway::bind(core)?.start()?;
    eprintln!("gateway on {}", running.local_addr());
    loop {
        std::thread::park();
    }
}

/// A node with policy and feed in force; its journal is in the folder `state`.
pub fn core((listen, backend): (&str, &str), state: &Path, size: PolicySize) -> Outcome<EdgeCore> {
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
    let config = EdgeConfig::parse("bench.toml", &config(listen, backend, size))?;
    let core = EdgeCore::new(config, edge_keys, host, files)?;
    let slices = List(vec![slice(size)?]);
    let metering = Tail::default();
    let bundle =
        Bundle { tenant: tenant.clone(), realm, zone: Zone::Edge, version: 1, issued, slices, metering };
    let bundle = sign_envelope(&policy, &context, Purpose::Bundle, &bundle)?;
    core.accept_bundle(&Published { key_sets: List(vec![]), bundle }.to_bytes()?)?;
    let listed = Feed { tenant, realm, version: 1, issued: now, entries: List(vec![]) };
    let signed = sign_envelope(&feed, &context, Purpose::Feed, &listed)?;
    core.accept_feed(&signed.to_bytes()?, now)?;
    Ok(core)
}
