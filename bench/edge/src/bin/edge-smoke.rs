//! `edge-smoke`: CPU per request of the gateway with every trust check on, beside plain nginx, in one run.
//!
//! Both proxies get the very same signed bytes from the same load generator, over 32 kept connections, in
//! interleaved rounds; both run one worker pinned to core 1, backend and load sit on core 0. Measured is on-CPU
//! time of all threads of the proxy process (first field of `schedstat`) divided by requests, which a busy
//! machine distorts far less than time or throughput. Exit 1 if the median of the rounds' ratios exceeds the bar.
//!
//! Needs `nginx` and `taskset` in `PATH`; installs nothing. Roles other than the default are its own children.

use glacis_bench_edge::process::{free_ports, local, pin, wait_for};
use glacis_bench_edge::world::{self, PolicySize};
use glacis_bench_edge::{Outcome, load, peers, spread};
use serde_json::json;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

/// Highest accepted ratio of our CPU per request to nginx's. Source: acceptance bench of issue 2.
const RATIO_MAX: f64 = 1.6;
const ROUNDS: usize = 5;
/// Requests of each proxy in each round, and before the first round.
const REQUESTS: usize = 48_000;
const WARM_UP: usize = 16_000;
/// Kept connections.
const CONNECTIONS: usize = 32;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let done = match arguments.get(1).map(String::as_str) {
        Some("gateway") => {
            world::serve(&arguments[2], &arguments[3], Path::new(&arguments[4]), PolicySize::One)
                .map(|()| true)
        }
        _ => compare(),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("edge-smoke: {error}");
            ExitCode::from(2)
        }
    }
}

fn compare() -> Outcome<bool> {
    pin()?;
    let scratch = tempfile::tempdir()?;
    let [backend, nginx, gateway] = free_ports::<3>()?;
    let _backend = peers::backend(scratch.path(), backend)?;
    let state = scratch.path().join("state");
    let role =
        ["gateway", &local(gateway).to_string(), &local(backend).to_string(), &state.to_string_lossy()];
    let proxies = [
        ("nginx", local(nginx), peers::nginx(scratch.path(), nginx, backend)?),
        ("glacis", local(gateway), peers::own(&role)?),
    ];
    for address in [backend, nginx, gateway].map(local) {
        wait_for(address)?;
    }
    let mut micros = [Vec::new(), Vec::new()];
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut fleet = load::Fleet::open(local(gateway), CONNECTIONS, PolicySize::One)?;
    for round in 0..=ROUNDS {
        for ((name, address, process), micros) in proxies.iter().zip(&mut micros) {
            let requests = if round == 0 { WARM_UP } else { REQUESTS };
            let batches = fleet.signed(requests / CONNECTIONS);
            let before = process.cpu_ns()?;
            let sent = runtime.block_on(load::drive(*address, batches, *name == "glacis"))?;
            // What a request leaves behind (sync, timers) is part of its cost.
            std::thread::sleep(Duration::from_millis(120));
            let spent = process.cpu_ns()? - before;
            if round > 0 {
                micros.push(spent as f64 / 1_000.0 / sent.requests as f64);
            }
        }
    }
    report(&micros)
}

fn report(micros: &[Vec<f64>; 2]) -> Outcome<bool> {
    println!(
        "{:<8} {:>10} {:>10} {:>10}   CPU µs a request, {ROUNDS} rounds of {REQUESTS}",
        "proxy", "median", "least", "most"
    );
    let names = ["nginx", "glacis"];
    for (name, micros) in names.iter().zip(micros) {
        let (least, median, most) = spread(micros);
        println!("{name:<8} {median:>10.2} {least:>10.2} {most:>10.2}");
    }
    // Each round against the one beside it: what else the machine does changes slower than that.
    let [peer, ours] = micros;
    let ratios: Vec<f64> = ours.iter().zip(peer).map(|(ours, peer)| ours / peer).collect();
    let (least, ratio, most) = spread(&ratios);
    let holds = ratio <= RATIO_MAX;
    println!(
        "{:<8} {ratio:>10.3} {least:>10.3} {most:>10.3}   bar {RATIO_MAX}: {}",
        "ratio",
        if holds { "holds" } else { "EXCEEDED" }
    );
    let rows: Vec<_> = names
        .iter()
        .zip(micros)
        .map(|(name, micros)| json!({"name": name, "median_us": spread(micros).1, "rounds_us": micros}))
        .collect();
    let settings = json!({"requests": REQUESTS, "connections": CONNECTIONS, "rounds": ROUNDS});
    println!(
        "{}",
        json!({"bench": "edge-smoke", "settings": settings, "proxies": rows, "ratio": ratio, "ratios": ratios, "bar": RATIO_MAX, "holds": holds})
    );
    Ok(holds)
}
