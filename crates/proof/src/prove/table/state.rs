//! What one slot can say to one rule: the bits of its answer in the rule's word, and the outcomes of the rule's atoms.
//!
//! States that agree in all of that are one. Besides the classes of values there are *missing*, *error*, *unknown* for the
//! generic cause and *unknown* for others only, and of an aggregate the intervals: each pair of classes at its ends, which
//! the engine unites over all classes between (docs/adr/0010).

use super::class::{Class, Classes};
use super::test::{Sample, Test, to_double};
use crate::prove::show;
use glacis_policy::inspect::{Row, SlotView};
use glacis_policy::{Slice, Slot};
use glacis_wire::{Type, Value};
use std::collections::BTreeMap;

/// What an atom is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Atom {
    True,
    False,
    /// True or false; the class does not tell.
    Either,
    /// Not a value: an error, or unknown for the state's cause.
    Open,
}

/// Why a slot is not a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Cause {
    /// It is one, or it failed.
    None,
    /// For the generic cause, and perhaps for others.
    This,
    /// For other causes only.
    Other,
}

/// One answer of a slot, as a rule sees it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct State {
    /// Terms that it kills.
    pub(super) dead: u64,
    /// Terms that it leaves open without a cause.
    pub(super) open: u64,
    /// Terms that wait for its cause.
    pub(super) waits: u64,
    /// Terms that it blurs.
    pub(super) blurs: u64,
    /// Whether the event counts as failed.
    pub(super) fails: bool,
    pub(super) cause: Cause,
    /// Whether the planes of the event have its cause for sure.
    pub(super) tells: bool,
    /// The outcome of each of the rule's tests of this slot.
    pub(super) atoms: Vec<Atom>,
}

/// States, each with a value that is in it.
pub(super) type States = BTreeMap<State, String>;

/// One slot as one rule sees it.
pub(super) struct Seen<'a> {
    pub(super) slice: &'a Slice,
    pub(super) slot: &'a Slot,
    pub(super) view: &'a SlotView,
    pub(super) classes: &'a Classes,
    /// The rule's word, and its terms.
    pub(super) word: usize,
    pub(super) mask: u64,
    /// The rule's tests of this slot.
    pub(super) tests: Vec<&'a Test>,
}

impl Seen<'_> {
    /// Its states; `None` if there are more than the limit.
    pub(super) fn states(&self, states_max: usize) -> Option<States> {
        let mut states = States::new();
        let present = self.bits(self.view.present);
        for class in &self.classes.all {
            let mut state = self.state(class);
            state.dead |= present;
            states.entry(state).or_insert_with(|| self.label(&class.sample));
        }
        self.without_value(&mut states);
        if self.slot.aggregate {
            self.intervals(present, states_max, &mut states)?;
        }
        (states.len() <= states_max).then_some(states)
    }

    /// The bits of a row that are terms of the rule.
    fn bits(&self, row: Row) -> u64 {
        self.slice.row_word(row, self.word) & self.mask
    }

    /// What a class says, without what any value says.
    fn state(&self, class: &Class) -> State {
        State {
            dead: class.dead.into_iter().fold(0, |dead, row| dead | self.bits(row)),
            open: self.bits(class.open),
            waits: 0,
            blurs: 0,
            fails: class.open.is_named(),
            cause: Cause::None,
            tells: false,
            atoms: self.tests.iter().map(|test| atom(test.at(&class.sample))).collect(),
        }
    }

    /// Missing, error, unknown.
    fn without_value(&self, states: &mut States) {
        let uses = self.bits(self.view.uses);
        let none = State {
            dead: 0,
            open: 0,
            waits: 0,
            blurs: 0,
            fails: false,
            cause: Cause::None,
            tells: false,
            atoms: vec![Atom::Open; self.tests.len()],
        };
        let missing = State {
            dead: self.bits(self.view.missing),
            open: self.bits(self.view.misused),
            fails: self.view.misused.is_named(),
            atoms: self
                .tests
                .iter()
                .map(|test| if matches!(test, Test::Has) { Atom::False } else { Atom::Open })
                .collect(),
            ..none.clone()
        };
        let error = State { open: uses, fails: self.view.uses.is_named(), ..none.clone() };
        let unknown = |cause| State { waits: uses, cause, tells: true, ..none.clone() };
        let name = &self.slot.name;
        states.entry(missing).or_insert_with(|| format!("`{name}` is missing"));
        states.entry(error).or_insert_with(|| format!("`{name}` is an error"));
        states.entry(unknown(Cause::This)).or_insert_with(|| format!("`{name}` is unknown"));
        states
            .entry(unknown(Cause::Other))
            .or_insert_with(|| format!("`{name}` is unknown for another cause"));
    }

    /// Intervals from one class to another. Neighbours that the rule does not tell apart are one run.
    fn intervals(&self, present: u64, states_max: usize, states: &mut States) -> Option<()> {
        let mut runs: Vec<Run<'_>> = Vec::new();
        for class in self.classes.all.iter().filter(|class| matches!(class.sample, Sample::Key(_))) {
            let state = self.state(class);
            match runs.last_mut().filter(|run| run.state == state) {
                Some(run) => run.last = class,
                None => runs.push(Run { state, first: class, last: class }),
            }
        }
        if runs.len().saturating_mul(runs.len()) > states_max {
            return None;
        }
        for (from, low) in runs.iter().enumerate() {
            let mut met = Met::new(low);
            for high in runs.iter().skip(from) {
                met.add(high);
                if low.first.place == high.last.place && low.state == high.state {
                    // One class of the table: as any value of it.
                    continue;
                }
                let label = || {
                    let [low, high] = [&low.first.sample, &high.last.sample].map(|end| self.label(end));
                    format!("from where {low} to where {high}")
                };
                self.add_interval(&met, (present, low.last.place == high.first.place), states, &label);
            }
        }
        Some(())
    }

    /// What an interval says that meets some runs; `close`: it may lie in one class of the table.
    fn add_interval(
        &self,
        met: &Met,
        (present, close): (u64, bool),
        states: &mut States,
        label: &dyn Fn() -> String,
    ) {
        let several = self.bits(self.view.several);
        let united = State {
            dead: met.all & !several | present,
            open: met.all & several,
            waits: met.any & !met.all,
            blurs: met.all & several,
            fails: false,
            cause: Cause::None,
            tells: met.any != met.all,
            atoms: met.atoms.clone(),
        };
        // In one class of the table the engine takes its row as it stands.
        let as_it_stands = close.then(|| State {
            dead: met.last | present,
            open: 0,
            waits: 0,
            blurs: 0,
            tells: false,
            ..united.clone()
        });
        for kind in [united].into_iter().chain(as_it_stands) {
            let known = kind.waits == 0 && kind.blurs == 0 && !kind.atoms.contains(&Atom::Open);
            let causes: &[Cause] = if known { &[Cause::None] } else { &[Cause::This, Cause::Other] };
            for cause in causes {
                states.entry(State { cause: *cause, ..kind.clone() }).or_insert_with(label);
            }
        }
    }

    fn label(&self, sample: &Sample) -> String {
        let name = &self.slot.name;
        match sample {
            Sample::Truth(value) => format!("`{name}` is {value}"),
            Sample::Key(key) => format!("`{name}` is {}", self.value_of(*key)),
            Sample::NaN => format!("`{name}` is NaN"),
            Sample::Text(text) => {
                format!(
                    "`{name}` is {}",
                    show::literal(&Value::String(String::from_utf8_lossy(text).into_owned()))
                )
            }
            Sample::Head(head) => {
                let bytes = head.to_be_bytes();
                format!(
                    "`{name}` is another text from {:?} on",
                    String::from_utf8_lossy(&bytes).trim_end_matches('\0')
                )
            }
            Sample::Any => format!("`{name}` has a value"),
        }
    }

    fn value_of(&self, key: i64) -> String {
        match self.slot.ty {
            Type::Double => format!("{:?}", to_double(key)),
            Type::Uint => format!("{}u", key.cast_unsigned() ^ (1 << 63)),
            Type::Timestamp | Type::Duration => format!("{key} us"),
            _ => key.to_string(),
        }
    }
}

const fn atom(answer: Option<bool>) -> Atom {
    match answer {
        Some(true) => Atom::True,
        Some(false) => Atom::False,
        None => Atom::Either,
    }
}

/// Neighbouring classes that a rule does not tell apart.
struct Run<'a> {
    state: State,
    first: &'a Class,
    last: &'a Class,
}

/// What the runs that an interval meets have in common.
struct Met {
    all: u64,
    any: u64,
    last: u64,
    atoms: Vec<Atom>,
}

impl Met {
    fn new(run: &Run<'_>) -> Self {
        let dead = run.state.dead;
        Self { all: dead, any: dead, last: dead, atoms: run.state.atoms.clone() }
    }

    fn add(&mut self, run: &Run<'_>) {
        self.all &= run.state.dead;
        self.any |= run.state.dead;
        self.last = run.state.dead;
        for (atom, other) in self.atoms.iter_mut().zip(&run.state.atoms) {
            // An atom is known of an interval only where every number of it decides alike.
            if atom != other {
                *atom = Atom::Open;
            }
        }
    }
}
