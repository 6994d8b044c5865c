//! One edge node with keys, policies and a clock in the test's hands.

use crate::device::{Device, Session, key};
use glacis_edge::{Body, EdgeConfig, EdgeCore, EdgeKeys, Forward, Pending, RequestHead, Step};
use glacis_host::{Clock, Files, Host, MemoryFiles, SeededHost};
use glacis_policy::Owner;
use glacis_seal::text::base64url;
use glacis_seal::{
    ClusterKey, ClusterKeys, Context, MacKey, Purpose, Secret, SigningKey, jws, key_id, sha256, sign_envelope,
};
use glacis_wire::http::{Request, Response};
use glacis_wire::message::decide::{Record, UpstreamDecision};
use glacis_wire::message::policy::{
    Bundle, BundleSlice, Feed, FeedAction, FeedEntry, KeySet, KeyUse, Published, PublishedKey,
};
use glacis_wire::message::{Bytes, List, Maced, Tail};
use glacis_wire::{
    Decode, Disclosed, Encode, EventId, NodeOutcome, PolicyDigest, Realm, TenantId, Thumbprint, Tier,
    Timestamp, Trust, Zone,
};
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

pub(crate) const START: Timestamp = Timestamp::from_secs(1_800_000_000);
pub(crate) const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));
pub(crate) const ATTESTED: (Tier, Trust) = (Tier::Hardware, Trust::Attested);
pub(crate) const SOFTWARE: (Tier, Trust) = (Tier::Software, Trust::Claimed);

/// Everything that the cloud of a test would hold.
pub(crate) struct Authority {
    pub(crate) context: Context,
    pub(crate) policy: SigningKey,
    pub(crate) result: SigningKey,
    pub(crate) feed: SigningKey,
    pub(crate) token: SigningKey,
    pub(crate) key_set: KeySet,
}

pub(crate) struct World {
    pub(crate) authority: Authority,
    pub(crate) host: SeededHost,
    pub(crate) files: Arc<MemoryFiles>,
    pub(crate) core: Arc<EdgeCore>,
    /// Digests of the policies `view` and `transfer`.
    pub(crate) view: PolicyDigest,
    pub(crate) transfer: PolicyDigest,
}

impl Authority {
    pub(crate) fn new(tenant: &str, realm: Realm) -> Self {
        let context = Context::new(TenantId::parse(tenant).unwrap(), realm);
        let (policy, result, feed) = (key(1), key(2), key(3));
        let keys = [(KeyUse::Policy, &policy), (KeyUse::Result, &result), (KeyUse::Feed, &feed)];
        let keys =
            keys.map(|(usage, key)| PublishedKey { id: key_id(&key.public()), usage, key: key.public() });
        let key_set = KeySet {
            tenant: context.tenant.clone(),
            realm,
            version: 1,
            issued: START,
            keys: List(keys.to_vec()),
        };
        Self { context, policy, result, feed, token: key(4), key_set }
    }

    pub(crate) fn edge_keys(&self) -> EdgeKeys {
        EdgeKeys {
            tickets: cluster(1),
            nonce: Secret::new([11; 32]),
            upstream: Secret::new([12; 32]),
            node: Secret::new([13; 32]),
            key_set: self.key_set.clone(),
        }
    }

    pub(crate) fn bundle(&self, zone: Zone, version: u64, slices: Vec<BundleSlice>) -> Vec<u8> {
        let bundle = Bundle {
            tenant: self.context.tenant.clone(),
            realm: self.context.realm,
            zone,
            version,
            issued: START,
            slices: List(slices),
            metering: Tail::default(),
        };
        let bundle = sign_envelope(&self.policy, &self.context, Purpose::Bundle, &bundle).unwrap();
        Published { key_sets: List(vec![]), bundle }.to_bytes().unwrap()
    }

    pub(crate) fn feed(&self, version: u64, entries: &[(Thumbprint, FeedAction)]) -> Vec<u8> {
        self.feed_at(START, version, entries)
    }

    pub(crate) fn feed_at(
        &self,
        issued: Timestamp,
        version: u64,
        entries: &[(Thumbprint, FeedAction)],
    ) -> Vec<u8> {
        let entry = |(thumbprint, action): &(Thumbprint, FeedAction)| FeedEntry {
            thumbprint: *thumbprint,
            action: *action,
            since: START,
        };
        let feed = Feed {
            tenant: self.context.tenant.clone(),
            realm: self.context.realm,
            version,
            issued,
            entries: List(entries.iter().map(entry).collect()),
        };
        sign_envelope(&self.feed, &self.context, Purpose::Feed, &feed).unwrap().to_bytes().unwrap()
    }

    /// A token for `user`.
    pub(crate) fn token(&self, user: &str, expires: Timestamp) -> String {
        let claims = format!(r#"{{"sub":"{user}","iss":"shop","exp":{}}}"#, expires.as_secs());
        let token = jws::sign_es256(&self.token, br#"{"alg":"ES256"}"#, claims.as_bytes()).unwrap();
        format!("Bearer {token}")
    }
}

pub(crate) fn cluster(epoch: u32) -> ClusterKeys {
    let key = |epoch: u32| ClusterKey { epoch, secret: Secret::new([epoch as u8; 32]) };
    ClusterKeys { current: key(epoch), previous: Some(key(epoch - 1)), next: Some(key(epoch + 1)) }
}

/// Whose slices the edge runs.
pub(crate) fn owner(tenant: &str) -> Owner {
    Owner { tenant: TenantId::parse(tenant).unwrap(), realm: Realm::Demo }
}

/// A shipped policy, compiled: its digest and the slice of `zone`.
pub(crate) fn slice(name: &str, zone: Zone) -> BundleSlice {
    slice_of(owner("acme"), name, zone)
}

/// The same, made for `owner`.
pub(crate) fn slice_of(owner: Owner, name: &str, zone: Zone) -> BundleSlice {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policies");
    let read = |path: &str| std::fs::read_to_string(root.join(path)).unwrap();
    let (signals, policy) = (read("signals.toml"), read(&format!("{name}/policy.toml")));
    let source = |name, text| glacis_compiler::Source { name, text };
    let compiled =
        glacis_compiler::compile(source("signals.toml", &signals), source("policy.toml", &policy), None)
            .unwrap();
    let binding = compiled.bind(owner, sha256);
    let digest = binding.policy;
    let [device, edge, cloud] = compiled.slices(&binding);
    let bytes = match zone {
        Zone::Device => device,
        Zone::Edge => edge,
        Zone::Cloud => cloud,
    };
    BundleSlice { event: compiled.event().clone(), policy: digest, slice: Bytes(bytes) }
}

pub(crate) fn config(token: &SigningKey, extra: &str) -> String {
    let key = base64url(&token.public().0);
    format!(
        r#"
tenant = "acme"
realm = "demo"
node = "edge-1"
listen = "127.0.0.1:0"
cloud = "127.0.0.1:9"
{extra}
[token]
alg = "ES256"
key = "{key}"
issuer = "shop"

[upstream.shop]
address = "127.0.0.1:9"

[[route]]
method = "GET"
path = "/accounts/{{account}}"
upstream = "shop"
event = "account.view"
[route.fields.account]
path = "account"

[[route]]
method = "GET"
path = "/seen/{{account}}"
upstream = "shop"
event = "account.view"
mode = "observe"

[[route]]
method = "GET"
path = "/kiosk"
upstream = "shop"
event = "account.view"
device = "none"

[[route]]
method = "GET"
path = "/maybe"
upstream = "shop"
event = "account.view"
device = "optional"

[[route]]
method = "GET"
path = "/open"
upstream = "shop"
event = "no.policy"
stance = "open"

[[route]]
method = "GET"
path = "/closed"
upstream = "shop"
event = "no.policy"

[[route]]
method = "POST"
path = "/upload"
upstream = "shop"
event = "account.view"
body_max_bytes = 100000

[[route]]
method = "POST"
path = "/transfers"
upstream = "shop"
event = "payment.transfer"
body_max_bytes = 1000
principal = {{ signal = "user" }}
[route.fields.payee]
json = "/payee"
max_bytes = 64
[route.fields.amount]
json = "/amount"
type = "int"
[route.fields.currency]
json = "/currency"
max_bytes = 3

[[route]]
path = "/public/{{*}}"
upstream = "shop"
"#
    )
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with("")
    }

    /// With further top-level settings; policy in force, feed fresh.
    pub(crate) fn with(extra: &str) -> Self {
        let world = Self::bare(extra);
        world.publish(1);
        world.core.accept_feed(&world.authority.feed(1, &[]), START).unwrap();
        world
    }

    /// Without policy and feed.
    pub(crate) fn bare(extra: &str) -> Self {
        let authority = Authority::new("acme", Realm::Demo);
        let text = config(&authority.token, extra);
        let host = SeededHost::new(7, START);
        let files = Arc::new(MemoryFiles::new());
        let core = start(&authority, &text, &host, Arc::clone(&files) as Arc<dyn Files>);
        let (view, transfer) = (slice("view", Zone::Edge).policy, slice("transfer", Zone::Edge).policy);
        Self { authority, host, files, core, view, transfer }
    }

    pub(crate) fn publish(&self, version: u64) {
        let slices = vec![slice("view", Zone::Edge), slice("transfer", Zone::Edge)];
        assert!(self.core.accept_bundle(&self.authority.bundle(Zone::Edge, version, slices)).unwrap());
    }

    /// The cloud signs the same feed anew.
    pub(crate) fn refresh_feed(&self) {
        self.core.accept_feed(&self.authority.feed_at(self.now(), 1, &[]), self.now()).unwrap();
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.host.now()
    }

    pub(crate) fn pass(&self, seconds: u64) {
        self.host.advance(Duration::from_secs(seconds));
    }

    pub(crate) fn device(&self, seed: u8, standing: (Tier, Trust)) -> Device {
        Device::enrolled(&self.authority.context, &self.authority.result, seed, standing, self.now())
    }

    pub(crate) fn open(&self, device: &mut Device) -> Session {
        let (request, share, transcript) = device.opening(self.now());
        let answer = self.answer(&request);
        assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
        device.finish(share, &transcript, &answer.body)
    }

    /// A device with an open session.
    pub(crate) fn session(&self, seed: u8, standing: (Tier, Trust)) -> Session {
        self.open(&mut self.device(seed, standing))
    }

    pub(crate) fn step(&self, request: &Request) -> Step {
        step(&self.core, request, PEER, self.now())
    }

    /// The answer to a request that must end in one.
    pub(crate) fn answer(&self, request: &Request) -> Response {
        match self.step(request) {
            Step::Answer(answer) => answer,
            other => panic!("no answer but {other:?}"),
        }
    }

    pub(crate) fn forward(&self, request: &Request) -> Forward {
        match self.step(request) {
            Step::Forward(forward) => *forward,
            other => panic!("not forwarded but {other:?}"),
        }
    }

    pub(crate) fn ask(&self, request: &Request) -> Box<Pending> {
        match self.step(request) {
            Step::AskCloud(pending) => pending,
            other => panic!("cloud not asked but {other:?}"),
        }
    }

    /// The stable code of a refusal, or what came instead.
    pub(crate) fn code(&self, request: &Request) -> String {
        outcome(self.step(request))
    }

    /// Records in the journal, oldest first.
    pub(crate) fn records(&self) -> Vec<Record> {
        self.core.duty().batch().unwrap().map(|batch| batch.report.records.0).unwrap_or_default()
    }

    pub(crate) fn decision(&self, forward: &Forward) -> UpstreamDecision {
        let header = forward.decision.as_deref().unwrap();
        let maced =
            Maced::from_bytes(&glacis_seal::httpsig::sfv::parse_bytes(header, 65_536).unwrap()).unwrap();
        let key = MacKey::new(Secret::new([12; 32]));
        glacis_seal::open_maced(&maced, &self.authority.context, Purpose::Decision, &key).unwrap()
    }
}

pub(crate) fn start(
    authority: &Authority,
    config: &str,
    host: &SeededHost,
    files: Arc<dyn Files>,
) -> Arc<EdgeCore> {
    let config = EdgeConfig::parse("edge.toml", config).unwrap_or_else(|error| panic!("{error}"));
    let host: Arc<dyn Host> = Arc::new(host.clone());
    Arc::new(EdgeCore::new(config, authority.edge_keys(), host, files).unwrap())
}

/// Runs a request with its whole body in hand.
pub(crate) fn step(core: &EdgeCore, request: &Request, peer: IpAddr, now: Timestamp) -> Step {
    let head = RequestHead::of(request);
    let body = if request.body.is_empty() { Body::Empty } else { Body::ToCome };
    match core.begin(&head, body, peer, now) {
        Step::NeedBody(held) => core.body(held, &head, &request.body, now),
        step => step,
    }
}

/// A step in one word.
pub(crate) fn outcome(step: Step) -> String {
    match step {
        Step::Answer(answer) => {
            let text = String::from_utf8_lossy(&answer.body).into_owned();
            match text.split_once(r#""code":""#) {
                Some((_, rest)) => rest.split('"').next().unwrap().to_owned(),
                None => format!("{} {}", answer.status, text.split("\"reference\"").next().unwrap()),
            }
        }
        Step::Forward(_) => "forward".into(),
        Step::AskCloud(_) => "ask".into(),
        Step::NeedBody(_) => "body".into(),
        Step::Relay(relay) => format!("relay {}{}", relay.path, relay.query),
    }
}

pub(crate) fn event(n: u8) -> EventId {
    EventId::new([n; 16])
}

/// A disclosure of one node.
pub(crate) fn says(policy: PolicyDigest, node: NodeOutcome) -> Disclosed {
    Disclosed { policy, nodes: vec![node], values: vec![] }
}

pub(crate) fn transfer(body: &str) -> Request {
    let mut request = crate::device::post("/transfers", body.as_bytes().to_vec());
    request.headers.push(("content-type".into(), "application/json".into()));
    request
}
