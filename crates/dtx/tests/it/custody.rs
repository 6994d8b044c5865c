//! What a crash, a full disk or a second process does to keys: nothing is used more often than allowed, nothing that
//! ended comes back, nothing that was returned is lost.

use crate::dying::{Dying, Filling};
use crate::{context, host, key_store, vault};
use glacis_dtx::{
    End, KeyError, KeyOptions, KeyStore, Role, Scene, SoftwareKeyStore, UserVerification, Vault, VaultError,
};
use glacis_host::{DirFiles, FileErrorKind, Files, MemoryFiles};
use glacis_seal::Purpose;
use glacis_wire::message::{PublicKey, Signature};
use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::process::Command;
use std::sync::Arc;

const USES: u64 = 3;

fn pay() -> Role {
    Role::Scene(Scene::parse("pay").unwrap())
}

fn limited() -> KeyOptions {
    KeyOptions { uses_max: NonZeroU64::new(USES), ..KeyOptions::default() }
}

fn sign(keys: &dyn KeyStore, role: Role) -> Result<Signature, KeyError> {
    keys.sign(role, &context(), Purpose::Challenge, b"this")
}

/// What a process learned before it died.
#[derive(Default)]
struct Seen {
    signatures: BTreeMap<[u8; 65], u64>,
    revoked: Vec<[u8; 65]>,
    wiped: bool,
    device: Option<PublicKey>,
}

/// One life of a device: makes keys, uses them up, renews, revokes, wipes; ends where the first write fails.
fn live(files: impl Files + 'static, entropy: &str, seen: &mut Seen) -> Result<(), KeyError> {
    let vault = Vault::open(Arc::new(files), host(entropy), context())?;
    let keys = SoftwareKeyStore::open(Arc::new(vault))?;
    seen.device = Some(keys.create(Role::Device)?);
    for _ in 0..2 {
        let key = match keys.create_with(pay(), &limited()) {
            Err(KeyError::Ended { .. }) => keys.renew(pay())?,
            made => made?,
        };
        loop {
            match sign(&keys, pay()) {
                Ok(_) => *seen.signatures.entry(key.0).or_default() += 1,
                Err(KeyError::Ended { how: End::UsedUp, .. }) => break,
                Err(error) => return Err(error),
            }
        }
    }
    let key = keys.renew(pay())?;
    keys.revoke(pay())?;
    seen.revoked.push(key.0);
    seen.wiped = true;
    keys.wipe()
}

#[test]
fn wherever_a_process_dies_no_key_signs_too_often_and_no_end_is_undone() {
    let mut deaths = 0;
    for nth in 1..80 {
        for last_is_done in [false, true] {
            let files = MemoryFiles::new();
            vault(files.clone()).put("other", b"").unwrap();
            let mut seen = Seen::default();
            let died = live(Dying::at(&files, nth, last_is_done), "first", &mut seen).is_err();
            deaths += u32::from(died);
            let keys = key_store(&vault(files.clone()));
            let device = keys.public(Role::Device).unwrap();
            if !seen.wiped {
                assert!(seen.device.is_none() || device == seen.device, "a key that was returned is kept");
            }
            if !died {
                assert_eq!(keys.list().unwrap(), []);
            }
            for key in keys.list().unwrap().iter().filter(|key| seen.revoked.contains(&key.public.0)) {
                assert_eq!(key.ended, Some(End::Revoked), "death at {nth}");
            }
            drop(keys);
            live(files, "second", &mut seen).unwrap();
            let most = seen.signatures.values().max();
            assert!(most.is_none_or(|most| *most <= USES), "{most:?} uses, death at {nth}");
        }
    }
    assert!(deaths > 60, "{deaths} deaths: the life is shorter than this test believes");
}

#[test]
fn a_wipe_that_died_leaves_no_key_that_signs_and_is_ended_by_the_next() {
    for nth in 1..8 {
        for last_is_done in [false, true] {
            let files = MemoryFiles::new();
            let before = key_store(&vault(files.clone())).create(Role::PASSKEY).unwrap();
            let dying = Dying::at(&files, nth, last_is_done);
            let doomed = Arc::new(Vault::open(Arc::new(dying), host("w"), context()).unwrap());
            let keys = SoftwareKeyStore::open(Arc::clone(&doomed)).unwrap();
            let wiped = keys.wipe().map_err(|_| ()).and_then(|()| doomed.wipe().map_err(|_| ()));
            drop(keys);
            match Vault::open(Arc::new(files.clone()), host("v"), context()) {
                // The storage key went first: what is left opens for nobody.
                Err(VaultError::KeyLost) => assert!(wiped.is_err()),
                Err(error) => panic!("{error}"),
                Ok(vault) => {
                    let keys = SoftwareKeyStore::open(Arc::new(vault)).unwrap();
                    match keys.public(Role::PASSKEY).unwrap() {
                        // The first write was not done, and so nothing was.
                        Some(key) => assert!(key == before && nth == 1 && !last_is_done),
                        None => assert_eq!(keys.list().unwrap(), []),
                    }
                    keys.wipe().unwrap();
                    assert_eq!(keys.list().unwrap(), []);
                }
            }
        }
    }
}

#[test]
fn a_full_disk_makes_no_key_and_no_signature_of_a_limited_key() {
    let files = MemoryFiles::new();
    let disk = Filling::new(&files, u32::MAX);
    let vault = Arc::new(Vault::open(Arc::new(disk.clone()), host("full"), context()).unwrap());
    let keys = SoftwareKeyStore::open(vault).unwrap();
    let device = keys.create(Role::Device).unwrap();
    let key = keys.create_with(pay(), &limited()).unwrap();
    for room in [0, 1] {
        disk.set_room(room);
        assert!(is_full(&sign(&keys, pay()).unwrap_err()), "a use that is not durable does not leave");
        disk.set_room(0);
        assert!(is_full(&keys.create(Role::PASSKEY).unwrap_err()));
        assert!(is_full(&keys.renew(Role::Device).unwrap_err()));
        assert!(is_full(&keys.revoke(pay()).unwrap_err()), "a revocation that is not durable is none");
        assert!(is_full(&keys.wipe().unwrap_err()));
    }
    sign(&keys, Role::Device).expect("a key without limits needs no room");
    disk.set_room(u32::MAX);
    assert_eq!(keys.public(Role::Device).unwrap(), Some(device));
    assert_eq!(keys.public(pay()).unwrap(), Some(key));
    let uses = std::iter::from_fn(|| sign(&keys, pay()).ok()).count();
    assert!((1..=3).contains(&uses), "at most what is left, and not none: {uses}");
    let refused = sign(&keys, pay());
    assert!(matches!(refused, Err(KeyError::Ended { how: End::UsedUp, .. })), "{refused:?}");
}

fn is_full(error: &KeyError) -> bool {
    matches!(error, KeyError::Vault(VaultError::Files(error)) if error.kind() == FileErrorKind::Full)
}

/// The second process does not get in: it sees a typed error, and the first goes on.
#[test]
fn a_second_process_on_one_folder_is_refused_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let keys = key_store(&vault(DirFiles::open(dir.path()).unwrap()));
    keys.create_with(pay(), &limited()).unwrap();
    sign(&*keys, pay()).unwrap();
    assert_eq!(second_process(dir.path()), "@in use");
    sign(&*keys, pay()).unwrap();
    drop(keys);
    assert_eq!(second_process(dir.path()), "@1 signatures");
    let keys = key_store(&vault(DirFiles::open(dir.path()).unwrap()));
    assert!(matches!(sign(&*keys, pay()), Err(KeyError::Ended { how: End::UsedUp, .. })));
}

fn second_process(dir: &std::path::Path) -> String {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "custody::second", "--ignored", "--nocapture"])
        .env("GLACIS_SECOND_PROCESS", dir)
        .output()
        .unwrap();
    let out = String::from_utf8(child.stdout).unwrap();
    let said = out.lines().find_map(|line| line.find('@').and_then(|at| line.get(at..)));
    assert!(said.is_some(), "{out}");
    said.unwrap_or_default().to_owned()
}

#[test]
#[ignore = "the child of another test; does nothing on its own"]
fn second() {
    let Some(dir) = glacis_host::variable("GLACIS_SECOND_PROCESS") else { return };
    match DirFiles::open(dir) {
        Err(error) if error.kind() == FileErrorKind::InUse => println!("@in use"),
        opened => {
            let keys = key_store(&vault(opened.unwrap()));
            println!("@{} signatures", std::iter::from_fn(|| sign(&*keys, pay()).ok()).count());
        }
    }
}

#[test]
fn an_approval_is_used_up_even_if_the_disk_is_full() {
    let files = MemoryFiles::new();
    let disk = Filling::new(&files, u32::MAX);
    let vault = Arc::new(Vault::open(Arc::new(disk.clone()), host("full"), context()).unwrap());
    let keys = SoftwareKeyStore::open(vault).unwrap();
    let options = KeyOptions { user_verification: true, ..limited() };
    keys.create_with(pay(), &options).unwrap();
    disk.set_room(0);
    let approved = UserVerification::claimed_by_app(b"pay 5");
    let refused = keys.sign_verified(pay(), approved, &context(), Purpose::Challenge, b"pay 5");
    assert!(is_full(&refused.unwrap_err()));
    let info = keys.list().unwrap().into_iter().find(|info| info.role == pay()).unwrap();
    assert_eq!(info.uses, Some(0));
}

#[test]
fn threads_together_get_no_more_signatures_than_one() {
    let keys = key_store(&vault(MemoryFiles::new()));
    keys.create_with(pay(), &KeyOptions { uses_max: NonZeroU64::new(20), ..limited() }).unwrap();
    let signatures = |keys: Arc<dyn KeyStore>| {
        std::thread::spawn(move || std::iter::from_fn(|| sign(&*keys, pay()).ok()).count())
    };
    let threads: Vec<_> = (0..4).map(|_| signatures(Arc::clone(&keys))).collect();
    let counts: Vec<usize> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    assert_eq!(counts.iter().sum::<usize>(), 20, "{counts:?}");
}

/// Putting back the count alone, or taking it away, gives no use back.
#[test]
fn an_older_count_put_back_is_noticed() {
    let files = MemoryFiles::new();
    let keys = key_store(&vault(files.clone()));
    keys.create_with(pay(), &limited()).unwrap();
    sign(&*keys, pay()).unwrap();
    let old = files.read("key-uses.sealed").unwrap().unwrap();
    while sign(&*keys, pay()).is_ok() {}
    drop(keys);
    for put_back in [Some(old), None] {
        let copy = files.snapshot();
        match put_back {
            Some(old) => copy.replace("key-uses.sealed", &old).unwrap(),
            None => copy.remove("key-uses.sealed").unwrap(),
        }
        let opened = SoftwareKeyStore::open(vault(copy));
        assert!(matches!(opened, Err(KeyError::Vault(VaultError::Rollback(_)))), "{opened:?}");
    }
}
