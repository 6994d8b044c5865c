//! What every [`KeyStore`] promises, as one function: an implementation is a key store if this returns.
//!
//! It panics with the broken promise, so it belongs into tests; the feature `contract` is for those of other
//! crates. It makes a few dozen keys, so that a store that takes its time for one takes a while.
#![expect(clippy::unwrap_used, reason = "assertions of a test suite")]

use crate::keys::{End, KeyError, KeyInfo, KeyStore, UserVerification};
use crate::role::{KeyOptions, Role, Scene};
use glacis_seal::chain::open_chain;
use glacis_seal::{Context, Purpose, SealError, verify, verify_raw};
use glacis_wire::message::Signature;
use glacis_wire::message::custody::KeyLevel;
use glacis_wire::{Realm, TenantId, Timestamp};
use std::num::NonZeroU64;
use std::time::Duration;

/// A place with a store in it.
pub trait Rig {
    /// The store.
    type Store: KeyStore;

    /// Opens the store on the same storage each time, as after a restart; the storage is empty at first.
    fn open(&self) -> Self::Store;

    /// The time of day, as the store is told it.
    fn now(&self) -> Timestamp;

    /// Sets the time of day of the store, also backwards.
    fn set_now(&self, now: Timestamp);
}

/// Runs the suite.
pub fn key_store(rig: &impl Rig) {
    let store = rig.open();
    nothing_is_there_at_first(&store);
    device_and_passkey_live_on(rig, store);
    a_scene_keeps_its_options(rig);
    a_passkey_needs_its_user(&rig.open());
    uses_are_counted_before_they_leave(rig);
    an_end_is_an_end(rig);
    a_revoked_key_and_those_below_it_refuse(rig);
    a_successor_takes_over_when_told(rig);
    a_chain_leads_from_the_device_to_each_scene(rig);
    a_wipe_leaves_nothing(rig);
}

fn nothing_is_there_at_first(store: &impl KeyStore) {
    assert_eq!(store.list().unwrap(), []);
    for role in [Role::Device, Role::App, Role::PASSKEY] {
        assert_eq!(store.public(role).unwrap(), None, "{role} key before it was made");
    }
    let missing = store.sign(Role::Device, &context(), Purpose::Enrol, b"");
    assert!(matches!(missing, Err(KeyError::Missing(Role::Device))), "{missing:?}");
    let missing = store.prepare(Role::Device);
    assert!(matches!(missing, Err(KeyError::Missing(Role::Device))), "{missing:?}");
    let missing = store.revoke(Role::App);
    assert!(matches!(missing, Err(KeyError::Missing(Role::App))), "{missing:?}");
}

fn device_and_passkey_live_on<R: Rig>(rig: &R, store: R::Store) {
    let device = store.create(Role::Device).unwrap();
    let passkey = store.create(Role::PASSKEY).unwrap();
    let app = store.public(Role::App).unwrap().unwrap();
    assert!(device != passkey && device != app && app != passkey, "roles have keys of their own");
    assert_eq!(store.create(Role::Device).unwrap(), device, "making a key twice gives the same key");
    device_key_signs(&store);
    drop(store);
    let store = rig.open();
    for (role, key) in [(Role::Device, device), (Role::App, app), (Role::PASSKEY, passkey)] {
        assert_eq!(store.public(role).unwrap(), Some(key), "the {role} key survives a restart");
    }
    let renewed = store.renew(Role::Device).unwrap();
    assert_ne!(renewed, device, "a renewed key is another key");
    assert_eq!(store.public(Role::PASSKEY).unwrap(), Some(passkey), "renewal touches one role");
    drop(store);
    let store = rig.open();
    assert_eq!(store.public(Role::Device).unwrap(), Some(renewed), "renewal survives a restart");
    device_key_signs(&store);
    let refused = store.create_with(Role::Device, &once());
    assert!(matches!(refused, Err(KeyError::NoOptions(Role::Device))), "{refused:?}");
}

fn device_key_signs(store: &impl KeyStore) {
    let public = store.public(Role::Device).unwrap().unwrap();
    let signature = store.sign(Role::Device, &context(), Purpose::Enrol, b"message").unwrap();
    verify(&public, &context(), Purpose::Enrol, b"message", &signature).unwrap();
    let other = verify(&public, &context(), Purpose::Certificate, b"message", &signature);
    assert_eq!(other, Err(SealError::Signature), "a signature is for one purpose");
    let raw = store.sign_raw(Role::Device, b"base").unwrap();
    verify_raw(&public, b"base", &raw).unwrap();
}

fn a_passkey_needs_its_user(store: &impl KeyStore) {
    for refused in [
        store.sign(Role::PASSKEY, &context(), Purpose::Challenge, b"pay 5"),
        store.sign_raw(Role::PASSKEY, b"pay 5"),
    ] {
        assert!(matches!(refused, Err(KeyError::VerificationMissing(Role::PASSKEY))), "{refused:?}");
    }
    let other = verified(store, Role::PASSKEY, b"pay 5", b"pay 500");
    assert!(
        matches!(other, Err(KeyError::VerificationMismatch)),
        "an approval is for one message: {other:?}"
    );
    let unattended = store.renew_with(Role::PASSKEY, &KeyOptions::default());
    assert!(
        matches!(unattended, Err(KeyError::VerificationMissing(Role::PASSKEY))),
        "there is no passkey that asks nobody: {unattended:?}"
    );
    let signature = verified(store, Role::PASSKEY, b"pay 5", b"pay 5").unwrap();
    let public = store.public(Role::PASSKEY).unwrap().unwrap();
    verify(&public, &context(), Purpose::Challenge, b"pay 5", &signature).unwrap();
}

fn a_scene_keeps_its_options(rig: &impl Rig) {
    let role = scene("options");
    let store = rig.open();
    let options = KeyOptions { user_verification: true, ..once() };
    let key = store.create_with(role, &options).unwrap();
    drop(store);
    let store = rig.open();
    assert_eq!(store.create_with(role, &options).unwrap(), key, "the same options, the same key");
    let other = store.create_with(role, &KeyOptions::default());
    assert!(matches!(other, Err(KeyError::OtherOptions(found)) if found == role), "{other:?}");
    assert_eq!(store.create(role).unwrap(), key, "who states no options takes the key as it is");
    let info = store.list().unwrap().into_iter().find(|info| info.role == role).unwrap();
    assert_eq!((info.public, info.options, info.uses, info.ended), (key, options, Some(0), None));
    assert_eq!(info.made, Some(rig.now()));
    let renewed = store.renew(role).unwrap();
    assert_ne!(renewed, key);
    assert_eq!(store.create_with(role, &options).unwrap(), renewed, "renewal keeps the options");
}

fn uses_are_counted_before_they_leave(rig: &impl Rig) {
    let role = scene("uses");
    let three = KeyOptions { uses_max: NonZeroU64::new(3), user_verification: true, not_after: None };
    let key = rig.open().create_with(role, &three).unwrap();
    {
        let store = rig.open();
        let refused = plain(&store, role);
        assert!(matches!(refused, Err(KeyError::VerificationMissing(_))), "{refused:?}");
        let refused = verified(&store, role, b"this", b"that");
        assert!(matches!(refused, Err(KeyError::VerificationMismatch)), "{refused:?}");
        assert_eq!(info(&store, role).uses, Some(0), "what is refused is no use");
    }
    for number in 1..=3 {
        // A store of its own for each: the count does not live in memory.
        let store = rig.open();
        let signature = verified(&store, role, b"this", b"this").unwrap();
        verify(&key, &context(), Purpose::Challenge, b"this", &signature).unwrap();
        assert_eq!(info(&store, role).uses, Some(number));
    }
    for _ in 0..2 {
        let store = rig.open();
        refuses(verified(&store, role, b"this", b"this"), role, End::UsedUp);
        assert_eq!(info(&store, role).ended, Some(End::UsedUp));
        assert!(!info(&store, role).lingers, "a key without a use left is destroyed");
    }
    let store = rig.open();
    let again = store.create_with(role, &three);
    assert!(matches!(again, Err(KeyError::Ended { .. })), "no new key in silence: {again:?}");
    assert_ne!(store.renew(role).unwrap(), key);
    verified(&store, role, b"this", b"this").unwrap();
    assert_eq!(info(&store, role).uses, Some(1), "a renewed key has all its uses");
}

fn an_end_is_an_end(rig: &impl Rig) {
    let role = scene("end");
    let now = rig.now();
    let until = KeyOptions { not_after: Some(now.after(MINUTE)), ..KeyOptions::default() };
    let store = rig.open();
    let key = store.create_with(role, &until).unwrap();
    rig.set_now(now.after(MINUTE));
    let signature = plain(&store, role).unwrap();
    verify(&key, &context(), Purpose::Challenge, b"this", &signature).unwrap();
    rig.set_now(now.after(2 * MINUTE));
    assert_eq!(info(&store, role).ended, Some(End::Expired), "seen before it is tried");
    refuses(plain(&store, role), role, End::Expired);
    rig.set_now(now);
    refuses(plain(&store, role), role, End::Expired);
    drop(store);
    let store = rig.open();
    refuses(plain(&store, role), role, End::Expired);
    assert!(matches!(store.public(role), Err(KeyError::Ended { how: End::Expired, .. })));
    let later = KeyOptions { not_after: Some(now.after(2 * MINUTE)), ..KeyOptions::default() };
    assert_ne!(store.renew_with(role, &later).unwrap(), key);
    plain(&store, role).unwrap();
}

fn a_revoked_key_and_those_below_it_refuse(rig: &impl Rig) {
    let [one, two] = [scene("one"), scene("two")];
    let store = rig.open();
    store.create(one).unwrap();
    store.create(two).unwrap();
    store.revoke(one).unwrap();
    refuses(plain(&store, one), one, End::Revoked);
    plain(&store, two).unwrap();
    drop(store);
    let store = rig.open();
    refuses(plain(&store, one), one, End::Revoked);
    store.renew(one).unwrap();
    plain(&store, one).unwrap();
    store.revoke(Role::App).unwrap();
    drop(store);
    let store = rig.open();
    for role in [one, two, Role::App] {
        refuses(plain(&store, role), role, End::Revoked);
    }
    device_key_signs(&store);
    let orphan = store.renew(one);
    assert!(
        matches!(orphan, Err(KeyError::Ended { role: Role::App, .. })),
        "no scene key below a key that ended: {orphan:?}"
    );
    store.renew(Role::App).unwrap();
    store.renew(one).unwrap();
    plain(&store, one).unwrap();
    refuses(plain(&store, two), two, End::Revoked);
}

fn a_successor_takes_over_when_told(rig: &impl Rig) {
    let store = rig.open();
    let old = store.public(Role::Device).unwrap().unwrap();
    let none = as_successor(&store);
    assert!(matches!(none, Err(KeyError::NoSuccessor(Role::Device))), "{none:?}");
    assert!(matches!(store.promote(Role::Device), Err(KeyError::NoSuccessor(Role::Device))));
    let next = store.prepare(Role::Device).unwrap();
    assert_ne!(next, old);
    drop(store);
    let store = rig.open();
    assert_eq!(store.prepare(Role::Device).unwrap(), next, "a successor survives a restart");
    assert_eq!(store.public(Role::Device).unwrap(), Some(old), "a successor is not in force");
    assert_eq!(info(&store, Role::Device).successor, Some(next));
    verify(&next, &context(), Purpose::Enrol, b"new", &as_successor(&store).unwrap()).unwrap();
    device_key_signs(&store);
    assert_eq!(store.promote(Role::Device).unwrap(), next);
    drop(store);
    let store = rig.open();
    assert_eq!(store.public(Role::Device).unwrap(), Some(next));
    device_key_signs(&store);
    assert!(matches!(as_successor(&store), Err(KeyError::NoSuccessor(Role::Device))));
    assert!(matches!(store.prepare(Role::PASSKEY), Err(KeyError::NoSuccession(Role::PASSKEY))));
}

fn as_successor(store: &impl KeyStore) -> Result<Signature, KeyError> {
    store.sign_as_successor(Role::Device, &context(), Purpose::Enrol, b"new")
}

fn a_chain_leads_from_the_device_to_each_scene(rig: &impl Rig) {
    let role = scene("chain");
    let store = rig.open();
    let options = KeyOptions { user_verification: true, ..once() };
    let key = store.create_with(role, &options).unwrap();
    let device = store.public(Role::Device).unwrap().unwrap();
    let chain = store.chain(role, &context()).unwrap();
    let said = open_chain(&context(), &device, &chain, rig.now()).unwrap();
    assert_eq!((said.key, said.level, said.scene.0.as_str()), (key, KeyLevel::Scene, "chain"));
    assert_eq!((said.user_verification, said.uses_max), (true, Some(1)));
    let app =
        open_chain(&context(), &device, &store.chain(Role::App, &context()).unwrap(), rig.now()).unwrap();
    assert_eq!((app.level, Some(app.key)), (KeyLevel::App, store.public(Role::App).unwrap()));
    assert_eq!(store.chain(Role::Device, &context()).unwrap(), []);
    let renewed = store.renew(Role::Device).unwrap();
    assert!(open_chain(&context(), &renewed, &chain, rig.now()).is_err(), "it hangs on the device key");
    let chain = store.chain(role, &context()).unwrap();
    open_chain(&context(), &renewed, &chain, rig.now()).unwrap();
    assert_eq!(info(&store, role).uses, Some(0), "a chain uses no scene key");
}

fn a_wipe_leaves_nothing(rig: &impl Rig) {
    let role = scene("wiped");
    let store = rig.open();
    store.create_with(role, &once()).unwrap();
    let device = store.public(Role::Device).unwrap().unwrap();
    store.wipe().unwrap();
    assert_eq!(store.list().unwrap(), []);
    assert!(matches!(plain(&store, role), Err(KeyError::Missing(_))), "destroyed in memory, too");
    drop(store);
    let store = rig.open();
    assert_eq!(store.list().unwrap(), []);
    nothing_is_there_at_first(&store);
    assert_ne!(store.create(Role::Device).unwrap(), device, "a new life, a new key");
    device_key_signs(&store);
}

fn context() -> Context {
    Context::new(TenantId::parse("contract").unwrap(), Realm::Demo)
}

fn scene(name: &str) -> Role {
    Role::Scene(Scene::parse(name).unwrap())
}

fn once() -> KeyOptions {
    KeyOptions { uses_max: Some(NonZeroU64::MIN), ..KeyOptions::default() }
}

fn info(store: &impl KeyStore, role: Role) -> KeyInfo {
    store.list().unwrap().into_iter().find(|info| info.role == role).unwrap()
}

fn plain(store: &impl KeyStore, role: Role) -> Result<Signature, KeyError> {
    store.sign(role, &context(), Purpose::Challenge, b"this")
}

/// Signs `message` after the user approved `shown`.
fn verified(store: &impl KeyStore, role: Role, shown: &[u8], message: &[u8]) -> Result<Signature, KeyError> {
    let verification = UserVerification::claimed_by_app(shown);
    store.sign_verified(role, verification, &context(), Purpose::Challenge, message)
}

fn refuses(result: Result<Signature, KeyError>, role: Role, end: End) {
    let as_told = matches!(&result, Err(KeyError::Ended { role: r, how }) if (*r, *how) == (role, end));
    assert!(as_told, "the {role} key {end}: {result:?}");
}

const MINUTE: Duration = Duration::from_secs(60);
