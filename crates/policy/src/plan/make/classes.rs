//! The tables of one slot: its classes, and for each class the terms that it kills or leaves open.
//!
//! A class is the set of values that all atoms of the slot judge alike, and its rows are found by asking each atom
//! about one value of it. Bounds are where an atom may change its mind; a literal of a text list is a class of its
//! own, all other texts are one.

use super::atoms::Test;
use super::rows::{Rows, set};
use super::{Places, Use};
use crate::plan::{FILLED, GROUP, NO_ROW, key};
use crate::tree::Slot;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::iter::repeat_n;
use glacis_wire::Type;

/// Appends the tables of one slot; `None` if something in them cannot be counted.
pub(super) fn write(
    out: &mut Vec<u8>,
    of: &Slot,
    (uses, several): (&[Use<'_>], &[usize]),
    rows: &mut Rows,
    places: &Places<'_>,
) -> Option<()> {
    slot(out, uses, rows)?;
    if uses.is_empty() {
        return Some(());
    }
    let those = |wanted: fn(&Test) -> bool| uses.iter().filter(move |used| wanted(&used.atom.test)).collect();
    let keyed: Vec<&Use<'_>> =
        those(|test| matches!(test, Test::Compare { .. } | Test::Among(_) | Test::Prefix { .. }));
    let texts: Vec<&Use<'_>> = those(|test| matches!(test, Test::Texts { .. }));
    let truths: Vec<&Use<'_>> = those(|test| matches!(test, Test::Bool(_)));
    let tables = [!truths.is_empty() || !texts.is_empty(), !keyed.is_empty()];
    out.push(u8::from(tables[0]) | u8::from(tables[1]) << 1);
    if !truths.is_empty() {
        booleans(out, &truths, rows)?;
    }
    if !keyed.is_empty() {
        ordered(out, of.ty, &keyed, rows)?;
        if of.aggregate {
            let mut row = rows.zero();
            set(&mut row, several);
            rows.write(out, row, None)?;
        }
    }
    if !texts.is_empty() {
        literals(out, (&texts, &keyed), rows, places)?;
    }
    Some(())
}

/// The terms that compare the value of an aggregate more than once.
pub(super) fn several(slot: &Slot, uses: &[Use<'_>]) -> Vec<usize> {
    let compared = uses.iter().filter(|used| slot.aggregate && !matches!(used.atom.test, Test::Has));
    let mut terms: Vec<usize> =
        compared.flat_map(|used| used.plain.iter().chain(&used.negated)).copied().collect();
    terms.sort_unstable();
    let mut several: Vec<usize> = terms
        .windows(2)
        .filter_map(|pair| (pair.first() == pair.last()).then(|| pair.first().copied())?)
        .collect();
    several.dedup();
    several
}

/// Rows that do not depend on the value.
fn slot(out: &mut Vec<u8>, uses: &[Use<'_>], rows: &mut Rows) -> Option<()> {
    let [mut all, mut present, mut missing, mut misused] = [(); 4].map(|()| rows.zero());
    for used in uses {
        for bits in [&used.plain, &used.negated] {
            set(&mut all, bits);
        }
        if matches!(used.atom.test, Test::Has) {
            set(&mut present, &used.negated);
            set(&mut missing, &used.plain);
        } else {
            set(&mut misused, &used.plain);
            set(&mut misused, &used.negated);
        }
    }
    for row in [all, present, missing, misused] {
        rows.write(out, row, None)?;
    }
    Some(())
}

/// The rows of one class, given how each atom judges it: what it kills, what it leaves open.
fn rows_of<'a>(
    rows: &Rows,
    uses: &[&'a Use<'a>],
    judge: impl Fn(&'a Test) -> Option<bool>,
) -> (Vec<u64>, Vec<u64>) {
    let (mut dead, mut open) = (rows.zero(), rows.zero());
    for used in uses {
        match judge(&used.atom.test) {
            Some(true) => set(&mut dead, &used.negated),
            Some(false) => set(&mut dead, &used.plain),
            None => {
                set(&mut open, &used.plain);
                set(&mut open, &used.negated);
            }
        }
    }
    (dead, open)
}

fn booleans(out: &mut Vec<u8>, uses: &[&Use<'_>], rows: &mut Rows) -> Option<()> {
    for value in [0, 1] {
        let judge = |test: &Test| match test {
            Test::Bool(truth) => truth.get(value).copied(),
            _ => None,
        };
        let (dead, _) = rows_of(rows, uses, judge);
        rows.write(out, dead, None)?;
    }
    Some(())
}

/// Count of bounds, bounds up to the end of a group, a flag for open rows, row of each class, open row of each class, row of NaN.
fn ordered(out: &mut Vec<u8>, ty: Type, uses: &[&Use<'_>], rows: &mut Rows) -> Option<()> {
    let mut bounds: Vec<i64> = uses.iter().flat_map(|used| used.atom.test.bounds()).collect();
    bounds.sort_unstable();
    bounds.dedup();
    // No key is below the least, so nothing begins there.
    bounds.retain(|bound| *bound != i64::MIN);
    out.extend(u16::try_from(bounds.len()).ok()?.to_le_bytes());
    let filled = repeat_n(&FILLED, GROUP - bounds.len() % GROUP);
    bounds.iter().chain(filled).for_each(|bound| out.extend(bound.to_le_bytes()));
    let classes = [i64::MIN].iter().chain(&bounds);
    let judged: Vec<_> = classes.map(|least| rows_of(rows, uses, |test| test.at_key(Some(*least)))).collect();
    let some_open = judged.iter().any(|(_, open)| open.iter().any(|word| *word != 0));
    out.push(u8::from(some_open));
    let (dead, open): (Vec<_>, Vec<_>) = judged.into_iter().unzip();
    in_groups(out, &dead, rows)?;
    if some_open {
        in_groups(out, &open, rows)?;
    }
    if ty == Type::Double {
        let (dead, _) = rows_of(rows, uses, |test| test.at_key(None));
        rows.write(out, dead, None)?;
    }
    Some(())
}

/// Rows of neighbouring classes: as many as possible are what they have in common and a few bits more. Bits that are
/// only set can be added in any order, so such a row costs no more than a whole one.
fn in_groups(out: &mut Vec<u8>, all: &[Vec<u64>], rows: &mut Rows) -> Option<()> {
    let mut rest = all;
    while let Some(first) = rest.first() {
        let mut common = first.clone();
        let mut members = 1;
        while let Some(next) = rest.get(members) {
            let narrower: Vec<u64> = common.iter().zip(next).map(|(common, next)| common & next).collect();
            if !rest.iter().take(members + 1).all(|row| rows.is_near(&narrower, row)) {
                break;
            }
            common = narrower;
            members += 1;
        }
        let (group, behind) = rest.split_at_checked(members)?;
        for row in group {
            rows.write(out, row.clone(), Some(&common))?;
        }
        rest = behind;
    }
    Some(())
}

/// Count of literals, row of all other texts, start of each bucket, records. What prefixes say of a literal is known
/// in full, also where they are long.
fn literals(
    out: &mut Vec<u8>,
    (uses, prefixes): (&[&Use<'_>], &[&Use<'_>]),
    rows: &mut Rows,
    places: &Places<'_>,
) -> Option<()> {
    // For each literal which atoms list it: most list few of all.
    let mut listed: BTreeMap<&[u8], Vec<usize>> = BTreeMap::new();
    for (at, used) in uses.iter().enumerate() {
        if let Test::Texts { texts, .. } = &used.atom.test {
            texts.iter().for_each(|text| listed.entry(text).or_default().push(at));
        }
    }
    out.extend(u16::try_from(listed.len()).ok()?.to_le_bytes());
    let row = |rows: &Rows, listing: &[usize]| {
        let mut dead = rows.zero();
        for (at, used) in uses.iter().enumerate() {
            let Test::Texts { of_them, .. } = &used.atom.test else { continue };
            let holds = listing.binary_search(&at).is_ok() == *of_them;
            set(&mut dead, if holds { &used.negated } else { &used.plain });
        }
        dead
    };
    let other = row(rows, &[]);
    rows.write(out, other.clone(), None)?;
    let bits = key::bucket_bits(listed.len());
    let hashed = listed.iter().map(|(text, listing)| {
        let hash = key::hash(key::Ends::of(text), text);
        (key::bucket(hash, bits), *text, key::tag(hash), listing)
    });
    let mut records: Vec<_> = hashed.collect();
    records.sort_unstable();
    let buckets = (0..=1_usize.checked_shl(bits)?)
        .map(|bucket| u16::try_from(records.partition_point(|(at, ..)| *at < bucket)).ok());
    for start in buckets {
        out.extend(start?.to_le_bytes());
    }
    for (_, text, tag, listing) in records {
        out.extend(tag.to_le_bytes());
        let row = row(rows, listing);
        rows.write(out, row, Some(&other))?;
        let (by_prefix, _) = rows_of(rows, prefixes, |test| match test {
            Test::Prefix { prefix, .. } => Some(text.starts_with(prefix)),
            _ => None,
        });
        rows.write(out, by_prefix, None)?;
        out.extend(places.get(text)?.to_le_bytes());
    }
    Some(())
}

const _: () = assert!(NO_ROW == u16::MAX, "counts and names share their range");
