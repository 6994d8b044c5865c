//! Text pages: is a page of code no longer the file's page?
//!
//! Code is mapped privately from its file and shared by all its users. Whoever writes to it — through
//! `/proc/PID/mem`, `ptrace`, a uprobe, or `mprotect` from inside — gets a private copy of the page, and the copy
//! stays when the bytes are put back. `/proc/self/pagemap` tells for each page whether it is the file's (bit 61,
//! proc_pid_pagemap(5)), with no need to read a byte of it. Looked at are the executable, the C library and the
//! module that this code is in.
//!
//! Memory that is mapped in another way (device memory as file cache, text copied to huge pages by the program
//! itself) shows as copies all over: such a module has no baseline. Live patching of the C library is a known
//! benign cause. Not seen: hooks on data.

use super::maps::{Maps, Row};
use super::modules::{Modules, Role};
use super::scene::Scene;
use super::suite::Sight;
use super::symptom::Symptom;
use super::{Confidence, Reason, auxv};
use glacis_host::kernel::RawFile;
use glacis_seal::sha256_parts;

/// Asks the kernel for the state of each page of code.
pub(super) struct TextPages {
    pagemap: Option<RawFile>,
    page_bytes: u64,
    /// Modules of which most pages looked copied at the first look.
    unusable: Vec<Role>,
    looked: bool,
}

impl TextPages {
    /// Opens the page map.
    pub(super) fn new() -> Self {
        let page_bytes = auxv::read().ok().and_then(|auxv| auxv.page_bytes()).unwrap_or(4_096);
        let pagemap = RawFile::open("/proc/self/pagemap").ok();
        Self { pagemap, page_bytes, unusable: Vec::new(), looked: false }
    }

    /// Pages of each module.
    fn count(&self, maps: &Maps) -> Result<Vec<(Role, Pages)>, Reason> {
        let pagemap = self.pagemap.as_ref().ok_or(Reason::Unreadable)?;
        let modules = Modules::find(maps);
        if modules.is_empty() {
            return Err(Reason::NoBaseline);
        }
        let mut counts: Vec<(Role, Pages)> = Vec::new();
        for row in maps.executable().filter(|row| !row.shared) {
            let Some(role) = modules.role(row) else { continue };
            let pages = self.pages(pagemap, row)?;
            match counts.iter_mut().find(|(known, _)| *known == role) {
                Some((_, sum)) => sum.add(pages),
                None => counts.push((role, pages)),
            }
        }
        Ok(counts)
    }

    fn pages(&self, pagemap: &RawFile, row: &Row) -> Result<Pages, Reason> {
        let page_bytes = self.page_bytes.max(1);
        let (mut page, end) = (row.start / page_bytes, row.end / page_bytes);
        let mut pages = Pages::default();
        let mut chunk = [0; CHUNK_BYTES];
        while page < end {
            let wanted = usize::try_from((end - page).saturating_mul(ENTRY_BYTES)).unwrap_or(usize::MAX);
            let room = chunk.get_mut(..wanted.min(CHUNK_BYTES)).unwrap_or_default();
            let at = page.checked_mul(ENTRY_BYTES).ok_or(Reason::Malformed)?;
            pagemap.read_exact_at(room, at).map_err(|_| Reason::Unreadable)?;
            for (index, entry) in (page..).zip(room.as_chunks().0) {
                let offset = (index * page_bytes).saturating_sub(row.start).saturating_add(row.offset);
                pages.note(u64::from_ne_bytes(*entry), offset);
            }
            page += u64::try_from(room.len()).map_err(|_| Reason::Malformed)? / ENTRY_BYTES;
        }
        Ok(pages)
    }
}

impl Symptom for TextPages {
    fn look(&mut self, scene: &mut Scene) -> Sight {
        let counts = match scene.maps().and_then(|maps| self.count(&maps)) {
            Ok(counts) => counts,
            Err(reason) => return Sight::Unknown(reason),
        };
        if !self.looked {
            self.looked = true;
            let unusable =
                |(role, pages): &(Role, Pages)| (pages.copies * 2 > pages.present).then_some(*role);
            self.unusable = counts.iter().filter_map(unusable).collect();
        }
        let judged = || counts.iter().filter(|(role, _)| !self.unusable.contains(role));
        match judged().find(|(_, pages)| pages.copies > 0) {
            Some((role, pages)) => {
                let first = pages.first_copy.to_le_bytes();
                let parts = [b"text-pages\0".as_slice(), role.name().as_bytes(), &first];
                Sight::Detected(Confidence::High, sha256_parts(&parts))
            }
            None if judged().next().is_none() => Sight::Unknown(Reason::NoBaseline),
            None => Sight::Clear,
        }
    }
}

/// Pages of a module's code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Pages {
    /// In memory or in swap.
    present: u64,
    /// Of these, no longer the file's.
    copies: u64,
    /// Offset in the file of the first copy.
    first_copy: u64,
}

impl Pages {
    /// Counts the page at `offset` of the file.
    const fn note(&mut self, entry: u64, offset: u64) {
        let (present, swapped, of_file) = (entry >> 63 & 1 == 1, entry >> 62 & 1 == 1, entry >> 61 & 1 == 1);
        if !present && !swapped {
            return;
        }
        self.present += 1;
        // A page of a file is never in swap.
        if swapped || !of_file {
            if self.copies == 0 {
                self.first_copy = offset;
            }
            self.copies += 1;
        }
    }

    const fn add(&mut self, other: Self) {
        if self.copies == 0 {
            self.first_copy = other.first_copy;
        }
        self.present += other.present;
        self.copies += other.copies;
    }
}

const ENTRY_BYTES: u64 = 8;
/// Entries read at once.
const CHUNK_BYTES: usize = 8_192;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_the_files_or_a_copy_or_not_there() {
        const PRESENT: u64 = 1 << 63;
        const SWAPPED: u64 = 1 << 62;
        const OF_FILE: u64 = 1 << 61;
        let mut pages = Pages::default();
        for (offset, entry) in
            [(0, 0), (1, PRESENT | OF_FILE), (2, OF_FILE), (3, PRESENT | OF_FILE | 1 << 55)]
        {
            pages.note(entry, offset);
        }
        assert_eq!(pages, Pages { present: 2, copies: 0, first_copy: 0 });
        pages.note(SWAPPED, 4);
        pages.note(PRESENT, 5);
        assert_eq!(pages, Pages { present: 4, copies: 2, first_copy: 4 });
        let mut sum = Pages { present: 1, copies: 0, first_copy: 0 };
        sum.add(pages);
        assert_eq!(sum, Pages { present: 5, copies: 2, first_copy: 4 });
    }

    #[test]
    fn this_process_is_clear_and_has_pages() {
        let mut symptom = TextPages::new();
        let maps = Scene::new().maps().unwrap();
        let counts = symptom.count(&maps).unwrap();
        assert!(
            counts.iter().any(|(role, pages)| *role == Role::Executable && pages.present > 10),
            "{counts:?}"
        );
        assert_eq!(symptom.look(&mut Scene::new()), Sight::Clear, "{counts:?}");
    }

    #[test]
    fn what_cannot_be_read_is_unknown_and_so_is_a_module_that_is_copied_all_over() {
        let blind = TextPages { pagemap: None, ..TextPages::new() };
        let mut blind = blind;
        assert_eq!(blind.look(&mut Scene::new()), Sight::Unknown(Reason::Unreadable));
        assert_eq!(TextPages::new().look(&mut Scene::blind()), Sight::Unknown(Reason::Unreadable));
        // The stack is no file's, whatever the text of the mappings says.
        let maps = Maps::read().unwrap();
        let stack = maps.rows().find(|row| maps.path(row) == b"[stack]").unwrap();
        let page = stack.end - 8_192;
        let text = format!("{page:x}-{:x} r-xp 0 fe:00 9 /lib/libc.so.6\n", stack.end);
        let mut copied = TextPages::new();
        assert_eq!(copied.look(&mut Scene::with_maps(&text)), Sight::Unknown(Reason::NoBaseline));
        // The same after a look at which it was not.
        let mut written = TextPages { looked: true, ..TextPages::new() };
        assert!(matches!(written.look(&mut Scene::with_maps(&text)), Sight::Detected(Confidence::High, _)));
        let nothing = Scene::with_maps("7000-8000 r-xp 0 00:00 0 \n");
        let mut nothing = nothing;
        assert_eq!(TextPages::new().look(&mut nothing), Sight::Unknown(Reason::NoBaseline));
    }
}
