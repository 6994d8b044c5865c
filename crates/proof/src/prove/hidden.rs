//! What a slice tells of rules that are not in it, against those rules (docs/adr/0003).
//!
//! A summary has to cover what the hidden rules can do together: it may be stronger (it then settles less), never weaker.
//! What they close to in an outage has to be exact, since an edge then decides by it.

use super::compose::closed;
use super::{Place, Scene, Theorem};
use crate::effect::strictness;
use glacis_compiler::checked::{Release, Rule};
use glacis_policy::{Effect, Hidden, HiddenClosed};
use glacis_wire::{Cause, Zone};

/// Adds what a summary does not cover.
pub(super) fn check(scene: Scene<'_>, finality: &mut Theorem) {
    let all = scene.policy.rules().iter();
    let hidden: Vec<&Rule> = all.clone().filter(|rule| rule.is_hidden()).collect();
    let edge = scene.slice(Zone::Edge).hidden();
    let wanted = summary(scene, &hidden);
    covers(scene, Zone::Edge, edge, &wanted, finality);
    let at = Place::of(Zone::Edge);
    finality.expect(at, "what hidden rules close to", &edge.unavailable, &wanted.unavailable);
    let others: Vec<&Rule> = all.filter(|rule| rule.release != Release::Verdict).collect();
    let mut wanted = summary(scene, &others);
    // A device has no classes: the strictest that points can reach stands for them.
    let reaches = |floor: i64| wanted.score.1 >= floor || own_points(scene) + wanted.score.1 >= floor;
    let reached = scene.policy.classes().iter().filter(|class| reaches(class.at_least));
    let strictest = reached.map(|class| class.effect).max_by_key(|effect| strictness(scene.policy, *effect));
    wanted.soft = stricter(scene, wanted.soft, strictest);
    wanted.score = (0, 0);
    covers(scene, Zone::Device, scene.slice(Zone::Device).hidden(), &wanted, finality);
    finality.expect(Place::of(Zone::Cloud), "its summary", scene.slice(Zone::Cloud).hidden(), &Hidden::NONE);
    finality.checked.rules += 2 * scene.policy.rules().len();
}

/// Points of the rules that the device may decide early.
fn own_points(scene: Scene<'_>) -> i64 {
    let own = scene.policy.rules().iter().filter(|rule| rule.release == Release::Verdict);
    own.map(|rule| points(rule.effect).max(0)).sum()
}

fn covers(scene: Scene<'_>, zone: Zone, bytes: &Hidden, wanted: &Hidden, finality: &mut Theorem) {
    let at = Place::of(zone);
    let mut weaker = |subject: &str, is_weaker: bool, bytes: String, policy: String| {
        if is_weaker {
            finality.refute(at.reason(subject, bytes, policy));
        }
    };
    let rank = |effect: Option<Effect>| effect.map_or(0, |effect| strictness(scene.policy, effect));
    let text =
        |effect: Option<Effect>| effect.map_or_else(|| "nothing".to_owned(), |effect| effect.to_string());
    weaker(
        "whether a hidden rule blocks",
        wanted.block && !bytes.block,
        bytes.block.to_string(),
        wanted.block.to_string(),
    );
    weaker(
        "the strictest soft effect of hidden rules",
        rank(bytes.soft) < rank(wanted.soft),
        text(bytes.soft),
        text(wanted.soft),
    );
    weaker(
        "whether a hidden rule exempts",
        wanted.exempt && !bytes.exempt,
        bytes.exempt.to_string(),
        wanted.exempt.to_string(),
    );
    weaker(
        "the points of hidden rules",
        bytes.score.0 > wanted.score.0 || bytes.score.1 < wanted.score.1,
        format!("{:?}", bytes.score),
        format!("{:?}", wanted.score),
    );
}

/// What some rules can do together, and what they close to when the cloud does not answer.
fn summary(scene: Scene<'_>, rules: &[&Rule]) -> Hidden {
    let mut hidden = Hidden::NONE;
    for rule in rules {
        match rule.effect {
            Effect::Block => hidden.block = true,
            Effect::Exempt => hidden.exempt = true,
            Effect::Score(points) if points < 0 => hidden.score.0 += i64::from(points),
            Effect::Score(points) => hidden.score.1 += i64::from(points),
            soft => hidden.soft = stricter(scene, hidden.soft, Some(soft)),
        }
        let HiddenClosed { block, soft, score } = &mut hidden.unavailable;
        match closed(scene, rule, Cause::Unavailable) {
            Some(Effect::Block) => *block = true,
            Some(effect @ Effect::Score(_)) => *score += points(effect),
            closed => *soft = stricter(scene, *soft, closed),
        }
    }
    hidden
}

fn points(effect: Effect) -> i64 {
    match effect {
        Effect::Score(points) => i64::from(points),
        _ => 0,
    }
}

fn stricter(scene: Scene<'_>, a: Option<Effect>, b: Option<Effect>) -> Option<Effect> {
    a.into_iter().chain(b).max_by_key(|effect| strictness(scene.policy, *effect))
}
