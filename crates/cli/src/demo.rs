//! `glacis demo`: arguments in, the simulator's report out.
//!
//! The live table goes to standard error, the report to standard output, so that a pipe gets data only. The
//! exit code says whether every attack was stopped in its zone and no benign user was.

use crate::codes::{Code, FAILED};
use crate::error::CliError;
use crate::print;
use clap::Args;
use glacis_sim::demo::DemoOptions;
use glacis_sim::report::DemoReport;
use glacis_sim::terminal::{Live, Part, Progress, Screen};
use std::io::{IsTerminal, Write, stderr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use tracing_subscriber::EnvFilter;

/// Arguments of the demo.
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Draw no table
    #[arg(long)]
    headless: bool,
    /// End after one round instead of running until interrupted
    #[arg(long)]
    once: bool,
    /// Print the report as one line of JSON
    #[arg(long)]
    json: bool,
    /// Seed of the schedule and of the attackers; drawn and printed where there is none
    #[arg(long)]
    seed: Option<u64>,
    /// Benign devices; 0 starts the zones and stays idle
    #[arg(long, default_value_t = DemoOptions::default().devices)]
    devices: u32,
    /// Keep the control plane's files here instead of in a temporary folder
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Give some devices an emulated TPM, and bring what attacks those; needs swtpm and swtpm-tools
    #[arg(long)]
    tpm: bool,
    /// Do not compare decisions with the reference interpreter after the run
    #[arg(long)]
    no_check: bool,
    /// Print log lines of this level or filter to standard error, such as `info` or `glacis_edge=debug`
    #[arg(long, value_name = "FILTER")]
    log: Option<String>,
}

impl DemoArgs {
    fn options(&self) -> DemoOptions {
        DemoOptions {
            seed: self.seed,
            headless: self.headless,
            once: self.once,
            json: self.json,
            devices: self.devices,
            data_dir: self.data_dir.clone(),
            check: !self.no_check,
            tpm: self.tpm,
            ..DemoOptions::default()
        }
    }
}

/// Draws nothing, and says where the console is: nobody else could.
struct Headless;

impl Progress for Headless {
    fn tick(&mut self, _: Part, _: Duration, _: &str) {}
    fn console(&mut self, link: &str) {
        eprintln!("glacis: open {link} (works once, for a quarter of an hour)");
    }
    fn live(&mut self, _: &Live) {}
    fn done(&mut self, _: &DemoReport, _: Duration) {}
}

/// Runs the demo and prints its report.
pub(crate) fn run(args: &DemoArgs, out: &mut dyn Write) -> Result<ExitCode, CliError> {
    if let Some(filter) = &args.log {
        let filter = EnvFilter::try_new(filter).map_err(|error| {
            CliError::new(Code::Argument, format!("--log `{filter}` is no filter of log lines: {error}"))
        })?;
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr).init();
    }
    let mut progress: Box<dyn Progress> = if args.headless {
        Box::new(Headless)
    } else {
        Box::new(Screen::new(stderr(), stderr().is_terminal(), true))
    };
    let report = glacis_sim::demo::run(&args.options(), progress.as_mut())?;
    if args.json {
        print(out, &report.to_json()?)?;
    }
    for fault in &report.faults {
        eprintln!("glacis: {fault}");
    }
    Ok(if report.is_ok() { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
}
