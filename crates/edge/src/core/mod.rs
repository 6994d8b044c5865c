//! The trust pipeline, cheapest refusal first, as a plain library (DESIGN §5.3, §7).
//!
//! A caller hands in a head ([`EdgeCore::begin`]) and follows the [`Step`]s: answer, bring the body, ask the cloud,
//! relay, or forward. Each step that waits returns a value that only this module can make and that is consumed
//! when the wait is over, so no check can be skipped or run twice:
//! head → `Caller` (signature, replay, feed, limits) → `Case` (body, fields, principal, proof) → verdict → record →
//! answer or [`Forward`].

pub(crate) mod answer;
mod caller;
mod deliver;
mod event;
pub(crate) mod live;
pub(crate) mod operate;
mod own;
mod publish;
mod reload;

use crate::config::{EdgeConfig, Upstream};
use crate::duty::Duty;
use crate::learnt::{Counted, Learning, OTHER};
use crate::limit::{Budget, Gcra, Prefix};
use crate::metrics::Facts;
use crate::request::RequestHead;
use crate::state::events::Events;
use crate::state::legs::Legs;
use crate::state::lock;
use crate::state::vouched::Vouched;
use crate::trust::feed::FeedState;
use crate::trust::proof::Challenger;
use glacis_host::{Files, Host};
use glacis_seal::published::Held as HeldPublished;
use glacis_seal::ticket::ClusterKeys;
use glacis_seal::{Context, MacKey, Secret};
use glacis_wire::http::{self, Response};
use glacis_wire::message::decide::DecideAnswer;
use glacis_wire::message::policy::{KeySet, Published};
use glacis_wire::message::refusal::Refusal;
use glacis_wire::{Digest, LegId, NodeName, Reference, SessionId, Timestamp};
use live::Live;
use operate::Modes;
use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

pub use event::Pending;
pub use operate::{BYPASS_MAX, ModeError, WEIGHT_MAX};
pub use own::Relay;
pub use publish::AcceptError;
pub use reload::ReloadError;

/// Key material of one node. `Debug` prints nothing.
#[derive(Debug)]
pub struct EdgeKeys {
    /// Cluster keys of the ticket epochs in force.
    pub tickets: ClusterKeys,
    /// Key that all nodes and the cloud share for challenge nonces (purpose `Nonce`).
    pub nonce: Secret,
    /// Key shared with the upstreams for decisions (purpose `Decision`).
    pub upstream: Secret,
    /// Key shared with the cloud for requests between nodes.
    pub node: Secret,
    /// The pinned key set that trust in everything published starts from.
    pub key_set: KeySet,
}

/// Why a node does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Keys of the demo outside the demo, or the other way round.
    #[error("pinned key set is for tenant `{tenant}`, realm `{realm}`, not for this node")]
    Foreign {
        /// Tenant of the key set.
        tenant: String,
        /// Realm of the key set.
        realm: &'static str,
    },
    /// The token key is not a key.
    #[error("token key is not usable")]
    Token,
    /// The journal or the stored policy cannot be read.
    #[error("state of the node: {0}")]
    State(String),
    /// No randomness.
    #[error("no randomness from the operating system")]
    Entropy,
}

/// What the caller has to do next.
#[derive(Debug)]
pub enum Step {
    /// Send this answer.
    Answer(Response),
    /// Bring the whole body, then call [`EdgeCore::body`].
    NeedBody(Box<Held>),
    /// Ask the cloud with [`Pending::facts`], at most `cloud_wait`, then call [`EdgeCore::resume`].
    AskCloud(Box<Pending>),
    /// Forward the request.
    Forward(Box<Forward>),
    /// Pass a message on to the cloud, then call [`EdgeCore::relayed`].
    Relay(Box<Relay>),
}

/// A request whose body is needed. Holds that every check before the body passed.
#[derive(Debug)]
pub struct Held {
    limit: usize,
    what: Wanted,
}

#[derive(Debug)]
enum Wanted {
    Event(Box<event::Case>),
    Own(own::Wanted),
}

impl Held {
    /// Longest body that is accepted; a longer one is answered by [`EdgeCore::body_too_large`]. Unit: bytes.
    pub const fn limit(&self) -> usize {
        self.limit
    }
}

/// What the caller knows of the body when it has the head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body<'a> {
    /// There is none, or it is empty.
    Empty,
    /// Here it is.
    Whole(&'a [u8]),
    /// It is still to come.
    ToCome,
    /// There is one and the host cannot bring it whole; the refusal says so. It acts where a decision would need the
    /// body, and where the route observes only if a field is read from it.
    OutOfReach(Refusal),
}

/// An order to forward. Every header whose name starts with `glacis-` is dropped in both directions first.
#[derive(Debug)]
pub struct Forward {
    /// Where to.
    pub upstream: Arc<Upstream>,
    /// Value of the header `glacis-decision` to the upstream.
    pub decision: Option<String>,
    /// Value of the header `glacis-verdict` to the client.
    pub verdict: Option<String>,
    /// Value of the header `glacis-reference` to the client.
    pub reference: Option<String>,
    /// Value of the header `glacis-policy-version` to the client.
    pub policy_version: Option<u64>,
    /// What the body that still streams must have as SHA-256; its last byte is held until it does, or where the route
    /// observes, [`EdgeCore::unlike`] is told when it does not.
    pub content: Option<Digest>,
    /// Whether the route observes, so that a body goes on whatever it is.
    pub observes: bool,
    /// To be handed to [`EdgeCore::unlike`].
    pub counted: Option<Counted>,
    /// Longest body. Unit: bytes.
    pub body_max: usize,
    /// To be handed to [`EdgeCore::learn`] when the upstream has answered, or has not.
    pub learn: Option<Learning>,
}

impl Forward {
    /// What the client is told beside the service's answer: names and values of headers.
    pub fn told(&self) -> impl Iterator<Item = (&'static str, Cow<'_, str>)> {
        let version = self.policy_version.map(|version| Cow::Owned(version.to_string()));
        let told = [
            (http::VERDICT, self.verdict.as_deref().map(Cow::Borrowed)),
            (http::REFERENCE, self.reference.as_deref().map(Cow::Borrowed)),
            (http::POLICY_VERSION, version),
        ];
        told.into_iter().filter_map(|(name, value)| Some((name, value?)))
    }
}

/// What a node is at one time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gauges {
    /// Routes learnt or named.
    pub learnt_routes: usize,
    /// Bytes of the journal that wait for the cloud.
    pub journal_bytes: u64,
    /// Version of the policy in force.
    pub bundle_version: Option<u64>,
    /// Version of the key set that is held.
    pub key_set_version: u64,
    /// Version of the revocation feed.
    pub feed_version: Option<u64>,
    /// Time since the feed was signed, or since it was confirmed that there is none newer.
    pub feed_age: Option<Duration>,
    /// How long the bypass in force will last; `None` where there is none.
    pub bypassed_for: Option<Duration>,
}

/// The trust pipeline of one node.
pub struct EdgeCore {
    node: NodeName,
    context: Context,
    host: Arc<dyn Host>,
    tickets: RwLock<Arc<ClusterKeys>>,
    challenger: Challenger,
    upstream_key: MacKey,
    node_key: MacKey,
    prefixes: Gcra,
    devices: Gcra,
    asymmetric: Budget,
    legs: Legs,
    events: Events,
    vouched: Vouched,
    live: RwLock<Arc<Live>>,
    feed: RwLock<Arc<FeedState>>,
    published: Mutex<PublishedState>,
    modes: Modes,
    /// One operator at a time.
    operating: Mutex<()>,
    duty: Duty,
    facts: Facts,
    files: Arc<dyn Files>,
    random: Mutex<Pool>,
    bases: Mutex<Vec<String>>,
}

/// What was accepted from the cloud.
struct PublishedState {
    held: HeldPublished,
    /// Shared with readers on the hot path.
    keys: Arc<KeySet>,
    device: Option<(u64, Published)>,
}

impl std::fmt::Debug for EdgeCore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EdgeCore").field("node", &self.node).finish_non_exhaustive()
    }
}

impl EdgeCore {
    /// A node with empty tables, the policy that it last accepted, and the journal that it left behind.
    pub fn new(
        config: EdgeConfig,
        keys: EdgeKeys,
        host: Arc<dyn Host>,
        files: Arc<dyn Files>,
    ) -> Result<Self, StartError> {
        let context = Context::new(config.tenant.clone(), config.realm);
        if keys.key_set.tenant != context.tenant || keys.key_set.realm != context.realm {
            let (tenant, realm) = (keys.key_set.tenant.to_string(), keys.key_set.realm.name());
            return Err(StartError::Foreign { tenant, realm });
        }
        let mut boot = [0; 4];
        host.fill(&mut boot).map_err(|_| StartError::Entropy)?;
        let tag = glacis_seal::sha256(config.node.as_str().as_bytes());
        let mut leg_prefix = [0; 8];
        let parts = tag.as_bytes().iter().take(4).chain(&boot);
        leg_prefix.iter_mut().zip(parts).for_each(|(to, from)| *to = *from);
        let modes = Modes::restore(&*files, &config)?;
        let config = Arc::new(config);
        let settings = Live::new(Arc::clone(&config)).map_err(|_| StartError::Token)?;
        let (held, live) = publish::restore(&*files, settings, &context, keys.key_set)?;
        Ok(Self {
            tickets: RwLock::new(Arc::new(keys.tickets)),
            challenger: Challenger::new(context.clone(), MacKey::new(keys.nonce)),
            upstream_key: MacKey::new(keys.upstream),
            node_key: MacKey::new(keys.node),
            prefixes: Gcra::new(config.limits.prefix, config.limits.rate_keys),
            devices: Gcra::new(config.limits.device, config.limits.rate_keys),
            asymmetric: Budget::new(config.limits.asymmetric),
            legs: Legs::new(config.limits.legs, leg_prefix),
            events: Events::new(config.limits.events),
            vouched: Vouched::new(),
            live: RwLock::new(Arc::new(live)),
            feed: RwLock::default(),
            published: Mutex::new(PublishedState {
                keys: Arc::new(held.key_set.clone()),
                held,
                device: None,
            }),
            modes,
            operating: Mutex::new(()),
            duty: Duty::open(
                Arc::clone(&files),
                Arc::clone(&host),
                config.node.clone(),
                config.limits.journal_bytes,
            )?,
            facts: Facts::default(),
            files,
            random: Mutex::new(Pool::default()),
            bases: Mutex::new(Vec::new()),
            context,
            host,
            node: config.node.clone(),
        })
    }

    /// The settings in force.
    pub fn config(&self) -> Arc<EdgeConfig> {
        Arc::clone(&self.live().config)
    }

    /// Name of this node.
    pub const fn node(&self) -> &NodeName {
        &self.node
    }

    /// Counters of this node.
    pub const fn metrics(&self) -> &Facts {
        &self.facts
    }

    /// What this node is now, for its metrics.
    pub fn gauges(&self) -> Gauges {
        let now = self.host.now();
        let feed = self.feed();
        Gauges {
            learnt_routes: self.routes().iter().filter(|route| route.route != OTHER).count(),
            journal_bytes: self.duty.journal_bytes(),
            bundle_version: self.bundle_version(),
            key_set_version: self.key_set_version(),
            feed_version: feed.version(),
            feed_age: feed.age(now),
            bypassed_for: self.modes.bypassed(now).map(|until| until.since(now)),
        }
    }

    /// What is owed to the cloud.
    pub const fn duty(&self) -> &Duty {
        &self.duty
    }

    /// Tenant and realm.
    pub const fn context(&self) -> &Context {
        &self.context
    }

    /// Key for requests between nodes.
    pub(crate) const fn node_key(&self) -> &MacKey {
        &self.node_key
    }

    /// Clock and randomness of this node.
    pub fn host(&self) -> &Arc<dyn Host> {
        &self.host
    }

    /// Puts other ticket keys in force (hourly epochs come ahead of their time).
    pub fn rotate_tickets(&self, keys: ClusterKeys) {
        *self.tickets.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
    }

    /// Takes a request head.
    pub fn begin(&self, head: &RequestHead<'_>, body: Body<'_>, peer: IpAddr, now: Timestamp) -> Step {
        self.facts.request();
        let limited = self.prefixes.take_weighed(&Prefix::from(peer), now, self.modes.weight(now)).is_err();
        let step = if !head.path.starts_with(http::OWN_PREFIX) {
            self.event(head, body, limited, now)
        } else if limited && !SIGNED.contains(&head.path) {
            Err(Refusal::PrefixLimited)
        } else if !crate::route::path_is_plain(head.path) {
            Err(Refusal::BodyUnreadable)
        } else {
            self.own(head, body, peer, now)
        };
        step.unwrap_or_else(|refusal| self.refuse(refusal))
    }

    /// Takes the body that [`Step::NeedBody`] asked for; `head` is the one of [`begin`](Self::begin).
    pub fn body(&self, held: Box<Held>, head: &RequestHead<'_>, body: &[u8], now: Timestamp) -> Step {
        if body.len() > held.limit {
            return self.body_too_large(held);
        }
        let step = match held.what {
            Wanted::Event(case) => self.with_body(case, head, body, now),
            Wanted::Own(wanted) => self.own_body(wanted, head, body, now),
        };
        step.unwrap_or_else(|refusal| self.refuse(refusal))
    }

    /// The body is longer than [`Held::limit`]. Where the route observes, the order is to forward all of it.
    #[expect(clippy::boxed_local, reason = "taken as the step gave it")]
    pub fn body_too_large(&self, held: Box<Held>) -> Step {
        let step = match held.what {
            Wanted::Event(case) => self.give_up(case.way, Refusal::BodyTooLarge),
            Wanted::Own(_) => Err(Refusal::BodyTooLarge),
        };
        step.unwrap_or_else(|refusal| self.refuse(refusal))
    }

    /// The upstream answered a forwarded request with this status; `None` where it did not answer.
    pub fn learn(&self, learning: &Learning, status: Option<u16>) {
        self.modes.learnt.learn(learning, status);
    }

    /// The body that streamed on an observed route is not the signed one.
    pub fn unlike(&self, counted: Option<Counted>) {
        self.facts.would_refuse(Refusal::DigestMismatch);
        if let Some(counted) = counted {
            counted.refused();
        }
    }

    /// Takes the cloud's answer to [`Pending::facts`]; `None` where there was none in time, or none authentic.
    #[expect(clippy::boxed_local, reason = "taken as the step gave it")]
    pub fn resume(&self, pending: Box<Pending>, answer: Option<DecideAnswer>, now: Timestamp) -> Step {
        self.decided(*pending, answer, now).unwrap_or_else(|refusal| self.refuse(refusal))
    }

    /// A refusal that the caller found out itself (framing, upstream, overload).
    pub fn refusal(&self, refusal: Refusal) -> Response {
        self.facts.refused(refusal);
        let reference = self.reference();
        tracing::debug!(code = refusal.name(), reference = %reference.text(), "refused");
        answer::refusal(refusal, reference)
    }

    fn refuse(&self, refusal: Refusal) -> Step {
        Step::Answer(self.refusal(refusal))
    }

    pub(crate) fn live(&self) -> Arc<Live> {
        Arc::clone(&self.live.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn feed(&self) -> Arc<FeedState> {
        Arc::clone(&self.feed.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn keys(&self) -> Arc<KeySet> {
        Arc::clone(&lock(&self.published).keys)
    }

    fn tickets(&self) -> Arc<ClusterKeys> {
        Arc::clone(&self.tickets.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn asymmetric(&self, now: Timestamp) -> Result<(), Refusal> {
        if self.asymmetric.take(now) { Ok(()) } else { Err(Refusal::Overloaded) }
    }

    /// Runs `work` with a reusable text buffer.
    fn with_base<T>(&self, work: impl FnOnce(&mut String) -> T) -> T {
        let mut base = lock(&self.bases).pop().unwrap_or_else(|| String::with_capacity(2_048));
        let done = work(&mut base);
        lock(&self.bases).push(base);
        done
    }

    fn random<const N: usize>(&self) -> Result<[u8; N], Refusal> {
        lock(&self.random).draw(&*self.host).ok_or(Refusal::Overloaded)
    }

    /// A random reference; all zero only where there is no randomness, and then nothing else works either.
    fn reference(&self) -> Reference {
        Reference::from_random(self.random().unwrap_or([0; 8]))
    }

    fn new_leg(&self) -> Result<LegId, Refusal> {
        self.random().map(|random| self.legs.id(random))
    }

    fn new_session(&self) -> Result<SessionId, Refusal> {
        self.random().map(SessionId::new)
    }
}

/// Random bytes drawn from the host in one call for many ids. Only for ids and references, never for keys.
#[derive(Debug)]
struct Pool {
    bytes: [u8; Self::SIZE],
    used: usize,
}

impl Default for Pool {
    fn default() -> Self {
        Self { bytes: [0; Self::SIZE], used: Self::SIZE }
    }
}

impl Pool {
    const SIZE: usize = 1_024;

    fn draw<const N: usize>(&mut self, host: &dyn Host) -> Option<[u8; N]> {
        if self.used + N > Self::SIZE {
            host.fill(&mut self.bytes).ok()?;
            self.used = 0;
        }
        let drawn = self.bytes.get(self.used..self.used + N)?.try_into().ok();
        self.used += N;
        drawn
    }
}

/// Own endpoints behind the signature of a session, which a limited prefix does not shut out.
const SIGNED: [&str; 2] = [http::PATH_CHALLENGE, http::PATH_RECORDS];
