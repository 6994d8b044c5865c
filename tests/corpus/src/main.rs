//! The corpus as a program: the app itself, all attacks on it, all harmless hosts.
//!
//! `watched` is the app; it is started by the others and by tests. `adversary` carries out every attack and prints a
//! row each, `benign` watches harmless hosts for minutes. Exit code 0: all seen, none alarmed; 1: not so; 2: it could
//! not be found out.

use glacis_corpus::adversary::{self, ATTACKS, Row};
use glacis_corpus::app::{self, Options};
use glacis_corpus::benign::{Soak, soak};
use glacis_corpus::kit::{Kit, Trouble};
use std::process::ExitCode;
use std::time::Duration;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match words.split_first() {
        Some((&"watched", rest)) => match watched(rest) {
            Ok(options) => return app::main(&options),
            Err(trouble) => Err(trouble),
        },
        Some((&"adversary", rest)) => attack_all(rest),
        Some((&"benign", rest)) => watch_hosts(rest),
        _ => Err(Trouble::failed(USAGE)),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(trouble) => {
            eprintln!("glacis-corpus: {trouble}");
            ExitCode::from(2)
        }
    }
}

fn watched(args: &[&str]) -> Result<Options, Trouble> {
    let mut options = Options::default();
    for pair in args.chunks(2) {
        match *pair {
            ["--step-clock", seed] => options.step_clock = Some(number(seed)?),
            ["--stream", file] => options.stream = Some(file.into()),
            ["--allow", name] => options.allow = Some(name.to_owned()),
            _ => return Err(Trouble::failed(USAGE)),
        }
    }
    Ok(options)
}

fn attack_all(args: &[&str]) -> Result<bool, Trouble> {
    let write = args.contains(&"--write");
    let rest: Vec<&str> = args.iter().copied().filter(|arg| *arg != "--write").collect();
    let rounds = match rest.as_slice() {
        [] => 1,
        ["--rounds", rounds] => number(rounds)?,
        _ => return Err(Trouble::failed(USAGE)),
    };
    let kit = Kit::new(&std::env::current_exe()?)?;
    let mut all = Vec::new();
    let mut good = true;
    for round in 1..=rounds {
        println!("round {round} of {rounds}");
        let mut rows = Vec::new();
        for attack in ATTACKS {
            match attack.run(&kit) {
                Ok(row) => {
                    good &= row.missed.is_empty();
                    println!("{}", told(&row));
                    rows.push(row);
                }
                Err(trouble) => {
                    good = false;
                    println!("{}, {}: {trouble}", attack.tool, attack.mode);
                }
            }
        }
        all.push(rows);
    }
    if write {
        adversary::written(&all)?;
    }
    Ok(good)
}

fn told(row: &Row) -> String {
    let all = row.seen.iter().chain(&row.also);
    let seen: Vec<_> = all.map(|(sensor, ms)| format!("{sensor} {ms} ms")).collect();
    let missed =
        if row.missed.is_empty() { String::new() } else { format!("; MISSED {}", row.missed.join(", ")) };
    format!("{} {}, {}: {}{missed}", row.tool, row.version, row.mode, seen.join(", "))
}

fn watch_hosts(args: &[&str]) -> Result<bool, Trouble> {
    let (mut minutes, mut seed) = (30, u64::from(std::process::id()));
    for pair in args.chunks(2) {
        match *pair {
            ["--minutes", given] => minutes = number(given)?,
            ["--seed", given] => seed = number(given)?,
            _ => return Err(Trouble::failed(USAGE)),
        }
    }
    println!("benign: {minutes} minutes, seed {seed}");
    let found = soak(&std::env::current_exe()?, Duration::from_secs(minutes.saturating_mul(60)), seed)?;
    let mut good = true;
    for (host, soak) in &found {
        good &= quiet(soak);
        println!("{host}: {}", summary(soak));
    }
    let alarms: u64 = found.iter().flat_map(|(_, soak)| soak.detected.values()).sum();
    println!("benign: {alarms} false alarms in {} hosts", found.len());
    Ok(good)
}

/// Ran, knew most, and raised no alarm.
fn quiet(soak: &Soak) -> bool {
    soak.detected.is_empty()
        && soak.trouble.is_none()
        && soak.starts > 0
        && soak.clear_min > soak.unknown.len()
}

fn summary(soak: &Soak) -> String {
    let unknown: Vec<_> = soak.unknown.iter().map(|(sensor, why)| format!("{sensor} {why}")).collect();
    let mut text = format!(
        "{} starts, {} s, at least {} sensors clear",
        soak.starts,
        soak.watched.as_secs(),
        soak.clear_min
    );
    if !unknown.is_empty() {
        text.push_str(&format!("; {}", unknown.join(", ")));
    }
    if let Some(trouble) = &soak.trouble {
        text.push_str(&format!("; {trouble}"));
    }
    text
}

fn number(text: &str) -> Result<u64, Trouble> {
    text.parse().map_err(|_| Trouble::failed(format!("`{text}` is no number")))
}

const USAGE: &str = "usage: glacis-corpus watched [--step-clock SEED] [--stream FILE] [--allow LIBRARY]\n       \
    glacis-corpus adversary [--rounds N] [--write]\n       glacis-corpus benign [--minutes N] [--seed S]";
