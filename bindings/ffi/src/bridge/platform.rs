//! The app's key store as the store `foreign` of the middleware.
//!
//! Only words are translated here. That a callback may throw, block, or lie is the middleware's to handle, for every
//! language alike; what is no exception of [`KeysError`] has become one by UniFFI before it comes here.

use crate::surface::keys::{
    KeyDeadlines, KeyTier, KeyUniqueness, KeysError, NativeEvidence, PlatformKeys, PlatformStore,
};
use glacis_dtx::foreign::{Deadlines, ForeignClaim, ForeignError, ForeignKeyStore, ForeignKeys};
use glacis_dtx::{KeyError, Uniqueness, Vault};
use glacis_wire::Tier;
use std::sync::Arc;
use std::time::Duration;

/// Opens the store.
pub(super) fn open(vault: Arc<Vault>, store: PlatformStore) -> Result<ForeignKeyStore, KeyError> {
    let PlatformStore { keys, claim, deadlines } = store;
    let claim = ForeignClaim {
        tier: match claim.tier {
            KeyTier::Software => Tier::Software,
            KeyTier::Hardware => Tier::Hardware,
            KeyTier::Strong => Tier::Strong,
        },
        verifies_user: claim.verifies_user,
        uniqueness: match claim.uniqueness {
            KeyUniqueness::Nothing => Uniqueness::None,
            KeyUniqueness::Estimate => Uniqueness::Estimate,
            KeyUniqueness::Hardware => Uniqueness::Hardware,
        },
        attests: claim.attests,
    };
    let deadlines = deadlines.map_or_else(Deadlines::default, |told: KeyDeadlines| Deadlines {
        alone: Duration::from_millis(told.alone_ms.into()),
        with_user: Duration::from_millis(told.with_user_ms.into()),
    });
    ForeignKeyStore::open(vault, Arc::new(Platform(keys)), claim, deadlines)
}

struct Platform(Arc<dyn PlatformKeys>);

impl ForeignKeys for Platform {
    fn generate(
        &self,
        alias: &str,
        user_verification: bool,
        challenge: Option<&[u8]>,
    ) -> Result<Vec<u8>, ForeignError> {
        let challenge = challenge.map(<[u8]>::to_vec);
        Ok(self.0.generate(alias.to_owned(), user_verification, challenge)?)
    }

    fn sign(&self, alias: &str, digest: &[u8; 32], user_verification: bool) -> Result<Vec<u8>, ForeignError> {
        Ok(self.0.sign(alias.to_owned(), digest.to_vec(), user_verification)?)
    }

    fn delete(&self, alias: &str) -> Result<(), ForeignError> {
        Ok(self.0.delete(alias.to_owned())?)
    }

    fn attest(&self, alias: &str, challenge: &[u8]) -> Result<Option<(String, Vec<u8>)>, ForeignError> {
        let evidence = self.0.attest(alias.to_owned(), challenge.to_vec())?;
        Ok(evidence.map(|NativeEvidence { family, body }| (family, body)))
    }
}

impl From<KeysError> for ForeignError {
    fn from(error: KeysError) -> Self {
        match error {
            KeysError::Missing => Self::Missing,
            KeysError::Refused => Self::Refused,
            KeysError::Locked => Self::Locked,
            KeysError::Unavailable => Self::Unavailable,
            KeysError::Unsupported => Self::Unsupported,
            KeysError::Failed { what } => Self::Failed(what),
        }
    }
}
