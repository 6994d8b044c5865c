//! Symbol owner: do the C library's functions still belong to the C library?
//!
//! Two ways to put oneself between a program and its library leave the library's bytes alone. A preloaded module
//! that defines `connect` or `clock_gettime` is asked first by everyone (libfaketime, proxychains, a shim); so for
//! each guarded function the first module that defines it must be the program itself, or built in and of the C
//! library's family. And an import slot of our own module may be overwritten; so each slot must lead into the code of such a module, into our
//! own (before it is bound) or to the kernel's.
//!
//! A sanitizer's run time that the program was linked with defines these functions too; a library that replaces some
//! on purpose is named in [`HostProfile::preloads`](super::HostProfile). Without a
//! dynamic linker there is neither order nor slot: no baseline. Not seen: slots of other modules.

use super::elf::{self, Module, Slot};
use super::maps::{FileId, Maps, Row};
use super::modules::{Modules, file_name, is_libc};
use super::preload::is_allowed;
use super::scene::Scene;
use super::suite::{Preload, Sight};
use super::symptom::Symptom;
use super::{Confidence, Reason};
use glacis_seal::sha256_parts;
use std::collections::BTreeSet;

/// Watches who owns what we call.
#[derive(Default)]
pub(super) struct SymbolOwner {
    allowed: Vec<Preload>,
    scope: Option<Known>,
}

/// What holds as long as no module comes or goes.
struct Known {
    /// Files of all code at that time.
    code: BTreeSet<FileId>,
    /// Files of modules that the program was built with.
    built_in: BTreeSet<FileId>,
    /// The function whose first definition is elsewhere.
    stranger: Option<usize>,
    slots: Vec<Slot>,
}

impl Known {
    fn of(
        scene: &mut Scene,
        maps: &Maps,
        code: BTreeSet<FileId>,
        allowed: &[Preload],
    ) -> Result<Self, Reason> {
        let scope = scene.scope()?;
        let file = |address: u64| maps.at(address).and_then(|row| row.file);
        let places = || scope.modules.iter().enumerate();
        let is_ours = |place: usize| {
            let is_allowed = |module: &Module| is_allowed(allowed, &module.name);
            scope.is_built_in(place) || scope.modules.get(place).is_some_and(is_allowed)
        };
        let may_define = |place: usize| {
            let name = scope.modules.get(place).map_or(&[][..], |module| module.name.as_slice());
            is_ours(place) && (place == 0 || defines_functions(file_name(name)) || is_allowed(allowed, name))
        };
        let built_in = places().filter(|(place, _)| is_ours(*place));
        let built_in = built_in.filter_map(|(_, module)| file(module.dynamic_at)).collect();
        let mut stranger = None;
        for (function, name) in FUNCTIONS.iter().enumerate() {
            let mut definer = None;
            for (place, module) in places() {
                if module.symbol(scene, name)?.is_some() {
                    definer = Some(place);
                    break;
                }
            }
            if definer.is_some_and(|place| !may_define(place)) {
                stranger = Some(function);
                break;
            }
        }
        let own = Modules::own(maps);
        let own = places().find(|(_, module)| own.is_some() && file(module.dynamic_at) == own);
        let slots = own.map(|(_, module)| module.slots(scene, &FUNCTIONS)).transpose()?.unwrap_or_default();
        Ok(Self { code, built_in, stranger, slots })
    }
}

impl SymbolOwner {
    /// With the modules that the host lets be preloaded.
    pub(super) fn new(allowed: &[Preload]) -> Self {
        Self { allowed: allowed.to_vec(), scope: None }
    }

    fn find(&mut self, scene: &mut Scene) -> Result<Option<usize>, Reason> {
        let maps = scene.maps()?;
        let code = maps.code();
        if code.is_empty() {
            // An emulator that shows no code as code: owners cannot be told.
            return Err(Reason::NoBaseline);
        }
        let known = match self.scope.take() {
            Some(known) if known.code == code => known,
            _ => Known::of(scene, &maps, code, &self.allowed)?,
        };
        let known = self.scope.insert(known);
        if let Some(function) = known.stranger {
            return Ok(Some(function));
        }
        for slot in &known.slots {
            let held = elf::word(scene, slot.at)?;
            if !maps.at(held).is_some_and(|row| may_hold(&maps, row, &known.built_in)) {
                return Ok(Some(slot.function));
            }
        }
        Ok(None)
    }
}

impl Symptom for SymbolOwner {
    fn look(&mut self, scene: &mut Scene) -> Sight {
        match self.find(scene) {
            Ok(None) => Sight::Clear,
            Ok(Some(function)) => {
                let name = FUNCTIONS.get(function).copied().unwrap_or_default();
                Sight::Detected(Confidence::High, sha256_parts(&[b"symbol-owner\0", name]))
            }
            Err(reason) => Sight::Unknown(reason),
        }
    }
}

/// Whether a slot may lead into `row`. Whether it may run is not asked: an emulator runs what is not executable.
fn may_hold(maps: &Maps, row: &Row, built_in: &BTreeSet<FileId>) -> bool {
    row.file.is_some_and(|file| built_in.contains(&file)) || maps.path(row) == b"[vdso]"
}

/// Whether a module of this name may define functions of the C library. Being built in is not enough: a preloaded
/// module that calls itself `libgcc_s.so.1` is taken for the one that the program was linked with.
fn defines_functions(name: &[u8]) -> bool {
    is_libc(name) || FAMILY.iter().any(|family| name.starts_with(family))
}

/// The C library's own parts, the kernel's, and the run times of sanitizers.
const FAMILY: [&[u8]; 16] = [
    b"ld-linux",
    b"ld64.so",
    b"linker",
    b"libpthread",
    b"libdl.so",
    b"librt.so",
    b"libm.so",
    b"libresolv",
    b"linux-vdso",
    b"linux-gate",
    b"libasan",
    b"libhwasan",
    b"liblsan",
    b"libtsan",
    b"libubsan",
    b"libclang_rt.",
];

/// What interposers define: time, network, files, loading, and what they hide themselves from.
const FUNCTIONS: [&[u8]; 24] = [
    b"clock_gettime",
    b"gettimeofday",
    b"time",
    b"nanosleep",
    b"connect",
    b"getaddrinfo",
    b"send",
    b"sendto",
    b"recv",
    b"open",
    b"open64",
    b"openat",
    b"fopen",
    b"read",
    b"write",
    b"readlink",
    b"stat",
    b"access",
    b"getenv",
    b"dlsym",
    b"dlopen",
    b"ptrace",
    b"syscall",
    b"execve",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_clear_and_has_slots() {
        let mut scene = Scene::new();
        let mut symptom = SymbolOwner::default();
        assert_eq!(symptom.look(&mut scene), Sight::Clear);
        let known = symptom.scope.as_ref().unwrap();
        assert!(!known.slots.is_empty() && known.built_in.len() > 1);
        assert_eq!(symptom.look(&mut scene), Sight::Clear);
        let mut codeless = Scene::with_maps("1000-2000 r--p 0 fe:00 7 /srv/app\n");
        assert_eq!(SymbolOwner::default().look(&mut codeless), Sight::Unknown(Reason::NoBaseline));
        assert_eq!(SymbolOwner::default().look(&mut Scene::blind()), Sight::Unknown(Reason::Unreadable));
    }

    #[test]
    fn only_the_c_librarys_family_defines_its_functions() {
        for (name, want) in [
            (&b"libc.so.6"[..], true),
            (b"libpthread.so.0", true),
            (b"ld-linux-x86-64.so.2", true),
            (b"libasan.so.8", true),
            (b"libgcc_s.so.1", false),
            (b"libz.so.1", false),
            (b"", false),
        ] {
            assert_eq!(defines_functions(name), want, "{}", String::from_utf8_lossy(name));
        }
    }

    #[test]
    fn a_slot_that_leads_elsewhere_is_detected() {
        let mut scene = Scene::new();
        let maps = scene.maps().unwrap();
        // Data of ours that holds an address: of the heap, of nothing, of this module's code.
        let heap = Box::new(7_u64);
        let here = SymbolOwner::find as fn(&mut SymbolOwner, &mut Scene) -> _ as usize as u64;
        for (held, want) in
            [(std::ptr::from_ref(heap.as_ref()).addr() as u64, true), (0, true), (here, false)]
        {
            let slot = Box::new(held);
            let at = std::ptr::from_ref(slot.as_ref()).addr() as u64;
            let mut known = Known::of(&mut scene, &maps, maps.code(), &[]).unwrap();
            known.slots = vec![Slot { function: 4, at }];
            let mut symptom = SymbolOwner { allowed: Vec::new(), scope: Some(known) };
            let detected = Sight::Detected(Confidence::High, sha256_parts(&[b"symbol-owner\0", b"connect"]));
            assert_eq!(symptom.look(&mut scene), if want { detected } else { Sight::Clear }, "{held:x}");
        }
    }
}
