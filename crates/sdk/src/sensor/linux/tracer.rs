//! Tracer: does any process trace this one (`ptrace`)? Debuggers, `strace`, and injectors for some milliseconds.
//!
//! The kernel names the tracer of each thread in `/proc/PID/task/TID/status`, field `TracerPid` (proc(5)). Every
//! look reads the leader's, which attaching tools take first; every sixteenth also reads some other threads in
//! turn, for a tool that takes only another one: all of a process with 64 threads within 256 ms. An injector may be
//! attached for a few milliseconds only, hence the fast watch.
//!
//! Not seen: a tracer outside of this process's PID namespace reads as 0, and a privileged observer can answer
//! these reads itself. A crash handler that attaches is a tracer too: an app that ships one decides in its policy.

use super::watch::{Look, Probe, WatchConfig, Watched};
use super::{Reading, Reason, Sensor};
use glacis_host::Clock;
use glacis_host::kernel::{self, RawFile};
use glacis_seal::sha256;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// The watched sensor.
#[derive(Debug)]
pub struct Tracer(Watched<TracerProbe>);

impl Tracer {
    /// Time between two looks unless told otherwise.
    ///
    /// Source: an injection by Frida 17 shows for some milliseconds; a 1 ms poller saw it on 3 of 3 later attaches,
    /// a 500 ms poller never. 2 ms halves the wake-ups.
    pub const INTERVAL: Duration = Duration::from_millis(2);

    /// Starts watching with [`Self::INTERVAL`] and default budget.
    ///
    /// # Errors
    /// If no thread can be started. A process that cannot read its own status is an unknown reading, not an error.
    pub fn start(clock: Arc<dyn Clock>) -> io::Result<Self> {
        Self::with(WatchConfig::every(Self::INTERVAL), clock)
    }

    /// Starts watching as `config` says.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn with(config: WatchConfig, clock: Arc<dyn Clock>) -> io::Result<Self> {
        Watched::start(TracerProbe::new(), config, clock).map(Self)
    }

    /// The watch behind it, for its usage.
    pub const fn watch(&self) -> &Watched<TracerProbe> {
        &self.0
    }
}

impl Sensor for Tracer {
    fn id(&self) -> &'static str {
        self.0.id()
    }

    fn read(&self) -> Reading {
        self.0.read()
    }
}

/// Looks for a tracer once.
#[derive(Debug)]
pub struct TracerProbe {
    leader: Option<RawFile>,
    looks: AtomicU64,
    /// Where the next sweep begins, for processes with more threads than one sweep reads.
    sweep_from: AtomicUsize,
}

impl TracerProbe {
    pub(super) fn new() -> Self {
        Self {
            leader: RawFile::open("/proc/self/status").ok(),
            looks: AtomicU64::new(0),
            sweep_from: AtomicUsize::new(0),
        }
    }

    /// The tracer of the next few threads of this process; 0 for none.
    fn sweep(&self) -> Result<u32, Reason> {
        let threads = kernel::names("/proc/self/task", THREADS_MAX).map_err(|_| Reason::Unreadable)?;
        let mut from = self.sweep_from.load(Ordering::Relaxed);
        if from >= threads.len() {
            from = 0;
        }
        self.sweep_from.store(from + SWEEP_THREADS, Ordering::Relaxed);
        for thread in threads.iter().skip(from).take(SWEEP_THREADS) {
            // A thread may end between listing and reading; that one has no tracer any more.
            let path = [b"/proc/self/task/".as_slice(), thread, b"/status"].concat();
            let Ok(status) = RawFile::open(path) else { continue };
            match tracer_of(&status) {
                Ok(0) | Err(Reason::Unreadable) => {}
                found => return found,
            }
        }
        Ok(0)
    }
}

impl Probe for TracerProbe {
    fn id(&self) -> &'static str {
        "tracer"
    }

    fn look(&self) -> Look {
        let Some(leader) = &self.leader else { return Look::Unknown(Reason::Unreadable) };
        let mut found = tracer_of(leader);
        if found == Ok(0) && self.looks.fetch_add(1, Ordering::Relaxed).is_multiple_of(SWEEP_EVERY) {
            found = self.sweep();
        }
        match found {
            Ok(0) => Look::Clear,
            Ok(pid) => Look::Detected(sha256(&evidence(pid))),
            Err(reason) => Look::Unknown(reason),
        }
    }
}

/// Who traces: number and name, as far as the tracer lets itself be named.
fn evidence(pid: u32) -> Vec<u8> {
    let mut evidence = format!("tracer {pid} ").into_bytes();
    if let Ok(name) = kernel::read(format!("/proc/{pid}/comm"), NAME_BYTES_MAX) {
        evidence.extend_from_slice(name.get(..name.len().min(NAME_BYTES_MAX)).unwrap_or(&name));
    }
    evidence
}

fn tracer_of(status: &RawFile) -> Result<u32, Reason> {
    let mut page = [0; STATUS_BYTES_MAX];
    let len = status.read_at(&mut page, 0).map_err(|_| Reason::Unreadable)?;
    tracer_pid(page.get(..len).unwrap_or(&page))
}

/// `TracerPid` of a status file.
fn tracer_pid(status: &[u8]) -> Result<u32, Reason> {
    let line = status.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(b"TracerPid:"));
    let digits = line.ok_or(Reason::Malformed)?.trim_ascii();
    str::from_utf8(digits).ok().and_then(|text| text.parse().ok()).ok_or(Reason::Malformed)
}

/// `TracerPid` is the eighth line; the process name before it may be escaped to 64 bytes.
const STATUS_BYTES_MAX: usize = 2_048;
/// Every so many looks there is a sweep.
const SWEEP_EVERY: u64 = 16;
/// Threads that one sweep reads. It sets what sweeps add to the cost of a look: about one half.
const SWEEP_THREADS: usize = 8;
/// Most threads that are listed at all; sweeps beyond it would cost more than they find.
const THREADS_MAX: usize = 1_024;
/// Longest process name that goes into the evidence (the kernel's own limit is 15).
const NAME_BYTES_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_without_a_readable_tracer_is_malformed_never_clear() {
        for (text, want) in [
            ("Name:\tx\nTracerPid:\t0\nUid:\t0\n", Ok(0)),
            ("TracerPid:\t4711\n", Ok(4711)),
            ("TracerPid:\t\n", Err(Reason::Malformed)),
            ("TracerPid:\t-1\n", Err(Reason::Malformed)),
            ("TracerPid:\t99999999999\n", Err(Reason::Malformed)),
            ("Name:\tTracerPid:\t0\nUid:\t0\n", Err(Reason::Malformed)),
            ("", Err(Reason::Malformed)),
        ] {
            assert_eq!(tracer_pid(text.as_bytes()), want, "{text:?}");
        }
    }

    #[test]
    fn a_process_that_cannot_read_its_status_is_unknown() {
        let probe = TracerProbe { leader: None, looks: AtomicU64::new(0), sweep_from: AtomicUsize::new(0) };
        assert_eq!(probe.look(), Look::Unknown(Reason::Unreadable));
    }
}
