//! What each atom comes to at each state of its signal, asked of the reference interpreter.
//!
//! States that no atom of any of the policies tells apart become one. A state that stands for more values than its own
//! gets a twin for the others: exact atoms say the same of both, and what another atom says of the twin is left open.

use crate::state::{Atom, Space, Subject, World};
use glacis_compiler::checked::{Expr, ExprKind};
use glacis_compiler::diagnostic::Span;
use glacis_compiler::reference::{Outcome, Snapshot, evaluate};
use glacis_wire::{Answer, Cause, Given, SignalName, Type, Value};
use std::collections::{BTreeMap, BTreeSet};

/// What an atom says, or what is left open of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Out {
    Yes,
    No,
    Error,
    /// A bit for each cause, in the order of [`Cause::ALL`].
    Unknown(u8),
    /// A value is there, and it is not said which.
    Open,
    /// An interval is there, and it is not said which.
    OpenBetween,
}

impl Out {
    pub(crate) fn of(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Value(Value::Bool(true)) => Self::Yes,
            Outcome::Value(Value::Bool(false)) => Self::No,
            Outcome::Value(_) | Outcome::Error => Self::Error,
            Outcome::Interval(..) => Self::OpenBetween,
            Outcome::Unknown(causes) => Self::Unknown(bits(|cause| causes.contains(cause))),
        }
    }

    pub(crate) fn unknown(cause: Cause) -> Self {
        Self::Unknown(bits(|known| known == cause))
    }

    pub(crate) fn has(self, cause: usize) -> bool {
        matches!(self, Self::Unknown(bits) if bits >> cause & 1 == 1)
    }
}

fn bits(holds: impl Fn(Cause) -> bool) -> u8 {
    Cause::ALL.iter().rev().fold(0, |bits, cause| bits << 1 | u8::from(holds(*cause)))
}

/// In Σ and in Σ⁻.
pub(crate) type Planes = [Out; 2];

/// One state of a signal in the encoding.
#[derive(Clone, Debug)]
pub(crate) struct Slot {
    /// The answer; of a twin, that of the state beside it.
    pub(crate) given: Given,
    /// Stands for values that are not listed.
    pub(crate) is_twin: bool,
    /// What reading the signal comes to, by policy.
    pub(crate) read: Vec<Planes>,
}

/// The states of one signal, and what atoms that read nothing else come to at each.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    pub(crate) slots: Vec<Slot>,
    /// By policy and text of the atom, in the order of `slots`.
    pub(crate) atoms: BTreeMap<(usize, String), Vec<Planes>>,
}

/// One row before states are put together.
struct Row {
    given: Given,
    is_region: bool,
    read: Vec<Planes>,
    outs: Vec<Planes>,
}

/// Everything that a table is made from.
pub(crate) struct Sources<'s, 'a> {
    pub(crate) subjects: &'s [Subject<'a>],
    pub(crate) atoms: &'s [Vec<Atom<'a>>],
    pub(crate) space: &'s Space,
    pub(crate) world: World,
}

impl Sources<'_, '_> {
    /// The table of one signal.
    pub(crate) fn table(&self, name: &SignalName) -> Table {
        let own: Vec<(usize, &Atom<'_>)> = self
            .atoms
            .iter()
            .enumerate()
            .flat_map(|(side, atoms)| atoms.iter().map(move |atom| (side, atom)))
            .filter(|(_, atom)| atom.signals.len() == 1 && atom.signals.contains(name))
            .collect();
        let mut all = self.atoms.iter().flatten();
        let is_wide = all.any(|atom| atom.signals.len() > 1 && atom.signals.contains(name));
        let rows = self.rows(name, &own, is_wide);
        let mut twins = BTreeSet::new();
        let mut table = Table::default();
        let keys: Vec<_> = own.iter().map(|(side, atom)| (*side, atom.text.clone())).collect();
        for key in &keys {
            table.atoms.insert(key.clone(), Vec::new());
        }
        for row in rows {
            let twin =
                self.twin(name, &row, &own).filter(|twin| twins.insert((twin.clone(), row.read.clone())));
            for (outs, is_twin) in [(Some(row.outs), false), (twin, true)] {
                let Some(outs) = outs else { continue };
                table.slots.push(Slot { given: row.given.clone(), is_twin, read: row.read.clone() });
                for (key, planes) in keys.iter().zip(outs) {
                    table.atoms.entry(key.clone()).or_default().push(planes);
                }
            }
        }
        table
    }

    /// States with what atoms say of them, those put together that all say the same of.
    fn rows(&self, name: &SignalName, own: &[(usize, &Atom<'_>)], is_wide: bool) -> Vec<Row> {
        let mut rows: Vec<Row> = Vec::new();
        let mut known: BTreeMap<_, usize> = BTreeMap::new();
        for state in self.space.states(name) {
            let given = self.space.given(name, state.answer.clone(), self.world);
            let snapshot = Snapshot { answers: BTreeMap::from([(name.clone(), given.clone())]) };
            let outs: Vec<Planes> =
                own.iter().map(|(side, atom)| self.at(*side, atom.expr, &snapshot)).collect();
            let read = (0..self.subjects.len()).map(|side| self.read(side, name, &snapshot)).collect();
            let valued = matches!(state.answer, Answer::Value(_) | Answer::Interval(_));
            let kept = self.space.is_kept(name, &state.answer);
            let apart = (is_wide || kept || !valued).then(|| format!("{:?}", state.answer));
            let key = (outs.clone(), apart, matches!(state.answer, Answer::Interval(_)));
            match known.get(&key).and_then(|at| rows.get_mut(*at)) {
                Some(row) => row.is_region |= state.is_region,
                None => {
                    known.insert(key, rows.len());
                    rows.push(Row { given, is_region: state.is_region, read, outs });
                }
            }
        }
        rows
    }

    /// What is known of the other values that a row stands for; `None` if there is none or nobody asks.
    fn twin(&self, name: &SignalName, row: &Row, own: &[(usize, &Atom<'_>)]) -> Option<Vec<Planes>> {
        if !row.is_region || !self.space.is_open(name) {
            return None;
        }
        let outs = row.outs.iter().zip(own).map(|(outs, (side, atom))| {
            if atom.is_exact {
                return *outs;
            }
            let read = row.read.get(*side).copied().unwrap_or([Out::Open; 2]);
            let mut open = *outs;
            for (out, read) in open.iter_mut().zip(read) {
                if matches!(read, Out::Open | Out::OpenBetween) {
                    *out = read;
                }
            }
            open
        });
        Some(outs.collect())
    }

    /// An atom in both planes.
    fn at(&self, side: usize, expr: &Expr, snapshot: &Snapshot) -> Planes {
        let outcome = |trusted| self.outcome(side, expr, snapshot, trusted);
        let given = Out::of(&outcome(false));
        // What is trusted enough is the same in both planes.
        let doubted = snapshot.answers.iter().any(|(name, given)| self.is_doubted(side, name, given));
        [given, if doubted { Out::of(&outcome(true)) } else { given }]
    }

    fn read(&self, side: usize, name: &SignalName, snapshot: &Snapshot) -> Planes {
        let ty = self.subjects.get(side).and_then(|subject| subject.checked.signals().get(name));
        let ty = ty.map_or(Type::Bool, |signal| signal.ty);
        let expr = Expr { kind: ExprKind::Signal(name.clone()), ty, span: Span::default() };
        [false, true].map(|trusted| match self.outcome(side, &expr, snapshot, trusted) {
            Outcome::Value(_) => Out::Open,
            other => Out::of(&other),
        })
    }

    fn is_doubted(&self, side: usize, name: &SignalName, given: &Given) -> bool {
        let signal = self.subjects.get(side).and_then(|subject| subject.checked.signals().get(name));
        signal.is_some_and(|signal| given.trust < signal.min_trust)
    }

    fn outcome(&self, side: usize, expr: &Expr, snapshot: &Snapshot, trusted: bool) -> Outcome {
        self.subjects.get(side).map_or(Outcome::Error, |subject| {
            evaluate(subject.checked, expr, snapshot, trusted, self.world.outage)
        })
    }
}
