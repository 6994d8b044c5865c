//! `group-commit`: durable decisions of 64 clients through the real writer, beside bare append + `fdatasync`.
//!
//! Both lines have the same shape: 64 clients with one call outstanding each (tasks of one thread), a bounded
//! queue, one writer thread that takes what waits, makes it durable with one sync and only then answers. The
//! bare line appends the very bytes that a stored decision has and does nothing else: the most that a log on
//! this disk could give. Ours is measured by three calls, in the same interleaved rounds:
//!
//! * `decide`: the whole decision, from facts to the acknowledged verdict;
//! * `report`: a decision that an edge took, settled by the whole policy and stored;
//! * `store`: the same of a policy that is not in force here, so that nothing is evaluated: the bare storing.
//!
//! Beside the rates stands the CPU time that the thread that commits took for one: what else the machine does moves
//! it little.
//!
//! All of them check (thumbprint, event id), index the reference and go under the hash chain. Exit 1 if the
//! median of `decide` beside the bare line of its round is below the bar.

mod cpu;
mod line;
mod world;

use glacis_cloud::server::writer::{CloudHandle, Writer, WriterLimits};
use serde_json::json;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Least accepted share of the bare line. Source: acceptance of issue 3.
const RATIO_MIN: f64 = 0.45;
const CLIENTS: usize = 64;
const ROUNDS: usize = 7;
/// Time of each line in each round.
const ROUND: Duration = Duration::from_millis(2_500);

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

fn main() -> ExitCode {
    match compare() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("group-commit: {error}");
            ExitCode::from(2)
        }
    }
}

/// What one line did in one round.
struct Round {
    per_second: f64,
    /// CPU microseconds of the committing thread for one of them.
    cpu_us: f64,
    /// Microseconds from call to acknowledgement, sorted.
    waits: Vec<u64>,
}

/// One line over all rounds.
struct Line {
    name: &'static str,
    rounds: Vec<Round>,
}

impl Line {
    const fn new(name: &'static str) -> Self {
        Self { name, rounds: Vec::new() }
    }

    fn rates(&self) -> Vec<f64> {
        self.rounds.iter().map(|round| round.per_second).collect()
    }

    fn cpu_us(&self) -> Vec<f64> {
        self.rounds.iter().map(|round| round.cpu_us).collect()
    }

    fn wait_us(&self, share: f64) -> u64 {
        let mut all: Vec<u64> = self.rounds.iter().flat_map(|round| round.waits.iter().copied()).collect();
        all.sort_unstable();
        all.get((all.len() as f64 * share) as usize).copied().unwrap_or(0)
    }

    /// Round by round against the line beside it: what else the machine does changes slower than that.
    fn ratios(&self, bare: &Self) -> Vec<f64> {
        self.rates().iter().zip(bare.rates()).map(|(ours, bare)| ours / bare).collect()
    }
}

/// What all lines work on.
struct Site {
    world: world::World,
    handle: CloudHandle,
    bare: line::Bare,
    payload: Vec<u8>,
}

fn compare() -> Outcome<bool> {
    let scratch = tempfile::tempdir_in(std::env::args().nth(1).unwrap_or_else(|| ".".to_owned()))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let store = scratch.path().join("cloud.db");
    let world = world::World::new()?;
    let (writer, handle) = Writer::start(world.open(&store)?, WriterLimits::default())?;
    let payload = runtime.block_on(world.payload(&handle))?;
    let bare = line::Bare::start(&scratch.path().join("bare.log"))?;
    // Each thread answered once, so both have the names that their CPU time is found by.
    runtime.block_on(bare.append(payload.clone()))?;
    let site = Arc::new(Site { world, handle, bare, payload });
    let mut lines = [Line::new("bare"), Line::new("decide"), Line::new("report"), Line::new("store")];
    for round in 0..=ROUNDS {
        for line in &mut lines {
            let done = runtime.block_on(drive(line.name, &site))?;
            if round > 0 {
                line.rounds.push(done);
            }
        }
    }
    let decisions = runtime.block_on(site.world.stored(&site.handle))?;
    let payload_bytes = site.payload.len();
    drop(site);
    writer.join();
    let on_disk = std::fs::metadata(&store)?.len() as f64 / decisions as f64;
    println!(
        "{decisions} decisions stored; {payload_bytes} bytes each as bare payload, {on_disk:.0} in the file"
    );
    report(&lines, payload_bytes, on_disk)
}

async fn drive(name: &'static str, site: &Arc<Site>) -> Outcome<Round> {
    let thread = if name == "bare" { line::THREAD } else { "glacis-cloud-writer" };
    let (cpu, start) = (cpu::Thread::find(thread)?, Instant::now());
    let before = cpu.used()?;
    let mut clients = tokio::task::JoinSet::new();
    for client in 0..CLIENTS {
        let site = Arc::clone(site);
        clients.spawn(async move {
            let mut waits = Vec::new();
            while start.elapsed() < ROUND {
                let called = Instant::now();
                match name {
                    "bare" => site.bare.append(site.payload.clone()).await?,
                    "decide" => site.world.decide(&site.handle, client).await?,
                    "report" => site.world.report(&site.handle, client, true).await?,
                    _ => site.world.report(&site.handle, client, false).await?,
                }
                waits.push(u64::try_from(called.elapsed().as_micros())?);
            }
            Outcome::Ok(waits)
        });
    }
    let mut waits = Vec::new();
    while let Some(client) = clients.join_next().await {
        waits.extend(client??);
    }
    waits.sort_unstable();
    let done = waits.len() as f64;
    let cpu_us = (cpu.used()? - before).as_secs_f64() * 1e6 / done;
    Ok(Round { per_second: done / start.elapsed().as_secs_f64(), cpu_us, waits })
}

fn report(lines: &[Line; 4], payload: usize, on_disk: f64) -> Outcome<bool> {
    let bare = &lines[0];
    println!(
        "{:<8} {:>10} {:>10} {:>10}   p50 ms   p99 ms   CPU µs   share of bare",
        "line", "a second", "least", "most"
    );
    for line in lines {
        let (least, median, most) = spread(&line.rates());
        let (ratio_least, ratio, ratio_most) = spread(&line.ratios(bare));
        let (_, cpu, _) = spread(&line.cpu_us());
        let (p50, p99) = (line.wait_us(0.5) as f64 / 1e3, line.wait_us(0.99) as f64 / 1e3);
        println!(
            "{:<8} {median:>10.0} {least:>10.0} {most:>10.0} {p50:>8.2} {p99:>8.2} {cpu:>8.2}   {ratio:.3} ({ratio_least:.3} to {ratio_most:.3})",
            line.name
        );
    }
    let (_, ratio, _) = spread(&lines[1].ratios(bare));
    let holds = ratio >= RATIO_MIN;
    println!("decide {ratio:.3} of bare, bar {RATIO_MIN}: {}", if holds { "holds" } else { "MISSED" });
    let rows: Vec<_> = lines
        .iter()
        .map(|line| json!({"name": line.name, "per_second": line.rates(), "ratios": line.ratios(bare), "cpu_us": line.cpu_us(), "p50_us": line.wait_us(0.5), "p99_us": line.wait_us(0.99)}))
        .collect();
    let settings = json!({"clients": CLIENTS, "rounds": ROUNDS, "round_ms": ROUND.as_millis() as u64, "payload": payload});
    println!(
        "{}",
        json!({"bench": "group-commit", "settings": settings, "lines": rows, "file_bytes_a_decision": on_disk, "ratio": ratio, "bar": RATIO_MIN, "holds": holds})
    );
    Ok(holds)
}

/// Least, median, most.
fn spread(values: &[f64]) -> (f64, f64, f64) {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    (sorted[0], sorted[sorted.len() / 2], sorted[sorted.len() - 1])
}
