//! Speed and memory of a backtest over generated rows: `soak_backtest --rows N --seed S --rules N`.
//!
//! Writes the rows to a file, then backtests it in this process and prints what the kernel counted for it: time of
//! one core (the work is one thread) and the high-water mark of resident memory. Run by `cargo xtask soak backtest`.

#[path = "../tests/it/generate.rs"]
mod generate;

use glacis_backtest::{Backtest, Options, Policy};
use std::io::{BufWriter, Write};
use std::process::ExitCode;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("soak_backtest: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn std::error::Error>> {
    let (mut rows, mut seed, mut rules) = (5_000_000, 1, 50);
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let value = args.next().and_then(|value| value.replace('_', "").parse().ok());
        let value = value.ok_or_else(|| format!("{arg} needs a whole number"))?;
        match arg.as_str() {
            "--rows" => rows = value,
            "--seed" => seed = value,
            "--rules" => rules = value,
            _ => return Err(format!("unexpected argument {arg}").into()),
        }
    }
    let scratch = tempfile::tempdir()?;
    let (folder, file) = (scratch.path().join("policy"), scratch.path().join("events.csv"));
    generate::write_policy(&folder, rules)?;
    let mut out = BufWriter::new(std::fs::File::create(&file)?);
    generate::write_csv(&mut out, rows, seed)?;
    out.flush()?;
    let policy = Policy::read(&folder)?;
    let rules = policy.compiled().checked().rules().len();
    let features = policy.compiled().features().len();
    let mapping = policy.mapping(None, None)?;
    let backtest = Backtest::new(policy, mapping, &file, Options::default())?;
    let before = cpu_ticks()?;
    let report = backtest.run(|_| {})?;
    let ticks = cpu_ticks()? - before;
    let decided: u64 = report.parts.iter().map(|part| part.events).sum();
    let diverged: u64 = report.parts.iter().map(|part| part.diverged).sum();
    if decided != rows || diverged != 0 || report.unavailable != 0 {
        return Err(format!("{decided} of {rows} rows decided, {diverged} diverged\n{report}").into());
    }
    println!(
        "{rows} rows, seed {seed}, {features} features, {rules} rules: {}.{:02} s of one core, {} events/s, \
         most resident {} MB, most feature entries {}",
        ticks / TICKS,
        ticks % TICKS,
        rows * TICKS / ticks.max(1),
        high_water_kb()? / 1_000,
        report.entries_max
    );
    Ok(())
}

/// Time of this process in user and kernel mode.
fn cpu_ticks() -> Result<u64, Box<dyn std::error::Error>> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    let times = fields.skip(11).take(2).map(str::parse::<u64>);
    times.sum::<Result<u64, _>>().map_err(Into::into)
}

fn high_water_kb() -> Result<u64, Box<dyn std::error::Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kb = line.and_then(|line| line.split_whitespace().next()).ok_or("no VmHWM")?;
    Ok(kb.parse()?)
}

/// What Linux counts process time in. Unit: 1/s.
const TICKS: u64 = 100;
