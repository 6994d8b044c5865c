//! The store `pkcs11` on SoftHSM: the contract, and every fault that a token can have.
//!
//! SoftHSM reads its configuration from the environment and has one state a process, so that each test runs itself again
//! in a process of its own, with tokens of its own. A module in front of SoftHSM makes the faults (`faults.c`).

use crate::{NOW, context, kind};
use glacis_dtx::contract::{self, Rig};
use glacis_dtx::pkcs11::{PinSource, Pkcs11Config, Pkcs11KeyStore, TokenName};
use glacis_dtx::{Basis, CustodyErrorKind, End, KeyError, KeyOptions, KeyStore, Role, Scene, Vault};
use glacis_host::{Clock, Files, MemoryFiles, SeededHost};
use glacis_seal::{Purpose, verify};
use glacis_wire::message::Signature;
use glacis_wire::{Tier, Timestamp};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

const MODULES: [&str; 3] = [
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
];
const HOME: &str = "GLACIS_PKCS11_HOME";
const PIN: &str = "4711-geheim";

/// A folder with two tokens, in a process that sees no other.
struct Desk {
    home: PathBuf,
    module: PathBuf,
}

impl Desk {
    /// In the process of its own: the desk. Otherwise runs the test there, or says that it is skipped.
    fn of(test: &str) -> Option<Self> {
        let inside = glacis_host::variable(HOME).map(PathBuf::from);
        if let Some(home) = inside {
            return Some(Self { module: home.join("faults.so"), home });
        }
        let real = MODULES.into_iter().find(|path| Path::new(path).exists());
        let usable = Command::new("softhsm2-util").arg("--version").output().is_ok();
        let Some(real) = real.filter(|_| usable) else {
            let in_ci = glacis_host::variable("CI").is_some_and(|value| value == "true");
            assert!(!in_ci, "softhsm2 is not installed");
            println!("skipped: softhsm2: not installed");
            return None;
        };
        let home = tempfile::tempdir().unwrap();
        run_inside(test, home.path(), real);
        None
    }

    fn control(&self, faults: &str) {
        fs::write(self.home.join("faults"), faults).unwrap();
    }

    /// Log-ins that reached the module.
    fn logins(&self) -> usize {
        fs::read(self.home.join("logins")).map_or(0, |content| content.len())
    }

    fn config(&self, token: &str) -> Pkcs11Config {
        Pkcs11Config {
            module: self.module.clone(),
            token: TokenName::Label(token.into()),
            pin: Some(PinSource::File(self.pin_file(PIN))),
            tier: Tier::Hardware,
        }
    }

    fn pin_file(&self, pin: &str) -> PathBuf {
        let path = self.home.join("pin");
        fs::write(&path, format!("{pin}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path
    }

    /// What the token holds, by SoftHSM's own count of its files.
    fn objects(&self) -> usize {
        let mut count = 0;
        for token in fs::read_dir(self.home.join("tokens")).unwrap() {
            let files = fs::read_dir(token.unwrap().path()).unwrap();
            let object = |name: &str| name.ends_with(".object") && !name.starts_with("token");
            count +=
                files.filter(|file| object(file.as_ref().unwrap().file_name().to_str().unwrap())).count();
        }
        count
    }
}

fn run_inside(test: &str, home: &Path, real: &str) {
    let tokens = home.join("tokens");
    fs::create_dir(&tokens).unwrap();
    let config = home.join("softhsm2.conf");
    let text = format!(
        "directories.tokendir = {}\nobjectstore.backend = file\nlog.level = ERROR\n",
        tokens.display()
    );
    fs::write(&config, text).unwrap();
    for token in ["glacis", "other"] {
        let made = Command::new("softhsm2-util")
            .args(["--init-token", "--free", "--label", token, "--pin", PIN, "--so-pin", "87654321"])
            .env("SOFTHSM2_CONF", &config)
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
    }
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/pkcs11/faults.c");
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-O1", "-o"]);
    let built = compiler.arg(home.join("faults.so")).arg(source).output().unwrap();
    assert!(built.status.success(), "{built:?}");
    let done = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("pkcs11::{test}"), "--nocapture"])
        .env("SOFTHSM2_CONF", &config)
        .env("GLACIS_PKCS11_REAL", real)
        .env("GLACIS_PKCS11_FAULTS", home.join("faults"))
        .env("GLACIS_PKCS11_LOGINS", home.join("logins"))
        .env("GLACIS_PKCS11_PIN", PIN)
        .env(HOME, home)
        .output()
        .unwrap();
    let shown = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success(), "{shown}");
    assert!(shown.contains("1 passed"), "{shown}");
    assert!(!shown.contains(PIN), "a PIN is nowhere in what is printed");
}

struct OnToken {
    host: Arc<SeededHost>,
    files: MemoryFiles,
    config: Pkcs11Config,
}

impl OnToken {
    fn new(config: Pkcs11Config) -> Self {
        // Another seed than any other store of this process: ids of keys are drawn from it.
        Self {
            host: Arc::new(SeededHost::new(u64::from(std::process::id()), NOW)),
            files: MemoryFiles::new(),
            config,
        }
    }

    fn vault(&self) -> Arc<Vault> {
        let files: Arc<dyn Files> = Arc::new(self.files.clone());
        Arc::new(Vault::open(files, Arc::clone(&self.host) as _, context()).unwrap())
    }

    fn with(&self, config: Pkcs11Config) -> Self {
        Self { host: Arc::clone(&self.host), files: self.files.clone(), config }
    }
}

impl Rig for OnToken {
    type Store = Pkcs11KeyStore;

    fn open(&self) -> Pkcs11KeyStore {
        Pkcs11KeyStore::open(self.vault(), self.config.clone()).unwrap()
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
fn a_token_keeps_the_contract_and_is_empty_afterwards() {
    let Some(desk) = Desk::of("a_token_keeps_the_contract_and_is_empty_afterwards") else { return };
    let rig = OnToken::new(desk.config("glacis"));
    contract::key_store(&rig);
    rig.open().wipe().unwrap();
    assert_eq!(
        desk.objects(),
        0,
        "nothing that was replaced, revoked, used up or wiped is left in the token"
    );
}

#[test]
fn a_token_is_worth_what_its_operator_declares() {
    let Some(desk) = Desk::of("a_token_is_worth_what_its_operator_declares") else { return };
    for (tier, exportable) in [(Tier::Software, true), (Tier::Hardware, false), (Tier::Strong, false)] {
        let config = Pkcs11Config { tier, ..desk.config("glacis") };
        let protection = OnToken::new(config).open().protection();
        assert_eq!(
            (protection.tier, protection.exportable, protection.basis),
            (tier, exportable, Basis::Declared)
        );
        assert!(!protection.verifies_user);
    }
}

#[test]
fn nothing_is_loaded_before_a_key_is_used() {
    let Some(desk) = Desk::of("nothing_is_loaded_before_a_key_is_used") else { return };
    let rig = OnToken::new(desk.config("glacis"));
    let device = rig.open().create(Role::Device).unwrap();
    let nowhere = Pkcs11Config { module: "/nowhere/libnone.so".into(), ..desk.config("glacis") };
    let keys = rig.with(nowhere).open();
    assert_eq!(keys.public(Role::Device).unwrap(), Some(device));
    assert_eq!(keys.list().unwrap().len(), 1);
    let error = sign(&keys).unwrap_err();
    assert!(error.to_string().contains("/nowhere/libnone.so"), "{error}");
    assert_eq!(kind(sign(&keys)), CustodyErrorKind::Unavailable);
    drop(keys);
    for token in [TokenName::Label("none".into()), TokenName::Serial("none".into()), TokenName::Slot(987)] {
        let keys = rig.with(Pkcs11Config { token, ..desk.config("glacis") }).open();
        let error = sign(&keys).unwrap_err().to_string();
        assert!(error.contains("`glacis`") && error.contains("`other`"), "it says what is there: {error}");
        assert_eq!(kind(sign(&keys)), CustodyErrorKind::Unavailable);
    }
    assert_eq!(desk.logins(), 1);
}

#[test]
fn a_wrong_pin_is_tried_once_by_all_processes_together() {
    let Some(desk) = Desk::of("a_wrong_pin_is_tried_once_by_all_processes_together") else { return };
    let rig = OnToken::new(desk.config("glacis"));
    desk.pin_file("wrong-pin");
    for _ in 0..3 {
        // As after a restart each time: what was refused is in the vault.
        let keys = rig.open();
        for _ in 0..3 {
            let error = keys.create(Role::Device).unwrap_err();
            assert!(!error.to_string().contains("wrong-pin"), "{error}");
            assert!(!format!("{error:?}").contains("wrong-pin"));
            assert_eq!(kind(keys.create(Role::Device)), CustodyErrorKind::PinWrong);
        }
        assert_eq!(keys.list().unwrap(), []);
    }
    assert_eq!(desk.logins(), 1, "the token saw the wrong PIN once");
    desk.pin_file("wrong-too");
    assert_eq!(kind(rig.open().create(Role::Device)), CustodyErrorKind::PinWrong);
    assert_eq!(desk.logins(), 2, "another PIN is another try");
    desk.pin_file(PIN);
    let keys = rig.open();
    keys.create(Role::Device).unwrap();
    sign(&keys).unwrap();
    assert_eq!(desk.logins(), 3);
    drop(keys);
    let held = rig.vault().get("pkcs11-pin").unwrap().unwrap();
    assert_eq!(held, b"", "nothing of a PIN is kept once one works");
}

#[test]
fn one_try_that_is_left_is_not_made() {
    let Some(desk) = Desk::of("one_try_that_is_left_is_not_made") else { return };
    let rig = OnToken::new(desk.config("glacis"));
    let keys = rig.open();
    desk.control("FinalTry 0 0099\n");
    assert_eq!(kind(keys.create(Role::Device)), CustodyErrorKind::Locked);
    assert_eq!(desk.logins(), 0);
    desk.control("");
    keys.create(Role::Device).unwrap();
}

#[test]
fn a_pin_comes_from_where_it_is_configured_and_from_nowhere_else() {
    let Some(desk) = Desk::of("a_pin_comes_from_where_it_is_configured_and_from_nowhere_else") else {
        return;
    };
    let with = |pin| OnToken::new(Pkcs11Config { pin, ..desk.config("glacis") }).open();
    let readable = desk.home.join("readable");
    fs::write(&readable, PIN).unwrap();
    fs::set_permissions(&readable, fs::Permissions::from_mode(0o644)).unwrap();
    for source in [
        None,
        Some(PinSource::File(readable)),
        Some(PinSource::File(desk.home.join("no-such-file"))),
        Some(PinSource::Variable("GLACIS_NO_SUCH_PIN".into())),
        Some(PinSource::Descriptor(987)),
    ] {
        assert_eq!(kind(with(source.clone()).custody().check()), CustodyErrorKind::PinMissing, "{source:?}");
    }
    assert_eq!(desk.logins(), 0);
    let keys = with(Some(PinSource::Variable("GLACIS_PKCS11_PIN".into())));
    keys.custody().check().unwrap();
    assert!(!format!("{keys:?} {:?}", keys.custody()).contains(PIN));
    drop(keys);
    use std::os::fd::AsRawFd;
    let file = fs::File::open(desk.pin_file(PIN)).unwrap();
    let number = u32::try_from(file.as_raw_fd()).unwrap();
    with(Some(PinSource::Descriptor(number))).custody().check().unwrap();
}

#[test]
fn a_lost_session_is_made_anew_and_a_token_that_is_gone_is_said() {
    let Some(desk) = Desk::of("a_lost_session_is_made_anew_and_a_token_that_is_gone_is_said") else { return };
    let rig = OnToken::new(desk.config("glacis"));
    let keys = rig.open();
    let device = keys.create(Role::Device).unwrap();
    let good =
        |signature: &Signature| verify(&device, &context(), Purpose::Enrol, b"message", signature).unwrap();
    // CKR_SESSION_HANDLE_INVALID, CKR_SESSION_CLOSED, CKR_USER_NOT_LOGGED_IN, CKR_KEY_HANDLE_INVALID, CKR_DEVICE_REMOVED
    for lost in [0xB3, 0xB0, 0x101, 0x60, 0x32] {
        desk.control(&format!("SignInit {lost} 0001\n"));
        good(&sign(&keys).unwrap());
    }
    for (faults, want) in [
        ("SignInit 50 0009\n", CustodyErrorKind::Gone),
        ("SignInit 50 0001\nOpenSession 224 0001\n", CustodyErrorKind::Gone),
        ("SignInit 50 0001\nGetSlotList 224 0001\n", CustodyErrorKind::Gone),
        ("SignInit 96 0009\n", CustodyErrorKind::KeyLost),
        ("SignInit 257 0009\n", CustodyErrorKind::Refused),
        ("Sign 48 0009\n", CustodyErrorKind::Failed),
    ] {
        desk.control(faults);
        assert_eq!(kind(sign(&keys)), want, "{faults}");
        desk.control("");
        good(&sign(&keys).unwrap());
    }
    assert_eq!(keys.public(Role::Device).unwrap(), Some(device), "no fault made another key");
}

#[test]
fn a_token_that_lies_is_not_believed() {
    let Some(desk) = Desk::of("a_token_that_lies_is_not_believed") else { return };
    let rig = OnToken::new(desk.config("glacis"));
    let keys = rig.open();
    desk.control("Extractable 0 0001\n");
    assert_eq!(kind(keys.create(Role::Device)), CustodyErrorKind::Unsupported, "a key that could leave");
    assert_eq!(desk.objects(), 0, "and it is destroyed again");
    desk.control("");
    keys.create(Role::Device).unwrap();
    desk.control("FlipSignature 0 0001\n");
    assert_eq!(kind(sign(&keys)), CustodyErrorKind::Lied);
    sign(&keys).unwrap();
}

#[test]
fn a_key_that_the_token_lost_is_said_and_can_be_renewed() {
    let Some(desk) = Desk::of("a_key_that_the_token_lost_is_said_and_can_be_renewed") else { return };
    let rig = OnToken::new(desk.config("glacis"));
    let device = rig.open().create(Role::Device).unwrap();
    // Another token in the reader.
    let keys = rig.with(desk.config("other")).open();
    assert_eq!(kind(sign(&keys)), CustodyErrorKind::KeyLost);
    assert_eq!(keys.public(Role::Device).unwrap(), Some(device), "nothing is made in its place in silence");
    let renewed = keys.renew(Role::Device).unwrap();
    assert_ne!(renewed, device);
    sign(&keys).unwrap();
}

#[test]
fn a_key_that_cannot_be_destroyed_refuses_lingers_and_goes_later() {
    let Some(desk) = Desk::of("a_key_that_cannot_be_destroyed_refuses_lingers_and_goes_later") else {
        return;
    };
    let rig = OnToken::new(desk.config("glacis"));
    let role = Role::Scene(Scene::parse("pay").unwrap());
    let keys = rig.open();
    keys.create_with(role, &KeyOptions::default()).unwrap();
    assert_eq!(desk.objects(), 6, "three keys, each in two halves");
    desk.control("DestroyObject 48 0009\n");
    keys.revoke(role).unwrap();
    let refused = keys.sign(role, &context(), Purpose::Challenge, b"x");
    assert!(matches!(refused, Err(KeyError::Ended { how: End::Revoked, .. })), "{refused:?}");
    assert!(keys.list().unwrap().iter().any(|info| info.role == role && info.lingers));
    assert_eq!(desk.objects(), 6);
    let wiped = keys.wipe();
    assert!(matches!(wiped, Err(KeyError::Custody(_))), "a wipe that left something says so: {wiped:?}");
    assert!(sign(&keys).is_err(), "and what is left signs nothing");
    drop(keys);
    desk.control("");
    let keys = rig.open();
    assert_eq!(desk.objects(), 0, "the next store ends it");
    assert_eq!(keys.list().unwrap(), []);
    keys.create(Role::Device).unwrap();
}

/// A crash between the making of a key and the record of it leaves no key that nobody knows of.
#[test]
fn a_key_of_which_no_record_was_made_is_destroyed() {
    let Some(desk) = Desk::of("a_key_of_which_no_record_was_made_is_destroyed") else { return };
    for nth in 1..12 {
        for last_is_done in [false, true] {
            let rig = OnToken::new(desk.config("glacis"));
            rig.vault();
            let dying = crate::dying::Dying::at(&rig.files, nth, last_is_done);
            let vault = Vault::open(Arc::new(dying), Arc::clone(&rig.host) as _, context()).unwrap();
            let keys = Pkcs11KeyStore::open(Arc::new(vault), rig.config.clone()).unwrap();
            let _died = keys.create(Role::App);
            drop(keys);
            let keys = rig.open();
            let known = keys.list().unwrap().len();
            assert_eq!(desk.objects(), 2 * known, "death at {nth}");
            keys.wipe().unwrap();
            assert_eq!(desk.objects(), 0);
        }
    }
}

#[test]
fn two_devices_share_a_token_and_not_their_keys() {
    let Some(desk) = Desk::of("two_devices_share_a_token_and_not_their_keys") else { return };
    let (one, two) = (OnToken::new(desk.config("glacis")), OnToken::new(desk.config("glacis")));
    two.host.set_now(NOW);
    let a = one.open();
    let key = a.create(Role::Device).unwrap();
    let other = std::thread::spawn({
        let module = desk.module.clone();
        let home = desk.home.clone();
        move || {
            let desk = Desk { home, module };
            let mut rig = OnToken::new(desk.config("glacis"));
            rig.host = Arc::new(SeededHost::new(99, NOW));
            let keys = rig.open();
            let key = keys.create(Role::Device).unwrap();
            for _ in 0..50 {
                sign(&keys).unwrap();
            }
            keys.wipe().unwrap();
            key
        }
    });
    for _ in 0..50 {
        sign(&a).unwrap();
    }
    assert_ne!(other.join().unwrap(), key);
    sign(&a).unwrap();
    assert_eq!(desk.objects(), 2, "a wipe takes what is its own");
}
