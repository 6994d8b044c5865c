//! Invariant 4 on the device: nothing older, nothing unsigned, across restarts.

use crate::{NOW, context, key, key_set, vault};
use glacis_dtx::{PolicyError, PolicyStore};
use glacis_host::MemoryFiles;
use glacis_seal::published::PublishedError;
use glacis_seal::{Context, Purpose, SealError, sign_envelope};
use glacis_wire::message::policy::{Bundle, BundleSlice, KeySet, Published};
use glacis_wire::message::{Bytes, List, Signed, Tail};
use glacis_wire::verdict::Zone;
use glacis_wire::{Encode, EventName, PolicyDigest, Realm, TenantId};

fn bundle(version: u64) -> Bundle {
    let Context { tenant, realm } = context();
    let slice = BundleSlice {
        event: EventName::parse("payment.transfer").unwrap(),
        policy: PolicyDigest::new([1; 32]),
        slice: Bytes(version.to_be_bytes().to_vec()),
    };
    let (slices, metering) = (List(vec![slice]), Tail::default());
    Bundle { tenant, realm, zone: Zone::Device, version, issued: NOW, slices, metering }
}

fn publish(signer: &str, bundle: &Bundle) -> Published {
    let bundle = sign_envelope(&key(signer), &context(), Purpose::Bundle, bundle).unwrap();
    Published { key_sets: List(vec![]), bundle }
}

fn with_keys(signer: &str, set: &KeySet, published: Published) -> Published {
    let signed = sign_envelope(&key(signer), &context(), Purpose::KeySet, set).unwrap();
    Published { key_sets: List(vec![signed]), ..published }
}

fn open(files: &MemoryFiles, pinned: KeySet) -> PolicyStore {
    PolicyStore::open(vault(files.clone()), Zone::Device, pinned).unwrap()
}

fn refused(store: &mut PolicyStore, published: &Published) -> PublishedError {
    let before = store.bundle();
    let result = store.accept(published);
    assert_eq!(store.bundle(), before, "what was held stays in force");
    match result {
        Err(PolicyError::Refused(error)) => Ok(error),
        other => Err(format!("not refused: {other:?}")),
    }
    .unwrap()
}

/// Invariant 4.
#[test]
fn invariant_4_a_device_never_accepts_an_older_policy_or_key_set_nor_one_without_a_right_signature() {
    let files = MemoryFiles::new();
    let mut store = open(&files, key_set(1, &["policy"]));
    assert_eq!(store.bundle(), None);
    store.accept(&publish("policy", &bundle(5))).unwrap();
    for restarted in [false, true] {
        if restarted {
            store = open(&files, key_set(1, &["policy"]));
        }
        assert_eq!(*store.bundle().unwrap(), bundle(5));
        let older = refused(&mut store, &publish("policy", &bundle(4)));
        assert_eq!(older, PublishedError::Older { offered: 4, held: 5 });
        let other = Bundle { slices: List(vec![]), ..bundle(5) };
        assert_eq!(refused(&mut store, &publish("policy", &other)), PublishedError::Conflict(5));
        assert_eq!(refused(&mut store, &publish("result", &bundle(6))), PublishedError::UnknownKey);
        assert_eq!(refused(&mut store, &publish("somebody", &bundle(6))), PublishedError::UnknownKey);
        let unsigned = Signed { signature: [0; 64], ..publish("policy", &bundle(6)).bundle };
        let unsigned = Published { key_sets: List(vec![]), bundle: unsigned };
        assert_eq!(refused(&mut store, &unsigned), PublishedError::Seal(SealError::Signature));
        for (wrong, kind) in [
            (Bundle { tenant: TenantId::parse("acme2").unwrap(), ..bundle(6) }, PublishedError::Tenant),
            (Bundle { realm: Realm::Production, ..bundle(6) }, PublishedError::Realm),
            (Bundle { zone: Zone::Cloud, ..bundle(6) }, PublishedError::Zone),
        ] {
            assert_eq!(refused(&mut store, &publish("policy", &wrong)), kind);
        }
        assert_eq!(
            *store.accept(&publish("policy", &bundle(5))).unwrap(),
            bundle(5),
            "the same again is no harm"
        );
    }
    let rotated = with_keys("policy", &key_set(2, &["next"]), publish("next", &bundle(6)));
    store.accept(&rotated).unwrap();
    for restarted in [false, true] {
        if restarted {
            store = open(&files, key_set(1, &["policy"]));
        }
        assert_eq!(store.key_set().version, 2);
        assert_eq!(refused(&mut store, &publish("policy", &bundle(7))), PublishedError::UnknownKey);
        let older = with_keys("next", &key_set(1, &["policy"]), publish("policy", &bundle(7)));
        assert_eq!(refused(&mut store, &older), PublishedError::Older { offered: 1, held: 2 });
    }
}

#[test]
fn invariant_4_cut_flipped_and_oversized_publications_are_refused() {
    let files = MemoryFiles::new();
    let mut store = open(&files, key_set(1, &["policy"]));
    let bytes = with_keys("policy", &key_set(2, &["next"]), publish("next", &bundle(6))).to_bytes().unwrap();
    for at in 0..bytes.len() {
        assert!(store.accept_bytes(&bytes[..at]).is_err(), "cut to {at}");
        let mut flipped = bytes.clone();
        flipped[at] ^= 1;
        assert!(store.accept_bytes(&flipped).is_err(), "flipped byte {at}");
    }
    let oversized = store.accept_bytes(&vec![0; glacis_seal::published::PUBLISHED_BYTES_MAX + 1]);
    assert!(matches!(oversized, Err(PolicyError::Refused(PublishedError::TooLarge))));
    assert_eq!((store.bundle(), store.key_set().version), (None, 1));
    store.accept_bytes(&bytes).unwrap();
}

#[test]
fn a_newer_pinned_key_set_wins_and_still_bars_older_bundles() {
    let files = MemoryFiles::new();
    open(&files, key_set(1, &["policy"])).accept(&publish("policy", &bundle(5))).unwrap();
    let mut store = open(&files, key_set(3, &["policy", "next"]));
    assert_eq!(*store.bundle().unwrap(), bundle(5), "still vouched for");
    let mut rekeyed = open(&files, key_set(3, &["next"]));
    assert_eq!(rekeyed.bundle(), None, "nobody vouches for the old bundle any more");
    assert_eq!(
        refused(&mut rekeyed, &publish("next", &bundle(4))),
        PublishedError::Older { offered: 4, held: 5 }
    );
    store.accept(&publish("next", &bundle(6))).unwrap();
    assert_eq!(open(&files, key_set(1, &["policy"])).key_set().version, 3, "an older app's pin does not win");
}

#[test]
fn a_pinned_key_set_of_another_tenant_is_refused() {
    let foreign = KeySet { tenant: TenantId::parse("acme2").unwrap(), ..key_set(1, &["policy"]) };
    let opened = PolicyStore::open(vault(MemoryFiles::new()), Zone::Device, foreign);
    assert!(matches!(opened, Err(PolicyError::Refused(PublishedError::Tenant))));
}
