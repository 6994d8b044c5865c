//! Emulated TPMs for a part of the fleet: one `swtpm` process a device, and one CA of this run that vouches for them.
//!
//! The CA is swtpm's own, with keys made in this run's folder, as a maker's would be: the control plane anchors its root
//! for realm `demo` alone. A chip ends with its device. No service is needed: ports are free ones of loopback.

use crate::world::WorldError;
use glacis_host::TpmSocket;
use std::fs;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// Where chips are made.
#[derive(Debug)]
pub struct Chips {
    folder: PathBuf,
    /// How many were made.
    made: Mutex<u32>,
}

/// One chip; its process ends when this is dropped.
#[derive(Debug)]
pub struct Chip {
    process: Child,
    address: SocketAddr,
}

impl Chips {
    /// A maker of chips with its files in `folder`.
    ///
    /// # Errors
    /// If the folder cannot be made, or this machine has no `swtpm`.
    pub fn open(folder: &Path) -> Result<Self, WorldError> {
        for program in ["swtpm", "swtpm_setup"] {
            let found =
                Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
            if let Err(error) = found {
                let cure =
                    if error.kind() == ErrorKind::NotFound { "; install swtpm and swtpm-tools" } else { "" };
                return Err(failed(format!("`{program}` does not start: {error}{cure}")));
            }
        }
        let chips = Self { folder: folder.to_path_buf(), made: Mutex::new(0) };
        fs::create_dir_all(chips.ca()).map_err(failed)?;
        // Of the CA's files the tool makes what is missing.
        let at = |name: &str| chips.ca().join(name).display().to_string();
        let authority = format!(
            "statedir = {}\nsigningkey = {}\nissuercert = {}\ncertserial = {}\n",
            chips.ca().display(),
            at("signing-key.pem"),
            at(ISSUER),
            at("serial")
        );
        fs::write(chips.folder.join("localca.conf"), authority).map_err(failed)?;
        let setup = format!(
            "create_certs_tool = /usr/bin/swtpm_localca\ncreate_certs_tool_config = {}\n\
             create_certs_tool_options = /etc/swtpm-localca.options\nactive_pcr_banks = sha256\n",
            chips.folder.join("localca.conf").display()
        );
        fs::write(chips.folder.join("setup.conf"), setup).map_err(failed)?;
        // The CA exists once it vouched for somebody: this chip is never used.
        chips.certified()?;
        Ok(chips)
    }

    /// The key that signs the chips' certificates: DER `SubjectPublicKeyInfo`.
    ///
    /// # Errors
    /// If the CA's file is not there or no certificate.
    pub fn anchors(&self) -> Result<Vec<Vec<u8>>, WorldError> {
        let file = fs::read(self.ca().join(ISSUER)).map_err(failed)?;
        glacis_attest::anchors(&file).ok_or_else(|| failed("the CA's certificate is none"))
    }

    /// A new chip that the CA vouches for, switched on.
    ///
    /// # Errors
    /// If it cannot be made or does not come up.
    pub fn make(&self) -> Result<Chip, WorldError> {
        Chip::start(&self.certified()?)
    }

    fn ca(&self) -> PathBuf {
        self.folder.join("ca")
    }

    /// The state of a new chip with certificates of its endorsement keys.
    fn certified(&self) -> Result<PathBuf, WorldError> {
        // One at a time: the CA counts its serials in a file.
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let state = self.folder.join(format!("chip-{made}"));
        *made += 1;
        fs::create_dir_all(&state).map_err(failed)?;
        let done = Command::new("swtpm_setup")
            .args(["--tpm2", "--create-ek-cert", "--create-platform-cert", "--tpmstate"])
            .arg(&state)
            .arg("--config")
            .arg(self.folder.join("setup.conf"))
            .stdin(Stdio::null())
            .output();
        let Output { status, stdout, stderr } = done.map_err(failed)?;
        if status.success() {
            return Ok(state);
        }
        let said = String::from_utf8_lossy(&stdout).into_owned() + &String::from_utf8_lossy(&stderr);
        Err(failed(format!("swtpm_setup ended with {status}: {}", said.trim_end())))
    }
}

impl Chip {
    /// The way to it.
    pub const fn link(&self) -> TpmSocket {
        TpmSocket::new(self.address)
    }

    fn start(state: &Path) -> Result<Self, WorldError> {
        for _ in 0..START_TRIES {
            let (server, control) = (free_port()?, free_port()?);
            let process = Command::new("swtpm")
                .args(["socket", "--tpm2", "--flags", "not-need-init,startup-clear", "--tpmstate"])
                .arg(format!("dir={}", state.display()))
                .args(["--server", &format!("type=tcp,port={server},bindaddr=127.0.0.1")])
                .args(["--ctrl", &format!("type=tcp,port={control},bindaddr=127.0.0.1")])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .map_err(failed)?;
            let mut chip = Self { process, address: SocketAddr::from((Ipv4Addr::LOCALHOST, server)) };
            if chip.listens() {
                return Ok(chip);
            }
            // Somebody else took the port in between.
        }
        Err(failed("swtpm does not come up"))
    }

    fn listens(&mut self) -> bool {
        for _ in 0..LOOKS_MAX {
            if TcpStream::connect(self.address).is_ok() {
                return true;
            }
            if !matches!(self.process.try_wait(), Ok(None)) {
                return false;
            }
            thread::sleep(LOOK_PAUSE);
        }
        false
    }
}

impl Drop for Chip {
    fn drop(&mut self) {
        let _ended = self.process.kill();
        let _reaped = self.process.wait();
    }
}

fn free_port() -> Result<u16, WorldError> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(failed)?;
    Ok(listener.local_addr().map_err(failed)?.port())
}

fn failed(error: impl ToString) -> WorldError {
    WorldError::new("tpm", error)
}

/// The CA's certificate.
const ISSUER: &str = "issuer-cert.pem";
/// How often a chip is started until its port is its own.
const START_TRIES: u32 = 8;
/// How often it is looked whether a chip listens, and how long between two looks: ten seconds in all.
const LOOKS_MAX: u32 = 500;
const LOOK_PAUSE: Duration = Duration::from_millis(20);
