//! Invariant 5: every limit is asserted when encoding and when decoding.

use glacis_wire::limits::*;
use glacis_wire::message::policy::{Bundle, Metering};
use glacis_wire::message::{Bytes, List, Tail, Text};
use glacis_wire::*;

#[test]
fn invariant_5_a_value_over_its_limit_has_no_encoding() {
    assert!(Value::String("x".repeat(VALUE_BYTES_MAX)).to_bytes().is_ok());
    assert!(Value::String("x".repeat(VALUE_BYTES_MAX + 1)).to_bytes().is_err());
    assert!(Value::List(vec![Value::Bool(true); LIST_ITEMS_MAX + 1]).to_bytes().is_err());
    assert!(Value::List(vec![Value::Int(1), Value::Bool(true)]).to_bytes().is_err(), "lists have one type");
    assert!(Value::List(vec![Value::List(vec![])]).to_bytes().is_err(), "lists do not nest");
    assert!(Text::<4>("12345".into()).to_bytes().is_err());
    assert!(Bytes::<4>(vec![0; 5]).to_bytes().is_err());
    assert!(List::<u8, 2>(vec![1, 2, 3]).to_bytes().is_err());
}

#[test]
fn invariant_5_a_length_over_its_limit_is_refused_before_it_is_believed() {
    let mut out = Writer::new();
    out.u32(5);
    out.raw(b"12345");
    let bytes = out.into_bytes();
    assert!(Text::<4>::from_bytes(&bytes).is_err());
    assert!(Text::<5>::from_bytes(&bytes).is_ok());
    let huge = u32::MAX.to_be_bytes();
    assert!(List::<u8, { usize::MAX }>::from_bytes(&huge).is_err(), "no allocation beyond the input");
}

#[test]
fn invariant_5_a_disclosure_has_its_limits_on_both_sides() {
    let policy = PolicyDigest::new([1; 32]);
    assert!(Disclosed::withheld(policy, NODES_MAX, RELEASED_VALUES_MAX).to_bytes().is_ok());
    assert!(Disclosed::withheld(policy, NODES_MAX + 1, 0).to_bytes().is_err());
    assert!(Disclosed::withheld(policy, 0, RELEASED_VALUES_MAX + 1).to_bytes().is_err());
    let mut bytes = Disclosed::withheld(policy, 0, 0).to_bytes().unwrap();
    bytes[32..34].copy_from_slice(&(u16::try_from(NODES_MAX).unwrap() + 1).to_be_bytes());
    bytes.extend_from_slice(&[0xAA; 100]);
    assert!(Disclosed::from_bytes(&bytes).is_err());
}

#[test]
fn a_device_cannot_state_another_zones_cause() {
    let policy = PolicyDigest::new([1; 32]);
    for cause in Cause::ALL {
        let disclosed = Disclosed { policy, nodes: vec![], values: vec![Answer::unknown(cause)] };
        assert_eq!(disclosed.to_bytes().is_ok(), cause == Cause::Withheld, "{}", cause.name());
    }
}

#[test]
fn a_device_states_no_interval() {
    let interval = Interval::ints(1, 2).map(Answer::Interval).unwrap();
    let policy = PolicyDigest::new([1; 32]);
    assert!(Disclosed { policy, nodes: vec![], values: vec![interval] }.to_bytes().is_err());
    let stated = Disclosed { policy, nodes: vec![], values: vec![Answer::Missing] }.to_bytes().unwrap();
    let (missing, before) = stated.split_last().unwrap();
    assert_eq!(*missing, 1);
    let ends = [0; 16];
    let forged = [before, &[4, 0], &ends].concat();
    assert!(Answer::from_bytes(&forged[before.len()..]).is_ok());
    assert!(Disclosed::from_bytes(&forged).is_err());
}

#[test]
fn pending_never_leaves_an_evaluation() {
    assert!(Answer::Unknown(Causes::PENDING).to_bytes().is_err());
    assert!(Answer::Unknown(Causes::NONE).to_bytes().is_err());
}

#[test]
fn the_length_of_a_disclosure_depends_on_its_layout_alone() {
    let policy = PolicyDigest::new([9; 32]);
    let of = |node| Disclosed { policy, nodes: vec![node; 7], values: vec![] }.to_bytes().unwrap().len();
    assert_eq!(of(NodeOutcome::True), of(NodeOutcome::Unknown));
    assert_eq!(of(NodeOutcome::False), of(NodeOutcome::Error));
}

/// A message got a list at its end: without items it is what it was, and there is no other way to say that.
#[test]
fn a_tail_without_items_is_no_byte_and_has_no_second_form() {
    let bundle = |metering: Vec<Metering>| Bundle {
        tenant: TenantId::parse("acme").unwrap(),
        realm: Realm::Demo,
        zone: Zone::Device,
        version: 1,
        issued: Timestamp::from_secs(1),
        slices: List(Vec::new()),
        metering: Tail(metering),
    };
    let event = EventName::parse("payment.transfer").unwrap();
    let entry = Metering { event, bits: 3, per_session: Some(9), per_day: None };
    let (none, one) =
        (bundle(Vec::new()).to_bytes().unwrap(), bundle(vec![entry.clone()]).to_bytes().unwrap());
    assert!(one.starts_with(&none), "what stood before stands where it did");
    assert_eq!(Bundle::from_bytes(&none).unwrap(), bundle(Vec::new()));
    assert_eq!(Bundle::from_bytes(&one).unwrap(), bundle(vec![entry.clone()]));
    for length in none.len() + 1..one.len() {
        assert!(Bundle::from_bytes(&one[..length]).is_err(), "cut at {length}");
    }
    let mut empty = none.clone();
    empty.extend(Encode::to_bytes(&List::<Metering, 8>(Vec::new())).unwrap());
    assert!(Bundle::from_bytes(&empty).is_err(), "a list of none is another form of no list");
    assert!(bundle(vec![entry; BUNDLE_SLICES_MAX + 1]).to_bytes().is_err());
}
