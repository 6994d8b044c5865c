//! The victim process: this test binary again, running one ignored test that watches itself and answers on stdin.
//!
//! Protocol, one line each way: the child says `@ready <pid> <address>`; `read <sensor>` is answered by
//! `@<state>`, `call` by what the guarded function returns, `usage` by looks and microseconds spent.

use glacis_host::SystemHost;
use glacis_sdk::sensor::{Guarded, Prologue, Sensor, State, Tracer};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// Says `yes` in an honest process. What an attacker wants to change.
#[inline(never)]
extern "C" fn may_transfer(amount: u32) -> u32 {
    std::hint::black_box(amount) / 7 + 35
}

#[test]
#[ignore = "the child of other tests; does nothing on its own"]
fn victim() {
    if !is_child() {
        return;
    }
    let clock = Arc::new(SystemHost::new());
    let address = may_transfer as extern "C" fn(u32) -> u32 as usize;
    let tracer = Tracer::start(clock.clone()).unwrap();
    let prologue = Prologue::start(&[Guarded::new("may_transfer", address)], clock).unwrap();
    println!("@ready {} {address}", std::process::id());
    for line in std::io::stdin().lock().lines() {
        match line.unwrap().as_str() {
            "read tracer" => println!("@{}", name(tracer.read().state)),
            "read prologue" => println!("@{}", name(prologue.read().state)),
            "call" => println!("@{}", may_transfer(std::hint::black_box(49))),
            "usage" => {
                let (tracer, prologue) = (tracer.watch().usage(), prologue.watch().usage());
                println!("@tracer {tracer:?} prologue {prologue:?}");
            }
            other => panic!("unknown command `{other}`"),
        }
    }
}

fn name(state: State) -> String {
    match state {
        State::Clear => String::from("clear"),
        State::Detected => String::from("detected"),
        State::Unknown(reason) => format!("unknown:{}", reason.name()),
    }
}

#[expect(clippy::disallowed_methods, reason = "a test tells its own child apart from a run by hand")]
fn is_child() -> bool {
    std::env::var_os("GLACIS_SDK_VICTIM").is_some()
}

#[expect(clippy::disallowed_methods, reason = "a test asks whether it runs in CI")]
pub(crate) fn in_ci() -> bool {
    std::env::var_os("CI").is_some_and(|value| value == "true")
}

/// Cases of a property: `GLACIS_CASES`, or what is quick enough for every run.
#[expect(clippy::disallowed_methods, reason = "CI asks for more cases than a developer")]
pub(crate) fn cases() -> u32 {
    std::env::var("GLACIS_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(256)
}

/// A running victim; killed when dropped.
pub(crate) struct Victim {
    child: Child,
    input: ChildStdin,
    output: Receiver<String>,
    pub(crate) pid: u32,
    pub(crate) address: u64,
}

impl Victim {
    pub(crate) fn start() -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child::victim", "--ignored", "--nocapture", "--test-threads=1"])
            .env("GLACIS_SDK_VICTIM", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (input, output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let (sender, receiver) = channel();
        std::thread::spawn(move || {
            output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        let mut victim = Self { child, input, output: receiver, pid: 0, address: 0 };
        let ready = victim.answer();
        let mut words = ready.split(' ').skip(1);
        victim.pid = words.next().unwrap().parse().unwrap();
        victim.address = words.next().unwrap().parse().unwrap();
        victim
    }

    pub(crate) fn ask(&mut self, question: &str) -> String {
        writeln!(self.input, "{question}").unwrap();
        self.answer()
    }

    /// Sends a signal, such as `-STOP`.
    pub(crate) fn signal(&self, name: &str) {
        assert!(Command::new("kill").args([name, &self.pid.to_string()]).status().unwrap().success());
    }

    fn answer(&mut self) -> String {
        loop {
            let line = self.output.recv_timeout(ANSWER_MAX).unwrap();
            // libtest writes `test … ` before the first line without a line feed.
            if let Some((_, answer)) = line.split_once('@') {
                return answer.trim_end().to_owned();
            }
        }
    }
}

/// A victim that says nothing for so long has ended or hangs.
const ANSWER_MAX: Duration = Duration::from_secs(30);

impl Drop for Victim {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
