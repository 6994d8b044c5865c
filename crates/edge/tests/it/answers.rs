//! Invariant 6: the record of a block or a challenge says why; the client gets a verdict, a method and a reference.
//!
//! Requests are drawn at random over both shipped policies, several trust levels and every way in which the cloud
//! may answer or not. `GLACIS_CASES` says how many, under a fixed seed and a fresh one that is printed.

use crate::device::{Session, get};
use crate::world::{ATTESTED, SOFTWARE, World, says, transfer};
use glacis_edge::Step;
use glacis_host::{Entropy, SeededHost};
use glacis_seal::httpsig::sfv::parse_bytes;
use glacis_wire::http::{self, Request, Response};
use glacis_wire::limits::MESSAGE_BYTES_MAX;
use glacis_wire::message::decide::{ClosedBy, DecideAnswer, Decided};
use glacis_wire::{EventId, NodeOutcome, Reference, Verdict};
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, Hasher, RandomState};

/// Rules of the shipped policies: what a client must never read.
const RULES: [&str; 6] = ["tampered-app", "weak-device", "mule", "stolen-account", "vip", "burst"];

struct Draws(SeededHost);

impl Draws {
    fn below(&self, end: usize) -> usize {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes).unwrap();
        usize::try_from(u64::from_be_bytes(bytes) % end as u64).unwrap()
    }
}

/// Everything that a client can read: status, header fields, decoded binary fields, body.
fn readable(answer: &Response) -> Vec<u8> {
    let mut seen = answer.status.to_string().into_bytes();
    for (name, value) in &answer.headers {
        seen.extend_from_slice(format!("\n{name}: ").as_bytes());
        // Binary fields decoded only: base64 of random bytes spells a short rule's name now and then.
        let binary = parse_bytes(value, MESSAGE_BYTES_MAX);
        seen.extend(binary.unwrap_or_else(|_| value.clone().into_bytes()));
    }
    seen.extend_from_slice(&answer.body);
    seen
}

/// Nothing that a client can read is a rule, and no field says more than it must.
fn tells_nothing(answer: &Response) {
    let seen = readable(answer);
    let holds = |text: &str| seen.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(holds(answer.header(http::REFERENCE).unwrap()));
    // Random bytes spell a name of three letters now and then; such a name is looked for where there are none.
    let in_text = |text: &str| String::from_utf8_lossy(&answer.body).contains(text);
    let told = RULES.iter().find(|rule| if rule.len() < 6 { in_text(rule) } else { holds(rule) });
    assert!(told.is_none(), "{told:?} in {}", String::from_utf8_lossy(&seen));
    let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    let fields: Vec<&str> = body.as_object().unwrap().keys().map(String::as_str).collect();
    let known = ["method", "reference", "verdict"];
    assert!(fields.iter().all(|field| known.contains(field)), "{fields:?}");
}

/// An answer without what must differ: reference, and the bytes of the verdict's MAC'd body.
fn form(answer: &Response) -> String {
    let reference = answer.header(http::REFERENCE).unwrap();
    assert_eq!(reference.len(), 12, "{reference}");
    let body = String::from_utf8(answer.body.clone()).unwrap().replace(reference, "REFERENCE");
    let headers = answer.headers.iter().map(|(name, value)| match name.as_str() {
        http::REFERENCE => format!("{name}\n"),
        http::VERDICT if answer.status == 403 => format!("{name}: {} bytes\n", value.len()),
        http::VERDICT => format!("{name}\n"),
        _ => format!("{name}: {value}\n"),
    });
    format!("{}\n{}\n{body}", answer.status, headers.collect::<String>())
}

fn request(draws: &Draws, world: &World, session: &mut Session, number: u64) -> Request {
    let event = EventId::new((u128::from(number) + 1).to_be_bytes());
    let outcomes = [NodeOutcome::False, NodeOutcome::True, NodeOutcome::Unknown, NodeOutcome::Error];
    let node = outcomes[draws.below(4)];
    let (request, policy) = if draws.below(2) == 0 {
        (get("/accounts/1"), world.view)
    } else {
        let amount = [5, 5_000][draws.below(2)];
        let body = format!(r#"{{"payee":"p","amount":{amount},"currency":"EUR"}}"#);
        (transfer(&body), world.transfer)
    };
    let disclosed = (draws.below(4) > 0).then(|| says(policy, node));
    session.sign(request, event, disclosed.as_ref(), None, world.now())
}

/// What ended the request, and whether the edge decided it alone.
fn end(draws: &Draws, world: &World, step: Step) -> (Step, &'static str) {
    let Step::AskCloud(pending) = step else { return (step, "edge") };
    let decided = |verdict| {
        let mut reference = [0; 8];
        draws.0.fill(&mut reference).unwrap();
        let reference = Reference::from_random(reference);
        DecideAnswer::Decided(Decided { verdict, reference, cut: 1, repeated: false, nonce: None })
    };
    let answer = match draws.below(3) {
        0 => None,
        1 => Some(decided(Verdict::Allow)),
        _ => Some(decided(Verdict::Block)),
    };
    let by = if answer.is_some() { "cloud" } else { "outage" };
    (world.core.resume(pending, answer, world.now()), by)
}

fn run(seed: u64, cases: u64) {
    let wide = "{ burst = 1000000, per_second = 1000000 }";
    let world = World::with(&format!("[limits]\nprefix = {wide}\ndevice = {wide}\n"));
    let draws = Draws(SeededHost::new(seed, world.now()));
    let mut sessions = [world.session(70, ATTESTED), world.session(71, SOFTWARE)];
    let mut forms: BTreeMap<String, (String, BTreeSet<&str>)> = BTreeMap::new();
    for number in 0..cases {
        let session = &mut sessions[draws.below(2)];
        let request = request(&draws, &world, session, number);
        let (step, by) = end(&draws, &world, world.step(&request));
        if let Step::Answer(answer) = step {
            let verdict = session.verdict(answer.header(http::VERDICT).unwrap()).verdict;
            tells_nothing(&answer);
            let form = form(&answer);
            let (first, zones) =
                forms.entry(format!("{verdict:?}")).or_insert((form.clone(), BTreeSet::new()));
            assert_eq!(*first, form, "seed {seed}, case {number}");
            zones.insert(by);
        }
        let Some(batch) = world.core.duty().batch().unwrap() else { continue };
        for record in batch.report.records.iter().filter(|record| record.verdict != Verdict::Allow) {
            // Where the cloud does not answer, rules that the edge does not know close too: that is the reason.
            let named = record.closed_by == ClosedBy::CloudUnavailable || !record.reasons.is_empty();
            assert!(named, "seed {seed}, case {number}: {record:?}");
            assert!(record.reasons.iter().all(|reason| RULES.contains(&&*reason.0)), "{record:?}");
        }
        world.core.duty().acknowledge(&batch).unwrap();
    }
    let block = &forms["Block"].1;
    assert!(block.contains("edge") && block.contains("cloud"), "blocks of both look alike: {block:?}");
    assert!(forms.contains_key("Challenge(Passkey)"), "{:?}", forms.keys());
}

#[test]
fn invariant_6_records_name_reasons_and_clients_get_a_reference_only() {
    #[expect(
        clippy::disallowed_methods,
        reason = "how many cases is the only thing a test asks the environment"
    )]
    let cases = std::env::var("GLACIS_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(256_u64);
    let fresh = RandomState::new().build_hasher().finish();
    eprintln!("fresh seed {fresh}");
    for seed in [1, fresh] {
        run(seed, cases);
    }
}
