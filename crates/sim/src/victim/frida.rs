//! Frida as an attacker of the demo, where this machine has it: as a Python module, or as a program.
//!
//! Nothing is installed and nothing is searched for but `python3` and `frida` in PATH. The script is the same for
//! both: the function at an address returns true, whatever it is asked. A machine that has no Frida, or whose kernel
//! lets nobody inject, runs the demo as it is; the report says which tools attacked.

use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

/// An installed Frida.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frida {
    way: Way,
    version: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Way {
    /// A Python interpreter that has the module.
    Module(PathBuf),
    /// The program of its tools.
    Program(PathBuf),
}

impl Frida {
    /// The Frida of this machine.
    pub fn find() -> Option<Self> {
        Self::module(Path::new("python3")).or_else(|| Self::program(Path::new("frida")))
    }

    /// The module of this interpreter.
    pub fn module(python: &Path) -> Option<Self> {
        let version = says(python, &["-c", "import frida; print(frida.__version__)"])?;
        Some(Self { way: Way::Module(python.to_owned()), version })
    }

    /// This program.
    pub fn program(program: &Path) -> Option<Self> {
        let version = says(program, &["--version"])?;
        Some(Self { way: Way::Program(program.to_owned()), version })
    }

    /// Its version.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Makes the function at `address` of a running process return true for as long as the result lives.
    ///
    /// # Errors
    /// If it cannot inject, for example because a container forbids to trace a process, or takes too long.
    pub fn hook(&self, pid: u32, address: u64) -> io::Result<Injection> {
        let script = SCRIPT.replace("ADDRESS", &address.to_string());
        let (program, args): (&Path, [OsString; 4]) = match &self.way {
            Way::Module(python) => {
                (python, ["-c".into(), DRIVER.into(), pid.to_string().into(), script.into()])
            }
            Way::Program(frida) => (
                frida,
                [
                    "-q".into(),
                    format!("--attach-pid={pid}").into(),
                    "--timeout=inf".into(),
                    format!("--eval={script}").into(),
                ],
            ),
        };
        let mut command = Command::new(program);
        command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut injection = Injection { child: command.spawn()? };
        injection.wait_in_place()?;
        Ok(injection)
    }
}

/// A hook in another process; gone when dropped.
#[derive(Debug)]
pub struct Injection {
    child: Child,
}

impl Injection {
    fn wait_in_place(&mut self) -> io::Result<()> {
        let (Some(out), Some(mut err)) = (self.child.stdout.take(), self.child.stderr.take()) else {
            return Err(io::Error::other("Frida has no pipes"));
        };
        let (sender, lines) = channel();
        thread::spawn(move || {
            // Goes on after the mark, so that the pipe never fills.
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                drop(sender.send(line));
            }
        });
        loop {
            match lines.recv_timeout(IN_PLACE_MAX) {
                Ok(line) if line.contains(MARK) => return Ok(()),
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout) => {
                    return Err(io::Error::new(io::ErrorKind::TimedOut, "Frida takes too long"));
                }
                Err(RecvTimeoutError::Disconnected) => {
                    let mut why = String::new();
                    err.read_to_string(&mut why)?;
                    return Err(io::Error::other(why.lines().last().unwrap_or("Frida ended").to_owned()));
                }
            }
        }
    }
}

impl Drop for Injection {
    /// Asks first, by closing its input: then Frida takes its helper and its folder with it.
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        for _ in 0..END_TRIES {
            if self.child.try_wait().is_ok_and(|status| status.is_some()) {
                return;
            }
            thread::sleep(END_POLL);
        }
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// First line of what a program says, if it succeeds.
fn says(program: &Path, args: &[&str]) -> Option<String> {
    let done = Command::new(program).args(args).stdin(Stdio::null()).output().ok()?;
    let line = String::from_utf8(done.stdout).ok()?.lines().next()?.trim().to_owned();
    (done.status.success() && line.starts_with(|c: char| c.is_ascii_digit())).then_some(line)
}

/// Said when the hook is in place.
const MARK: &str = "glacis: hooked";
/// `bool` comes back in the lowest byte of the register that a pointer fills.
const SCRIPT: &str = "Interceptor.attach(ptr('ADDRESS'), { onLeave(r) { r.replace(ptr(1)); } }); console.log('glacis: hooked');";
/// Attaches, loads the script, and stays until its input ends. The module prints what the script logs.
const DRIVER: &str = "import sys, frida
session = frida.attach(int(sys.argv[1]))
script = session.create_script(sys.argv[2])
script.on('message', lambda message, data: message['type'] == 'error' and sys.exit(message['description']))
script.set_log_handler(lambda level, text: print(text, flush=True))
script.load()
sys.stdin.read()
session.detach()
frida.shutdown()
";
/// How long it may take to leave.
const END_TRIES: u32 = 200;
const END_POLL: Duration = Duration::from_millis(10);
/// Longest injection on a busy machine.
const IN_PLACE_MAX: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_without_frida_has_none() {
        assert_eq!(Frida::module(Path::new("/nonexistent/python3")), None);
        assert_eq!(Frida::program(Path::new("cat")), None, "says no version of Frida's form");
    }
}
