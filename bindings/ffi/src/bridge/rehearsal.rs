//! A place in memory in which the contract of key stores is run over an app's implementation.
//!
//! Time is set by the suite; randomness is the system's, because a platform's keys outlive the run and their aliases must
//! not come a second time.

use super::platform;
use crate::surface::keys::PlatformStore;
use glacis_dtx::KeyStore as _;
use glacis_dtx::Vault;
use glacis_dtx::contract::{self, Rig};
use glacis_dtx::foreign::ForeignKeyStore;
use glacis_host::{Clock, Entropy, EntropyError, MemoryFiles, SystemHost};
use glacis_seal::Context;
use glacis_wire::{Realm, TenantId, Timestamp};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Runs the suite and deletes what it made.
pub(crate) fn check(store: PlatformStore) {
    let place = Place { host: Arc::new(Rehearsal::start()), files: MemoryFiles::new(), store };
    contract::key_store(&place);
    let wiped = place.open().wipe();
    assert!(wiped.is_ok(), "what the suite made is deleted: {wiped:?}");
}

struct Place {
    host: Arc<Rehearsal>,
    files: MemoryFiles,
    store: PlatformStore,
}

impl Rig for Place {
    type Store = ForeignKeyStore;

    #[expect(clippy::expect_used, reason = "assertions of a test suite")]
    fn open(&self) -> ForeignKeyStore {
        let tenant = TenantId::parse("contract").expect("a name");
        let context = Context::new(tenant, Realm::Demo);
        let vault = Vault::open(Arc::new(self.files.clone()), Arc::clone(&self.host) as _, context);
        platform::open(Arc::new(vault.expect("a vault in memory")), self.store.clone()).expect("a key store")
    }

    fn now(&self) -> Timestamp {
        self.host.now()
    }

    fn set_now(&self, now: Timestamp) {
        self.host.now_ms.store(now.as_ms(), Ordering::SeqCst);
    }
}

/// The system, with a time of day that is set.
struct Rehearsal {
    now_ms: AtomicU64,
    system: SystemHost,
}

impl Rehearsal {
    fn start() -> Self {
        let system = SystemHost::new();
        Self { now_ms: AtomicU64::new(system.now().as_ms()), system }
    }
}

impl Clock for Rehearsal {
    fn now(&self) -> Timestamp {
        Timestamp::from_ms(self.now_ms.load(Ordering::SeqCst))
    }

    fn monotonic(&self) -> Duration {
        self.system.monotonic()
    }
}

impl Entropy for Rehearsal {
    fn fill(&self, out: &mut [u8]) -> Result<(), EntropyError> {
        self.system.fill(out)
    }
}
