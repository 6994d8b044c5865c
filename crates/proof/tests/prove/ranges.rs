//! Rules that let out a range are proven, and bytes that let out another one are not.
//!
//! The bounds are in the bytes of the device slice alone; what counts as a range is decided there.

use crate::planted::{int, node};
use crate::support::{compiled, proof, reasons, slices};
use glacis_compiler::Compiled;
use glacis_policy::{Node, Parts, Slice};
use glacis_proof::prove::{Claim, Standing};

fn policy() -> Compiled {
    let signal = |name: &str, ty: &str, zone: &str, more: &str| {
        format!(
            "[signal.{name}]\ntype = \"{ty}\"\nzone = \"{zone}\"\n{more}privacy = \"private\"\n\
             purpose = [\"fraud\"]\nretention = \"0d\"\ncost = 1\n"
        )
    };
    let device = "min_trust = \"attested\"\n";
    let catalogue = [
        signal("level", "int", "device", device),
        signal("hooked", "bool", "device", device),
        signal("amount", "int", "request", ""),
    ];
    compiled(
        &catalogue.concat(),
        "[policy]\nname = \"p\"\nevent = \"pay\"\npurpose = \"fraud\"\ncombine = \"strictest\"\n\
         methods = [\"otp\"]\nif_error = \"match\"\n\
         if_unknown = { withheld = \"match\", denied = \"match\", version = \"match\", absent = \"skip\" }\n\
         [[rule]]\nid = \"low\"\neffect = \"block\"\ntext = \"device\"\n\
         when = \"level < 20 && amount > 9 || 50 >= level && hooked && amount > 99 || !(level < 20) && amount > 999\"\n\
         release = { nodes = 1, buckets = { level = [20, 50] } }\n",
    )
}

#[test]
fn a_policy_with_ranges_is_proven() {
    let compiled = policy();
    let proof = proof(&compiled, &slices(&compiled));
    assert!(proof.is_proven(), "{}", reasons(&proof));
}

/// What is done to the device slice, and its name.
type Fault = (&'static str, fn(&mut Parts));

#[test]
fn another_bound_another_side_or_another_reading_is_a_release_node() {
    let compiled = policy();
    let sound = slices(&compiled);
    let faults: [Fault; 4] = [
        ("a bound that is not declared", |parts| int(parts, 50, 51)),
        ("the other side of a bound", |parts| {
            let found = node(parts, |node| matches!(node, Node::Ge(..)));
            let Node::Ge(a, b) = *found else { panic!("chosen so") };
            *found = Node::Lt(b, a);
            int(parts, 50, 20);
            let twice = node(parts, |node| matches!(node, Node::Lt(..)));
            let Node::Lt(a, b) = *twice else { panic!("chosen so") };
            *twice = Node::Le(a, b);
        }),
        ("equality", |parts| {
            let found = node(parts, |node| matches!(node, Node::Ge(..)));
            let Node::Ge(a, b) = *found else { panic!("chosen so") };
            *found = Node::Eq(a, b);
        }),
        ("whether it is there", |parts| {
            let found = node(parts, |node| matches!(node, Node::Ge(..)));
            let Node::Ge(_, read) = *found else { panic!("chosen so") };
            let slot = match parts.nodes[usize::try_from(read).unwrap()] {
                Node::Read(slot) => slot,
                _ => panic!("the signal stands on the right"),
            };
            *node(parts, |node| matches!(node, Node::Ge(..))) = Node::Has(slot);
        }),
    ];
    for (name, plant) in faults {
        let mut parts = Slice::load(&sound[0]).unwrap().parts().clone();
        plant(&mut parts);
        let mut planted = sound.clone();
        planted[0] = parts.encode().unwrap();
        let proof = proof(&compiled, &planted);
        let leak = proof.theorems.iter().find(|theorem| theorem.claim == Claim::NonLeak).unwrap();
        assert_eq!(leak.standing(), Standing::Refuted, "{name}\n{}", reasons(&proof));
        let said = reasons(&proof);
        assert!(said.contains("what it reads of the device"), "{name}\n{said}");
    }
}
