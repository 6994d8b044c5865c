//! What a signature, a quote and an activation cost: in software, in a TPM, and in the same TPM by `tpm2-tools`.
//!
//! The emulator is the same and does the same work for both, with keys of the same kind that were made before. The tools
//! get their keys as context files, as in scripts; an activation is three of them, for its policy takes a session. Medians
//! of wall time.

use crate::Outcome;
use glacis_dtx::tpm::{EndorsementKind, KeyUse, PcrSelection, Tpm, TpmKey, TpmOptions};
use glacis_host::{Entropy, SystemHost, TpmSocket};
use glacis_seal::text::hex;
use glacis_seal::{SigningKey, sha256};
use glacis_wire::message::Bytes;
use glacis_wire::message::tpm::Activation;
use serde_json::{Value, json};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Source: the bars of hardware key stores: software 60 microseconds, and a fifth of what the tools take.
const SOFTWARE_US_MAX: f64 = 60.0;
const SHARE_MAX: f64 = 0.2;

const OURS: usize = 200;
const THEIRS: usize = 20;

/// Medians, in microseconds.
pub(crate) struct Custody {
    software_us: f64,
    rows: Vec<Row>,
}

struct Row {
    what: &'static str,
    ours_us: f64,
    theirs_us: f64,
}

impl Row {
    fn share(&self) -> f64 {
        self.ours_us / self.theirs_us
    }
}

impl Custody {
    pub(crate) fn measure() -> Outcome<Self> {
        let software_us = software()?;
        let swtpm = Swtpm::start()?;
        let rows = rows(&swtpm)?;
        Ok(Self { software_us, rows })
    }

    pub(crate) fn holds(&self) -> bool {
        self.software_us <= SOFTWARE_US_MAX && self.rows.iter().all(|row| row.share() <= SHARE_MAX)
    }

    pub(crate) fn print(&self) {
        println!("signature in software: {:.1} us (bar {SOFTWARE_US_MAX} us)", self.software_us);
        println!(
            "{:<12} {:>10} {:>15} {:>7}  (bar {SHARE_MAX})",
            "in a TPM", "ours us", "tpm2-tools us", "share"
        );
        for row in &self.rows {
            println!("{:<12} {:>10.0} {:>15.0} {:>7.3}", row.what, row.ours_us, row.theirs_us, row.share());
        }
    }

    pub(crate) fn json(&self) -> Value {
        let row =
            |row: &Row| json!({"what": row.what, "ours_us": row.ours_us, "tpm2_tools_us": row.theirs_us});
        json!({"software_sign_us": self.software_us, "tpm": self.rows.iter().map(row).collect::<Vec<_>>()})
    }
}

fn software() -> Outcome<f64> {
    let host = SystemHost::new();
    let key = SigningKey::generate(|out| host.fill(out)).map_err(|error| error.to_string())?;
    median(2_000, || {
        key.sign_raw(b"message").map_err(|error| error.to_string())?;
        Ok(())
    })
}

fn rows(swtpm: &Swtpm) -> Outcome<Vec<Row>> {
    let kind = EndorsementKind::P256;
    let mut tpm = swtpm.open()?;
    let (key, ak) = (tpm.create_key(KeyUse::Signing)?, tpm.create_key(KeyUse::Attestation)?);
    drop(tpm);
    let theirs = Theirs::prepare(swtpm)?;
    let activation = wrap(swtpm, &ak)?;
    let (digest, pcrs) = (sha256(b"message"), PcrSelection::boot());
    let mut tpm = swtpm.open()?;
    let sign_us = median(OURS, || Ok(tpm.sign(&key, &digest).map(|_| ())?))?;
    let quote_us = median(OURS, || Ok(tpm.quote(&ak, &digest, &pcrs).map(|_| ())?))?;
    let activation_us = median(OURS, || Ok(tpm.activate(kind, &ak, &activation).map(|_| ())?))?;
    drop(tpm);
    Ok(vec![
        Row { what: "signature", ours_us: sign_us, theirs_us: median(THEIRS, || theirs.sign())? },
        Row { what: "quote", ours_us: quote_us, theirs_us: median(THEIRS, || theirs.quote())? },
        Row { what: "activation", ours_us: activation_us, theirs_us: median(THEIRS, || theirs.activate())? },
    ])
}

/// What the tools do, with keys of their own.
struct Theirs<'a>(&'a Swtpm);

impl<'a> Theirs<'a> {
    fn prepare(swtpm: &'a Swtpm) -> Outcome<Self> {
        std::fs::write(swtpm.at("digest"), sha256(b"message").as_bytes())?;
        std::fs::write(swtpm.at("secret"), [9; 32])?;
        let steps: [&[&str]; 6] = [
            &["createprimary", "-C", "o", "-G", "ecc", "-c", "root.ctx"],
            &["create", "-C", "root.ctx", "-G", "ecc:ecdsa-sha256", "-u", "key.pub", "-r", "key.priv"],
            &["load", "-C", "root.ctx", "-u", "key.pub", "-r", "key.priv", "-c", "key.ctx"],
            &["createek", "-c", "ek.ctx", "-G", "ecc", "-u", "ek.pub"],
            &[
                "createak", "-C", "ek.ctx", "-c", "ak.ctx", "-G", "ecc", "-g", "sha256", "-s", "ecdsa", "-n",
                "ak.name",
            ],
            &["flushcontext", "-t"],
        ];
        for step in steps {
            swtpm.tool(step)?;
            swtpm.tool(&["flushcontext", "-t"])?;
        }
        let name = hex(&std::fs::read(swtpm.at("ak.name"))?);
        swtpm.tool(&["makecredential", "-u", "ek.pub", "-s", "secret", "-n", &name, "-o", "their.blob"])?;
        swtpm.tool(&["flushcontext", "-t"])?;
        Ok(Self(swtpm))
    }

    fn sign(&self) -> Outcome<()> {
        self.0.tool(&[
            "sign",
            "-c",
            "key.ctx",
            "-g",
            "sha256",
            "-d",
            "-f",
            "plain",
            "-o",
            "signature",
            "digest",
        ])?;
        self.0.untimed(&["flushcontext", "-t"])
    }

    fn quote(&self) -> Outcome<()> {
        let registers = "sha256:0,1,2,3,4,5,6,7,8,9,11,12,14";
        let args =
            ["quote", "-c", "ak.ctx", "-l", registers, "-q", "00ff", "-m", "message", "-s", "signature"];
        self.0.tool(&args)?;
        self.0.untimed(&["flushcontext", "-t"])
    }

    fn activate(&self) -> Outcome<()> {
        self.0.tool(&["startauthsession", "--policy-session", "-S", "session.ctx"])?;
        self.0.tool(&["policysecret", "-S", "session.ctx", "-c", "e"])?;
        let policy = "session:session.ctx";
        let blobs = ["-i", "their.blob", "-o", "opened", "-P", policy];
        self.0.tool(&[&["activatecredential", "-c", "ak.ctx", "-C", "ek.ctx"], &blobs[..]].concat())?;
        self.0.untimed(&["flushcontext", "session.ctx"])?;
        self.0.untimed(&["flushcontext", "-t"])
    }
}

/// Has the tools wrap a secret for a key of ours.
fn wrap(swtpm: &Swtpm, key: &TpmKey) -> Outcome<Activation> {
    let name = hex(key.public().name().as_bytes());
    swtpm.tool(&["makecredential", "-u", "ek.pub", "-s", "secret", "-n", &name, "-o", "our.blob"])?;
    swtpm.tool(&["flushcontext", "-t"])?;
    let blob = std::fs::read(swtpm.at("our.blob"))?;
    // Magic and version come first.
    let rest = blob.get(8..).ok_or("a short blob")?;
    let length = rest.first_chunk::<2>().ok_or("a short blob")?;
    let length = 2 + usize::from(u16::from_be_bytes(*length));
    let (credential, secret) = rest.split_at_checked(length).ok_or("a short blob")?;
    Ok(Activation { credential: Bytes(credential.to_vec()), secret: Bytes(secret.to_vec()) })
}

/// Median wall time in microseconds; what a round marks as untimed is not counted.
fn median(rounds: usize, mut round: impl FnMut() -> Outcome<()>) -> Outcome<f64> {
    round()?;
    let mut times = Vec::with_capacity(rounds);
    for _ in 0..rounds {
        UNTIMED.set(Duration::ZERO);
        let began = Instant::now();
        round()?;
        times.push(began.elapsed().saturating_sub(UNTIMED.get()).as_secs_f64() * 1e6);
    }
    Ok(crate::median(&mut times))
}

thread_local! {
    /// Time of this round that its measure does not count.
    static UNTIMED: std::cell::Cell<Duration> = const { std::cell::Cell::new(Duration::ZERO) };
}

/// An emulator on two free ports, stopped by its process.
struct Swtpm {
    folder: tempfile::TempDir,
    port: u16,
    child: Child,
}

impl Swtpm {
    fn start() -> Outcome<Self> {
        let folder = tempfile::tempdir()?;
        for _ in 0..8 {
            let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
            let Some(control) = port.checked_add(1) else { continue };
            let state = format!("dir={}", folder.path().display());
            let server = format!("type=tcp,port={port},bindaddr=127.0.0.1");
            let control = format!("type=tcp,port={control},bindaddr=127.0.0.1");
            let mut child = Command::new("swtpm")
                .args(["socket", "--tpm2", "--tpmstate", &state, "--server", &server, "--ctrl", &control])
                .args(["--flags", "not-need-init,startup-clear"])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()?;
            for _ in 0..200 {
                if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
                    return Ok(Self { folder, port, child });
                }
                std::thread::sleep(Duration::from_millis(10));
            }
            child.kill()?;
            child.wait()?;
        }
        Err("swtpm does not listen".into())
    }

    fn open(&self) -> Outcome<Tpm> {
        let address: SocketAddr = (Ipv4Addr::LOCALHOST, self.port).into();
        Ok(Tpm::open(Box::new(TpmSocket::new(address)), Arc::new(SystemHost::new()), TpmOptions::default())?)
    }

    fn at(&self, name: &str) -> std::path::PathBuf {
        Path::new(self.folder.path()).join(name)
    }

    fn tool(&self, args: &[&str]) -> Outcome<()> {
        let done = Command::new("tpm2")
            .args(args)
            .current_dir(self.folder.path())
            .env("TPM2TOOLS_TCTI", format!("swtpm:host=127.0.0.1,port={}", self.port))
            .output()?;
        if done.status.success() {
            return Ok(());
        }
        Err(format!("tpm2 {args:?}: {}", String::from_utf8_lossy(&done.stderr)).into())
    }

    /// What a machine with a resource manager does not have to do.
    fn untimed(&self, args: &[&str]) -> Outcome<()> {
        let began = Instant::now();
        self.tool(args)?;
        UNTIMED.set(UNTIMED.get() + began.elapsed());
        Ok(())
    }
}

impl Drop for Swtpm {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
