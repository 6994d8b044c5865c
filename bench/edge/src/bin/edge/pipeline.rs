//! The pipeline as a library, without sockets: from a signed head to the order to forward, and what its stages take.
//!
//! Stages are measured from outside: a request that is refused at a stage has paid for all before it, so the difference
//! of two refusals is what lies between. What a refusal itself takes is measured alone and taken off. Beside them stand
//! the parts that can be called alone. Differences of small times are rough; the whole is not.

use crate::bars::Bar;
use crate::meter;
use glacis_bench_edge::load::{Device, Enrolled, Target, all_clear};
use glacis_bench_edge::world::{PolicySize, core, slice};
use glacis_bench_edge::{Outcome, median};
use glacis_edge::limit::{Gcra, Rate};
use glacis_edge::{Body, EdgeCore, RequestHead, Step};
use glacis_host::{Clock, DirFiles, SystemHost};
use glacis_ledger::{Journal, JournalLimits};
use glacis_policy::{Close, Input, Inputs, Reading, Scratch, Slice, Source, eval};
use glacis_wire::http::Request;
use glacis_wire::message::refusal::Refusal;
use glacis_wire::{Timestamp, Trust};
use serde_json::{Value, json};
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;

/// Source: acceptance of the gateway.
const PIPELINE_US_MAX: f64 = 1.5;
const ROUNDS: usize = 5;
const PEER: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// What was measured.
pub(crate) struct Pipeline {
    us: f64,
    allocations: f64,
    /// Name, what it takes in ns.
    stages: Vec<(&'static str, f64)>,
}

/// A node, a device with a session, and requests.
struct Setting {
    core: EdgeCore,
    device: Device,
    disclosed: String,
    now: Timestamp,
    each: usize,
}

/// Sends a request to the pipeline; whether it is to be forwarded.
pub(crate) fn passes(core: &EdgeCore, request: &Request, now: Timestamp) -> bool {
    matches!(core.begin(&RequestHead::of(request), Body::Empty, PEER, now), Step::Forward(_))
}

impl Pipeline {
    /// `each` requests a round.
    pub(crate) fn measure(scratch: &Path, each: usize) -> Outcome<Self> {
        meter::begin_counting();
        let size = PolicySize::TwoHundred;
        let core = core(("127.0.0.1:1", "127.0.0.1:2"), &scratch.join("pipeline"), size)?;
        let now = SystemHost::new().now();
        let device = Enrolled::new(1, now)?.open(now, |request| opened(&core, request, now))?;
        let mut setting = Setting { core, device, disclosed: all_clear(size)?, now, each };
        // Until every table is as full as it gets: steady state.
        let full = setting.core.config().limits.events / each + 2;
        let warm: Vec<_> = (0..full).map(|_| setting.whole()).collect::<Outcome<_>>()?;
        drop(warm);
        let mut rounds = Vec::new();
        for _ in 0..ROUNDS {
            rounds.push(setting.whole()?);
        }
        let column = |at: usize| median(&rounds.iter().map(|round| round[at]).collect::<Vec<_>>());
        let (ns, allocations) = (column(0), column(1));
        let stages = setting.stages(scratch, ns)?;
        Ok(Self { us: ns / 1e3, allocations, stages })
    }

    pub(crate) fn bars(&self) -> Vec<Bar> {
        vec![
            Bar::new("pipeline alone, µs of CPU, journal on disk", self.us, PIPELINE_US_MAX),
            Bar::new("allocations a request of the pipeline", self.allocations, 0.0),
        ]
    }

    pub(crate) fn print(&self) {
        println!("\nstage of the pipeline (one thread, no sockets)                      ns");
        for (name, ns) in &self.stages {
            println!("{name:<62} {ns:>8.0}");
        }
        println!("{:<62} {:>8.0}   {:.2} allocations\n", "the whole", self.us * 1e3, self.allocations);
    }

    pub(crate) fn json(&self) -> Value {
        let stages: Vec<_> = self.stages.iter().map(|(name, ns)| json!({"stage": name, "ns": ns})).collect();
        json!({"us": self.us, "allocations": self.allocations, "stages": stages})
    }
}

impl Setting {
    /// CPU and allocations of a signed request that passes. Units: ns and calls.
    fn whole(&mut self) -> Outcome<[f64; 2]> {
        let requests = self.requests(|_| ());
        self.run(&requests, |step| matches!(step, Step::Forward(_)))
    }

    fn requests(&mut self, change: impl Fn(&mut Request)) -> Vec<Request> {
        let (now, disclosed) = (self.now, self.disclosed.clone());
        let mut request = || {
            let mut request = self.device.request(Target::Event, &disclosed, now);
            change(&mut request);
            request
        };
        (0..self.each).map(|_| request()).collect()
    }

    fn run(&self, requests: &[Request], wanted: fn(&Step) -> bool) -> Outcome<[f64; 2]> {
        let heads: Vec<_> = requests.iter().map(RequestHead::of).collect();
        let (start, before) = (meter::cpu(), meter::allocations());
        let mut as_wanted = 0;
        for head in &heads {
            let step = black_box(self.core.begin(black_box(head), Body::Empty, PEER, self.now));
            as_wanted += usize::from(wanted(&step));
            // As the gateway does when the service has answered.
            if let Step::Forward(forward) = &step
                && let Some(learn) = &forward.learn
            {
                self.core.learn(learn, Some(200));
            }
        }
        let (spent, asked) = (meter::cpu() - start, meter::allocations() - before);
        if as_wanted != heads.len() {
            let other = self.core.begin(&heads[0], Body::Empty, PEER, self.now);
            return Err(format!(
                "{} of {} requests went another way, such as {other:?}",
                heads.len() - as_wanted,
                heads.len()
            )
            .into());
        }
        let count = heads.len() as f64;
        Ok([spent.as_nanos() as f64 / count, asked as f64 / count])
    }

    /// Median of rounds that are all refused. Unit: ns.
    fn refused(&mut self, change: impl Fn(&mut Request)) -> Outcome<f64> {
        let mut rounds = Vec::new();
        for _ in 0..ROUNDS {
            let requests = self.requests(&change);
            rounds.push(self.run(&requests, |step| matches!(step, Step::Answer(_)))?[0]);
        }
        Ok(median(&rounds))
    }

    fn stages(&mut self, scratch: &Path, whole: f64) -> Outcome<Vec<(&'static str, f64)>> {
        let refusal = each_ns(self.each, || drop(black_box(self.core.refusal(Refusal::LegUnknown))));
        let no_route = self.refused(|request| request.path = "/nowhere".to_owned())?;
        let unsigned =
            self.refused(|request| request.headers.retain(|(name, _)| !name.starts_with("signature")))?;
        let no_leg =
            self.refused(|request| edit(request, "signature-input", |value| swapped(value, "keyid=\"")))?;
        let no_ticket =
            self.refused(|request| edit(request, "glacis-ticket", |value| value.replacen(':', ":AAAA", 1)))?;
        let wrong = self.refused(|request| edit(request, "signature", |value| swapped(value, "=:")))?;
        let replayed = {
            let requests = self.requests(|_| ());
            self.run(&requests, |step| matches!(step, Step::Forward(_)))?;
            let mut rounds = Vec::new();
            for _ in 0..ROUNDS {
                rounds.push(
                    self.run(&requests[requests.len() - 512..], |step| matches!(step, Step::Answer(_)))?[0],
                );
            }
            median(&rounds)
        };
        let repeated = self.repeated()?;
        let (slice, record) = (slice_ns(self.each)?, record_ns(scratch, self.each)?);
        let limiter = gcra_ns(self.each);
        Ok(vec![
            ("prefix GCRA (alone)", limiter),
            ("path and route, prefix GCRA in it", no_route - refusal),
            ("learnt route", unsigned - no_route),
            ("signature fields, leg look-up (unknown)", no_leg - unsigned),
            ("leg look-up (known), ticket compared", no_ticket - no_leg),
            ("times, replay window", replayed - no_ticket),
            ("signature base and its MAC", wrong - replayed),
            ("device GCRA (alone)", limiter),
            (
                "window kept, feed, device GCRA, digests, fields, event id, two MACs of the answer",
                repeated - wrong + refusal,
            ),
            ("slice of 200 rules (alone)", slice),
            ("record: append to the journal (alone)", record),
            ("slice and record in the pipeline", whole - repeated),
            ("(a refusal, taken off above)", refusal),
        ])
    }

    /// Requests of one event, whose verdict is given again.
    fn repeated(&mut self) -> Outcome<f64> {
        let mut rounds = Vec::new();
        for round in 0..=ROUNDS {
            let (now, disclosed) = (self.now, self.disclosed.clone());
            let requests: Vec<_> = (0..self.each)
                .map(|_| self.device.request_of(Target::Event, u64::MAX / 2, &disclosed, now))
                .collect();
            let [ns, _] = self.run(&requests, |step| matches!(step, Step::Forward(_)))?;
            if round > 0 {
                rounds.push(ns);
            }
        }
        Ok(median(&rounds))
    }
}

/// What the edge answers to an opening.
pub(crate) fn opened(core: &EdgeCore, request: &Request, now: Timestamp) -> Outcome<Vec<u8>> {
    match core.begin(&RequestHead::of(request), Body::Whole(&request.body), PEER, now) {
        Step::Answer(answer) if answer.status == 200 => Ok(answer.body),
        other => Err(format!("no session: {other:?}").into()),
    }
}

fn edit(request: &mut Request, name: &str, change: impl Fn(&str) -> String) {
    for (key, value) in &mut request.headers {
        if key == name {
            *value = change(value);
        }
    }
}

/// The same with other letters behind `mark`: of the same form, and not what was signed.
fn swapped(value: &str, mark: &str) -> String {
    let Some((before, after)) = value.split_once(mark) else { return value.to_owned() };
    let swapped: String = after.chars().take(4).map(|c| if c == 'A' { 'B' } else { 'A' }).collect();
    format!("{before}{mark}{swapped}{}", after.get(4..).unwrap_or_default())
}

/// Median over rounds of `calls` calls. Unit: ns.
fn each_ns(calls: usize, mut call: impl FnMut()) -> f64 {
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let start = meter::cpu();
        (0..calls).for_each(|_| call());
        rounds.push((meter::cpu() - start).as_nanos() as f64 / calls as f64);
    }
    median(&rounds)
}

fn gcra_ns(calls: usize) -> f64 {
    let limiter = Gcra::new(Rate::new(1_000_000, 1_000_000).unwrap_or(Rate::ONE), 65_536);
    let now = SystemHost::new().now();
    each_ns(calls, || {
        let _ = black_box(limiter.take(black_box(&[7_u8; 32]), now));
    })
}

fn record_ns(scratch: &Path, calls: usize) -> Outcome<f64> {
    let files = Arc::new(DirFiles::open(scratch.join("record"))?);
    let journal = Journal::open(
        files,
        Arc::new(SystemHost::new()),
        "journal",
        JournalLimits { total_bytes: 8 << 30, ..JournalLimits::default() },
    )?;
    let record = [7; RECORD_BYTES];
    let mut failed = None;
    let ns = each_ns(calls, || {
        if let Err(error) = journal.journal.append(black_box(&record)) {
            failed = Some(error);
        }
    });
    failed.map_or(Ok(ns), |error| Err(error.into()))
}

/// Size of a record of such a request.
const RECORD_BYTES: usize = 300;

fn slice_ns(calls: usize) -> Outcome<f64> {
    let part = slice(PolicySize::TwoHundred)?;
    let slice = Slice::load(&part.slice)?;
    let proven = |reading| Input { reading, trust: Trust::Proven };
    let input = |slot: &glacis_policy::Slot| match (slot.source, slot.name.as_str()) {
        (Source::Node(_), _) => Input { reading: Reading::Bool(false), trust: Trust::Attested },
        (_, "view.page") => proven(Reading::Int(1)),
        (_, "view.account") => proven(Reading::Str("100017")),
        (_, "view.agent") => proven(Reading::Str("bench/1")),
        (_, "view.language") => proven(Reading::Str("en")),
        (_, "device.tier") => proven(Reading::Str("hardware")),
        (_, "request.signed") => proven(Reading::Bool(true)),
        _ => proven(Reading::WITHHELD),
    };
    let slots: Vec<_> = slice.slots().iter().map(input).collect();
    let mut scratch = Scratch::for_slice(&slice);
    let inputs = Inputs { slots: &slots, passed: None, close: Close::Open };
    Ok(each_ns(calls, || {
        black_box(eval(&slice, black_box(&inputs), &mut scratch));
    }))
}
