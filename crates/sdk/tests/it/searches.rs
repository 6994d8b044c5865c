//! Release nodes that compare the device with what the request says: on which copies they are computed.

use crate::rig::{Rig, event, signal, slice, transfer, with};
use glacis_policy::{Node, Slice, Slot, Source};
use glacis_sdk::SignalSet;
use glacis_sdk::drive::{Unattended, drive};
use glacis_wire::{Answer, Cause, NodeOutcome, Trust, Type, Value};

/// The rig's slice, whose third node asks `app.risk > amount` instead of `app.risk > 50`.
fn searching(seed: u64) -> Rig {
    let mut rig = Rig::with_seed(seed);
    let mut parts = Slice::load(&slice(&rig.edge)).unwrap().parts().clone();
    let amount = u16::try_from(parts.slots.len()).unwrap();
    parts.slots.push(Slot {
        name: signal("amount"),
        source: Source::Request,
        ty: Type::Int,
        min_trust: Trust::Claimed,
        aggregate: false,
    });
    *parts.nodes.iter_mut().find(|node| **node == Node::Const(Value::Int(50))).unwrap() = Node::Read(amount);
    rig.edge.publish(6, &event(), parts.encode().unwrap());
    drive(&mut rig.client.pull(), &mut rig.edge, &mut Unattended).unwrap();
    rig
}

fn told(rig: &mut Rig, said: Option<Answer>) -> NodeOutcome {
    let mut action = transfer();
    action.said = said.map(|answer| (signal("amount"), answer)).into_iter().collect();
    rig.client.act(action).unwrap().disclosed().nodes[2]
}

fn int(value: i64) -> Answer {
    Answer::Value(Value::Int(value))
}

#[test]
fn a_node_is_computed_on_what_the_app_says_of_its_request() {
    let mut rig = searching(31);
    for (said, want) in [
        (Some(int(2)), NodeOutcome::True),
        (Some(int(3)), NodeOutcome::False),
        // What the device cannot say of the request has failed, and is no word of the device about itself.
        (Some(Answer::Missing), NodeOutcome::Error),
        (Some(Answer::Error), NodeOutcome::Error),
        (Some(Answer::unknown(Cause::Absent)), NodeOutcome::Error),
        (Some(Answer::Value(Value::Bool(true))), NodeOutcome::Error),
        (None, NodeOutcome::Error),
    ] {
        assert_eq!(told(&mut rig, said.clone()), want, "{said:?}");
    }
}

/// What the device withholds stays withheld, whatever it says of the request.
#[test]
fn a_withheld_signal_is_told_from_a_copy_that_is_lacking() {
    let mut rig = searching(32);
    rig.signals(|| with("app.risk", Answer::unknown(Cause::Withheld)));
    for said in [Some(int(2)), Some(Answer::Error), None] {
        assert_eq!(told(&mut rig, said.clone()), NodeOutcome::Unknown, "{said:?}");
    }
}

/// A sensor that calls itself like a value of the request is no copy, nor is a copy a sensor.
#[test]
fn a_copy_and_a_signal_never_stand_for_each_other() {
    let mut rig = searching(33);
    fn both() -> SignalSet {
        with("amount", Answer::Value(Value::Int(2)))
    }
    rig.signals(both);
    assert_eq!(told(&mut rig, None), NodeOutcome::Error);
    assert_eq!(told(&mut rig, Some(int(9))), NodeOutcome::False);
    rig.signals(|| with("app.risk", Answer::Missing));
    let mut action = transfer();
    action.said = [(signal("app.risk"), int(99)), (signal("amount"), int(2))].into();
    assert_eq!(rig.client.act(action).unwrap().disclosed().nodes[2], NodeOutcome::Error);
}
