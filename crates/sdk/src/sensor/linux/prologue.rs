//! Prologue: do the app's own functions still begin with the bytes that its file holds?
//!
//! Inline hooks, software breakpoints and uprobes change the first bytes of a function. The baseline comes from
//! the ELF file on disk (through the file offset in `/proc/self/maps` and the running inode `/proc/self/exe`), not
//! from memory, so a patch made before the sensor began shows as well. The present bytes come from
//! `/proc/self/mem`; no pointer is followed. Code without text relocations is equal on disk and in memory, which
//! holds for position-independent code on every 64-bit target.
//!
//! Not seen: a patch behind the guarded bytes, hooks on data (tables, vtables), and whoever also patches this code.

use super::maps::Maps;
use super::watch::{Look, Probe, WatchConfig, Watched};
use super::{Reading, Reason, Sensor};
use glacis_host::Clock;
use glacis_host::kernel::RawFile;
use glacis_seal::sha256;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// A function under guard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guarded {
    /// Name in the evidence.
    pub name: &'static str,
    /// Where it begins: `function as usize`.
    pub address: usize,
    /// Bytes from there that must equal the file's. Range: 1..=4096; outside there is no baseline.
    pub len: usize,
}

impl Guarded {
    /// Bytes that an inline hook or breakpoint must touch, with room for a long trampoline behind an `endbr64`.
    pub const LEN: usize = 32;

    /// Guards the first [`Self::LEN`] bytes of the function at `address`.
    pub const fn new(name: &'static str, address: usize) -> Self {
        Self { name, address, len: Self::LEN }
    }
}

/// The watched sensor.
#[derive(Debug)]
pub struct Prologue(Watched<PrologueProbe>);

impl Prologue {
    /// Time between two looks unless told otherwise. A hook stays while it is of use, unlike an attach; a decision
    /// looks once more anyway.
    pub const INTERVAL: Duration = Duration::from_millis(50);

    /// Takes the baseline and starts watching with [`Self::INTERVAL`] and default budget.
    ///
    /// # Errors
    /// If no thread can be started. A function without a baseline is an unknown reading, not an error.
    pub fn start(guarded: &[Guarded], clock: Arc<dyn Clock>) -> io::Result<Self> {
        Self::with(guarded, WatchConfig::every(Self::INTERVAL), clock)
    }

    /// Takes the baseline and starts watching as `config` says.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn with(guarded: &[Guarded], config: WatchConfig, clock: Arc<dyn Clock>) -> io::Result<Self> {
        Watched::start(PrologueProbe::new(guarded), config, clock).map(Self)
    }

    /// The watch behind it, for its usage.
    pub const fn watch(&self) -> &Watched<PrologueProbe> {
        &self.0
    }
}

impl Sensor for Prologue {
    fn id(&self) -> &'static str {
        self.0.id()
    }

    fn read(&self) -> Reading {
        self.0.read()
    }
}

/// Compares all guarded functions once.
#[derive(Debug)]
pub struct PrologueProbe {
    memory: Option<RawFile>,
    /// Each with the bytes of its file.
    guarded: Vec<(Guarded, Result<Vec<u8>, Reason>)>,
}

impl PrologueProbe {
    pub(super) fn new(guarded: &[Guarded]) -> Self {
        let maps = Maps::read();
        let baseline = |function: &Guarded| {
            let maps = maps.as_ref().map_err(|reason| *reason)?;
            on_disk(maps, function)
        };
        Self {
            memory: RawFile::open("/proc/self/mem").ok(),
            guarded: guarded.iter().map(|function| (*function, baseline(function))).collect(),
        }
    }

    fn present(&self, function: &Guarded) -> Result<Vec<u8>, Reason> {
        let memory = self.memory.as_ref().ok_or(Reason::Unreadable)?;
        read(memory, address(function)?, function.len)
    }
}

impl Probe for PrologueProbe {
    fn id(&self) -> &'static str {
        "prologue"
    }

    /// A difference anywhere is a detection, even where another function cannot be read.
    fn look(&self) -> Look {
        let mut found = if self.guarded.is_empty() { Look::Unknown(Reason::NoBaseline) } else { Look::Clear };
        for (function, baseline) in &self.guarded {
            match (baseline, self.present(function)) {
                (Ok(baseline), Ok(present)) => {
                    if present != *baseline {
                        let evidence = [function.name.as_bytes(), b"\0", &present].concat();
                        return Look::Detected(sha256(&evidence));
                    }
                }
                (Err(reason), _) => found = Look::Unknown(*reason),
                (_, Err(reason)) => found = Look::Unknown(reason),
            }
        }
        found
    }
}

/// What the file holds where a function is mapped.
pub(super) fn on_disk(maps: &Maps, function: &Guarded) -> Result<Vec<u8>, Reason> {
    if !(1..=LEN_MAX).contains(&function.len) {
        return Err(Reason::NoBaseline);
    }
    let len = u64::try_from(function.len).map_err(|_| Reason::NoBaseline)?;
    let (file, offset) = maps.backing(address(function)?, len)?;
    read(&file, offset, function.len)
}

/// Where a function begins.
pub(super) fn address(function: &Guarded) -> Result<u64, Reason> {
    u64::try_from(function.address).map_err(|_| Reason::NoBaseline)
}

fn read(file: &RawFile, offset: u64, len: usize) -> Result<Vec<u8>, Reason> {
    let mut bytes = vec![0; len.min(LEN_MAX)];
    file.read_exact_at(&mut bytes, offset).map_err(|_| Reason::Unreadable)?;
    Ok(bytes)
}

/// Most bytes of one function under guard: one page.
const LEN_MAX: usize = 4_096;

#[cfg(test)]
mod tests {
    use super::*;

    #[inline(never)]
    fn own() -> u32 {
        std::hint::black_box(7)
    }

    #[test]
    fn memory_equals_the_file_in_an_untouched_process() {
        let probe = PrologueProbe::new(&[Guarded::new("own", own as fn() -> u32 as usize)]);
        assert_eq!(own(), 7);
        assert_eq!(probe.look(), Look::Clear);
    }

    #[test]
    fn what_cannot_be_compared_is_unknown_never_clear() {
        let heap = Box::new([0_u8; 64]);
        let cases: [(&[Guarded], Reason); 5] = [
            (&[], Reason::NoBaseline),
            (&[Guarded::new("heap", std::ptr::from_ref(heap.as_ref()).addr())], Reason::NoBaseline),
            (&[Guarded::new("null", 0)], Reason::NoBaseline),
            (&[Guarded::new("end", usize::MAX)], Reason::NoBaseline),
            (&[Guarded { name: "none", address: own as fn() -> u32 as usize, len: 0 }], Reason::NoBaseline),
        ];
        for (guarded, want) in cases {
            assert_eq!(PrologueProbe::new(guarded).look(), Look::Unknown(want), "{guarded:?}");
        }
        let mut blind = PrologueProbe::new(&[Guarded::new("own", own as fn() -> u32 as usize)]);
        blind.memory = None;
        assert_eq!(blind.look(), Look::Unknown(Reason::Unreadable));
    }

    #[test]
    fn a_difference_outweighs_a_function_that_cannot_be_read() {
        let mut probe =
            PrologueProbe::new(&[Guarded::new("null", 0), Guarded::new("own", own as fn() -> u32 as usize)]);
        assert_eq!(probe.look(), Look::Unknown(Reason::NoBaseline));
        if let Some((_, baseline)) = probe.guarded.get_mut(1) {
            *baseline = Ok(b"other code".to_vec());
        }
        assert!(matches!(probe.look(), Look::Detected(_)));
    }
}
