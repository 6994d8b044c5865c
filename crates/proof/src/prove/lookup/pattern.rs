//! An automaton of a slice against the pattern that it stands for.
//!
//! The pattern is made deterministic anew, and both are walked together over every byte, from their first states through
//! every pair that some text reaches. They accept the same texts exactly if they agree in each such pair. The other
//! automaton tells of a match one byte late, so what is compared is what either would say if the text ended here.

use super::Same;
use glacis_policy::Automaton;
use glacis_policy::table::{MATCH, NEVER};
use glacis_wire::Encode;
use regex_automata::dfa::{Automaton as _, StartKind, dense};
use regex_automata::nfa::thompson;
use regex_automata::util::primitives::StateID;
use regex_automata::util::syntax;
use regex_automata::{Anchored, Input};
use std::collections::BTreeSet;

/// A pattern, made deterministic.
pub(super) struct Pattern(dense::DFA<Vec<u32>>);

impl Pattern {
    pub(super) fn new(pattern: &str) -> Result<Self, &'static str> {
        let rewritten = glacis_compiler::full::pattern_as_regex(pattern).ok_or("it is no pattern")?;
        determinised(&rewritten).map(Self).ok_or("its automaton is over the limit")
    }

    /// Whether they accept the same texts, of all bytes.
    pub(super) fn same(&self, table: &Automaton, walk_max: usize) -> Same {
        match Table::read(table) {
            Some(own) => walk(&own, &self.0, walk_max),
            None => Same::Unclear("the table cannot be read"),
        }
    }
}

fn determinised(pattern: &str) -> Option<dense::DFA<Vec<u32>>> {
    dense::Builder::new()
        .syntax(syntax::Config::new().utf8(false))
        .thompson(thompson::Config::new().utf8(false).nfa_size_limit(Some(BYTES_MAX)))
        .configure(
            dense::Config::new()
                .start_kind(StartKind::Unanchored)
                .accelerate(false)
                .dfa_size_limit(Some(BYTES_MAX))
                .determinize_size_limit(Some(BYTES_MAX)),
        )
        .build(pattern)
        .ok()
}

fn walk(own: &Table, dfa: &dense::DFA<Vec<u32>>, walk_max: usize) -> Same {
    let Ok(start) = dfa.start_state_forward(&Input::new("").anchored(Anchored::No)) else {
        return Same::Unclear("its automaton has no start");
    };
    let letters = letters(own, dfa);
    let mut seen = BTreeSet::from([(0, start)]);
    let mut waiting = vec![(0, start)];
    while let Some((state, other)) = waiting.pop() {
        if dfa.is_quit_state(other) {
            return Same::Unclear("its automaton gives up on some text");
        }
        if own.accepts(state) != accepts(dfa, other) {
            return Same::No;
        }
        for letter in &letters {
            let Some(next) = own.next(state, *letter) else {
                return Same::Unclear("the table cannot be read");
            };
            // After a match nothing but a match follows.
            let after = if dfa.is_match_state(other) { other } else { dfa.next_state(other, *letter) };
            if seen.insert((next, after)) {
                waiting.push((next, after));
            }
        }
        if seen.len() > walk_max {
            return Same::Unclear("comparing it takes more steps than the limit");
        }
    }
    Same::Yes
}

/// Whether a text that ends here is accepted.
fn accepts(dfa: &dense::DFA<Vec<u32>>, state: StateID) -> bool {
    dfa.is_match_state(state) || dfa.is_match_state(dfa.next_eoi_state(state))
}

/// A byte of each set of bytes that neither tells apart.
fn letters(own: &Table, dfa: &dense::DFA<Vec<u32>>) -> Vec<u8> {
    let classes = dfa.byte_classes();
    let mut seen = BTreeSet::new();
    (0..=u8::MAX).filter(|byte| seen.insert((own.class(*byte), classes.get(*byte)))).collect()
}

/// A table, read off its canonical bytes.
struct Table {
    classes: Vec<u8>,
    width: usize,
    ends: Vec<u8>,
    entries: Vec<u16>,
}

impl Table {
    fn read(table: &Automaton) -> Option<Self> {
        let bytes = table.to_bytes().ok()?;
        let (classes, rest) = bytes.split_at_checked(BYTE_VALUES)?;
        let (states, rest) = rest.split_first_chunk()?;
        let (ends, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*states)))?;
        let entries = rest.as_chunks().0.iter().map(|entry| u16::from_be_bytes(*entry)).collect();
        let width = classes.iter().max().map_or(0, |class| usize::from(*class)) + 1;
        Some(Self { classes: classes.to_vec(), width, ends: ends.to_vec(), entries })
    }

    fn class(&self, byte: u8) -> usize {
        self.classes.get(usize::from(byte)).map_or(0, |class| usize::from(*class))
    }

    fn accepts(&self, state: u16) -> bool {
        match state {
            MATCH => true,
            NEVER => false,
            state => self.ends.get(usize::from(state)) == Some(&1),
        }
    }

    fn next(&self, state: u16, byte: u8) -> Option<u16> {
        match state {
            MATCH | NEVER => Some(state),
            state => self.entries.get(usize::from(state) * self.width + self.class(byte)).copied(),
        }
    }
}

/// LIMIT: bytes of one automaton of `regex-automata`, and of what it takes to make it.
const BYTES_MAX: usize = 64 << 20;
const BYTE_VALUES: usize = 256;
