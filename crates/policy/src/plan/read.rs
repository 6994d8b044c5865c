//! From bytes to a [`Plan`], every promise of it checked once.
//!
//! What is checked: each range lies in the bytes; terms of a rule are in one word and belong to no other rule; rows
//! are named in the order of their first use, are all used, differ, and have no bit without a term; bounds ascend;
//! each literal is a text of the arena (the first of equal ones), in its bucket, with its tag; the bound of steps
//! is the one that follows. What is *not* checked is that the tables say what the arena says: that is the proof of
//! a policy, over the signed bytes, and a slice that lies about itself still stays in bounds and within its steps.

use super::{
    BLOCK, CHANGE_BYTES, CHANGED, Change, FILLED, Fixed, GROUP, LITERALS_MAX, NO_ROW, Ordered, Plan,
    RuleTerms, Skips, SlotTable, TERMS_MAX, TEXT_RECORD, Texts, Values, WORD_BITS, WORDS_MAX, key, split,
};
use crate::load::{Fault, LoadError};
use crate::sort::sort;
use crate::tree::{Entry, Parts, Rule, Slot};
use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;
use glacis_wire::{Cause, Causes, DecodeError, Reader, Type};

/// Reads the plan behind the body of `parts`; `literals` are the places of the arena's texts.
pub(crate) fn plan(
    input: &mut Reader<'_>,
    bytes: &[u8],
    parts: &Parts,
    literals: &Literals,
) -> Result<Plan, LoadError> {
    let offset = input.offset();
    let words = usize::from(u16_le(input)?);
    ensure(words <= WORDS_MAX, offset)?;
    let mut plan = Plan { words, ..terms(input, parts, words)? };
    let mut names = Names::default();
    let mut slots = Vec::with_capacity(parts.slots.len());
    for slot in &parts.slots {
        slots.push(table(input, bytes, slot, &mut names, literals)?);
    }
    plan.slots = slots.into_boxed_slice();
    rows(input, bytes, &mut plan, &mut names)?;
    Ok(plan)
}

/// Refuses what is at `offset`.
const fn fault(offset: usize) -> LoadError {
    LoadError::new(offset, Fault::Plan)
}

const fn ensure(holds: bool, offset: usize) -> Result<(), LoadError> {
    if holds { Ok(()) } else { Err(fault(offset)) }
}

fn u16_le(input: &mut Reader<'_>) -> Result<u16, DecodeError> {
    input.array().map(u16::from_le_bytes)
}

/// The terms of each rule, and what follows from them for each word.
fn terms(input: &mut Reader<'_>, parts: &Parts, words: usize) -> Result<Plan, LoadError> {
    let mut rules = Vec::with_capacity(parts.rules.len());
    let mut fixed = vec![Fixed { idle: u64::MAX, ..Fixed::default() }; words];
    let mut owners = vec![u16::MAX; words * WORD_BITS];
    let mut skips = vec![[Skips::default(); Cause::ALL.len()]; words];
    for (owner, meaning) in (0..).zip(&parts.rules) {
        let offset = input.offset();
        let (rule, rest) = terms_of(input, meaning)?;
        let all = rule.trues | rule.falses;
        if all != 0 {
            let word = fixed.get_mut(usize::from(rule.word)).ok_or(fault(offset))?;
            ensure(word.idle & all == all, offset)?;
            word.idle &= !all;
            word.rest |= rest;
            word.falses |= rule.falses;
        }
        let first = usize::from(rule.word) * WORD_BITS;
        for (at, place) in owners.iter_mut().skip(first).take(WORD_BITS).enumerate() {
            if all >> at & 1 == 1 {
                *place = owner;
            }
        }
        let by_cause = skips.get_mut(usize::from(rule.word)).into_iter().flatten().zip(meaning.unknown);
        for (skips, _) in by_cause.filter(|(_, entry)| *entry == Entry::Skip || rule.effect.is_lenient()) {
            match rule.falses {
                0 => skips.waiting |= rule.trues,
                _ if rule.exact => skips.open |= all,
                _ => {}
            }
        }
        rules.push(rule);
    }
    let last = fixed.as_chunks::<BLOCK>();
    let used = last.0.last().is_none_or(|block| block.iter().any(|word| word.idle != u64::MAX));
    ensure(used && last.1.is_empty(), input.offset())?;
    Ok(Plan {
        rules: rules.into_boxed_slice(),
        owners: owners.into_boxed_slice(),
        fixed: fixed.into_boxed_slice(),
        skips: skips.into_boxed_slice(),
        ..Plan::default()
    })
}

/// The terms of one rule, and which of them are never decided by rows.
fn terms_of(input: &mut Reader<'_>, rule: &Rule) -> Result<(RuleTerms, u64), LoadError> {
    let offset = input.offset();
    let word = u16_le(input)?;
    let [first, trues, falses, flags] = input.array()?;
    let (direct, exact) = (flags & 1 == 1, flags & 2 == 2);
    let rest = u64::from(u32::from_le_bytes(input.array()?));
    let within = |count: u8| usize::from(count) <= TERMS_MAX;
    let end = usize::from(first) + usize::from(trues) + usize::from(falses);
    ensure(within(trues) && within(falses) && end <= WORD_BITS && flags <= 3, offset)?;
    let low = |count: u8| 1_u64.checked_shl(u32::from(count)).map_or(u64::MAX, |above| above - 1);
    ensure(rest & !low(trues + falses) == 0, offset)?;
    ensure(trues + falses > 0 || (word, first) == (0, 0), offset)?;
    ensure((!direct || (exact && falses == 0)) && (!exact || rest == 0), offset)?;
    let shift = |bits: u64, by: u8| bits.checked_shl(u32::from(by)).unwrap_or(0);
    let rule = RuleTerms {
        word,
        effect: rule.effect,
        obligations: rule.obligations,
        closing: closing(rule),
        direct,
        exact,
        trues: shift(low(trues), first),
        falses: shift(shift(low(falses), trues), first),
    };
    Ok((rule, shift(rest, first)))
}

/// The causes for which a rule closes with its own effect, and with no other in sight.
fn closing(rule: &Rule) -> Causes {
    let entries = Cause::ALL.into_iter().zip(rule.unknown);
    let matches = entries.filter(|(_, entry)| *entry == Entry::Match && !rule.effect.is_lenient());
    matches.fold(Causes::NONE, |causes, (cause, _)| causes.union(Causes::of(cause)))
}

/// Which rows are used, of each kind.
#[derive(Default)]
struct Names {
    whole: Vec<bool>,
    changes: Vec<bool>,
}

impl Names {
    fn read(&mut self, input: &mut Reader<'_>) -> Result<u16, LoadError> {
        let name = u16_le(input)?;
        self.uses(name);
        Ok(name)
    }

    fn uses(&mut self, name: u16) {
        if name == NO_ROW {
            return;
        }
        let used = if name & CHANGED == 0 { &mut self.whole } else { &mut self.changes };
        let at = usize::from(name & !CHANGED);
        if used.len() <= at {
            used.resize(at + 1, false);
        }
        if let Some(used) = used.get_mut(at) {
            *used = true;
        }
    }

    /// `count` names; the range of their bytes.
    fn range(&mut self, input: &mut Reader<'_>, count: usize) -> Result<Range<usize>, LoadError> {
        let start = input.offset();
        for _ in 0..count {
            self.read(input)?;
        }
        Ok(start..input.offset())
    }
}

/// The tables of one slot.
fn table(
    input: &mut Reader<'_>,
    bytes: &[u8],
    slot: &Slot,
    names: &mut Names,
    literals: &Literals,
) -> Result<SlotTable, LoadError> {
    let offset = input.offset();
    let [uses, present, missing, misused] =
        [names.read(input)?, names.read(input)?, names.read(input)?, names.read(input)?];
    let Slot { ty, min_trust, aggregate, .. } = *slot;
    let mut table = SlotTable {
        ty,
        min_trust,
        aggregate,
        uses,
        present,
        missing,
        misused,
        several: NO_ROW,
        values: Values::None,
    };
    if uses == NO_ROW {
        ensure([present, missing, misused] == [NO_ROW; 3], offset)?;
        return Ok(table);
    }
    let offset = input.offset();
    let tables = input.u8()?;
    let (first, second) = (tables & 1 == 1, tables & 2 == 2);
    table.values = match (slot.ty, first, second) {
        _ if tables > 3 => return Err(fault(offset)),
        (_, false, false) => Values::None,
        (Type::Bool, true, false) => Values::Bool([names.read(input)?, names.read(input)?]),
        (Type::Int | Type::Uint | Type::Timestamp | Type::Duration, false, true) => {
            Values::Int(ordered(input, bytes, names)?)
        }
        (Type::Double, false, true) => Values::Double(ordered(input, bytes, names)?, names.read(input)?),
        (Type::String, ..) => {
            let prefixes = if second { Some(ordered(input, bytes, names)?) } else { None };
            Values::Text(if first { Some(texts(input, bytes, names, literals)?) } else { None }, prefixes)
        }
        _ => return Err(fault(offset)),
    };
    if slot.aggregate && second {
        table.several = names.read(input)?;
    }
    Ok(table)
}

fn ordered(input: &mut Reader<'_>, bytes: &[u8], names: &mut Names) -> Result<Ordered, LoadError> {
    let count = usize::from(u16_le(input)?);
    let start = input.offset();
    let mut last = i64::MIN;
    for _ in 0..count {
        let offset = input.offset();
        let bound = input.array().map(i64::from_le_bytes)?;
        ensure(last < bound, offset)?;
        last = bound;
    }
    let tops = bytes.get(start..input.offset()).unwrap_or_default().as_chunks().0;
    let tops = tops.chunks_exact(GROUP).filter_map(|group| group.last());
    let tops = tops.map(|bound| i64::from_le_bytes(*bound)).collect();
    for _ in count % GROUP..GROUP {
        let offset = input.offset();
        ensure(input.array().map(i64::from_le_bytes)? == FILLED, offset)?;
    }
    let bounds = start..input.offset();
    let some_open = input.bool()?;
    let dead = names.range(input, count + 1)?;
    let offset = input.offset();
    let open = if some_open { names.range(input, count + 1)? } else { offset..offset };
    // An open row that is not there has no second form.
    let none = |range: &Range<usize>| range.len() == 2 * (count + 1);
    ensure(some_open == none(&open), offset)?;
    Ok(Ordered { count, tops, bounds, dead, open })
}

fn texts(
    input: &mut Reader<'_>,
    bytes: &[u8],
    names: &mut Names,
    literals: &Literals,
) -> Result<Texts, LoadError> {
    let offset = input.offset();
    let count = usize::from(u16_le(input)?);
    let other = names.read(input)?;
    let bits = key::bucket_bits(count);
    let mut texts = Texts { bits, other, longest: 0, fullest: 0, starts: 0..0, records: 0..0 };
    let start = input.offset();
    let buckets = 1_usize << bits;
    let mut starts = Vec::with_capacity((buckets + 1).min(input.remaining()));
    for _ in 0..=buckets {
        starts.push(usize::from(u16_le(input)?));
    }
    texts.starts = start..input.offset();
    ensure(starts.is_sorted() && starts.first() == Some(&0) && starts.last() == Some(&count), offset)?;
    texts.fullest = starts
        .windows(2)
        .map(|pair| pair.iter().rev().copied().reduce(|b, a| b - a))
        .max()
        .flatten()
        .unwrap_or(0);
    let start = input.offset();
    let mut last: Option<(usize, &[u8])> = None;
    for at in 0..count {
        let offset = input.offset();
        let tag = u16_le(input)?;
        names.range(input, 2)?;
        let place = u32::from_le_bytes(input.array()?);
        let text = literals.find(bytes, place).ok_or(fault(offset))?;
        let hash = key::hash(key::Ends::of(text), text);
        let bucket = key::bucket(hash, bits);
        let inside =
            starts.get(bucket).zip(starts.get(bucket + 1)).is_some_and(|(a, b)| (*a..*b).contains(&at));
        ensure(inside && tag == key::tag(hash) && last < Some((bucket, text)), offset)?;
        texts.longest = texts.longest.max(text.len());
        last = Some((bucket, text));
    }
    texts.records = start..input.offset();
    Ok(texts)
}

/// The rows: as many as are used, in ascending order, none empty, none with a bit that no term has.
fn rows(input: &mut Reader<'_>, bytes: &[u8], plan: &mut Plan, names: &mut Names) -> Result<(), LoadError> {
    let offset = input.offset();
    let (count, changes) = (usize::from(u16_le(input)?), usize::from(u16_le(input)?));
    let start = input.offset();
    input.raw(count * plan.row_bytes())?;
    plan.rows = start..input.offset();
    let width = plan.row_bytes().max(1);
    let all = bytes.get(plan.rows.clone()).unwrap_or_default();
    let mut last: &[u8] = &[];
    for (at, row) in all.chunks_exact(width).enumerate() {
        let words = row.as_chunks().0.iter().map(|word| u64::from_le_bytes(*word));
        let idle = words.clone().zip(&plan.fixed).any(|(word, fixed)| word & fixed.idle != 0);
        ensure(!idle && words.clone().any(|word| word != 0) && last < row, start + at * width)?;
        last = row;
    }
    self::changes(input, bytes, plan, names, changes)?;
    let all_used = |used: &[bool], count| used.len() == count && used.iter().all(|used| *used);
    ensure(all_used(&names.whole, count) && all_used(&names.changes, changes), offset)
}

/// The changes, in ascending order: each in bits that are what they are said to be.
fn changes(
    input: &mut Reader<'_>,
    bytes: &[u8],
    plan: &mut Plan,
    names: &mut Names,
    count: usize,
) -> Result<(), LoadError> {
    let begin = input.offset();
    let mut last = [0; CHANGE_BYTES];
    for _ in 0..count {
        let offset = input.offset();
        let record: [u8; CHANGE_BYTES] = input.array()?;
        ensure(last < record, offset)?;
        last = record;
        let [_, _, cleared, set, bits @ ..] = &record;
        let change = Change::parse(&record);
        let unused = bits.iter().skip(2 * (usize::from(*cleared) + usize::from(*set)));
        ensure(unused.copied().all(|byte| byte == 0), offset)?;
        ensure(
            (change.cleared.len(), change.set.len()) == (usize::from(*cleared), usize::from(*set)),
            offset,
        )?;
        let differ = change.cleared.len() + change.set.len();
        ensure(change.of & CHANGED == 0 || change.of == NO_ROW, offset)?;
        ensure(differ > 0, offset)?;
        names.uses(change.of);
        let of = plan.whole(bytes, change.of);
        for (bits, before) in [(change.cleared, 1), (change.set, 0)] {
            ensure(bits.iter().map(|bit| u16::from_le_bytes(*bit)).is_sorted_by(|a, b| a < b), offset)?;
            for bit in bits {
                let (word, bit) = split(*bit);
                let was = of.get(word).map_or(0, |word| u64::from_le_bytes(*word) >> bit & 1);
                let idle = plan.fixed.get(word).map(|fixed| fixed.idle >> bit & 1);
                ensure(was == before && idle == Some(0), offset)?;
            }
        }
    }
    plan.changes = begin..input.offset();
    Ok(())
}

/// The places of the arena's text literals in the bytes of a slice; of equal texts the first.
#[derive(Debug, Default)]
pub(crate) struct Literals {
    /// By text: offset and length.
    places: Vec<(u32, u16)>,
}

impl Literals {
    /// Adds the place of a text; places come in ascending order.
    pub(crate) fn push(&mut self, offset: usize, length: usize) {
        if let (Ok(offset), Ok(length)) = (u32::try_from(offset), u16::try_from(length)) {
            self.places.push((offset, length));
        }
    }

    /// Drops all but the first of equal ones. Equal texts are found by their hashes: most texts differ in those.
    pub(crate) fn settle(&mut self, bytes: &[u8]) {
        let text = |at: usize| self.places.get(at).and_then(|place| text(bytes, *place)).unwrap_or_default();
        let hash = |at: usize| key::hash(key::Ends::of(text(at)), text(at));
        let mut hashed: Vec<(u64, usize)> = (0..self.places.len()).map(|at| (hash(at), at)).collect();
        sort(&mut hashed, |a, b| {
            a.0.cmp(&b.0).then_with(|| text(a.1).cmp(text(b.1)).then(a.1.cmp(&b.1))).is_lt()
        });
        let mut is_first = vec![true; self.places.len()];
        for pair in hashed.windows(2) {
            let [before, after] = pair else { continue };
            if before.0 == after.0 && text(before.1) == text(after.1) {
                is_first.get_mut(after.1).into_iter().for_each(|first| *first = false);
            }
        }
        let mut is_first = is_first.into_iter();
        self.places.retain(|_| is_first.next() == Some(true));
    }

    /// Every text with its place.
    pub(crate) fn iter<'a>(&self, bytes: &'a [u8]) -> impl Iterator<Item = (&'a [u8], u32)> {
        self.places.iter().filter_map(|place| Some((text(bytes, *place)?, place.0)))
    }

    /// The text at a place, if it is one of these.
    fn find<'a>(&self, bytes: &'a [u8], offset: u32) -> Option<&'a [u8]> {
        let at = self.places.binary_search_by_key(&offset, |(offset, _)| *offset).ok()?;
        text(bytes, *self.places.get(at)?)
    }
}

fn text(bytes: &[u8], (offset, length): (u32, u16)) -> Option<&[u8]> {
    let offset = usize::try_from(offset).ok()?;
    bytes.get(offset..offset + usize::from(length))
}

const _: () = assert!(TEXT_RECORD == 10, "tag, two rows, place");
const _: () = assert!(LITERALS_MAX >= TERMS_MAX, "a rail of one literal a term fits");
