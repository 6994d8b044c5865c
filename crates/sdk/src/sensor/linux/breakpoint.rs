//! Breakpoint: does a guarded function hold a trap instruction where its file holds none?
//!
//! Debuggers and the kernel's uprobes put one trap into a function; inline hooks put a jump there. Both change the
//! prologue, so the prologue sensor sees them too; that only traps differ says *who*: a debugger. The baseline is
//! the file's, as for the prologue sensor.
//!
//! Not seen: hardware breakpoints (they change no memory), and traps behind the guarded bytes.

use super::prologue::{Guarded, address, on_disk};
use super::scene::Scene;
use super::suite::Sight;
use super::symptom::Symptom;
use super::{Confidence, Reason};
use glacis_seal::sha256;

/// Compares the guarded functions once a look.
pub(super) struct Breakpoint(Vec<(Guarded, Result<Vec<u8>, Reason>)>);

impl Breakpoint {
    /// Takes the baselines.
    pub(super) fn new(guarded: &[Guarded], scene: &mut Scene) -> Self {
        let maps = scene.maps();
        let baseline = |function: &Guarded| on_disk(maps.as_deref().map_err(|reason| *reason)?, function);
        Self(guarded.iter().map(|function| (*function, baseline(function))).collect())
    }
}

impl Symptom for Breakpoint {
    fn look(&mut self, scene: &mut Scene) -> Sight {
        let mut sight = if self.0.is_empty() { Sight::Unknown(Reason::NoBaseline) } else { Sight::Clear };
        for (function, baseline) in &self.0 {
            let present = address(function).and_then(|address| {
                let mut bytes = vec![0; baseline.as_ref().map_or(0, Vec::len)];
                scene.memory(address, &mut bytes).map(|()| bytes)
            });
            match (baseline, present) {
                (Ok(baseline), Ok(present)) if only_traps_differ(baseline, &present) => {
                    let evidence = [function.name.as_bytes(), b"\0trap"].concat();
                    return Sight::Detected(Confidence::High, sha256(&evidence));
                }
                (Ok(_), Ok(_)) => {}
                (Err(reason), _) => sight = Sight::Unknown(*reason),
                (_, Err(reason)) => sight = Sight::Unknown(reason),
            }
        }
        sight
    }
}

/// Whether there are differences, and each is a trap instruction in memory.
fn only_traps_differ(file: &[u8], memory: &[u8]) -> bool {
    let pairs = || file.chunks(TRAP.len()).zip(memory.chunks(TRAP.len()));
    let differs = |(file, memory): &(&[u8], &[u8])| file != memory;
    pairs().any(|pair| differs(&pair)) && pairs().filter(differs).all(|(_, memory)| memory == TRAP)
}

/// `int3`.
#[cfg(target_arch = "x86_64")]
const TRAP: &[u8] = &[0xcc];
/// `brk #0`, as gdb and uprobes write it on this architecture.
#[cfg(not(target_arch = "x86_64"))]
const TRAP: &[u8] = &[0x00, 0x00, 0x20, 0xd4];

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::*;

    #[test]
    fn a_trap_is_a_breakpoint_and_a_jump_is_none() {
        let file = [0x55, 0x48, 0x89, 0xe5, 0xcc, 0x90];
        for (memory, want) in [
            ([0x55, 0x48, 0x89, 0xe5, 0xcc, 0x90], false),
            ([0xcc, 0x48, 0x89, 0xe5, 0xcc, 0x90], true),
            ([0x55, 0xcc, 0x89, 0xcc, 0xcc, 0x90], true),
            ([0xe9, 0x12, 0x34, 0x56, 0x78, 0x90], false),
            ([0xcc, 0x12, 0x89, 0xe5, 0xcc, 0x90], false),
        ] {
            assert_eq!(only_traps_differ(&file, &memory), want, "{memory:02x?}");
        }
    }

    #[inline(never)]
    fn own() -> u32 {
        std::hint::black_box(9)
    }

    #[test]
    fn untouched_code_is_clear_and_what_cannot_be_compared_is_unknown() {
        let own = Guarded::new("own", own as fn() -> u32 as usize);
        assert_eq!(Breakpoint::new(&[own], &mut Scene::new()).look(&mut Scene::new()), Sight::Clear);
        for (guarded, scene, want) in [
            (&[][..], Scene::new(), Reason::NoBaseline),
            (&[own, Guarded::new("null", 0)], Scene::new(), Reason::NoBaseline),
            (&[own], Scene::blind(), Reason::Unreadable),
        ] {
            let mut scene = scene;
            assert_eq!(Breakpoint::new(guarded, &mut scene).look(&mut scene), Sight::Unknown(want));
        }
    }
}
