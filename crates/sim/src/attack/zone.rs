//! Which zone stopped an action: read off refusals and records, never off an expectation.
//!
//! This is the only place that says "ecosystem", "device", "edge" or "cloud" about an attack, and it does not know
//! which attack it looks at.

use super::{Attempt, End};
use crate::policies::Policies;
use crate::records::{Decided, Kept, OnDevice};
use crate::report::Stop;
use glacis_wire::message::refusal::Refusal;
use glacis_wire::{EventId, Thumbprint, Zone};

/// The zone that stopped one action; none for an action that went on or that no zone answered.
///
/// - An enrolment that was refused for its evidence, and a decision that rests on a rule about the device's tier,
///   are the ecosystem's: nobody vouched for the hardware.
/// - A decision is the zone's that its record names; a device's needs its record as well.
/// - A refusal before any decision is the gateway's, unless the cloud noted the event as impossible.
pub fn of(attempt: &Attempt, kept: &Kept, policies: &Policies) -> Option<Stop> {
    match (attempt.end, attempt.event) {
        (End::Refused(Refusal::EnrolmentRefused), _) => Some(Stop::Ecosystem),
        (End::Refused(refusal), event) => {
            let by_cloud = CLOUD_REFUSALS.contains(&refusal)
                && event.is_some_and(|(_, event)| kept.incidents.contains(&event));
            Some(if by_cloud { Stop::Cloud } else { Stop::Edge })
        }
        (End::OnDevice, Some((thumbprint, event))) => {
            let told = |one: &&crate::records::OnDevice| {
                one.thumbprint == thumbprint && one.record.event_id == event
            };
            kept.on_device.iter().find(told).map(|_| Stop::Device)
        }
        (End::Blocked | End::Challenged(_), Some((thumbprint, event))) => {
            let facts = |one: &&Decided| {
                one.record.facts.thumbprint == Some(thumbprint) && one.record.facts.event_id == event
            };
            let Some(decided) = kept.decided.iter().rev().find(facts) else {
                // A challenge that the device started and its user did not answer.
                return on_device(kept, thumbprint, event);
            };
            let reasons = decided.record.reasons.iter();
            let by_tier =
                reasons.clone().any(|reason| policies.reads_tier(&decided.record.facts.event, reason));
            Some(match decided.record.zone {
                _ if by_tier => Stop::Ecosystem,
                Zone::Device => Stop::Device,
                Zone::Edge => Stop::Edge,
                Zone::Cloud => Stop::Cloud,
            })
        }
        _ => None,
    }
}

fn on_device(kept: &Kept, thumbprint: Thumbprint, event: EventId) -> Option<Stop> {
    let told = |one: &OnDevice| one.thumbprint == thumbprint && one.record.event_id == event;
    kept.on_device.iter().any(told).then_some(Stop::Device)
}

/// The zone that stopped all of an attack's stopped actions; none where there are none, or several.
pub fn of_all(attempts: &[Attempt], kept: &Kept, policies: &Policies) -> Option<Stop> {
    let mut stopped = attempts.iter().filter(|attempt| !attempt.end.allowed());
    let first = of(stopped.next()?, kept, policies)?;
    stopped.all(|attempt| of(attempt, kept, policies) == Some(first)).then_some(first)
}

/// Refusals that the cloud may be behind.
const CLOUD_REFUSALS: [Refusal; 3] = [Refusal::EventConflict, Refusal::DecisionsSpent, Refusal::ProofSpent];
