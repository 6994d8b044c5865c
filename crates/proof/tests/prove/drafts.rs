//! The generator of the equality soak, so that what is compared by brute force there is proven here.
//!
//! Its files are included and not copied: one generator, two judges. Nothing is added to it.

#[path = "../../../sim/src/equality/expression.rs"]
mod expression;
#[path = "../../../sim/src/equality/models.rs"]
mod models;
#[path = "../../../sim/src/equality/policy.rs"]
#[expect(dead_code, reason = "shared with the soak, which uses all of it")]
mod policy;
#[path = "../../../sim/src/equality/strict.rs"]
mod strict;

use crate::rng::Rng;
use glacis_compiler::{Compiled, Source, compile};

/// The policy of a seed, compiled, with its text; `None` where the compiler refuses it.
pub(crate) fn compiled(seed: u64) -> Option<(Compiled, String)> {
    let mut draft = policy::draw(&mut Rng::new(seed));
    for _ in 0..3 {
        let policy = draft.policy();
        let source = |name, text| Source { name, text };
        let errors =
            match compile(source("signals.toml", &draft.catalogue), source("policy.toml", &policy), None) {
                Ok(compiled) => return Some((compiled, policy)),
                Err(errors) => errors,
            };
        // The compiler counts release nodes.
        for error in errors.iter() {
            let rule = error.path.strip_prefix("rule.r").and_then(|rest| rest.split('.').next());
            let rule = rule.and_then(|at| draft.rules.get_mut(at.parse::<usize>().ok()?));
            if let Some(rule) = rule {
                rule.correct(error.code, error.help.as_deref().unwrap_or_default());
            }
        }
    }
    None
}
