//! What opening a session costs the edge: CPU time of the trust pipeline for one opening, without sockets. And how long an
//! enrolment takes: challenge, keys, request, appraisal, the commit of a real store, and the device's look at the answer.
//!
//! Devices are real ones of the middleware, their openings made and signed before. "Known" is a device whose attestation
//! result this node has verified before, "first sight" one whose it has not. Medians of rounds over many devices, by the
//! kernel's account of the thread. Beside them stands what no opening can do without, measured alone in the same rounds: one
//! verification of a signature (two at first sight) and both multiplications of the agreement. The bars are for a machine
//! on which a verification takes 55 us; the shares are for any.

use crate::{Outcome, median};
use glacis_attest::Anchors;
use glacis_cloud::{Birth, CloudConfig, CloudCore, CloudKeys, CloudLimits, Enrolling, Place};
use glacis_dtx::{Enrolment, KeyStore, Sessions, SoftwareKeyStore, Vault};
use glacis_edge::core::Body;
use glacis_edge::{EdgeConfig, EdgeCore, EdgeKeys, RequestHead, Step};
use glacis_host::{Clock, Host, MemoryFiles, SystemHost};
use glacis_seal::{
    ClusterKey, ClusterKeys, Context, MacKey, Purpose, Secret, Share, SigningKey, key_id, sha256,
    sign_envelope, thumbprint, verify_raw,
};
use glacis_wire::http::Request;
use glacis_wire::message::enrol::{
    AttestationResult, DeviceCertificate, EnrolChallenge, EnrolResponse, TrustVector,
};
use glacis_wire::message::policy::{Bundle, Feed, KeySet, KeyUse, Published, PublishedKey};
use glacis_wire::message::{List, PublicKey, Signature, Tail, Text};
use glacis_wire::{Encode, Realm, TenantId, Tier, Timestamp, Trust, Zone};
use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Source: the bars of session openings.
const KNOWN_US_MAX: f64 = 120.0;
const FIRST_US_MAX: f64 = 180.0;

const DEVICES: usize = 256;
const ROUNDS: usize = 9;
const AUTHORITY: &str = "edge.bench";

/// Medians, in microseconds of CPU.
pub(crate) struct Openings {
    first_us: f64,
    known_us: f64,
    verification_us: f64,
    agreement_us: f64,
    enrolment_us: f64,
}

impl Openings {
    pub(crate) fn measure() -> Outcome<Self> {
        let host: Arc<dyn Host> = Arc::new(SystemHost::new());
        let cloud = Cloud::new(&*host)?;
        let mut devices = Vec::new();
        for _ in 0..DEVICES {
            devices.push(cloud.enrol(&host)?);
        }
        let (mut first, mut known) = (Vec::new(), Vec::new());
        let (mut verification, mut agreement) = (Vec::new(), Vec::new());
        let alone = Alone::new(&host)?;
        for _ in 0..ROUNDS {
            // A node that has seen nobody.
            let edge = cloud.edge(&host)?;
            for costs in [&mut first, &mut known] {
                let now = host.now();
                let openings: Result<Vec<Request>, _> =
                    devices.iter_mut().map(|device| device.opening(now)).collect();
                let openings = openings?;
                let began = cpu();
                for opening in &openings {
                    open(&edge, opening, now)?;
                }
                costs.push((cpu() - began).as_secs_f64() * 1e6 / DEVICES as f64);
            }
            verification.push(each_us(|| alone.verify())?);
            agreement.push(each_us(|| alone.agree(&host))?);
        }
        let enrolment_us = median(&mut cloud.enrolments(&host)?);
        Ok(Self {
            first_us: median(&mut first),
            known_us: median(&mut known),
            verification_us: median(&mut verification),
            agreement_us: median(&mut agreement),
            enrolment_us,
        })
    }

    pub(crate) fn holds(&self) -> bool {
        self.first_us <= FIRST_US_MAX && self.known_us <= KNOWN_US_MAX
    }

    pub(crate) fn print(&self) {
        let (verification, agreement) = (self.verification_us, self.agreement_us);
        let line = |name: &str, us: f64, bar: f64, signatures: f64| {
            let share = us / (signatures * verification + agreement);
            println!(
                "session opening at the edge, {name}: {us:.1} us (bar {bar} us), {share:.2} of its cryptography alone"
            );
        };
        line("first sight", self.first_us, FIRST_US_MAX, 2.0);
        line("known", self.known_us, KNOWN_US_MAX, 1.0);
        println!("    alone: a verification {verification:.1} us, an agreement {agreement:.1} us");
        println!("enrolment round trip, software keys: {:.0} us", self.enrolment_us);
    }

    pub(crate) fn json(&self) -> Value {
        json!({
            "first_sight_us": self.first_us, "known_us": self.known_us, "verification_us": self.verification_us,
            "agreement_us": self.agreement_us, "enrolment_us": self.enrolment_us,
        })
    }
}

/// CPU time of one call in microseconds, as many of them as there are devices.
fn each_us(mut call: impl FnMut() -> Outcome<()>) -> Outcome<f64> {
    let began = cpu();
    for _ in 0..DEVICES {
        call()?;
    }
    Ok((cpu() - began).as_secs_f64() * 1e6 / DEVICES as f64)
}

/// What an opening cannot do without.
struct Alone {
    key: PublicKey,
    signature: Signature,
    peer: [u8; 32],
}

impl Alone {
    const MESSAGE: [u8; 32] = [7; 32];

    fn new(host: &Arc<dyn Host>) -> Outcome<Self> {
        let key = SigningKey::generate(|out| host.fill(out))?;
        let peer = Share::generate(|out: &mut [u8]| host.fill(out))?.public();
        Ok(Self { key: key.public(), signature: key.sign_raw(&Self::MESSAGE)?, peer })
    }

    fn verify(&self) -> Outcome<()> {
        Ok(verify_raw(&self.key, &Self::MESSAGE, &self.signature)?)
    }

    fn agree(&self, host: &Arc<dyn Host>) -> Outcome<()> {
        Share::generate(|out: &mut [u8]| host.fill(out))?.agree(&self.peer)?;
        Ok(())
    }
}

fn open(edge: &EdgeCore, request: &Request, now: Timestamp) -> Outcome<()> {
    let head = RequestHead::of(request);
    let peer = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let mut step = edge.begin(&head, Body::Whole(&request.body), peer, now);
    if let Step::NeedBody(held) = step {
        step = edge.body(held, &head, &request.body, now);
    }
    match step {
        Step::Answer(answer) if answer.status == 200 => Ok(()),
        Step::Answer(answer) => Err(String::from_utf8_lossy(&answer.body).into_owned().into()),
        _ => Err("an opening is answered at once".into()),
    }
}

/// Who enrols, publishes and lists.
struct Cloud {
    context: Context,
    policy: SigningKey,
    result: SigningKey,
    feed: SigningKey,
    key_set: KeySet,
}

struct Device {
    sessions: Sessions,
    enrolled: glacis_dtx::Enrolled,
}

impl Device {
    fn opening(&mut self, now: Timestamp) -> Outcome<Request> {
        Ok(self.sessions.begin(&self.enrolled, AUTHORITY, now)?.request().clone())
    }
}

impl Cloud {
    fn new(host: &dyn Host) -> Outcome<Self> {
        let context = Context::new(TenantId::parse("bench")?, Realm::Demo);
        let key = || SigningKey::generate(|out| host.fill(out));
        let (policy, result, feed) = (key()?, key()?, key()?);
        let keys = [(KeyUse::Policy, &policy), (KeyUse::Result, &result), (KeyUse::Feed, &feed)];
        let keys =
            keys.map(|(usage, key)| PublishedKey { id: key_id(&key.public()), usage, key: key.public() });
        let (tenant, realm, issued) = (context.tenant.clone(), context.realm, host.now());
        let key_set = KeySet { tenant, realm, version: 1, issued, keys: List(keys.to_vec()) };
        Ok(Self { context, policy, result, feed, key_set })
    }

    /// An empty store of keys, and the vault that it is in.
    fn keys(&self, host: &Arc<dyn Host>) -> Outcome<(Arc<Vault>, Arc<dyn KeyStore>)> {
        let files = Arc::new(MemoryFiles::new());
        let vault = Arc::new(Vault::open(files, Arc::clone(host), self.context.clone())?);
        let keys = Arc::new(SoftwareKeyStore::open(Arc::clone(&vault))?);
        Ok((vault, keys))
    }

    fn enrol(&self, host: &Arc<dyn Host>) -> Outcome<Device> {
        let (vault, keys) = self.keys(host)?;
        let (now, not_after) = (host.now(), host.now().after(Duration::from_secs(3_600)));
        let challenge = EnrolChallenge { nonce: [7; 32], not_after, mac: [0; 32] };
        let enrolment = Enrolment::begin(Arc::clone(&keys), self.context.clone(), false)?;
        let enrolment = enrolment.challenged(challenge, now)?.evidenced(None)?;
        let device_key = *enrolment.device_key();
        let thumbprint = thumbprint(&device_key);
        let certificate = DeviceCertificate { thumbprint, device_key, passkey: None, issued: now, not_after };
        let certificate = sign_envelope(&self.result, &self.context, Purpose::Certificate, &certificate)?;
        let result = AttestationResult {
            thumbprint,
            tier: Tier::Hardware,
            trust: Trust::Attested,
            family: Text("none".into()),
            vector: TrustVector::default(),
            verified_at: now,
            not_after,
            certificate: Tail(vec![sha256(&certificate.to_bytes()?)]),
        };
        let result = sign_envelope(&self.result, &self.context, Purpose::Result, &result)?;
        let enrolled = enrolment.finish(EnrolResponse { certificate, result }, &self.key_set, now)?;
        Ok(Device { sessions: Sessions::open(vault, keys)?, enrolled })
    }

    /// Elapsed times of enrolments of new devices at a real store, one after another. Unit: microseconds.
    fn enrolments(&self, host: &Arc<dyn Host>) -> Outcome<Vec<f64>> {
        let folder = tempfile::tempdir()?;
        let copy = |key: &SigningKey| SigningKey::from_scalar(key.scalar().expose());
        let config = CloudConfig {
            birth: Birth { tenant: self.context.tenant.clone(), realm: self.context.realm },
            key_set: sign_envelope(&self.policy, &self.context, Purpose::KeySet, &self.key_set)?,
            keys: CloudKeys {
                result: copy(&self.result)?,
                feed: copy(&self.feed)?,
                nonce: MacKey::new([7; 32]),
                own: MacKey::new([9; 32]),
            },
            anchors: Anchors::new(self.context.clone()),
            enrolling: Enrolling::default(),
            passkeys: None,
            limits: CloudLimits::default(),
        };
        let place = folder.path().join("cloud.db");
        let mut core = CloudCore::open(&Place::File(&place), config, Arc::clone(host))?;
        let mut took = Vec::new();
        for _ in 0..DEVICES {
            let (_, keys) = self.keys(host)?;
            let began = Instant::now();
            let challenge = core.enrol_challenge()?;
            let enrolment = Enrolment::begin(keys, self.context.clone(), true)?;
            let enrolment = enrolment.challenged(challenge, host.now())?.evidenced(None)?;
            let answer = core.enrol(&enrolment.request()?)?;
            enrolment.finish(answer, &self.key_set, host.now())?;
            took.push(began.elapsed().as_secs_f64() * 1e6);
        }
        Ok(took)
    }

    /// A node that has seen nobody, with an empty policy and a fresh feed.
    fn edge(&self, host: &Arc<dyn Host>) -> Outcome<EdgeCore> {
        let keys = EdgeKeys {
            tickets: ClusterKeys {
                current: ClusterKey { epoch: 1, secret: Secret::new([9; 32]) },
                previous: None,
                next: None,
            },
            nonce: Secret::new([11; 32]),
            upstream: Secret::new([12; 32]),
            node: Secret::new([13; 32]),
            key_set: self.key_set.clone(),
        };
        let config = EdgeConfig::parse("bench.toml", CONFIG)?;
        let core = EdgeCore::new(config, keys, Arc::clone(host), Arc::new(MemoryFiles::new()))?;
        let (tenant, realm, issued) = (self.context.tenant.clone(), self.context.realm, host.now());
        let (slices, metering) = (List(vec![]), Tail::default());
        let bundle =
            Bundle { tenant: tenant.clone(), realm, zone: Zone::Edge, version: 1, issued, slices, metering };
        let bundle = sign_envelope(&self.policy, &self.context, Purpose::Bundle, &bundle)?;
        core.accept_bundle(&Published { key_sets: List(vec![]), bundle }.to_bytes()?)?;
        let listed = Feed { tenant, realm, version: 1, issued, entries: List(vec![]) };
        let signed = sign_envelope(&self.feed, &self.context, Purpose::Feed, &listed)?;
        core.accept_feed(&signed.to_bytes()?, issued)?;
        Ok(core)
    }
}

/// Nothing but its limits is as in production.
const CONFIG: &str = r#"
tenant = "bench"
realm = "demo"
node = "bench-1"
listen = "127.0.0.1:0"
cloud = "127.0.0.1:9"
feed_stale_s = 3600

[limits]
prefix = { burst = 1000000, per_second = 1000000 }
device = { burst = 1000000, per_second = 1000000 }
asymmetric = { burst = 1000000, per_second = 1000000 }
"#;

/// CPU time of this thread.
fn cpu() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    let (secs, nanos) = (u64::try_from(now.tv_sec), u32::try_from(now.tv_nsec));
    Duration::new(secs.unwrap_or_default(), nanos.unwrap_or_default())
}
