//! What the chip holds of us: objects in its few places, and sessions.
//!
//! Objects that are used again and again stay until the place is needed or the owner lets go; sessions stay for one
//! operation, but for the one that every command uses. Nothing here talks to the chip; it is told what was loaded and
//! says what may go.

/// What an object is, so that it is found again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tag {
    /// By its name.
    Named([u8; 34]),
    /// The storage root.
    Root,
    /// An endorsement key: 0 for RSA, 1 for P-256.
    Endorsement(u8),
}

#[derive(Clone, Copy, Debug)]
struct Object {
    tag: Tag,
    handle: u32,
    /// The operation that used it last.
    used: u64,
}

/// Handles of ours in the chip.
#[derive(Debug, Default)]
pub(super) struct Live {
    objects: Vec<Object>,
    sessions: Vec<u32>,
    /// What could not be flushed.
    strays: Vec<u32>,
    operation: u64,
}

impl Live {
    /// A new operation begins; what the last one used may go.
    pub(super) const fn begin(&mut self) {
        self.operation = self.operation.wrapping_add(1);
    }

    /// The handle of an object that is there; it stays for this operation.
    pub(super) fn find(&mut self, tag: Tag) -> Option<u32> {
        let object = self.objects.iter_mut().find(|object| object.tag == tag)?;
        object.used = self.operation;
        Some(object.handle)
    }

    pub(super) fn add_object(&mut self, tag: Tag, handle: u32) {
        self.objects.push(Object { tag, handle, used: self.operation });
    }

    pub(super) fn add_session(&mut self, handle: u32) {
        self.sessions.push(handle);
    }

    pub(super) fn add_stray(&mut self, handle: u32) {
        self.strays.push(handle);
    }

    pub(super) const fn objects(&self) -> usize {
        self.objects.len()
    }

    /// The object that was used longest ago, if this operation does not need it; it is taken off the list.
    pub(super) fn take_idle(&mut self) -> Option<u32> {
        let idle = self.objects.iter().filter(|object| object.used != self.operation);
        let tag = idle.min_by_key(|object| object.used)?.tag;
        self.take_object(tag)
    }

    pub(super) fn take_object(&mut self, tag: Tag) -> Option<u32> {
        let place = self.objects.iter().position(|object| object.tag == tag)?;
        Some(self.objects.remove(place).handle)
    }

    /// The chip does not have this session any more.
    pub(super) fn forget_session(&mut self, handle: u32) {
        self.sessions.retain(|session| *session != handle);
    }

    /// Sessions other than this one; they are taken off the list.
    pub(super) fn take_sessions(&mut self, but: Option<u32>) -> Vec<u32> {
        let (stays, goes) = self.sessions.iter().copied().partition(|session| Some(*session) == but);
        self.sessions = stays;
        goes
    }

    /// Every object, session and stray; the lists are empty then.
    pub(super) fn take_all(&mut self) -> Vec<u32> {
        let sessions = core::mem::take(&mut self.sessions);
        let objects = core::mem::take(&mut self.objects);
        let strays = core::mem::take(&mut self.strays);
        objects.into_iter().map(|object| object.handle).chain(sessions).chain(strays).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_operation_uses_stays_and_the_rest_goes_by_age() {
        let mut live = Live::default();
        for operation in 1..=3_u8 {
            live.begin();
            live.add_object(Tag::Endorsement(operation), u32::from(operation));
        }
        assert_eq!(live.find(Tag::Endorsement(1)), Some(1));
        assert_eq!((live.take_idle(), live.take_idle()), (Some(2), None), "1 and 3 are in use");
        live.begin();
        assert_eq!((live.take_idle(), live.take_idle(), live.take_idle()), (Some(1), Some(3), None));
    }

    #[test]
    fn nothing_is_forgotten_when_everything_goes() {
        let mut live = Live::default();
        live.add_object(Tag::Root, 1);
        live.add_session(2);
        live.add_session(3);
        assert_eq!(live.take_sessions(Some(3)), [2]);
        live.add_stray(4);
        assert_eq!(live.take_all(), [1, 3, 4]);
        assert_eq!(live.take_all(), [0_u32; 0]);
    }
}
