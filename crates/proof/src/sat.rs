//! Gates and signals over a satisfiability solver: what the encodings of policies are written in.
//!
//! Every gate holds in both directions and equal gates are one literal, so that what two policies share is shared. The
//! search is deterministic and ends at a stated number of conflicts; it must not be asked for anything but whether an
//! assignment exists, since what an assignment *means* is only ever believed after a replay.

use batsat::{Callbacks, ClauseKind, Lit as Raw, Solver, SolverInterface, SolverOpts, lbool};
use std::collections::BTreeMap;

/// A variable or its negation.
pub(crate) type Lit = Raw;

/// What a search found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// An assignment; [`Sat::holds`] reads it.
    Some,
    /// There is none.
    None,
    /// Neither within the limit.
    Limit,
}

/// Counts conflicts, and stops at the limit.
#[derive(Debug)]
struct Budget {
    left: u64,
}

impl Callbacks for Budget {
    fn on_new_clause(&mut self, _: &[Lit], kind: ClauseKind) {
        if kind == ClauseKind::Learnt {
            self.left = self.left.saturating_sub(1);
        }
    }

    fn stop(&self) -> bool {
        self.left == 0
    }
}

/// A set of constraints that grows.
pub(crate) struct Sat {
    solver: Solver<Budget>,
    top: Lit,
    gates: BTreeMap<Vec<Lit>, Lit>,
}

impl Sat {
    pub(crate) fn new(conflicts_max: u64) -> Self {
        let mut solver = Solver::new(SolverOpts::default(), Budget { left: conflicts_max });
        let top = Lit::new(solver.new_var_default(), true);
        solver.add_clause_reuse(&mut vec![top]);
        Self { solver, top, gates: BTreeMap::new() }
    }

    pub(crate) fn of(&self, value: bool) -> Lit {
        if value { self.top } else { !self.top }
    }

    pub(crate) fn variable(&mut self) -> Lit {
        Lit::new(self.solver.new_var_default(), true)
    }

    /// One of these holds.
    pub(crate) fn clause(&mut self, literals: &[Lit]) {
        self.solver.add_clause_reuse(&mut literals.to_vec());
    }

    /// All of these hold.
    pub(crate) fn all(&mut self, literals: impl IntoIterator<Item = Lit>) -> Lit {
        let mut kept: Vec<Lit> = literals.into_iter().filter(|literal| *literal != self.top).collect();
        kept.sort_unstable();
        kept.dedup();
        // Sorted, a variable and its negation are neighbours.
        let contradicts = kept.iter().zip(kept.iter().skip(1)).any(|(a, b)| *a == !*b);
        if contradicts || kept.contains(&!self.top) {
            return !self.top;
        }
        match kept.as_slice() {
            [] => return self.top,
            [one] => return *one,
            _ => {}
        }
        if let Some(known) = self.gates.get(&kept) {
            return *known;
        }
        let gate = self.variable();
        for literal in &kept {
            self.clause(&[!gate, *literal]);
        }
        let clause: Vec<Lit> = kept.iter().map(|literal| !*literal).chain([gate]).collect();
        self.clause(&clause);
        self.gates.insert(kept, gate);
        gate
    }

    /// One of these holds.
    pub(crate) fn any(&mut self, literals: impl IntoIterator<Item = Lit>) -> Lit {
        let negated: Vec<Lit> = literals.into_iter().map(|literal| !literal).collect();
        !self.all(negated)
    }

    pub(crate) fn and(&mut self, a: Lit, b: Lit) -> Lit {
        self.all([a, b])
    }

    pub(crate) fn choose(&mut self, condition: Lit, yes: Lit, no: Lit) -> Lit {
        if yes == no {
            return yes;
        }
        let (yes, no) = (self.and(condition, yes), self.and(!condition, no));
        self.any([yes, no])
    }

    /// Exactly one of the two holds.
    pub(crate) fn differ(&mut self, a: Lit, b: Lit) -> Lit {
        self.choose(a, !b, b)
    }

    /// Whether points of those that hold come to `need`. `None` beyond so many gates.
    pub(crate) fn at_least(&mut self, terms: &[(i64, Lit)], need: i64) -> Option<Lit> {
        let mut terms = terms.to_vec();
        let mut need = need;
        for term in terms.iter_mut().filter(|(points, _)| *points < 0) {
            need -= term.0;
            *term = (-term.0, !term.1);
        }
        terms.retain(|(points, _)| *points > 0);
        terms.sort_unstable_by_key(|(points, literal)| (-points, *literal));
        let mut known = BTreeMap::new();
        self.sum(&terms, need, &mut known)
    }

    fn sum(
        &mut self,
        terms: &[(i64, Lit)],
        need: i64,
        known: &mut BTreeMap<(usize, i64), Lit>,
    ) -> Option<Lit> {
        let Some(((points, literal), rest)) = terms.split_first() else { return Some(self.of(need <= 0)) };
        let most: i64 = terms.iter().map(|(points, _)| points).sum();
        if need <= 0 || need > most {
            return Some(self.of(need <= 0));
        }
        if let Some(found) = known.get(&(terms.len(), need)) {
            return Some(*found);
        }
        // LIMIT: sums of different points may all be different.
        if known.len() >= SUMS_MAX {
            return None;
        }
        let with = self.sum(rest, need - points, known)?;
        let without = self.sum(rest, need, known)?;
        // `with` holds wherever `without` does.
        let both = self.and(*literal, with);
        let found = self.any([both, without]);
        known.insert((terms.len(), need), found);
        Some(found)
    }

    pub(crate) fn solve(&mut self, assumptions: &[Lit]) -> Found {
        let found = self.solver.solve_limited(assumptions);
        if found == lbool::TRUE {
            Found::Some
        } else if found == lbool::FALSE {
            Found::None
        } else {
            Found::Limit
        }
    }

    /// The assumptions of the last search that made it find nothing.
    pub(crate) fn core(&self) -> Vec<Lit> {
        // The solver keeps the clause that follows: that one of them does not hold.
        self.solver.unsat_core().iter().map(|literal| !*literal).collect()
    }

    /// Whether a literal holds in the assignment that was found last.
    pub(crate) fn holds(&self, literal: Lit) -> bool {
        self.solver.value_lit(literal) == lbool::TRUE
    }
}

/// One of some states, in an order in which neighbours are often asked for together.
#[derive(Clone, Debug)]
pub(crate) struct Choice {
    /// `rungs[i]`: the state is one of the first `i + 1`.
    rungs: Vec<Lit>,
}

impl Choice {
    /// A choice among `count` states, which is not 0.
    pub(crate) fn new(sat: &mut Sat, count: usize) -> Self {
        let mut rungs: Vec<Lit> = (1..count).map(|_| sat.variable()).collect();
        for (low, high) in rungs.iter().zip(rungs.iter().skip(1)) {
            sat.clause(&[!*low, *high]);
        }
        rungs.push(sat.of(true));
        Self { rungs }
    }

    /// Whether one of the states is chosen of which `wanted` holds.
    pub(crate) fn among(&self, sat: &mut Sat, wanted: impl Fn(usize) -> bool) -> Lit {
        let mut runs = Vec::new();
        let mut before = sat.of(false);
        let mut start = None;
        let mut last = before;
        for (at, rung) in self.rungs.iter().enumerate() {
            match (wanted(at), start) {
                (true, None) => start = Some(before),
                (false, Some(from)) => {
                    runs.push(sat.and(before, !from));
                    start = None;
                }
                _ => {}
            }
            before = *rung;
            last = *rung;
        }
        if let Some(from) = start {
            runs.push(sat.and(last, !from));
        }
        sat.any(runs)
    }

    /// What holds exactly if this state is chosen.
    pub(crate) fn at(&self, sat: &Sat, state: usize) -> [Lit; 2] {
        let rung = |at: usize| self.rungs.get(at).copied().unwrap_or(sat.of(true));
        [rung(state), state.checked_sub(1).map_or(sat.of(true), |before| !rung(before))]
    }

    /// The state that the last assignment chose.
    pub(crate) fn chosen(&self, sat: &Sat) -> usize {
        self.rungs.iter().position(|rung| sat.holds(*rung)).unwrap_or(0)
    }
}

/// LIMIT: partial sums of points.
const SUMS_MAX: usize = 200_000;
