//! Calls of models: what the loader refuses.

use crate::generate::{for_each_case, parts};
use crate::models::condition;
use glacis_policy::{Fault, Parts, Slice};
use glacis_wire::{Type, Zone};

#[test]
fn calls_that_do_not_fit_are_refused() {
    for_each_case(|random| {
        let mut sound = parts(random, Zone::Cloud);
        if condition(random, &mut sound, &mut Vec::new()).is_none() {
            return;
        }
        assert!(Slice::try_new(&sound).is_ok());
        let refused = |change: &dyn Fn(&mut Parts)| {
            let mut parts = sound.clone();
            change(&mut parts);
            Slice::try_new(&parts).unwrap_err().fault()
        };
        assert_eq!(refused(&|parts| parts.calls.last_mut().unwrap().slots.push(0)), Fault::Call);
        assert_eq!(refused(&|parts| parts.calls.last_mut().unwrap().model = 99), Fault::Call);
        assert_eq!(refused(&|parts| parts.calls.last_mut().unwrap().slots[0] = 999), Fault::NoSuchSlot(999));
        assert_eq!(refused(&|parts| drop(parts.calls.pop())), Fault::OperandTypes);
        let cut = |parts: &mut Parts| parts.models.last_mut().unwrap().truncate(40);
        assert!(matches!(refused(&cut), Fault::Model(_)));
        let text = |parts: &mut Parts| {
            let at = usize::from(parts.calls.last().unwrap().slots[0]);
            parts.slots[at].ty = Type::String;
        };
        assert!(matches!(refused(&text), Fault::Call | Fault::OperandTypes | Fault::Aggregate));
    });
}
