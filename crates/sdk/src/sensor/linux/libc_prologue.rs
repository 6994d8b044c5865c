//! C library prologue: do its functions still begin with the bytes of its file?
//!
//! Hooks on what an app asks of the system (files, sockets, time, memory, the loader) are put into the C library:
//! Frida hooks some of these on every attach. The functions are found in the library's own symbol table, the
//! baseline is the file that is mapped, if its path still leads to the mapped inode. A function that the library
//! chooses when the program starts (an IFUNC) is compared where it is chosen: its chooser is code as well. Code is
//! position-independent and has no relocations, so memory and file are equal.
//!
//! Not seen: hooks behind the guarded bytes (the text pages show them), a program that is linked statically.

use super::elf;
use super::maps::{FileId, Maps};
use super::modules::is_libc;
use super::prologue::Guarded;
use super::scene::Scene;
use super::suite::Sight;
use super::symptom::Symptom;
use super::{Confidence, Reason};
use glacis_host::kernel::RawFile;
use glacis_seal::sha256_parts;

/// Compares the guarded functions of the C library.
pub(super) struct LibcPrologue(Result<Vec<Known>, Reason>);

/// A function as its file has it.
struct Known {
    name: &'static str,
    address: u64,
    file: [u8; Guarded::LEN],
}

impl LibcPrologue {
    /// Finds the functions and takes the baseline.
    pub(super) fn new(scene: &mut Scene) -> Self {
        Self(baseline(scene))
    }
}

fn baseline(scene: &mut Scene) -> Result<Vec<Known>, Reason> {
    let maps = scene.maps()?;
    let modules = elf::modules(scene)?;
    let libc = modules.iter().find(|module| is_libc(&module.name)).ok_or(Reason::NoBaseline)?;
    let mut known = Vec::new();
    let mut opened: Option<(FileId, RawFile)> = None;
    for name in FUNCTIONS {
        let Some(symbol) = libc.symbol(scene, name.as_bytes())? else { continue };
        if known.iter().any(|one: &Known| one.address == symbol.address) {
            continue;
        }
        known.push(Known {
            name,
            address: symbol.address,
            file: on_disk(&maps, symbol.address, &mut opened)?,
        });
    }
    if known.is_empty() { Err(Reason::NoBaseline) } else { Ok(known) }
}

/// Bytes of the file that is mapped at `address`, which is opened once.
fn on_disk(
    maps: &Maps,
    address: u64,
    opened: &mut Option<(FileId, RawFile)>,
) -> Result<[u8; Guarded::LEN], Reason> {
    let row = maps.at(address).filter(|row| row.execute).ok_or(Reason::NoBaseline)?;
    let mapped = row.file.ok_or(Reason::NoBaseline)?;
    if opened.as_ref().is_none_or(|(file, _)| *file != mapped) {
        *opened = Some((mapped, maps.open(row)?));
    }
    let (_, file) = opened.as_ref().ok_or(Reason::Unreadable)?;
    let mut bytes = [0; Guarded::LEN];
    let offset = (address - row.start).checked_add(row.offset).ok_or(Reason::Malformed)?;
    file.read_exact_at(&mut bytes, offset).map_err(|_| Reason::Unreadable)?;
    Ok(bytes)
}

impl Symptom for LibcPrologue {
    fn look(&mut self, scene: &mut Scene) -> Sight {
        let known = match &self.0 {
            Ok(known) => known,
            Err(reason) => return Sight::Unknown(*reason),
        };
        let mut unreadable = None;
        for function in known {
            let mut present = [0; Guarded::LEN];
            match scene.memory(function.address, &mut present) {
                Ok(()) if present != function.file => {
                    let parts = [b"libc-prologue\0".as_slice(), function.name.as_bytes(), b"\0", &present];
                    return Sight::Detected(Confidence::High, sha256_parts(&parts));
                }
                Ok(()) => {}
                Err(reason) => unreadable = Some(reason),
            }
        }
        unreadable.map_or(Sight::Clear, Sight::Unknown)
    }
}

/// What attackers hook: what an app asks of the system, and what injection itself needs.
const FUNCTIONS: [&str; 32] = [
    "open",
    "open64",
    "openat",
    "read",
    "write",
    "close",
    "readlink",
    "stat",
    "access",
    "fopen",
    "connect",
    "send",
    "sendto",
    "recv",
    "recvfrom",
    "getaddrinfo",
    "clock_gettime",
    "gettimeofday",
    "time",
    "nanosleep",
    "dlopen",
    "dlsym",
    "mmap",
    "mprotect",
    "ptrace",
    "fork",
    "execve",
    "pthread_create",
    "getenv",
    "strcmp",
    "memcmp",
    "exit",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_clear_and_most_functions_are_guarded() {
        let mut scene = Scene::new();
        let mut symptom = LibcPrologue::new(&mut scene);
        assert!(symptom.0.as_ref().is_ok_and(|known| known.len() > 20));
        assert_eq!(symptom.look(&mut scene), Sight::Clear);
        assert_eq!(symptom.look(&mut Scene::blind()), Sight::Unknown(Reason::Unreadable));
        assert_eq!(
            LibcPrologue::new(&mut Scene::blind()).look(&mut scene),
            Sight::Unknown(Reason::Unreadable)
        );
    }

    #[test]
    fn another_byte_anywhere_in_a_prologue_is_detected() {
        let mut scene = Scene::new();
        for place in [0, 5, Guarded::LEN - 1] {
            let mut symptom = LibcPrologue::new(&mut scene);
            let known = symptom.0.as_mut().unwrap();
            known.last_mut().unwrap().file[place] ^= 1;
            assert!(matches!(symptom.look(&mut scene), Sight::Detected(Confidence::High, _)), "{place}");
        }
    }

    #[test]
    fn code_of_a_file_that_is_no_longer_there_has_no_baseline() {
        let maps = Maps::parse(b"7000-8000 r-xp 0 fe:00 1 /nonexistent/libc.so.6\n".to_vec()).unwrap();
        assert_eq!(on_disk(&maps, 0x7000, &mut None).err(), Some(Reason::Unreadable));
        assert_eq!(on_disk(&maps, 0x9000, &mut None).err(), Some(Reason::NoBaseline));
        let maps = Maps::parse(b"7000-8000 r-xp 0 fe:00 1 /proc/self/status\n".to_vec()).unwrap();
        assert_eq!(on_disk(&maps, 0x7000, &mut None).err(), Some(Reason::NoBaseline), "another inode");
    }
}
