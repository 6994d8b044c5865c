//! Where the keys of a device are: made by `init`, shown, limited, destroyed; in software, in a token of SoftHSM, in the
//! TPM of swtpm; and what the command says when a store is away, locked, or not good enough.

use super::swtpm::Swtpm;
use super::town::{Device, Town};
use crate::{code, glacis, stderr, stdout};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const SMALL: &str = r#"{"amount":10}"#;
const MUCH: &str = r#"{"amount":5000}"#;

fn json(output: &Output) -> Value {
    assert_eq!(code(output), 0, "{}", stderr(output));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn alone(name: &str) -> (tempfile::TempDir, Device) {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join(name);
    (folder, Device { dir })
}

impl Device {
    fn init(&self, rest: &[&str]) -> Output {
        self.run("init", &[&["--tenant", "acme", "--json"], rest].concat())
    }

    /// Runs `glacis device keys ACTION … --dir DIR --json`.
    fn keys(&self, rest: &[&str]) -> Output {
        let dir = self.dir.to_string_lossy();
        glacis(&[&["device", "keys"], rest, &["--dir", &dir, "--json"]].concat())
    }

    fn role(&self, name: &str) -> Value {
        let list = json(&self.keys(&[]));
        list["keys"].as_array().unwrap().iter().find(|key| key["role"] == name).cloned().unwrap_or_default()
    }
}

#[test]
fn init_makes_keys_once_says_what_they_are_worth_and_enrolment_uses_them() {
    let town = Town::start();
    let device = town.folder("phone");
    let made = json(&device.init(&["--keys", "software", "--require", "software"]));
    assert_eq!((&made["result"], &made["store"]), (&"made".into(), &"software".into()));
    let worth = &made["protection"];
    assert_eq!((&worth["tier"], &worth["basis"]), (&"software".into(), &"nothing".into()));
    assert_eq!((&worth["exportable"], &worth["verifies_user"]), (&true.into(), &false.into()));
    let roles: Vec<_> = made["keys"].as_array().unwrap().iter().map(|key| key["role"].clone()).collect();
    assert_eq!(roles, ["device", "app", "passkey"]);
    let again = json(&device.init(&[]));
    assert_eq!((&again["result"], &again["keys"]), (&"already-made".into(), &made["keys"]));
    let text = stdout(&device.run("init", &["--tenant", "acme"]));
    assert!(text.contains("worth") && text.contains("can copy the keys"), "{text}");

    assert_eq!(code(&device.run("status", &[])), 4, "made is not enrolled");
    assert_eq!(code(&device.run("init", &["--tenant", "other"])), 4, "another tenant's");
    let unpinned = device.enrol(&town, &[]);
    assert_eq!(code(&unpinned), 2, "{}", stderr(&unpinned));
    let enrolled = device.enrol(&town, &["--key-set", &town.key_set(), "--json"]);
    assert_eq!(json(&enrolled)["device"], made["keys"][0]["thumbprint"], "the key that init made");
    assert_eq!(device.status()["key_store"], "software");
    let allowed = device.fetch(&town, MUCH, &["--approve"]);
    assert_eq!(code(&allowed), 0, "the passkey that init made: {}", stderr(&allowed));
}

#[test]
fn a_store_that_is_not_good_enough_is_refused_and_leaves_nothing() {
    let (_folder, device) = alone("phone");
    for stores in
        [&[][..], &["--keys", "software"], &["--keys", "tpm2:/dev/no-such-rm", "--keys", "software"]]
    {
        let refused = device.run("init", &[&["--tenant", "acme", "--require", "hardware"], stores].concat());
        assert_eq!(code(&refused), 3, "{}", stderr(&refused));
        assert!(stderr(&refused).contains("its tier is software, not hardware"), "{}", stderr(&refused));
        assert_eq!(stderr(&refused).contains("`tpm2:/dev/no-such-rm`"), stores.len() == 4);
    }
    let away = device.run("init", &["--tenant", "acme", "--keys", "tpm2:/dev/no-such-rm"]);
    assert_eq!(code(&away), 1, "{}", stderr(&away));
    assert!(stderr(&away).contains("G9058"), "one store alone fails as itself: {}", stderr(&away));
    let names: Vec<_> = device.dir.read_dir().unwrap().flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(names, [".lock"]);
    for bad in ["hardware", "tpm2:", "pkcs11:token=a?module-path=/m&pin-value=1234"] {
        let refused = device.run("init", &["--tenant", "acme", "--keys", bad]);
        assert_eq!(code(&refused), 2, "{bad}");
    }
}

#[test]
fn scene_keys_are_added_limited_renewed_and_revoked() {
    let (_folder, device) = alone("phone");
    json(&device.init(&[]));
    let added = json(&device.keys(&["add", "pay", "--uses", "2", "--until", "+2h", "--ask-user"]));
    assert_eq!((&added["result"], &added["key"]["uses_max"]), (&"added".into(), &2.into()));
    let pay = device.role("pay");
    assert_eq!((&pay["level"], &pay["uses"]), (&"scene".into(), &0.into()));
    assert_eq!((&pay["user_verification"], &pay["ended"]), (&true.into(), &Value::Null));
    assert!(pay["not_after"].is_string());
    let line = stdout(&device.run("keys", &[]));
    assert!(line.contains("asks the user  used 0 of 2  until 20"), "{line}");
    assert_eq!(code(&device.keys(&["add", "pay", "--uses", "3"])), 2, "other limits are another key");
    for bad in [&["add", "device"][..], &["add", "Pay"], &["add", "x", "--until", "2020-01-01T00:00:00Z"]] {
        assert_eq!(code(&device.keys(bad)), 2, "{bad:?}");
    }
    let renewed = json(&device.keys(&["renew", "pay"]));
    assert_ne!(renewed["key"]["thumbprint"], pay["thumbprint"]);
    assert_eq!(renewed["key"]["uses_max"], 2);

    let unasked = device.keys(&["revoke", "pay"]);
    assert_eq!(code(&unasked), 2, "{}", stderr(&unasked));
    assert_eq!(device.role("pay")["ended"], Value::Null);
    assert_eq!(json(&device.keys(&["revoke", "pay", "--yes"]))["key"]["ended"], "revoked");
    assert_eq!(device.role("pay")["ended"], "revoked");
    let ended = device.keys(&["add", "pay", "--uses", "2"]);
    assert_eq!(code(&ended), 3, "{}", stderr(&ended));
    assert!(stderr(&ended).contains("G9060") && stderr(&ended).contains("was revoked"), "{}", stderr(&ended));
    assert_eq!(json(&device.keys(&["renew", "pay"]))["key"]["ended"], Value::Null);
    assert_eq!(code(&device.keys(&["revoke", "none", "--yes"])), 4);
    json(&device.keys(&["revoke", "app", "--yes"]));
    assert_eq!(device.role("pay")["ended"], "revoked", "and those below it");
    assert_eq!(device.role("device")["ended"], Value::Null);
}

#[test]
fn a_renewed_key_makes_the_device_enrol_again_by_itself() {
    let town = Town::start();
    let device = town.device("phone");
    let refused = device.keys(&["renew", "passkey"]);
    assert_eq!(code(&refused), 2, "its passkey does not change: {}", stderr(&refused));
    let passkey = device.role("passkey")["thumbprint"].clone();
    let renewed = device.keys(&["renew", "device"]);
    assert!(stderr(&renewed).contains("enrols again"), "{}", stderr(&renewed));
    let key = json(&renewed)["key"]["thumbprint"].clone();
    assert_ne!(device.role("passkey")["thumbprint"], passkey, "it goes with the device key");
    assert_ne!(device.status()["device"], key);
    let approved = device.fetch(&town, MUCH, &["--approve"]);
    assert_eq!(code(&approved), 0, "{}", stderr(&approved));
    assert_eq!(device.status()["device"], key);
    json(&device.keys(&["revoke", "device", "--yes"]));
    let refused = device.fetch(&town, SMALL, &[]);
    assert_eq!(code(&refused), 3, "{}", stderr(&refused));
    assert!(stderr(&refused).contains("G9060"), "{}", stderr(&refused));
    json(&device.keys(&["renew", "device"]));
    let approved = device.fetch(&town, MUCH, &["--approve"]);
    assert_eq!(code(&approved), 0, "renewed on purpose: {}", stderr(&approved));
}

#[test]
fn a_new_key_continues_the_device_and_the_old_one_is_its_past() {
    let town = Town::start();
    let device = town.device("phone");
    let old = device.status()["device"].as_str().unwrap().to_owned();
    let replaced = json(&device.enrol(&town, &["--new-key", "--json"]));
    assert_eq!(replaced["result"], "replaced");
    let new = replaced["device"].as_str().unwrap().to_owned();
    assert_ne!(new, old);
    assert_eq!(device.role("device")["thumbprint"], new.as_str());
    let approved = device.fetch(&town, MUCH, &["--approve"]);
    assert_eq!(code(&approved), 0, "{}", stderr(&approved));
    let data = town.path().join("data").display().to_string();
    let text = stdout(&device.run("history", &["--data-dir", &data]));
    assert!(text.contains(&old) && text.contains(&new), "its line of keys: {text}");
    let past = json(&device.run("history", &[&old, "--data-dir", &data, "--json"]));
    assert_eq!(past["listed"], "cap", "{past}");
    let (_folder, nobody) = alone("nobody");
    let refused = nobody.enrol(&town, &["--new-key", "--key-set", &town.key_set()]);
    assert_eq!(code(&refused), 4, "{}", stderr(&refused));
}

#[test]
fn a_wipe_asks_first_and_takes_everything() {
    let town = Town::start();
    let device = town.device("phone");
    let unasked = device.run("wipe", &[]);
    assert_eq!(code(&unasked), 2, "{}", stderr(&unasked));
    assert!(stderr(&unasked).contains("G9062"), "{}", stderr(&unasked));
    let planned = json(&device.run("wipe", &["--dry-run", "--json"]));
    assert_eq!(planned["keys"], serde_json::json!(["device", "app", "passkey"]));
    assert_eq!(code(&device.run("status", &[])), 0, "nothing happened yet");
    let wiped = device.run("wipe", &["--yes"]);
    assert_eq!(code(&wiped), 0, "{}", stderr(&wiped));
    assert!(stdout(&wiped).contains("destroyed key device in software"), "{}", stdout(&wiped));
    let names: Vec<_> = device.dir.read_dir().unwrap().flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(names, [".lock"]);
    assert_eq!(code(&device.run("wipe", &["--yes"])), 4);
    json(&device.init(&[]));
}

#[test]
fn the_history_of_a_device_is_what_the_installation_knows() {
    let town = Town::start();
    let device = town.device("phone");
    let id = device.status()["device"].as_str().unwrap().to_owned();
    let data = town.path().join("data").display().to_string();
    let own = json(&device.run("history", &["--data-dir", &data, "--json"]));
    assert_eq!((&own["thumbprint"], &own["tier"]), (&id.as_str().into(), &"software".into()));
    let text = stdout(&device.run("history", &[&id, "--data-dir", &data]));
    assert!(text.contains(&id) && text.contains("tier      software"), "{text}");
    let refused = glacis(&["devices", "refuse", &id, "--reason", "lost", "--data-dir", &data]);
    assert_eq!(code(&refused), 0, "{}", stderr(&refused));
    let text = stdout(&device.run("history", &["--data-dir", &data]));
    assert!(text.contains("lost"), "tiers with reasons: {text}");
    let (_folder, nobody) = alone("nobody");
    assert_eq!(code(&nobody.run("history", &["--data-dir", &data])), 4);
    assert_eq!(code(&nobody.run("history", &[&"0".repeat(64), "--data-dir", &data])), 4);
}

#[test]
fn software_keys_prove_nothing_and_say_so() {
    let (_folder, device) = alone("phone");
    json(&device.init(&[]));
    let none = device.run("attest", &[]);
    assert_eq!(code(&none), 1, "{}", stderr(&none));
    assert!(stderr(&none).contains("can prove nothing"), "{}", stderr(&none));
}

#[test]
fn keys_in_a_tpm_sign_prove_and_are_worth_more() {
    let Some(swtpm) = Swtpm::certified() else { return };
    let town = Town::start();
    let device = town.folder("phone");
    let store = format!("tpm2:{}", swtpm.address());
    let made = json(&device.init(&["--keys", "software", "--keys", &store, "--require", "hardware"]));
    assert_eq!(made["store"], store.as_str(), "the better of two");
    assert_eq!(
        (&made["protection"]["exportable"], &made["protection"]["basis"]),
        (&false.into(), &"attested".into())
    );
    let unproven = device.enrol(&town, &["--key-set", &town.key_set()]);
    assert_ne!(code(&unproven), 0, "an installation that takes no TPM does not get software in its place");
    assert_eq!(code(&device.run("status", &[])), 4, "{}", stderr(&unproven));
    let enrolled = device.enrol(&town, &["--key-set", &town.key_set(), "--evidence", "none", "--json"]);
    let enrolled = json(&enrolled);
    assert_eq!(enrolled["device"], made["keys"][0]["thumbprint"]);
    assert_eq!(enrolled["tier"], "software", "without evidence a key in a TPM is worth what software is");
    assert_eq!(code(&device.enrol(&town, &["--keys", "software"])), 4, "not elsewhere");
    let approved = device.fetch(&town, MUCH, &["--approve"]);
    assert_eq!((code(&approved), stdout(&approved).as_str()), (0, "carried"), "{}", stderr(&approved));
    let challenge = "ab".repeat(32);
    let evidence = json(&device.run("attest", &["device", "--challenge", &challenge, "--json"]));
    assert_eq!((&evidence["family"], &evidence["challenge"]), (&"tpm".into(), &challenge.as_str().into()));
    assert!(evidence["evidence"].as_str().unwrap().len() > 500);
    let forgotten = device.run("forget", &[]);
    assert_eq!(code(&forgotten), 4, "a folder whose keys are elsewhere: {}", stderr(&forgotten));
    drop(swtpm);
    let away = device.fetch(&town, SMALL, &[]);
    assert_eq!(code(&away), 1, "{}", stderr(&away));
    assert!(stderr(&away).contains("G9058"), "{}", stderr(&away));
}

/// From the chip to the registry, over the edge: the installation takes the TPM since its operator anchors the maker, and
/// knows that this one is a program, which in production is worth what software is.
#[test]
fn a_tpm_of_a_maker_that_the_operator_anchors_enrols_with_its_evidence() {
    let Some(swtpm) = Swtpm::certified() else { return };
    let town = Town::with_tpms(&swtpm.folder().join("ca/issuercert.pem"));
    let device = town.folder("phone");
    let store = format!("tpm2:{}", swtpm.address());
    let enrolled = json(&device.enrol(&town, &["--key-set", &town.key_set(), "--keys", &store, "--json"]));

    let allowed = device.fetch(&town, SMALL, &[]);
    assert_eq!(code(&allowed), 0, "{}", stderr(&allowed));
    let data = town.path().join("data").display().to_string();
    let known = json(&device.run("history", &["--data-dir", &data, "--json"]));
    assert_eq!((&known["family"], &known["uniqueness"]), (&"tpm".into(), &"hardware".into()));
    assert_eq!((&known["tier"], &enrolled["tier"]), (&"software".into(), &"software".into()));
}

/// A token of SoftHSM.
struct Token {
    folder: tempfile::TempDir,
    module: &'static str,
}

const PIN: &str = "4711-geheim";

impl Token {
    fn new() -> Option<Self> {
        let modules = ["/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/pkcs11/libsofthsm2.so"];
        let module = modules.into_iter().find(|path| Path::new(path).exists());
        let usable = Command::new("softhsm2-util").arg("--version").output().is_ok();
        let Some(module) = module.filter(|_| usable) else { return super::swtpm::skipped("softhsm2-util") };
        let token = Self { folder: tempfile::tempdir().unwrap(), module };
        fs::create_dir(token.path("tokens")).unwrap();
        let config = format!("directories.tokendir = {}\n", token.path("tokens").display());
        fs::write(token.path("softhsm2.conf"), config).unwrap();
        let made = Command::new("softhsm2-util")
            .args(["--init-token", "--free", "--label", "till", "--pin", PIN, "--so-pin", "87654321"])
            .env("SOFTHSM2_CONF", token.path("softhsm2.conf"))
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        token.write_pin(PIN);
        Some(token)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write_pin(&self, pin: &str) {
        fs::write(self.path("pin"), pin).unwrap();
        fs::set_permissions(self.path("pin"), fs::Permissions::from_mode(0o600)).unwrap();
    }

    fn uri(&self) -> String {
        let (module, pin) = (self.module, self.path("pin"));
        format!(
            "pkcs11:token=till?module-path={module}&pin-source=file:{}&x-glacis-tier=hardware",
            pin.display()
        )
    }

    /// Runs `glacis device ACTION --dir DIR …` where SoftHSM finds its token.
    fn run(&self, device: &Device, action: &str, rest: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_glacis"));
        command.args(["device", action, "--dir"]).arg(&device.dir).args(rest);
        let done = command.env("SOFTHSM2_CONF", self.path("softhsm2.conf")).output().unwrap();
        assert!(!format!("{done:?}").contains(PIN), "a PIN is nowhere in what is printed");
        done
    }

    fn objects(&self) -> usize {
        let token = fs::read_dir(self.path("tokens")).unwrap().next().unwrap().unwrap();
        let names = fs::read_dir(token.path()).unwrap().map(|file| file.unwrap().file_name());
        let object = |name: &std::ffi::OsString| {
            let name = name.to_string_lossy();
            name.ends_with(".object") && !name.starts_with("token")
        };
        names.filter(object).count()
    }
}

#[test]
fn keys_in_a_token_sign_and_are_destroyed_in_it() {
    let Some(token) = Token::new() else { return };
    let town = Town::start();
    let device = town.folder("till");
    let uri = token.uri();
    let made = json(&token.run(
        &device,
        "init",
        &["--tenant", "acme", "--json", "--keys", &uri, "--require", "hardware"],
    ));
    assert_eq!((&made["store"], &made["protection"]["basis"]), (&uri.as_str().into(), &"declared".into()));
    assert_eq!(token.objects(), 6, "three keys in two halves");
    let url = town.url();
    let enrolled = token.run(&device, "enrol", &["--url", &url, "--key-set", &town.key_set()]);
    assert_eq!(code(&enrolled), 0, "{}", stderr(&enrolled));
    let transfers = town.transfers();
    let body = ["POST", &transfers, "--body", MUCH, "-H", "content-type: application/json"];
    let fetch = [&body[..], &["--event", "payment.transfer", "--approve"]].concat();
    let approved = token.run(&device, "fetch", &fetch);
    assert_eq!((code(&approved), stdout(&approved).as_str()), (0, "carried"), "{}", stderr(&approved));

    token.write_pin("wrong");
    let rekey = ["--url", &url, "--renew"];
    for _ in 0..2 {
        let refused = token.run(&device, "enrol", &rekey);
        assert_eq!(code(&refused), 1, "{}", stderr(&refused));
        assert!(stderr(&refused).contains("refuses the PIN"), "{}", stderr(&refused));
        assert!(stderr(&refused).contains("the token counts wrong ones"), "the remedy: {}", stderr(&refused));
    }
    assert_eq!(code(&token.run(&device, "keys", &[])), 0, "looking needs no PIN");
    let unwiped = token.run(&device, "wipe", &["--yes"]);
    assert_eq!(code(&unwiped), 1, "a token that does not open is not forgotten: {}", stderr(&unwiped));
    assert_eq!(code(&token.run(&device, "status", &[])), 0);
    token.write_pin(PIN);
    let wiped = token.run(&device, "wipe", &["--yes"]);
    assert_eq!(code(&wiped), 0, "{}", stderr(&wiped));
    assert_eq!(token.objects(), 0);
    assert_eq!(code(&device.run("status", &[])), 4);
}

/// Without any module on the machine everything else works, and the error says which file is not there.
#[test]
fn the_command_starts_without_any_module() {
    let (_folder, device) = alone("phone");
    let away =
        device.run("init", &["--tenant", "acme", "--keys", "pkcs11:token=a?module-path=/nowhere/none.so"]);
    assert_eq!(code(&away), 1, "{}", stderr(&away));
    assert!(stderr(&away).contains("/nowhere/none.so"), "{}", stderr(&away));
    json(&device.init(&[]));
}
