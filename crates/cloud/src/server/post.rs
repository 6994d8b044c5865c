//! How answers reach the tasks that wait for them: with one wake-up a batch, not one an answer.
//!
//! Waking a task from a foreign thread is a system call, and the writer would make one for every answer. So each
//! runtime that waits has a postman, a task of its own: the writer hands it the answers of a whole batch, and it
//! wakes the others from within, which costs no call. A postman lives and is polled exactly as long as the tasks
//! that it serves, so one runtime that stands still holds up no other.

use crate::server::writer::Failure;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::runtime::{Handle, Id};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// Sends one answer, or the failure that took its place.
pub(super) type Letter = Box<dyn FnOnce(Option<&Failure>) + Send>;

/// Postmen by runtime. Clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct PostOffice(Arc<Mutex<Vec<Postman>>>);

/// Takes letters to the tasks of one runtime.
#[derive(Clone, Debug)]
pub(super) struct Postman {
    runtime: Id,
    bag: UnboundedSender<Bag>,
}

impl PostOffice {
    /// The postman of the runtime that polls the caller; none outside of one.
    pub(super) fn here(&self) -> Option<Postman> {
        let handle = Handle::try_current().ok()?;
        let mut postmen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(postman) = postmen.iter().find(|postman| postman.runtime == handle.id()) {
            return Some(postman.clone());
        }
        // Those of runtimes that ended.
        postmen.retain(|postman| !postman.bag.is_closed());
        let (bag, letters) = unbounded_channel();
        handle.spawn(walk(letters));
        let postman = Postman { runtime: handle.id(), bag };
        postmen.push(postman.clone());
        Some(postman)
    }
}

/// The letters of one batch to the tasks of one runtime.
struct Bag {
    letters: Vec<Letter>,
    failure: Option<Failure>,
}

/// Ends with the last handle of the writer.
async fn walk(mut bags: UnboundedReceiver<Bag>) {
    while let Some(Bag { letters, failure }) = bags.recv().await {
        letters.into_iter().for_each(|letter| letter(failure.as_ref()));
    }
}

/// The answers of one batch on their way.
pub(super) struct Mail<'f> {
    bags: Vec<(Postman, Vec<Letter>)>,
    failure: Option<&'f Failure>,
}

impl<'f> Mail<'f> {
    /// Of a batch that is durable, or failed.
    pub(super) const fn new(failure: Option<&'f Failure>) -> Self {
        Self { bags: Vec::new(), failure }
    }

    /// Adds a letter; one without a postman is for a thread that waits by itself, and goes at once.
    pub(super) fn add(&mut self, postman: Option<Postman>, letter: Letter) {
        let Some(postman) = postman else { return letter(self.failure) };
        match self.bags.iter_mut().find(|(other, _)| other.runtime == postman.runtime) {
            Some((_, letters)) => letters.push(letter),
            None => self.bags.push((postman, vec![letter])),
        }
    }

    /// Hands every bag to its postman.
    pub(super) fn send(self) {
        for (postman, letters) in self.bags {
            // Where the runtime has ended nobody waits for its letters.
            let _ = postman.bag.send(Bag { letters, failure: self.failure.cloned() });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::runtime::{Builder, Runtime};
    use tokio::sync::oneshot;

    fn runtime() -> Runtime {
        Builder::new_current_thread().build().unwrap()
    }

    #[test]
    fn a_runtime_that_stands_still_or_ended_holds_up_no_other() {
        let office = PostOffice::default();
        let (still, going) = (runtime(), runtime());
        let stuck = still.block_on(async { office.here() });
        going.block_on(async {
            let (answer, wait) = oneshot::channel();
            let mut mail = Mail::new(None);
            mail.add(stuck.clone(), Box::new(|_| {}));
            mail.add(office.here(), Box::new(move |failure| answer.send(failure.is_none()).unwrap()));
            mail.send();
            assert!(wait.await.unwrap());
        });
        drop(still);
        let (answer, wait) = oneshot::channel::<()>();
        let mut mail = Mail::new(None);
        mail.add(stuck, Box::new(move |_| answer.send(()).unwrap()));
        mail.send();
        assert!(wait.blocking_recv().is_err(), "its letters are gone with it");
        runtime().block_on(async { assert!(office.here().is_some()) });
        assert_eq!(office.0.lock().unwrap().len(), 2, "a postman whose runtime ended is forgotten");
    }

    #[test]
    fn every_letter_of_a_failed_batch_tells_the_failure() {
        let runtime = runtime();
        runtime.block_on(async {
            let office = PostOffice::default();
            let error = crate::CloudError::new(crate::CloudErrorKind::StorageFull, "full");
            let failure = Failure::of(&error);
            let mut mail = Mail::new(Some(&failure));
            let (own, thread) = (oneshot::channel(), std::sync::mpsc::channel());
            mail.add(office.here(), Box::new(move |failure| own.0.send(failure.is_some()).unwrap()));
            mail.add(None, Box::new(move |failure| thread.0.send(failure.is_some()).unwrap()));
            assert!(thread.1.try_recv().unwrap(), "a thread that waits is answered at once");
            mail.send();
            assert!(own.1.await.unwrap());
        });
    }
}
