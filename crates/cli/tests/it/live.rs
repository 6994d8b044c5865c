//! Processes of the real binary, a service for them to protect, and the smallest HTTP client that will do.
//!
//! Addresses are taken from what the process prints; waiting is bounded and says what it waited for.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail the test")]

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(60);
/// Pause between two looks.
const LOOK: Duration = Duration::from_millis(20);

/// Looks until `found` finds something.
pub(crate) fn wait_for<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    for _ in 0..PATIENCE.as_millis() / LOOK.as_millis() {
        if let Some(found) = found() {
            return found;
        }
        thread::sleep(LOOK);
    }
    panic!("{what}: not within {PATIENCE:?}");
}

/// A service of ours: answers every path with `hello METHOD PATH`, and 404 below `/missing`.
pub(crate) struct Service {
    pub(crate) at: SocketAddr,
}

impl Service {
    pub(crate) fn start() -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap())
    }

    pub(crate) fn start_at(at: SocketAddr) -> Self {
        let listener = TcpListener::bind(at).unwrap();
        let at = listener.local_addr().unwrap();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                thread::spawn(move || serve(stream));
            }
        });
        Self { at }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.at)
    }
}

/// Answers requests of one connection until its peer goes.
fn serve(stream: TcpStream) {
    let Ok(mut out) = stream.try_clone() else { return };
    let mut input = BufReader::new(stream);
    loop {
        let mut head = String::new();
        loop {
            let before = head.len();
            match input.read_line(&mut head) {
                Ok(read) if read > 0 => {}
                _ => return,
            }
            if head.get(before..).is_some_and(|line| line.trim_end().is_empty()) {
                break;
            }
        }
        let length = header_of(&head, "content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
        let mut body = vec![0; length];
        if input.read_exact(&mut body).is_err() {
            return;
        }
        let mut line = head.split(' ');
        let (method, path) = (line.next().unwrap_or(""), line.next().unwrap_or(""));
        let status = if path.starts_with("/missing") { "404 Not Found" } else { "200 OK" };
        let text = format!("hello {method} {path}");
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{text}", text.len());
        if out.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

fn header_of<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().skip(1).find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        header_of(&self.head, name)
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// One request on a connection of its own; `None` where no whole answer came.
pub(crate) fn ask(at: SocketAddr, method: &str, path: &str, body: &str) -> Option<Answer> {
    let stream = TcpStream::connect_timeout(&at, Duration::from_secs(5)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(15))).ok()?;
    exchange(stream, method, path, &[], body)
}

/// The same with header fields.
pub(crate) fn ask_with(
    at: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Option<Answer> {
    let stream = TcpStream::connect_timeout(&at, Duration::from_secs(5)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(15))).ok()?;
    exchange(stream, method, path, headers, body)
}

/// The same, to the control socket of a data folder.
pub(crate) fn control(dir: &Path, method: &str, path: &str, body: &str) -> Option<Answer> {
    let stream = UnixStream::connect(dir.join("control.sock")).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(15))).ok()?;
    exchange(stream, method, path, &[], body)
}

fn exchange(
    mut stream: impl Read + Write,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Option<Answer> {
    let fields: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let host = if headers.iter().any(|(name, _)| *name == "host") { "" } else { "host: service.test\r\n" };
    let request = format!(
        "{method} {path} HTTP/1.1\r\n{host}user-agent: test\r\nconnection: close\r\n{fields}content-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).ok()?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let expected = header_of(head, "content-length").and_then(|length| length.parse::<usize>().ok());
    let whole = expected.is_none_or(|length| body.len() == length);
    whole.then(|| Answer { status, head: head.to_owned(), body: body.to_owned() })
}

/// A running process of the binary; killed when dropped.
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts it; what it prints to standard error goes to a file of this name in `folder`.
    pub(crate) fn start(folder: &Path, name: &str, args: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_glacis"));
        command.args(args);
        Self::spawn(folder, name, command)
    }

    pub(crate) fn spawn(folder: &Path, name: &str, mut command: Command) -> Self {
        let log = folder.join(format!("{name}.log"));
        let file = File::create(&log).unwrap();
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(file).spawn().unwrap();
        Self { child, log }
    }

    /// What it printed so far.
    pub(crate) fn printed(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The address after `before` in what it prints.
    pub(crate) fn address(&mut self, before: &str) -> SocketAddr {
        wait_for(before, || {
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("ended with {status}:\n{}", self.printed());
            }
            let text = self.printed();
            let rest = text.split_once(before)?.1;
            rest.split([' ', '\n']).next()?.parse().ok()
        })
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// As `kill -SIGNAL`.
    pub(crate) fn signal(&self, signal: &str) {
        let done = Command::new("kill").args([signal, &self.id().to_string()]).status().unwrap();
        assert!(done.success());
    }

    /// Kills it without any warning.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        wait_for("the end of the process", || self.child.try_wait().unwrap())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ended = self.child.kill();
        let _ended = self.child.wait();
    }
}

/// `glacis protect` in front of `service`, with its data in `data`.
pub(crate) fn protect(folder: &Path, service: &Service, data: &Path) -> (Process, SocketAddr) {
    let (url, data) = (service.url(), data.to_string_lossy().into_owned());
    let args = ["protect", &url, "--listen", "127.0.0.1:0", "--data-dir", &data, "--health", "127.0.0.1:0"];
    let mut process = Process::start(folder, "protect", &args);
    let at = process.address("glacis: http://");
    (process, at)
}
