//! Strategies for every part of a message, within limits.

use glacis_wire::message::challenge::{ChallengeNonce, NonceBody, Proof};
use glacis_wire::message::decide::{EventFacts, Passed, Record, SignalAnswer};
use glacis_wire::message::{List, Signed, Text, decide::ClosedBy};
use glacis_wire::*;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

pub(crate) fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        (-1e300..1e300_f64).prop_map(Value::Double),
        "[ -~]{0,12}".prop_map(Value::String),
        vec(any::<i64>().prop_map(Value::Int), 0..4).prop_map(Value::List),
        vec("[a-zé]{0,5}".prop_map(Value::String), 0..4).prop_map(Value::List),
        any::<u64>().prop_map(Value::Uint),
        vec(any::<u8>(), 0..12).prop_map(Value::Bytes),
        (Moment::MIN.as_us()..=Moment::MAX.as_us()).prop_filter_map("range", moment),
        (Span::MIN.as_us()..=Span::MAX.as_us())
            .prop_filter_map("range", |us| Span::from_us(us).map(Value::Duration)),
        vec((0..9_i64).prop_filter_map("range", moment), 0..4).prop_map(Value::List),
    ]
}

fn moment(us: i64) -> Option<Value> {
    Moment::from_us(us).map(Value::Timestamp)
}

fn interval() -> impl Strategy<Value = Interval> {
    let ints =
        any::<[i64; 2]>().prop_filter_map("ends in order", |[a, b]| Interval::ints(a.min(b), a.max(b)));
    let doubles =
        any::<[f64; 2]>().prop_filter_map("ends in order", |[a, b]| Interval::doubles(a.min(b), a.max(b)));
    prop_oneof![ints, doubles]
}

pub(crate) fn answer() -> impl Strategy<Value = Answer> {
    let causes = (1_usize..64).prop_map(|bits| {
        Cause::ALL
            .iter()
            .enumerate()
            .filter(|(at, _)| bits >> at & 1 == 1)
            .fold(Causes::NONE, |set, (_, cause)| set.union(Causes::of(*cause)))
    });
    prop_oneof![
        value().prop_map(Answer::Value),
        Just(Answer::Missing),
        Just(Answer::Error),
        causes.prop_map(Answer::Unknown),
        interval().prop_map(Answer::Interval)
    ]
}

fn disclosed_value() -> impl Strategy<Value = Answer> {
    prop_oneof![
        value().prop_map(Answer::Value),
        Just(Answer::Missing),
        Just(Answer::Error),
        Just(Answer::unknown(Cause::Withheld))
    ]
}

pub(crate) fn disclosed() -> impl Strategy<Value = Disclosed> {
    let node = prop_oneof![
        Just(NodeOutcome::False),
        Just(NodeOutcome::True),
        Just(NodeOutcome::Unknown),
        Just(NodeOutcome::Error)
    ];
    (any::<[u8; 32]>(), vec(node, 0..20), vec(disclosed_value(), 0..4))
        .prop_map(|(policy, nodes, values)| Disclosed { policy: PolicyDigest::new(policy), nodes, values })
}

pub(crate) fn verdict() -> impl Strategy<Value = Verdict> {
    prop_oneof![
        Just(Verdict::Allow),
        Just(Verdict::Challenge(Method::Otp)),
        Just(Verdict::Challenge(Method::Passkey)),
        Just(Verdict::Block)
    ]
}

fn signal_answers() -> impl Strategy<Value = List<SignalAnswer, 256>> {
    let one = ("[a-z][a-z_.]{0,10}", answer())
        .prop_map(|(name, answer)| SignalAnswer { signal: SignalName::parse(&name).unwrap(), answer });
    vec(one, 0..4).prop_map(List)
}

pub(crate) fn nonce() -> impl Strategy<Value = ChallengeNonce> {
    (
        any::<[u8; 32]>(),
        any::<[u8; 16]>(),
        "[a-z0-9@.]{0,20}",
        any::<[u8; 16]>(),
        any::<u64>(),
        any::<[u8; 32]>(),
    )
        .prop_map(|(device, event, principal, random, end, mac)| ChallengeNonce {
            body: NonceBody {
                thumbprint: Thumbprint::new(device),
                event: EventId::new(event),
                content: Digest::new(mac),
                method: Method::Passkey,
                principal: Text(principal),
                random,
                not_after: Timestamp::from_ms(end),
            },
            mac,
        })
}

pub(crate) fn proof() -> impl Strategy<Value = Proof> {
    (nonce(), 0..3_u8, vec(any::<u8>(), 0..40)).prop_map(|(nonce, kind, body)| {
        let grant = Signed { key: KeyId::new([3; 16]), body: message::Bytes(body), signature: [9; 64] };
        match kind {
            0 => Proof::Passkey { nonce, signature: [7; 64] },
            1 => Proof::Otp { nonce, grant },
            _ => Proof::PasskeyGrant { nonce, grant },
        }
    })
}

pub(crate) fn facts() -> impl Strategy<Value = EventFacts> {
    let ids = (any::<[u8; 32]>(), option::of(any::<[u8; 32]>()), any::<[u8; 16]>(), any::<u64>());
    let said = (option::of(disclosed()), signal_answers(), signal_answers(), option::of("[a-z]{1,9}"));
    (ids, said, any::<bool>()).prop_map(
        |((policy, device, event, at), (disclosed, fields, observed, user), passed)| EventFacts {
            event: EventName::parse("payment.transfer").unwrap(),
            policy: PolicyDigest::new(policy),
            thumbprint: device.map(Thumbprint::new),
            tier: Tier::Strong,
            trust: Trust::Attested,
            event_id: EventId::new(event),
            content: Digest::new(policy),
            principal: user.map(Text),
            received: Timestamp::from_ms(at),
            disclosed,
            fields,
            observed,
            passed: passed.then(|| Passed { method: Method::Otp, proof: Digest::new(policy) }),
            node: NodeName::parse("edge-1").unwrap(),
        },
    )
}

pub(crate) fn record() -> impl Strategy<Value = Record> {
    (facts(), verdict(), any::<[u8; 8]>(), vec("[a-z-]{1,12}", 0..4)).prop_map(
        |(facts, verdict, reference, reasons)| Record {
            facts,
            zone: Zone::Edge,
            verdict,
            reference: Reference::from_random(reference),
            closed_by: ClosedBy::Policy,
            decided: Timestamp::from_ms(5),
            reasons: List(reasons.into_iter().map(Text).collect()),
        },
    )
}
