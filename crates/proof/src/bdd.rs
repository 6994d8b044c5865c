//! Reduced ordered binary decision diagrams (Bryant 1986): two functions are equal exactly if their references are.
//!
//! Nodes are shared for the life of the [`Bdd`] and never freed; what is too large is refused at a stated limit, so that
//! a proof ends with "not proven" and never without an answer. Levels are tested in ascending order from the root.

use std::collections::BTreeMap;
use std::fmt;

/// One function. Valid only with the [`Bdd`] that made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Function(u32);

impl Function {
    /// The constant false.
    pub const FALSE: Self = Self(0);
    /// The constant true.
    pub const TRUE: Self = Self(1);

    /// The constant of a truth value.
    pub const fn of(value: bool) -> Self {
        if value { Self::TRUE } else { Self::FALSE }
    }
}

/// A function has more nodes than the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLarge {
    /// The limit. Unit: nodes.
    pub nodes_max: usize,
}

impl fmt::Display for TooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a decision diagram has more than {} nodes", self.nodes_max)
    }
}

impl std::error::Error for TooLarge {}

/// Level, where it is false, where it is true.
type Node = (u32, Function, Function);

/// The nodes of many functions.
#[derive(Clone, Debug)]
pub struct Bdd {
    nodes: Vec<Node>,
    unique: BTreeMap<Node, Function>,
    decided: BTreeMap<(Function, Function, Function), Function>,
    nodes_max: usize,
}

impl Bdd {
    /// An empty store that refuses to grow beyond `nodes_max` nodes.
    pub fn new(nodes_max: usize) -> Self {
        let constant = |value| (CONSTANT, Function::of(value), Function::of(value));
        Self {
            nodes: vec![constant(false), constant(true)],
            unique: BTreeMap::new(),
            decided: BTreeMap::new(),
            nodes_max,
        }
    }

    /// How many nodes it holds.
    pub fn size(&self) -> usize {
        self.nodes.len()
    }

    /// The function that is the variable of `level`.
    pub fn variable(&mut self, level: u32) -> Result<Function, TooLarge> {
        self.node(level, Function::FALSE, Function::TRUE)
    }

    /// `condition ? yes : no`, from which everything else is made.
    ///
    /// Recurses at most once a level of its operands.
    pub fn choose(&mut self, condition: Function, yes: Function, no: Function) -> Result<Function, TooLarge> {
        if condition == Function::TRUE || yes == no {
            return Ok(yes);
        }
        if condition == Function::FALSE {
            return Ok(no);
        }
        if (yes, no) == (Function::TRUE, Function::FALSE) {
            return Ok(condition);
        }
        let key = (condition, yes, no);
        if let Some(known) = self.decided.get(&key) {
            return Ok(*known);
        }
        let level = [condition, yes, no].map(|function| self.level(function)).into_iter().min();
        let level = level.unwrap_or(CONSTANT);
        let (no_0, no_1) = self.split(no, level);
        let (yes_0, yes_1) = self.split(yes, level);
        let (condition_0, condition_1) = self.split(condition, level);
        let where_false = self.choose(condition_0, yes_0, no_0)?;
        let where_true = self.choose(condition_1, yes_1, no_1)?;
        let found = self.node(level, where_false, where_true)?;
        // What is remembered is bounded as well: there are more triples of nodes than nodes. It only saves time.
        if self.decided.len() >= self.nodes_max.saturating_mul(DECIDED_PER_NODE) {
            self.decided.clear();
        }
        self.decided.insert(key, found);
        Ok(found)
    }

    /// `!a`
    pub fn not(&mut self, a: Function) -> Result<Function, TooLarge> {
        self.choose(a, Function::FALSE, Function::TRUE)
    }

    /// `a && b`
    pub fn and(&mut self, a: Function, b: Function) -> Result<Function, TooLarge> {
        self.choose(a, b, Function::FALSE)
    }

    /// `a || b`
    pub fn or(&mut self, a: Function, b: Function) -> Result<Function, TooLarge> {
        self.choose(a, Function::TRUE, b)
    }

    /// Whether exactly one of the two holds.
    pub fn differ(&mut self, a: Function, b: Function) -> Result<Function, TooLarge> {
        let other = self.not(b)?;
        self.choose(a, other, b)
    }

    /// Whether `a` holds only where `b` does.
    pub fn implies(&mut self, a: Function, b: Function) -> Result<bool, TooLarge> {
        Ok(self.choose(a, b, Function::TRUE)? == Function::TRUE)
    }

    /// Some levels with values for which `function` holds, whatever the other levels are; `None` if it never does.
    pub fn example(&self, function: Function) -> Option<Vec<(u32, bool)>> {
        let mut path = Vec::new();
        let mut at = function;
        while at != Function::TRUE {
            let (level, no, yes) = *self.get(at)?;
            if level == CONSTANT {
                return None;
            }
            // INVARIANT: reduced, so a node other than `FALSE` leads to `TRUE`.
            let value = no == Function::FALSE;
            path.push((level, value));
            at = if value { yes } else { no };
        }
        Some(path)
    }

    /// Whether `function` holds where exactly the levels in `holds` are true.
    pub fn at(&self, function: Function, holds: impl Fn(u32) -> bool) -> bool {
        let mut at = function;
        while let Some((level, no, yes)) = self.get(at).filter(|(level, ..)| *level != CONSTANT) {
            at = if holds(*level) { *yes } else { *no };
        }
        at == Function::TRUE
    }

    fn get(&self, function: Function) -> Option<&Node> {
        self.nodes.get(usize::try_from(function.0).ok()?)
    }

    fn level(&self, function: Function) -> u32 {
        self.get(function).map_or(CONSTANT, |(level, ..)| *level)
    }

    /// The function below `level`, where that is false and where it is true.
    fn split(&self, function: Function, level: u32) -> (Function, Function) {
        match self.get(function) {
            Some((found, no, yes)) if *found == level && level != CONSTANT => (*no, *yes),
            _ => (function, function),
        }
    }

    fn node(&mut self, level: u32, no: Function, yes: Function) -> Result<Function, TooLarge> {
        if no == yes {
            return Ok(no);
        }
        let node = (level, no, yes);
        if let Some(known) = self.unique.get(&node) {
            return Ok(*known);
        }
        let full = TooLarge { nodes_max: self.nodes_max };
        if self.nodes.len() >= self.nodes_max {
            return Err(full);
        }
        let function = Function(u32::try_from(self.nodes.len()).map_err(|_| full)?);
        self.nodes.push(node);
        self.unique.insert(node, function);
        Ok(function)
    }
}

/// How many answers are remembered for each node that there may be.
const DECIDED_PER_NODE: usize = 8;
/// The level of the two constants: below all others.
const CONSTANT: u32 = u32::MAX;

#[cfg(test)]
mod tests {
    use super::*;

    /// All functions of three variables, as truth tables of eight bits, built from their minterms.
    fn of_table(bdd: &mut Bdd, table: u8) -> Function {
        let mut all = Function::FALSE;
        for row in (0..8).filter(|row| table >> row & 1 == 1) {
            let mut term = Function::TRUE;
            for level in (0..3).rev() {
                let variable = bdd.variable(level).unwrap();
                let literal = if row >> level & 1 == 1 { variable } else { bdd.not(variable).unwrap() };
                term = bdd.and(literal, term).unwrap();
            }
            all = bdd.or(all, term).unwrap();
        }
        all
    }

    #[test]
    fn equal_functions_have_one_reference_and_operators_mean_what_they_say() {
        let mut bdd = Bdd::new(10_000);
        let all: Vec<Function> = (0..=255).map(|table| of_table(&mut bdd, table)).collect();
        let same = |table: u8| all[usize::from(table)];
        for a in 0..=255_u8 {
            assert_eq!(bdd.not(same(a)).unwrap(), same(!a));
            assert_eq!(bdd.example(same(a)).is_none(), a == 0);
            for b in 0..=255_u8 {
                assert_eq!(bdd.and(same(a), same(b)).unwrap(), same(a & b));
                assert_eq!(bdd.or(same(a), same(b)).unwrap(), same(a | b));
                assert_eq!(bdd.differ(same(a), same(b)).unwrap(), same(a ^ b));
                assert_eq!(bdd.implies(same(a), same(b)).unwrap(), a & !b == 0);
            }
        }
    }

    #[test]
    fn an_example_holds_whatever_else_does() {
        let mut bdd = Bdd::new(10_000);
        for table in 1..=255 {
            let function = of_table(&mut bdd, table);
            let path = bdd.example(function).unwrap();
            for rest in [false, true] {
                let value =
                    |level| path.iter().find(|(known, _)| *known == level).map_or(rest, |(_, value)| *value);
                assert!(bdd.at(function, value));
            }
            for row in 0..8_u8 {
                assert_eq!(bdd.at(function, |level| row >> level & 1 == 1), table >> row & 1 == 1);
            }
        }
    }

    #[test]
    fn what_is_too_large_is_refused() {
        let mut bdd = Bdd::new(40);
        let mut all = Function::FALSE;
        let grown = (0..40).try_for_each(|pair| {
            let (a, b) = (bdd.variable(pair)?, bdd.variable(40 + pair)?);
            let both = bdd.and(a, b)?;
            all = bdd.or(all, both)?;
            Ok::<_, TooLarge>(())
        });
        assert_eq!(grown, Err(TooLarge { nodes_max: 40 }));
        assert_eq!(bdd.size(), 40);
    }
}
