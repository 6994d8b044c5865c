//! An installation as an operator runs it, realm `production`: the real `glacis serve`, an upstream that remembers,
//! and devices that are folders.

use crate::{code, glacis, stderr, stdout};
use glacis_host::{Clock, Entropy, EntropyError, Host, SystemHost};
use glacis_seal::Context;
use glacis_serve::release::{PolicyFiles, publish};
use glacis_serve::{Installation, Opened, Role, ServeConfig, ServeError};
use glacis_wire::{NodeName, Realm, TenantId, Timestamp};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;

const SIGNALS: &str = r#"
[signal."app.hooked"]
type = "bool"
zone = "device"
privacy = "private"
purpose = ["fraud-prevention"]
retention = "0d"
min_trust = "attested"
cost = 10

[signal."app.debugger"]
type = "bool"
zone = "device"
privacy = "private"
purpose = ["fraud-prevention"]
retention = "0d"
min_trust = "attested"
cost = 10

[signal.amount]
type = "int"
zone = "request"
privacy = "pseudonymous"
purpose = ["fraud-prevention"]
retention = "30d"
cost = 1
"#;

const POLICY: &str = r#"
[policy]
name = "transfer"
event = "payment.transfer"
purpose = "fraud-prevention"
combine = "strictest"
methods = ["otp", "passkey"]
if_error = "match"

[policy.if_unknown]
withheld = "danger_skip"
denied = "skip"
version = "skip"
absent = "skip"

[[rule]]
id = "tampered-app"
when = "app.hooked || app.debugger"
effect = "block"
text = "device"
release = "verdict"

[[rule]]
id = "much"
when = "amount > 1000"
effect = "challenge(passkey)"

[[rule]]
id = "too-much"
when = "amount > 100000"
effect = "block"
"#;

/// A running installation.
pub(crate) struct Town {
    folder: TempDir,
    edge: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
    serve: Option<Child>,
}

impl Town {
    /// Keys made, policy published, `glacis serve` running.
    pub(crate) fn start() -> Self {
        let mut town = Self::stopped();
        town.serve();
        town
    }

    /// Keys made and policy published; nothing runs.
    fn stopped() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (behind, seen) = upstream();
        let edge = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let config = format!(
            r#"
tenant = "acme"
realm = "production"
data_dir = "data"

[cloud]
nodes_at = "127.0.0.1:0"
admin_at = "127.0.0.1:0"

[edge]
node = "edge-1"
listen = "{edge}"
bundle_every_ms = 100

[edge.upstream.app]
address = "{behind}"

[[edge.route]]
method = "POST"
path = "/transfers"
upstream = "app"
event = "payment.transfer"
[edge.route.fields.amount]
json = "/amount"
type = "int"
"#
        );
        std::fs::write(folder.path().join("glacis.toml"), config).unwrap();
        let town = Self { folder, edge, seen, serve: None };
        let host: Arc<dyn Host> = Arc::new(SystemHost::new());
        let installation = Installation::open(&town.data(), true).unwrap();
        let context = Context::new(TenantId::parse("acme").unwrap(), Realm::Production);
        let node = NodeName::parse("edge-1").unwrap();
        let ring = retried(|| installation.ring_or_new(&context, &node, &*host));
        let mut opened = retried(|| {
            let (installation, ring) =
                (Installation::open(&town.data(), false)?, installation.ring(&context)?);
            Opened::with(town.config(), Role::All, installation, ring, Arc::clone(&host))
        });
        drop(ring);
        let (core, ring) = opened.cloud_and_ring().unwrap();
        let file = |name: &str, text: &str| (name.to_owned(), text.to_owned());
        let files = PolicyFiles {
            catalogue: file("signals.toml", SIGNALS),
            policy: file("policy.toml", POLICY),
            cases: None,
        };
        core.publish(&publish(ring, &[files], 1, 1, host.now()).unwrap()).unwrap();
        town
    }

    /// One that enrols devices with TPMs of this maker (a file with certificates).
    pub(crate) fn with_tpms(maker: &Path) -> Self {
        let mut town = Self::stopped();
        let path = town.folder.path().join("glacis.toml");
        let config = std::fs::read_to_string(&path).unwrap();
        let families = format!(
            "[cloud.enrolment]\nfamilies = [\"tpm\"]\n\n[cloud.enrolment.tpm]\nanchors = [\"{}\"]\n\n[edge]\n",
            maker.display()
        );
        std::fs::write(&path, config.replacen("[edge]\n", &families, 1)).unwrap();
        town.serve();
        town
    }

    /// The same installation in this process, with a clock that is so many seconds ahead. It ends with the process.
    pub(crate) fn start_ahead(seconds: i64) -> Self {
        let mut town = Self::stopped();
        let opened =
            retried(|| Opened::open(town.config(), Role::All, Arc::new(Ahead(SystemHost::new(), seconds))));
        std::thread::spawn(move || opened.run(|_| ()));
        town.wait();
        town
    }

    fn config(&self) -> ServeConfig {
        let file = self.folder.path().join("glacis.toml");
        let mut config = ServeConfig::parse("glacis.toml", &std::fs::read_to_string(&file).unwrap()).unwrap();
        config.resolve(&file);
        config
    }

    /// Starts `glacis serve`, at the same address as before.
    pub(crate) fn serve(&mut self) {
        self.serve = Some(self.spawn());
        self.wait();
    }

    fn spawn(&self) -> Child {
        let mut command = Command::new(env!("CARGO_BIN_EXE_glacis"));
        let config = self.folder.path().join("glacis.toml");
        command.args(["serve", "--config"]).arg(config);
        let log = std::fs::File::create(self.folder.path().join("serve.log")).unwrap();
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap()
    }

    /// Ends it at once.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.serve.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Until the edge has a policy for devices.
    fn wait(&mut self) {
        for _ in 0..1_000 {
            // It may meet a lock that a forked child of this process still holds: see `retried`.
            if let Some(child) = &mut self.serve
                && child.try_wait().unwrap().is_some()
            {
                self.serve = Some(self.spawn());
            }
            let ready = TcpStream::connect(self.edge).is_ok()
                && self.send("GET /.glacis/bundle?keys=0 HTTP/1.1\r\n", "", b"").0 == 200;
            if ready {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let log = std::fs::read_to_string(self.folder.path().join("serve.log"));
        panic!("the installation does not come up: {log:?}");
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    fn data(&self) -> PathBuf {
        self.path().join("data")
    }

    pub(crate) fn key_set(&self) -> String {
        self.data().join("keys/key-set-1.json").display().to_string()
    }

    /// SHA-256 of the key set, from the file.
    pub(crate) fn fingerprint(&self) -> String {
        let bytes = std::fs::read(self.key_set()).unwrap();
        let (_, set) = glacis_serve::keys::read_key_set("key set", &bytes).unwrap();
        glacis_seal::published::fingerprint(&set).unwrap().to_string()
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.edge)
    }

    pub(crate) fn transfers(&self) -> String {
        format!("{}/transfers", self.url())
    }

    /// Requests that reached the service.
    pub(crate) fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }

    /// A device that is enrolled under the right key set.
    pub(crate) fn device(&self, name: &str) -> Device {
        let device = self.folder(name);
        let output = device.enrol(self, &["--key-set", &self.key_set()]);
        assert_eq!(code(&output), 0, "{}", stderr(&output));
        device
    }

    /// A folder for a device.
    pub(crate) fn folder(&self, name: &str) -> Device {
        Device { dir: self.path().join(name) }
    }

    /// Sends header lines as `sign` printed them, with this body; status and head of the answer.
    pub(crate) fn post(&self, signed: &str, body: &[u8]) -> (u16, String) {
        self.send("POST /transfers HTTP/1.1\r\n", signed, body)
    }

    fn send(&self, line: &str, headers: &str, body: &[u8]) -> (u16, String) {
        let mut socket = TcpStream::connect(self.edge).unwrap();
        let headers: String = headers.lines().map(|line| format!("{line}\r\n")).collect();
        let head = format!(
            "{line}host: {}\r\nconnection: close\r\ncontent-length: {}\r\n{headers}\r\n",
            self.edge,
            body.len()
        );
        socket.write_all(&[head.as_bytes(), body].concat()).unwrap();
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer).unwrap();
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        (status, answer)
    }
}

impl Drop for Town {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A folder, and the command on it.
pub(crate) struct Device {
    pub(crate) dir: PathBuf,
}

impl Device {
    /// Runs `glacis device ACTION --dir DIR …`.
    pub(crate) fn run(&self, action: &str, rest: &[&str]) -> Output {
        let dir = self.dir.to_string_lossy();
        glacis(&[&["device", action, "--dir", &dir], rest].concat())
    }

    pub(crate) fn enrol(&self, town: &Town, rest: &[&str]) -> Output {
        self.run("enrol", &[&["--url", &town.url()], rest].concat())
    }

    /// Signs a transfer; its header lines.
    pub(crate) fn sign(&self, town: &Town, body: &str, rest: &[&str]) -> String {
        let output = self.try_sign(town, body, rest);
        assert_eq!(code(&output), 0, "{}", stderr(&output));
        stdout(&output)
    }

    pub(crate) fn try_sign(&self, town: &Town, body: &str, rest: &[&str]) -> Output {
        self.run("sign", &[&transfer(&town.transfers(), body), rest].concat())
    }

    pub(crate) fn fetch(&self, town: &Town, body: &str, rest: &[&str]) -> Output {
        self.run("fetch", &[&transfer(&town.transfers(), body), rest].concat())
    }

    pub(crate) fn status(&self) -> serde_json::Value {
        let output = self.run("status", &["--json"]);
        assert_eq!(code(&output), 0, "{}", stderr(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// A copy of the folder as it is now.
    pub(crate) fn backup(&self, name: &str) -> PathBuf {
        let to = self.dir.with_file_name(name);
        copy(&self.dir, &to);
        to
    }

    /// Puts a copy back.
    pub(crate) fn restore(&self, from: &Path) {
        std::fs::remove_dir_all(&self.dir).unwrap();
        copy(from, &self.dir);
    }
}

/// One transfer as arguments.
pub(crate) fn transfer<'a>(url: &'a str, body: &'a str) -> Vec<&'a str> {
    let json = "content-type: application/json";
    vec!["POST", url, "--body", body, "--event", "payment.transfer", "--header", json]
}

fn copy(from: &Path, to: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::create_dir(to).unwrap();
    std::fs::set_permissions(to, std::fs::Permissions::from_mode(0o700)).unwrap();
    for entry in from.read_dir().unwrap().flatten() {
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// A service that answers 200 and remembers what it was asked.
fn upstream() -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let log = Arc::clone(&seen);
    std::thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            let log = Arc::clone(&log);
            std::thread::spawn(move || answer(socket, &log));
        }
    });
    (address, seen)
}

fn answer(mut socket: TcpStream, log: &Mutex<Vec<String>>) {
    let (mut bytes, mut piece) = (Vec::new(), [0; 4_096]);
    while let Ok(count @ 1..) = socket.read(&mut piece) {
        bytes.extend_from_slice(&piece[..count]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.to_ascii_lowercase();
        let length =
            length.split("content-length: ").nth(1).map_or("0", |rest| rest.split("\r\n").next().unwrap());
        if body.len() >= length.parse().unwrap() {
            log.lock().unwrap().push(text.clone());
            socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\ncarried").unwrap();
            bytes.clear();
        }
    }
}

/// Tries again where a folder is in use: a child that another test forks holds all locks of this process until it
/// executes its program.
fn retried<T>(open: impl Fn() -> Result<T, ServeError>) -> T {
    for _ in 0..200 {
        match open() {
            Err(error) if error.to_string().contains("in use") => {
                std::thread::sleep(Duration::from_millis(10));
            }
            opened => return opened.unwrap(),
        }
    }
    panic!("a folder stays in use");
}

/// A clock that is set wrong.
#[derive(Debug)]
struct Ahead(SystemHost, i64);

impl Clock for Ahead {
    fn now(&self) -> Timestamp {
        let ms = i64::try_from(self.0.now().as_ms()).unwrap() + self.1 * 1_000;
        Timestamp::from_ms(u64::try_from(ms).unwrap())
    }
    fn monotonic(&self) -> Duration {
        self.0.monotonic()
    }
}

impl Entropy for Ahead {
    fn fill(&self, out: &mut [u8]) -> Result<(), EntropyError> {
        self.0.fill(out)
    }
}
