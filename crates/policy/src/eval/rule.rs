//! Rules: matched, unmatched or open, and how an open one closes (DESIGN §4.2).
//!
//! *Incriminating claims are believed, exculpating ones must be earned.* A strict rule is true if cond(Σ) is
//! true, false if cond(Σ⁻) is false, else open. A lenient one (`exempt`, negative score) uses Σ⁻ alone.
//!
//! An open rule waits while a later zone can still answer. Otherwise it closes by cond(Σ⁻): `unknown(C)` by the
//! strictest of its entries for the causes in C, `error` by its entry for errors, each as the milder of entry
//! and effect; a lenient rule closes as skip. What happens is thus written in the policy (invariant 7).
//!
//! A device applies no trust, so it cannot know that anything is false downstream: there a strict rule is
//! matched or open, a lenient one unmatched or open, and none ever closes.

use super::condition::Truth;
use crate::mutant::{Faults, Mutant};
use crate::tree::{Effect, Entry, Rule, Slice};
use glacis_wire::{Cause, Causes, Verdict, Zone};

/// What a zone knows about one rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleState {
    /// It matched, or closed to a match, with this effect.
    Matched {
        /// The rule's effect, or the milder one of the entry by which it closed.
        effect: Effect,
    },
    /// It did not match, or closed as skip.
    Unmatched,
    /// A later zone decides it.
    Open,
}

/// The state of `rule` whose condition is `given` over Σ and `trusted` over Σ⁻.
pub(super) fn state<F: Faults>(
    faults: F,
    slice: &Slice,
    rule: &Rule,
    given: Truth,
    trusted: Truth,
) -> RuleState {
    match (given, trusted) {
        // Known, and by trust as well: the common case, the same for strict and lenient rules.
        (Truth::True, Truth::True) if slice.zone() != Zone::Device => {
            return RuleState::Matched { effect: rule.effect };
        }
        (Truth::False, Truth::False) if slice.zone() != Zone::Device => {
            return RuleState::Unmatched;
        }
        _ => {}
    }
    match (slice.zone(), rule.effect.is_lenient()) {
        (Zone::Device, lenient) => on_device(rule, lenient, given),
        (_, true) => lenient(faults, rule, given, trusted),
        (_, false) => strict(faults, slice, rule, given, trusted),
    }
}

/// Whether a matched rule owes its obligations; only a seeded bug says no.
pub(super) fn owes<F: Faults>(faults: F, rule: &Rule, given: Truth) -> bool {
    !faults.has(Mutant::ClosedRuleOwesNothing) || given == Truth::True || rule.effect.is_lenient()
}

fn on_device(rule: &Rule, lenient: bool, given: Truth) -> RuleState {
    match given {
        Truth::True if !lenient && rule.device_final => RuleState::Matched { effect: rule.effect },
        Truth::False if lenient => RuleState::Unmatched,
        _ => RuleState::Open,
    }
}

fn strict<F: Faults>(faults: F, slice: &Slice, rule: &Rule, given: Truth, trusted: Truth) -> RuleState {
    let believed = if faults.has(Mutant::TrueNeedsTrust) { trusted } else { given };
    let earned = if faults.has(Mutant::FalseByClaims) { given } else { trusted };
    match (believed, earned) {
        (Truth::True, _) => RuleState::Matched { effect: rule.effect },
        (_, Truth::False) => RuleState::Unmatched,
        _ if pending(given, trusted) && !faults.has(Mutant::PendingCloses) => RuleState::Open,
        (_, Truth::Unknown(causes)) if !faults.has(Mutant::UnknownClosesAsError) => {
            close_unknown(faults, slice, rule, causes)
        }
        // INVARIANT: Σ⁻ knows less than Σ, so here cond(Σ⁻) is an error (true would have made cond(Σ) true).
        _ if faults.has(Mutant::ErrorClosesAsWithheld) => {
            close_unknown(faults, slice, rule, Causes::of(Cause::Withheld))
        }
        _ => entry_state(apply(faults, slice, rule.effect, rule.error)),
    }
}

fn lenient<F: Faults>(faults: F, rule: &Rule, given: Truth, trusted: Truth) -> RuleState {
    let by_claims = match rule.effect {
        Effect::Exempt => faults.has(Mutant::ExemptByClaims),
        _ => faults.has(Mutant::CreditByClaims),
    };
    match if by_claims { given } else { trusted } {
        Truth::True => RuleState::Matched { effect: rule.effect },
        Truth::Unknown(causes) if causes.is_pending() => RuleState::Open,
        Truth::Unknown(_) if faults.has(Mutant::ExemptClosesAsMatch) => {
            RuleState::Matched { effect: rule.effect }
        }
        _ => RuleState::Unmatched,
    }
}

/// Whether a later zone can still decide the rule: an answer that it waits for is in either plane.
fn pending(given: Truth, trusted: Truth) -> bool {
    [given, trusted].into_iter().any(|cell| matches!(cell, Truth::Unknown(causes) if causes.is_pending()))
}

/// Closes by the strictest entry for the causes.
fn close_unknown<F: Faults>(faults: F, slice: &Slice, rule: &Rule, causes: Causes) -> RuleState {
    if let Some(cause) = causes.single()
        && let Some(entry) = rule.unknown.get(usize::from(cause as u8))
    {
        return entry_state(apply(faults, slice, rule.effect, *entry));
    }
    let entries = Cause::ALL.into_iter().zip(rule.unknown).filter(|(cause, _)| causes.contains(*cause));
    let applied = entries.map(|(_, entry)| apply(faults, slice, rule.effect, entry));
    let strength = |applied: &Option<Effect>| applied.map_or(0, |effect| strength(slice, effect));
    let closed = if faults.has(Mutant::ClosesByMildest) {
        applied.min_by_key(strength)
    } else {
        applied.max_by_key(strength)
    };
    entry_state(closed.flatten())
}

/// What an entry makes of a rule's effect: the milder of the two, or nothing.
fn apply<F: Faults>(faults: F, slice: &Slice, effect: Effect, entry: Entry) -> Option<Effect> {
    match (entry, effect) {
        (Entry::Skip, _) => None,
        (Entry::Match, _) | (_, Effect::Score(_)) => Some(effect),
        (Entry::Milder(milder), _) if faults.has(Mutant::EntryReplacesEffect) => Some(milder),
        (Entry::Milder(milder), _) if strength(slice, milder) < strength(slice, effect) => Some(milder),
        (Entry::Milder(_), _) => Some(effect),
    }
}

fn entry_state(applied: Option<Effect>) -> RuleState {
    applied.map_or(RuleState::Unmatched, |effect| RuleState::Matched { effect })
}

/// Order of the effects that one rule can close to: nothing (0), challenges as the policy ranks them, soft
/// block, block. A score has no milder form, so it is only ever compared with nothing.
fn strength(slice: &Slice, effect: Effect) -> u8 {
    match effect {
        Effect::Block => slice.rank(Verdict::Block) + 1,
        Effect::SoftBlock => slice.rank(Verdict::Block),
        Effect::Challenge(method) => slice.rank(Verdict::Challenge(method)),
        Effect::Exempt | Effect::Score(_) => 1,
    }
}
