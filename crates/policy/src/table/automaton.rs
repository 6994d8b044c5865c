//! A pattern as a deterministic automaton over the bytes of a text: one look-up a byte, whatever the pattern is.
//!
//! The automaton looks for a part that matches, so no search runs around it. Bytes are first mapped to *classes*
//! that no state tells apart; a row of the table has one entry a class. Two entries end a run early: [`MATCH`], a
//! part has matched whatever follows, and [`NEVER`], none will. Where the text ends, the state says.
//!
//! Form of the bytes: 256 classes, numbered by first use ‖ states (u16) ‖ one byte a state, whether a text may end
//! there ‖ the entries (u16 each), state by state.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;
use glacis_wire::{Decode, DecodeError, Encode, EncodeError, Reader, Writer};

/// Entry: a part of the text has matched.
pub const MATCH: u16 = u16::MAX;
/// Entry: no part of the text can match any more.
pub const NEVER: u16 = u16::MAX - 1;

/// A compiled pattern. State 0 is the first.
#[derive(Clone, PartialEq, Eq)]
pub struct Automaton {
    /// The class of each byte.
    classes: Box<[u8; BYTES]>,
    /// Entries of a row.
    width: usize,
    /// Whether a text that ends in a state matches.
    ends: Box<[bool]>,
    /// Rows of the states, one behind the other.
    next: Box<[u16]>,
}

impl Automaton {
    /// Most entries of one table: 128 KiB.
    pub const ENTRIES_MAX: usize = 1 << 16;
    /// Most states of one table.
    pub const STATES_MAX: usize = 1 << 13;

    /// The automaton of a table, if that is in its one form: classes numbered by first use, as many rows as states,
    /// entries that are states or one of [`MATCH`] and [`NEVER`].
    pub fn try_new(classes: Box<[u8; BYTES]>, ends: Vec<bool>, next: Vec<u16>) -> Option<Self> {
        let width = width(&classes)?;
        let states = ends.len();
        let sound = (1..=Self::STATES_MAX).contains(&states)
            && next.len() <= Self::ENTRIES_MAX
            && next.len() == states * width
            && next.iter().all(|entry| usize::from(*entry) < states || matches!(*entry, MATCH | NEVER));
        sound.then(|| Self { classes, width, ends: ends.into(), next: next.into() })
    }

    /// Whether a part of `text` matches. One look-up a byte.
    pub fn matches(&self, text: &[u8]) -> bool {
        let mut state = 0;
        for byte in text {
            // INVARIANT: a class is below the width and a state below the rows, so each entry is found.
            let class = self.classes.get(usize::from(*byte)).map_or(0, |class| usize::from(*class));
            match self.next.get(state * self.width + class) {
                Some(&MATCH) => return true,
                None | Some(&NEVER) => return false,
                Some(next) => state = usize::from(*next),
            }
        }
        self.ends.get(state) == Some(&true)
    }

    /// How many states it has.
    pub const fn states(&self) -> usize {
        self.ends.len()
    }

    /// Bytes of its encoding.
    pub const fn encoded_bytes(&self) -> usize {
        BYTES + 2 + self.ends.len() + 2 * self.next.len()
    }
}

/// How many classes there are, if they are numbered by first use.
fn width(classes: &[u8; BYTES]) -> Option<usize> {
    classes.iter().try_fold(0, |known, class| match usize::from(*class) {
        class if class < known => Some(known),
        class if class == known => Some(known + 1),
        _ => None,
    })
}

/// Its size: tables are long.
impl fmt::Debug for Automaton {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Automaton").field("states", &self.ends.len()).field("width", &self.width).finish()
    }
}

impl Encode for Automaton {
    fn encode(&self, out: &mut Writer) -> Result<(), EncodeError> {
        out.raw(&*self.classes);
        let states = u16::try_from(self.ends.len());
        out.u16(states.map_err(|_| EncodeError { what: "states", limit: Self::STATES_MAX })?);
        self.ends.iter().for_each(|end| out.bool(*end));
        self.next.iter().for_each(|entry| out.u16(*entry));
        Ok(())
    }
}

impl Decode for Automaton {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let at = input.invalid("automaton");
        let classes = Box::new(input.array()?);
        let width = width(&classes).ok_or(at)?;
        let states = usize::from(input.u16()?);
        if states > Self::STATES_MAX || states * width > Self::ENTRIES_MAX {
            return Err(at);
        }
        let ends = input.raw(states)?.iter().map(|end| match end {
            0 | 1 => Ok(*end == 1),
            _ => Err(at),
        });
        let ends = ends.collect::<Result<_, _>>()?;
        let entries = input.raw(2 * states * width)?.as_chunks().0;
        let next = entries.iter().map(|entry| u16::from_be_bytes(*entry)).collect();
        Self::try_new(classes, ends, next).ok_or(at)
    }
}

/// Values of a byte.
const BYTES: usize = 1 << 8;
const _: () = assert!(Automaton::STATES_MAX <= NEVER as usize, "names of states and of ends differ");

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    /// `a.*b$`-like by hand: an `a`, and at the end a `b` behind it.
    fn automaton() -> Automaton {
        let mut classes = Box::new([0; BYTES]);
        classes[usize::from(b'a')] = 1;
        classes[usize::from(b'b')] = 2;
        let next = vec![0, 1, 0, 1, 1, 2, 1, 1, 2];
        Automaton::try_new(classes, vec![false, false, true], next).unwrap()
    }

    #[test]
    fn the_end_of_the_text_decides_where_no_entry_did() {
        for (text, want) in [("", false), ("ab", true), ("xaxb", true), ("abx", false), ("ba", false)] {
            assert_eq!(automaton().matches(text.as_bytes()), want, "{text}");
        }
    }

    #[test]
    fn early_ends_end_the_run() {
        let classes = Box::new([0; BYTES]);
        for (entry, end, want) in [(MATCH, false, true), (NEVER, true, false)] {
            let automaton = Automaton::try_new(classes.clone(), vec![end], vec![entry]).unwrap();
            assert_eq!(automaton.matches(b"xyz"), want);
            assert_eq!(automaton.matches(b""), end);
        }
    }

    #[test]
    fn tables_out_of_bounds_or_form_are_refused() {
        let plain = Box::new([0; BYTES]);
        let mut gap = plain.clone();
        gap[9] = 2;
        for (classes, ends, next) in [
            (plain.clone(), vec![], vec![]),
            (plain.clone(), vec![true], vec![1]),
            (plain.clone(), vec![true], vec![0, 0]),
            (plain.clone(), vec![true, true], vec![0]),
            (plain, vec![true; Automaton::STATES_MAX + 1], vec![0; Automaton::STATES_MAX + 1]),
            (gap, vec![true], vec![0, 0, 0]),
        ] {
            assert_eq!(Automaton::try_new(classes, ends, next), None);
        }
    }

    #[test]
    fn bytes_give_the_automaton_again_and_mutants_of_them_stay_in_bounds() {
        let bytes = automaton().to_bytes().unwrap();
        assert_eq!(Automaton::from_bytes(&bytes), Ok(automaton()));
        for at in 0..bytes.len() {
            for flip in [1, 0x80, 0xff] {
                let mut mutant = bytes.clone();
                mutant[at] ^= flip;
                if let Ok(loaded) = Automaton::from_bytes(&mutant) {
                    assert_eq!(loaded.to_bytes().as_deref(), Ok(&mutant[..]));
                    loaded.matches("aébx".as_bytes());
                }
            }
            assert!(Automaton::from_bytes(&bytes[..at]).is_err());
        }
    }
}
