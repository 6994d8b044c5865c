//! Invariant 4 at its root: what a receiver accepts only ever goes forward, and only under pinned keys.

use crate::{acme, context, damaged, entropy};
use glacis_seal::published::{
    Accepted, Held, PublishedError, accept, accept_bytes, accept_feed, check_key_set, open_signed,
};
use glacis_seal::{Context, Purpose, SealError, SigningKey, key_id, sign_envelope};
use glacis_wire::message::policy::{Bundle, BundleSlice, Feed, KeySet, KeyUse, Published, PublishedKey};
use glacis_wire::message::{Bytes, List, Signed, Tail};
use glacis_wire::verdict::Zone;
use glacis_wire::{Encode, EventName, PolicyDigest, Realm, Timestamp};

fn key(seed: u8) -> SigningKey {
    SigningKey::generate(entropy(seed)).unwrap()
}

fn published_key(seed: u8, usage: KeyUse) -> PublishedKey {
    let key = key(seed).public();
    PublishedKey { id: key_id(&key), usage, key }
}

/// Key set `version`: policy keys of these seeds, result key 101, feed key 102.
fn key_set(version: u64, policy: &[u8]) -> KeySet {
    let mut keys: Vec<_> = policy.iter().map(|seed| published_key(*seed, KeyUse::Policy)).collect();
    keys.extend([published_key(101, KeyUse::Result), published_key(102, KeyUse::Feed)]);
    let (tenant, realm) = (acme().tenant, acme().realm);
    KeySet { tenant, realm, version, issued: Timestamp::from_ms(version), keys: List(keys) }
}

fn bundle(version: u64) -> Bundle {
    let slice = BundleSlice {
        event: EventName::parse("payment.transfer").unwrap(),
        policy: PolicyDigest::new([1; 32]),
        slice: Bytes(vec![1, 2, 3]),
    };
    let (tenant, realm) = (acme().tenant, acme().realm);
    Bundle {
        tenant,
        realm,
        zone: Zone::Device,
        version,
        issued: Timestamp::from_ms(7),
        slices: List(vec![slice]),
        metering: Tail::default(),
    }
}

fn sign(seed: u8, purpose: Purpose, message: &impl Encode) -> Signed {
    sign_envelope(&key(seed), &acme(), purpose, message).unwrap()
}

fn publish(seed: u8, bundle: &Bundle) -> Published {
    Published { key_sets: List(vec![]), bundle: sign(seed, Purpose::Bundle, bundle) }
}

fn pinned() -> Held {
    Held { key_set: key_set(1, &[1]), bundle: None }
}

fn take(held: &Held, published: &Published) -> Result<Accepted, PublishedError> {
    accept(held, &acme(), Zone::Device, published)
}

#[test]
fn a_signed_newer_bundle_is_accepted_and_the_same_again_is_no_news() {
    let first = take(&pinned(), &publish(1, &bundle(3))).unwrap();
    assert!(first.news && first.bundle == bundle(3));
    let again = take(&first.held, &publish(1, &bundle(3))).unwrap();
    assert!(!again.news && again.held == first.held);
    let newer = take(&first.held, &publish(1, &bundle(9))).unwrap();
    assert!(newer.news && newer.held.bundle.unwrap().version == 9);
}

/// Invariant 4.
#[test]
fn invariant_4_an_older_bundle_or_the_same_version_with_another_content_is_refused() {
    let held = take(&pinned(), &publish(1, &bundle(3))).unwrap().held;
    let older = take(&held, &publish(1, &bundle(2))).unwrap_err();
    assert_eq!(older, PublishedError::Older { offered: 2, held: 3 });
    let other = Bundle { issued: Timestamp::from_ms(8), ..bundle(3) };
    assert_eq!(take(&held, &publish(1, &other)).unwrap_err(), PublishedError::Conflict(3));
}

/// Invariant 4.
#[test]
fn invariant_4_a_bundle_without_a_right_signature_is_refused() {
    let good = publish(1, &bundle(3));
    for seed in [2, 101, 102] {
        assert_eq!(
            take(&pinned(), &publish(seed, &bundle(3))).unwrap_err(),
            PublishedError::UnknownKey,
            "key {seed}"
        );
    }
    let wrong = PublishedError::Seal(SealError::Signature);
    let unsigned = Published { bundle: Signed { signature: [0; 64], ..good.bundle.clone() }, ..good.clone() };
    assert_eq!(take(&pinned(), &unsigned).unwrap_err(), wrong);
    let renamed = Signed { key: key(1).key_id(), ..publish(2, &bundle(3)).bundle };
    assert_eq!(take(&pinned(), &Published { bundle: renamed, ..good.clone() }).unwrap_err(), wrong);
    let other_purpose = Published { bundle: sign(1, Purpose::KeySet, &bundle(3)), ..good.clone() };
    assert_eq!(take(&pinned(), &other_purpose).unwrap_err(), wrong);
    let bytes = good.to_bytes().unwrap();
    assert!(accept_bytes(&pinned(), &acme(), Zone::Device, &bytes).is_ok());
    for damaged in damaged(&bytes) {
        assert!(accept_bytes(&pinned(), &acme(), Zone::Device, &damaged).is_err());
    }
    let oversized = vec![0; glacis_seal::published::PUBLISHED_BYTES_MAX + 1];
    assert_eq!(
        accept_bytes(&pinned(), &acme(), Zone::Device, &oversized).unwrap_err(),
        PublishedError::TooLarge
    );
}

/// Invariant 4.
#[test]
fn a_bundle_for_another_tenant_realm_or_zone_is_refused() {
    let refused = |bundle: Bundle| take(&pinned(), &publish(1, &bundle)).unwrap_err();
    let tenant = context("other", Realm::Demo).tenant;
    assert_eq!(refused(Bundle { tenant, ..bundle(3) }), PublishedError::Tenant);
    assert_eq!(refused(Bundle { realm: Realm::Production, ..bundle(3) }), PublishedError::Realm);
    assert_eq!(refused(Bundle { zone: Zone::Edge, ..bundle(3) }), PublishedError::Zone);
    for context in crate::others() {
        let foreign = accept(&pinned(), &context, Zone::Device, &publish(1, &bundle(3))).unwrap_err();
        assert_eq!(foreign, PublishedError::Seal(SealError::Signature));
    }
}

#[test]
fn keys_rotate_along_a_chain_from_the_pinned_set() {
    let two = sign(1, Purpose::KeySet, &key_set(2, &[1, 2]));
    let three = sign(2, Purpose::KeySet, &key_set(3, &[2]));
    let published = |key_sets: &[&Signed], seed| Published {
        key_sets: List(key_sets.iter().map(|signed| (*signed).clone()).collect()),
        bundle: sign(seed, Purpose::Bundle, &bundle(1)),
    };
    let held = take(&pinned(), &published(&[&two, &three], 2)).unwrap().held;
    assert_eq!(held.key_set, key_set(3, &[2]));
    assert!(!take(&held, &published(&[&three], 2)).unwrap().news, "the newest set again changes nothing");
    let refused = |held: &Held, published: &Published| take(held, published).unwrap_err();
    assert_eq!(refused(&held, &published(&[], 1)), PublishedError::UnknownKey, "key 1 was retired");
    assert_eq!(refused(&held, &published(&[&two], 2)), PublishedError::UnknownKey, "so was its signature");
    assert_eq!(refused(&pinned(), &published(&[&three], 2)), PublishedError::UnknownKey, "a set is missing");
    let skipping = sign(1, Purpose::KeySet, &key_set(3, &[1]));
    assert_eq!(refused(&pinned(), &published(&[&skipping], 1)), PublishedError::Gap { offered: 3, held: 1 });
}

/// Invariant 4.
#[test]
fn invariant_4_an_older_or_forked_key_set_is_refused() {
    let held = Held { key_set: key_set(5, &[1]), bundle: None };
    let offer = |seed, set: &KeySet| {
        let key_sets = List(vec![sign(seed, Purpose::KeySet, set)]);
        take(&held, &Published { key_sets, bundle: sign(1, Purpose::Bundle, &bundle(1)) })
    };
    assert_eq!(offer(1, &key_set(4, &[1])).unwrap_err(), PublishedError::Older { offered: 4, held: 5 });
    assert_eq!(offer(1, &key_set(5, &[1, 2])).unwrap_err(), PublishedError::Conflict(5));
    assert_eq!(
        offer(101, &key_set(6, &[1])).unwrap_err(),
        PublishedError::UnknownKey,
        "a result key governs nothing"
    );
    offer(1, &key_set(6, &[1])).unwrap();
}

#[test]
fn a_key_set_must_be_well_formed_and_ours() {
    let refused = |set: KeySet| check_key_set(&set, &acme()).unwrap_err();
    check_key_set(&key_set(1, &[1]), &acme()).unwrap();
    assert_eq!(refused(key_set(1, &[])), PublishedError::KeySet, "nobody could sign the next one");
    assert_eq!(refused(key_set(1, &[1, 1])), PublishedError::KeySet, "twice");
    assert_eq!(refused(key_set(1, &[101])), PublishedError::KeySet, "one key, one use");
    let mut misnamed = key_set(1, &[1]);
    misnamed.keys.0[0].id = key_id(&key(2).public());
    assert_eq!(refused(misnamed), PublishedError::KeySet);
    let mut off_curve = key_set(1, &[1]);
    off_curve.keys.0[0].key.0[64] ^= 1;
    off_curve.keys.0[0].id = key_id(&off_curve.keys.0[0].key);
    assert_eq!(refused(off_curve), PublishedError::KeySet);
    assert_eq!(refused(KeySet { realm: Realm::Production, ..key_set(1, &[1]) }), PublishedError::Realm);
    let foreign: Context = context("other", Realm::Demo);
    assert_eq!(check_key_set(&key_set(1, &[1]), &foreign), Err(PublishedError::Tenant));
}

#[test]
fn feeds_and_results_need_keys_of_their_use_and_feeds_never_go_back() {
    let set = key_set(1, &[1]);
    let (tenant, realm) = (acme().tenant, acme().realm);
    let feed = Feed { tenant, realm, version: 4, issued: Timestamp::ZERO, entries: List(vec![]) };
    let signed = |seed| sign(seed, Purpose::Feed, &feed);
    let take = |held, signed: &Signed| accept_feed(&set, &acme(), held, signed);
    assert_eq!(take(None, &signed(102)).unwrap(), feed);
    assert_eq!(take(Some(4), &signed(102)).unwrap(), feed);
    assert_eq!(take(Some(5), &signed(102)).unwrap_err(), PublishedError::Older { offered: 4, held: 5 });
    for seed in [1, 101] {
        assert_eq!(take(None, &signed(seed)).unwrap_err(), PublishedError::UnknownKey);
    }
    let result = sign(101, Purpose::Grant, &7_u8);
    assert_eq!(open_signed::<u8>(&set, KeyUse::Result, &acme(), Purpose::Grant, &result), Ok(7));
    let wrong = open_signed::<u8>(&set, KeyUse::Policy, &acme(), Purpose::Grant, &result);
    assert_eq!(wrong, Err(PublishedError::UnknownKey));
}
