//! Processes of the corpus: the app, whose lines are read with the time at which they came, and tools.
//!
//! Each runs in a process group of its own, which is killed when its handle is dropped; the app also ends when its
//! standard input does, and so does not outlive a harness that died. Everything that waits here has a bound.

use crate::kit::{Kit, Trouble, not_started};
use crate::line::Line;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// A running program, its two streams kept.
#[derive(Debug)]
pub struct Running {
    child: Child,
    input: Option<ChildStdin>,
    said: Arc<Mutex<String>>,
    lines: Receiver<String>,
}

impl Running {
    /// Starts a program with a pipe on each stream.
    ///
    /// # Errors
    /// [`Trouble::Lacking`] where it is not installed.
    pub fn start(mut command: Command) -> Result<Self, Trouble> {
        for name in WISHES {
            command.env_remove(name);
        }
        let spawned = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn();
        let mut child = spawned.map_err(|error| not_started(command.get_program(), &error))?;
        let said = Arc::new(Mutex::new(String::new()));
        let (sender, lines) = channel();
        if let Some(pipe) = child.stderr.take() {
            keep(pipe, Arc::clone(&said), None);
        }
        if let Some(pipe) = child.stdout.take() {
            keep(pipe, Arc::clone(&said), Some(sender));
        }
        let input = child.stdin.take();
        Ok(Self { child, input, said, lines })
    }

    /// Its number.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it said on both streams so far, the newest part.
    pub fn said(&self) -> String {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().is_ok_and(|status| status.is_some())
    }

    /// Waits until it has said `text`.
    ///
    /// # Errors
    /// If it ends before, or `limit` passes.
    pub fn wait_for(&mut self, text: &str, limit: Duration) -> Result<(), Trouble> {
        let mut left = limit;
        while !self.said().contains(text) {
            if self.has_ended() || left.is_zero() {
                // What it wrote last may still be in the pipe.
                std::thread::sleep(POLL);
                let said = self.said();
                let found = said.contains(text);
                return if found { Ok(()) } else { Err(Trouble::failed(format!("no `{text}` in: {said}"))) };
            }
            std::thread::sleep(POLL);
            left = left.saturating_sub(POLL);
        }
        Ok(())
    }

    /// Writes a line to its standard input.
    fn order(&mut self, line: &str) -> Result<(), Trouble> {
        let input = self.input.as_mut().ok_or_else(|| Trouble::failed("its input is closed"))?;
        writeln!(input, "{line}").and_then(|()| input.flush()).map_err(Trouble::from)
    }

    /// Sends a signal to its whole group.
    fn signal_group(&self, name: &str) {
        let group = format!("-{}", self.child.id());
        let told = Command::new("kill").args([name, "--", &group]).stderr(Stdio::null()).status();
        drop(told);
    }
}

impl Drop for Running {
    /// Asks first: some tools have helpers and files that only they can take away.
    fn drop(&mut self) {
        drop(self.input.take());
        self.signal_group("-TERM");
        for _ in 0..END_TRIES {
            if self.has_ended() {
                break;
            }
            std::thread::sleep(POLL);
        }
        self.signal_group("-KILL");
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The app, or another host that says its lines.
#[derive(Debug)]
pub struct App {
    running: Running,
    /// Monotonic time at which it was started.
    began: Duration,
    pid: u32,
    address: u64,
    unguarded: u64,
    /// Latest state of each sensor, and when it came.
    readings: BTreeMap<String, (String, Duration)>,
    /// What the guarded function returned last.
    returned: Option<u32>,
    asked: u64,
}

impl App {
    /// Starts `command` and waits until every sensor in it has its baseline.
    ///
    /// # Errors
    /// If it ends before, or [`READY_MAX`] passes.
    pub fn start(kit: &Kit, command: Command) -> Result<Self, Trouble> {
        let mut app = Self::starting(kit, command)?;
        let until = app.began + READY_MAX;
        while !app.is_ready() {
            app.pump(kit, POLL)?;
            if kit.monotonic() > until {
                return Err(Trouble::failed(format!("it did not get ready: {}", app.running.said())));
            }
        }
        Ok(app)
    }

    /// Starts `command` and does not wait.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn starting(kit: &Kit, command: Command) -> Result<Self, Trouble> {
        let began = kit.monotonic();
        let running = Running::start(command)?;
        let readings = BTreeMap::new();
        Ok(Self { running, began, pid: 0, address: 0, unguarded: 0, readings, returned: None, asked: 0 })
    }

    /// Whether every sensor in it has its baseline.
    pub const fn is_ready(&self) -> bool {
        self.pid != 0
    }

    /// Its number as it says itself.
    pub const fn pid(&self) -> u32 {
        self.pid
    }

    /// Where its guarded function is.
    pub const fn address(&self) -> u64 {
        self.address
    }

    /// Where a function is that nobody guards.
    pub const fn unguarded(&self) -> u64 {
        self.unguarded
    }

    /// When it was started, by the kit's clock.
    pub const fn began(&self) -> Duration {
        self.began
    }

    /// What its guarded function returned last.
    pub const fn returned(&self) -> Option<u32> {
        self.returned
    }

    /// What it said on both streams, the newest part.
    pub fn said(&self) -> String {
        self.running.said()
    }

    /// Latest state of each sensor, and when it came.
    pub const fn readings(&self) -> &BTreeMap<String, (String, Duration)> {
        &self.readings
    }

    /// Sensors that detected something, and when.
    pub fn detected(&self) -> BTreeMap<&str, Duration> {
        let detected = self.readings.iter().filter(|(_, (state, _))| state == Line::DETECTED);
        detected.map(|(sensor, (_, at))| (sensor.as_str(), *at)).collect()
    }

    /// Takes what it says, for at most `limit`.
    ///
    /// # Errors
    /// If it ended, or said that it cannot go on.
    pub fn pump(&mut self, kit: &Kit, limit: Duration) -> Result<(), Trouble> {
        let until = kit.monotonic() + limit;
        loop {
            let left = until.saturating_sub(kit.monotonic());
            match self.running.lines.recv_timeout(left) {
                Ok(text) => match Line::parse(&text) {
                    Some(line) => self.take(line, kit.monotonic())?,
                    None => continue,
                },
                Err(RecvTimeoutError::Timeout) => return Ok(()),
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Trouble::failed(format!("it ended: {}", self.running.said())));
                }
            }
        }
    }

    /// Makes every sensor look now and takes what it says.
    ///
    /// # Errors
    /// As [`Self::pump`], or if it does not answer within [`ANSWER_MAX`].
    pub fn ask(&mut self, kit: &Kit) -> Result<(), Trouble> {
        let (before, until) = (self.asked, kit.monotonic() + ANSWER_MAX);
        self.running.order(Line::READ)?;
        while self.asked == before {
            self.pump(kit, POLL)?;
            if kit.monotonic() > until {
                return Err(Trouble::failed(format!("it does not answer: {}", self.running.said())));
            }
        }
        Ok(())
    }

    fn take(&mut self, line: Line, at: Duration) -> Result<(), Trouble> {
        match line {
            Line::Ready { pid, address, unguarded } => {
                (self.pid, self.address, self.unguarded) = (pid, address, unguarded);
            }
            Line::Reading { sensor, state, .. } => {
                let known = self.readings.get(&sensor).is_some_and(|(known, _)| *known == state);
                if !known {
                    self.readings.insert(sensor, (state, at));
                }
            }
            Line::Returned { value } => self.returned = Some(value),
            Line::Asked => self.asked += 1,
            Line::Failed { why } => return Err(Trouble::failed(why)),
        }
        Ok(())
    }
}

/// Keeps what comes from a pipe, and passes its lines on.
fn keep(pipe: impl Read + Send + 'static, said: Arc<Mutex<String>>, lines: Option<Sender<String>>) {
    std::thread::spawn(move || {
        let mut reader = BufReader::new(pipe);
        let mut raw = Vec::new();
        while matches!(reader.read_until(b'\n', &mut raw), Ok(read) if read > 0) {
            let line = String::from_utf8_lossy(&raw).trim_end().to_owned();
            raw.clear();
            let passed = lines
                .as_ref()
                .is_some_and(|lines| Line::parse(&line).is_some() && lines.send(line.clone()).is_ok());
            if !passed {
                let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
                if said.len() > SAID_BYTES_MAX {
                    said.clear();
                }
                said.push_str(&line);
                said.push('\n');
            }
        }
    });
}

/// What a machine may wish of every process, and sensors rightly tell: not part of any attack or host here.
const WISHES: &[&str] = &[
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "ftp_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "FTP_PROXY",
    "NO_PROXY",
];
/// How often what has a bound is looked at.
pub const POLL: Duration = Duration::from_millis(10);
/// A tool that was asked to end gets so many times [`POLL`].
const END_TRIES: u32 = 100;
/// Longest start of an app; under valgrind on a busy machine it takes 20 s.
pub const READY_MAX: Duration = Duration::from_secs(120);
/// Longest time until all sensors have looked once more.
pub const ANSWER_MAX: Duration = Duration::from_secs(60);
/// LIMIT: what is kept of a tool that talks without end; the older part is dropped.
const SAID_BYTES_MAX: usize = 64 << 10;
