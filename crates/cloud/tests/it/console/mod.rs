//! The console over loopback, as a browser asks it and as others do.
//!
//! `browser` is what a page of ours sends; [`attack`] is everybody else; [`answers`] holds the answers to their form;
//! [`live`] watches; [`looked_up`] compares what is told with what is stored; [`passkeys`] sign in.

mod answers;
mod attack;
mod authenticator;
mod live;
mod load;
mod looked_up;
mod passkeys;
mod shape;

use crate::http::{Answer, Running, start_with};
use crate::world::{Device, World, decided, did_not_act};
use glacis_cloud::CloudCore;
use glacis_host::Clock as _;
use glacis_wire::message::decide::{
    AttributedBatch, ClosedBy, DeviceBatch, DeviceRecord, EventFacts, Record, Report,
};
use glacis_wire::message::enrol::EnrolRequest;
use glacis_wire::message::session::OpeningRecord;
use glacis_wire::message::simulated::SecurityLevel;
use glacis_wire::message::{List, Text};
use glacis_wire::{Digest, Disclosed, EventName, Method, NodeName, NodeOutcome, Reference, Verdict, Zone};
use serde_json::Value as Json;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// A text that is dangerous wherever it is not taken for text.
pub(crate) const HOSTILE: &str = "</script><img src=x onerror=alert(1)>\"'`\u{2028}\n{{7*7}}${7*7}\u{0}";

/// A browser that is signed in.
pub(crate) struct Browser {
    pub(crate) at: SocketAddr,
    pub(crate) cookie: String,
    /// What its page adds passkeys with; null where it adds none.
    pub(crate) adds: Json,
}

/// The first characters of a name in ASCII.
fn start(text: &str, count: usize) -> &str {
    text.get(..count).unwrap()
}

/// One request, byte by byte as given.
pub(crate) fn raw(at: SocketAddr, head: &str, body: &str) -> Answer {
    let mut stream = TcpStream::connect(at).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    // A server that refuses a head by its size may close before it was all written.
    let _ = stream.write_all(head.as_bytes());
    let _ = stream.write_all(body.as_bytes());
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or(bytes.len());
    let text = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut lines = text.split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).map_or(0, |status| status.parse().unwrap());
    let headers =
        lines.filter_map(|line| line.split_once(": ")).map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
    Answer { status, headers, body: bytes.get(end + 4..).unwrap_or_default().to_vec() }
}

/// A request with these fields besides `Host`.
pub(crate) fn ask(at: SocketAddr, method: &str, target: &str, fields: &[(&str, &str)], body: &str) -> Answer {
    let host = at.to_string();
    let mut head = format!("{method} {target} HTTP/1.1\r\nconnection: close\r\n");
    if !fields.iter().any(|(name, _)| *name == "host") {
        head += &format!("host: {host}\r\n");
    }
    for (name, value) in fields {
        head += &format!("{name}: {value}\r\n");
    }
    if !body.is_empty() {
        head += &format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len());
    }
    raw(at, &format!("{head}\r\n"), body)
}

/// What a page of ours sends with a change.
pub(crate) const OWN: (&str, &str) = ("x-glacis-console", "1");

/// The secret of a link, as the page takes it out of its address.
pub(crate) fn link_of(running: &Running) -> String {
    let link = running.console.make().unwrap();
    link.url().split_once("#link=").unwrap().1.to_owned()
}

pub(crate) fn sign_in(running: &Running, body: &Json) -> Answer {
    ask(running.console.at(), "POST", "/console/v1/session", &[OWN], &body.to_string())
}

impl Browser {
    pub(crate) fn open(running: &Running) -> Self {
        Self::with(running, &serde_json::json!({ "link": link_of(running) }))
    }

    pub(crate) fn with(running: &Running, body: &Json) -> Self {
        Self::of(running, &sign_in(running, body))
    }

    /// Whoever got this answer to a log-in.
    pub(crate) fn of(running: &Running, answer: &Answer) -> Self {
        assert_eq!(answer.status, 201, "{}", String::from_utf8_lossy(&answer.body));
        let cookie = answer.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
        Self { at: running.console.at(), cookie, adds: answer.json()["adds"].clone() }
    }

    pub(crate) fn ask(&self, method: &str, target: &str, fields: &[(&str, &str)]) -> Answer {
        let mut all = vec![("cookie", self.cookie.as_str()), ("sec-fetch-site", "same-origin")];
        all.extend(fields);
        ask(self.at, method, target, &all, "")
    }

    pub(crate) fn get(&self, target: &str) -> Answer {
        self.ask("GET", target, &[])
    }

    pub(crate) fn json(&self, target: &str) -> Json {
        let answer = self.get(target);
        assert_eq!(answer.status, 200, "{target}: {}", String::from_utf8_lossy(&answer.body));
        assert_eq!(answer.header("content-type"), Some("application/json"), "{target}");
        answer.json()
    }
}

/// A store with something of everything that the console tells.
pub(crate) struct Town {
    pub(crate) running: Running,
    pub(crate) genuine: Device,
    pub(crate) stolen: Device,
    /// A transfer that the cloud allowed.
    pub(crate) allowed: Reference,
    /// One to a mule, which it blocked.
    pub(crate) blocked: Reference,
    /// One of a hooked app, which the edge blocked.
    pub(crate) hooked: Reference,
    /// One that the edge closed because the cloud did not answer.
    pub(crate) outage: Reference,
    /// One on a route that observes, from nobody, with hostile texts.
    pub(crate) hostile: Reference,
}

fn enrol(core: &mut CloudCore, world: &World, device: &Device, level: Option<SecurityLevel>) {
    let challenge = core.enrol_challenge().unwrap();
    core.enrol(&world.enrolment(device, &challenge, level)).unwrap();
}

fn refused(core: &mut CloudCore, world: &World) {
    let (device, challenge) = (world.device(), core.enrol_challenge().unwrap());
    let honest = world.enrolment(&device, &challenge, None);
    let forged =
        EnrolRequest { signature: world.enrolment(&world.device(), &challenge, None).signature, ..honest };
    core.enrol(&forged).unwrap_err();
}

fn opening(world: &World, device: &Device, counter: u64, parent: u8, chain: u8) -> OpeningRecord {
    OpeningRecord {
        thumbprint: device.thumbprint,
        epoch_ctr: counter,
        parent: Digest::new([parent; 32]),
        chain: Digest::new([chain; 32]),
        opened_at: world.host.now(),
        node: NodeName::parse("edge-1").unwrap(),
    }
}

pub(crate) fn record(
    world: &World,
    facts: EventFacts,
    verdict: Verdict,
    closed_by: ClosedBy,
    reason: &str,
) -> Record {
    Record {
        facts,
        zone: Zone::Edge,
        verdict,
        reference: Reference::from_random(world.host.stream(reason).random8()),
        closed_by,
        decided: world.host.now().after(Duration::from_millis(3)),
        reasons: List(vec![Text(reason.to_owned())]),
    }
}

trait Random8 {
    fn random8(&self) -> [u8; 8];
}

impl Random8 for glacis_host::SeededHost {
    fn random8(&self) -> [u8; 8] {
        use glacis_host::Entropy as _;
        self.array().unwrap()
    }
}

fn empty() -> Report {
    Report {
        node: NodeName::parse("edge-1").unwrap(),
        records: Default::default(),
        openings: Default::default(),
        devices: Default::default(),
        operator: Default::default(),
    }
}

/// Builds the town before it is served.
pub(crate) fn town(seed: u64) -> Town {
    let world = World::new(seed);
    let mut core = world.core();
    let (genuine, stolen, plain) = (world.device(), world.device(), world.device());
    enrol(&mut core, &world, &genuine, Some(SecurityLevel::Strongbox));
    enrol(&mut core, &world, &stolen, Some(SecurityLevel::Tee));
    enrol(&mut core, &world, &plain, None);
    refused(&mut core, &world);
    let change = glacis_cloud::admin::ListChange {
        list: "mules",
        item: "m1",
        present: true,
        effective: None,
        by: "ops",
    };
    core.change_list(&change).unwrap();
    world.host.advance(Duration::from_secs(1));
    let mut sessions = empty();
    sessions.openings.0.push(opening(&world, &genuine, 1, 0, 1));
    sessions.openings.0.push(opening(&world, &stolen, 1, 0, 1));
    sessions.openings.0.push(opening(&world, &stolen, 2, 1, 2));
    sessions.openings.0.push(opening(&world, &stolen, 2, 1, 3));
    // The edge ships what it opened a little later.
    world.host.advance(Duration::from_secs(1));
    core.report(&sessions).unwrap();
    let decide = |core: &mut CloudCore, facts: &EventFacts| decided(core.decide(facts).unwrap()).reference;
    let allowed = decide(&mut core, &world.transfer(genuine.thumbprint, "ann", "bob", 20));
    let blocked = decide(&mut core, &world.transfer(genuine.thumbprint, "ann", "m1", 20));
    let said = |nodes: Vec<NodeOutcome>, facts: &EventFacts| {
        Some(Disclosed { policy: facts.policy, nodes, values: Vec::new() })
    };
    let mut facts = world.transfer(genuine.thumbprint, "eve", "bob", 30);
    facts.disclosed = said(vec![NodeOutcome::True], &facts);
    let edge = record(&world, facts, Verdict::Block, ClosedBy::Policy, "tampered-app");
    let hooked = edge.reference;
    let facts = world.transfer(genuine.thumbprint, "dan", "bob", 2_000);
    let mut late = record(
        &world,
        facts,
        Verdict::Challenge(Method::Passkey),
        ClosedBy::CloudUnavailable,
        "stolen-account",
    );
    late.reasons.0.push(Text("mule".to_owned()));
    let outage = late.reference;
    let mut facts = world.transfer(genuine.thumbprint, HOSTILE, HOSTILE, 1);
    facts.thumbprint = None;
    facts.disclosed = None;
    facts.tier = glacis_wire::Tier::None;
    facts.trust = glacis_wire::Trust::Claimed;
    facts.observed.0.push(did_not_act());
    let observed = record(&world, facts, Verdict::Allow, ClosedBy::Stance, HOSTILE);
    let hostile = observed.reference;
    let mut report = empty();
    report.records.0.extend([edge, late, observed]);
    let alone = DeviceRecord {
        event: EventName::parse("payment.transfer").unwrap(),
        event_id: world.event_id(),
        disclosed: Disclosed {
            policy: crate::world::policy_digest(),
            nodes: vec![NodeOutcome::True],
            values: Vec::new(),
        },
        verdict: Verdict::Block,
        decided: world.host.now(),
    };
    report.devices.0.push(AttributedBatch {
        thumbprint: genuine.thumbprint,
        tier: glacis_wire::Tier::Strong,
        trust: glacis_wire::Trust::Attested,
        received: world.host.now(),
        batch: DeviceBatch { records: List(vec![alone]) },
    });
    core.report(&report).unwrap();
    world.host.advance(Duration::from_secs(2));
    let running = start_with(world, core, None);
    Town { running, genuine, stolen, allowed, blocked, hooked, outage, hostile }
}
