//! The loader is total, canonical, and checks everything.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "test code"
)]

use crate::generate::{Random, answers, for_each_case, inputs, outcome, parts};
use glacis_policy::{
    Binding, Close, Effect, Entry, Fault, Hidden, HiddenClosed, Inputs, Node, Obligations, Parts, Rule,
    ScoreClass, Slice, Slot, Source,
};
use glacis_wire::codec::DecodeErrorKind;
use glacis_wire::{EventName, Method, PolicyDigest, SignalName, Trust, Type, Value, Zone};

#[test]
fn loading_what_was_encoded_gives_the_same_slice_and_the_same_bytes() {
    for_each_case(|random| {
        let zone = random.pick(&Zone::ALL);
        let parts = parts(random, zone);
        let bytes = parts.encode().unwrap();
        let slice = Slice::load(&bytes).unwrap();
        assert_eq!(slice.encode().unwrap(), bytes);
        // NaN literals differ from themselves, so the plain data is compared as it prints.
        assert_eq!(format!("{:?}", slice.parts()), format!("{parts:?}"));
    });
}

#[test]
fn every_proper_prefix_and_every_extension_is_refused() {
    for_each_case(|random| {
        let mut bytes = parts(random, Zone::Edge).encode().unwrap();
        let end = random.below(bytes.len());
        let error = Slice::load(&bytes[..end]).unwrap_err();
        assert!(error.offset() <= end, "{error}");
        bytes.push(0);
        let error = Slice::load(&bytes).unwrap_err();
        assert_eq!(error.fault(), Fault::Bytes(DecodeErrorKind::Trailing));
    });
}

#[test]
fn random_bytes_are_never_a_slice_and_never_a_panic() {
    for_each_case(|random| {
        let mut bytes: Vec<u8> = (0..random.below(400)).map(|_| random.next() as u8).collect();
        if random.chance(50) {
            bytes.splice(0..0, *b"GLSL\0\0\0\0\0\x01e");
        }
        assert!(Slice::load(&bytes).is_err());
    });
}

/// A damaged slice is refused inside its bytes, or is another slice: canonical, and evaluated without a panic.
#[test]
fn a_damaged_slice_is_refused_or_is_another_slice() {
    for_each_case(|random| {
        let zone = random.pick(&Zone::ALL);
        let original = parts(random, zone);
        let mut bytes = original.encode().unwrap();
        for _ in 0..1 + random.below(3) {
            damage(random, &mut bytes);
        }
        match Slice::load(&bytes) {
            Err(error) => assert!(error.offset() <= bytes.len(), "{error}"),
            Ok(slice) => {
                assert_eq!(slice.encode().unwrap(), bytes);
                let given = answers(random, &original);
                let slots = inputs(&given, &[]);
                outcome(&slice, &Inputs { slots: &slots, passed: None, close: Close::Open });
            }
        }
    });
}

fn damage(random: &mut Random, bytes: &mut Vec<u8>) {
    let at = random.below(bytes.len());
    let byte = random.next() as u8;
    match random.below(5) {
        0 => bytes[at] ^= 1 << random.below(8),
        1 => bytes[at] = byte,
        2 => bytes.insert(at, byte),
        3 if bytes.len() > 1 => drop(bytes.remove(at)),
        _ => bytes[at] = bytes[at].wrapping_add(1),
    }
}

/// A small valid slice that each row below breaks in one way.
fn sound(zone: Zone) -> Parts {
    let mut parts =
        Parts::empty(EventName::parse("event").unwrap(), zone, Binding::unbound(PolicyDigest::new([9; 32])));
    let source = if zone == Zone::Device { Source::Device } else { Source::Edge };
    let slot = |name: &str, ty| Slot {
        name: SignalName::parse(name).unwrap(),
        source,
        ty,
        min_trust: Trust::Claimed,
        aggregate: false,
    };
    parts.methods = vec![Method::Otp];
    parts.slots = vec![slot("b", Type::Bool), slot("i", Type::Int), slot("s", Type::String)];
    parts.nodes = vec![Node::Read(0), Node::Read(1), Node::Read(2)];
    parts.rules = vec![Rule {
        reason: "reason".to_owned(),
        effect: Effect::Block,
        root: 0,
        unknown: [Entry::Match; 6],
        error: Entry::Match,
        obligations: Obligations::NONE,
        device_final: false,
    }];
    parts
}

/// Applies `change` to a sound slice and expects `fault`, at an offset inside the bytes.
fn refuses(zone: Zone, fault: Fault, change: impl FnOnce(&mut Parts)) {
    let mut parts = sound(zone);
    Slice::try_new(&parts).unwrap();
    change(&mut parts);
    let error = Slice::try_new(&parts).unwrap_err();
    assert_eq!(error.fault(), fault, "{error}");
    assert!(error.offset() > 6 && error.offset() < parts.encode().unwrap().len(), "{error}");
}

#[test]
fn nodes_whose_operands_do_not_fit_are_refused() {
    let text = || Node::Const(Value::String("a".to_owned()));
    let mixed = [
        Node::Not(1),
        Node::And(0, 1),
        Node::Or(2, 0),
        Node::If(1, 0, 0),
        Node::If(0, 1, 2),
        Node::Eq(0, 1),
        Node::Ne(1, 2),
        Node::Lt(0, 2),
        Node::Neg(2),
        Node::Neg(0),
        Node::Add(2, 2),
        Node::Sub(1, 2),
        Node::Mul(0, 0),
        Node::Rem(2, 1),
        Node::In(1, 2),
        Node::Size(1),
        Node::StartsWith(2, 1),
        Node::EndsWith(0, 2),
        Node::Contains(1, 1),
    ];
    for node in mixed {
        refuses(Zone::Edge, Fault::OperandTypes, |parts| parts.nodes.push(node));
    }
    for user in [Node::Lt(3, 3), Node::In(3, 3), Node::In(1, 4), Node::Rem(5, 5)] {
        refuses(Zone::Edge, Fault::OperandTypes, |parts| {
            let list = Node::Const(Value::List(vec![Value::String("a".to_owned())]));
            parts.nodes.extend([list.clone(), list, Node::Const(Value::Double(1.0)), text(), user]);
        });
    }
}

#[test]
fn what_does_not_exist_is_refused() {
    refuses(Zone::Edge, Fault::NoSuchNode(3), |parts| parts.nodes.push(Node::Not(3)));
    refuses(Zone::Edge, Fault::NoSuchNode(9), |parts| parts.nodes.push(Node::And(0, 9)));
    refuses(Zone::Edge, Fault::NoSuchSlot(3), |parts| parts.nodes.push(Node::Read(3)));
    refuses(Zone::Edge, Fault::NoSuchSlot(9), |parts| parts.nodes.push(Node::Has(9)));
    refuses(Zone::Edge, Fault::NoSuchNode(7), |parts| parts.rules[0].root = 7);
    refuses(Zone::Edge, Fault::NotBoolean, |parts| parts.rules[0].root = 1);
    refuses(Zone::Device, Fault::NoSuchNode(u32::MAX), |parts| parts.releases.push(u32::MAX));
    refuses(Zone::Device, Fault::NotBoolean, |parts| parts.releases.push(2));
    refuses(Zone::Device, Fault::NoSuchSlot(3), |parts| parts.values.push(3));
}

#[test]
fn effects_and_methods_stand_only_where_they_may() {
    let passkey = Effect::Challenge(Method::Passkey);
    let class = |at_least, effect| ScoreClass { at_least, effect };
    let soft = Effect::SoftBlock;
    refuses(Zone::Edge, Fault::Method, |parts| parts.rules[0].effect = passkey);
    refuses(Zone::Edge, Fault::Method, |parts| parts.rules[0].error = Entry::Milder(passkey));
    refuses(Zone::Edge, Fault::Effect, |parts| parts.rules[0].unknown[3] = Entry::Milder(Effect::Block));
    refuses(Zone::Edge, Fault::Effect, |parts| parts.rules[0].error = Entry::Milder(Effect::Exempt));
    refuses(Zone::Edge, Fault::Effect, |parts| parts.classes.push(class(1, Effect::Score(1))));
    refuses(Zone::Edge, Fault::Score, |parts| parts.classes.extend([class(1, soft), class(1, soft)]));
    refuses(Zone::Edge, Fault::Effect, |parts| parts.hidden.soft = Some(Effect::Block));
    refuses(Zone::Edge, Fault::Method, |parts| parts.hidden.unavailable.soft = Some(passkey));
    refuses(Zone::Edge, Fault::Score, |parts| parts.hidden.score = (1, 2));
    refuses(Zone::Edge, Fault::Score, |parts| parts.hidden.score = (i64::MIN, 0));
    refuses(Zone::Edge, Fault::Score, |parts| {
        parts.hidden.unavailable = HiddenClosed { score: 1, ..Hidden::NONE.unavailable };
    });
    refuses(Zone::Edge, Fault::Reason, |parts| parts.rules[0].reason.clear());
}

#[test]
fn a_zone_holds_only_what_is_its_own() {
    refuses(Zone::Edge, Fault::Zone, |parts| parts.slots[0].source = Source::Device);
    for source in [Source::Edge, Source::Cloud, Source::Node(0), Source::Value(0)] {
        refuses(Zone::Device, Fault::Zone, |parts| parts.slots[0].source = source);
    }
    // Of its request a device holds copies, which never leave as they are.
    let mut copies = sound(Zone::Device);
    copies.slots[0].source = Source::Request;
    copies.releases.push(0);
    Slice::try_new(&copies).unwrap();
    refuses(Zone::Device, Fault::Zone, |parts| {
        parts.slots[0].source = Source::Request;
        parts.values.push(0);
    });
    refuses(Zone::Cloud, Fault::Zone, |parts| parts.hidden.exempt = true);
    refuses(Zone::Edge, Fault::Zone, |parts| parts.rules[0].device_final = true);
    refuses(Zone::Edge, Fault::Zone, |parts| parts.releases.push(0));
    refuses(Zone::Cloud, Fault::Zone, |parts| parts.values.push(0));
}

#[test]
fn nesting_has_a_limit() {
    let nest = |parts: &mut Parts, nots: u32| {
        parts.nodes.truncate(1);
        parts.nodes.extend((0..nots).map(Node::Not));
    };
    let mut deepest = sound(Zone::Edge);
    nest(&mut deepest, 63);
    Slice::try_new(&deepest).unwrap();
    refuses(Zone::Edge, Fault::TooDeep, |parts| nest(parts, 64));
}

#[test]
fn magic_version_and_size_come_first() {
    let bytes = sound(Zone::Edge).encode().unwrap();
    let mut other = bytes.clone();
    other[0] = b'X';
    assert_eq!(Slice::load(&other).unwrap_err().fault(), Fault::Magic);
    for version in [0, 1, 3] {
        let mut other = bytes.clone();
        other[5] = version;
        let error = Slice::load(&other).unwrap_err();
        let fault = Fault::Bytes(DecodeErrorKind::Version(u16::from(version)));
        assert_eq!((error.offset(), error.fault()), (4, fault));
    }
    let huge = vec![0; glacis_wire::limits::SLICE_BYTES_MAX + 1];
    assert_eq!(Slice::load(&huge).unwrap_err().fault(), Fault::Bytes(DecodeErrorKind::TooLarge("slice")));
    assert!(Slice::load(&[]).is_err());
}

#[test]
fn limits_hold_when_encoding_too() {
    let mut parts = sound(Zone::Edge);
    parts.methods = vec![Method::Otp; 3];
    assert_eq!(parts.encode().unwrap_err().what, "methods");
    let mut parts = sound(Zone::Edge);
    parts.nodes = vec![Node::Read(0); (1 << 16) + 1];
    assert_eq!(parts.encode().unwrap_err().what, "nodes");
    let mut parts = sound(Zone::Device);
    parts.values = vec![0; 33];
    assert_eq!(parts.encode().unwrap_err().what, "released values");
    let mut parts = sound(Zone::Edge);
    parts.methods = vec![Method::Otp, Method::Otp];
    assert_eq!(Slice::try_new(&parts).unwrap_err().fault(), Fault::Method);
}
