//! A TPM in software, of its own in each test, and the tools of the TPM2 project that speak to it.
//!
//! Where the programs are missing the test says so and ends, which is a failure in CI. The TPM listens on a free port
//! of the loopback, keeps its state in a folder of its own, and ends with the value that stands for it.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A running TPM.
pub(crate) struct Swtpm {
    process: Child,
    folder: tempfile::TempDir,
    address: String,
    port: u16,
}

impl Swtpm {
    /// Starts one that nobody manufactured: seeds, but no certificates.
    pub(crate) fn start() -> Option<Self> {
        Self::start_with(tempfile::tempdir().unwrap())
    }

    /// Starts the one whose state is in this folder.
    #[expect(clippy::disallowed_methods, reason = "tests ask whether programs may be missing")]
    pub(crate) fn start_with(folder: tempfile::TempDir) -> Option<Self> {
        let missing = ["swtpm", "swtpm_setup", "tpm2_createek"].into_iter().find(|name| !is_there(name));
        if let Some(missing) = missing {
            assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "no {missing}");
            println!("skipped: no {missing}");
            return None;
        }
        for _ in 0..20 {
            let port = two_free_ports();
            let mut process = Command::new("swtpm")
                .args(["socket", "--tpm2", "--flags", "not-need-init,startup-clear"])
                .args(["--tpmstate", &format!("dir={}", folder.path().display())])
                .args(["--server", &format!("type=tcp,bindaddr=127.0.0.1,port={port}")])
                .args(["--ctrl", &format!("type=tcp,bindaddr=127.0.0.1,port={}", port + 1)])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            // The control port, since a connection to the other one is taken for the user's.
            for _ in 0..500 {
                if process.try_wait().unwrap().is_some() {
                    break;
                }
                if TcpStream::connect(("127.0.0.1", port + 1)).is_ok() {
                    let address = format!("swtpm:host=127.0.0.1,port={port}");
                    return Some(Self { process, folder, address, port });
                }
                std::thread::sleep(Duration::from_millis(10));
            }
            // Somebody took the port in between.
            let _ = process.kill();
            let _ = process.wait();
        }
        panic!("swtpm does not start");
    }

    /// Where it takes commands.
    pub(crate) const fn port(&self) -> u16 {
        self.port
    }

    /// A file of this test.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What a tool wrote.
    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// What a tool wrote behind a length of two bytes.
    pub(crate) fn read_sized(&self, name: &str) -> Vec<u8> {
        let bytes = self.read(name);
        assert_eq!(usize::from(u16::from_be_bytes([bytes[0], bytes[1]])), bytes.len() - 2, "{name}");
        bytes[2..].to_vec()
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.path(name), bytes).unwrap();
    }

    /// Runs a tool in the folder; its arguments are separated by spaces.
    pub(crate) fn try_run(&self, line: &str) -> Result<(), String> {
        let mut words = line.split(' ');
        let output = Command::new(words.next().unwrap())
            .args(words)
            .current_dir(self.folder.path())
            .env("TPM2TOOLS_TCTI", &self.address)
            .stdin(Stdio::null())
            .output()
            .unwrap_or_else(|error| panic!("{line}: {error}"));
        if output.status.success() {
            return Ok(());
        }
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }

    /// Runs tools one after the other. There is no resource manager, so what they leave behind is flushed.
    pub(crate) fn run(&self, lines: &[&str]) {
        for line in lines {
            self.try_run(line).unwrap_or_else(|error| panic!("{line}: {error}"));
            self.try_run("tpm2_flushcontext -t").unwrap();
        }
    }
}

impl Drop for Swtpm {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A folder with the state of a TPM that was manufactured: it has certificates of a certificate authority of its own.
pub(crate) fn manufacture() -> Option<tempfile::TempDir> {
    if !is_there("swtpm_setup") {
        return Some(tempfile::tempdir().unwrap());
    }
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().display().to_string();
    let file = |name: &str, text: String| std::fs::write(folder.path().join(name), text).unwrap();
    file(
        "ca.conf",
        format!(
            "statedir = {at}\nsigningkey = {at}/ca-key.pem\nissuercert = {at}/ca.pem\ncertserial = {at}/serial\n"
        ),
    );
    let platform = "--platform-manufacturer Glacis\n--platform-version 2.1\n--platform-model Test\n";
    file("ca.options", platform.to_owned());
    file(
        "setup.conf",
        format!(
            "create_certs_tool = /usr/bin/swtpm_localca\ncreate_certs_tool_config = {at}/ca.conf\n\
             create_certs_tool_options = {at}/ca.options\nactive_pcr_banks = sha256\n"
        ),
    );
    let done = Command::new("swtpm_setup")
        .args(["--tpm2", "--create-ek-cert", "--create-platform-cert", "--overwrite"])
        .args(["--tpmstate", &at, "--config", &format!("{at}/setup.conf")])
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stdout));
    Some(folder)
}

#[expect(clippy::disallowed_methods, reason = "tests find programs through the environment")]
fn is_there(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| Path::new(&folder).join(program).is_file())
}

/// The first of two ports that were free a moment ago.
fn two_free_ports() -> u16 {
    loop {
        let first = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = first.local_addr().unwrap().port();
        if port < u16::MAX && TcpListener::bind(("127.0.0.1", port + 1)).is_ok() {
            return port;
        }
    }
}
