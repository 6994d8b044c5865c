//! Code maps: is code mapped that came from nowhere?
//!
//! All code of a native app comes from files, and is in place when the app begins. What an injector brings has no
//! file: a program image in a `memfd` (Frida 17's agent), memory that is executable without a file, a file that was
//! deleted before anybody saw it, text that became writable. Against a baseline taken at the start:
//!
//! | seen | native host | host with a JIT |
//! |---|---|---|
//! | a program image (ELF) privately mapped from a `memfd`, also in the baseline | detected | detected |
//! | text of a file is writable and once was not | detected | detected |
//! | more executable memory without a file than in the baseline | detected | normal |
//! | executable `memfd` mapping that was not there | detected | normal |
//! | code of a deleted file that was never seen undeleted | detected, medium | normal |
//!
//! A compiler at run time maps its own `memfd` twice (writable and executable, shared) or uses anonymous memory; it
//! makes no program images. Java libraries unpack native code to files and delete them, which is why these say
//! nothing there. Not seen: code written into mappings that exist, and whoever names a file for his code.

use super::Confidence;
use super::maps::{FileId, Maps, Row};
use super::modules::executable;
use super::scene::Scene;
use super::suite::Sight;
use super::symptom::Symptom;
use glacis_seal::sha256_parts;
use std::collections::BTreeSet;

/// Watches executable mappings.
pub(super) struct CodeMaps {
    jit: bool,
    executable: Vec<u8>,
    baseline: Option<Survey>,
    /// Code that was seen with its file in place.
    in_place: BTreeSet<FileId>,
    /// Code that was seen when none of it was writable.
    sealed: BTreeSet<FileId>,
}

impl CodeMaps {
    /// The baseline is what the first look finds.
    pub(super) fn new(jit: bool) -> Self {
        Self {
            jit,
            executable: executable(),
            baseline: None,
            in_place: BTreeSet::new(),
            sealed: BTreeSet::new(),
        }
    }

    /// What speaks against this process, with how much it says.
    fn judge(&mut self, now: &Survey) -> Option<(Confidence, &'static str)> {
        let known = &self.baseline;
        let is_new = |now: &BTreeSet<FileId>, then: fn(&Survey) -> &BTreeSet<FileId>| {
            known.as_ref().is_some_and(|known| now.difference(then(known)).next().is_some())
        };
        let more_unbacked = known.as_ref().is_some_and(|known| now.unbacked_bytes > known.unbacked_bytes);
        let appeared = known.as_ref().is_some_and(|known| {
            now.deleted.iter().any(|file| !self.in_place.contains(file) && !known.deleted.contains(file))
        });
        let findings = [
            (!now.images.is_empty(), Confidence::High, "image"),
            (now.writable.intersection(&self.sealed).next().is_some(), Confidence::High, "writable-text"),
            (!self.jit && more_unbacked, Confidence::High, "unbacked"),
            (!self.jit && is_new(&now.memfds, |then| &then.memfds), Confidence::High, "memfd"),
            (!self.jit && appeared, Confidence::Medium, "deleted"),
        ];
        findings.into_iter().find(|(found, _, _)| *found).map(|(_, confidence, what)| (confidence, what))
    }
}

impl Symptom for CodeMaps {
    fn look(&mut self, scene: &mut Scene) -> Sight {
        let maps = match scene.maps() {
            Ok(maps) => maps,
            Err(reason) => return Sight::Unknown(reason),
        };
        let now = Survey::of(&maps, scene, &self.executable);
        let found = self.judge(&now);
        self.in_place.extend(&now.in_place);
        self.sealed.extend(now.in_place.difference(&now.writable));
        if self.baseline.is_none() {
            self.baseline = Some(now);
        }
        match found {
            Some((confidence, what)) => {
                Sight::Detected(confidence, sha256_parts(&[b"code-maps\0", what.as_bytes()]))
            }
            None => Sight::Clear,
        }
    }
}

/// Where the code of a mapping came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// A file that is in its place.
    File,
    /// A file that has been deleted, or replaced.
    Deleted,
    /// A `memfd`, which never had a place.
    Memfd,
    /// No file at all.
    Nothing,
    /// The kernel's own: vdso and the like.
    Kernel,
}

/// Where the code of `row` came from.
pub(super) fn origin(maps: &Maps, row: &Row, executable: &[u8]) -> Origin {
    let path = maps.path(row);
    match path {
        _ if !path.is_empty() && path == executable => Origin::File,
        [b'/', b'm', b'e', b'm', b'f', b'd', b':', ..] => Origin::Memfd,
        b"/dev/zero (deleted)" | b"[heap]" => Origin::Nothing,
        _ if path.starts_with(b"/SYSV") || path.starts_with(b"[anon") => Origin::Nothing,
        [b'[', ..] => Origin::Kernel,
        _ if row.file.is_none() => Origin::Nothing,
        _ if path.ends_with(b" (deleted)") => Origin::Deleted,
        _ => Origin::File,
    }
}

/// What the mappings of one moment say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Survey {
    /// `memfd`s that hold program images.
    images: BTreeSet<FileId>,
    /// `memfd`s with executable mappings.
    memfds: BTreeSet<FileId>,
    /// Code whose file is gone.
    deleted: BTreeSet<FileId>,
    /// Code whose file is there.
    in_place: BTreeSet<FileId>,
    /// Files with text that is writable.
    writable: BTreeSet<FileId>,
    /// Bytes of executable memory without a file.
    unbacked_bytes: u64,
}

impl Survey {
    fn of(maps: &Maps, scene: &Scene, executable: &[u8]) -> Self {
        let mut survey = Self { images: images(maps, scene, executable), ..Self::default() };
        for row in maps.executable() {
            let origin = origin(maps, row, executable);
            match origin {
                Origin::File => survey.in_place.extend(row.file),
                Origin::Deleted => survey.deleted.extend(row.file),
                Origin::Memfd => survey.memfds.extend(row.file),
                Origin::Nothing => survey.unbacked_bytes = survey.unbacked_bytes.saturating_add(row.len()),
                Origin::Kernel => {}
            }
            if row.write && matches!(origin, Origin::File | Origin::Deleted) {
                survey.writable.extend(row.file);
            }
        }
        survey
    }
}

/// `memfd`s that are mapped as a program is: privately, code in it, and an ELF file at its beginning or
/// parts of it with other rights than the code's, as segments have.
pub(super) fn images(maps: &Maps, scene: &Scene, executable: &[u8]) -> BTreeSet<FileId> {
    let code = maps.executable().filter(|row| !row.shared && origin(maps, row, executable) == Origin::Memfd);
    let candidates: BTreeSet<FileId> = code.filter_map(|row| row.file).collect();
    let is_image = |file: &FileId| {
        let parts = || maps.rows().filter(|row| row.file == Some(*file) && !row.shared);
        let begins_as_elf = |row: &Row| {
            let mut magic = [0; 4];
            row.offset == 0 && scene.memory(row.start, &mut magic).is_ok() && &magic == b"\x7fELF"
        };
        let segments = parts().any(|row| !row.execute) && parts().filter(|row| row.offset > 0).count() > 1;
        segments || parts().any(begins_as_elf)
    };
    candidates.into_iter().filter(is_image).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sensor::Reason;

    const APP: &str = "1000-2000 r-xp 1000 fe:00 7 /srv/app\n5000-6000 r-xp 0 fe:00 9 /lib/libc.so.6\n\
        7000-8000 r-xp 0 00:00 0 [vdso]\n8000-9000 rwxp 0 00:00 0 \n";
    const FRIDA: &str = "20000-21000 r--p 0 00:01 27 /memfd:frida-agent-64.so (deleted)\n\
        21000-22000 r-xp 1000 00:01 27 /memfd:frida-agent-64.so (deleted)\n\
        22000-23000 r--p 2000 00:01 27 /memfd:frida-agent-64.so (deleted)\n";

    /// What the second look says after the first saw [`APP`].
    fn then(jit: bool, added: &str) -> Sight {
        let mut symptom = CodeMaps { executable: b"/srv/app".to_vec(), ..CodeMaps::new(jit) };
        assert_eq!(symptom.look(&mut Scene::with_maps(APP)), Sight::Clear);
        symptom.look(&mut Scene::with_maps(&format!("{APP}{added}")))
    }

    fn name(sight: Sight) -> String {
        let whats = ["image", "writable-text", "unbacked", "memfd", "deleted"];
        let evidence = |what: &&str| sha256_parts(&[b"code-maps\0", what.as_bytes()]);
        match sight {
            Sight::Detected(_, found) => {
                whats.iter().find(|what| evidence(what) == found).map(|what| (*what).to_owned()).unwrap()
            }
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn what_is_new_is_judged_by_the_host() {
        for (added, native, jit) in [
            ("", "Clear", "Clear"),
            (FRIDA, "image", "image"),
            ("20000-21000 r-xp 0 fe:00 31 /lib/plugin.so\n", "Clear", "Clear"),
            ("20000-21000 rwxp 0 00:00 0 \n", "unbacked", "Clear"),
            ("20000-21000 r-xp 0 00:00 0 [anon:dalvik-jit-code-cache]\n", "unbacked", "Clear"),
            ("20000-21000 r-xs 0 00:05 99 /dev/zero (deleted)\n", "unbacked", "Clear"),
            ("20000-21000 rw-p 0 00:00 0 \n", "Clear", "Clear"),
            ("20000-21000 rwxp 0 fe:00 9 /lib/libc.so.6\n", "writable-text", "writable-text"),
            // A library that comes with writable text has always been so.
            ("20000-21000 rwxp 0 fe:00 32 /lib/odd.so\n", "Clear", "Clear"),
            // A JIT's two views of one memory.
            (
                "20000-21000 rw-s 0 00:01 40 /memfd:doublemapper (deleted)\n\
                 30000-31000 r-xs 0 00:01 40 /memfd:doublemapper (deleted)\n",
                "memfd",
                "Clear",
            ),
            // libffi's, private and in one piece.
            ("20000-21000 r-xp 0 00:01 41 /memfd:libffi (deleted)\n", "memfd", "Clear"),
            ("20000-21000 r-xp 0 fe:00 50 /tmp/jna123.tmp (deleted)\n", "deleted", "Clear"),
        ] {
            assert_eq!(name(then(false, added)), native, "native: {added}");
            assert_eq!(name(then(true, added)), jit, "jit: {added}");
        }
    }

    #[test]
    fn an_agent_that_was_there_first_is_no_baseline() {
        let mut symptom = CodeMaps::new(true);
        let seen = symptom.look(&mut Scene::with_maps(&format!("{APP}{FRIDA}")));
        assert_eq!(name(seen), "image");
        // The same image, but it is the program itself: started from memory, as container run times do.
        let mut symptom =
            CodeMaps { executable: b"/memfd:frida-agent-64.so (deleted)".to_vec(), ..CodeMaps::new(false) };
        assert_eq!(symptom.look(&mut Scene::with_maps(FRIDA)), Sight::Clear);
    }

    #[test]
    fn a_library_that_an_update_replaced_is_no_evidence() {
        let mut symptom = CodeMaps::new(false);
        assert_eq!(symptom.look(&mut Scene::with_maps(APP)), Sight::Clear);
        let with = format!("{APP}20000-21000 r-xp 0 fe:00 31 /lib/plugin.so\n");
        assert_eq!(symptom.look(&mut Scene::with_maps(&with)), Sight::Clear);
        let replaced =
            with.replace("plugin.so", "plugin.so (deleted)").replace("libc.so.6", "libc.so.6 (deleted)");
        assert_eq!(symptom.look(&mut Scene::with_maps(&replaced)), Sight::Clear);
    }

    #[test]
    fn an_elf_file_at_the_beginning_is_an_image_even_in_one_piece() {
        // The vdso is an ELF file that is mapped in this very process.
        let maps = Maps::read().unwrap();
        let Some(vdso) = maps.rows().find(|row| maps.path(row) == b"[vdso]") else { return };
        let text = format!("{:x}-{:x} r-xp 0 00:01 77 /memfd:x (deleted)\n", vdso.start, vdso.end);
        assert_eq!(name(CodeMaps::new(true).look(&mut Scene::with_maps(&text))), "image");
    }

    #[test]
    fn what_cannot_be_read_is_unknown() {
        let look = |scene: &mut Scene| CodeMaps::new(false).look(scene);
        assert_eq!(look(&mut Scene::blind()), Sight::Unknown(Reason::Unreadable));
        assert_eq!(look(&mut Scene::with_maps("nonsense")), Sight::Unknown(Reason::Malformed));
        assert_eq!(look(&mut Scene::new()), Sight::Clear);
    }
}
