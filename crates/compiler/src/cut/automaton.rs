//! A pattern as the automaton that zones run: determinised, minimised, and in one canonical form.
//!
//! The pattern is read by the rules of the profile `full` (`full::pattern`), which says what it means, and made
//! deterministic by `regex-automata`. What comes out is walked once, state by state, into our own table: states that
//! no text tells apart become one, bytes that no state tells apart one class, and states are numbered in the order in
//! which they are met. So equal languages give equal tables, whatever the determiniser does.
//!
//! Everything is bounded: the memory of the determiniser, the states, and the work of minimising. A pattern beyond is
//! refused where it stands.

use crate::full::rewritten_pattern;
use glacis_policy::Automaton;
use glacis_policy::table::{MATCH, NEVER};
use regex_automata::dfa::{Automaton as _, StartKind, dense};
use regex_automata::nfa::thompson;
use regex_automata::util::primitives::StateID;
use regex_automata::util::syntax;
use regex_automata::{Anchored, Input};
use std::collections::{BTreeMap, VecDeque};

/// Why a pattern has no automaton.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It is not in RE2's syntax, or larger than any pattern may be.
    Pattern,
    /// Its automaton is over the limits.
    Size,
}

/// The automaton that looks for a part that matches `pattern`.
pub(crate) fn build(pattern: &str) -> Result<Automaton, Refusal> {
    let (rewritten, is_taken) = rewritten_pattern(pattern).ok_or(Refusal::Pattern)?;
    let syntax = syntax::Config::new().utf8(false);
    if !is_taken {
        // What reads and is refused all the same is too large.
        let reads = syntax::parse_with(&rewritten, &syntax).is_ok();
        return Err(if reads { Refusal::Size } else { Refusal::Pattern });
    }
    let dfa = dense::Builder::new()
        .syntax(syntax)
        .thompson(thompson::Config::new().utf8(false).nfa_size_limit(Some(NFA_BYTES_MAX)))
        .configure(
            dense::Config::new()
                .start_kind(StartKind::Unanchored)
                .accelerate(false)
                .dfa_size_limit(Some(DFA_BYTES_MAX))
                .determinize_size_limit(Some(DFA_BYTES_MAX)),
        )
        .build(&rewritten)
        .map_err(|_| Refusal::Size)?;
    let walked = Graph::walk(&dfa).ok_or(Refusal::Size)?;
    let blocks = walked.blocks().ok_or(Refusal::Size)?;
    walked.table(&blocks).ok_or(Refusal::Size)
}

/// The determiniser's automaton without its delays: what follows a byte, and what the end says.
struct Graph {
    /// The letter of each byte: bytes that the determiniser does not tell apart.
    letters: Vec<usize>,
    /// For each state the next by letter, and whether a text may end there. The first is where a run begins.
    states: Vec<(Vec<usize>, bool)>,
    /// The state after a match, and the one after which none comes; they lead to themselves.
    matched: usize,
    never: usize,
}

impl Graph {
    fn walk(dfa: &dense::DFA<Vec<u32>>) -> Option<Self> {
        let classes = dfa.byte_classes();
        let letters: Vec<usize> = (0..=u8::MAX).map(|byte| usize::from(classes.get(byte))).collect();
        let samples: Vec<u8> = (0..=u8::MAX).filter(|byte| is_first(&letters, *byte)).collect();
        let start = dfa.start_state_forward(&Input::new("").anchored(Anchored::No)).ok()?;
        let mut graph = Self { letters, states: Vec::new(), matched: 1, never: 2 };
        let width = samples.len();
        for end in [false, true, false] {
            let own = graph.states.len();
            graph.states.push((vec![own; width], end));
        }
        let mut known = BTreeMap::from([(start, 0)]);
        let mut waiting = VecDeque::from([start]);
        while let Some(state) = waiting.pop_front() {
            let at = *known.get(&state)?;
            let mut row = Vec::with_capacity(width);
            for byte in &samples {
                let next = dfa.next_state(state, *byte);
                row.push(graph.place(dfa, next, &mut known, &mut waiting)?);
            }
            let end = dfa.is_match_state(dfa.next_eoi_state(state));
            *graph.states.get_mut(at)? = (row, end);
        }
        Some(graph)
    }

    /// The place of a state, which is made where it is met first.
    fn place(
        &mut self,
        dfa: &dense::DFA<Vec<u32>>,
        state: StateID,
        known: &mut BTreeMap<StateID, usize>,
        waiting: &mut VecDeque<StateID>,
    ) -> Option<usize> {
        if dfa.is_match_state(state) {
            return Some(self.matched);
        }
        if dfa.is_dead_state(state) {
            return Some(self.never);
        }
        if dfa.is_quit_state(state) || self.states.len() > STATES_MAX {
            return None;
        }
        let fresh = self.states.len();
        let at = *known.entry(state).or_insert(fresh);
        if at == fresh {
            self.states.push((Vec::new(), false));
            waiting.push_back(state);
        }
        Some(at)
    }

    /// The block of each state: states in one block judge every text alike (Moore's refinement). `None` where that
    /// is too much work.
    fn blocks(&self) -> Option<Vec<usize>> {
        let mut blocks: Vec<usize> = self.states.iter().map(|(_, end)| usize::from(*end)).collect();
        let mut count = 0;
        let mut work = 0;
        loop {
            let mut seen = BTreeMap::new();
            let refined: Vec<usize> = self
                .states
                .iter()
                .zip(&blocks)
                .map(|((row, _), own)| {
                    let below = row.iter().map(|next| blocks.get(*next).copied().unwrap_or(0));
                    let signature: Vec<usize> = std::iter::once(*own).chain(below).collect();
                    let fresh = seen.len();
                    *seen.entry(signature).or_insert(fresh)
                })
                .collect();
            work += self.states.iter().map(|(row, _)| row.len()).sum::<usize>();
            if seen.len() == count {
                return Some(refined);
            }
            if work > WORK_MAX {
                return None;
            }
            count = seen.len();
            blocks = refined;
        }
    }

    /// The table over blocks, in the order in which a walk from the first meets them.
    fn table(&self, blocks: &[usize]) -> Option<Automaton> {
        let block = |state: usize| blocks.get(state).copied();
        let (matched, never) = (block(self.matched)?, block(self.never)?);
        let samples: BTreeMap<usize, usize> =
            blocks.iter().enumerate().rev().map(|(state, block)| (*block, state)).collect();
        let mut names = BTreeMap::from([(block(0)?, 0_usize)]);
        let mut order = vec![block(0)?];
        let mut rows: Vec<Vec<u16>> = Vec::new();
        let mut ends = Vec::new();
        while let Some(own) = order.get(rows.len()).copied() {
            let (next, end) = self.states.get(*samples.get(&own)?)?;
            let mut row = Vec::with_capacity(next.len());
            for state in next {
                let target = block(*state)?;
                row.push(match target {
                    _ if target == matched => MATCH,
                    _ if target == never => NEVER,
                    _ => {
                        let fresh = names.len();
                        let name = *names.entry(target).or_insert(fresh);
                        if name == fresh {
                            order.push(target);
                        }
                        u16::try_from(name).ok()?
                    }
                });
            }
            rows.push(row);
            ends.push(*end);
        }
        let (classes, columns) = self.classes(&rows)?;
        let next = rows.iter().flat_map(|row| columns.iter().filter_map(|column| row.get(*column).copied()));
        Automaton::try_new(classes, ends, next.collect())
    }

    /// The class of each byte, numbered by first use, and a letter of each class.
    fn classes(&self, rows: &[Vec<u16>]) -> Option<(Box<[u8; 256]>, Vec<usize>)> {
        let mut seen: BTreeMap<Vec<u16>, usize> = BTreeMap::new();
        let mut columns = Vec::new();
        let mut by_letter: BTreeMap<usize, usize> = BTreeMap::new();
        let mut classes = Box::new([0; 256]);
        for (class, letter) in classes.iter_mut().zip(&self.letters) {
            let found = match by_letter.get(letter) {
                Some(found) => *found,
                None => {
                    let column = rows.iter().map(|row| row.get(*letter).copied()).collect::<Option<_>>()?;
                    let fresh = columns.len();
                    let found = *seen.entry(column).or_insert(fresh);
                    if found == fresh {
                        columns.push(*letter);
                    }
                    by_letter.insert(*letter, found);
                    found
                }
            };
            *class = u8::try_from(found).ok()?;
        }
        Some((classes, columns))
    }
}

/// Whether no lesser byte has the letter of this one. Letters ascend with bytes.
fn is_first(letters: &[usize], byte: u8) -> bool {
    let own = letters.get(usize::from(byte));
    usize::from(byte).checked_sub(1).is_none_or(|before| letters.get(before) != own)
}

/// LIMIT: bytes of the determiniser's input.
const NFA_BYTES_MAX: usize = 1 << 20;
/// LIMIT: bytes of its work, and of its result.
const DFA_BYTES_MAX: usize = 16 << 20;
/// LIMIT: states before minimising.
const STATES_MAX: usize = 1 << 15;
/// LIMIT: entries that minimising looks at, some seconds.
const WORK_MAX: usize = 100_000_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::full::pattern_matches;

    #[test]
    fn automata_are_small_and_canonical() {
        for (pattern, states) in [
            ("", 1),
            ("a", 1),
            ("^", 1),
            ("^a", 1),
            ("a$", 2),
            ("abc", 3),
            ("^abc$", 4),
            ("(?:a|b|c)", 1),
            ("(ab|cb|db)x", 3),
            (r"@(mailinator|trashmail)\.com$", 24),
        ] {
            let automaton = build(pattern).unwrap();
            assert_eq!(automaton.states(), states, "{pattern}");
        }
        assert_eq!(build("a|b"), build("[ab]"));
        assert_eq!(build("(a*)*b"), build("b"));
        assert_eq!(build("x{2}|xx"), build("xx"));
    }

    /// Patterns whose automata are, or would be, large: refused, never slow, never in part.
    #[test]
    fn patterns_that_explode_are_refused() {
        for pattern in [
            "(a{1,1000}){1,1000}",
            "[ab]*a[ab]{24}",
            "(a|b)*a(a|b){16}c",
            &"(".repeat(500),
            &"a".repeat(5_000),
            "(?:\\pL{1,9}\\pN{1,9}){5}",
            "((((((a{1,10}){1,10}){1,10}){1,10}){1,10}){1,10}){1,10}",
        ] {
            assert!(build(pattern).is_err(), "{pattern}");
        }
        for pattern in
            ["a{1000}", "[ab]*a[ab]{8}", r"^\pL+$", r"(?i)^[a-zé]{1,40}$", "x*".repeat(200).as_str()]
        {
            assert!(build(pattern).is_ok(), "{pattern}");
        }
    }

    #[test]
    fn automata_say_what_the_reference_says() {
        let texts = [
            "",
            "a",
            "b",
            "ab",
            "ba",
            "aab",
            "abc",
            "é",
            "éa",
            "aé",
            "\n",
            "a\n",
            "\na",
            "A",
            "aA",
            "x_1",
            "_",
            " ",
            "a b",
            "日本",
            "\0",
            "10.0.0.1",
            "user@mailinator.com",
            "ſ",
            "K",
            "\u{10ffff}",
            "a-b",
            "foo bar",
        ];
        for pattern in [
            "",
            "a",
            "^a",
            "a$",
            "^a$",
            "^$",
            "$",
            "^",
            "a|b",
            "a||b",
            "(|a)b",
            "a*",
            "a+?",
            "a??b",
            "[^a]",
            ".",
            "^.$",
            "^..$",
            r"\d+",
            r"\bb",
            r"\bé",
            r"\Bé",
            r"b\b",
            r"^\W",
            r"\pL",
            r"\PL",
            r"(?i)k",
            r"(?i)S",
            r"(?s)a.",
            "a.",
            "(?m)^a$",
            "(?m)a$",
            r"\Aa\z",
            r"(?U)a+b",
            r"[[:alpha:]]",
            r"^[\x00-\x7f]*$",
            r"\x{10FFFF}",
            r"[日本]+",
            r"\Qa-b\E",
            r"(foo)\s(bar)",
            r"^(?:a|ab)(?:c|)$",
            r"^\S+$",
        ] {
            let automaton = build(pattern).unwrap();
            for text in texts {
                assert_eq!(
                    Some(automaton.matches(text.as_bytes())),
                    pattern_matches(pattern, text),
                    "{pattern} on {text:?}"
                );
            }
        }
    }
}
