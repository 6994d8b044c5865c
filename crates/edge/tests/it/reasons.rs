//! Reasons stay inside: a record says why, a client gets a reference.

use crate::device::get;
use crate::world::{ATTESTED, SOFTWARE, World, event, says};
use glacis_seal::httpsig::sfv::parse_bytes;
use glacis_wire::http::{self, Response};
use glacis_wire::limits::MESSAGE_BYTES_MAX;
use glacis_wire::{NodeOutcome, Verdict};

/// Everything that a client can read: status, header fields, decoded binary fields, body.
fn readable(answer: &Response) -> Vec<u8> {
    let mut seen = answer.status.to_string().into_bytes();
    for (name, value) in &answer.headers {
        seen.extend_from_slice(format!("\n{name}: {value}\n").as_bytes());
        seen.extend(parse_bytes(value, MESSAGE_BYTES_MAX).unwrap_or_default());
    }
    seen.extend_from_slice(&answer.body);
    seen
}

fn holds(seen: &[u8], text: &str) -> bool {
    seen.windows(text.len()).any(|window| window == text.as_bytes())
}

#[test]
fn invariant_6_a_block_and_a_challenge_carry_reasons_in_the_record_and_a_reference_to_the_client() {
    let world = World::new();
    let (mut attested, mut software) = (world.session(60, ATTESTED), world.session(61, SOFTWARE));
    let (hooked, clear) = (says(world.view, NodeOutcome::True), says(world.view, NodeOutcome::False));
    let requests = [
        attested.sign(get("/accounts/1"), event(1), Some(&hooked), None, world.now()),
        attested.sign(get("/accounts/1"), event(2), Some(&hooked), None, world.now()),
        software.sign(get("/accounts/1"), event(3), Some(&clear), None, world.now()),
    ];
    let answers = requests.map(|request| world.answer(&request));
    let records = world.records();
    assert_eq!(records.len(), answers.len());
    for (answer, record) in answers.iter().zip(&records) {
        assert!(record.verdict != Verdict::Allow && !record.reasons.is_empty(), "{:?}", record.verdict);
        let seen = readable(answer);
        assert!(holds(&seen, answer.header(http::REFERENCE).unwrap()));
        for reason in record.reasons.iter() {
            assert!(!holds(&seen, &reason.0), "the client reads `{}`", reason.0);
        }
        let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        let fields: Vec<&str> = body.as_object().unwrap().keys().map(String::as_str).collect();
        let known = ["method", "reference", "verdict"];
        assert!(fields.iter().all(|field| known.contains(field)), "{fields:?}");
    }
    assert_eq!(records[0].reasons, records[1].reasons, "one cause, one stable reason");
    let without = |answer: &Response| {
        let reference = answer.header(http::REFERENCE).unwrap().to_owned();
        String::from_utf8(answer.body.clone()).unwrap().replace(&reference, "")
    };
    assert_eq!(without(&answers[0]), without(&answers[1]), "but for the reference, blocks are one answer");
}
