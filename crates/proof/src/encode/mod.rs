//! Policies as constraints: which events there are, what each atom, rule and policy says of them.
//!
//! A signal is a choice among its states ([`crate::state`]). A condition has a rail for true, one for false and one for
//! each cause, in Σ and in Σ⁻, put together by the words of DESIGN §4.2. What an atom says at a state comes from the
//! reference interpreter; an atom of several signals is open at first and is told where a search needs it
//! ([`Encoder::learn`]). An assignment is only ever an idea of an event: whoever finds one replays it.

mod policy;
mod realise;
mod table;
mod term;
mod text;

pub(crate) use policy::{Act, Decision, LimitReached, fixed};
pub(crate) use table::Out;

use crate::sat::{Choice, Found, Lit, Sat};
use crate::state::{Atom, Space, Subject, World, alike, distinct};
use glacis_compiler::checked::{BinaryOp, Expr, ExprKind};
use glacis_compiler::reference::{Snapshot, evaluate};
use glacis_wire::{Answer, Cause, SignalName, Type};
use std::collections::{BTreeMap, BTreeSet};
use table::{Planes, Slot, Sources};
use term::Term;

/// True, false, and unknown for each cause; an error if none holds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rails {
    pub(crate) yes: Lit,
    pub(crate) no: Lit,
    pub(crate) unknown: [Lit; Cause::ALL.len()],
}

/// One signal: its states, and which it is in.
struct Field {
    slots: Vec<Slot>,
    choice: Choice,
}

/// What an atom says of values that are not listed.
#[derive(Clone, Copy)]
struct Free {
    yes: Lit,
    error: Lit,
    between: [Lit; 2],
}

/// An atom of several signals.
struct Wide<'a> {
    side: usize,
    atom: Atom<'a>,
    rails: [Rails; 2],
}

/// One world of some policies over the same events.
pub(crate) struct Encoder<'a> {
    pub(crate) sat: Sat,
    pub(crate) world: World,
    subjects: Vec<Subject<'a>>,
    atoms: Vec<BTreeMap<String, Atom<'a>>>,
    fields: BTreeMap<SignalName, Field>,
    rails: BTreeMap<(usize, String), [Rails; 2]>,
    free: BTreeMap<(usize, String), Free>,
    terms: BTreeMap<(usize, String), Term>,
    wide: Vec<Wide<'a>>,
    /// For each signal that it has a value that is not listed.
    unlisted: BTreeMap<SignalName, Lit>,
    /// Signals whose listed values alone were not enough for the last search that wanted no others.
    blamed: BTreeSet<SignalName>,
}

impl<'a> Encoder<'a> {
    pub(crate) fn new(subjects: &[Subject<'a>], space: &Space, world: World) -> Self {
        let mut sat = Sat::new(CONFLICTS_MAX);
        let atoms: Vec<Vec<Atom<'a>>> = subjects.iter().map(|subject| distinct(subject.checked)).collect();
        let sources = Sources { subjects, atoms: &atoms, space, world };
        let mut fields = BTreeMap::new();
        let mut tables = BTreeMap::new();
        let mut unlisted = BTreeMap::new();
        for name in space.signals() {
            let table = sources.table(name);
            let choice = Choice::new(&mut sat, table.slots.len());
            if table.slots.iter().any(|slot| slot.is_twin) {
                let twin = choice.among(&mut sat, |at| table.slots.get(at).is_some_and(|slot| slot.is_twin));
                unlisted.insert(name.clone(), twin);
            }
            tables.extend(table.atoms);
            fields.insert(name.clone(), Field { slots: table.slots, choice });
        }
        let atoms =
            atoms.into_iter().map(|atoms| atoms.into_iter().map(|atom| (atom.text.clone(), atom)).collect());
        let mut encoder = Self {
            sat,
            world,
            subjects: subjects.to_vec(),
            atoms: atoms.collect(),
            fields,
            rails: BTreeMap::new(),
            free: BTreeMap::new(),
            terms: BTreeMap::new(),
            wide: Vec::new(),
            unlisted,
            blamed: BTreeSet::new(),
        };
        encoder.tell_of_the_device(space);
        for ((side, text), planes) in tables {
            encoder.narrow(side, &text, &planes);
        }
        encoder.relate_texts();
        encoder
    }

    /// `absent` and `version` are said of the device as a whole; consent may still deny some of it.
    fn tell_of_the_device(&mut self, space: &Space) {
        let names: Vec<SignalName> =
            self.fields.keys().filter(|name| space.is_device(name)).cloned().collect();
        for cause in [Cause::Absent, Cause::Version] {
            // An event that happens to be given may say it of some signals only.
            if space.says_of_some(cause) {
                continue;
            }
            let said = self.sat.variable();
            for name in &names {
                let own = self.in_state(name, |answer| *answer == Answer::unknown(cause));
                let denied = self.in_state(name, |answer| *answer == Answer::unknown(Cause::Denied));
                self.sat.clause(&[said, !own]);
                self.sat.clause(&[!said, own, denied]);
            }
        }
    }

    /// That a signal is in one of the states whose answer is wanted.
    pub(crate) fn in_state(&mut self, name: &SignalName, wanted: impl Fn(&Answer) -> bool) -> Lit {
        self.among(name, |slot| wanted(&slot.given.answer))
    }

    /// That a signal is answered exactly so.
    pub(crate) fn answered(&mut self, name: &SignalName, answer: &Answer) -> Lit {
        self.among(name, |slot| !slot.is_twin && alike(&slot.given.answer, answer))
    }

    fn among(&mut self, name: &SignalName, wanted: impl Fn(&Slot) -> bool) -> Lit {
        match self.fields.get(name) {
            Some(field) => field.choice.among(&mut self.sat, |at| field.slots.get(at).is_some_and(&wanted)),
            None => self.sat.of(false),
        }
    }

    /// An atom of one signal, from its table.
    fn narrow(&mut self, side: usize, text: &str, planes: &[Planes]) {
        let atom = self.atoms.get(side).and_then(|atoms| atoms.get(text)).cloned();
        let Some(atom) = atom else { return };
        let Some(name) = atom.signals.first().map(|name| (*name).clone()) else { return };
        let opens = planes.iter().flatten().any(|out| matches!(out, Out::Open | Out::OpenBetween));
        let free = opens.then(|| self.free(side, &atom));
        let rails = [0, 1].map(|plane| {
            let mut at = |wanted: &dyn Fn(Out) -> bool| match self.fields.get(&name) {
                Some(field) => field.choice.among(&mut self.sat, |at| {
                    planes.get(at).and_then(|planes| planes.get(plane)).is_some_and(|out| wanted(*out))
                }),
                None => self.sat.of(false),
            };
            let listed = Rails {
                yes: at(&|out| out == Out::Yes),
                no: at(&|out| out == Out::No),
                unknown: CAUSES.map(|cause| at(&|out| out.has(cause))),
            };
            let open = at(&|out| matches!(out, Out::Open | Out::OpenBetween));
            let between = at(&|out| out == Out::OpenBetween);
            match free {
                Some(free) => self.opened(listed, free, [open, between], plane),
                None => listed,
            }
        });
        self.rails.insert((side, text.to_owned()), rails);
    }

    /// What is listed, and where it is `open` whatever the atom may say; `between`: of an interval.
    fn opened(&mut self, listed: Rails, free: Free, [open, between]: [Lit; 2], plane: usize) -> Rails {
        let inexact = free.between.get(plane).copied().unwrap_or(free.yes);
        let inexact = self.sat.and(between, inexact);
        let decided = self.sat.all([open, !inexact, !free.error]);
        let (yes, no) = (self.sat.and(decided, free.yes), self.sat.and(decided, !free.yes));
        let mut rails = listed;
        rails.yes = self.sat.any([listed.yes, yes]);
        rails.no = self.sat.any([listed.no, no]);
        for (cause, rail) in Cause::ALL.iter().zip(&mut rails.unknown) {
            if *cause == Cause::Inexact {
                *rail = self.sat.any([*rail, inexact]);
            }
        }
        rails
    }

    /// What an atom says of values that are not listed; the same for every policy that reads the same signals by it.
    fn free(&mut self, side: usize, atom: &Atom<'a>) -> Free {
        let key = (if self.is_shared(atom) { 0 } else { side + 1 }, atom.text.clone());
        if let Some(known) = self.free.get(&key) {
            return *known;
        }
        let [yes, error] = self.compared(side, key.0, atom).unwrap_or_else(|| {
            let yes = self.sat.variable();
            [yes, if can_fail(atom.expr) { self.sat.variable() } else { self.sat.of(false) }]
        });
        let first = self.sat.variable();
        let doubted = atom.signals.iter().any(|name| self.is_doubted(name));
        let between = [first, if doubted { self.sat.variable() } else { first }];
        let free = Free { yes, error, between };
        self.free.insert(key, free);
        free
    }

    /// Whether all policies that have the atom mean the same by it.
    fn is_shared(&self, atom: &Atom<'a>) -> bool {
        let alike = |name: &&SignalName| {
            let mut all = self.subjects.iter().filter_map(|subject| subject.checked.signals().get(*name));
            all.next().is_none_or(|first| all.all(|other| other == first))
        };
        let mut models = self.subjects.iter().map(|subject| subject.checked.models());
        let first = models.next();
        atom.signals.iter().all(alike) && models.all(|other| Some(other) == first)
    }

    /// Whether some answer about the signal counts less in Σ⁻.
    fn is_doubted(&self, name: &SignalName) -> bool {
        let field = self.fields.get(name);
        field.is_some_and(|field| {
            field.slots.iter().any(|slot| slot.read.iter().any(|[given, trusted]| given != trusted))
        })
    }

    /// An atom in both planes.
    fn atom(&mut self, side: usize, expr: &Expr) -> [Rails; 2] {
        let text = expr.to_string();
        if let Some(known) = self.rails.get(&(side, text.clone())) {
            return *known;
        }
        let atom = self.atoms.get(side).and_then(|atoms| atoms.get(&text)).cloned();
        let rails = match atom {
            Some(atom) if atom.signals.len() > 1 => {
                let rails =
                    if is_strict(atom.expr) { self.strict(side, &atom) } else { self.lenient(side, &atom) };
                self.wide.push(Wide { side, atom, rails });
                rails
            }
            _ => [self.fixed(side, expr); 2],
        };
        self.rails.insert((side, text), rails);
        rails
    }

    /// An atom that reads nothing.
    fn fixed(&self, side: usize, expr: &Expr) -> Rails {
        let outcome = self.subjects.get(side).map(|subject| {
            Out::of(&evaluate(subject.checked, expr, &Snapshot::default(), false, self.world.outage))
        });
        self.constant(outcome.unwrap_or(Out::Error))
    }

    pub(crate) fn constant(&self, out: Out) -> Rails {
        Rails {
            yes: self.sat.of(out == Out::Yes),
            no: self.sat.of(out == Out::No),
            unknown: CAUSES.map(|cause| self.sat.of(out.has(cause))),
        }
    }

    /// An atom of several signals all of whose operators are strict: the union of causes, else an error, else open.
    fn strict(&mut self, side: usize, atom: &Atom<'a>) -> [Rails; 2] {
        let free = self.free(side, atom);
        [0, 1].map(|plane| {
            let read = move |slot: &Slot| slot.read.get(side).and_then(|planes| planes.get(plane)).copied();
            let mut some = |wanted: &dyn Fn(Out) -> bool| {
                let each: Vec<Lit> = atom
                    .signals
                    .iter()
                    .map(|name| self.among(name, |slot| read(slot).is_some_and(wanted)))
                    .collect();
                self.sat.any(each)
            };
            let unknown = CAUSES.map(|cause| some(&|out| out.has(cause)));
            let failed = some(&|out| out == Out::Error);
            let between = some(&|out| out == Out::OpenBetween);
            let known: Vec<Lit> = unknown.iter().map(|rail| !*rail).chain([!failed]).collect();
            let open = self.sat.all(known);
            let never = self.sat.of(false);
            self.opened(Rails { yes: never, no: never, unknown }, free, [open, between], plane)
        })
    }

    /// An atom of several signals that may be decided by some of them: all of it is open.
    fn lenient(&mut self, side: usize, atom: &Atom<'a>) -> [Rails; 2] {
        let shared = self.is_shared(atom).then(|| {
            let other = self.wide.iter().find(|other| other.side != side && other.atom.text == atom.text);
            other.map(|other| other.rails)
        });
        if let Some(Some(rails)) = shared {
            return rails;
        }
        let given = self.any_rails();
        let doubted = atom.signals.iter().any(|name| self.is_doubted(name));
        [given, if doubted { self.any_rails() } else { given }]
    }

    fn any_rails(&mut self) -> Rails {
        let (yes, no) = (self.sat.variable(), self.sat.variable());
        let unknown = CAUSES.map(|_| self.sat.variable());
        self.sat.clause(&[!yes, !no]);
        for rail in unknown {
            self.sat.clause(&[!yes, !rail]);
            self.sat.clause(&[!no, !rail]);
        }
        Rails { yes, no, unknown }
    }

    /// A condition in one plane. Recurses over the source, whose depth the parser limits.
    pub(crate) fn condition(&mut self, side: usize, expr: &Expr, trusted: bool) -> Rails {
        match &expr.kind {
            ExprKind::Not(a) => {
                let Rails { yes, no, unknown } = self.condition(side, a, trusted);
                Rails { yes: no, no: yes, unknown }
            }
            ExprKind::Binary(op @ (BinaryOp::And | BinaryOp::Or), a, b) => {
                let (a, b) = (self.condition(side, a, trusted), self.condition(side, b, trusted));
                match op {
                    BinaryOp::And => self.both(a, b),
                    _ => negated(self.both(negated(a), negated(b))),
                }
            }
            ExprKind::If(condition, yes, no) if expr.ty == Type::Bool => {
                let condition = self.condition(side, condition, trusted);
                let (yes, no) = (self.condition(side, yes, trusted), self.condition(side, no, trusted));
                self.branch(condition, yes, no)
            }
            _ => {
                let [given, minus] = self.atom(side, expr);
                if trusted { minus } else { given }
            }
        }
    }

    /// `a && b`: a deciding value wins, then what is unknown, then an error.
    fn both(&mut self, a: Rails, b: Rails) -> Rails {
        let no = self.sat.any([a.no, b.no]);
        let mut unknown = a.unknown;
        for (rail, other) in unknown.iter_mut().zip(b.unknown) {
            let either = self.sat.any([*rail, other]);
            *rail = self.sat.and(either, !no);
        }
        Rails { yes: self.sat.and(a.yes, b.yes), no, unknown }
    }

    /// `condition ? yes : no`
    fn branch(&mut self, condition: Rails, yes: Rails, no: Rails) -> Rails {
        let mut pick = |a: Lit, b: Lit| {
            let (a, b) = (self.sat.and(condition.yes, a), self.sat.and(condition.no, b));
            [a, b]
        };
        let (holds, fails) = (pick(yes.yes, no.yes), pick(yes.no, no.no));
        let causes: Vec<[Lit; 2]> = yes.unknown.iter().zip(no.unknown).map(|(a, b)| pick(*a, b)).collect();
        let mut unknown = condition.unknown;
        for (rail, [a, b]) in unknown.iter_mut().zip(causes) {
            *rail = self.sat.any([*rail, a, b]);
        }
        Rails { yes: self.sat.any(holds), no: self.sat.any(fails), unknown }
    }

    /// The search for an event for which `wanted` holds; `listed`: in which every value is one of the states.
    pub(crate) fn search(&mut self, wanted: &[Lit], listed: bool) -> Found {
        let mut assumptions = wanted.to_vec();
        if listed {
            assumptions.extend(self.unlisted.values().map(|twin| !*twin));
        }
        // LIMIT: so often may an atom of several signals turn out to say something else.
        for round in 0..ROUNDS_MAX {
            let found = self.sat.solve(&assumptions);
            if found != Found::Some {
                if listed && found == Found::None {
                    let core = self.sat.core();
                    let blamed = self.unlisted.iter().filter(|(_, twin)| core.contains(&!**twin));
                    self.blamed = blamed.map(|(name, _)| name.clone()).collect();
                }
                return found;
            }
            let here = self.here();
            if !self.learn(round >= ROUNDS_BEFORE_ROWS) {
                return found;
            }
            // Most of what was wrong does not matter: the same event, now that it is known what the atoms say of it.
            let here: Vec<Lit> = assumptions.iter().copied().chain(here).collect();
            if self.sat.solve(&here) == Found::Some && !self.learn(false) {
                return Found::Some;
            }
        }
        Found::Limit
    }

    /// Whether there are events at all. If not, the constraints contradict each other and nothing follows from them.
    pub(crate) fn has_events(&mut self) -> bool {
        self.sat.solve(&[]) == Found::Some
    }

    /// That every signal is in the state of the last assignment.
    fn here(&self) -> Vec<Lit> {
        let fields = self.fields.values();
        fields.flat_map(|field| field.choice.at(&self.sat, field.choice.chosen(&self.sat))).collect()
    }

    /// The event that the last search found, if all its values are listed.
    pub(crate) fn event(&self) -> Option<Snapshot> {
        let mut answers = BTreeMap::new();
        for (name, field) in &self.fields {
            let slot = field.slots.get(field.choice.chosen(&self.sat)).filter(|slot| !slot.is_twin)?;
            answers.insert(name.clone(), slot.given.clone());
        }
        Some(Snapshot { answers })
    }

    /// The atoms about which the last search guessed: of signals without whose unlisted values it found nothing.
    pub(crate) fn guessed(&self) -> Vec<String> {
        let open = |name: &SignalName| {
            let slot =
                self.fields.get(name).and_then(|field| field.slots.get(field.choice.chosen(&self.sat)));
            slot.is_some_and(|slot| slot.is_twin) && self.blamed.contains(name)
        };
        let atoms = self.atoms.iter().flat_map(BTreeMap::values).filter(|atom| !atom.is_exact);
        let open = atoms.filter(|atom| atom.signals.iter().any(|name| open(name)));
        let texts: BTreeSet<String> = open.map(|atom| atom.text.clone()).collect();
        texts.into_iter().collect()
    }

    /// Tells the solver what atoms of several signals say where its last assignment has them otherwise; `rows`: of two
    /// signals not only where they are.
    fn learn(&mut self, rows: bool) -> bool {
        let mut learnt = false;
        for at in 0..self.wide.len() {
            let Some(wide) = self.wide.get(at) else { continue };
            let (side, expr, rails) = (wide.side, wide.atom.expr, wide.rails);
            let names: Vec<SignalName> = wide.atom.signals.iter().map(|name| (*name).clone()).collect();
            let Some(chosen) = self.chosen(&names) else { continue };
            let right = self.planes(side, expr, &names, &chosen);
            let is_right = rails.iter().zip(right).all(|(rails, out)| self.says(rails, out));
            if is_right {
                continue;
            }
            learnt = true;
            let around = if rows { self.around(&names, &chosen) } else { vec![chosen] };
            for states in around {
                let planes = self.planes(side, expr, &names, &states);
                self.teach(&names, &states, rails, planes);
            }
        }
        learnt
    }

    /// The states of some signals in the last assignment; `None` if a value is not listed.
    fn chosen(&self, names: &[SignalName]) -> Option<Vec<usize>> {
        let mut chosen = Vec::new();
        for name in names {
            let field = self.fields.get(name)?;
            let at = field.choice.chosen(&self.sat);
            field.slots.get(at).filter(|slot| !slot.is_twin)?;
            chosen.push(at);
        }
        Some(chosen)
    }

    /// These states, and of two signals also every other of the second.
    fn around(&self, names: &[SignalName], chosen: &[usize]) -> Vec<Vec<usize>> {
        match (names, chosen) {
            ([_, second], [first, _]) => {
                let slots = self.fields.get(second).map_or(&[][..], |field| &field.slots);
                let listed = slots.iter().enumerate().filter(|(_, slot)| !slot.is_twin);
                listed.map(|(at, _)| vec![*first, at]).collect()
            }
            _ => vec![chosen.to_vec()],
        }
    }

    fn planes(&self, side: usize, expr: &Expr, names: &[SignalName], states: &[usize]) -> Planes {
        let mut snapshot = Snapshot::default();
        for (name, at) in names.iter().zip(states) {
            let slot = self.fields.get(name).and_then(|field| field.slots.get(*at));
            snapshot.answers.extend(slot.map(|slot| (name.clone(), slot.given.clone())));
        }
        [false, true].map(|trusted| {
            self.subjects.get(side).map_or(Out::Error, |subject| {
                Out::of(&evaluate(subject.checked, expr, &snapshot, trusted, self.world.outage))
            })
        })
    }

    fn says(&self, rails: &Rails, out: Out) -> bool {
        let right = self.constant(out);
        let pairs = [(rails.yes, right.yes), (rails.no, right.no)];
        let causes = rails.unknown.into_iter().zip(right.unknown);
        pairs
            .into_iter()
            .chain(causes)
            .all(|(rail, right)| self.sat.holds(rail) == (right == self.sat.of(true)))
    }

    fn teach(&mut self, names: &[SignalName], states: &[usize], rails: [Rails; 2], planes: Planes) {
        let mut elsewhere = Vec::new();
        for (name, state) in names.iter().zip(states) {
            let Some(field) = self.fields.get(name) else { return };
            let here = field.choice.among(&mut self.sat, |at| at == *state);
            elsewhere.push(!here);
        }
        // Where nothing is doubted both planes are the same.
        let [given, trusted] = rails;
        let [here, there] = planes;
        let planes = [(given, here), (trusted, there)];
        let doubted = given.yes != trusted.yes || given.no != trusted.no || given.unknown != trusted.unknown;
        for (rails, out) in planes.into_iter().take(if doubted { 2 } else { 1 }) {
            let right = self.constant(out);
            let pairs = [(rails.yes, right.yes), (rails.no, right.no)];
            for (rail, right) in pairs.into_iter().chain(rails.unknown.into_iter().zip(right.unknown)) {
                let literal = if right == self.sat.of(true) { rail } else { !rail };
                let clause: Vec<Lit> = elsewhere.iter().copied().chain([literal]).collect();
                self.sat.clause(&clause);
            }
        }
    }
}

const fn negated(rails: Rails) -> Rails {
    Rails { yes: rails.no, no: rails.yes, unknown: rails.unknown }
}

/// Whether every operator in it takes the union of causes over its operands, and then an error.
fn is_strict(expr: &Expr) -> bool {
    let own = !matches!(
        expr.kind,
        ExprKind::If(..)
            | ExprKind::Has(_)
            | ExprKind::Model(..)
            | ExprKind::Binary(BinaryOp::And | BinaryOp::Or, ..)
    );
    own && expr.parts().into_iter().all(is_strict)
}

/// Whether values can make it fail.
fn can_fail(expr: &Expr) -> bool {
    let own = match &expr.kind {
        ExprKind::Literal(_)
        | ExprKind::List(_)
        | ExprKind::Signal(_)
        | ExprKind::Size(_)
        | ExprKind::StartsWith(..)
        | ExprKind::EndsWith(..)
        | ExprKind::Contains(..)
        | ExprKind::Matches(..) => false,
        ExprKind::Binary(op, ..) => !matches!(
            op,
            BinaryOp::Eq
                | BinaryOp::Ne
                | BinaryOp::Lt
                | BinaryOp::Le
                | BinaryOp::Gt
                | BinaryOp::Ge
                | BinaryOp::In
        ),
        _ => true,
    };
    own || expr.parts().into_iter().any(can_fail)
}

/// Places of causes in [`Cause::ALL`].
const CAUSES: [usize; Cause::ALL.len()] = [0, 1, 2, 3, 4, 5];
/// LIMIT: conflicts of one solver.
const CONFLICTS_MAX: u64 = 200_000;
/// LIMIT: assignments of one search whose atoms of several signals were wrong.
const ROUNDS_MAX: usize = 2_000;
/// So many rounds later whole rows are told.
const ROUNDS_BEFORE_ROWS: usize = 16;
