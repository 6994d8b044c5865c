//! What one pass over the sensors has read, so that sensors that look at the same file read it once.
//!
//! A scene belongs to the suite's thread. [`Scene::begin`] forgets what the last pass read; open files are kept,
//! since opening costs more than reading. Nothing here judges anything.

use super::Reason;
use super::maps::Maps;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::rc::Rc;

/// One pass's view of this process.
#[derive(Debug)]
pub(super) struct Scene {
    memory: Option<File>,
    mappings: Option<File>,
    maps: Option<Result<Rc<Maps>, Reason>>,
}

impl Scene {
    /// Opens what is kept open.
    pub(super) fn new() -> Self {
        let (memory, mappings) = (File::open("/proc/self/mem").ok(), File::open("/proc/self/maps").ok());
        Self { memory, mappings, maps: None }
    }

    /// A scene that can read nothing.
    #[cfg(test)]
    pub(super) const fn blind() -> Self {
        Self { memory: None, mappings: None, maps: None }
    }

    /// A scene with these mappings, and this process's memory.
    #[cfg(test)]
    pub(super) fn with_maps(text: &str) -> Self {
        let maps = Maps::parse(text.as_bytes().to_vec()).map(Rc::new);
        Self { maps: Some(maps), ..Self::new() }
    }

    /// Forgets what the last pass has read.
    pub(super) fn begin(&mut self) {
        self.maps = None;
    }

    /// The mappings as they were when this pass first asked.
    pub(super) fn maps(&mut self) -> Result<Rc<Maps>, Reason> {
        let mappings = self.mappings.as_ref();
        self.maps.get_or_insert_with(|| read_maps(mappings).map(Rc::new)).clone()
    }

    /// Fills `out` from this process's memory at `address`.
    pub(super) fn memory(&self, address: u64, out: &mut [u8]) -> Result<(), Reason> {
        let memory = self.memory.as_ref().ok_or(Reason::Unreadable)?;
        memory.read_exact_at(out, address).map_err(|_| Reason::Unreadable)
    }
}

fn read_maps(mappings: Option<&File>) -> Result<Maps, Reason> {
    Maps::parse(whole(mappings.ok_or(Reason::Unreadable)?, MAPS_BYTES_MAX)?)
}

/// The whole text of an open file of the kernel, whose size is not known before; more than `most` is malformed.
pub(super) fn whole(file: &File, most: usize) -> Result<Vec<u8>, Reason> {
    let mut text = vec![0; FIRST_BYTES];
    let mut filled = 0;
    loop {
        let room = text.get_mut(filled..).unwrap_or_default();
        let at = u64::try_from(filled).map_err(|_| Reason::Malformed)?;
        let read = file.read_at(room, at).map_err(|_| Reason::Unreadable)?;
        if read == 0 {
            text.truncate(filled);
            return Ok(text);
        }
        filled += read;
        if filled > most {
            return Err(Reason::Malformed);
        }
        if text.len() - filled < ROOM_BYTES_MIN {
            text.resize(text.len() * 2, 0);
        }
    }
}

/// Most text of mappings that is read: a process with the kernel's limit of 65,530 has about half of it.
const MAPS_BYTES_MAX: usize = 16 << 20;
/// Room for the text of a small file.
const FIRST_BYTES: usize = 16 << 10;
/// The kernel hands out whole lines, at most a page at once: less room would cut it off.
const ROOM_BYTES_MIN: usize = 8 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pass_reads_the_mappings_once_and_the_next_pass_again() {
        let mut scene = Scene::new();
        let first = scene.maps().unwrap();
        assert!(Rc::ptr_eq(&first, &scene.maps().unwrap()));
        scene.begin();
        let second = scene.maps().unwrap();
        assert!(!Rc::ptr_eq(&first, &second));
        assert_eq!(Scene::blind().maps().err(), Some(Reason::Unreadable));
    }

    #[test]
    fn files_are_read_to_their_end_and_not_past_their_limit() {
        let text: Vec<u8> = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
        let mut file = tempfile::tempfile().unwrap();
        std::io::Write::write_all(&mut file, &text).unwrap();
        assert_eq!(whole(&file, 1 << 20).unwrap(), text);
        assert_eq!(whole(&file, 1 << 10), Err(Reason::Malformed));
    }

    #[test]
    fn memory_is_this_process_and_null_is_unreadable() {
        let value = Box::new(*b"glacis memory");
        let scene = Scene::new();
        let mut read = [0; 13];
        scene.memory(std::ptr::from_ref(value.as_ref()).addr() as u64, &mut read).unwrap();
        assert_eq!(&read, value.as_ref());
        assert_eq!(scene.memory(0, &mut read), Err(Reason::Unreadable));
        assert_eq!(Scene::blind().memory(0, &mut read), Err(Reason::Unreadable));
    }
}
