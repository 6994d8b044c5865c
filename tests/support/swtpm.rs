//! A TPM of one test, shared by the test binaries of several crates: `swtpm` on a free port with its state in a temporary
//! folder, stopped by its process id.
//!
//! Where the program is missing a test says `skipped:`, and fails in CI. A test that wants certificates has them made by
//! swtpm's own CA, whose files are in the same folder.

#![expect(clippy::panic, reason = "helpers of tests")]

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// One emulator.
pub(crate) struct Swtpm {
    folder: TempDir,
    pub(crate) port: u16,
    pub(crate) child: Option<Child>,
}

impl Swtpm {
    /// A new chip without certificates; `None` where there is no `swtpm`.
    pub(crate) fn blank() -> Option<Self> {
        Self::start(false)
    }

    /// A new chip with endorsement and platform certificates.
    pub(crate) fn certified() -> Option<Self> {
        Self::start(true)
    }

    fn start(certified: bool) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("state")).unwrap();
        if certified && !certify(folder.path()) {
            return skipped("swtpm_setup");
        }
        let mut swtpm = Self { folder, port: 0, child: None };
        // Another process may take a port between our look and swtpm's.
        for _ in 0..8 {
            swtpm.port = free_port();
            if !swtpm.launch() {
                return skipped("swtpm");
            }
            if swtpm.listens() {
                return Some(swtpm);
            }
            swtpm.stop();
        }
        panic!("swtpm does not listen");
    }

    /// Starts the process on its state and port; false where there is no `swtpm`.
    pub(crate) fn launch(&mut self) -> bool {
        let state = format!("dir={}", self.folder.path().join("state").display());
        let server = format!("type=tcp,port={},bindaddr=127.0.0.1", self.port);
        let control = format!("type=tcp,port={},bindaddr=127.0.0.1", self.port + 1);
        let log = format!("file={},level=1", self.folder.path().join("log").display());
        let args = ["socket", "--tpm2", "--tpmstate", &state, "--server", &server, "--ctrl", &control];
        let started = Command::new("swtpm")
            .args(args)
            .args(["--flags", "not-need-init,startup-clear", "--log", &log])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        self.child = started.ok();
        self.child.is_some()
    }

    /// Waits until somebody can connect; false if the process ended.
    pub(crate) fn listens(&mut self) -> bool {
        for _ in 0..200 {
            if TcpStream::connect(self.address()).is_ok() {
                return true;
            }
            if self.child.as_mut().is_none_or(|child| !matches!(child.try_wait(), Ok(None))) {
                return false;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        false
    }

    /// Ends the process, as a power cut would.
    pub(crate) fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// The folder of its state, its CA and what tools wrote.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for Swtpm {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Says that a test does not run, and fails it in CI.
pub(crate) fn skipped<T>(program: &str) -> Option<T> {
    let in_ci = glacis_host::variable("CI").is_some_and(|value| value == "true");
    assert!(!in_ci, "`{program}` must be installed in CI");
    println!("skipped: `{program}` is not installed");
    None
}

/// Two neighbours that nobody listens on: the second is for control.
fn free_port() -> u16 {
    loop {
        let one = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = one.local_addr().unwrap().port();
        if port < u16::MAX && TcpListener::bind(("127.0.0.1", port + 1)).is_ok() {
            return port;
        }
    }
}

/// Has swtpm's CA make certificates; false where there is no such program.
fn certify(folder: &Path) -> bool {
    let ca = folder.join("ca");
    std::fs::create_dir(&ca).unwrap();
    let at = |name: &str| folder.join(name).display().to_string();
    let local = ["signingkey = signkey.pem", "issuercert = issuercert.pem", "certserial = certserial"];
    let local: String =
        local.iter().map(|line| line.replace("= ", &format!("= {}/", ca.display())) + "\n").collect();
    std::fs::write(at("localca.conf"), format!("statedir = {}\n{local}", ca.display())).unwrap();
    let setup = format!(
        "create_certs_tool = /usr/bin/swtpm_localca\ncreate_certs_tool_config = {}\n\
         create_certs_tool_options = /etc/swtpm-localca.options\nactive_pcr_banks = sha256\n",
        at("localca.conf")
    );
    std::fs::write(at("setup.conf"), setup).unwrap();
    let (state, config) = (at("state"), at("setup.conf"));
    let args =
        ["--tpm2", "--tpmstate", &state, "--create-ek-cert", "--create-platform-cert", "--config", &config];
    match Command::new("swtpm_setup").args(args).output() {
        Ok(done) => {
            assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stdout));
            true
        }
        Err(_) => false,
    }
}
