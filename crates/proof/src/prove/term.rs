//! Terms: one representation for conditions as they are written and as slices hold them.
//!
//! Terms are shared, so that two conditions with one normal form are one number. The normal form uses only what is
//! exact for true, false, error and every set of causes: constants are computed (by the reference interpreter), `!!x`
//! is `x`, a `?:` with a constant condition is its branch, and chains of `&&` and `||` are sets, since both connectives
//! are associative, commutative and idempotent in all four outcomes. No law of complements is used. What terms say of
//! each other beyond that is for decision diagrams to find out.

use glacis_compiler::checked::{BinaryOp, Checked, Expr, ExprKind};
use glacis_compiler::reference::{Outcome, Snapshot, evaluate};
use glacis_policy::TimePart;
use glacis_wire::{SignalName, Type, Value};
use std::collections::{BTreeMap, BTreeSet};

/// The number of a term. Valid only with the [`Terms`] that made it.
pub(super) type TermId = u32;

/// An operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Op {
    Not,
    And,
    Or,
    If,
    Binary(Binary),
    Neg,
    Size,
    StartsWith,
    EndsWith,
    Contains,
    Matches,
    Within,
    MomentPart(TimePart),
    SpanPart(TimePart),
    Convert(Type),
    Index,
    Find,
}

/// The strict operators that are written between their operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Binary {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    Add,
    Sub,
    Mul,
    Div,
    Rem,
    In,
}

impl Binary {
    pub(super) const fn source(self) -> BinaryOp {
        match self {
            Self::Eq => BinaryOp::Eq,
            Self::Ne => BinaryOp::Ne,
            Self::Lt => BinaryOp::Lt,
            Self::Le => BinaryOp::Le,
            Self::Gt => BinaryOp::Gt,
            Self::Ge => BinaryOp::Ge,
            Self::Add => BinaryOp::Add,
            Self::Sub => BinaryOp::Sub,
            Self::Mul => BinaryOp::Mul,
            Self::Div => BinaryOp::Div,
            Self::Rem => BinaryOp::Rem,
            Self::In => BinaryOp::In,
        }
    }

    pub(super) const fn symbol(self) -> &'static str {
        match self {
            Self::Eq => "==",
            Self::Ne => "!=",
            Self::Lt => "<",
            Self::Le => "<=",
            Self::Gt => ">",
            Self::Ge => ">=",
            Self::Add => "+",
            Self::Sub => "-",
            Self::Mul => "*",
            Self::Div => "/",
            Self::Rem => "%",
            Self::In => "in",
        }
    }
}

/// What answers are asked of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Leaf {
    /// A signal of the policy.
    Signal(SignalName),
    /// A slot of one slice, whatever fills it.
    Slot(u16),
}

/// A term over signals or slots, some of which only a device can compute. Operands are numbers of earlier terms.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Term {
    /// A literal, by its canonical bytes; [`Terms::value`] has its value.
    Const(Vec<u8>),
    /// The value of a leaf.
    Read(Leaf),
    /// Whether a leaf has a value.
    Has(Leaf),
    /// The score of a model, named by what its bytes are, over these leaves.
    Score(usize, Vec<Leaf>),
    /// An operator over operands; of `&&` and `||` two or more, ascending, each once.
    Apply(Op, Vec<TermId>),
    /// A table, by the number that equal ones share.
    Table(usize),
    /// What a device makes of a condition that reads values of the request: these, in its own copies, of which none is
    /// unknown. No condition as it is written has one.
    Told(TermId, BTreeSet<SignalName>),
}

/// All terms of one proof.
#[derive(Debug)]
pub(super) struct Terms<'a> {
    policy: &'a Checked,
    nodes: Vec<Term>,
    values: BTreeMap<TermId, Value>,
    unique: BTreeMap<Term, TermId>,
    /// How many operands of chains may still be kept.
    room: usize,
}

/// LIMIT: operands of all chains together. A chain of an arena can be part of every other, so that flat ones could be
/// quadratically many; beyond, a chain stays the pair that it is, which means the same and is only less often equal.
const OPERANDS_MAX: usize = 1 << 22;

impl<'a> Terms<'a> {
    pub(super) const fn new(policy: &'a Checked) -> Self {
        Self {
            policy,
            nodes: Vec::new(),
            values: BTreeMap::new(),
            unique: BTreeMap::new(),
            room: OPERANDS_MAX,
        }
    }

    pub(super) fn get(&self, at: TermId) -> Option<&Term> {
        self.nodes.get(usize::try_from(at).ok()?)
    }

    /// The value of a literal.
    pub(super) fn value(&self, at: TermId) -> Option<&Value> {
        self.values.get(&at)
    }

    /// Its truth, if it is a literal.
    pub(super) fn truth(&self, at: TermId) -> Option<bool> {
        match self.value(at)? {
            Value::Bool(value) => Some(*value),
            _ => None,
        }
    }

    pub(super) fn leaf(&mut self, term: Term) -> TermId {
        if let Some(known) = self.unique.get(&term) {
            return *known;
        }
        let at = TermId::try_from(self.nodes.len()).unwrap_or(TermId::MAX);
        self.nodes.push(term.clone());
        self.unique.insert(term, at);
        at
    }

    pub(super) fn literal(&mut self, value: &Value) -> TermId {
        let mut key = Vec::new();
        canonical(value, &mut key);
        let at = self.leaf(Term::Const(key));
        self.values.entry(at).or_insert_with(|| value.clone());
        at
    }

    /// The normal form of an operator over normal forms.
    pub(super) fn apply(&mut self, op: Op, operands: Vec<TermId>) -> TermId {
        match (op, operands.as_slice()) {
            (Op::And | Op::Or, _) => self.chain(op, &operands),
            (Op::Not, [a]) => self.not(*a),
            (Op::If, [condition, yes, no]) => match self.truth(*condition) {
                Some(true) => *yes,
                Some(false) => *no,
                None => self.leaf(Term::Apply(op, operands)),
            },
            _ => match self.computed(op, &operands) {
                Some(value) => self.literal(&value),
                None => self.guarded(op, &operands).unwrap_or_else(|| self.leaf(Term::Apply(op, operands))),
            },
        }
    }

    /// `told != known`, where `told` is what a device makes of a strict condition over its own copies of some values of
    /// the request, and `known` is false where these values are known or missing and else what stands in their way: the
    /// condition itself, in all four outcomes.
    ///
    /// Where all of the values are known or missing, so are the copies, `known` is false, and what was told is the
    /// condition. Where one failed and none is unknown, the condition is unknown if the device withholds and else an
    /// error, which is what `!=` makes of both. Where one is unknown, its copy has failed, so what was told is unknown if
    /// the device withholds and else an error; `!=` has the causes of the values, and `withheld` if the device withholds,
    /// as the strict condition has.
    fn guarded(&self, op: Op, operands: &[TermId]) -> Option<TermId> {
        let (Op::Binary(Binary::Ne), [told, known]) = (op, operands) else { return None };
        let Term::Told(condition, copies) = self.get(*told)? else { return None };
        (self.known(*known)? == *copies && self.is_strict(*condition)).then_some(*condition)
    }

    /// The signals of which a term says whether they are known: false if all are, or missing; else it is unknown for
    /// their causes, or an error.
    fn known(&self, at: TermId) -> Option<BTreeSet<SignalName>> {
        let Term::Apply(Op::Binary(Binary::Ne), operands) = self.get(at)? else { return None };
        match operands.as_slice() {
            [a, b] if a == b => match self.get(*a)? {
                Term::Has(Leaf::Signal(name)) => Some(BTreeSet::from([name.clone()])),
                _ => None,
            },
            [a, b] => {
                let mut all = self.known(*a)?;
                all.extend(self.known(*b)?);
                Some(all)
            }
            _ => None,
        }
    }

    /// Whether a term is unknown for the causes of all that it reads, and an error where something of it failed: no
    /// operand hides another.
    pub(super) fn is_strict(&self, at: TermId) -> bool {
        match self.get(at) {
            Some(Term::Const(_) | Term::Read(_) | Term::Has(_) | Term::Table(_)) => true,
            Some(Term::Apply(Op::And | Op::Or | Op::If, _) | Term::Score(..) | Term::Told(..)) | None => {
                false
            }
            Some(Term::Apply(_, operands)) => operands.iter().all(|operand| self.is_strict(*operand)),
        }
    }

    fn not(&mut self, a: TermId) -> TermId {
        if let Some(value) = self.truth(a) {
            return self.literal(&Value::Bool(!value));
        }
        match self.get(a) {
            Some(Term::Apply(Op::Not, inner)) => inner.first().copied().unwrap_or(a),
            _ => self.leaf(Term::Apply(Op::Not, vec![a])),
        }
    }

    fn chain(&mut self, op: Op, operands: &[TermId]) -> TermId {
        let decides = op == Op::Or;
        let parts = |at: &TermId| match self.get(*at) {
            Some(Term::Apply(inner, parts)) if *inner == op => parts.len(),
            _ => 1,
        };
        let fits = operands.iter().map(parts).sum::<usize>() <= self.room;
        let mut all = BTreeSet::new();
        for operand in operands {
            match self.get(*operand) {
                Some(Term::Apply(inner, parts)) if *inner == op && fits => all.extend(parts.iter().copied()),
                _ => {
                    all.insert(*operand);
                }
            }
        }
        if all.iter().any(|operand| self.truth(*operand) == Some(decides)) {
            return self.literal(&Value::Bool(decides));
        }
        all.retain(|operand| self.truth(*operand).is_none());
        let first = all.first().copied();
        match (first, all.len()) {
            (None, _) => self.literal(&Value::Bool(!decides)),
            (Some(only), 1) => only,
            _ => {
                self.room = self.room.saturating_sub(all.len());
                self.leaf(Term::Apply(op, all.into_iter().collect()))
            }
        }
    }

    /// What an operator makes of literals, as the reference interpreter has it; `None` of others, and of an error.
    fn computed(&self, op: Op, operands: &[TermId]) -> Option<Value> {
        let values: Vec<&Value> = operands.iter().map(|at| self.value(*at)).collect::<Option<_>>()?;
        if let (Op::Find, [item, Value::List(items)]) = (op, values.as_slice()) {
            let place = items.iter().position(|known| known == *item)?;
            return i64::try_from(place).ok().map(Value::Int);
        }
        let expr = written(op, values.into_iter().map(literal_expr).collect())?;
        match evaluate(self.policy, &expr, &Snapshot::default(), false, false) {
            Outcome::Value(value) => Some(value),
            Outcome::Interval(..) | Outcome::Error | Outcome::Unknown(_) => None,
        }
    }

    /// Every table that a term looks into.
    pub(super) fn tables(&self, root: TermId) -> BTreeSet<usize> {
        let (mut found, mut seen) = (BTreeSet::new(), BTreeSet::new());
        let mut below = vec![root];
        while let Some(at) = below.pop() {
            match self.get(at).filter(|_| seen.insert(at)) {
                Some(Term::Table(table)) => {
                    found.insert(*table);
                }
                Some(Term::Apply(_, operands)) => below.extend(operands),
                Some(Term::Told(condition, _)) => below.push(*condition),
                Some(Term::Const(_) | Term::Read(_) | Term::Has(_) | Term::Score(..)) | None => {}
            }
        }
        found
    }

    /// Whether it is unknown wherever every signal that it reads is: true of a signal and of whatever is strict in such.
    pub(super) fn follows_its_signals(&self, at: TermId) -> bool {
        match self.get(at) {
            Some(Term::Read(_) | Term::Has(_) | Term::Score(..)) => true,
            // In a normal form no operand of a chain is a literal, so none decides.
            Some(Term::Apply(Op::If, operands)) => {
                operands.first().is_some_and(|condition| self.follows_its_signals(*condition))
            }
            Some(Term::Apply(_, operands)) => {
                operands.iter().any(|operand| self.follows_its_signals(*operand))
            }
            // Of what a device tells it is asked when it is told.
            Some(Term::Const(_) | Term::Table(_) | Term::Told(..)) | None => false,
        }
    }

    /// Whether a term is a connective: what is none of these is an atom where it is a condition.
    pub(super) fn connective(&self, at: TermId) -> Option<(Op, &[TermId])> {
        match self.get(at)? {
            Term::Apply(op @ (Op::Not | Op::And | Op::Or | Op::If), operands) => Some((*op, operands)),
            _ => None,
        }
    }

    /// The atoms of a condition, in the order in which a walk from left to right meets them first: atoms that stand
    /// together are neighbours.
    pub(super) fn atoms_met(&self, root: TermId) -> Vec<TermId> {
        let mut found = Vec::new();
        let mut seen = BTreeSet::new();
        let mut below = vec![root];
        while let Some(at) = below.pop() {
            if !seen.insert(at) {
                continue;
            }
            match self.connective(at) {
                Some((_, operands)) => below.extend(operands.iter().rev()),
                None if self.truth(at).is_some() => {}
                None => found.push(at),
            }
        }
        found
    }

    /// The atoms of a condition, ascending.
    pub(super) fn atoms(&self, root: TermId) -> BTreeSet<TermId> {
        self.atoms_met(root).into_iter().collect()
    }
}

/// The expression that an operator over literals is.
fn written(op: Op, operands: Vec<Expr>) -> Option<Expr> {
    let mut operands = operands.into_iter().map(Box::new);
    let a = operands.next()?;
    let b = operands.next();
    let ty = if let Op::Convert(ty) = op { ty } else { a.ty };
    let kind = match op {
        Op::Binary(op) => ExprKind::Binary(op.source(), a, b?),
        Op::Neg => ExprKind::Neg(a),
        Op::Size => ExprKind::Size(a),
        Op::StartsWith => ExprKind::StartsWith(a, b?),
        Op::EndsWith => ExprKind::EndsWith(a, b?),
        Op::Contains => ExprKind::Contains(a, b?),
        Op::SpanPart(part) => ExprKind::TimePart(part, a, None),
        Op::Convert(_) => ExprKind::Convert(a),
        Op::Index => ExprKind::Index(a, b?),
        Op::Not | Op::And | Op::Or | Op::If | Op::Matches | Op::Within | Op::MomentPart(_) | Op::Find => {
            return None;
        }
    };
    Some(Expr { kind, ty, span: glacis_compiler::Span::default() })
}

/// A literal as an expression.
pub(super) fn literal_expr(value: &Value) -> Expr {
    let ty = Type::ALL.into_iter().find(|ty| value.is(*ty)).unwrap_or(Type::Bool);
    Expr { kind: ExprKind::Literal(value.clone()), ty, span: glacis_compiler::Span::default() }
}

/// Bytes that tell every two literals apart; doubles by their bits, so that both zeros are kept apart and NaN is itself.
fn canonical(value: &Value, out: &mut Vec<u8>) {
    let text = |tag: u8, text: &[u8], out: &mut Vec<u8>| {
        out.push(tag);
        out.extend(u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes());
        out.extend(text);
    };
    match value {
        Value::Bool(value) => out.extend([0, u8::from(*value)]),
        Value::Int(value) => text(1, &value.to_be_bytes(), out),
        Value::Double(value) if value.is_nan() => out.push(2),
        Value::Double(value) => text(3, &value.to_bits().to_be_bytes(), out),
        Value::String(value) => text(4, value.as_bytes(), out),
        Value::Uint(value) => text(5, &value.to_be_bytes(), out),
        Value::Bytes(value) => text(6, value, out),
        Value::Timestamp(value) => text(7, &value.as_us().to_be_bytes(), out),
        Value::Duration(value) => text(8, &value.as_us().to_be_bytes(), out),
        Value::List(items) => {
            text(9, &[], out);
            items.iter().for_each(|item| canonical(item, out));
            out.push(10);
        }
    }
}
