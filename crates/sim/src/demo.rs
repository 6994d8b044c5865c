//! `glacis demo`: the four zones on loopback, a fleet, its attackers, and one report.
//!
//! Puts the parts together in the order of a run: folder, servers, fleet, rounds, stop, records, report. The
//! report is made after everything has stopped, from what was kept and what actors saw.

use crate::http::{HttpWorld, Setup};
use crate::net::Capture;
use crate::policies::Policies;
use crate::records;
use crate::report::DemoReport;
use crate::schedule::{Schedule, Size};
use crate::script::{Fleet, Round, Seen};
use crate::snapshots::Snapshots;
use crate::terminal::{Part, Progress};
use crate::verdicts::{self, Evidence};
use crate::victim::VictimCommand;
use crate::world::WorldError;
use glacis_host::{Clock, Entropy, SystemHost};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// How a run goes.
#[derive(Clone, Debug)]
pub struct DemoOptions {
    /// Seed of schedule and attackers; drawn where there is none.
    pub seed: Option<u64>,
    /// Draws nothing.
    pub headless: bool,
    /// Ends after one round; else rounds follow each other until interrupted.
    pub once: bool,
    /// The caller prints the report as JSON.
    pub json: bool,
    /// Benign devices; 0 starts the zones and stays idle until interrupted.
    pub devices: u32,
    /// Where control plane and gateway keep their files; a temporary folder, removed at the end, where there is
    /// none.
    pub data_dir: Option<PathBuf>,
    /// Compares every decision with the reference interpreter after the run.
    pub check: bool,
    /// Benign actions in a round.
    pub actions: u32,
    /// How victim processes are started; this very program where nothing is said.
    pub victim: Option<VictimCommand>,
    /// Some devices have emulated TPMs, and their attackers come too.
    pub tpm: bool,
    /// Records every byte on every socket, for tests.
    pub capture: Option<Arc<Capture>>,
}

impl Default for DemoOptions {
    fn default() -> Self {
        Self {
            seed: None,
            headless: false,
            once: false,
            json: false,
            devices: Size::DEMO.people,
            data_dir: None,
            check: true,
            actions: Size::DEMO.actions,
            victim: None,
            tpm: false,
            capture: None,
        }
    }
}

/// Why the demo could not run to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DemoError {
    /// A part did not come up, or failed while it ran.
    #[error(transparent)]
    World(#[from] WorldError),
    /// The folder for the run's files cannot be made.
    #[error("cannot use `{}` for the run's files: {cause}", folder.display())]
    Folder {
        /// Which folder.
        folder: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
}

/// Shortest pause between two benign actions: about a hundred a second is what a watcher can follow.
const PACE_MIN: Duration = Duration::from_millis(8);
/// Most benign actions of one device a second, by which few devices make the pause longer: far below the gateway's
/// limit for one device on any machine, also where every action is challenged and so sent twice.
const DEVICE_PACE_MAX: u32 = 8;
/// Fewest paired measurements of a whole round: ten lie beyond the 99th percentile.
const PAIRS_MIN: u32 = 1_000;
/// Fewest devices: the schedule needs one of each make and somebody to steal from.
const DEVICES_MIN: u32 = 6;
/// Pause between two looks whether an idle demo was interrupted.
const IDLE_POLL: Duration = Duration::from_millis(100);

/// Runs the demo and tells `progress` about it.
///
/// # Errors
/// If a part does not start or fails while it runs. An attack that got through is no error but a fault of the
/// report.
pub fn run(options: &DemoOptions, progress: &mut dyn Progress) -> Result<DemoReport, DemoError> {
    let host = SystemHost::new();
    let began = host.monotonic();
    let seed = match options.seed {
        Some(seed) => seed,
        None => draw_seed(&host)?,
    };
    let folder = Folder::open(options.data_dir.as_deref(), &host)?;
    let policies = Policies::shipped().map_err(|error| WorldError::new("policies", error))?;
    let victim = match &options.victim {
        Some(victim) => victim.clone(),
        None => VictimCommand::own().map_err(|error| WorldError::new("victim", error))?,
    };
    let capture = options.capture.clone();
    let setup = Setup { folder: &folder.path, policies: &policies, capture, victim, tpm: options.tpm };
    let world = HttpWorld::start(setup, progress)?;
    let stop = interrupted();
    let snapshots = Snapshots::default();
    let mut seen = Seen::default();
    let parts = Parts { world: &world, policies: &policies, snapshots: &snapshots, stop: &stop };
    let completed = if options.devices == 0 {
        idle(&stop);
        true
    } else {
        rounds(options, seed, &parts, &mut seen, progress)?
    };
    let console = world.console().map(str::to_owned);
    let store = world.stop();
    let kept =
        records::read(&store, &policies.principals()).map_err(|error| WorldError::new("records", error))?;
    let evidence = Evidence {
        seed,
        seen: &seen,
        kept: &kept,
        snapshots: &snapshots,
        policies: &policies,
        check: options.check,
    };
    let mut report = verdicts::report(&evidence);
    report.console = console;
    if !completed {
        report.faults.push("interrupted before the end of its round".to_owned());
    }
    let whole = seen.benign.len() >= Size::DEMO.actions as usize;
    if whole && report.latency_added_us.n < PAIRS_MIN {
        report.faults.push(format!("only {} paired measurements", report.latency_added_us.n));
    }
    progress.done(&report, host.monotonic().saturating_sub(began));
    Ok(report)
}

struct Parts<'a> {
    world: &'a HttpWorld,
    policies: &'a Policies,
    snapshots: &'a Snapshots,
    stop: &'a AtomicBool,
}

fn rounds(
    options: &DemoOptions,
    seed: u64,
    parts: &Parts<'_>,
    seen: &mut Seen,
    progress: &mut dyn Progress,
) -> Result<bool, DemoError> {
    let host = SystemHost::new();
    let size = Size { people: options.devices.max(DEVICES_MIN), actions: options.actions };
    let draw = |seed| {
        let schedule = Schedule::draw(seed, size);
        if options.tpm { schedule.with_chips() } else { schedule }
    };
    let schedule = draw(seed);
    let started = host.monotonic();
    let mut fleet = Fleet::enrol(parts.world, &schedule)?;
    let took = host.monotonic().saturating_sub(started);
    progress.tick(Part::Fleet, took, &format!("{} devices enrolled", fleet.len()));
    let pace = PACE_MIN.max(Duration::from_secs(1) / DEVICE_PACE_MAX.saturating_mul(size.people));
    let stopped = || parts.stop.load(Ordering::Relaxed);
    for number in 0_u64.. {
        // Each round draws other actions; people, devices and the first round's actions follow from the seed.
        let schedule = match number {
            0 => schedule.clone(),
            _ => draw(seed.wrapping_add(number)),
        };
        let round = Round {
            world: parts.world,
            schedule: &schedule,
            policies: parts.policies,
            snapshots: parts.snapshots,
            pace,
        };
        let completed = round.run(&mut fleet, seen, progress, &stopped)?;
        if options.once || !completed {
            // Rounds without end are meant to be interrupted; a single one is not.
            return Ok(completed || !options.once);
        }
    }
    Ok(true)
}

fn draw_seed(host: &SystemHost) -> Result<u64, DemoError> {
    let mut bytes = [0; 8];
    host.fill(&mut bytes).map_err(|error| WorldError::new("seed", error))?;
    // 53 bits: a reader of the JSON report may hold numbers as doubles.
    Ok(u64::from_le_bytes(bytes) >> 11)
}

fn idle(stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        thread::sleep(IDLE_POLL);
    }
}

/// A flag that the first interrupt or request to terminate sets; the second one ends the process.
fn interrupted() -> Arc<AtomicBool> {
    let flag = Arc::new(AtomicBool::new(false));
    let raised = Arc::clone(&flag);
    let wait = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        if let Ok(runtime) = runtime
            && runtime.block_on(signalled()).is_ok()
        {
            raised.store(true, Ordering::Relaxed);
            let _second = runtime.block_on(signalled());
            std::process::exit(INTERRUPTED);
        }
    };
    // Without the thread a signal ends the process at once, which is what it asks for anyway.
    let _started = thread::Builder::new().name("interrupt".to_owned()).spawn(wait);
    flag
}

/// Waits for an interrupt or a request to terminate.
async fn signalled() -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupt = tokio::signal::ctrl_c() => interrupt,
        _ = terminate.recv() => Ok(()),
    }
}

/// Exit code of a process that was interrupted: 128 + SIGINT.
const INTERRUPTED: i32 = 130;

/// Where a run keeps its files; a temporary one is removed when dropped.
#[derive(Debug)]
struct Folder {
    path: PathBuf,
    temporary: bool,
}

impl Folder {
    fn open(given: Option<&Path>, host: &SystemHost) -> Result<Self, DemoError> {
        let path = match given {
            Some(path) => path.to_path_buf(),
            None => std::env::temp_dir().join(format!("glacis-demo-{:016x}", draw_seed(host)?)),
        };
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        let made = builder.create(&path);
        made.map_err(|cause| DemoError::Folder { folder: path.clone(), cause })?;
        Ok(Self { path, temporary: given.is_none() })
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.temporary {
            let _left = fs::remove_dir_all(&self.path);
        }
    }
}
