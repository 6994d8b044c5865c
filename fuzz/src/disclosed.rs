//! The bytes of a disclosure, as an edge receives them.
//!
//! Invariant: one value, one form; an unknown that arrives is `withheld` and nothing else, since a device can
//! state no other cause.

use glacis_wire::{Answer, Cause, Causes, Decode, Disclosed};

/// Checks one input.
pub fn run(data: &[u8]) {
    crate::wire::one_form::<Disclosed>(data);
    if let Ok(disclosed) = Disclosed::from_bytes(data) {
        let nodes = disclosed.nodes.iter().map(|node| node.answer());
        for answer in nodes.chain(disclosed.values.iter().cloned()) {
            if let Answer::Unknown(causes) = answer {
                assert_eq!(
                    causes,
                    Causes::of(Cause::Withheld),
                    "a device stated a cause that it cannot know"
                );
            }
        }
    }
}
