//! What one pass over the sensors has read, so that sensors that look at the same file read it once.
//!
//! A scene belongs to the suite's thread. [`Scene::begin`] forgets what the last pass read; open files are kept,
//! since opening costs more than reading. Nothing here judges anything.

use super::Reason;
use super::maps::{BYTES_MAX, FileId, Maps};
use super::scope::Scope;
use glacis_host::kernel::RawFile;
use std::collections::BTreeSet;
use std::rc::Rc;

/// One pass's view of this process.
#[derive(Debug)]
pub(super) struct Scene {
    memory: Option<RawFile>,
    mappings: Option<RawFile>,
    maps: Option<Result<Rc<Maps>, Reason>>,
    /// With the files of all code at that time.
    scope: Option<(BTreeSet<FileId>, Rc<Scope>)>,
}

impl Scene {
    /// Opens what is kept open.
    pub(super) fn new() -> Self {
        let (memory, mappings) =
            (RawFile::open("/proc/self/mem").ok(), RawFile::open("/proc/self/maps").ok());
        Self { memory, mappings, maps: None, scope: None }
    }

    /// A scene that can read nothing.
    #[cfg(test)]
    pub(super) const fn blind() -> Self {
        Self { memory: None, mappings: None, maps: None, scope: None }
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

    /// The dynamic linker's list. It is read again when a file with code came or went.
    pub(super) fn scope(&mut self) -> Result<Rc<Scope>, Reason> {
        let code = self.maps()?.code();
        if let Some((_, scope)) = self.scope.as_ref().filter(|(then, _)| *then == code) {
            return Ok(Rc::clone(scope));
        }
        let scope = Rc::new(Scope::read(self)?);
        self.scope = Some((code, Rc::clone(&scope)));
        Ok(scope)
    }

    /// Fills `out` from this process's memory at `address`.
    pub(super) fn memory(&self, address: u64, out: &mut [u8]) -> Result<(), Reason> {
        let memory = self.memory.as_ref().ok_or(Reason::Unreadable)?;
        memory.read_exact_at(out, address).map_err(|_| Reason::Unreadable)
    }
}

fn read_maps(mappings: Option<&RawFile>) -> Result<Maps, Reason> {
    let text = mappings.ok_or(Reason::Unreadable)?.read_all(BYTES_MAX).map_err(|_| Reason::Unreadable)?;
    Maps::parse(text)
}

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
