//! The events of one key, kept once for all features of its group.
//!
//! Few rows, which is usual, are looked through. A key with many has an aggregate a feature ([`Mark`]), so that a
//! question costs amortised O(1) however much the look-back holds. A cut in the past, or a sum of doubles (whose
//! subtraction is not exact), walks the window. Nothing here approximates.

use super::Measure;
use super::item::{Bytes, Item, Member, Row};
use super::mark::{FOREVER, Mark, Values};
use glacis_wire::{Answer, Cause, Timestamp, Value};
use std::collections::{HashSet, VecDeque};
use std::time::Duration;

/// Rows above which a key has aggregates; below, looking through them is cheaper.
pub(super) const FEW: usize = 12;

/// Events of one key, ordered by receive time, then log sequence.
#[derive(Clone, Debug)]
pub(super) struct Series {
    rows: VecDeque<Row>,
    /// Receive time of the first row; without one, the end of time.
    oldest: Timestamp,
    /// Receive time of the last row; without one, the beginning.
    newest: Timestamp,
    seq_max: u64,
    more: Option<Box<More>>,
}

/// What few keys have.
#[derive(Clone, Debug, Default)]
struct More {
    /// By number of member; none while rows are few.
    marks: Vec<Mark>,
    /// Latest receive time of an event that adds to a member and was not kept, by its number.
    incomplete: Vec<Option<Timestamp>>,
}

/// One question about one feature.
#[derive(Clone, Copy, Debug)]
pub(super) struct Question<'a> {
    pub(super) member: Member,
    pub(super) window: Duration,
    /// The end of the window.
    pub(super) at: Timestamp,
    /// Log sequences below it count.
    pub(super) cut: u64,
    /// What the deciding event adds itself.
    pub(super) own: Option<Item<'a>>,
}

impl Series {
    /// Without an event; `rows` is empty, and memory to be used again.
    pub(super) const fn new(rows: VecDeque<Row>) -> Self {
        Self { rows, oldest: FOREVER, newest: Timestamp::ZERO, seq_max: 0, more: None }
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Its memory, to be used again.
    pub(super) fn into_rows(self) -> VecDeque<Row> {
        let mut rows = self.rows;
        if rows.capacity() > FEW {
            rows = VecDeque::new();
        }
        rows.clear();
        rows
    }

    /// Reads every part of it that a question reads first, so that all its cache lines come.
    pub(super) fn warm(&self) -> usize {
        let Self { rows, oldest, newest, seq_max, more } = self;
        let flags = [rows.is_empty(), oldest > newest, *seq_max == 0, more.is_some()];
        flags.into_iter().fold(0, |read, flag| read ^ usize::from(flag))
    }

    /// Reads the rows that a question or the next event looks at first.
    pub(super) fn warm_rows(&self) -> usize {
        let marks = self.more.iter().flat_map(|more| &more.marks);
        let marks = marks.fold(0, |read, mark| read ^ mark.at);
        let newest = self.rows.iter().rev().take(FEW);
        newest.chain(self.rows.front()).fold(marks, |read, row| read ^ usize::from(row.seq == 0))
    }

    pub(super) fn is_incomplete(&self) -> bool {
        self.more.as_ref().is_some_and(|more| more.incomplete.iter().any(Option::is_some))
    }

    /// An event that adds to a member was not kept: no window that may hold it has an exact answer.
    pub(super) fn mark_incomplete(&mut self, member: Member, received: Timestamp) {
        let incomplete = &mut self.more.get_or_insert_default().incomplete;
        if incomplete.len() <= member.number {
            incomplete.resize(member.number + 1, None);
        }
        if let Some(place) = incomplete.get_mut(member.number) {
            *place = (*place).max(Some(received));
        }
    }

    /// The bytes of a long value that is kept already for a member.
    pub(super) fn known(&self, member: Member, value: &[u8]) -> Option<&Bytes> {
        let values = self.mark(member)?.values.as_ref()?;
        values.get_key_value(value).map(|(known, _)| known)
    }

    /// Takes an event in.
    pub(super) fn insert(&mut self, members: &[Member], row: Row) {
        self.seq_max = self.seq_max.max(row.seq);
        self.oldest = self.oldest.min(row.received);
        // Most keys come once in their window.
        if self.rows.capacity() == 0 {
            self.rows.reserve_exact(1);
        }
        let at = if row.received > self.newest { self.rows.len() } else { self.place(&row) };
        self.newest = self.newest.max(row.received);
        let marks = self.more.iter_mut().flat_map(|more| &mut more.marks);
        marks.for_each(|mark| mark.insert(at, &row));
        self.rows.insert(at, row);
        if self.rows.len() > FEW && self.more.as_ref().is_none_or(|more| more.marks.is_empty()) {
            let marks = members.iter().map(|member| Mark::over(*member, &self.rows)).collect();
            self.more.get_or_insert_default().marks = marks;
        } else {
            self.look();
        }
    }

    /// Where a row belongs that may not be the last.
    fn place(&self, row: &Row) -> usize {
        let place = (row.received, row.seq);
        let behind = self.rows.iter().rev().take_while(|row| (row.received, row.seq) > place).count();
        self.rows.len() - behind
    }

    fn look(&mut self) {
        let marks = self.more.iter_mut().flat_map(|more| &mut more.marks);
        marks.for_each(|mark| mark.look(&self.rows));
    }

    /// Moves the mark of a member to the start of a window that ends at `now`.
    pub(super) fn follow(&mut self, member: Member, window: Duration, now: Timestamp) {
        let mark = self.more.as_mut().and_then(|more| more.marks.get_mut(member.number));
        if let Some((mark, start)) = mark.zip(open_start(now, window)) {
            mark.follow(start, &self.rows);
        }
    }

    /// Drops rows received before `horizon`; says how many.
    pub(super) fn expire(&mut self, horizon: Timestamp) -> usize {
        if let Some(more) = &mut self.more {
            let lapse = |lost: &mut Option<Timestamp>| *lost = lost.filter(|lost| *lost >= horizon);
            more.incomplete.iter_mut().for_each(lapse);
        }
        if self.oldest >= horizon {
            return 0;
        }
        let mut dropped = 0;
        while self.rows.front().is_some_and(|row| row.received < horizon) {
            let Some(row) = self.rows.pop_front() else { break };
            let marks = self.more.iter_mut().flat_map(|more| &mut more.marks);
            marks.for_each(|mark| mark.pop(&row));
            dropped += 1;
        }
        self.oldest = self.rows.front().map_or(FOREVER, |row| row.received);
        self.newest = self.rows.back().map_or(Timestamp::ZERO, |row| row.received);
        self.look();
        dropped
    }

    /// The aggregate over `(at − window, at]` and log sequences below the cut, plus the deciding event's own item.
    pub(super) fn answer(&self, question: &Question<'_>) -> Answer {
        let Question { member, window, at, cut, own } = *question;
        if let Some(more) = &self.more
            && may_hold(window, at, more.incomplete.get(member.number).copied().flatten())
        {
            return Answer::unknown(Cause::Unavailable);
        }
        let start = open_start(at, window);
        if start.is_some_and(|start| self.newest <= start) {
            return only(member, own);
        }
        match self.mark(member) {
            Some(mark) if self.seq_max < cut && member.measure != Measure::SumDouble => {
                self.by_difference(mark, start, question)
            }
            _ => self.by_walk(start, question),
        }
    }

    fn mark(&self, member: Member) -> Option<&Mark> {
        self.more.as_ref()?.marks.get(member.number)
    }

    /// The first row received after `start`, looked for from the mark, which is near it.
    fn first_after(&self, mark: &Mark, start: Timestamp) -> usize {
        if mark.before_mark <= start && mark.at_mark > start {
            return mark.at;
        }
        let outside = |row: &&Row| row.received <= start;
        if mark.at_mark <= start {
            return mark.at + self.rows.iter().skip(mark.at).take_while(outside).count();
        }
        mark.at - self.rows.iter().take(mark.at).rev().take_while(|row| !outside(row)).count()
    }

    /// The first row received after `at`.
    fn end_of(&self, at: Timestamp) -> usize {
        if self.newest > at { self.rows.partition_point(|row| row.received <= at) } else { self.rows.len() }
    }

    fn by_difference(&self, mark: &Mark, start: Option<Timestamp>, question: &Question<'_>) -> Answer {
        let Question { member, at, own, .. } = *question;
        let first = start.map_or(0, |start| self.first_after(mark, start));
        let end = self.end_of(at);
        match &mark.values {
            Some(values) => {
                let differences = self.difference(mark, first, end, member).filter_map(|(item, sign)| {
                    let value = item.value()?;
                    Some((value, isize::from(sign)))
                });
                count(distinct(values, differences.collect(), own))
            }
            None => {
                let part = |(item, sign): (Item<'_>, i8)| i128::from(item.as_int()) * i128::from(sign);
                let difference: i128 = self.difference(mark, first, end, member).map(part).sum();
                int(mark.total + difference + i128::from(own.map_or(0, Item::as_int)))
            }
        }
    }

    /// What rows `first..end` have more (`1`) and less (`-1`) than those from the mark on.
    fn difference(
        &self,
        mark: &Mark,
        first: usize,
        end: usize,
        member: Member,
    ) -> impl Iterator<Item = (Item<'_>, i8)> {
        let span = |from: usize, to: usize| self.rows.iter().take(to).skip(from);
        let more = span(first, mark.at).map(|row| (row, 1));
        let less = span(mark.at, first).chain(span(end, self.rows.len())).map(|row| (row, -1));
        more.chain(less).filter_map(move |(row, sign)| row.item(member).map(|item| (item, sign)))
    }

    fn by_walk(&self, start: Option<Timestamp>, question: &Question<'_>) -> Answer {
        let Question { member, at, cut, own, .. } = *question;
        // Few rows are looked through whole; of many, only the window.
        let first = match start {
            Some(start) if self.rows.len() > FEW => self.rows.partition_point(|row| row.received <= start),
            _ => 0,
        };
        let is_inside = |row: &&Row| {
            row.received <= at && row.seq < cut && start.is_none_or(|start| row.received > start)
        };
        let rows = self.rows.iter().skip(first).filter(is_inside);
        let items = rows.clone().filter_map(|row| row.item(member));
        match member.measure {
            Measure::Count | Measure::Sum => {
                int(items.chain(own).map(|item| i128::from(item.as_int())).sum())
            }
            Measure::Distinct if self.rows.len() <= FEW => count(few(items.chain(own))),
            Measure::Distinct => {
                count(items.chain(own).filter_map(Item::value).collect::<HashSet<_>>().len())
            }
            Measure::SumDouble => {
                let mut added: Vec<(u64, f64)> =
                    rows.filter_map(|row| row.item(member).map(|item| (row.seq, item.as_double()))).collect();
                added.sort_unstable_by_key(|(seq, _)| *seq);
                let own = own.map(Item::as_double);
                let sum =
                    added.into_iter().map(|(_, value)| value).chain(own).fold(0.0, |sum, value| sum + value);
                Answer::Value(Value::Double(sum))
            }
        }
    }
}

/// The answer where no row is in the window, which is usual: it reads none.
pub(super) fn only(member: Member, own: Option<Item<'_>>) -> Answer {
    match member.measure {
        Measure::Count | Measure::Sum => int(i128::from(own.map_or(0, Item::as_int))),
        Measure::SumDouble => Answer::Value(Value::Double(0.0 + own.map_or(0.0, Item::as_double))),
        Measure::Distinct => count(usize::from(own.and_then(Item::value).is_some())),
    }
}

/// Different values among those that are covered, with `differences`, and the deciding event's own.
fn distinct(values: &Values, mut differences: Vec<(&[u8], isize)>, own: Option<Item<'_>>) -> usize {
    let inside =
        |value: &[u8], more: isize| values.get(value).copied().unwrap_or(0).saturating_add_signed(more) > 0;
    differences.sort_unstable_by_key(|(value, _)| *value);
    let own = own.and_then(Item::value);
    let (mut different, mut own_more) = (values.len(), 0);
    for same in differences.chunk_by(|(a, _), (b, _)| a == b) {
        let Some((value, _)) = same.first() else { continue };
        let more = same.iter().map(|(_, more)| more).sum();
        match (inside(value, 0), inside(value, more)) {
            (false, true) => different += 1,
            (true, false) => different -= 1,
            (false, false) | (true, true) => {}
        }
        if own == Some(*value) {
            own_more = more;
        }
    }
    different + usize::from(own.is_some_and(|own| !inside(own, own_more)))
}

/// Different values among few, without a table.
fn few<'a>(items: impl Iterator<Item = Item<'a>>) -> usize {
    let mut found: [&[u8]; FEW + 1] = [&[]; FEW + 1];
    let mut length = 0;
    for value in items.filter_map(Item::value) {
        let known = found.iter().take(length).any(|known| *known == value);
        if let (false, Some(place)) = (known, found.get_mut(length)) {
            *place = value;
            length += 1;
        }
    }
    length
}

/// Whether the window that ends at `at` may hold what was lost, the newest of it received at `lost`.
pub(super) fn may_hold(window: Duration, at: Timestamp, lost: Option<Timestamp>) -> bool {
    lost.is_some_and(|lost| open_start(at, window).is_none_or(|start| lost > start))
}

/// Start of the window that ends at `at`, itself outside; none where it reaches back before the epoch.
fn open_start(at: Timestamp, window: Duration) -> Option<Timestamp> {
    let window_ms = u64::try_from(window.as_millis()).ok()?;
    at.as_ms().checked_sub(window_ms).map(Timestamp::from_ms)
}

fn count(count: usize) -> Answer {
    int(i128::try_from(count).unwrap_or(i128::MAX))
}

fn int(value: i128) -> Answer {
    i64::try_from(value).map_or(Answer::Error, |value| Answer::Value(Value::Int(value)))
}
