//! Loaded modules as the dynamic linker keeps them: the list, their symbols, their import slots.
//!
//! Everything is read from this process's memory with [`Scene::memory`], every read can fail, and every walk has a
//! limit: a list or table that an attacker bent is malformed, never an endless loop. The way is the debuggers':
//! program headers from the auxiliary vector, `DT_DEBUG` of the executable, `r_debug`, `link_map` (elf(5),
//! `<link.h>`). Only 64-bit ELF of this machine is understood; a program without a dynamic linker has no list.

use super::scene::Scene;
use super::{Reason, auxv};

/// A module in the list of the dynamic linker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Module {
    /// What the linker calls it; empty for the executable.
    pub(super) name: Vec<u8>,
    /// Added to every address in its file.
    bias: u64,
    /// Where its dynamic section is.
    pub(super) dynamic_at: u64,
    dynamic: Dynamic,
}

/// Entries of a dynamic section, as absolute addresses where they are addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Dynamic {
    strings: u64,
    symbols: u64,
    gnu_hash: u64,
    hash: u64,
    /// Relocations of the procedure linkage table: address, bytes.
    plt: (u64, u64),
    /// All others, and how many at their beginning bind nothing.
    rela: (u64, u64),
    relative: u64,
    needed: Vec<u64>,
    soname: Option<u64>,
    debug: u64,
}

/// A symbol that a module defines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Symbol {
    /// Where it is.
    pub(super) address: u64,
    /// Whether it only chooses the function when the program starts (`STT_GNU_IFUNC`).
    pub(super) indirect: bool,
}

/// The modules of this process, in the order in which symbols are looked up.
pub(super) fn modules(scene: &Scene) -> Result<Vec<Module>, Reason> {
    let (headers, count) = auxv::read()?.program_headers().ok_or(Reason::NoBaseline)?;
    let executable = executable(scene, headers, count)?;
    if executable.debug == 0 {
        // Linked statically, or the linker has not begun.
        return Err(Reason::NoBaseline);
    }
    let mut next = word(scene, executable.debug.checked_add(R_MAP).ok_or(Reason::Malformed)?)?;
    let mut modules = Vec::new();
    while next != 0 {
        if modules.len() >= MODULES_MAX {
            return Err(Reason::Malformed);
        }
        let mut link = [0; 32];
        scene.memory(next, &mut link)?;
        let [bias, name, dynamic_at, following] = words(&link)?;
        let dynamic = Dynamic::read(scene, dynamic_at, bias)?;
        modules.push(Module { name: string(scene, name)?, bias, dynamic_at, dynamic });
        next = following;
    }
    if modules.is_empty() { Err(Reason::NoBaseline) } else { Ok(modules) }
}

/// The dynamic section of the executable, found through its program headers.
fn executable(scene: &Scene, headers: u64, count: u64) -> Result<Dynamic, Reason> {
    let (mut bias, mut dynamic) = (None, None);
    for index in 0..count.min(HEADERS_MAX) {
        let mut header = [0; HEADER_BYTES];
        let at = index.checked_mul(HEADER_BYTES as u64).and_then(|offset| headers.checked_add(offset));
        scene.memory(at.ok_or(Reason::Malformed)?, &mut header)?;
        let [kind_and_flags, _offset, address, ..]: [u64; 7] = words(&header)?;
        match kind_and_flags & 0xffff_ffff {
            PT_PHDR => bias = Some(headers.wrapping_sub(address)),
            PT_DYNAMIC => dynamic = Some(address),
            _ => {}
        }
    }
    let (Some(bias), Some(dynamic)) = (bias, dynamic) else { return Err(Reason::NoBaseline) };
    Dynamic::read(scene, bias.wrapping_add(dynamic), bias)
}

impl Dynamic {
    fn read(scene: &Scene, at: u64, bias: u64) -> Result<Self, Reason> {
        // glibc has made addresses of them, other linkers and the kernel's own module have not.
        let address = |value: u64| if value < bias { value.wrapping_add(bias) } else { value };
        let mut found = Self::default();
        for index in 0..ENTRIES_MAX {
            let mut entry = [0; 16];
            scene.memory(at.checked_add(index * 16).ok_or(Reason::Malformed)?, &mut entry)?;
            let [tag, value] = words(&entry)?;
            match tag {
                0 => return Ok(found),
                1 => found.needed.push(value),
                2 => found.plt.1 = value,
                4 => found.hash = address(value),
                5 => found.strings = address(value),
                6 => found.symbols = address(value),
                7 => found.rela.0 = address(value),
                8 => found.rela.1 = value,
                14 => found.soname = Some(value),
                21 => found.debug = value,
                23 => found.plt.0 = address(value),
                DT_GNU_HASH => found.gnu_hash = address(value),
                DT_RELACOUNT => found.relative = value,
                _ => {}
            }
        }
        Err(Reason::Malformed)
    }
}

impl Module {
    /// Names of the modules that it was linked with.
    pub(super) fn needed(&self, scene: &Scene) -> Result<Vec<Vec<u8>>, Reason> {
        self.dynamic.needed.iter().map(|offset| self.text(scene, *offset)).collect()
    }

    /// The name that others link it by.
    pub(super) fn soname(&self, scene: &Scene) -> Option<Vec<u8>> {
        self.dynamic.soname.and_then(|offset| self.text(scene, offset).ok())
    }

    /// The function of this name, if this module defines it.
    pub(super) fn symbol(&self, scene: &Scene, name: &[u8]) -> Result<Option<Symbol>, Reason> {
        if self.dynamic.gnu_hash != 0 {
            self.by_gnu_hash(scene, name)
        } else if self.dynamic.hash != 0 {
            self.by_hash(scene, name)
        } else {
            Ok(None)
        }
    }

    fn by_gnu_hash(&self, scene: &Scene, name: &[u8]) -> Result<Option<Symbol>, Reason> {
        let table = self.dynamic.gnu_hash;
        let hash =
            name.iter().fold(5_381_u32, |hash, byte| hash.wrapping_mul(33).wrapping_add(u32::from(*byte)));
        let [buckets, first] = halves(word(scene, table)?);
        let [bloom_words, shift] = halves(word(scene, at(table, 8, 0)?)?);
        if buckets == 0 || bloom_words == 0 {
            return Ok(None);
        }
        let bloom = word(scene, at(table, 16, u64::from(hash / 64 % bloom_words) * 8)?)?;
        let bits = [hash % 64, hash.checked_shr(shift).unwrap_or(0) % 64];
        if bits.iter().any(|bit| bloom >> bit & 1 == 0) {
            return Ok(None);
        }
        let bucket_table = at(table, 16, u64::from(bloom_words) * 8)?;
        let mut index = half(scene, at(bucket_table, u64::from(hash % buckets) * 4, 0)?)?;
        let chains = at(bucket_table, u64::from(buckets) * 4, 0)?;
        for _ in 0..CHAIN_MAX {
            if index < first {
                return Ok(None);
            }
            let link = half(scene, at(chains, u64::from(index - first) * 4, 0)?)?;
            if link | 1 == hash | 1 {
                let symbol = self.defined(scene, index, name)?;
                if symbol.is_some() {
                    return Ok(symbol);
                }
            }
            if link & 1 == 1 {
                return Ok(None);
            }
            index = index.checked_add(1).ok_or(Reason::Malformed)?;
        }
        Err(Reason::Malformed)
    }

    fn by_hash(&self, scene: &Scene, name: &[u8]) -> Result<Option<Symbol>, Reason> {
        let hash = name.iter().fold(0_u32, |hash, byte| {
            let hash = (hash << 4).wrapping_add(u32::from(*byte));
            let high = hash & 0xf000_0000;
            (hash ^ (high >> 24)) & !high
        });
        let table = self.dynamic.hash;
        let [buckets, _] = halves(word(scene, table)?);
        if buckets == 0 {
            return Ok(None);
        }
        let mut index = half(scene, at(table, 8, u64::from(hash % buckets) * 4)?)?;
        let chains = at(table, 8, u64::from(buckets) * 4)?;
        for _ in 0..CHAIN_MAX {
            if index == 0 {
                return Ok(None);
            }
            let symbol = self.defined(scene, index, name)?;
            if symbol.is_some() {
                return Ok(symbol);
            }
            index = half(scene, at(chains, u64::from(index) * 4, 0)?)?;
        }
        Err(Reason::Malformed)
    }

    /// Symbol number `index`, if it is defined here and has this name.
    fn defined(&self, scene: &Scene, index: u32, name: &[u8]) -> Result<Option<Symbol>, Reason> {
        let (name_at, info, section, value) = self.entry(scene, index)?;
        let is_code = matches!(info & 0xf, STT_NOTYPE | STT_FUNC | STT_GNU_IFUNC);
        if section == 0 || !is_code || self.text(scene, name_at)? != name {
            return Ok(None);
        }
        let address = self.bias.wrapping_add(value);
        Ok(Some(Symbol { address, indirect: info & 0xf == STT_GNU_IFUNC }))
    }

    fn entry(&self, scene: &Scene, index: u32) -> Result<(u64, u8, u16, u64), Reason> {
        let mut entry = [0; 24];
        scene.memory(at(self.dynamic.symbols, u64::from(index) * 24, 0)?, &mut entry)?;
        let [n0, n1, n2, n3, info, _other, s0, s1, ..] = entry;
        let [_, value, _] = words(&entry)?;
        Ok((u32::from_ne_bytes([n0, n1, n2, n3]).into(), info, u16::from_ne_bytes([s0, s1]), value))
    }

    /// Where this module keeps the addresses of the imported functions that `wanted` names.
    pub(super) fn slots(&self, scene: &Scene, wanted: &[&[u8]]) -> Result<Vec<Slot>, Reason> {
        let mut slots = Vec::new();
        let skipped = self.dynamic.relative.saturating_mul(RELA_BYTES).min(self.dynamic.rela.1);
        let (rela, rela_bytes) = self.dynamic.rela;
        for (from, bytes) in [self.dynamic.plt, (rela.saturating_add(skipped), rela_bytes - skipped)] {
            let mut done = 0;
            while done < bytes.min(RELOCATIONS_BYTES_MAX) {
                let mut chunk = [0; CHUNK_BYTES];
                let len = usize::try_from(bytes - done).unwrap_or(usize::MAX).min(CHUNK_BYTES);
                let chunk = chunk.get_mut(..len).unwrap_or_default();
                scene.memory(at(from, done, 0)?, chunk)?;
                for entry in chunk.as_chunks::<24>().0 {
                    let [offset, info, _] = words(entry)?;
                    if !BINDING.contains(&(info & 0xffff_ffff)) {
                        continue;
                    }
                    let index = u32::try_from(info >> 32).map_err(|_| Reason::Malformed)?;
                    let (name_at, ..) = self.entry(scene, index)?;
                    let name = self.text(scene, name_at)?;
                    if let Some(index) = wanted.iter().position(|wanted| **wanted == *name) {
                        slots.push(Slot { function: index, at: self.bias.wrapping_add(offset) });
                    }
                }
                done += len as u64;
            }
        }
        Ok(slots)
    }

    fn text(&self, scene: &Scene, offset: u64) -> Result<Vec<u8>, Reason> {
        string(scene, at(self.dynamic.strings, offset, 0)?)
    }
}

/// A place where a module keeps the address of an imported function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    /// Which of the functions that were asked for.
    pub(super) function: usize,
    /// Where it is.
    pub(super) at: u64,
}

fn at(base: u64, offset: u64, more: u64) -> Result<u64, Reason> {
    base.checked_add(offset).and_then(|sum| sum.checked_add(more)).ok_or(Reason::Malformed)
}

/// The word at `address`.
pub(super) fn word(scene: &Scene, address: u64) -> Result<u64, Reason> {
    let mut bytes = [0; 8];
    scene.memory(address, &mut bytes)?;
    Ok(u64::from_ne_bytes(bytes))
}

fn half(scene: &Scene, address: u64) -> Result<u32, Reason> {
    let mut bytes = [0; 4];
    scene.memory(address, &mut bytes)?;
    Ok(u32::from_ne_bytes(bytes))
}

/// Two 32-bit numbers that were read as one word.
const fn halves(word: u64) -> [u32; 2] {
    let [a, b, c, d, e, f, g, h] = word.to_ne_bytes();
    [u32::from_ne_bytes([a, b, c, d]), u32::from_ne_bytes([e, f, g, h])]
}

fn words<const N: usize>(bytes: &[u8]) -> Result<[u64; N], Reason> {
    let words: Vec<u64> = bytes.as_chunks::<8>().0.iter().map(|word| u64::from_ne_bytes(*word)).collect();
    words.try_into().map_err(|_| Reason::Malformed)
}

/// A text that ends at its first zero.
fn string(scene: &Scene, from: u64) -> Result<Vec<u8>, Reason> {
    let mut text = Vec::new();
    while text.len() < STRING_BYTES_MAX {
        // Not past the end of the page: the next one may not be there.
        let at = at(from, text.len() as u64, 0)?;
        let inside = usize::try_from(at % PIECE_BYTES as u64).map_err(|_| Reason::Malformed)?;
        let room = PIECE_BYTES - inside;
        let mut piece = [0; PIECE_BYTES];
        let piece = piece.get_mut(..room).unwrap_or_default();
        scene.memory(at, piece)?;
        match piece.iter().position(|byte| *byte == 0) {
            Some(end) => {
                text.extend(piece.iter().take(end));
                return Ok(text);
            }
            None => text.extend_from_slice(piece),
        }
    }
    Err(Reason::Malformed)
}

const PT_DYNAMIC: u64 = 2;
const PT_PHDR: u64 = 6;
const DT_GNU_HASH: u64 = 0x6fff_fef5;
const DT_RELACOUNT: u64 = 0x6fff_fff9;
const STT_NOTYPE: u8 = 0;
const STT_FUNC: u8 = 2;
const STT_GNU_IFUNC: u8 = 10;
/// Relocations that put a symbol's address into a slot: `GLOB_DAT` and `JUMP_SLOT`.
#[cfg(target_arch = "x86_64")]
const BINDING: [u64; 2] = [6, 7];
#[cfg(not(target_arch = "x86_64"))]
const BINDING: [u64; 2] = [1_025, 1_026];
/// Offset of `r_map` in `r_debug`.
const R_MAP: u64 = 8;
const HEADER_BYTES: usize = 56;
const RELA_BYTES: u64 = 24;
/// A whole number of relocations.
const CHUNK_BYTES: usize = 4_800;
/// A power of two that divides a page.
const PIECE_BYTES: usize = 64;
// LIMIT: what an honest process has is far below each of these.
const MODULES_MAX: usize = 1_024;
const HEADERS_MAX: u64 = 64;
const ENTRIES_MAX: u64 = 256;
const CHAIN_MAX: u32 = 4_096;
const STRING_BYTES_MAX: usize = 4_096;
const RELOCATIONS_BYTES_MAX: u64 = 8 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sensor::linux::modules::{file_name, is_libc};

    fn libc(modules: &[Module]) -> Option<&Module> {
        modules.iter().find(|module| is_libc(&module.name))
    }

    #[test]
    fn the_list_begins_with_the_executable_and_names_the_c_library() {
        let scene = Scene::new();
        let modules = modules(&scene).unwrap();
        let executable = modules.first().unwrap();
        assert!(executable.name.is_empty());
        let needed = executable.needed(&scene).unwrap();
        assert!(needed.iter().any(|name| is_libc(name)), "{needed:?}");
        let libc = libc(&modules).unwrap();
        assert_eq!(libc.soname(&scene).as_deref(), Some(file_name(&libc.name)));
    }

    #[test]
    fn symbols_are_found_where_they_are_defined_and_only_there() {
        let mut scene = Scene::new();
        let modules = modules(&scene).unwrap();
        let libc = libc(&modules).unwrap();
        let maps = scene.maps().unwrap();
        for name in ["open", "read", "connect", "clock_gettime", "dlsym"] {
            let found = libc.symbol(&scene, name.as_bytes()).unwrap().unwrap();
            let row = maps.at(found.address).unwrap();
            assert!(row.execute && is_libc(maps.path(row)), "{name}");
            assert_eq!(modules.first().unwrap().symbol(&scene, name.as_bytes()), Ok(None), "{name}");
        }
        assert_eq!(libc.symbol(&scene, b"glacis_is_no_function_of_libc"), Ok(None));
        // The kernel's module has the older table, and defines another name.
        let vdso = modules.iter().find(|module| module.name.starts_with(b"linux-vdso"));
        if let Some(vdso) = vdso {
            let found = vdso.symbol(&scene, b"__vdso_clock_gettime").unwrap().unwrap();
            assert_eq!(maps.path(maps.at(found.address).unwrap()), b"[vdso]");
        }
    }

    #[test]
    fn slots_of_this_executable_hold_addresses_of_the_c_library() {
        let mut scene = Scene::new();
        let modules = modules(&scene).unwrap();
        let wanted: [&[u8]; 3] = [b"read", b"write", b"glacis_is_no_function_of_libc"];
        let slots = modules.first().unwrap().slots(&scene, &wanted).unwrap();
        assert!(slots.iter().any(|slot| slot.function < 2), "{slots:?}");
        assert!(slots.iter().all(|slot| slot.function < 2), "{slots:?}");
        let maps = scene.maps().unwrap();
        for slot in slots {
            let held = maps.at(word(&scene, slot.at).unwrap()).unwrap();
            assert!(is_libc(maps.path(held)), "{slot:?}");
        }
    }

    #[test]
    fn bent_tables_are_malformed_or_unreadable_and_never_endless() {
        let scene = Scene::new();
        // A list that leads back to itself, a dynamic section without an end, a text without an end.
        let endless = vec![1_u8; 64 << 10];
        let at = endless.as_ptr().addr() as u64;
        assert_eq!(Dynamic::read(&scene, at, 0).err(), Some(Reason::Malformed));
        assert_eq!(string(&scene, at), Err(Reason::Malformed));
        assert_eq!(string(&scene, 0), Err(Reason::Unreadable));
        assert_eq!(string(&scene, u64::MAX - 1), Err(Reason::Unreadable));
        assert_eq!(
            executable(&scene, at, 1_000).err(),
            Some(Reason::NoBaseline),
            "no header of a known kind"
        );
        let hash = Dynamic { gnu_hash: at, symbols: at, strings: at, ..Dynamic::default() };
        let bent = Module { name: Vec::new(), bias: 0, dynamic_at: at, dynamic: hash };
        assert!(matches!(bent.symbol(&scene, b"open"), Ok(None) | Err(_)));
        let cycle: Vec<u32> = vec![1; 16 << 10];
        let at = cycle.as_ptr().addr() as u64;
        let hash = Dynamic { hash: at, symbols: at, strings: at, ..Dynamic::default() };
        let bent = Module { name: Vec::new(), bias: 0, dynamic_at: at, dynamic: hash };
        assert_eq!(bent.symbol(&scene, b"open"), Err(Reason::Malformed));
        assert_eq!(modules(&Scene::blind()), Err(Reason::Unreadable));
    }
}
