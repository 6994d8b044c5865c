//! What every [`KeyStore`] promises, as one function: an implementation is a key store if this returns.
//!
//! It panics with the broken promise, so it belongs into tests; the feature `contract` is for those of other
//! crates.
#![expect(clippy::unwrap_used, reason = "assertions of a test suite")]

use crate::keys::{KeyError, KeyStore, Role, UserVerification};
use glacis_seal::{Context, Purpose, SealError, verify, verify_raw};
use glacis_wire::{Realm, TenantId};

/// Runs the suite. `open` opens the store on the same storage each time, as after a restart; the storage is empty
/// at first.
pub fn key_store<S: KeyStore>(open: impl Fn() -> S) {
    let context = Context::new(TenantId::parse("contract").unwrap(), Realm::Demo);
    let store = open();
    nothing_is_there_at_first(&store, &context);
    let device = store.create(Role::Device).unwrap();
    let passkey = store.create(Role::Passkey).unwrap();
    assert_ne!(device, passkey, "roles have keys of their own");
    assert_eq!(store.create(Role::Device).unwrap(), device, "making a key twice gives the same key");
    device_key_signs(&store, &context);
    passkey_needs_its_user(&store, &context);

    drop(store);
    let store = open();
    assert_eq!(store.public(Role::Device).unwrap(), Some(device), "keys survive a restart");
    assert_eq!(store.public(Role::Passkey).unwrap(), Some(passkey), "keys survive a restart");
    let renewed = store.renew(Role::Device).unwrap();
    assert_ne!(renewed, device, "a renewed key is another key");
    assert_eq!(store.public(Role::Passkey).unwrap(), Some(passkey), "renewal touches one role");
    drop(store);
    let store = open();
    assert_eq!(store.public(Role::Device).unwrap(), Some(renewed), "renewal survives a restart");
    device_key_signs(&store, &context);
}

fn nothing_is_there_at_first(store: &impl KeyStore, context: &Context) {
    for role in Role::ALL {
        assert_eq!(store.public(role).unwrap(), None, "{} key before it was made", role.name());
    }
    let missing = store.sign(Role::Device, context, Purpose::Enrol, b"");
    assert!(matches!(missing, Err(KeyError::Missing(Role::Device))), "{missing:?}");
}

fn device_key_signs(store: &impl KeyStore, context: &Context) {
    let public = store.public(Role::Device).unwrap().unwrap();
    let signature = store.sign(Role::Device, context, Purpose::Enrol, b"message").unwrap();
    verify(&public, context, Purpose::Enrol, b"message", &signature).unwrap();
    let other = verify(&public, context, Purpose::Certificate, b"message", &signature);
    assert_eq!(other, Err(SealError::Signature), "a signature is for one purpose");
    let raw = store.sign_raw(Role::Device, b"base").unwrap();
    verify_raw(&public, b"base", &raw).unwrap();
}

fn passkey_needs_its_user(store: &impl KeyStore, context: &Context) {
    for refused in [
        store.sign(Role::Passkey, context, Purpose::Challenge, b"pay 5"),
        store.sign_raw(Role::Passkey, b"pay 5"),
    ] {
        assert!(matches!(refused, Err(KeyError::VerificationMissing(Role::Passkey))), "{refused:?}");
    }
    let approved = || UserVerification::claimed_by_app(b"pay 5");
    let other = store.sign_verified(approved(), context, Purpose::Challenge, b"pay 500");
    assert!(
        matches!(other, Err(KeyError::VerificationMismatch)),
        "an approval is for one message: {other:?}"
    );
    let signature = store.sign_verified(approved(), context, Purpose::Challenge, b"pay 5").unwrap();
    let public = store.public(Role::Passkey).unwrap().unwrap();
    verify(&public, context, Purpose::Challenge, b"pay 5", &signature).unwrap();
}
