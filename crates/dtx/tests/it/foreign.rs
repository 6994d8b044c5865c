//! The store `foreign` over an implementation in this process, honest and otherwise: what throws, panics, blocks or lies
//! ends in a typed error, makes no key that is believed and no signature that leaves.

#![expect(clippy::indexing_slicing, reason = "a test double that builds bytes of known length")]

use crate::{NOW, context, kind};
use glacis_dtx::contract::{self, Rig};
use glacis_dtx::foreign::{Deadlines, ForeignClaim, ForeignError, ForeignKeyStore, ForeignKeys, STUCK_MAX};
use glacis_dtx::{Basis, CustodyErrorKind, KeyError, KeyStore, Role, Uniqueness, UserVerification, Vault};
use glacis_host::{Clock, Entropy, Files, MemoryFiles, SeededHost};
use glacis_seal::{Purpose, SigningKey, verify};
use glacis_wire::message::Signature;
use glacis_wire::{Digest, Tier, Timestamp};
use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A platform in this process. It answers in its own forms: keys as `SubjectPublicKeyInfo`, signatures as DER.
struct Platform {
    host: Arc<SeededHost>,
    keys: Mutex<BTreeMap<String, (SigningKey, bool)>>,
    /// What it does instead of what it should.
    mischief: Mutex<Mischief>,
    made: Mutex<usize>,
    /// Released when a blocked call may go on.
    gate: Mutex<Receiver<()>>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Mischief {
    #[default]
    None,
    Throws(Call),
    Panics(Call),
    Blocks(Call),
    /// A public key that is no key.
    Point(BadPoint),
    /// The key of another alias.
    KnownKey,
    /// A public key whose private half it does not use.
    OtherKey,
    Signature(BadSignature),
    /// Evidence that is longer than any.
    Evidence,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Call {
    Generate,
    Sign,
    Delete,
    Attest,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum BadPoint {
    Empty,
    OffCurve,
    Infinity,
    Compressed,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum BadSignature {
    Empty,
    Zeros,
    Garbage,
    Cut,
    OtherDigest,
    OtherKey,
}

impl Platform {
    fn new() -> (Arc<Self>, Sender<()>) {
        let (open, gate) = channel();
        let host = Arc::new(SeededHost::new(11, NOW));
        let (keys, mischief, made) = (Mutex::default(), Mutex::default(), Mutex::default());
        (Arc::new(Self { host, keys, mischief, made, gate: Mutex::new(gate) }), open)
    }

    fn does(&self, mischief: Mischief) {
        *self.mischief.lock().unwrap() = mischief;
    }

    fn count(&self) -> usize {
        self.keys.lock().unwrap().len()
    }

    /// Keys that were ever made.
    fn made(&self) -> usize {
        *self.made.lock().unwrap()
    }

    fn fresh(&self) -> SigningKey {
        SigningKey::generate(|out| self.host.fill(out)).unwrap()
    }

    #[expect(clippy::panic, reason = "a platform that panics is what is tested")]
    fn enter(&self, call: Call) -> Result<Mischief, ForeignError> {
        let mischief = *self.mischief.lock().unwrap();
        match mischief {
            Mischief::Throws(at) if at == call => {
                Err(ForeignError::Failed("KeyStoreException: 7".repeat(90)))
            }
            Mischief::Panics(at) if at == call => panic!("a platform that panics"),
            Mischief::Blocks(at) if at == call => {
                let _opened = self.gate.lock().unwrap().recv();
                Ok(Mischief::None)
            }
            mischief => Ok(mischief),
        }
    }
}

impl ForeignKeys for Platform {
    fn generate(
        &self,
        alias: &str,
        user_verification: bool,
        _: Option<&[u8]>,
    ) -> Result<Vec<u8>, ForeignError> {
        let mischief = self.enter(Call::Generate)?;
        let key = self.fresh();
        let mut keys = self.keys.lock().unwrap();
        assert!(alias.len() == 39 && !keys.contains_key(alias), "an alias is new: {alias}");
        let told = match mischief {
            Mischief::KnownKey => keys.values().next().unwrap().0.public(),
            Mischief::OtherKey => self.fresh().public(),
            _ => key.public(),
        };
        keys.insert(alias.to_owned(), (key, user_verification));
        *self.made.lock().unwrap() += 1;
        let mut point = told.0.to_vec();
        match mischief {
            Mischief::Point(BadPoint::Empty) => point.clear(),
            Mischief::Point(BadPoint::OffCurve) => point[64] ^= 1,
            Mischief::Point(BadPoint::Infinity) => point = vec![0],
            Mischief::Point(BadPoint::Compressed) => point = [&[2], &point[1..33]].concat(),
            _ => {}
        }
        let spki = b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\0";
        Ok([spki.as_slice(), &point].concat())
    }

    fn sign(&self, alias: &str, digest: &[u8; 32], user_verification: bool) -> Result<Vec<u8>, ForeignError> {
        let mischief = self.enter(Call::Sign)?;
        let keys = self.keys.lock().unwrap();
        let (key, asks) = keys.get(alias).ok_or(ForeignError::Missing)?;
        assert_eq!(*asks, user_verification, "the user is asked where the key demands it");
        let other = SigningKey::from_scalar(&[9; 32]).unwrap();
        let (key, digest) = match mischief {
            Mischief::Signature(BadSignature::OtherKey) => (&other, *digest),
            Mischief::Signature(BadSignature::OtherDigest) => (key, [7; 32]),
            _ => (key, *digest),
        };
        let signature = der(&key.sign_digest(&Digest::new(digest)).unwrap());
        Ok(match mischief {
            Mischief::Signature(BadSignature::Empty) => Vec::new(),
            Mischief::Signature(BadSignature::Zeros) => vec![0; 64],
            Mischief::Signature(BadSignature::Garbage) => vec![0x41; 100_000],
            Mischief::Signature(BadSignature::Cut) => signature[..signature.len() - 1].to_vec(),
            _ => signature,
        })
    }

    fn delete(&self, alias: &str) -> Result<(), ForeignError> {
        self.enter(Call::Delete)?;
        self.keys.lock().unwrap().remove(alias).map(drop).ok_or(ForeignError::Missing)
    }

    fn attest(&self, alias: &str, challenge: &[u8]) -> Result<Option<(String, Vec<u8>)>, ForeignError> {
        let mischief = self.enter(Call::Attest)?;
        let keys = self.keys.lock().unwrap();
        let (key, _) = keys.get(alias).ok_or(ForeignError::Missing)?;
        let body = match mischief {
            Mischief::Evidence => vec![0; 1 << 20],
            _ => [&key.public().0[..], challenge].concat(),
        };
        Ok(Some(("in-process".to_owned(), body)))
    }
}

/// A signature as DER.
fn der(signature: &Signature) -> Vec<u8> {
    let integer = |bytes: &[u8]| {
        let skip = bytes.iter().position(|byte| *byte != 0).unwrap_or(31);
        let pad: &[u8] = if bytes[skip] >= 0x80 { &[0] } else { &[] };
        let value = [pad, &bytes[skip..]].concat();
        [&[2, u8::try_from(value.len()).unwrap()], &value[..]].concat()
    };
    let both = [integer(&signature[..32]), integer(&signature[32..])].concat();
    [&[0x30, u8::try_from(both.len()).unwrap()], &both[..]].concat()
}

const CLAIM: ForeignClaim =
    ForeignClaim { tier: Tier::Strong, verifies_user: true, uniqueness: Uniqueness::Hardware, attests: true };

struct OnPlatform {
    host: Arc<SeededHost>,
    files: MemoryFiles,
    platform: Arc<Platform>,
    deadlines: Deadlines,
}

impl OnPlatform {
    fn new(platform: &Arc<Platform>) -> Self {
        let host = Arc::new(SeededHost::new(12, NOW));
        let platform = Arc::clone(platform);
        Self { host, files: MemoryFiles::new(), platform, deadlines: Deadlines::default() }
    }

    /// Deadlines that a test can wait for.
    fn impatient(platform: &Arc<Platform>) -> Self {
        let short = Duration::from_millis(400);
        Self { deadlines: Deadlines { alone: short, with_user: 2 * short }, ..Self::new(platform) }
    }
}

impl Rig for OnPlatform {
    type Store = ForeignKeyStore;

    fn open(&self) -> ForeignKeyStore {
        let files: Arc<dyn Files> = Arc::new(self.files.clone());
        let vault = Vault::open(files, Arc::clone(&self.host) as _, context()).unwrap();
        let keys = Arc::clone(&self.platform) as Arc<dyn ForeignKeys>;
        ForeignKeyStore::open(Arc::new(vault), keys, CLAIM, self.deadlines).unwrap()
    }

    fn now(&self) -> Timestamp {
        self.host.now()
    }

    fn set_now(&self, now: Timestamp) {
        self.host.set_now(now);
    }
}

fn sign(keys: &dyn KeyStore) -> Result<Signature, KeyError> {
    keys.sign(Role::Device, &context(), Purpose::Enrol, b"message")
}

#[test]
fn a_platform_keeps_the_contract_and_is_empty_afterwards() {
    let (platform, _gate) = Platform::new();
    let rig = OnPlatform::new(&platform);
    contract::key_store(&rig);
    rig.open().wipe().unwrap();
    assert_eq!(platform.count(), 0);
}

#[test]
fn a_claim_is_attested_only_where_the_platform_gives_evidence() {
    let (platform, _gate) = Platform::new();
    let rig = OnPlatform::new(&platform);
    let keys = rig.open();
    let protection = keys.protection();
    assert_eq!((protection.tier, protection.basis), (Tier::Strong, Basis::Attested));
    assert!(protection.verifies_user && !protection.exportable);
    let device = keys.renew_over(Role::Device, b"challenge").unwrap();
    let evidence = keys.attest(Role::Device, b"challenge").unwrap().unwrap();
    assert_eq!(evidence.family.0, "in-process");
    assert_eq!(evidence.body.0, [&device.0[..], b"challenge"].concat());
    drop(keys);
    let vault = crate::vault(MemoryFiles::new());
    let claim = ForeignClaim { attests: false, ..CLAIM };
    let keys = ForeignKeyStore::open(vault, platform, claim, Deadlines::default()).unwrap();
    assert_eq!(keys.protection().basis, Basis::Nothing, "the app's word");
}

#[test]
fn no_bad_point_becomes_a_key() {
    let (platform, _gate) = Platform::new();
    let keys = OnPlatform::new(&platform).open();
    for bad in [BadPoint::Empty, BadPoint::OffCurve, BadPoint::Infinity, BadPoint::Compressed] {
        platform.does(Mischief::Point(bad));
        assert_eq!(kind(keys.create(Role::Device)), CustodyErrorKind::Lied, "{bad:?}");
        assert_eq!(keys.list().unwrap(), []);
        assert_eq!(platform.count(), 0, "what it made is deleted");
    }
    platform.does(Mischief::None);
    keys.create(Role::Device).unwrap();
    platform.does(Mischief::KnownKey);
    assert_eq!(kind(keys.create(Role::App)), CustodyErrorKind::Lied, "one key for two roles");
    assert_eq!(platform.count(), 1);
}

#[test]
fn no_bad_signature_leaves() {
    let (platform, _gate) = Platform::new();
    let keys = OnPlatform::new(&platform).open();
    let device = keys.create(Role::Device).unwrap();
    for bad in [
        BadSignature::Empty,
        BadSignature::Zeros,
        BadSignature::Garbage,
        BadSignature::Cut,
        BadSignature::OtherDigest,
        BadSignature::OtherKey,
    ] {
        platform.does(Mischief::Signature(bad));
        assert_eq!(kind(sign(&keys)), CustodyErrorKind::Lied, "{bad:?}");
    }
    platform.does(Mischief::None);
    verify(&device, &context(), Purpose::Enrol, b"message", &sign(&keys).unwrap()).unwrap();
    // A key whose private half the platform does not have shows with the first signature.
    platform.does(Mischief::OtherKey);
    keys.renew(Role::Device).unwrap();
    platform.does(Mischief::None);
    assert_eq!(kind(sign(&keys)), CustodyErrorKind::Lied);
}

#[test]
fn evidence_that_is_longer_than_any_is_refused() {
    let (platform, _gate) = Platform::new();
    let keys = OnPlatform::new(&platform).open();
    keys.create(Role::Device).unwrap();
    platform.does(Mischief::Evidence);
    assert_eq!(kind(keys.attest(Role::Device, b"c")), CustodyErrorKind::Lied);
}

#[test]
fn what_throws_or_panics_is_an_error_and_harms_nothing_else() {
    let (platform, _gate) = Platform::new();
    let rig = OnPlatform::new(&platform);
    let keys = rig.open();
    for (mischief, want) in [
        (Mischief::Throws as fn(Call) -> Mischief, CustodyErrorKind::Failed),
        (Mischief::Panics, CustodyErrorKind::Panicked),
    ] {
        platform.does(mischief(Call::Generate));
        assert_eq!(kind(keys.create(Role::Device)), want);
        assert_eq!(keys.list().unwrap(), []);
        platform.does(Mischief::None);
        let device = keys.create(Role::Device).unwrap();
        platform.does(mischief(Call::Sign));
        assert_eq!(kind(sign(&keys)), want);
        platform.does(mischief(Call::Attest));
        assert_eq!(kind(keys.attest(Role::Device, b"c")), want);
        sign(&keys).unwrap();
        platform.does(mischief(Call::Delete));
        let renewed = keys.renew(Role::Device).unwrap();
        assert_ne!(renewed, device, "a renewal does not hang on the end of the old key");
        assert_eq!(platform.count(), 2, "which lingers");
        assert_eq!(kind(keys.wipe()), want);
        assert!(sign(&keys).is_err());
        platform.does(Mischief::None);
        keys.wipe().unwrap();
        assert_eq!(platform.count(), 0);
    }
    let long = {
        platform.does(Mischief::Throws(Call::Generate));
        keys.create(Role::Device).unwrap_err().to_string()
    };
    assert!(long.len() < 300, "a platform's words have a limit: {}", long.len());
}

#[test]
fn what_blocks_is_given_up_and_costs_a_bounded_number_of_threads() {
    let (platform, gate) = Platform::new();
    let rig = OnPlatform::impatient(&platform);
    let keys = rig.open();
    keys.create(Role::Device).unwrap();
    platform.does(Mischief::Blocks(Call::Sign));
    for _ in 0..STUCK_MAX {
        assert_eq!(kind(sign(&keys)), CustodyErrorKind::Late);
    }
    for _ in 0..3 {
        assert_eq!(kind(sign(&keys)), CustodyErrorKind::Busy, "no more threads");
    }
    platform.does(Mischief::None);
    assert_eq!(kind(sign(&keys)), CustodyErrorKind::Busy);
    for _ in 0..STUCK_MAX {
        gate.send(()).unwrap();
    }
    let unstuck = std::iter::repeat_with(|| {
        std::thread::sleep(Duration::from_millis(5));
        sign(&keys)
    });
    assert!(unstuck.take(4_000).any(|signed| signed.is_ok()), "it goes on once the platform does");
}

/// It is deleted where it comes; if that fails, by the next store, since the record keeps its name until then.
#[test]
fn a_key_that_came_too_late_is_deleted() {
    let (platform, gate) = Platform::new();
    let rig = OnPlatform::impatient(&platform);
    for undone in [true, false] {
        let keys = rig.open();
        platform.does(Mischief::Blocks(Call::Generate));
        assert_eq!(kind(keys.create(Role::Device)), CustodyErrorKind::Late);
        assert_eq!(keys.list().unwrap(), []);
        drop(keys);
        platform.does(if undone { Mischief::None } else { Mischief::Throws(Call::Delete) });
        let before = platform.made();
        gate.send(()).unwrap();
        wait(|| platform.made() > before);
        if undone {
            wait(|| platform.count() == 0);
        }
        platform.does(Mischief::None);
        wait(|| {
            rig.open();
            platform.count() == 0
        });
    }
}

/// Waits for another thread, for as long as that takes.
fn wait(done: impl Fn() -> bool) {
    while !done() {
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// A user who declines used up no key, and a limit counts what was asked for.
#[test]
fn a_user_who_declines_is_an_answer() {
    struct Declines(Arc<Platform>);
    impl ForeignKeys for Declines {
        fn generate(&self, alias: &str, asks: bool, over: Option<&[u8]>) -> Result<Vec<u8>, ForeignError> {
            self.0.generate(alias, asks, over)
        }
        fn sign(&self, alias: &str, digest: &[u8; 32], asks: bool) -> Result<Vec<u8>, ForeignError> {
            if asks { Err(ForeignError::Refused) } else { self.0.sign(alias, digest, asks) }
        }
        fn delete(&self, alias: &str) -> Result<(), ForeignError> {
            self.0.delete(alias)
        }
        fn attest(&self, _: &str, _: &[u8]) -> Result<Option<(String, Vec<u8>)>, ForeignError> {
            Ok(None)
        }
    }
    let (platform, _gate) = Platform::new();
    let vault = crate::vault(MemoryFiles::new());
    let keys =
        ForeignKeyStore::open(vault, Arc::new(Declines(platform)), CLAIM, Deadlines::default()).unwrap();
    keys.create(Role::PASSKEY).unwrap();
    let approved = UserVerification::claimed_by_app(b"pay 5");
    let refused = keys.sign_verified(Role::PASSKEY, approved, &context(), Purpose::Challenge, b"pay 5");
    assert_eq!(kind(refused), CustodyErrorKind::Refused, "the app's word does not replace the user's");
    sign(&keys).unwrap();
    assert_eq!(keys.attest(Role::Device, b"c").unwrap(), None);
}

/// A callback that asks the store that called it: it gets no answer while a key is made, and the maker none from it.
#[test]
fn a_callback_that_calls_back_is_late_and_not_a_deadlock() {
    struct CallsBack(Arc<Platform>, Mutex<Option<Arc<ForeignKeyStore>>>);
    impl ForeignKeys for CallsBack {
        fn generate(&self, alias: &str, asks: bool, over: Option<&[u8]>) -> Result<Vec<u8>, ForeignError> {
            let store = self.1.lock().unwrap().clone();
            if let Some(store) = store {
                let _blocked_until_given_up = store.public(Role::Device);
            }
            self.0.generate(alias, asks, over)
        }
        fn sign(&self, alias: &str, digest: &[u8; 32], asks: bool) -> Result<Vec<u8>, ForeignError> {
            self.0.sign(alias, digest, asks)
        }
        fn delete(&self, alias: &str) -> Result<(), ForeignError> {
            self.0.delete(alias)
        }
        fn attest(&self, _: &str, _: &[u8]) -> Result<Option<(String, Vec<u8>)>, ForeignError> {
            Err(ForeignError::Unsupported)
        }
    }
    let (platform, _gate) = Platform::new();
    let deadlines = OnPlatform::impatient(&platform).deadlines;
    let callback = Arc::new(CallsBack(platform, Mutex::new(None)));
    let vault = crate::vault(MemoryFiles::new());
    let keys = Arc::clone(&callback) as Arc<dyn ForeignKeys>;
    let keys = Arc::new(ForeignKeyStore::open(vault, keys, CLAIM, deadlines).unwrap());
    *callback.1.lock().unwrap() = Some(Arc::clone(&keys));
    assert_eq!(kind(keys.create(Role::Device)), CustodyErrorKind::Late);
    *callback.1.lock().unwrap() = None;
    keys.create(Role::Device).unwrap();
    sign(&*keys).unwrap();
}
