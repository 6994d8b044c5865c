//! Effects that one rule can close to, and their order (DESIGN §4.2): what proof, analysis and explanation rest on alike.
//!
//! Written from the specification; it uses nothing of what the compiler or the engine say of the same, since a fault of
//! theirs is what a proof has to find. Whether a rule acts at all is for its users to say.

use glacis_compiler::Checked;
use glacis_policy::{Effect, Entry};
use glacis_wire::Verdict;

/// Order of effects that one rule can close to: challenges in the policy's order, soft block, block. What does not compare
/// has the strictness of the mildest.
pub(crate) fn strictness(policy: &Checked, effect: Effect) -> usize {
    match effect {
        Effect::Exempt | Effect::Score(_) => 1,
        Effect::Challenge(method) => policy.rank(Verdict::Challenge(method)),
        Effect::SoftBlock => policy.rank(Verdict::Block),
        Effect::Block => policy.rank(Verdict::Block) + 1,
    }
}

/// What an entry makes of a strict effect: nothing, or the milder of the two. Points have no milder form.
pub(crate) fn applied(policy: &Checked, effect: Effect, entry: Entry) -> Option<Effect> {
    match (entry, effect) {
        (Entry::Skip, _) => None,
        (Entry::Match, _) | (Entry::Milder(_), Effect::Score(_)) => Some(effect),
        (Entry::Milder(milder), _) => {
            Some(if strictness(policy, milder) < strictness(policy, effect) { milder } else { effect })
        }
    }
}
