//! The attacker's side of a hooked app: starts a real process and patches a function of it while it runs.
//!
//! The patch goes through `/proc/PID/mem`, as an injector without an agent does it: no `ptrace` attach, no file
//! changed. What is patched is the app's own function that asks the user for consent; patched, it says yes.

use super::frida::Frida;
use super::pipe::{Brief, Line, MARK, unhex};
use glacis_seal::text::hex;
use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// How the victim process is started.
#[derive(Clone, Debug)]
pub struct VictimCommand {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// The Frida that attacks it as well; none where the machine has none.
    pub frida: Option<Frida>,
}

impl VictimCommand {
    /// This very program with the hidden subcommand `__victim`, and the Frida of this machine.
    ///
    /// # Errors
    /// If the operating system does not say which program this is.
    pub fn own() -> io::Result<Self> {
        let program = std::env::current_exe()?;
        Ok(Self { program, args: vec!["__victim".into()], frida: Frida::find() })
    }
}

/// Evidence over challenge and device key, in canonical bytes.
pub type SecureHardware<'a> = &'a mut dyn FnMut(&[u8], &[u8]) -> Option<Vec<u8>>;

/// A running victim; killed when dropped.
#[derive(Debug)]
pub struct Hooked {
    child: Child,
    orders: ChildStdin,
    says: BufReader<ChildStdout>,
}

impl Hooked {
    /// Starts the process and waits until its app is enrolled and in session; `attest` is the secure hardware of
    /// its device: evidence over challenge and device key.
    ///
    /// # Errors
    /// If it does not start, or says that it cannot go on.
    pub fn start(
        command: &VictimCommand,
        brief: &Brief,
        attest: SecureHardware<'_>,
    ) -> io::Result<(Self, u64)> {
        let mut child = Command::new(&command.program)
            .args(&command.args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let (orders, says) = (child.stdin.take(), child.stdout.take());
        let (Some(orders), Some(says)) = (orders, says) else {
            return Err(io::Error::other("the victim has no pipes"));
        };
        let mut hooked = Self { child, orders, says: BufReader::new(says) };
        hooked.order(&serde_json::to_string(brief)?)?;
        loop {
            match hooked.next()? {
                Line::Ready { address } => return Ok((hooked, address)),
                Line::Attest { challenge, device_key } => {
                    let bytes = unhex(&challenge).zip(unhex(&device_key));
                    let evidence = bytes.and_then(|(challenge, key)| attest(&challenge, &key));
                    hooked.order(&evidence.map_or(String::new(), |evidence| hex(&evidence)))?;
                }
                other => return Err(unexpected(&other)),
            }
        }
    }

    /// Number of the process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Patches the function at `address` so that it returns true at once, whatever it is asked.
    ///
    /// # Errors
    /// If the kernel does not let this process write there; see `/proc/sys/kernel/yama/ptrace_scope`.
    pub fn patch(&self, address: u64) -> io::Result<()> {
        let memory =
            OpenOptions::new().read(true).write(true).open(format!("/proc/{}/mem", self.child.id()))?;
        let mut before = vec![0; RETURN_TRUE.len()];
        memory.read_exact_at(&mut before, address)?;
        memory.write_all_at(RETURN_TRUE, address)?;
        let mut after = vec![0; RETURN_TRUE.len()];
        memory.read_exact_at(&mut after, address)?;
        if after != RETURN_TRUE || before == after {
            return Err(io::Error::other("the function was not changed"));
        }
        Ok(())
    }

    /// Tells the victim to act and returns what it says until it is done.
    ///
    /// # Errors
    /// If the process ends before, or says that it cannot go on.
    pub fn act(&mut self) -> io::Result<Vec<Line>> {
        self.order("act")?;
        let mut lines = Vec::new();
        loop {
            match self.next()? {
                Line::Done => return Ok(lines),
                line @ Line::Acted { .. } => lines.push(line),
                other => return Err(unexpected(&other)),
            }
        }
    }

    fn order(&mut self, line: &str) -> io::Result<()> {
        writeln!(self.orders, "{line}")?;
        self.orders.flush()
    }

    fn next(&mut self) -> io::Result<Line> {
        let mut line = String::new();
        loop {
            line.clear();
            if self.says.read_line(&mut line)? == 0 {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the victim ended early"));
            }
            // A test harness may have begun the line.
            if let Some((_, json)) = line.split_once(MARK) {
                return Ok(serde_json::from_str(json)?);
            }
        }
    }
}

impl Drop for Hooked {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

fn unexpected(line: &Line) -> io::Error {
    match line {
        Line::Failed { why } => io::Error::other(format!("the victim cannot go on: {why}")),
        _ => io::Error::other("the victim is out of step"),
    }
}

/// `return true` in machine code: `mov eax, 1; ret`.
#[cfg(target_arch = "x86_64")]
const RETURN_TRUE: &[u8] = &[0xB8, 1, 0, 0, 0, 0xC3];
/// `return true` in machine code: `mov w0, #1; ret`.
#[cfg(target_arch = "aarch64")]
const RETURN_TRUE: &[u8] = &[0x20, 0x00, 0x80, 0x52, 0xC0, 0x03, 0x5F, 0xD6];
