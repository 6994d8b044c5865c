//! Outcomes of conditions: CEL with its absorption, extended by unknown (DESIGN §4.2).
//!
//! - `&&`, `||`: a deciding value wins, then unknown (union over the unknown operands), then error.
//! - Every other operator is strict: unknown (union) beats error, error beats a value.
//! - `?:` with an unknown condition has the condition's causes; a known one takes its branch whole.
//! - No short-circuit: every node is computed, so causes are complete and time does not follow private values
//!   from rule to rule.
//! - An interval is compared with points, and is otherwise unknown(inexact) to compute with (`range`).
//! - A missing signal is an error to use and false to `has`; unknown and error stay what they are in `has`.
//!
//! Values follow CEL: checked ints, IEEE doubles (NaN equals nothing and has no order), strings by their UTF-8
//! bytes except `size`, which counts code points. The loader typed the arena, so an operator only meets operands
//! that it takes; where the code must still say something, it says error.

mod score;

use super::index;
use super::input::{Inputs, Reading, reading_of_value};
use super::range;
use super::steps::{Holds, Step};
use super::{convert, time};
use crate::mutant::{Faults, Mutant};
use crate::table::Table;
use crate::tree::{Node, Slice, Source, TimePart};
use alloc::vec::Vec;
use core::cmp::Ordering;
use glacis_wire::interval::Ends;
use glacis_wire::limits::DEPTH_MAX;
use glacis_wire::{Cause, Causes, Interval, Moment, Span, Type, Value, Zone};
pub(super) use score::Desk;

/// Which answers an evaluation sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plane {
    /// Σ: as given.
    Given,
    /// Σ⁻: what is below its `min_trust` is `unknown(withheld)`.
    Trusted,
}

/// Outcome of one node. Text, bytes and lists stay where they are and are named by place, so a cell borrows nothing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Cell {
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    Timestamp(Moment),
    Duration(Span),
    /// The text, bytes or list in this place.
    At(Place),
    /// The text in this place as bytes, or its bytes as text.
    Recast(Place),
    /// The interval in this slot.
    Range(u16),
    /// A score between these ends, open for these causes; for none, since an input failed.
    Score {
        lo: i64,
        hi: i64,
        causes: Causes,
    },
    Error,
    Unknown(Causes),
}

const _: () = assert!(size_of::<Cell>() <= 24, "limits count on it");

/// Where a text, bytes or a list stand.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Place {
    Slot(u16),
    /// An item of the list in a slot.
    SlotItem(u16, u16),
    /// A literal node.
    Const(u32),
    /// An item of a literal node.
    ConstItem(u32, u16),
}

/// Outcome of a condition: a cell that is not a value of another type, and small.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Truth {
    True,
    False,
    Error,
    Unknown(Causes),
}

impl From<Cell> for Truth {
    fn from(cell: Cell) -> Self {
        match cell {
            Cell::Bool(true) => Self::True,
            Cell::Bool(false) => Self::False,
            Cell::Unknown(causes) => Self::Unknown(causes),
            // INVARIANT: roots are Boolean, so what is left is an error.
            _ => Self::Error,
        }
    }
}

impl From<Truth> for Cell {
    fn from(truth: Truth) -> Self {
        match truth {
            Truth::True => Self::Bool(true),
            Truth::False => Self::Bool(false),
            Truth::Error => Self::Error,
            Truth::Unknown(causes) => Self::Unknown(causes),
        }
    }
}

/// Fills `cells`, one a node of the arena, with the outcome of each node that is computed.
pub(super) fn fill<F: Faults>(
    faults: F,
    slice: &Slice,
    inputs: &Inputs<'_>,
    plane: Plane,
    (cells, desk): (&mut [Cell], &mut Desk),
) {
    let run = Run { faults, slice, inputs, plane };
    for (at, step) in (0..).zip(&slice.steps) {
        if matches!(step, Step::Idle) {
            continue;
        }
        faults.spend(1);
        let cell = run.step(at, *step, cells, desk);
        if let Some(place) = cells.get_mut(index(at)) {
            *place = cell;
        }
    }
}

/// Outcomes of some nodes of the arena in one plane, each computed at most once an event.
#[derive(Clone, Debug, Default)]
pub(super) struct Cone {
    cells: Vec<Cell>,
    /// The event for which each cell was computed.
    computed: Vec<u32>,
    event: u32,
    /// Nodes that wait for their operands: three a level at most.
    waiting: Vec<u32>,
    desk: Desk,
}

impl Cone {
    /// Room for the arena of a slice.
    pub(super) fn fit(&mut self, slice: &Slice) {
        self.reserve(slice.nodes().len());
        self.desk.fit(slice);
    }

    fn reserve(&mut self, nodes: usize) {
        self.cells.resize(nodes, Cell::Error);
        self.computed.resize(nodes, 0);
        self.waiting.reserve(3 * DEPTH_MAX + 1);
    }

    /// Forgets all outcomes.
    pub(super) fn begin(&mut self) {
        self.event = self.event.wrapping_add(1);
        if self.event == 0 {
            self.computed.fill(0);
            self.event = 1;
        }
    }

    /// The outcome of `root`, computed with all that it reads, whatever decides. `order` names the nodes below it
    /// and itself, operands first; where it is empty, they are found on the way.
    pub(super) fn outcome<F: Faults>(
        &mut self,
        faults: F,
        slice: &Slice,
        inputs: &Inputs<'_>,
        plane: Plane,
        (root, order): (u32, &[u16]),
    ) -> Truth {
        let run = Run { faults, slice, inputs, plane };
        for at in order {
            if !self.is_computed(u32::from(*at)) {
                self.compute(run, u32::from(*at));
            }
        }
        if !self.is_computed(root) {
            self.search(run, root);
        }
        Truth::from(cell(&self.cells, root))
    }

    /// The conjunction of `known` and of the nodes `roots`; `order` as [`outcome`](Self::outcome) has it, of them all.
    pub(super) fn conjunction<F: Faults>(
        &mut self,
        faults: F,
        slice: &Slice,
        inputs: &Inputs<'_>,
        plane: Plane,
        (known, roots, order): (Truth, &[u32], &[u16]),
    ) -> Truth {
        let run = Run { faults, slice, inputs, plane };
        let all = roots.iter().fold(Cell::from(known), |all, root| {
            self.outcome(faults, slice, inputs, plane, (*root, order));
            run.connective(false, all, cell(&self.cells, *root))
        });
        Truth::from(all)
    }

    /// Computes a node whose operands are computed.
    #[inline]
    fn compute<F: Faults>(&mut self, run: Run<'_, F>, at: u32) {
        run.faults.spend(1);
        let place = index(at);
        let step = run.slice.steps.get(place).copied().unwrap_or(Step::Idle);
        let cell = run.step(at, step, &self.cells, &mut self.desk);
        if let (Some(to), Some(computed)) = (self.cells.get_mut(place), self.computed.get_mut(place)) {
            (*to, *computed) = (cell, self.event);
        }
    }

    /// Computes a node, and before it all that it reads.
    fn search<F: Faults>(&mut self, run: Run<'_, F>, root: u32) {
        self.waiting.clear();
        self.waiting.push(root);
        while let Some(&at) = self.waiting.last() {
            let place = index(at);
            let (Some(step), Some(node)) = (run.slice.steps.get(place), run.slice.nodes().get(place)) else {
                return;
            };
            if self.is_computed(at) {
                self.waiting.pop();
                continue;
            }
            let waiting = self.waiting.len();
            for operand in step.operands(node).into_iter().flatten() {
                if !self.is_computed(operand) {
                    self.waiting.push(operand);
                }
            }
            if self.waiting.len() == waiting {
                self.compute(run, at);
                self.waiting.pop();
            }
        }
    }

    fn is_computed(&self, node: u32) -> bool {
        self.computed.get(index(node)) == Some(&self.event)
    }

    /// Where its memory is, for the test that evaluation does not grow it.
    #[cfg(test)]
    pub(super) fn footprint(&self) -> [(usize, usize); 5] {
        let [inputs, scratch] = self.desk.footprint();
        [
            inputs,
            scratch,
            (self.cells.as_ptr().addr(), self.cells.capacity()),
            (self.computed.as_ptr().addr(), self.computed.capacity()),
            (self.waiting.as_ptr().addr(), self.waiting.capacity()),
        ]
    }
}

/// The outcome of a node that was computed before.
fn cell(cells: &[Cell], node: u32) -> Cell {
    cells.get(index(node)).copied().unwrap_or(Cell::Error)
}

/// One pass over the arena.
#[derive(Clone, Copy)]
struct Run<'a, F> {
    faults: F,
    slice: &'a Slice,
    inputs: &'a Inputs<'a>,
    plane: Plane,
}

impl<'a, F: Faults> Run<'a, F> {
    /// The outcome of one step, given those before it.
    #[inline]
    fn step(self, at: u32, step: Step, cells: &[Cell], desk: &mut Desk) -> Cell {
        match step {
            // Nothing reads it.
            Step::Idle => Cell::Error,
            Step::Score(call) => self.score(call, desk),
            Step::Bound { of, bound, holds } => self.bound(cell(cells, of), bound, holds),
            Step::Connective { a, b, decides } => self.connective(decides, cell(cells, a), cell(cells, b)),
            Step::Node => {
                let node = self.slice.nodes().get(index(at));
                node.map_or(Cell::Error, |node| self.node(at, node, cells))
            }
        }
    }

    /// Compares an int with a literal.
    fn bound(self, of: Cell, bound: i64, holds: Holds) -> Cell {
        match of {
            Cell::Int(value) => Cell::Bool(holds.at(value.cmp(&bound))),
            Cell::Range(_) | Cell::Score { .. } => {
                self.meets(of, Cell::Int(bound), &|order| order.is_some_and(|order| holds.at(order)))
            }
            other => undecided(other),
        }
    }

    /// The outcome of one node, given those before it.
    fn node(self, at: u32, node: &Node, cells: &[Cell]) -> Cell {
        let cell = |node| cell(cells, node);
        match *node {
            Node::Const(ref value) => literal(at, value),
            Node::Read(slot) => self.read(slot),
            Node::Has(slot) => self.has(slot),
            // INVARIANT: a step of its own.
            Node::Score(_) => Cell::Error,
            Node::Not(a) => self.not(cell(a)),
            Node::And(a, b) => self.connective(false, cell(a), cell(b)),
            Node::Or(a, b) => self.connective(true, cell(a), cell(b)),
            Node::If(a, b, c) => self.choose(cell(a), cell(b), cell(c)),
            Node::Eq(a, b) => self.equality(cell(a), cell(b), true),
            Node::Ne(a, b) => self.equality(cell(a), cell(b), false),
            Node::Lt(a, b) => self.ordered(cell(a), cell(b), Ordering::is_lt),
            Node::Le(a, b) => self.ordered(cell(a), cell(b), Ordering::is_le),
            Node::Gt(a, b) => self.ordered(cell(a), cell(b), Ordering::is_gt),
            Node::Ge(a, b) => self.ordered(cell(a), cell(b), Ordering::is_ge),
            Node::Neg(a) => self.negate(cell(a)),
            Node::Add(a, b) => self.arithmetic(cell(a), cell(b), &ADD),
            Node::Sub(a, b) => self.arithmetic(cell(a), cell(b), &SUB),
            Node::Mul(a, b) => self.arithmetic(cell(a), cell(b), &MUL),
            Node::Div(a, b) => self.arithmetic(cell(a), cell(b), &DIV),
            Node::Rem(a, b) => self.arithmetic(cell(a), cell(b), &REM),
            Node::In(a, b) => self.strict(cell(a), cell(b), |item, list| self.member(item, list)),
            Node::Size(a) => self.size(cell(a)),
            Node::StartsWith(a, b) if self.faults.has(Mutant::PrefixAnywhere) => {
                self.text(cell(a), cell(b), |text, part| text.contains(part))
            }
            Node::StartsWith(a, b) => self.text(cell(a), cell(b), |text, part| text.starts_with(part)),
            Node::EndsWith(a, b) => self.text(cell(a), cell(b), |text, part| text.ends_with(part)),
            Node::Contains(a, b) => self.text(cell(a), cell(b), |text, part| text.contains(part)),
            // Whoever looks into it finds it by its place.
            Node::Table(_) => Cell::Error,
            Node::Matches(a, table) => self.matches(cell(a), table),
            Node::Within(a, table) => self.within(cell(a), table),
            Node::MomentPart(part, a, table) => self.moment_part(part, cell(a), table),
            Node::SpanPart(part, a) => self.unary(cell(a), |value| match value {
                Reading::Duration(span) => time::span_part(part, span).map(Cell::Int),
                _ => None,
            }),
            Node::Convert(to, a) => self.convert(to, cell(a)),
            Node::Index(a, b) => self.looked_up(cell(a), cell(b), |list, at| self.item(list, at)),
            Node::Find(a, b) => self.looked_up(cell(a), cell(b), |item, list| self.find(item, list)),
        }
    }

    /// The answer in `slot` in this plane.
    fn answer(self, slot: u16) -> Reading<'a> {
        let reading = self.inputs.reading(self.slice, slot);
        if matches!(reading, Reading::Unknown(_)) && self.is_copy(slot) {
            return Reading::Error;
        }
        if self.plane == Plane::Given || self.trusts(slot) || self.faults.has(Mutant::TrustIgnored) {
            return reading;
        }
        match reading {
            Reading::Bool(_) if self.faults.has(Mutant::WithheldReadsFalse) => Reading::Bool(false),
            Reading::Missing | Reading::Error | Reading::Unknown(_)
                if self.faults.has(Mutant::TrustOnlyOnValues) =>
            {
                reading
            }
            _ => Reading::WITHHELD,
        }
    }

    /// Whether a device reads a value of the request here. Its receiver knows the value itself and takes its causes from
    /// its own view, so that what a device discloses is unknown for the device's own sake only: its copy is never
    /// unknown, one that it cannot state has failed.
    #[cold]
    fn is_copy(self, slot: u16) -> bool {
        let declared = self.slice.slots().get(usize::from(slot));
        self.slice.zone() == Zone::Device
            && declared.is_some_and(|slot| slot.source == Source::Request)
            && !self.faults.has(Mutant::DeviceCopyIsUnknown)
    }

    /// Whether the producer of `slot`'s answer is trusted enough.
    fn trusts(self, slot: u16) -> bool {
        let slot = usize::from(slot);
        let (declared, input) = (self.slice.slots().get(slot), self.inputs.slots.get(slot));
        declared.zip(input).is_some_and(|(declared, input)| input.trust >= declared.min_trust)
    }

    fn read(self, slot: u16) -> Cell {
        match self.answer(slot) {
            Reading::Bool(value) => Cell::Bool(value),
            Reading::Int(value) => Cell::Int(value),
            Reading::Double(value) => Cell::Double(value),
            Reading::Uint(value) => Cell::Uint(value),
            Reading::Timestamp(value) => Cell::Timestamp(value),
            Reading::Duration(value) => Cell::Duration(value),
            Reading::Str(_) | Reading::Bytes(_) | Reading::List(_) => Cell::At(Place::Slot(slot)),
            Reading::Interval(_) => Cell::Range(slot),
            Reading::Missing if self.faults.has(Mutant::MissingIsUnknown) => unknown(Reading::WITHHELD),
            Reading::Missing | Reading::Error => Cell::Error,
            reading @ Reading::Unknown(_) => unknown(reading),
        }
    }

    fn has(self, slot: u16) -> Cell {
        match self.answer(slot) {
            Reading::Missing => Cell::Bool(false),
            Reading::Error if self.faults.has(Mutant::HasErrorIsFalse) => Cell::Bool(false),
            Reading::Unknown(_) if self.faults.has(Mutant::HasUnknownIsFalse) => Cell::Bool(false),
            Reading::Error => Cell::Error,
            reading @ Reading::Unknown(_) => unknown(reading),
            Reading::Interval(_) if self.faults.has(Mutant::IntervalHasNoValue) => INEXACT,
            _ => Cell::Bool(true),
        }
    }

    fn not(self, a: Cell) -> Cell {
        match a {
            Cell::Bool(value) => Cell::Bool(!value),
            Cell::Unknown(_) if self.faults.has(Mutant::NotUnknownIsTrue) => Cell::Bool(true),
            other => undecided(other),
        }
    }

    /// `||` where `decides` is true, `&&` where it is false.
    #[inline]
    fn connective(self, decides: bool, a: Cell, b: Cell) -> Cell {
        // The common case first; no slip touches it.
        if let (Cell::Bool(a), Cell::Bool(b)) = (a, b) {
            return Cell::Bool(if decides { a | b } else { a & b });
        }
        if let Some(slip) = self.connective_slip(decides, a, b) {
            return slip;
        }
        match (a, b) {
            (Cell::Bool(value), _) | (_, Cell::Bool(value)) if value == decides => Cell::Bool(decides),
            (Cell::Unknown(a), Cell::Unknown(b)) => self.union(a, b),
            (Cell::Unknown(causes), _) | (_, Cell::Unknown(causes)) => Cell::Unknown(causes),
            (Cell::Bool(_), Cell::Bool(_)) => Cell::Bool(!decides),
            _ => Cell::Error,
        }
    }

    /// The seeded bugs of `&&` and `||`.
    fn connective_slip(self, decides: bool, a: Cell, b: Cell) -> Option<Cell> {
        let (a_decides, b_decides) = (a == Cell::Bool(decides), b == Cell::Bool(decides));
        let error = a == Cell::Error || b == Cell::Error;
        match (a, b) {
            (Cell::Unknown(_), Cell::Bool(_)) | (Cell::Bool(_), Cell::Unknown(_))
                if !a_decides
                    && !b_decides
                    && self.faults.has(if decides {
                        Mutant::OrUnknownIsFalse
                    } else {
                        Mutant::AndUnknownIsTrue
                    }) =>
            {
                Some(Cell::Bool(!decides))
            }
            (Cell::Unknown(causes), _) | (_, Cell::Unknown(causes))
                if self.faults.has(Mutant::UnknownBeatsDeciding) =>
            {
                Some(Cell::Unknown(causes))
            }
            _ if error && (a_decides || b_decides) && self.faults.has(Mutant::ErrorBeatsDeciding) => {
                Some(Cell::Error)
            }
            _ if error && !a_decides && !b_decides && self.faults.has(Mutant::ErrorBeatsUnknown) => {
                Some(Cell::Error)
            }
            _ => None,
        }
    }

    fn union(self, a: Causes, b: Causes) -> Cell {
        Cell::Unknown(if self.faults.has(Mutant::UnionKeepsFirst) { a } else { a.union(b) })
    }

    fn choose(self, condition: Cell, then: Cell, other: Cell) -> Cell {
        match condition {
            Cell::Bool(true) => then,
            Cell::Bool(false) => other,
            Cell::Unknown(_) if self.faults.has(Mutant::IfUnknownTakesElse) => other,
            Cell::Unknown(causes) if self.faults.has(Mutant::IfUnionsBranches) => {
                let branch = |causes: Causes, cell| match cell {
                    Cell::Unknown(more) => causes.union(more),
                    _ => causes,
                };
                Cell::Unknown(branch(branch(causes, then), other))
            }
            undecided_condition => undecided(undecided_condition),
        }
    }

    /// A strict operator: `apply` sees two values.
    fn strict(self, a: Cell, b: Cell, apply: impl FnOnce(Cell, Cell) -> Cell) -> Cell {
        match (a, b) {
            (Cell::Error, _) | (_, Cell::Error) if self.faults.has(Mutant::StrictErrorBeatsUnknown) => {
                Cell::Error
            }
            (Cell::Unknown(a), Cell::Unknown(b)) => self.union(a, b),
            (Cell::Unknown(causes), _) | (_, Cell::Unknown(causes)) => Cell::Unknown(causes),
            (Cell::Error, _) | (_, Cell::Error) => Cell::Error,
            (a, b) => apply(a, b),
        }
    }

    /// What a cell that holds a value stands for.
    fn value(self, cell: Cell) -> Reading<'a> {
        match cell {
            Cell::Bool(value) => Reading::Bool(value),
            Cell::Int(value) => Reading::Int(value),
            Cell::Double(value) => Reading::Double(value),
            Cell::Uint(value) => Reading::Uint(value),
            Cell::Timestamp(value) => Reading::Timestamp(value),
            Cell::Duration(value) => Reading::Duration(value),
            Cell::Range(slot) => self.inputs.reading(self.slice, slot),
            Cell::Score { lo, hi, .. } => Interval::ints(lo, hi).map_or(Reading::Error, Reading::Interval),
            Cell::At(place) => self.at(place),
            Cell::Recast(place) => match self.at(place) {
                Reading::Str(text) => Reading::Bytes(text.as_bytes()),
                Reading::Bytes(bytes) => core::str::from_utf8(bytes).map_or(Reading::Error, Reading::Str),
                _ => Reading::Error,
            },
            Cell::Error => Reading::Error,
            Cell::Unknown(causes) => Reading::Unknown(causes),
        }
    }

    /// What stands in a place.
    fn at(self, place: Place) -> Reading<'a> {
        let item = |list, at: u16| match list {
            Reading::List(items) => items.get(usize::from(at)).map_or(Reading::Error, reading_of_value),
            _ => Reading::Error,
        };
        match place {
            Place::Slot(slot) => self.inputs.reading(self.slice, slot),
            Place::SlotItem(slot, at) => item(self.inputs.reading(self.slice, slot), at),
            Place::Const(node) => self.literal(node),
            Place::ConstItem(node, at) => item(self.literal(node), at),
        }
    }

    fn literal(self, node: u32) -> Reading<'a> {
        self.slice.parts().literal(node).map_or(Reading::Error, reading_of_value)
    }

    /// `==` where `wanted` is true, `!=` where it is false.
    fn equality(self, a: Cell, b: Cell, wanted: bool) -> Cell {
        self.strict(a, b, |a, b| {
            if is_interval(a) || is_interval(b) {
                return self.meets(a, b, &|order| (order == Some(Ordering::Equal)) == wanted);
            }
            Cell::Bool(self.equal(a, b) == wanted)
        })
    }

    /// A comparison of which one side is an interval, or both are.
    #[inline(never)]
    fn meets(self, a: Cell, b: Cell, holds: &dyn Fn(Option<Ordering>) -> bool) -> Cell {
        let known = match (self.value(a), self.value(b)) {
            (Reading::Interval(a), Reading::Interval(b)) if self.faults.has(Mutant::IntervalsByTheirEnds) => {
                return self.low_ends(a, b, holds);
            }
            (Reading::Interval(_), Reading::Interval(_)) => None,
            (Reading::Interval(interval), point) => range::compare(interval, point, holds),
            (point, Reading::Interval(interval)) => {
                range::compare(interval, point, &|order| holds(order.map(Ordering::reverse)))
            }
            _ => return Cell::Error,
        };
        known.map_or_else(|| open(a, b), Cell::Bool)
    }

    /// The seeded bug of comparing two intervals by where they begin.
    fn low_ends(self, a: Interval, b: Interval, holds: &dyn Fn(Option<Ordering>) -> bool) -> Cell {
        let order = match (a.ends(), b.ends()) {
            (Ends::Ints { lo: a, .. }, Ends::Ints { lo: b, .. }) => Some(a.cmp(&b)),
            (Ends::Doubles { lo: a, .. }, Ends::Doubles { lo: b, .. }) => a.partial_cmp(&b),
            _ => None,
        };
        Cell::Bool(holds(order))
    }

    /// CEL equality of two values of one type; IEEE for doubles, item by item for lists.
    fn equal(self, a: Cell, b: Cell) -> bool {
        match (self.value(a), self.value(b)) {
            (Reading::Double(a), Reading::Double(b)) if self.faults.has(Mutant::DoubleEqualByBits) => {
                a.to_bits() == b.to_bits()
            }
            (a, b) => a == b,
        }
    }

    /// A comparison. Without an order (NaN) each of the four is false.
    #[inline]
    fn ordered(self, a: Cell, b: Cell, holds: fn(Ordering) -> bool) -> Cell {
        if let (Cell::Int(a), Cell::Int(b)) = (a, b) {
            return Cell::Bool(holds(a.cmp(&b)));
        }
        self.other_ordered(a, b, holds)
    }

    /// As [`ordered`](Self::ordered), of what is not two ints: once for all four comparisons.
    #[inline(never)]
    fn other_ordered(self, a: Cell, b: Cell, holds: fn(Ordering) -> bool) -> Cell {
        self.strict(a, b, |a, b| {
            if is_interval(a) || is_interval(b) {
                return self.meets(a, b, &|order| order.is_some_and(holds));
            }
            let order = match (self.value(a), self.value(b)) {
                (Reading::Bool(a), Reading::Bool(b)) => Some(a.cmp(&b)),
                (Reading::Int(a), Reading::Int(b)) => Some(a.cmp(&b)),
                (Reading::Double(a), Reading::Double(b)) if self.faults.has(Mutant::NanIsOrdered) => {
                    Some(a.total_cmp(&b))
                }
                (Reading::Double(a), Reading::Double(b)) => a.partial_cmp(&b),
                (Reading::Str(a), Reading::Str(b)) => Some(a.cmp(b)),
                (Reading::Uint(a), Reading::Uint(b)) => Some(a.cmp(&b)),
                (Reading::Bytes(a), Reading::Bytes(b)) => Some(a.cmp(b)),
                (Reading::Timestamp(a), Reading::Timestamp(b)) => Some(a.cmp(&b)),
                (Reading::Duration(a), Reading::Duration(b)) => Some(a.cmp(&b)),
                _ => return Cell::Error,
            };
            Cell::Bool(order.is_some_and(holds))
        })
    }

    fn negate(self, a: Cell) -> Cell {
        match a {
            Cell::Int(value) if self.faults.has(Mutant::OverflowWraps) => Cell::Int(value.wrapping_neg()),
            Cell::Int(value) => value.checked_neg().map_or(Cell::Error, Cell::Int),
            Cell::Double(value) => Cell::Double(-value),
            Cell::Range(_) | Cell::Score { .. } => {
                self.computed(a).map_or(open(a, a), |low| self.negate(low))
            }
            other => undecided(other),
        }
    }

    /// What an operator that takes numbers makes of an interval: nothing that is known. A seeded bug takes where it
    /// begins.
    fn computed(self, range: Cell) -> Option<Cell> {
        let Reading::Interval(interval) = self.value(range) else { return None };
        self.faults.has(Mutant::ComputesWithLowEnd).then(|| match interval.ends() {
            Ends::Ints { lo, .. } => Cell::Int(lo),
            Ends::Doubles { lo, .. } => Cell::Double(lo),
        })
    }

    fn arithmetic(self, a: Cell, b: Cell, operator: &Arithmetic) -> Cell {
        self.strict(a, b, |a, b| match (a, b) {
            _ if is_interval(a) => self.computed(a).map_or(open(a, b), |a| self.arithmetic(a, b, operator)),
            _ if is_interval(b) => self.computed(b).map_or(open(a, b), |b| self.arithmetic(a, b, operator)),
            (Cell::Int(a), Cell::Int(b)) => self.integer(a, b, operator).map_or(Cell::Error, Cell::Int),
            (Cell::Double(a), Cell::Double(b)) => {
                operator.double.map_or(Cell::Error, |f| Cell::Double(f(a, b)))
            }
            (Cell::Uint(a), Cell::Uint(b)) if self.faults.has(Mutant::UintWraps) && operator.sign != 0 => {
                Cell::Uint((operator.wrapping)(a.cast_signed(), b.cast_signed()).cast_unsigned())
            }
            (Cell::Uint(a), Cell::Uint(b)) => (operator.unsigned)(a, b).map_or(Cell::Error, Cell::Uint),
            (a, b) => self.time_arithmetic(a, b, operator.sign),
        })
    }

    /// A moment and a span, two moments, or two spans; `sign` is that of the second operand.
    fn time_arithmetic(self, a: Cell, b: Cell, sign: i64) -> Cell {
        let found = match (a, b, sign) {
            (Cell::Timestamp(at), Cell::Duration(by), 1 | -1)
            | (Cell::Duration(by), Cell::Timestamp(at), 1) => time::moved(at, by, sign).map(Cell::Timestamp),
            (Cell::Timestamp(a), Cell::Timestamp(b), -1) => time::between(a, b).map(Cell::Duration),
            (Cell::Duration(a), Cell::Duration(b), 1 | -1) => time::sum(a, b, sign).map(Cell::Duration),
            _ => None,
        };
        let saturated = if self.faults.has(Mutant::TimeSaturates) { a } else { Cell::Error };
        found.unwrap_or(saturated)
    }

    /// Checked int arithmetic: overflow and division by zero have no value.
    fn integer(self, a: i64, b: i64, operator: &Arithmetic) -> Option<i64> {
        if b == 0 && operator.divides && self.faults.has(Mutant::DivideByZeroIsZero) {
            return Some(0);
        }
        if self.faults.has(Mutant::OverflowWraps) && !(b == 0 && operator.divides) {
            return Some((operator.wrapping)(a, b));
        }
        if self.faults.has(Mutant::RemainderIsEuclidean) && operator.double.is_none() {
            return a.checked_rem_euclid(b);
        }
        (operator.checked)(a, b)
    }

    fn member(self, item: Cell, list: Cell) -> Cell {
        let Reading::List(items) = self.value(list) else { return Cell::Error };
        let of = item;
        let item = self.value(of);
        if let Reading::Interval(interval) = item {
            return match range::member(interval, items) {
                None if self.faults.has(Mutant::SomeOfIntervalIsIn) => Cell::Bool(true),
                known => known.map_or(open(of, of), Cell::Bool),
            };
        }
        let seen = items.len() - usize::from(self.faults.has(Mutant::InSkipsLast) && !items.is_empty());
        Cell::Bool(items.iter().take(seen).any(|known| reading_of_value(known) == item))
    }

    fn size(self, a: Cell) -> Cell {
        let size = match self.value(a) {
            Reading::Str(text) if self.faults.has(Mutant::SizeInBytes) => text.len(),
            Reading::Str(text) => text.chars().count(),
            Reading::Bytes(bytes) => bytes.len(),
            Reading::List(items) => items.len(),
            _ => return undecided(a),
        };
        i64::try_from(size).map_or(Cell::Error, Cell::Int)
    }

    /// A strict operator of one value; `None` is an error.
    fn unary(self, a: Cell, apply: impl FnOnce(Reading<'a>) -> Option<Cell>) -> Cell {
        match a {
            Cell::Error | Cell::Unknown(_) => a,
            Cell::Range(_) | Cell::Score { .. } => open(a, a),
            value => apply(self.value(value)).unwrap_or(Cell::Error),
        }
    }

    /// The table of a node.
    fn table(self, node: u32) -> Option<&'a Table> {
        match self.slice.parts().node(node)? {
            Node::Table(table) => Some(table),
            _ => None,
        }
    }

    fn matches(self, a: Cell, table: u32) -> Cell {
        self.unary(a, |value| match (value, self.table(table)?) {
            (Reading::Str(text), Table::Automaton(automaton)) => {
                let unseen = usize::from(self.faults.has(Mutant::PatternMissesLast) && !text.is_empty());
                let seen = text.as_bytes().get(..text.len() - unseen)?;
                Some(Cell::Bool(automaton.matches(seen)))
            }
            _ => None,
        })
    }

    fn within(self, a: Cell, table: u32) -> Cell {
        self.unary(a, |value| match (value, self.table(table)?) {
            (Reading::Str(text), Table::Networks(networks)) => {
                let lenient = self.faults.has(Mutant::NoAddressIsOutside);
                networks.contains(text).or(lenient.then_some(false)).map(Cell::Bool)
            }
            _ => None,
        })
    }

    fn moment_part(self, part: TimePart, a: Cell, table: u32) -> Cell {
        self.unary(a, |value| match (value, self.table(table)?) {
            (Reading::Timestamp(at), Table::TimeZone(zone)) => {
                Some(Cell::Int(time::part(self.faults, part, at, zone)))
            }
            _ => None,
        })
    }

    fn convert(self, to: Type, a: Cell) -> Cell {
        if let (Type::String | Type::Bytes, Cell::At(place)) = (to, a) {
            let recast = Cell::Recast(place);
            return if self.value(recast) == Reading::Error { Cell::Error } else { recast };
        }
        // Back again, to what it was.
        if let (Type::String | Type::Bytes, Cell::Recast(place)) = (to, a) {
            return Cell::At(place);
        }
        self.unary(a, |value| {
            let zero = self.faults.has(Mutant::ConversionIsZero) && to == Type::Int;
            convert::converted(value, to).or(zero.then_some(Cell::Int(0)))
        })
    }

    /// A strict operator that an interval leaves open.
    fn looked_up(self, a: Cell, b: Cell, apply: impl FnOnce(Cell, Cell) -> Cell) -> Cell {
        self.strict(a, b, |a, b| if is_interval(a) || is_interval(b) { open(a, b) } else { apply(a, b) })
    }

    /// The item of a list at an int.
    fn item(self, list: Cell, at: Cell) -> Cell {
        let (Reading::List(items), Cell::Int(at)) = (self.value(list), at) else { return Cell::Error };
        let mut at = usize::try_from(at).unwrap_or(usize::MAX);
        if self.faults.has(Mutant::IndexSaturates) {
            at = at.min(items.len().saturating_sub(1));
        }
        let Some(item) = items.get(at) else { return Cell::Error };
        let place = u16::try_from(at).ok().and_then(|at| match list {
            Cell::At(Place::Slot(slot)) => Some(Place::SlotItem(slot, at)),
            Cell::At(Place::Const(node)) => Some(Place::ConstItem(node, at)),
            _ => None,
        });
        place.map_or(Cell::Error, |place| placed(item, place))
    }

    /// The place of an item in a list.
    fn find(self, item: Cell, list: Cell) -> Cell {
        let Reading::List(items) = self.value(list) else { return Cell::Error };
        let item = self.value(item);
        let found = items.iter().position(|known| reading_of_value(known) == item);
        let found = found.or_else(|| self.faults.has(Mutant::FindsFirst).then_some(0));
        found.and_then(|at| i64::try_from(at).ok()).map_or(Cell::Error, Cell::Int)
    }

    #[inline(never)]
    fn text(self, a: Cell, b: Cell, holds: fn(&str, &str) -> bool) -> Cell {
        self.strict(a, b, |a, b| match (self.value(a), self.value(b)) {
            (Reading::Str(text), Reading::Str(part)) => Cell::Bool(holds(text, part)),
            _ => Cell::Error,
        })
    }
}

/// Whether a cell is a number that is known between two ends only.
const fn is_interval(cell: Cell) -> bool {
    matches!(cell, Cell::Range(_) | Cell::Score { .. })
}

/// What the intervals among two cells leave open.
fn open(a: Cell, b: Cell) -> Cell {
    let causes = |cell| match cell {
        Cell::Range(_) => Causes::of(Cause::Inexact),
        Cell::Score { causes, .. } => causes,
        _ => Causes::NONE,
    };
    match causes(a).union(causes(b)) {
        causes if causes.is_empty() => Cell::Error,
        causes => Cell::Unknown(causes),
    }
}

/// What `has` of an interval leaves open, by a seeded bug.
const INEXACT: Cell = Cell::Unknown(Causes::of(Cause::Inexact));

/// One arithmetic operator in all of its types.
struct Arithmetic {
    checked: fn(i64, i64) -> Option<i64>,
    wrapping: fn(i64, i64) -> i64,
    unsigned: fn(u64, u64) -> Option<u64>,
    /// Of the second operand where it is added; 0 where it is not.
    sign: i64,
    double: Option<fn(f64, f64) -> f64>,
    divides: bool,
}

const ADD: Arithmetic = Arithmetic {
    checked: i64::checked_add,
    wrapping: i64::wrapping_add,
    unsigned: u64::checked_add,
    sign: 1,
    double: Some(|a, b| a + b),
    divides: false,
};
const SUB: Arithmetic = Arithmetic {
    checked: i64::checked_sub,
    wrapping: i64::wrapping_sub,
    unsigned: u64::checked_sub,
    sign: -1,
    double: Some(|a, b| a - b),
    divides: false,
};
const MUL: Arithmetic = Arithmetic {
    checked: i64::checked_mul,
    wrapping: i64::wrapping_mul,
    unsigned: u64::checked_mul,
    sign: 0,
    double: Some(|a, b| a * b),
    divides: false,
};
const DIV: Arithmetic = Arithmetic {
    checked: i64::checked_div,
    wrapping: i64::wrapping_div,
    unsigned: u64::checked_div,
    sign: 0,
    double: Some(|a, b| a / b),
    divides: true,
};
const REM: Arithmetic = Arithmetic {
    checked: i64::checked_rem,
    wrapping: i64::wrapping_rem,
    unsigned: u64::checked_rem,
    sign: 0,
    double: None,
    divides: true,
};

/// A literal: scalars in the cell, text, bytes and lists by place.
fn literal(at: u32, value: &Value) -> Cell {
    placed(value, Place::Const(at))
}

/// A value that stands in a place.
fn placed(value: &Value, place: Place) -> Cell {
    match value {
        Value::Bool(value) => Cell::Bool(*value),
        Value::Int(value) => Cell::Int(*value),
        Value::Double(value) => Cell::Double(*value),
        Value::Uint(value) => Cell::Uint(*value),
        Value::Timestamp(value) => Cell::Timestamp(*value),
        Value::Duration(value) => Cell::Duration(*value),
        Value::String(_) | Value::Bytes(_) | Value::List(_) => Cell::At(place),
    }
}

fn unknown(reading: Reading<'_>) -> Cell {
    match reading {
        Reading::Unknown(causes) => Cell::Unknown(causes),
        _ => Cell::Error,
    }
}

/// What a strict unary operator makes of a cell that is not one of its values.
fn undecided(cell: Cell) -> Cell {
    match cell {
        Cell::Unknown(causes) => Cell::Unknown(causes),
        _ => Cell::Error,
    }
}
