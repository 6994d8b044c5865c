//! Tables: automata of patterns, networks, time zones and models, against what the policy writes.
//!
//! What the bytes hold and what the source names get one number if they are proven to say the same of every input:
//! automata by a walk over all pairs of states that some text reaches, networks as sets of addresses, zones at every
//! moment at which either changes, models byte by byte. What could not be compared is said, and equal to nothing.
//!
//! Trusted: that the profile `full` reads a pattern, a zone name and its database right, and that `regex-automata`
//! determinises what it parses. Not trusted: minimising, byte classes, packing, merging, cycles.

mod network;
mod pattern;
mod zone;

use glacis_compiler::checked::{Checked, Expr, ExprKind};
use glacis_policy::{Node, Slice, Table};
use glacis_wire::{Encode, Type};
use std::collections::{BTreeMap, BTreeSet};

/// Whether two tables say the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Same {
    Yes,
    No,
    /// It is more work than the limit, or has no form in which it could be compared.
    Unclear(&'static str),
}

/// What the source names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Written {
    Pattern(String),
    Networks(Vec<String>),
    Zone(String),
}

/// Numbers of tables and models; equal ones share theirs.
#[derive(Debug, Default)]
pub(super) struct Lookups {
    written: BTreeMap<Written, usize>,
    tables: BTreeMap<Vec<u8>, usize>,
    models: BTreeMap<Vec<u8>, usize>,
    /// What could not be compared, and why.
    pub(super) unclear: BTreeSet<(String, &'static str)>,
    /// The numbers of both.
    doubtful: BTreeSet<usize>,
}

impl Lookups {
    /// Compares every table of the slices with everything that the policy writes.
    pub(super) fn new(policy: &Checked, slices: &[Slice; 3], walk_max: usize) -> Self {
        let mut names = BTreeSet::new();
        policy.rules().iter().for_each(|rule| collect(&rule.when, &mut names));
        let mut lookups = Self::default();
        for name in &names {
            let number = lookups.written.len();
            lookups.written.insert(name.clone(), number);
        }
        let models = policy.models().iter().map(|model| &model.bytes);
        for bytes in models.chain(slices.iter().flat_map(|slice| &slice.parts().models)) {
            let number = lookups.models.len();
            lookups.models.entry(bytes.clone()).or_insert(number);
        }
        let mut tables: BTreeMap<Vec<u8>, &Table> = BTreeMap::new();
        for table in slices.iter().flat_map(|slice| slice.nodes()).filter_map(table) {
            tables.extend(table.to_bytes().ok().map(|key| (key, table)));
        }
        for key in tables.keys() {
            let number = lookups.written.len() + lookups.tables.len();
            lookups.tables.insert(key.clone(), number);
        }
        for name in &names {
            lookups.compare(name, &tables, walk_max);
        }
        lookups
    }

    /// Compares one thing that is written with every table: what is equal shares a number from then on.
    fn compare(&mut self, name: &Written, tables: &BTreeMap<Vec<u8>, &Table>, walk_max: usize) {
        let Some(number) = self.written.get(name).copied() else { return };
        let judge = Judge::new(name);
        for (key, table) in tables {
            match judge.same(table, walk_max) {
                Some(Same::Yes) => {
                    let equal = self.tables.get(key).copied().unwrap_or(number);
                    let all = self.written.values_mut().chain(self.tables.values_mut());
                    all.filter(|known| **known == equal).for_each(|known| *known = number);
                }
                Some(Same::Unclear(why)) => {
                    self.unclear.insert((text(name), why));
                    self.doubtful.extend(self.tables.get(key).copied().into_iter().chain([number]));
                }
                Some(Same::No) | None => {}
            }
        }
    }

    pub(super) fn pattern(&self, pattern: &str) -> Option<usize> {
        self.written.get(&Written::Pattern(pattern.to_owned())).copied()
    }

    pub(super) fn networks(&self, networks: &[String]) -> Option<usize> {
        self.written.get(&Written::Networks(networks.to_vec())).copied()
    }

    pub(super) fn zone(&self, zone: &str) -> Option<usize> {
        self.written.get(&Written::Zone(zone.to_owned())).copied()
    }

    pub(super) fn table(&self, table: &Table) -> Option<usize> {
        self.tables.get(&table.to_bytes().ok()?).copied()
    }

    /// Whether a number stands for what could not be compared with everything.
    pub(super) fn is_doubtful(&self, number: usize) -> bool {
        self.doubtful.contains(&number)
    }

    pub(super) fn model(&self, bytes: &[u8]) -> Option<usize> {
        self.models.get(bytes).copied()
    }

    /// How many tables of slices were compared.
    pub(super) fn count(&self) -> usize {
        self.tables.len()
    }
}

fn table(node: &Node) -> Option<&Table> {
    match node {
        Node::Table(table) => Some(table),
        _ => None,
    }
}

/// Everything below an expression that slices hold as a table.
fn collect(expr: &Expr, found: &mut BTreeSet<Written>) {
    let name = match &expr.kind {
        ExprKind::Matches(_, pattern) => Some(Written::Pattern(pattern.clone())),
        ExprKind::InNetworks(_, networks) => Some(Written::Networks(networks.clone())),
        ExprKind::TimePart(_, a, zone) if a.ty != Type::Duration => {
            Some(Written::Zone(zone.clone().unwrap_or_else(|| "UTC".to_owned())))
        }
        _ => None,
    };
    found.extend(name);
    expr.parts().into_iter().for_each(|part| collect(part, found));
}

/// What is written, made ready to be compared with many tables.
enum Judge {
    Pattern(Box<Result<pattern::Pattern, &'static str>>),
    Networks(Option<network::Addresses>),
    Zone(Option<zone::Offsets>),
}

impl Judge {
    fn new(written: &Written) -> Self {
        match written {
            Written::Pattern(pattern) => Self::Pattern(Box::new(pattern::Pattern::new(pattern))),
            Written::Networks(networks) => Self::Networks(network::Addresses::new(networks)),
            Written::Zone(name) => Self::Zone(zone::Offsets::new(name)),
        }
    }

    /// `None`: they are not of one kind.
    fn same(&self, table: &Table, walk_max: usize) -> Option<Same> {
        Some(match (self, table) {
            (Self::Pattern(pattern), Table::Automaton(table)) => match &**pattern {
                Ok(pattern) => pattern.same(table, walk_max),
                Err(why) => Same::Unclear(why),
            },
            (Self::Networks(Some(networks)), Table::Networks(table)) => networks.same(table),
            (Self::Networks(None), Table::Networks(_)) => Same::Unclear("it is no network"),
            (Self::Zone(Some(zone)), Table::TimeZone(table)) => zone.same(table),
            (Self::Zone(None), Table::TimeZone(_)) => Same::Unclear("it is no time zone"),
            _ => return None,
        })
    }
}

fn text(written: &Written) -> String {
    match written {
        Written::Pattern(pattern) => format!("pattern {pattern:?}"),
        Written::Networks(networks) => format!("networks {networks:?}"),
        Written::Zone(name) => format!("time zone {name:?}"),
    }
}
