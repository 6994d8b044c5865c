//! What a browser's stream costs the thread that decides. Measured by hand:
//! `cargo test --release -p glacis-cloud --test it -- --ignored --nocapture console::load`

use super::Browser;
use super::live::Stream;
use crate::http::start_on;
use crate::world::{World, thumb};
use glacis_cloud::Place;
use glacis_host::{Clock as _, SystemHost};
use std::sync::Arc;
use std::time::Duration;

/// Decisions a second.
const RATE: u32 = 2_000;
/// Seconds of each half.
const SECONDS: u32 = 10;
/// Decisions that are asked for together.
const TOGETHER: u32 = 20;

/// CPU time of the writer's thread so far. Unit: ticks of a hundredth of a second.
fn writer_ticks() -> u64 {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let of = |path: std::path::PathBuf| {
        let name = std::fs::read_to_string(path.join("comm")).ok()?;
        let stat = std::fs::read_to_string(path.join("stat")).ok()?;
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let ticks = fields[11].parse::<u64>().ok()? + fields[12].parse::<u64>().ok()?;
        name.starts_with("glacis-cloud-wr").then_some(ticks)
    };
    tasks.filter_map(|task| of(task.unwrap().path())).sum()
}

#[test]
#[ignore = "a measurement, for a machine with nothing else to do"]
fn the_share_of_one_stream_at_two_thousand_decisions_a_second() {
    let folder = tempfile::tempdir().unwrap();
    let (world, host) = (World::new(1_250), Arc::new(SystemHost::new()));
    let place = folder.path().join("cloud.db");
    let core = glacis_cloud::CloudCore::open(&Place::File(&place), world.config(), host.clone()).unwrap();
    let mut core = core;
    world.host.set_now(host.now());
    core.publish(&world.publish(1)).unwrap();
    let running = start_on(world, core, host.clone());
    let handle = running.handle.clone().unwrap();
    let load = |what: &str| {
        let (began, before) = (host.monotonic(), writer_ticks());
        for batch in 0..RATE * SECONDS / TOGETHER {
            running.world.host.set_now(host.now());
            let facts: Vec<_> =
                (0..TOGETHER).map(|_| running.world.transfer(thumb(7), "ann", "bob", 20)).collect();
            handle
                .call_blocking(move |core| facts.iter().try_for_each(|facts| core.decide(facts).map(drop)))
                .unwrap();
            let due = Duration::from_secs(1) * (batch + 1) * TOGETHER / RATE;
            std::thread::sleep(due.saturating_sub(host.monotonic() - began));
        }
        let (took, ticks) = (host.monotonic() - began, writer_ticks() - before);
        let decided = f64::from(RATE * SECONDS);
        let share = Duration::from_millis(10 * ticks).as_secs_f64() / took.as_secs_f64();
        println!(
            "{what}: {:.0} decisions/s, writer busy {:.2} % of one core",
            decided / took.as_secs_f64(),
            share * 100.0
        );
    };
    load("nobody watches");
    let browser = Browser::open(&running);
    let mut stream = Stream::open(&browser, "");
    let reading = std::thread::spawn(move || {
        let (mut rows, mut skipped) = (0, 0);
        while rows + skipped < u64::from(RATE * SECONDS) {
            let event = stream.next("decisions").data;
            rows += u64::try_from(event["rows"].as_array().unwrap().len()).unwrap();
            skipped += event["skipped"].as_u64().unwrap();
        }
        (rows, skipped)
    });
    load("one stream");
    let (rows, skipped) = reading.join().unwrap();
    println!("the stream got {rows} rows and was told of {skipped} skipped");
}
