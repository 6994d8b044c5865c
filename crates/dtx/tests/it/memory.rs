//! Keys are gone from memory: a process works with keys of a known seed, and its parent looks through all its memory.
//!
//! Before the store is closed the look must find what it searches (else it would prove nothing), afterwards it must not.
//! What is searched: private scalars as bytes and as the library's numbers (little-endian words), and the storage key.

use crate::{NOW, context};
use glacis_dtx::{KeyStore, Role, SoftwareKeyStore, UserVerification, Vault};
use glacis_host::{Clock, DirFiles, Entropy, EntropyError, SeededHost, variable};
use glacis_seal::{Purpose, SigningKey};
use glacis_wire::Timestamp;
use glacis_wire::message::PublicKey;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const FOLDER: &str = "GLACIS_MEMORY_FOLDER";

/// A seeded host that notes what it gives.
struct Noting {
    host: SeededHost,
    given: Mutex<Vec<[u8; 32]>>,
}

impl Clock for Noting {
    fn now(&self) -> Timestamp {
        self.host.now()
    }
    fn monotonic(&self) -> Duration {
        self.host.monotonic()
    }
}

impl Entropy for Noting {
    fn fill(&self, out: &mut [u8]) -> Result<(), EntropyError> {
        self.host.fill(out)?;
        if let Ok(bytes) = <[u8; 32]>::try_from(&*out) {
            self.given.lock().unwrap().push(bytes);
        }
        Ok(())
    }
}

fn seeded() -> SeededHost {
    SeededHost::new(20_261_130, NOW)
}

/// A device, step by step. Parent and child do the same, so that the parent knows the child's keys.
struct Device {
    vault: Arc<Vault>,
    keys: SoftwareKeyStore,
}

impl Device {
    fn open(dir: &Path, host: Arc<dyn glacis_host::Host>) -> Self {
        let files = Arc::new(DirFiles::open(dir).unwrap());
        let vault = Arc::new(Vault::open(files, host, context()).unwrap());
        let keys = SoftwareKeyStore::open(Arc::clone(&vault)).unwrap();
        Self { vault, keys }
    }

    fn work(&self) -> PublicKey {
        let device = self.keys.create(Role::Device).unwrap();
        self.keys.create(Role::PASSKEY).unwrap();
        for message in [b"one", b"two"] {
            self.keys.sign(Role::Device, &context(), Purpose::Enrol, message).unwrap();
            self.keys.sign_raw(Role::Device, message).unwrap();
            let approved = UserVerification::claimed_by_app(message);
            let verified =
                self.keys.sign_verified(Role::PASSKEY, approved, &context(), Purpose::Challenge, message);
            verified.unwrap();
        }
        self.keys.chain(Role::PASSKEY, &context()).unwrap();
        self.vault.put("other", b"content").unwrap();
        device
    }
}

#[test]
#[ignore = "the child of another test; does nothing on its own"]
fn child() {
    let Some(dir) = variable(FOLDER) else { return };
    let mut device = None;
    println!("@ready");
    for line in std::io::stdin().lock().lines() {
        match line.unwrap().as_str() {
            "open" => device = Some(Device::open(Path::new(&dir), Arc::new(seeded()))),
            "work" => drop(device.as_ref().unwrap().work()),
            "renew" => drop(device.as_ref().unwrap().keys.renew(Role::Device).unwrap()),
            "wipe" => device.as_ref().unwrap().keys.wipe().unwrap(),
            "close" => device = None,
            other => assert_eq!(other, "a command"),
        }
        println!("@done");
    }
}

/// The child, and what is searched in it.
struct Suspect {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Suspect {
    fn start(dir: &Path) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "memory::child", "--ignored", "--nocapture", "--test-threads=1"])
            .env(FOLDER, dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let mut suspect = Self { child, input, output: BufReader::new(output) };
        suspect.wait_for("@ready");
        suspect
    }

    fn does(&mut self, command: &str) {
        writeln!(self.input, "{command}").unwrap();
        self.wait_for("@done");
    }

    fn wait_for(&mut self, word: &str) {
        let mut line = String::new();
        while !line.contains(word) {
            line.clear();
            assert_ne!(self.output.read_line(&mut line).unwrap(), 0, "the child ended before {word}");
        }
    }

    /// Where each needle is in the memory that the child can write.
    fn find(&self, needles: &[(&'static str, [u8; 32])]) -> std::io::Result<Vec<String>> {
        let id = self.child.id();
        let maps = std::fs::read_to_string(format!("/proc/{id}/maps"))?;
        let mut memory = File::open(format!("/proc/{id}/mem"))?;
        let mut found = Vec::new();
        for line in maps.lines() {
            let mut words = line.split_whitespace();
            let (range, rights) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
            if !rights.starts_with("rw") {
                continue;
            }
            let Some((from, to)) = range.split_once('-') else { continue };
            let address = |text| u64::from_str_radix(text, 16).unwrap();
            let (from, to) = (address(from), address(to));
            let mut bytes = vec![0; usize::try_from(to - from).unwrap()];
            memory.seek(SeekFrom::Start(from))?;
            memory.read_exact(&mut bytes)?;
            for (at, window) in bytes.windows(32).enumerate() {
                for (name, needle) in needles.iter().filter(|(_, needle)| needle.first() == window.first()) {
                    if window == needle {
                        let place = words.clone().last().unwrap_or_default();
                        found.push(format!("{name} at {:x} in {place}", from + u64::try_from(at).unwrap()));
                    }
                }
            }
        }
        Ok(found)
    }
}

impl Drop for Suspect {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

fn reversed(bytes: &[u8; 32]) -> [u8; 32] {
    let mut reversed = *bytes;
    reversed.reverse();
    reversed
}

#[test]
fn keys_are_in_memory_while_a_store_is_open_and_gone_when_it_is_closed() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let noting = Arc::new(Noting { host: seeded(), given: Mutex::default() });
    let device = Device::open(here.path(), Arc::clone(&noting) as _);
    let public = device.work();
    let passkey = device.keys.public(Role::PASSKEY).unwrap().unwrap();
    let given = noting.given.lock().unwrap().clone();
    let scalar_of = |key: PublicKey| {
        let fits = |bytes: &&[u8; 32]| SigningKey::from_scalar(bytes).is_ok_and(|k| k.public() == key);
        *given.iter().find(fits).unwrap()
    };
    let storage: [u8; 32] = std::fs::read(here.path().join("storage.key")).unwrap().try_into().unwrap();
    let (old, other) = (scalar_of(public), scalar_of(passkey));
    let old_key = [("device key", old), ("device key as a number", reversed(&old))];
    let other_keys =
        [("passkey", other), ("passkey as a number", reversed(&other)), ("storage key", storage)];
    let all = [&old_key[..], &other_keys].concat();

    let mut suspect = Suspect::start(there.path());
    let found = match suspect.find(&all) {
        Err(error) => {
            let in_ci = variable("CI").is_some_and(|value| value == "true");
            assert!(!in_ci, "the memory of a child cannot be read: {error}");
            println!("skipped: ptrace: this machine does not let a process read its child's memory");
            return;
        }
        Ok(found) => found,
    };
    assert!(found.is_empty(), "before there is a key: {found:?}");
    suspect.does("open");
    suspect.does("work");
    let found = suspect.find(&all).unwrap();
    for (name, _) in [old_key[0], other_keys[0], other_keys[2]] {
        let seen = found.iter().any(|found| found.starts_with(name));
        assert!(seen, "the control: {name} must be found while it is in use: {found:?}");
    }
    suspect.does("renew");
    let found = suspect.find(&old_key).unwrap();
    assert!(found.is_empty(), "a key that was replaced: {found:?}");
    suspect.does("close");
    let found = suspect.find(&all).unwrap();
    assert!(found.is_empty(), "after closing: {found:?}");
    suspect.does("open");
    let found = suspect.find(&other_keys).unwrap();
    assert!(!found.is_empty(), "the control: open again");
    suspect.does("wipe");
    suspect.does("close");
    let found = suspect.find(&all).unwrap();
    assert!(found.is_empty(), "after a wipe: {found:?}");
}
