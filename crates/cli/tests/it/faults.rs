//! Faults from outside, against the real binary, with a ledger of what it acknowledged kept outside of it.
//!
//! A reference in an answer is an acknowledgement: the decision is on record. Whatever happens to the process, its
//! disk, its network or its clock, every such reference must be found afterwards.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail the test"
)]

mod clock;
mod cluster;
mod disk;
mod network;
#[path = "../../../../tests/support/tmpfs.rs"]
mod tmpfs;

use crate::live::{Process, Service, ask, control, protect, wait_for};
use std::io::Read as _;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// References that were given to clients, each with the status of its answer.
type Ledger = Arc<Mutex<Vec<(String, u16)>>>;

/// Pause of a client between two requests. Four clients stay below 500 requests a second, half of what the gateway
/// lets through from one prefix by default: whatever else a test sends from this address is not shed.
const PAUSE: Duration = Duration::from_millis(8);

/// Clients that ask one after the other until they are told to stop.
struct Load {
    stop: Arc<AtomicBool>,
    clients: Vec<JoinHandle<u64>>,
}

impl Load {
    /// Every answer with a reference goes to `ledger`; `judge` sees every status.
    fn start(at: SocketAddr, path: &'static str, ledger: &Ledger, judge: fn(u16)) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let client = |number: u32| {
            let (stop, ledger) = (Arc::clone(&stop), Arc::clone(ledger));
            thread::spawn(move || {
                let mut answers = 0;
                while !stop.load(Ordering::Relaxed) {
                    if let Some(answer) = ask(at, "GET", &format!("{path}/{number}"), "") {
                        judge(answer.status);
                        answers += 1;
                        let reference =
                            answer.header("glacis-reference").map(|text| (text.to_owned(), answer.status));
                        ledger.lock().unwrap().extend(reference);
                    }
                    thread::sleep(PAUSE);
                }
                answers
            })
        };
        let clients = (0..4).map(client).collect();
        Self { stop, clients }
    }

    /// Waits for the clients; how many answers they got.
    fn stop(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.clients.into_iter().map(|client| client.join().unwrap()).sum()
    }
}

/// Every reference of the ledger is on record at the control plane of `data`.
fn all_on_record(data: &Path, ledger: &Ledger) -> usize {
    let ledger = ledger.lock().unwrap();
    for (reference, status) in ledger.iter() {
        wait_for(&format!("record of {reference}, answered {status}"), || {
            let answer = control(data, "GET", &format!("/admin/v1/records/{reference}"), "")?;
            (answer.status == 200).then_some(())
        });
    }
    let audit = control(data, "POST", "/admin/v1/audit/verify", "").unwrap().json();
    assert_eq!(audit["holds"], true, "{audit}");
    ledger.len()
}

/// A number below `below`, from the system.
fn random(below: u64) -> u64 {
    let mut bytes = [0; 8];
    std::fs::File::open("/dev/urandom").unwrap().read_exact(&mut bytes).unwrap();
    u64::from_le_bytes(bytes) % below
}

/// Whether `ip` did it.
fn ip(args: &[&str]) -> bool {
    Command::new("ip").args(args).output().is_ok_and(|done| done.status.success())
}

/// A policy of `http.request` whose rules match on all that is not known, but for its rules.
const POLICY: &str = r#"
[policy]
name = "agents"
event = "http.request"
purpose = "fraud-prevention"
combine = "strictest"
methods = ["otp"]
if_error = "match"
[policy.if_unknown]
withheld = "match"
denied = "match"
version = "match"
absent = "match"
unavailable = "match"
"#;

const SIGNALS: &str = r#"
[signal."http.user_agent"]
type = "string"
zone = "request"
max_bytes = 1024
privacy = "pseudonymous"
purpose = ["fraud-prevention"]
retention = "30d"
cost = 1
"#;

/// The data folder of a control plane with these rules in force, over further lists of the catalogue.
fn installed(folder: &Path, service: &Service, rules: &str, lists: &str) -> PathBuf {
    let (cloud, policy) = (folder.join("cloud"), folder.join("policy"));
    std::fs::create_dir(&policy).unwrap();
    std::fs::write(policy.join("policy.toml"), [POLICY, rules].concat()).unwrap();
    std::fs::write(policy.join("signals.toml"), [SIGNALS, lists].concat()).unwrap();
    let (url, data) = (service.url(), cloud.to_string_lossy().into_owned());
    let policy = policy.to_string_lossy().into_owned();
    let args = ["protect", &url, "--listen", "127.0.0.1:0", "--data-dir", &data, "--policy", &policy];
    let mut process = Process::start(folder, "publish", &args);
    process.address("glacis: http://");
    process.signal("-TERM");
    assert!(process.wait().success(), "{}", process.printed());
    cloud
}

/// The data folder of gateway `edge-NUMBER`, which gets what it needs and no more: no signing key, nothing of the
/// control plane.
fn node_folder(folder: &Path, cloud: &Path, number: usize) -> PathBuf {
    let edge = folder.join(format!("edge-{number}"));
    let keys = edge.join("keys");
    std::fs::create_dir_all(&keys).unwrap();
    for dir in [&edge, &keys] {
        std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o700)).unwrap();
    }
    for name in ["key-set-1", "cluster", "nonce", "upstream", &format!("node-edge-{number}")] {
        let name = format!("{name}.json");
        std::fs::copy(cloud.join("keys").join(&name), keys.join(&name)).unwrap();
    }
    edge
}

/// `protect`, ready to decide.
fn ready(folder: &Path, service: &Service, data: &Path) -> (Process, SocketAddr) {
    let (mut process, at) = protect(folder, service, data);
    let health = process.address("health and metrics on http://");
    wait_for("policy and feed", || (ask(health, "GET", "/readyz", "")?.status == 200).then_some(()));
    (process, at)
}

#[test]
fn invariant_10_a_serving_process_loses_nothing_acknowledged_by_kill_9() {
    /// Kills of one run.
    const POINTS: u32 = 40;
    let folder = tempfile::tempdir().unwrap();
    let (service, data) = (Service::start(), folder.path().join("data"));
    let ledger = Ledger::default();
    for point in 0..POINTS {
        let (process, at) = protect(folder.path(), &service, &data);
        let load = Load::start(at, "/things", &ledger, |status| {
            assert_eq!(status, 200, "observing refuses nothing")
        });
        // Some points lie in the first milliseconds of a start, most under load.
        thread::sleep(Duration::from_millis(random(if point % 4 == 0 { 40 } else { 250 })));
        process.kill();
        load.stop();
    }
    let (_process, _at) = ready(folder.path(), &service, &data);
    let kept = all_on_record(&data, &ledger);
    println!("{POINTS} kills, {kept} acknowledged, all on record");
    assert!(kept > 100, "only {kept} answers: nothing was under load");
}
