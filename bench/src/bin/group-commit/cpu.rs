//! CPU time of one thread of this process, as the scheduler counts it (`/proc/self/task`, Linux only).
//!
//! Unlike a rate it hardly depends on what else the machine does; time in the kernel, syncs too, is in it.
//! A system that does not count it fails the bench rather than print a zero.

use crate::Outcome;
use std::path::PathBuf;
use std::time::Duration;

/// Longest thread name that the system keeps. Source: `TASK_COMM_LEN` of Linux, without the end.
const NAME_BYTES_MAX: usize = 15;

pub(crate) struct Thread(PathBuf);

impl Thread {
    /// The thread of this name.
    pub(crate) fn find(name: &str) -> Outcome<Self> {
        let kept = &name[..name.len().min(NAME_BYTES_MAX)];
        for task in std::fs::read_dir("/proc/self/task")? {
            let task = task?.path();
            if std::fs::read_to_string(task.join("comm"))?.trim_end() == kept {
                return Ok(Self(task.join("schedstat")));
            }
        }
        Err(format!("no thread `{name}`").into())
    }

    /// Time on a CPU since the thread began.
    pub(crate) fn used(&self) -> Outcome<Duration> {
        let text = std::fs::read_to_string(&self.0)?;
        let nanoseconds = text.split_whitespace().next().ok_or("no CPU time")?.parse()?;
        Ok(Duration::from_nanos(nanoseconds))
    }
}
