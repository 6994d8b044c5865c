//! Notices a store that will never write again, so that the process ends instead of refusing for ever.
//!
//! A supervisor then starts a new process, which opens the store and reads what is really on the disk. The look is
//! one empty call of the writer; it writes nothing.

use crate::health::Probes;
use std::time::Duration;

/// Pause between two looks. Source: a supervisor restarts within seconds, so half of one is soon enough.
const EVERY: Duration = Duration::from_millis(500);

/// Returns why the process has to end; else never.
pub(crate) async fn fatal(probes: &Probes) -> &'static str {
    loop {
        tokio::time::sleep(EVERY).await;
        if probes.has_stopped().await {
            return "store: a disk error ended all writing of this process; check the disk, then start it again";
        }
    }
}
