//! One thread owns the core; everybody else queues. Group commit: what waits shares one fsync.
//!
//! A job runs inside the open batch and leaves an answer; answers are sent only after the batch is durable. If the
//! commit fails, every job of the batch gets the error and none was acknowledged. The queue is bounded: full
//! means [`CloudErrorKind::Overloaded`], at once.

use crate::core::CloudCore;
use crate::decide::Prepared;
use crate::error::{CloudError, CloudErrorKind};
use crate::metrics::{CloudMetrics, Metrics};
use crate::pulse::Second;
use crate::server::post::{Letter, Mail, PostOffice, Postman};
use crate::store::backup::Copied;
use glacis_wire::Timestamp;
use glacis_wire::message::decide::{DecideAnswer, EventFacts};
use std::borrow::Cow;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::oneshot;

/// How much waits and how much is committed at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriterLimits {
    /// Jobs that may wait. Range: 1..; default 4,096.
    pub queue_max: usize,
    /// Jobs in one transaction. Range: 1..; default 256.
    pub batch_max: usize,
}

impl Default for WriterLimits {
    fn default() -> Self {
        Self { queue_max: 4_096, batch_max: 256 }
    }
}

/// Pause after a batch that failed, so that a full disk is not hammered while memory is rebuilt.
const FAILURE_PAUSE: Duration = Duration::from_millis(20);

/// What a failed batch tells each of its jobs.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    kind: CloudErrorKind,
    detail: Arc<str>,
}

impl Failure {
    pub(super) fn of(error: &CloudError) -> Self {
        Self { kind: error.kind(), detail: Arc::from(error.detail()) }
    }

    fn error(&self) -> CloudError {
        CloudError::new(self.kind, &*self.detail)
    }
}

/// An answer that waits for its batch, and who takes it to the caller.
struct Answer {
    letter: Letter,
    postman: Option<Postman>,
}

/// Runs in the batch, or is told that there is none.
type Job = Box<dyn FnOnce(Result<&mut CloudCore, &Failure>) -> Option<Answer> + Send>;

/// Queues calls for the thread that owns the core. Clones share the queue.
#[derive(Clone)]
pub struct CloudHandle {
    queue: SyncSender<Job>,
    metrics: Arc<Metrics>,
    store: Option<Arc<Path>>,
    office: PostOffice,
}

impl fmt::Debug for CloudHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CloudHandle")
    }
}

impl CloudHandle {
    /// Runs `call` on the core; answers once what it did is durable.
    pub async fn call<T: Send + 'static>(
        &self,
        call: impl FnOnce(&mut CloudCore) -> Result<T, CloudError> + Send + 'static,
    ) -> Result<T, CloudError> {
        self.submit(call, self.office.here())?.await.unwrap_or_else(|_| Err(gone()))
    }

    /// [`CloudCore::decide`]. What does not need the core is worked out here, before the queue.
    pub async fn decide(&self, facts: EventFacts) -> Result<DecideAnswer, CloudError> {
        let prepared = Prepared::new(Cow::Owned(facts))?;
        let call = move |core: &mut CloudCore| {
            let answer = core.decide_prepared(&prepared)?;
            // They go back with the answer: the caller frees what it allocated.
            Ok((answer, prepared))
        };
        let (answer, _) = self.call(call).await?;
        Ok(answer)
    }

    /// [`call`](Self::call) for a thread that may wait.
    pub fn call_blocking<T: Send + 'static>(
        &self,
        call: impl FnOnce(&mut CloudCore) -> Result<T, CloudError> + Send + 'static,
    ) -> Result<T, CloudError> {
        self.submit(call, None)?.blocking_recv().unwrap_or_else(|_| Err(gone()))
    }

    /// What the cloud counts about itself.
    pub fn metrics(&self) -> CloudMetrics {
        self.metrics.snapshot()
    }

    /// What was stored second by second: the seconds that are over, after `after`, oldest first.
    pub fn seconds(&self, now: Timestamp, after: Timestamp) -> Vec<Second> {
        self.metrics.seconds(now, after)
    }

    /// Counts a decision that was answered so long after it was asked for.
    pub(crate) fn handled(&self, now: Timestamp, took: Duration) {
        self.metrics.handled(now, took);
    }

    /// Copies the store to the new file `to` while it is being written; the file appears only when it is whole.
    ///
    /// Reads and writes files: not for a thread that serves others.
    pub fn backup_to(&self, to: &Path) -> Result<Copied, CloudError> {
        let in_memory = || CloudError::invalid("a store in memory has no file to copy");
        crate::store::backup::backup(self.store.as_deref().ok_or_else(in_memory)?, to)
    }

    fn submit<T: Send + 'static>(
        &self,
        call: impl FnOnce(&mut CloudCore) -> Result<T, CloudError> + Send + 'static,
        postman: Option<Postman>,
    ) -> Result<oneshot::Receiver<Result<T, CloudError>>, CloudError> {
        let (answer, wait) = oneshot::channel();
        let job: Job = Box::new(move |core| match core {
            Err(failure) => {
                // A caller that went away needs no answer.
                let _ = answer.send(Err(failure.error()));
                None
            }
            Ok(core) => {
                let result = call(core);
                let letter: Letter = Box::new(move |failure| {
                    // An error of the call itself says more than the fate of its batch.
                    let result = match (result, failure) {
                        (Ok(_), Some(failure)) => Err(failure.error()),
                        (result, _) => result,
                    };
                    let _ = answer.send(result);
                });
                Some(Answer { letter, postman })
            }
        });
        self.metrics.enqueued();
        let sent = self.queue.try_send(job).inspect_err(|_refused| self.metrics.dequeued());
        match sent {
            Ok(()) => Ok(wait),
            Err(TrySendError::Full(_)) => {
                Err(CloudError::new(CloudErrorKind::Overloaded, "too many calls are waiting"))
            }
            Err(TrySendError::Disconnected(_)) => Err(gone()),
        }
    }
}

fn gone() -> CloudError {
    CloudError::new(CloudErrorKind::Stopped, "the writer has ended")
}

/// The thread; ends when the last handle is dropped.
#[derive(Debug)]
pub struct Writer {
    thread: JoinHandle<()>,
}

impl Writer {
    /// Gives the core to a thread of its own.
    pub fn start(core: CloudCore, limits: WriterLimits) -> Result<(Self, CloudHandle), CloudError> {
        let (queue, jobs) = sync_channel(limits.queue_max.max(1));
        let (metrics, store) = (core.metrics(), core.path().map(Arc::from));
        let thread = std::thread::Builder::new()
            .name("glacis-cloud-writer".to_owned())
            .spawn(move || run(core, &jobs, limits.batch_max.max(1)))
            .map_err(|error| {
                CloudError::new(CloudErrorKind::Storage, "no thread for the writer").caused_by(error)
            })?;
        Ok((Self { thread }, CloudHandle { queue, metrics, store, office: PostOffice::default() }))
    }

    /// Waits until the last handle is gone and everything queued is answered.
    pub fn join(self) {
        if self.thread.join().is_err() {
            tracing::error!("the writer panicked");
        }
    }
}

fn run(mut core: CloudCore, jobs: &Receiver<Job>, batch_max: usize) {
    let metrics = core.metrics();
    let mut answers: Vec<Answer> = Vec::with_capacity(batch_max);
    let mut pace = Pace::default();
    let mut sweep_at = core.monotonic();
    loop {
        if core.monotonic() >= sweep_at {
            sweep_at = core.monotonic() + sweep(&mut core);
        }
        let first = match jobs.recv_timeout(sweep_at.saturating_sub(core.monotonic())) {
            Ok(job) => job,
            Err(RecvTimeoutError::Timeout) => {
                // Due by the time that passed here, whatever the host's clock says.
                sweep_at = core.monotonic();
                continue;
            }
            Err(RecvTimeoutError::Disconnected) => return,
        };
        metrics.dequeued();
        if let Err(error) = core.begin() {
            let failure = Failure::of(&error);
            let _ = first(Err(&failure));
            pause(&core);
            continue;
        }
        answers.extend(first(Ok(&mut core)));
        let until = core.monotonic() + pace.patience();
        while answers.len() < batch_max
            && let Some(job) = pace.next(jobs, answers.len(), || until.saturating_sub(core.monotonic()))
        {
            metrics.dequeued();
            answers.extend(job(Ok(&mut core)));
        }
        let committing = core.monotonic();
        let failure = core.commit().err().map(|error| {
            tracing::error!(%error, jobs = answers.len(), "a batch failed; nothing of it was acknowledged");
            Failure::of(&error)
        });
        pace = Pace { jobs: answers.len(), commit: core.monotonic() - committing };
        match &failure {
            None => metrics.committed(pace.jobs, pace.commit),
            Some(_) => metrics.failed(),
        }
        let mut mail = Mail::new(failure.as_ref());
        answers.drain(..).for_each(|Answer { letter, postman }| mail.add(postman, letter));
        mail.send();
        if failure.is_some() {
            pause(&core);
        }
    }
}

/// Time between two looks for what is past its retention.
const SWEEP_PAUSE: Duration = Duration::from_secs(60);

/// One step of retention between two batches; gives the time to the next.
///
/// While there is more, as much time goes to the batches as to the sweep.
fn sweep(core: &mut CloudCore) -> Duration {
    let start = core.monotonic();
    // What a collateral lets fall, falls with the request or the file that brought it; after a restart, or where that was
    // given up, here.
    let stepped = core.reappraise().inspect_err(|error| tracing::warn!(%error, "nobody was appraised anew"));
    let more = stepped.is_ok_and(|stepped| stepped.more);
    match core.sweep() {
        Ok(swept) if swept.more || more => core.monotonic() - start,
        Ok(_) => SWEEP_PAUSE,
        Err(error) => {
            tracing::warn!(%error, "nothing was swept");
            SWEEP_PAUSE
        }
    }
}

/// What the last batch was like, which says how long the next may wait for its jobs.
///
/// Those that were answered last are about to ask again; a batch that closes before they did costs them a whole
/// sync more. So it waits for as many as before, but never longer than a part of what the sync takes, and a
/// single client never waits at all.
#[derive(Clone, Copy, Debug, Default)]
struct Pace {
    jobs: usize,
    commit: Duration,
}

impl Pace {
    /// A quarter of what the last commit took, and never more than a user would notice.
    fn patience(&self) -> Duration {
        (self.commit / 4).min(Duration::from_millis(5))
    }

    fn next(&self, jobs: &Receiver<Job>, have: usize, left: impl FnOnce() -> Duration) -> Option<Job> {
        match jobs.try_recv() {
            Ok(job) => Some(job),
            Err(_) if have >= self.jobs => None,
            Err(_) => jobs.recv_timeout(left()).ok(),
        }
    }
}

/// A core that never writes again answers at once.
fn pause(core: &CloudCore) {
    if !core.is_stopped() {
        std::thread::sleep(FAILURE_PAUSE);
    }
}
