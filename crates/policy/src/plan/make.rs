//! From a checked arena to the bytes of a plan. Runs where policies are compiled, never where they are decided.
//!
//! [`atoms`] which nodes a table can know · [`terms`] rules as disjunctions of conjunctions · [`classes`] the
//! tables of one slot · [`rows`] equal rows stored once · this module gives each term its bit and writes it all.
//!
//! The plan is a function of the arena: equal parts have equal bytes. If it is too large for a slice, it is made
//! again with fewer terms a rule, in the end with none, and then every rule is computed.

mod atoms;
mod classes;
mod rows;
mod terms;

use super::{BLOCK, TERMS_MAX, WORD_BITS};
use crate::tree::Parts;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use atoms::Atom;
use rows::Rows;
use terms::{Rails, Terms};

/// Where each text literal of the arena stands in the slice's bytes; of equal ones the first.
pub(crate) type Places<'a> = BTreeMap<&'a [u8], u32>;

/// The bytes of the plan for `parts`, which [`load`](crate::load) has checked, without the bound of steps.
/// At most `room` bytes, if that is possible at all.
pub(crate) fn plan(parts: &Parts, places: &Places<'_>, room: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    for terms_max in [TERMS_MAX, 4, 1, 0] {
        bytes = with_limit(parts, places, terms_max).unwrap_or_default();
        if !bytes.is_empty() && bytes.len() <= room {
            break;
        }
    }
    bytes
}

/// `None` if there are more rows than can be named.
fn with_limit(parts: &Parts, places: &Places<'_>, terms_max: usize) -> Option<Vec<u8>> {
    let atoms = atoms::find(parts);
    let mut terms = Terms::new(&parts.nodes, &atoms, terms_max);
    let rails: Vec<Rails> = parts.rules.iter().map(|rule| terms.rails(rule.root)).collect();
    let (bits, words) = place(&rails);
    let mut out = Vec::new();
    out.extend(u16::try_from(words).ok()?.to_le_bytes());
    let uses = uses(parts, &atoms, &rails, &bits);
    let several: Vec<Vec<usize>> =
        parts.slots.iter().zip(&uses).map(|(slot, uses)| classes::several(slot, uses)).collect();
    for (rails, bit) in rails.iter().zip(&bits) {
        let blurs = several.iter().flatten().any(|term| (*bit..*bit + rails.len()).contains(term));
        record(&mut out, rails, *bit, blurs)?;
    }
    let mut rows = Rows::new(words);
    for ((slot, uses), several) in parts.slots.iter().zip(&uses).zip(&several) {
        classes::write(&mut out, slot, (uses, several), &mut rows, places)?;
    }
    rows.finish(&mut out);
    Some(out)
}

/// The bit of each rule's first term, and the number of words. All terms of a rule are in one word: those with
/// several come first, those with one fill what is left.
fn place(rails: &[Rails]) -> (Vec<usize>, usize) {
    let mut bits = alloc::vec![0; rails.len()];
    let (mut next, mut gaps) = (0, Vec::new());
    for (bit, rails) in bits.iter_mut().zip(rails).filter(|(_, rails)| rails.len() > 1) {
        let word_end = (next / WORD_BITS + 1) * WORD_BITS;
        if next + rails.len() > word_end {
            gaps.extend(next..word_end);
            next = word_end;
        }
        *bit = next;
        next += rails.len();
    }
    let mut gaps = gaps.into_iter();
    for (bit, _) in bits.iter_mut().zip(rails).filter(|(_, rails)| rails.len() == 1) {
        *bit = gaps.next().unwrap_or_else(|| {
            next += 1;
            next - 1
        });
    }
    (bits, next.div_ceil(WORD_BITS).next_multiple_of(BLOCK))
}

/// One rule: word, first bit, terms of each rail, whether it is direct and exact, terms that are never decided by rows.
/// The causes of a rule that an interval can blur do not follow from its terms.
fn record(out: &mut Vec<u8>, rails: &Rails, bit: usize, blurs: bool) -> Option<()> {
    let rest =
        rails.terms().zip(0..).filter(|(term, _)| term.rest).fold(0_u32, |rest, (_, at)| rest | 1 << at);
    out.extend(u16::try_from(bit / WORD_BITS).ok()?.to_le_bytes());
    out.push(u8::try_from(bit % WORD_BITS).ok()?);
    out.push(u8::try_from(rails.trues.len()).ok()?);
    out.push(u8::try_from(rails.falses.len()).ok()?);
    out.push(u8::from(rails.direct && !blurs) | u8::from(rails.exact) << 1);
    out.extend(rest.to_le_bytes());
    Some(())
}

/// One atom of a slot, and the terms in which it stands, as it is and negated.
#[derive(Debug)]
struct Use<'a> {
    atom: &'a Atom,
    plain: Vec<usize>,
    negated: Vec<usize>,
}

/// The atoms of each slot that stand in a term.
fn uses<'a>(parts: &Parts, atoms: &'a [Option<Atom>], rails: &[Rails], bits: &[usize]) -> Vec<Vec<Use<'a>>> {
    let mut by_atom: BTreeMap<usize, Use<'a>> = BTreeMap::new();
    for (rails, first) in rails.iter().zip(bits) {
        for (term, bit) in rails.terms().zip(*first..) {
            for literal in &term.literals {
                let Some(Some(atom)) = atoms.get(literal.node) else { continue };
                let entry = by_atom.entry(literal.node);
                let found = entry.or_insert(Use { atom, plain: Vec::new(), negated: Vec::new() });
                if literal.negated { &mut found.negated } else { &mut found.plain }.push(bit);
            }
        }
    }
    let mut by_slot: Vec<Vec<Use<'a>>> = parts.slots.iter().map(|_| Vec::new()).collect();
    for found in by_atom.into_values() {
        if let Some(slot) = by_slot.get_mut(usize::from(found.atom.slot)) {
            slot.push(found);
        }
    }
    by_slot
}
