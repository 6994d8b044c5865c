//! The victim process: this test binary again, running one ignored test that watches itself and answers on stdin.
//!
//! Protocol, one line each way: the child says `@ready <pid> <address>`; `read <sensor>` is answered by
//! `@<state>`, `call` by what the guarded function returns, `usage` by looks and microseconds spent.

use glacis_host::SystemHost;
use glacis_sdk::sensor::{
    Guarded, Mute, MuteList, Prologue, Sensor, SensorId, State, Suite, SuiteConfig, Tracer,
};
use std::collections::BTreeMap;
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

/// A victim with the whole suite. `readings` is answered by every sensor and its state after a full pass, `churn` by
/// `@churned` after threads, files and memory came and went, `load` by the guarded state.
#[test]
#[ignore = "the child of other tests; does nothing on its own"]
fn suite_victim() {
    if !is_child() {
        return;
    }
    let address = may_transfer as extern "C" fn(u32) -> u32 as usize;
    let guarded = Guarded::new("may_transfer", address);
    // Without optimisation the usual share would widen the intervals of these short tests.
    let config = SuiteConfig::new().guard(guarded).share_permille(100);
    let suite = Suite::start(config, Arc::new(SystemHost::new())).unwrap();
    assert!(suite.check(ANSWER_MAX));
    suite.state().store("marker", &marker()).unwrap();
    println!("@ready {} {address}", std::process::id());
    for line in std::io::stdin().lock().lines() {
        match line.unwrap().as_str() {
            "readings" => {
                assert!(suite.check(ANSWER_MAX));
                println!("@{}", readings(&suite));
            }
            "cached" => println!("@{}", readings(&suite)),
            "mute text-pages" => {
                suite.mute(MuteList(vec![Mute::everywhere(SensorId::TextPages)]));
                println!("@muted");
            }
            "call" => println!("@{}", may_transfer(std::hint::black_box(49))),
            "churn" => {
                churn();
                println!("@churned");
            }
            "load" => println!("@{}", suite.state().load("marker").map_or("nothing", |_| "intact")),
            "usage" => println!("@{:?}", suite.usage()),
            other => panic!("unknown command `{other}`"),
        }
    }
}

fn readings(suite: &Suite) -> String {
    let words: Vec<_> =
        suite.readings().into_iter().map(|(id, reading)| format!("{id}={}", name(reading.state))).collect();
    words.join(" ")
}

/// Bytes that are found once in this process: made here, so that no copy lies in the binary.
fn marker() -> Vec<u8> {
    (0..32_u8).map(|byte| std::hint::black_box(byte).wrapping_mul(37) ^ 0x5a).collect()
}

/// What every program does: threads, sockets, files, memory.
fn churn() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let threads: Vec<_> = (0..8)
        .map(|_| {
            std::thread::spawn(move || {
                drop(std::net::TcpStream::connect(address).unwrap());
                let memory = vec![1_u8; 8 << 20];
                std::thread::sleep(Duration::from_millis(50));
                std::hint::black_box(memory).len()
            })
        })
        .collect();
    let files: Vec<_> = (0..64).map(|_| tempfile::tempfile().unwrap()).collect();
    for thread in threads {
        thread.join().unwrap();
    }
    drop(files);
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
        Self::spawn(&mut Self::command("child::victim"))
    }

    /// One with the whole suite, with these variables in its environment.
    pub(crate) fn with_suite(variables: &[(&str, &str)]) -> Self {
        Self::spawn(Self::command("child::suite_victim").envs(variables.iter().copied()))
    }

    fn command(test: &str) -> Command {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", test, "--ignored", "--nocapture", "--test-threads=1"]);
        command.env("GLACIS_SDK_VICTIM", "1");
        // A machine behind a proxy says so to its programs, which is what one of the sensors sees.
        for scheme in ["http", "https", "all"] {
            let name = format!("{scheme}_proxy");
            command.env_remove(name.to_uppercase()).env_remove(name);
        }
        command
    }

    fn spawn(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
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

    /// State of each sensor after a full pass.
    pub(crate) fn readings(&mut self) -> BTreeMap<String, String> {
        let answer = self.ask("readings");
        let pair = |word: &str| word.split_once('=').map(|(id, state)| (id.to_owned(), state.to_owned()));
        answer.split(' ').map(|word| pair(word).unwrap()).collect()
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
