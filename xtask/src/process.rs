//! Programs that tasks start: no shell, standard input closed, time bounded, output kept and shown.
//!
//! A program runs in a process group of its own; when its time is up the whole group is killed, and readers
//! of its pipes are left behind rather than waited for. Nothing here retries.

use crate::error::Failure;
use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

/// One program to run.
#[derive(Debug)]
pub(crate) struct Job {
    program: OsString,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    dir: Option<PathBuf>,
    limit: Duration,
    show: Show,
}

/// What of a program's output goes to our own, while it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Show {
    /// Both streams.
    All,
    /// Standard error only; standard output is data.
    Errors,
    /// Both, without what passing tests printed.
    Tests,
    /// Nothing.
    Nothing,
}

/// What a program did.
#[derive(Debug)]
pub(crate) struct Finished {
    /// Exit code 0 within its time.
    pub(crate) success: bool,
    /// Why not, for people.
    pub(crate) how: String,
    /// All of standard output.
    pub(crate) stdout: String,
    /// All of standard error.
    pub(crate) stderr: String,
}

impl Job {
    /// A program by name or path, with [`DEFAULT_LIMIT`].
    pub(crate) fn new(program: impl AsRef<OsStr>) -> Self {
        Self {
            program: program.as_ref().to_owned(),
            args: Vec::new(),
            env: Vec::new(),
            dir: None,
            limit: DEFAULT_LIMIT,
            show: Show::Nothing,
        }
    }

    /// The cargo that runs this task.
    pub(crate) fn cargo() -> Self {
        Self::new(variable("CARGO").unwrap_or_else(|| OsString::from("cargo")))
    }

    /// Adds arguments.
    pub(crate) fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Sets a variable.
    pub(crate) fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.env.push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Sets the working directory.
    pub(crate) fn dir(mut self, dir: &Path) -> Self {
        self.dir = Some(dir.to_owned());
        self
    }

    /// Sets the time after which the program is killed.
    pub(crate) fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Sets what is shown.
    pub(crate) fn show(mut self, show: Show) -> Self {
        self.show = show;
        self
    }

    /// Runs the program to its end or the end of its time.
    pub(crate) fn run(self) -> Result<Finished, Failure> {
        let name = self.program.to_string_lossy().into_owned();
        let mut child = self.command().spawn().map_err(Failure::doing(format!("cannot start `{name}`")))?;
        let (sender, lines) = channel();
        if let Some(pipe) = child.stdout.take() {
            read_lines(pipe, Stream::Out, sender.clone());
        }
        if let Some(pipe) = child.stderr.take() {
            read_lines(pipe, Stream::Err, sender);
        }
        self.follow(child, &lines, &name)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("CARGO_PKG_")
                || text.starts_with("CARGO_MANIFEST_")
                || text == "LD_LIBRARY_PATH"
            {
                command.env_remove(&name);
            }
        }
        command.envs(self.env.iter().map(|(name, value)| (name, value))).process_group(0);
        if let Some(dir) = &self.dir {
            command.current_dir(dir);
        }
        command
    }

    fn follow(
        &self,
        mut child: Child,
        lines: &Receiver<(Stream, String)>,
        name: &str,
    ) -> Result<Finished, Failure> {
        let clock = Stopwatch::start();
        let mut filter = TestFilter::default();
        let mut done =
            Finished { success: false, how: String::new(), stdout: String::new(), stderr: String::new() };
        let mut open = true;
        while open && clock.elapsed() < self.limit {
            match lines.recv_timeout(POLL) {
                Ok((stream, line)) => self.take(stream, &line, &mut filter, &mut done),
                Err(RecvTimeoutError::Timeout) => {
                    let ended =
                        child.try_wait().map_err(Failure::doing(format!("cannot wait for `{name}`")))?;
                    open = ended.is_none();
                }
                Err(RecvTimeoutError::Disconnected) => open = false,
            }
        }
        let left = self.limit.saturating_sub(clock.elapsed()).max(POLL);
        let status =
            wait_at_most(&mut child, left).map_err(Failure::doing(format!("cannot wait for `{name}`")))?;
        if status.is_none() {
            kill_group(&mut child);
        }
        while let Ok((stream, line)) = lines.try_recv() {
            self.take(stream, &line, &mut filter, &mut done);
        }
        done.success = status.is_some_and(|status| status.success());
        done.how = match status {
            Some(status) => format!("{name}: {status}"),
            None => format!("{name}: killed after {} s", self.limit.as_secs()),
        };
        Ok(done)
    }

    fn take(&self, stream: Stream, line: &str, filter: &mut TestFilter, done: &mut Finished) {
        let text = match stream {
            Stream::Out => &mut done.stdout,
            Stream::Err => &mut done.stderr,
        };
        text.push_str(line);
        text.push('\n');
        let shown = match (self.show, stream) {
            (Show::All, _) | (Show::Errors | Show::Tests, Stream::Err) => true,
            (Show::Tests, Stream::Out) => filter.shows(line),
            (Show::Errors, Stream::Out) | (Show::Nothing, _) => false,
        };
        if shown {
            println!("{line}");
        }
    }
}

/// Hides what passing tests printed (`--show-output` is on, so that a skip can be seen and counted).
#[derive(Debug, Default)]
struct TestFilter {
    hiding: bool,
}

impl TestFilter {
    fn shows(&mut self, line: &str) -> bool {
        if line == "successes:" {
            self.hiding = true;
        } else if line == "failures:" || line.starts_with("test result:") {
            self.hiding = false;
        }
        let passed = line.starts_with("test ") && line.ends_with("... ok");
        !self.hiding && !passed
    }
}

/// Time since a start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts.
    #[expect(clippy::disallowed_methods, reason = "tasks time themselves; no product code runs here")]
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    /// Time since the start.
    pub(crate) fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

/// A variable of our own environment.
#[expect(clippy::disallowed_methods, reason = "a task is a binary; it is told about CI by the environment")]
pub(crate) fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

/// Whether this is the continuous integration run, in which nothing may be skipped.
pub(crate) fn strict() -> bool {
    variable("CI").is_some_and(|value| value == "true")
}

#[derive(Clone, Copy, Debug)]
enum Stream {
    Out,
    Err,
}

fn read_lines(pipe: impl Read + Send + 'static, stream: Stream, to: Sender<(Stream, String)>) {
    std::thread::spawn(move || {
        let mut reader = BufReader::new(pipe);
        let mut raw = Vec::new();
        while matches!(reader.read_until(b'\n', &mut raw), Ok(read) if read > 0) {
            let line = String::from_utf8_lossy(&raw).trim_end_matches(['\n', '\r']).to_owned();
            raw.clear();
            if to.send((stream, line)).is_err() {
                return;
            }
        }
    });
}

fn wait_at_most(child: &mut Child, limit: Duration) -> std::io::Result<Option<std::process::ExitStatus>> {
    let clock = Stopwatch::start();
    loop {
        match child.try_wait()? {
            Some(status) => return Ok(Some(status)),
            None if clock.elapsed() >= limit => return Ok(None),
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    }
}

fn kill_group(child: &mut Child) {
    let group = format!("-{}", child.id());
    let told = Command::new("kill").args(["-KILL", "--", &group]).stdin(Stdio::null()).status();
    if !told.is_ok_and(|status| status.success()) {
        drop(child.kill());
    }
    drop(child.wait());
}

/// Unit: seconds. For programs that only look something up.
pub(crate) const DEFAULT_LIMIT: Duration = Duration::from_secs(120);
/// How often a silent program is looked at.
const POLL: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_and_exit_code_are_kept() {
        let done = Job::new("cat").args(["--no-such-option"]).run().unwrap();
        assert!(!done.success);
        assert!(done.stderr.contains("no-such-option"), "{done:?}");
        let done = Job::new("uname").run().unwrap();
        assert!(done.success && done.stdout.contains("Linux"), "{done:?}");
    }

    #[test]
    fn standard_input_is_closed() {
        let done = Job::new("cat").limit(Duration::from_secs(20)).run().unwrap();
        assert!(done.success && done.stdout.is_empty(), "{done:?}");
    }

    #[test]
    fn a_program_that_outstays_its_time_is_killed() {
        let clock = Stopwatch::start();
        let done = Job::new("sleep").args(["60"]).limit(Duration::from_millis(300)).run().unwrap();
        assert!(!done.success && done.how.contains("killed"), "{done:?}");
        assert!(clock.elapsed() < Duration::from_secs(20));
    }

    #[test]
    fn output_of_passing_tests_is_hidden_and_of_failing_ones_shown() {
        let text = "running 2 tests\ntest a ... ok\ntest b ... FAILED\n\nsuccesses:\n\n---- a stdout ----\nchatter\n\n\
                    failures:\n\n---- b stdout ----\nwhy\n\ntest result: FAILED. 1 passed";
        let mut filter = TestFilter::default();
        let shown: Vec<&str> = text.lines().filter(|line| filter.shows(line)).collect();
        assert!(shown.contains(&"why") && shown.contains(&"test b ... FAILED"));
        assert!(!shown.contains(&"chatter") && !shown.contains(&"test a ... ok"), "{shown:?}");
    }
}
