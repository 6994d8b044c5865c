//! Which type may stand where another is wanted, and what type parameters turn out to be.
//!
//! The algorithm is cel-go's (checker/types.go): parameters are bound as arguments are compared, the more general
//! of two types wins, `dyn` agrees with everything, and a parameter is never bound to a type that contains it. A
//! comparison that fails leaves no trace.
//!
//! Types can be built that are exponential in the length of the text (`x.map(a, {a: a})` repeated) or deeper than
//! the text is nested, so steps and depth are limited; beyond it every answer is worthless and
//! [`Bindings::exhausted`] is true.

use super::ty::Type;
use std::collections::BTreeMap;

/// What is known of type parameters.
#[derive(Debug, Default)]
pub(crate) struct Bindings {
    bound: BTreeMap<String, Type>,
    /// What each binding since the start replaced, to undo it.
    trail: Vec<(String, Option<Type>)>,
    fresh: usize,
    steps: usize,
    /// How deep the comparison is that goes on.
    depth: usize,
}

impl Bindings {
    /// A parameter that stands for a type still to be found.
    pub(crate) fn fresh(&mut self) -> Type {
        let name = format!("_var{}", self.fresh);
        self.fresh += 1;
        Type::Param(name)
    }

    /// Whether a limit was hit, so that answers mean nothing any more.
    pub(crate) fn exhausted(&self) -> bool {
        self.steps > STEPS_MAX
    }

    /// A copy of a type, paid for: text can name a large type often without ever comparing it.
    pub(crate) fn copy(&mut self, ty: &Type) -> Type {
        self.steps = self.steps.saturating_add(nodes(ty).saturating_mul(NODE_STEPS));
        if self.exhausted() { Type::Dyn } else { ty.clone() }
    }

    /// Whether `from` may stand where `to` is wanted; parameters are bound only if so.
    pub(crate) fn assignable(&mut self, from: &Type, to: &Type) -> bool {
        self.all_assignable(std::slice::from_ref(from), std::slice::from_ref(to))
    }

    /// The same for lists of one length, all or none.
    pub(crate) fn all_assignable(&mut self, from: &[Type], to: &[Type]) -> bool {
        self.trail.clear();
        let agree = from.len() == to.len() && from.iter().zip(to).all(|(from, to)| self.agree(from, to));
        if !agree {
            for (name, before) in self.trail.drain(..).rev() {
                match before {
                    Some(before) => self.bound.insert(name, before),
                    None => self.bound.remove(&name),
                };
            }
        }
        agree
    }

    /// `of` with its parameters replaced by what they are; those without a type stay, or become `dyn`.
    pub(crate) fn resolve(&mut self, of: &Type, to_dyn: bool) -> Type {
        self.enter(Type::Dyn, |bindings| bindings.resolve_inside(of, to_dyn))
    }

    fn resolve_inside(&mut self, of: &Type, to_dyn: bool) -> Type {
        self.steps += NODE_STEPS;
        match of {
            Type::Param(name) => match self.bound.get(name).cloned() {
                Some(bound) => self.resolve(&bound, to_dyn),
                None if to_dyn => Type::Dyn,
                None => of.clone(),
            },
            Type::List(item) => Type::list(self.resolve(item, to_dyn)),
            Type::Map(key, value) => Type::map(self.resolve(key, to_dyn), self.resolve(value, to_dyn)),
            Type::Type(inner) => Type::Type(Box::new(self.resolve(inner, to_dyn))),
            Type::Opaque(name, of) => {
                Type::Opaque(name.clone(), of.iter().map(|of| self.resolve(of, to_dyn)).collect())
            }
            _ => of.clone(),
        }
    }

    /// The type of both: the more general one, or `dyn` where they do not agree.
    pub(crate) fn join(&mut self, before: Option<Type>, next: Type) -> Type {
        let Some(before) = before else { return next };
        if self.assignable(&before, &next) { more_general(before, next) } else { Type::Dyn }
    }

    /// Goes one level deeper, unless a limit is hit.
    fn enter<T>(&mut self, otherwise: T, run: impl FnOnce(&mut Self) -> T) -> T {
        self.steps += 1;
        if self.depth >= DEPTH_MAX {
            self.steps = STEPS_MAX + 1;
        }
        if self.exhausted() {
            return otherwise;
        }
        self.depth += 1;
        let result = run(self);
        self.depth -= 1;
        result
    }

    fn agree(&mut self, from: &Type, to: &Type) -> bool {
        self.enter(false, |bindings| bindings.agree_inside(from, to))
    }

    fn agree_inside(&mut self, from: &Type, to: &Type) -> bool {
        if let Type::Param(name) = to {
            match self.bind(from, name, to) {
                Bound::Yes => return true,
                Bound::Otherwise => return false,
                Bound::Never => {}
            }
        }
        if let Type::Param(name) = from {
            return self.bind(to, name, from) == Bound::Yes;
        }
        match (from, to) {
            (Type::Dyn, _) | (_, Type::Dyn) => true,
            (Type::Null, other) | (other, Type::Null) => {
                matches!(other, Type::Null | Type::Timestamp | Type::Duration | Type::Opaque(..))
            }
            (Type::Type(_), Type::Type(_)) => true,
            (Type::List(from), Type::List(to)) => self.agree(from, to),
            (Type::Map(key, value), Type::Map(to_key, to_value)) => {
                self.agree(key, to_key) && self.agree(value, to_value)
            }
            (Type::Opaque(name, from), Type::Opaque(to_name, to)) => {
                name == to_name
                    && from.len() == to.len()
                    && from.iter().zip(to).all(|(from, to)| self.agree(from, to))
            }
            _ => from == to,
        }
    }

    /// Whether parameter `name` can be `ty`.
    fn bind(&mut self, ty: &Type, name: &str, parameter: &Type) -> Bound {
        if ty == parameter {
            return Bound::Yes;
        }
        let Some(known) = self.bound.get(name).cloned() else {
            if self.occurs(parameter, ty) {
                return Bound::Never;
            }
            self.set(name, ty.clone());
            return Bound::Yes;
        };
        if *ty == known {
            return Bound::Yes;
        }
        if !self.agree(ty, &known) {
            return Bound::Otherwise;
        }
        let general = more_general(ty.clone(), known);
        if !self.occurs(parameter, &general) {
            self.set(name, general);
        }
        Bound::Yes
    }

    fn set(&mut self, name: &str, ty: Type) {
        let before = self.bound.insert(name.to_owned(), ty);
        self.trail.push((name.to_owned(), before));
    }

    /// Whether a parameter is part of a type, through what is bound.
    fn occurs(&mut self, parameter: &Type, within: &Type) -> bool {
        self.enter(true, |bindings| match within {
            _ if parameter == within => true,
            Type::Param(name) => match bindings.bound.get(name).cloned() {
                Some(bound) => bindings.occurs(parameter, &bound),
                None => false,
            },
            other => other.parameters().into_iter().any(|inner| bindings.occurs(parameter, inner)),
        })
    }
}

/// What became of binding a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bound {
    Yes,
    /// It is bound to a type that does not agree.
    Otherwise,
    /// It would contain itself.
    Never,
}

/// Nodes of a type.
fn nodes(ty: &Type) -> usize {
    ty.parameters().into_iter().map(nodes).sum::<usize>() + 1
}

fn more_general(left: Type, right: Type) -> Type {
    if less_or_equally_specific(&left, &right) { left } else { right }
}

fn less_or_equally_specific(left: &Type, right: &Type) -> bool {
    match (left, right) {
        (Type::Dyn | Type::Param(_), _) => true,
        (_, Type::Dyn | Type::Param(_)) => false,
        (Type::Type(_), Type::Type(_)) => true,
        (Type::List(left), Type::List(right)) => less_or_equally_specific(left, right),
        (Type::Map(key, value), Type::Map(other_key, other_value)) => {
            less_or_equally_specific(key, other_key) && less_or_equally_specific(value, other_value)
        }
        (Type::Opaque(name, left), Type::Opaque(other, right)) => {
            name == other
                && left.len() == right.len()
                && left.iter().zip(right).all(|(left, right)| less_or_equally_specific(left, right))
        }
        _ => left == right,
    }
}

/// LIMIT: steps of all comparisons of one check. An expression of 128 KiB needs a few hundred thousand.
const STEPS_MAX: usize = 4_000_000;
/// Steps of making one node of a type: with [`STEPS_MAX`] it bounds memory, to about 64 MiB.
const NODE_STEPS: usize = 4;
/// LIMIT: levels of a type, through what its parameters are bound to. Text nests at most 250 deep.
const DEPTH_MAX: usize = 400;
