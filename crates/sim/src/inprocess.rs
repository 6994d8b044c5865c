//! The same fleet over the cores, without sockets: one thread, one seeded host, simulated time.
//!
//! Gateway and control plane run as the libraries that their servers host; what a server would carry over a
//! socket is a call here, and nothing happens in the background. So the order of everything follows from the
//! script, and the same seed gives the same decision trace (invariant 8): records without signature, ticket and
//! TLS bytes, of which records hold none.

use crate::actor::Site;
use crate::chips::Chips;
use crate::gate::{self, Places};
use crate::keys::{self, RunKeys};
use crate::manufacturer;
use crate::phone;
use crate::platform::Makers;
use crate::policies::Policies;
use crate::records::{self, Kept};
use crate::report::DemoReport;
use crate::schedule::{MULE, Schedule, Size, VIP};
use crate::script::{Fleet, Round, Seen};
use crate::shop::{Door, Shop};
use crate::snapshots::Snapshots;
use crate::terminal::Silent;
use crate::verdicts::{self, Evidence};
use crate::victim::VictimCommand;
use crate::world::{Line, World, WorldError};
use glacis_attest::{Anchors, Revocations};
use glacis_cloud::admin::ListChange;
use glacis_cloud::{
    Birth, CloudConfig, CloudCore, CloudError, CloudErrorKind, Enrolling, OtpSendError, OtpSender, Place,
};
use glacis_edge::core::Body;
use glacis_edge::{EdgeCore, Forward, Pending, Relay, RequestHead, Step};
use glacis_host::{Clock, Host, MemoryFiles, SeededHost};
use glacis_sdk::drive::{Lost, Transport};
use glacis_wire::http::{self, Request, Response};
use glacis_wire::message::decide::DecideAnswer;
use glacis_wire::message::refusal::Refusal;
use glacis_wire::message::{simulated, tpm};
use glacis_wire::{Decode, Encode, Thumbprint, Timestamp, Zone};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A run without sockets.
#[derive(Debug)]
pub struct Town {
    site: Site,
    plain: String,
    shop: Arc<Shop>,
    makers: Makers,
    host: SeededHost,
    zones: Arc<Zones>,
}

/// Gateway and control plane.
struct Zones {
    edge: EdgeCore,
    cloud: Mutex<CloudCore>,
    shop: Arc<Shop>,
    host: SeededHost,
    fed: Mutex<Timestamp>,
}

impl std::fmt::Debug for Zones {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Zones").finish_non_exhaustive()
    }
}

/// When simulated time begins: 2026-01-01T00:00:00Z.
const BEGINNING: Timestamp = Timestamp::from_ms(1_767_225_600_000);
/// Simulated time that one exchange takes.
const EXCHANGE_TAKES: Duration = Duration::from_millis(1);
/// Simulated time between two pulls of the revocation feed.
const FEED_EVERY: Duration = Duration::from_secs(2);
/// Simulated time between two benign actions.
const PACE: Duration = Duration::from_millis(40);

impl Town {
    /// Builds gateway, control plane and shop from `seed`; the control plane keeps its file at `store`.
    ///
    /// # Errors
    /// If one of them does not start.
    pub fn build(seed: u64, store: &Path, policies: &Policies) -> Result<Self, WorldError> {
        let host = SeededHost::new(seed, BEGINNING);
        let keys = RunKeys::make(&host.stream("keys")).map_err(|error| WorldError::new("keys", error))?;
        let makers = Makers::found(keys.context().clone(), &host.stream("makers"));
        let makers = makers.map_err(|error| WorldError::new("makers", error))?;
        let token = keys.token().map_err(|error| WorldError::new("keys", error))?;
        let shop = Shop::new(keys.context().clone(), token, keys.decision(), Arc::new(host.clone()));
        let shop = Arc::new(shop);
        let mut cloud = open_cloud(&keys, &makers, None, store, Arc::new(host.stream("cloud")))?;
        publish(&mut cloud, &keys, policies, &host)?;
        let nowhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 9));
        let places = Places { listen: nowhere, cloud: nowhere, shop: nowhere };
        let config =
            gate::config(places, &keys.token_key()).map_err(|error| WorldError::new("edge", error))?;
        let files = Arc::new(MemoryFiles::new());
        let edge = EdgeCore::new(config, keys.edge(), Arc::new(host.stream("edge")), files);
        let edge = edge.map_err(|error| WorldError::new("edge", error))?;
        let zones = Arc::new(Zones {
            edge,
            cloud: Mutex::new(cloud),
            shop: Arc::clone(&shop),
            host: host.clone(),
            fed: Mutex::new(Timestamp::ZERO),
        });
        zones.pull()?;
        zones.feed()?;
        let site = Site {
            context: keys.context().clone(),
            edge: "edge.demo".to_owned(),
            pinned: keys.key_set().clone(),
        };
        Ok(Self { site, plain: "shop.demo".to_owned(), shop, makers, host, zones })
    }

    /// What an operator does or sees at the control plane.
    pub fn cloud<T>(&self, run: impl FnOnce(&mut CloudCore) -> T) -> T {
        run(&mut self.zones.cloud())
    }
}

/// Opens the control plane of a run.
pub(crate) fn open_cloud(
    keys: &RunKeys,
    makers: &Makers,
    chips: Option<&Chips>,
    store: &Path,
    host: Arc<dyn Host>,
) -> Result<CloudCore, WorldError> {
    let failed = |error: &dyn std::fmt::Display| WorldError::new("cloud", error.to_string());
    let context = keys.context();
    let mut anchors = Anchors {
        simulated_roots: vec![makers.simulated.root()],
        apps: vec![manufacturer::app()],
        ..Anchors::new(context.clone())
    };
    makers.phones.anchor(&mut anchors);
    let families = [simulated::FAMILY, phone::android::FAMILY, phone::apple::FAMILY];
    let mut families: BTreeSet<String> = families.map(str::to_owned).into();
    if let Some(chips) = chips {
        anchors.roots.tpm = chips.anchors()?;
        families.insert(tpm::FAMILY.to_owned());
    }
    let config = CloudConfig {
        birth: Birth { tenant: context.tenant.clone(), realm: context.realm },
        key_set: keys.signed_key_set().map_err(|error| failed(&error))?,
        keys: keys.cloud().map_err(|error| failed(&error))?,
        anchors,
        enrolling: Enrolling {
            families,
            references: phone::references(),
            revocations: Some(Revocations::empty(host.now())),
            collateral_key: None,
        },
        passkeys: Some(passkey_site()),
        limits: keys::limits(),
    };
    CloudCore::open(&Place::File(store), config, host).map_err(|error| failed(&error))
}

/// The site whose passkeys pass challenges.
pub fn passkey_site() -> glacis_attest::Site {
    glacis_attest::Site { id: "shop.demo".to_owned(), origins: vec!["https://shop.demo".to_owned()] }
}

/// Publishes the shipped policies and fills the lists.
pub(crate) fn publish(
    cloud: &mut CloudCore,
    keys: &RunKeys,
    policies: &Policies,
    host: &dyn Host,
) -> Result<(), WorldError> {
    let failed = |error: &dyn std::fmt::Display| WorldError::new("policies", error.to_string());
    let publish = keys.publish(policies, host).map_err(|error| failed(&error))?;
    cloud.publish(&publish).map_err(|error| failed(&error))?;
    for (list, item) in [("mules", MULE), ("vip", VIP)] {
        let change = ListChange { list, item, present: true, effective: None, by: "demo" };
        cloud.change_list(&change).map_err(|error| failed(&error))?;
    }
    Ok(())
}

impl World for Town {
    fn site(&self) -> &Site {
        &self.site
    }

    fn plain(&self) -> &str {
        &self.plain
    }

    fn shop(&self) -> &Shop {
        &self.shop
    }

    fn makers(&self) -> &Makers {
        &self.makers
    }

    fn host(&self, label: &str) -> Arc<dyn Host> {
        Arc::new(self.host.stream(label))
    }

    fn line(&self, number: u32) -> Result<Line, WorldError> {
        let [_, _, middle, low] = number.to_be_bytes();
        let peer = IpAddr::V4(Ipv4Addr::new(10, middle, low, 1));
        Ok(Box::new(Wire { zones: Arc::clone(&self.zones), edge: self.site.edge.clone(), peer }))
    }

    fn pass(&self, by: Duration) {
        self.host.advance(by);
    }

    fn victim(&self) -> Option<&VictimCommand> {
        None
    }

    fn chips(&self) -> Option<&Chips> {
        None
    }

    fn is_listed(&self, device: &Thumbprint) -> bool {
        self.zones.edge.listed(device).is_some()
    }

    fn decided(&self) -> (u32, u32) {
        decided(&self.zones.edge)
    }
}

/// Verdicts that the gateway took itself, and that it got from the control plane.
pub(crate) fn decided(edge: &EdgeCore) -> (u32, u32) {
    let counters = edge.metrics().snapshot();
    let sum = |counts: [u64; 3]| u32::try_from(counts.iter().sum::<u64>()).unwrap_or(u32::MAX);
    (sum(counters.edge), sum(counters.cloud))
}

/// A device's way to everything, as calls.
struct Wire {
    zones: Arc<Zones>,
    edge: String,
    peer: IpAddr,
}

impl Transport for Wire {
    fn exchange(&mut self, request: &Request) -> Result<Response, Lost> {
        self.zones.host.advance(EXCHANGE_TAKES);
        if request.authority != self.edge {
            return Ok(self.zones.shop.handle(Door::Plain, request));
        }
        self.zones.feed().map_err(|_| Lost)?;
        let response = self.zones.serve(request, self.peer);
        self.zones.ship().map_err(|_| Lost)?;
        Ok(response)
    }
}

impl Zones {
    fn cloud(&self) -> MutexGuard<'_, CloudCore> {
        self.cloud.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the gateway's server does with one request.
    fn serve(&self, request: &Request, peer: IpAddr) -> Response {
        let head = RequestHead::of(request);
        let now = self.host.now();
        let body = if request.body.is_empty() { Body::Empty } else { Body::Whole(&request.body) };
        let mut step = self.edge.begin(&head, body, peer, now);
        loop {
            step = match step {
                Step::Answer(response) => return response,
                Step::NeedBody(held) => self.edge.body(held, &head, &request.body, now),
                Step::AskCloud(pending) => {
                    let answer = self.decide(&pending);
                    self.edge.resume(pending, answer, now)
                }
                Step::Relay(relay) => return self.edge.relayed(self.relay(&relay)),
                Step::Forward(forward) => return self.forward(request, &forward),
            }
        }
    }

    fn decide(&self, pending: &Pending) -> Option<DecideAnswer> {
        match self.cloud().decide(pending.facts()) {
            Ok(answer) => Some(answer),
            Err(error) => match error.kind() {
                CloudErrorKind::Refused(refusal) => Some(DecideAnswer::Refused(refusal)),
                _ => None,
            },
        }
    }

    /// What the control plane's server does with a relayed message.
    fn relay(&self, relay: &Relay) -> Option<Response> {
        let mut cloud = self.cloud();
        let done = match relay.path {
            "/v1/device/enrol/challenge" => cloud.enrol_challenge().map(|challenge| encoded(&challenge)),
            "/v1/device/enrol/activation" => message(&relay.body)
                .and_then(|request| cloud.enrol_activation(&request))
                .map(|made| encoded(&made)),
            "/v1/device/enrol" => {
                message(&relay.body).and_then(|request| cloud.enrol(&request)).map(|done| encoded(&done))
            }
            "/v1/device/otp/start" => {
                message(&relay.body).and_then(|start| cloud.otp_start(&start)).map(|delivery| {
                    let _unsent = delivery.deliver(&*self.shop);
                    Some(Vec::new())
                })
            }
            "/v1/device/otp/verify" => message(&relay.body)
                .and_then(|verify| cloud.otp_verify(&verify))
                .map(|answer| encoded(&answer)),
            "/v1/device/passkey/verify" => message(&relay.body)
                .and_then(|verify| cloud.passkey_verify(&verify))
                .map(|answer| encoded(&answer)),
            _ => return None,
        };
        match done {
            Ok(body) => Some(Response {
                status: 200,
                headers: vec![("content-type".to_owned(), http::MEDIA_TYPE.to_owned())],
                body: body?,
            }),
            Err(error) => refused(&error),
        }
    }

    /// What the gateway's server does with an order to forward: our headers out, the decision in.
    fn forward(&self, request: &Request, forward: &Forward) -> Response {
        let ours = |name: &str| name.to_ascii_lowercase().starts_with(http::OUR_PREFIX);
        let mut upstream = request.clone();
        upstream.headers.retain(|(name, _)| !ours(name));
        upstream.headers.extend(forward.decision.clone().map(|value| (http::DECISION.to_owned(), value)));
        let mut response = self.shop.handle(Door::Protected, &upstream);
        response.headers.retain(|(name, _)| !ours(name));
        let version = forward.policy_version.map(|version| version.to_string());
        let added = [
            (http::VERDICT, forward.verdict.clone()),
            (http::REFERENCE, forward.reference.clone()),
            (http::POLICY_VERSION, version),
        ];
        let added = added.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        response.headers.extend(added);
        response
    }

    /// Brings what the gateway owes to the control plane.
    fn ship(&self) -> Result<(), WorldError> {
        let failed = |error: &dyn std::fmt::Display| WorldError::new("journal", error.to_string());
        while let Some(batch) = self.edge.duty().batch().map_err(|error| failed(&error))? {
            self.cloud().report(&batch.report).map_err(|error| failed(&error))?;
            self.edge.duty().acknowledge(&batch).map_err(|error| failed(&error))?;
        }
        Ok(())
    }

    /// Brings policies and feed to the gateway.
    fn pull(&self) -> Result<(), WorldError> {
        let failed = |error: &dyn std::fmt::Display| WorldError::new("publication", error.to_string());
        let mut cloud = self.cloud();
        let held = self.edge.key_set_version();
        let edge = encode(&cloud.published(Zone::Edge, held).map_err(|error| failed(&error))?)?;
        self.edge.accept_bundle(&edge).map_err(|error| failed(&error))?;
        let device = encode(&cloud.published(Zone::Device, 0).map_err(|error| failed(&error))?)?;
        self.edge.accept_device_bundle(&device).map_err(|error| failed(&error))
    }

    /// Brings the revocation feed to the gateway when it is due.
    fn feed(&self) -> Result<(), WorldError> {
        let failed = |error: &dyn std::fmt::Display| WorldError::new("feed", error.to_string());
        let now = self.host.now();
        let mut fed = self.fed.lock().unwrap_or_else(PoisonError::into_inner);
        if now.since(*fed) >= FEED_EVERY {
            let feed = encode(&self.cloud().feed().map_err(|error| failed(&error))?)?;
            self.edge.accept_feed(&feed, now).map_err(|error| failed(&error))?;
            *fed = now;
        }
        Ok(())
    }
}

impl OtpSender for Shop {
    fn send(&self, principal: &str, code: &str) -> Result<(), OtpSendError> {
        self.deliver(principal, code);
        Ok(())
    }
}

fn encoded(message: &impl Encode) -> Option<Vec<u8>> {
    message.to_bytes().ok()
}

fn encode(message: &impl Encode) -> Result<Vec<u8>, WorldError> {
    message.to_bytes().map_err(|error| WorldError::new("publication", error))
}

fn message<T: Decode>(body: &[u8]) -> Result<T, CloudError> {
    T::from_bytes(body).map_err(|error| CloudError::new(CloudErrorKind::Invalid, error.to_string()))
}

/// A refusal of the control plane as a problem document; any other failure is an outage.
fn refused(error: &CloudError) -> Option<Response> {
    let refusal = match error.kind() {
        CloudErrorKind::Refused(refusal) => refusal,
        CloudErrorKind::Invalid => Refusal::EnrolmentRefused,
        _ => return None,
    };
    let problem =
        serde_json::json!({ "type": "about:blank", "status": refusal.status(), "code": refusal.name() });
    Some(Response {
        status: refusal.status(),
        headers: vec![("content-type".to_owned(), "application/problem+json".to_owned())],
        body: problem.to_string().into_bytes(),
    })
}

/// One whole run without sockets.
#[derive(Debug)]
pub struct Ran {
    /// What it says at its end.
    pub report: DemoReport,
    /// What the control plane kept.
    pub kept: Kept,
    /// What only the simulator knows.
    pub snapshots: Snapshots,
    /// The policies that were in force.
    pub policies: Policies,
}

/// Runs the fleet of `size` from `seed`; the control plane keeps its file at `store`.
///
/// # Errors
/// If a part of the world fails.
pub fn run(seed: u64, size: Size, store: &Path) -> Result<Ran, WorldError> {
    let policies = Policies::shipped().map_err(|error| WorldError::new("policies", error))?;
    let town = Town::build(seed, store, &policies)?;
    let schedule = Schedule::draw(seed, size);
    let snapshots = Snapshots::default();
    let mut seen = Seen::default();
    let mut fleet = Fleet::enrol(&town, &schedule)?;
    let round =
        Round { world: &town, schedule: &schedule, policies: &policies, snapshots: &snapshots, pace: PACE };
    let _completed = round.run(&mut fleet, &mut seen, &mut Silent, &|| false)?;
    town.zones.ship()?;
    drop((fleet, town));
    let kept =
        records::read(store, &policies.principals()).map_err(|error| WorldError::new("records", error))?;
    let evidence =
        Evidence { seed, seen: &seen, kept: &kept, snapshots: &snapshots, policies: &policies, check: true };
    let report = verdicts::report(&evidence);
    Ok(Ran { report, kept, snapshots, policies })
}
