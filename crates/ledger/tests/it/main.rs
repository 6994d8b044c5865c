//! The ledger's promises: nothing acknowledged is lost, nothing linked is changed unseen.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of a test binary")]

mod chain;
mod faults;
mod journal;
mod kill;

use glacis_host::{Host, SeededHost};
use glacis_wire::Timestamp;
use std::sync::Arc;

fn host() -> Arc<dyn Host> {
    Arc::new(SeededHost::new(1, Timestamp::ZERO))
}
