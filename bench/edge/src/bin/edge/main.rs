//! `edge`: what a request through the gateway costs with every trust check and a slice of 200 rules, beside proxies of
//! others and beside bare hyper, in one run; and what of it the trust pipeline takes.
//!
//! All get the very same kind of signed, unique requests from the same load generator over 32 kept connections, in
//! interleaved rounds; proxies run one worker pinned to core 1, as do services that they ask; backend and load sit on
//! core 0. Measured is on-CPU time of all threads of the processes that carry a request. A ratio is the median of the
//! rounds' ratios: what else the machine does changes slower than a round.
//!
//! Latency is measured apart, with a thread a connection, at half the rate that nginx carried for these threads just
//! before: requests are due at fixed times, spread over the connections, and latency counts from when a request was due.
//!
//! Session openings are measured by the bench `device`. Exit 1 if a floor is missed. Needs `nginx`, `haproxy` and
//! `taskset` in `PATH` and the environment of Python in `GLACIS_PYTHON`; installs nothing.

mod bare;
mod bars;
mod carriers;
mod meter;
mod pipeline;
mod sessions;

use bars::Bar;
use carriers::{BARE, Carrier, ENVOY_AUTH, FULL, NGINX, NGINX_AUTH, start};
use glacis_bench_edge::load::{Fleet, Target, pace};
use glacis_bench_edge::process::pin;
use glacis_bench_edge::world::{PolicySize, serve};
use glacis_bench_edge::{Outcome, median, peers, spread};
use pipeline::Pipeline;
use serde_json::{Value, json};
use sessions::Sessions;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

const ROUNDS: usize = 5;
/// Kept connections.
const CONNECTIONS: usize = 32;

/// How much is measured.
struct Scale {
    /// Requests of each in each round.
    requests: usize,
    /// Requests of the pipeline in each round.
    calls: usize,
    /// Sessions through the library and over the wire.
    sessions: (usize, usize),
}

const WHOLE: Scale = Scale { requests: 24_000, calls: 20_000, sessions: (1_000_000, 10_000) };
const QUICK: Scale = Scale { requests: 8_000, calls: 10_000, sessions: (50_000, 1_000) };

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
    let done = match arguments.get(1).map(String::as_str) {
        Some("gateway") => {
            serve(&arguments[2], &arguments[3], Path::new(&arguments[4]), PolicySize::TwoHundred)
                .map(|()| true)
        }
        Some("bare") => bare::serve(&arguments[2], &arguments[3]).map(|()| true),
        // For work on the pipeline: a part alone.
        Some("pipeline") => {
            alone(arguments.get(2).and_then(|calls| calls.parse().ok()).unwrap_or(WHOLE.calls))
        }
        Some("sessions") => {
            live(arguments.get(2).and_then(|live| live.parse().ok()).unwrap_or(WHOLE.sessions.0))
        }
        Some("carry") => carry(&arguments[2..]),
        _ => measure(if has("--quick") { &QUICK } else { &WHOLE }, has("--json")),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("edge: {error}");
            ExitCode::from(2)
        }
    }
}

fn alone(calls: usize) -> Outcome<bool> {
    let scratch = tempfile::tempdir()?;
    let pipeline = Pipeline::measure(scratch.path(), calls)?;
    pipeline.print();
    pipeline.bars().iter().for_each(Bar::print);
    Ok(pipeline.bars().iter().all(Bar::holds))
}

fn live(sessions: usize) -> Outcome<bool> {
    let scratch = tempfile::tempdir()?;
    let sessions = Sessions::measure(scratch.path(), sessions)?;
    sessions.print();
    sessions.bars().iter().for_each(Bar::print);
    Ok(sessions.bars().iter().all(Bar::holds))
}

/// One carrier, named by the beginning of its line, for a number of rounds: something to profile.
fn carry(arguments: &[String]) -> Outcome<bool> {
    let [name, rounds] = arguments else { return Err("carry NAME ROUNDS".into()) };
    pin()?;
    let (scratch, rounds): (_, usize) = (tempfile::tempdir()?, rounds.parse()?);
    let mut carriers = start(scratch.path(), &envoy()?)?;
    let mut fleet = Fleet::open(named(&carriers, FULL)?.address, CONNECTIONS, PolicySize::TwoHundred)?;
    let carrier =
        carriers.iter_mut().find(|carrier| carrier.name.starts_with(name.as_str())).ok_or("no such line")?;
    for _ in 0..rounds {
        carrier.round(&mut fleet, WHOLE.requests / CONNECTIONS, true)?;
    }
    println!(
        "{}: {:.2} µs of CPU a request ({:.2} to {:.2})",
        carrier.name,
        carrier.median(),
        spread(&carrier.micros).0,
        spread(&carrier.micros).2
    );
    Ok(true)
}

fn measure(scale: &Scale, wants_json: bool) -> Outcome<bool> {
    let envoy = envoy()?;
    pin()?;
    let scratch = tempfile::tempdir()?;
    let mut carriers = start(scratch.path(), &envoy)?;
    let gateway = named(&carriers, FULL)?.address;
    let mut fleet = Fleet::open(gateway, CONNECTIONS, PolicySize::TwoHundred)?;
    let each = scale.requests / CONNECTIONS;
    for round in 0..=ROUNDS {
        for carrier in &mut carriers {
            carrier.round(&mut fleet, if round == 0 { each / 3 + 1 } else { each }, round > 0)?;
        }
        eprintln!("round {round} of {ROUNDS}");
    }
    let latency = Latency::measure(&carriers, &mut fleet, each)?;
    let pipeline = Pipeline::measure(scratch.path(), scale.calls)?;
    let mut sessions = Sessions::measure(scratch.path(), scale.sessions.0)?;
    sessions.over_the_wire(gateway, scale.sessions.1)?;
    let (versions, machine) = (peers::versions(&envoy)?, machine()?);

    print(&carriers, scale)?;
    latency.print();
    pipeline.print();
    sessions.print();
    println!("{machine}");
    versions.iter().for_each(|(name, version)| println!("{name}: {version}"));
    let mut all = ratios(&carriers)?;
    all.push(latency.bar());
    all.extend(pipeline.bars());
    all.extend(sessions.bars());
    all.iter().for_each(Bar::print);
    if wants_json {
        let rows: Vec<_> = carriers.iter().map(row).collect();
        let floors: Vec<_> = all.iter().map(Bar::json).collect();
        let settings = json!({"requests": scale.requests, "connections": CONNECTIONS, "rounds": ROUNDS});
        println!(
            "{}",
            json!({"bench": "edge", "settings": settings, "machine": machine, "versions": versions, "carriers": rows,
                "latency": latency.json(), "pipeline": pipeline.json(), "sessions": sessions.json(), "floors": floors})
        );
    }
    Ok(all.iter().all(Bar::holds))
}

/// The Envoy of the environment of Python.
fn envoy() -> Outcome<PathBuf> {
    let python = std::env::var("GLACIS_PYTHON")
        .map_err(|_| "GLACIS_PYTHON names no interpreter: `cargo xtask bench edge`")?;
    let found = "import envoy, os; print(os.path.join(os.path.dirname(envoy.__file__), '_bin', 'envoy'))";
    let output = Command::new("env").arg(&python).args(["-c", found]).output()?;
    let path = PathBuf::from(String::from_utf8(output.stdout)?.trim());
    if path.is_file() { Ok(path) } else { Err(format!("`{python}` knows no Envoy").into()) }
}

fn machine() -> Outcome<String> {
    let cpu = std::fs::read_to_string("/proc/cpuinfo")?;
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or(" unknown");
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let load = std::fs::read_to_string("/proc/loadavg")?;
    let cores = std::thread::available_parallelism()?;
    Ok(format!(
        "{} cores seen by the load,{}, kernel {}, load {}",
        cores,
        model.replace('\t', " "),
        kernel.trim(),
        load.trim()
    ))
}

fn named<'a>(carriers: &'a [Carrier], name: &str) -> Outcome<&'a Carrier> {
    carriers.iter().find(|carrier| carrier.name == name).ok_or_else(|| format!("no `{name}`").into())
}

/// Median of the rounds' ratios.
fn ratio(ours: &[f64], theirs: &[f64]) -> f64 {
    let ratios: Vec<f64> = ours.iter().zip(theirs).map(|(ours, theirs)| ours / theirs).collect();
    median(&ratios)
}

fn print(carriers: &[Carrier], scale: &Scale) -> Outcome<()> {
    let (nginx, bare) = (named(carriers, NGINX)?, named(carriers, BARE)?);
    println!(
        "{:<22} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8} {:>9}   CPU µs a request, {ROUNDS} rounds of {}",
        "", "median", "least", "most", "proxy", "x nginx", "x hyper", "a second", scale.requests
    );
    for carrier in carriers {
        let (least, middle, most) = spread(&carrier.micros);
        println!(
            "{:<22} {middle:>8.2} {least:>8.2} {most:>8.2} {:>8.2} {:>8.2} {:>8.2} {:>9.0}",
            carrier.name,
            median(&carrier.first_micros),
            ratio(&carrier.micros, &nginx.micros),
            ratio(&carrier.micros, &bare.micros),
            median(&carrier.rates),
        );
    }
    println!("(`proxy` is the one that clients talk to, without the service that it asks)");
    Ok(())
}

fn row(carrier: &Carrier) -> Value {
    json!({"name": carrier.name, "median_us": carrier.median(), "rounds_us": carrier.micros,
        "first_rounds_us": carrier.first_micros, "rates": carrier.rates, "resident_kb": carrier.resident_kb().ok()})
}

/// Floors beside the others. Source: acceptance of the gateway.
fn ratios(carriers: &[Carrier]) -> Outcome<Vec<Bar>> {
    let of = |name| named(carriers, name);
    let (full, nginx, bare) = (of(FULL)?, of(NGINX)?, of(BARE)?);
    let (asking_nginx, asking_envoy) = (of(NGINX_AUTH)?, of(ENVOY_AUTH)?);
    let above: Vec<f64> = full
        .micros
        .iter()
        .zip(&bare.micros)
        .zip(&nginx.micros)
        .map(|((full, bare), nginx)| (full - bare) / nginx)
        .collect();
    Ok(vec![
        Bar::new("full trust, times nginx", ratio(&full.micros, &nginx.micros), 1.35),
        Bar::new("full trust above bare hyper, in parts of nginx", median(&above), 0.15),
        Bar::new(
            "full trust, times nginx + auth_request",
            ratio(&full.micros, &asking_nginx.micros),
            1.0 / 3.0,
        ),
        Bar::new("full trust, times Envoy + ext_authz", ratio(&full.micros, &asking_envoy.micros), 0.2),
    ])
}

/// Latencies at the 99th percentile, nginx and ours in turn. Unit: µs.
struct Latency {
    per_second: f64,
    nginx: Vec<f64>,
    ours: Vec<f64>,
}

/// Source: acceptance of the gateway.
const ADDED_US_MAX: f64 = 300.0;

impl Latency {
    fn measure(carriers: &[Carrier], fleet: &mut Fleet, each: usize) -> Outcome<Self> {
        let (nginx, full) = (named(carriers, NGINX)?, named(carriers, FULL)?);
        let sorted = pace(nginx.address, fleet.asking(Target::Event, each), None, false)?;
        // The last answer came after all the others.
        let capacity = sorted.len() as f64 / sorted.last().copied().unwrap_or(f64::NAN) * 1e6;
        let mut latency = Self { per_second: capacity / 2.0, nginx: Vec::new(), ours: Vec::new() };
        for _ in 0..ROUNDS {
            for (carrier, rounds) in [(nginx, &mut latency.nginx), (full, &mut latency.ours)] {
                let batches = fleet.asking(Target::Event, each);
                let sorted =
                    pace(carrier.address, batches, Some(latency.per_second), carrier.wants_verdict())?;
                rounds.push(sorted.get(sorted.len() * 99 / 100).copied().unwrap_or(f64::NAN));
            }
        }
        Ok(latency)
    }

    fn bar(&self) -> Bar {
        let added = median(&self.ours) - median(&self.nginx);
        Bar::new("p99 at half load above nginx's, µs", added, ADDED_US_MAX)
    }

    fn print(&self) {
        let (nginx, ours) = (spread(&self.nginx), spread(&self.ours));
        println!(
            "p99 at {:.0} a second, due at fixed times: nginx {:.0} µs ({:.0} to {:.0}), full trust {:.0} µs ({:.0} to {:.0})",
            self.per_second, nginx.1, nginx.0, nginx.2, ours.1, ours.0, ours.2
        );
    }

    fn json(&self) -> Value {
        json!({"per_second": self.per_second, "nginx_p99_us": self.nginx, "full_p99_us": self.ours})
    }
}
