//! Bytes of a `Published` answer against a pinned key set.
//!
//! Invariants: nothing is accepted that the held keys did not sign; what is accepted never lowers a version; the
//! same bytes again are no news (invariant 4 of the architecture).

use glacis_seal::published::{Held, accept_bytes};
use glacis_seal::{Context, SigningKey, key_id};
use glacis_wire::message::List;
use glacis_wire::message::policy::{KeySet, KeyUse, PublishedKey};
use glacis_wire::{Realm, TenantId, Timestamp, Zone};

/// Checks one input.
pub fn run(data: &[u8]) {
    let (Some(context), Some(held)) = (context(), held()) else { panic!("the fixed keys are wrong") };
    let Ok(accepted) = accept_bytes(&held, &context, Zone::Device, data) else { return };
    assert!(accepted.held.key_set.version >= held.key_set.version, "a key set went backwards");
    let again = accept_bytes(&accepted.held, &context, Zone::Device, data);
    if let Ok(again) = again {
        assert!(!again.news, "the same bytes are news twice");
        assert_eq!(again.held, accepted.held);
    }
}

/// The tenant of the seeds.
pub(crate) fn context() -> Option<Context> {
    Some(Context::new(TenantId::parse("fuzz").ok()?, Realm::Demo))
}

/// The policy key of the seeds. Public on purpose: nothing but seeds is signed with it.
pub(crate) fn signer() -> Option<SigningKey> {
    SigningKey::from_scalar(&[7; 32]).ok()
}

/// What the receiver holds.
pub(crate) fn held() -> Option<Held> {
    Some(Held { key_set: key_set(1)?, bundle: None })
}

/// A key set of the seeds.
pub(crate) fn key_set(version: u64) -> Option<KeySet> {
    let (context, key) = (context()?, signer()?.public());
    let published = PublishedKey { id: key_id(&key), usage: KeyUse::Policy, key };
    let (tenant, realm, issued) = (context.tenant, context.realm, Timestamp::from_secs(1));
    Some(KeySet { tenant, realm, version, issued, keys: List(vec![published]) })
}
