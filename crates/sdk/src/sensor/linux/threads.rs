//! Threads: does a thread of this process run code that came from nowhere?
//!
//! How many threads there are and when they were born says little: every run-time library starts some. *Where* a
//! thread waits says much: `/proc/self/task/TID/syscall` names the instruction after which each blocked thread will
//! go on (proc_pid_syscall(5)). In a program image from a `memfd` (Frida 17's agent keeps at least four threads
//! there) that is an injected thread in any host; in a native host so is one in memory without a file that was not
//! there at the start. Thread names are not looked at: injected threads carry the victim's own.
//!
//! Not seen: a thread that happens to run, or waits inside the C library on behalf of injected code.

use super::code_maps::{Origin, images, origin};
use super::maps::{FileId, Maps};
use super::modules::executable;
use super::scene::Scene;
use super::suite::Sight;
use super::symptom::Symptom;
use super::{Confidence, Reason};
use glacis_host::kernel;
use glacis_seal::sha256;
use std::collections::BTreeSet;

/// Watches where threads wait.
pub(super) struct Threads {
    jit: bool,
    executable: Vec<u8>,
    /// Where code without a file began at the first look.
    baseline: Option<BTreeSet<u64>>,
    /// Where the next look begins, in a process with more threads than one look reads.
    from: usize,
}

impl Threads {
    /// The baseline is what the first look finds.
    pub(super) fn new(jit: bool) -> Self {
        Self { jit, executable: executable(), baseline: None, from: 0 }
    }

    /// Instruction pointers of the next few threads that wait.
    fn waiting(&mut self) -> Result<Vec<u64>, Reason> {
        let threads = kernel::names("/proc/self/task", THREADS_MAX).map_err(|_| Reason::Unreadable)?;
        if self.from >= threads.len() {
            self.from = 0;
        }
        let (mut pointers, mut unreadable) = (Vec::new(), 0);
        let now = || threads.iter().skip(self.from).take(THREADS_A_LOOK);
        for thread in now() {
            // One may end between listing and reading; if none can be read, we may not.
            match kernel::read([b"/proc/self/task/".as_slice(), thread, b"/syscall"].concat(), LINE_BYTES_MAX)
            {
                Ok(text) => pointers.extend(instruction(&text)?),
                Err(_) => unreadable += 1,
            }
        }
        if unreadable > 0 && unreadable == now().count() {
            return Err(Reason::Unreadable);
        }
        self.from += THREADS_A_LOOK;
        Ok(pointers)
    }

    /// Whether code at `pointer` came from nowhere.
    fn is_foreign(&self, pointer: u64, maps: &Maps, images: &BTreeSet<FileId>) -> bool {
        let Some(row) = maps.at(pointer) else { return false };
        if row.file.is_some_and(|file| images.contains(&file)) {
            return true;
        }
        let unknown = self.baseline.as_ref().is_some_and(|baseline| !baseline.contains(&row.start));
        let unbacked = matches!(origin(maps, row, &self.executable), Origin::Nothing | Origin::Memfd);
        !self.jit && unknown && unbacked
    }
}

impl Symptom for Threads {
    fn look(&mut self, scene: &mut Scene) -> Sight {
        let (maps, pointers) = match (scene.maps(), self.waiting()) {
            (Ok(maps), Ok(pointers)) => (maps, pointers),
            (Err(reason), _) | (_, Err(reason)) => return Sight::Unknown(reason),
        };
        let images = images(&maps, scene, &self.executable);
        let foreign = pointers.iter().any(|pointer| self.is_foreign(*pointer, &maps, &images));
        if self.baseline.is_none() {
            let unbacked =
                maps.executable().filter(|row| origin(&maps, row, &self.executable) != Origin::File);
            self.baseline = Some(unbacked.map(|row| row.start).collect());
        }
        if foreign {
            Sight::Detected(Confidence::High, sha256(b"threads\0foreign code"))
        } else {
            Sight::Clear
        }
    }
}

/// The instruction pointer in a `syscall` file: its last field; none for a thread that runs.
fn instruction(text: &[u8]) -> Result<Option<u64>, Reason> {
    let text = text.trim_ascii();
    if text == b"running" || text.is_empty() {
        return Ok(None);
    }
    let last = text.rsplit(|byte| *byte == b' ').next().and_then(|field| field.strip_prefix(b"0x"));
    let digits = last.and_then(|digits| str::from_utf8(digits).ok()).ok_or(Reason::Malformed)?;
    u64::from_str_radix(digits, 16).map(Some).map_err(|_| Reason::Malformed)
}

/// A number and eight more.
const LINE_BYTES_MAX: usize = 4_096;
/// Threads that one look reads.
const THREADS_A_LOOK: usize = 64;
/// Most threads that are listed at all.
const THREADS_MAX: usize = 1_024;

#[cfg(test)]
mod tests {
    use super::*;

    const CODE: &str = "1000-2000 r-xp 0 fe:00 7 /srv/app\n8000-9000 rwxp 0 00:00 0 \n\
        20000-21000 r--p 0 00:01 27 /memfd:agent (deleted)\n21000-22000 r-xp 1000 00:01 27 /memfd:agent (deleted)\n\
        22000-23000 r--p 2000 00:01 27 /memfd:agent (deleted)\n30000-31000 r-xp 0 00:00 0 \n";

    #[test]
    fn only_code_from_nowhere_is_foreign() {
        let maps = Maps::parse(CODE.as_bytes().to_vec()).unwrap();
        let images = images(&maps, &Scene::blind(), b"/srv/app");
        let known = Some(BTreeSet::from([0x8000]));
        let threads =
            |jit| Threads { jit, executable: b"/srv/app".to_vec(), baseline: known.clone(), from: 0 };
        for (pointer, native, jit) in [
            (0x1800, false, false),
            (0x8800, false, false),
            (0x21800, true, true),
            (0x30800, true, false),
            (0x50000, false, false),
        ] {
            assert_eq!(threads(false).is_foreign(pointer, &maps, &images), native, "{pointer:x}");
            assert_eq!(threads(true).is_foreign(pointer, &maps, &images), jit, "{pointer:x}");
        }
    }

    #[test]
    fn the_pointer_is_the_last_field() {
        for (text, want) in [
            ("running\n", Ok(None)),
            ("202 0x7f 0x0 0x1 0x0 0x0 0x0 0x7ffd10 0x7f11da31366\n", Ok(Some(0x7f1_1da3_1366))),
            ("-1 0x7ffd10 0x401000\n", Ok(Some(0x40_1000))),
            ("202 0x7f 17\n", Err(Reason::Malformed)),
            ("202 0xzz\n", Err(Reason::Malformed)),
        ] {
            assert_eq!(instruction(text.as_bytes()), want, "{text:?}");
        }
    }

    #[test]
    fn this_process_is_clear_and_its_waiting_threads_are_seen() {
        let (stop, waits) = std::sync::mpsc::channel::<()>();
        let waiting = std::thread::spawn(move || waits.recv().is_err());
        let mut symptom = Threads::new(false);
        // The thread may not wait yet.
        let seen = (0..1_000).any(|_| {
            std::thread::yield_now();
            symptom.waiting().is_ok_and(|pointers| !pointers.is_empty())
        });
        assert!(seen, "no thread that waits");
        assert_eq!(symptom.look(&mut Scene::new()), Sight::Clear);
        assert_eq!(symptom.look(&mut Scene::blind()), Sight::Unknown(Reason::Unreadable));
        drop(stop);
        assert!(waiting.join().unwrap());
    }
}
