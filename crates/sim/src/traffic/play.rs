//! Traffic through a policy: windows and lists over what came before, the slices in order, the answer to a challenge.
//!
//! Features are the quadratic reference's ([`crate::features`]), over the past events of the same key. An action is in the
//! log once, from its first request on. Each run is compared with the reference interpreter, so that a share never
//! describes slices that decide otherwise than the policy.

use super::crowd::{Act, Traffic, Who};
use super::tally::{Course, Report};
use crate::check::{definition, principals};
use crate::equality::run::{Engine, Event, Ran, Zones};
use crate::equality::snapshot::Device;
use crate::features::{self, Definition, Entry, Logged};
use glacis_compiler::Compiled;
use glacis_compiler::catalogue::{Birth, Origin, Signal};
use glacis_compiler::reference::{Snapshot, whole};
use glacis_policy::{Binding, Obligations};
use glacis_wire::{
    Answer, Cause, EventId, Given, Method, PolicyDigest, SignalName, Thumbprint, Tier, Timestamp, Trust,
    Value, Verdict,
};
use std::collections::{BTreeMap, BTreeSet};

/// Runs `traffic` in order of time.
pub(super) fn play(name: &str, compiled: &Compiled, mut traffic: Traffic) -> Result<Report, String> {
    traffic.acts.sort_by_key(|act| act.at);
    let mut stage = Stage::new(compiled, &traffic)?;
    let mut report = Report { policy: name.to_owned(), ..Report::default() };
    for (number, act) in (0_u64..).zip(&traffic.acts) {
        let course = stage.act(number, act).map_err(|why| format!("{name}, act {number}: {why}"))?;
        match act.who {
            Who::Person => report.people.count(&course),
            Who::Attacker(what) => report.attacks.entry(what).or_default().count(&course),
        }
    }
    Ok(report)
}

/// Past events with one value of a feature's key.
type Past = BTreeMap<(SignalName, String), Vec<Logged>>;

struct Stage<'a> {
    compiled: &'a Compiled,
    zones: Zones,
    features: Vec<Definition>,
    principals: BTreeSet<SignalName>,
    lists: BTreeMap<&'static str, BTreeSet<String>>,
    past: Past,
}

impl<'a> Stage<'a> {
    fn new(compiled: &'a Compiled, traffic: &Traffic) -> Result<Self, String> {
        let slices = compiled.slices(&Binding::unbound(PolicyDigest::new([7; PolicyDigest::LEN])));
        let lists = traffic.lists.iter().map(|(list, items)| (*list, items.iter().cloned().collect()));
        Ok(Self {
            compiled,
            zones: Zones::load(compiled.checked(), &slices)?,
            features: compiled.features().iter().map(|feature| definition(feature, compiled)).collect(),
            principals: principals(compiled),
            lists: lists.collect(),
            past: Past::new(),
        })
    }

    /// One action with all its requests; it is past when this returns.
    fn act(&mut self, number: u64, act: &Act) -> Result<Course, String> {
        let entry = self.entry(number, act);
        let device = device(act);
        let snapshot = self.snapshot(act, &entry, device);
        let mut ran = self.request(&snapshot, device, None)?;
        let mut course = Course {
            actor: act.hands.device,
            requests: vec![(ran.zone, ran.verdict)],
            told: ran.obligations != Obligations::NONE,
        };
        // What was passed is as strong as what was asked, so a second request is the last.
        if let Verdict::Challenge(asked) = ran.verdict
            && self.passes(act, asked)
        {
            ran = self.request(&snapshot, device, Some(asked))?;
            course.requests.push((ran.zone, ran.verdict));
        }
        self.remember(number, &entry);
        Ok(course)
    }

    /// One request through the zones, held to the reference.
    fn request(
        &mut self,
        snapshot: &Snapshot,
        device: Device,
        passed: Option<Method>,
    ) -> Result<Ran, String> {
        let ran = self.zones.run(Engine::Sound, &Event { snapshot, device, passed, outage: false })?;
        let want = whole(self.compiled.checked(), snapshot, passed, false);
        if (ran.verdict, ran.obligations) == (want.verdict, want.obligations) {
            return Ok(ran);
        }
        Err(format!("run says {:?}, whole says {:?}", ran.verdict, want.verdict))
    }

    fn passes(&self, act: &Act, asked: Method) -> bool {
        let rank = |method| self.zones.rank(Verdict::Challenge(method));
        act.can.is_some_and(|can| rank(can) >= rank(asked))
    }

    /// What the log will hold of it: every request and edge signal of the catalogue.
    fn entry(&self, number: u64, act: &Act) -> Entry {
        let signals = self.compiled.signals().signals().values();
        let carried = signals.filter(|signal| matches!(signal.birth, Birth::Request | Birth::Edge));
        let mut id = [0; EventId::LEN];
        id.iter_mut().zip(number.to_be_bytes()).for_each(|(into, byte)| *into = byte);
        Entry {
            event: self.compiled.event().clone(),
            thumbprint: (act.hands.tier != Tier::None).then(|| thumbprint(act.hands.device)),
            event_id: EventId::new(id),
            received: Timestamp::from_ms(act.at * 1_000),
            signals: carried.map(|signal| (signal.name.clone(), carried_answer(signal, act))).collect(),
        }
    }

    fn snapshot(&self, act: &Act, entry: &Entry, device: Device) -> Snapshot {
        let mut snapshot = Snapshot::default();
        for (name, signal) in self.compiled.checked().signals() {
            let given = match (signal.birth, device) {
                (Birth::Device, Device::Silent(cause)) => {
                    Given { answer: Answer::unknown(cause), trust: Trust::Proven }
                }
                (Birth::Device, Device::Runs(trust)) => {
                    let detected = act.detected.contains(&name.as_str());
                    Given { answer: Answer::Value(Value::Bool(detected)), trust }
                }
                (Birth::Request | Birth::Edge, _) => {
                    let answer = entry.signals.get(name).cloned().unwrap_or(Answer::Missing);
                    Given { answer, trust: Trust::Proven }
                }
                (Birth::Cloud, _) => Given { answer: self.cloud(signal, entry), trust: Trust::Proven },
            };
            snapshot.answers.insert(name.clone(), given);
        }
        snapshot
    }

    /// A list test or a window.
    fn cloud(&self, signal: &Signal, entry: &Entry) -> Answer {
        if let Origin::ListTest { list, key } = &signal.origin {
            return match entry.signals.get(key) {
                Some(Answer::Value(Value::String(item))) => {
                    let holds = self.lists.get(list.as_str()).is_some_and(|items| items.contains(item));
                    Answer::Value(Value::Bool(holds))
                }
                _ if self.principals.contains(key) => Answer::unknown(Cause::Withheld),
                _ => Answer::Error,
            };
        }
        let Some(feature) = self.features.iter().find(|feature| feature.signal == signal.name) else {
            return Answer::Error;
        };
        let past = self.past.get(&slot(feature, entry)).map_or(&[][..], Vec::as_slice);
        features::value(feature, entry, u64::MAX, past, &self.principals)
    }

    fn remember(&mut self, number: u64, entry: &Entry) {
        for feature in &self.features {
            let logged = Logged { seq: number, ingested: entry.received, entry: entry.clone() };
            self.past.entry(slot(feature, entry)).or_default().push(logged);
        }
    }
}

/// Where past events of the same key are kept. Events without a key meet only each other, and count for nobody.
fn slot(feature: &Definition, entry: &Entry) -> (SignalName, String) {
    let key: Vec<_> = feature.key.iter().map(|signal| entry.signals.get(signal)).collect();
    (feature.signal.clone(), format!("{key:?}"))
}

/// What request or edge says.
fn carried_answer(signal: &Signal, act: &Act) -> Answer {
    let signed = act.hands.tier != Tier::None;
    let text = |text: String| Answer::Value(Value::String(text));
    match signal.name.as_str() {
        "device.tier" => text(act.hands.tier.name().to_owned()),
        "device.id" if signed => text(thumbprint(act.hands.device).to_string()),
        "device.id" => Answer::Missing,
        "request.signed" => Answer::Value(Value::Bool(signed)),
        name => {
            let field = act.fields.iter().find(|(known, _)| *known == name);
            let absent = || match signal.origin {
                Origin::Principal => Answer::unknown(Cause::Withheld),
                _ => Answer::Missing,
            };
            field.map_or_else(absent, |(_, value)| Answer::Value(value.clone()))
        }
    }
}

/// What vouches for the hardware vouches for the app as well, here.
const fn device(act: &Act) -> Device {
    match act.hands.tier {
        Tier::None => Device::Silent(Cause::Absent),
        Tier::Software => Device::Runs(Trust::Claimed),
        Tier::Hardware | Tier::Strong => Device::Runs(Trust::Attested),
    }
}

fn thumbprint(device: u32) -> Thumbprint {
    let mut bytes = [0; Thumbprint::LEN];
    bytes.iter_mut().zip(device.to_be_bytes()).for_each(|(into, byte)| *into = byte);
    Thumbprint::new(bytes)
}
