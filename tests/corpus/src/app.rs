//! The app that is attacked: calls a guarded function all the time, watches itself, and obeys standard input.
//!
//! The function says how much may be transferred; an attacker wants another answer. The app says when the answer
//! changes, so that a test can tell an attack that works from one that only began. It ends with its input.

use crate::exports::{glacis_corpus_may_transfer, glacis_corpus_unguarded};
use crate::line::Line;
use crate::watch::{Watch, say};
use glacis_sdk::sensor::{Guarded, HostProfile, Preload};
use std::fs::File;
use std::hint::black_box;
use std::io::{self, BufRead};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

/// What the app is told when it starts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Steps the clock that it gives to its sensors, once a second, by amounts that follow from this number.
    pub step_clock: Option<u64>,
    /// A file that it reads from end to end once a second, as an app does that shows pictures.
    pub stream: Option<PathBuf>,
    /// Name of a library that may stand in front of libc.
    pub allow: Option<String>,
}

/// Honest answer of the guarded function.
pub const HONEST: u32 = 42;
/// What it is asked.
const AMOUNT: u32 = 49;

/// The guarded function.
pub fn guarded() -> Guarded {
    Guarded::new("may_transfer", address())
}

/// Where it is.
pub fn address() -> usize {
    glacis_corpus_may_transfer as extern "C" fn(u32) -> u32 as usize
}

/// Runs until the input ends or says so.
pub fn main(options: &Options) -> ExitCode {
    match run(options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let why = error.to_string();
            // Where the reader is gone there is nobody to tell.
            drop(say(&Line::Failed { why }));
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> io::Result<()> {
    let native = HostProfile::native();
    let allowed = options.allow.clone().map(Preload::Named);
    let profile = allowed.into_iter().fold(native, HostProfile::preload);
    let mut watch = Watch::start(profile, &[guarded()])?;
    let orders = orders();
    say(&ready())?;
    let mut state =
        State { returned: None, rounds: 0, stream: options.stream.clone(), noise: options.step_clock };
    loop {
        state.round(&watch)?;
        watch.changes().iter().try_for_each(say)?;
        match orders.recv_timeout(ROUND) {
            Ok(order) if order == Line::READ => {
                watch.look();
                watch.changes().iter().try_for_each(say)?;
                say(&Line::Asked)?;
            }
            Ok(order) if order != Line::QUIT => return Err(io::Error::other("an order that is none")),
            Err(RecvTimeoutError::Timeout) => {}
            Ok(_) | Err(RecvTimeoutError::Disconnected) => return Ok(()),
        }
    }
}

/// The line that says that everything is on.
pub fn ready() -> Line {
    let number = |address: usize| u64::try_from(address).unwrap_or(u64::MAX);
    let unguarded = glacis_corpus_unguarded as extern "C" fn() -> u32 as usize;
    Line::Ready { pid: std::process::id(), address: number(address()), unguarded: number(unguarded) }
}

/// Lines of standard input, read by a thread, since the main one works.
pub fn orders() -> Receiver<String> {
    let (sender, orders) = channel();
    std::thread::spawn(move || {
        for line in io::stdin().lock().lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    orders
}

/// The app's work.
#[derive(Debug)]
struct State {
    returned: Option<u32>,
    rounds: u64,
    stream: Option<PathBuf>,
    noise: Option<u64>,
}

impl State {
    fn round(&mut self, watch: &Watch) -> io::Result<()> {
        let value = glacis_corpus_may_transfer(black_box(AMOUNT));
        if self.returned.replace(value) != Some(value) {
            say(&Line::Returned { value })?;
        }
        self.rounds += 1;
        if self.rounds.is_multiple_of(ROUNDS_A_SECOND) {
            self.step(watch);
            if let Some(file) = &self.stream {
                io::copy(&mut File::open(file)?, &mut io::sink())?;
            }
        }
        Ok(())
    }

    /// Sets the clock, as a user or a time service may, up to a day at once and never before 1970.
    fn step(&mut self, watch: &Watch) {
        let Some(noise) = self.noise.as_mut() else { return };
        // Knuth's constants; any spread of steps will do.
        *noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let amount = i64::try_from(*noise >> 37).unwrap_or(0) % DAY_MS;
        watch.clock().step(if noise.is_multiple_of(2) { amount } else { -amount });
    }
}

/// Time between two calls of the guarded function.
const ROUND: Duration = Duration::from_millis(5);
const ROUNDS_A_SECOND: u64 = 200;
const DAY_MS: i64 = 86_400_000;
