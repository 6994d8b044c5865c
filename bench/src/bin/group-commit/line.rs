//! The bare line: append + `fdatasync` with group commit, and nothing else.
//!
//! It gathers as the writer of the cloud does, so that the shares compare the work and not the waiting. Nothing
//! is checked, hashed or indexed, and the file only grows: no log on this disk acknowledges more.

use crate::Outcome;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// Name of the thread.
pub(crate) const THREAD: &str = "bare-line";

type Job = (Vec<u8>, oneshot::Sender<()>);

/// Appends for many, with one sync for all that wait.
pub(crate) struct Bare {
    queue: SyncSender<Job>,
}

impl Bare {
    pub(crate) fn start(path: &Path) -> Outcome<Self> {
        let file = OpenOptions::new().create_new(true).append(true).open(path)?;
        let (queue, jobs) = sync_channel(4_096);
        std::thread::Builder::new()
            .name(THREAD.to_owned())
            .spawn(move || run(file, &jobs).expect("the bare log is written"))?;
        Ok(Self { queue })
    }

    /// Appends `bytes`; returns once they are durable.
    pub(crate) async fn append(&self, bytes: Vec<u8>) -> Outcome<()> {
        let (done, wait) = oneshot::channel();
        self.queue.try_send((bytes, done)).map_err(|_| "the bare line is overloaded")?;
        Ok(wait.await?)
    }
}

fn run(mut file: File, jobs: &Receiver<Job>) -> std::io::Result<()> {
    let (mut bytes, mut waiting) = (Vec::new(), Vec::new());
    let (mut before, mut patience) = (0, Duration::ZERO);
    while let Ok((first, done)) = jobs.recv() {
        bytes.extend_from_slice(&first);
        waiting.push(done);
        // As the writer does it: those answered last are about to ask again.
        let until = Instant::now() + patience;
        while waiting.len() < before {
            let left = until.saturating_duration_since(Instant::now());
            match jobs.recv_timeout(left) {
                Ok((more, done)) => {
                    bytes.extend_from_slice(&more);
                    waiting.push(done);
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
            }
        }
        while let Ok((more, done)) = jobs.try_recv() {
            bytes.extend_from_slice(&more);
            waiting.push(done);
        }
        let start = Instant::now();
        file.write_all(&bytes)?;
        file.sync_data()?;
        patience = start.elapsed() / 4;
        before = waiting.len();
        bytes.clear();
        // A client that went away needs no answer.
        waiting.drain(..).for_each(|done| {
            let _ = done.send(());
        });
    }
    Ok(())
}
