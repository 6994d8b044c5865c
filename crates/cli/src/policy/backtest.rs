//! `glacis policy backtest`: a policy over a file of past events.
//!
//! The report goes to standard output, as a table or as one JSON document; a progress bar goes to standard error, and
//! only where a person looks at it or asks for it. The speed is of the whole run, reading and unpacking included.

use crate::codes::{Code, FAILED};
use crate::error::CliError;
use crate::output::{plain, print, print_json};
use clap::Args;
use glacis_backtest::{Backtest, BacktestError, Options, Policy, Progress, Report, Wish, parse_when};
use glacis_host::Host;
use glacis_wire::Timestamp;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};
use std::io::{IsTerminal as _, Write};
use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments of `glacis policy backtest`.
#[derive(Debug, Args)]
pub(crate) struct BacktestArgs {
    /// Folder with policy.toml; signals.toml in it or above it, events.toml in it
    dir: PathBuf,
    /// CSV with a header, or JSON lines; gzip or plain
    #[arg(long, value_name = "FILE")]
    events: PathBuf,
    /// Column that says what an event was; `[label]` of events.toml where this is not given
    #[arg(long, value_name = "COLUMN")]
    label: Option<String>,
    /// How columns become signals, instead of events.toml of DIR
    #[arg(long, value_name = "FILE")]
    mapping: Option<PathBuf>,
    /// Count events from this time on; earlier ones fill the windows
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Read no event of this time or later
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    /// Report the first part of the events by time and the rest apart, as in 0.6
    #[arg(long, value_name = "SHARE")]
    split: Option<f64>,
    /// Choose the threshold of this rule on the first part, and show what it does on the rest
    #[arg(long, value_name = "RULE", requires = "split")]
    choose: Option<String>,
    /// Choose the most recall at this precision or more, instead of the best F1
    #[arg(long, value_name = "SHARE", requires = "choose")]
    precision: Option<f64>,
    /// Print the report as one JSON document
    #[arg(long)]
    json: bool,
    /// Show progress on standard error also where that is no terminal
    #[arg(long)]
    progress: bool,
}

/// Runs it; the answer is no where the zones of the engine disagree.
pub(crate) fn run(args: &BacktestArgs, host: &dyn Host, out: &mut dyn Write) -> Result<ExitCode, CliError> {
    let policy = Policy::read(&args.dir)?;
    let mapping = policy.mapping(args.mapping.as_deref(), args.label.as_deref())?;
    let wish = |rule: &String| Wish { rule: rule.clone(), precision: args.precision };
    let options = Options {
        from: time("--from", args.from.as_deref())?,
        to: time("--to", args.to.as_deref())?,
        split: args.split,
        choose: args.choose.as_ref().map(wish),
    };
    let backtest = Backtest::new(policy, mapping, &args.events, options)?;
    let bar = bar(args.progress);
    let begun = host.now();
    let result = backtest.run(|at| show(&bar, at));
    bar.finish_and_clear();
    let report = result?;
    let took = host.now().since(begun);
    let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX).max(1);
    let events = report.warm_up + report.parts.iter().map(|part| part.events).sum::<u64>();
    let speed = events.saturating_mul(1_000) / took_ms;
    if args.json {
        print_json(out, &document(&report, took_ms, speed)?)?;
    } else {
        print(out, plain(&report.to_string()).trim_end())?;
        print(out, &format!("\n{events} events in {took_ms} ms: {speed} events/s"))?;
    }
    let diverged = report.parts.iter().any(|part| part.diverged > 0);
    Ok(if diverged { ExitCode::from(FAILED) } else { ExitCode::SUCCESS })
}

fn document(report: &Report, took_ms: u64, speed: u64) -> Result<Value, CliError> {
    let mut document = serde_json::to_value(report)?;
    if let Value::Object(members) = &mut document {
        members.insert("elapsed_ms".to_owned(), json!(took_ms));
        members.insert("events_per_s".to_owned(), json!(speed));
    }
    Ok(document)
}

fn time(option: &str, text: Option<&str>) -> Result<Option<Timestamp>, CliError> {
    let wrong = |text: &str| {
        CliError::new(Code::Argument, format!("{option}: `{text}` is not a time"))
            .help("write 2019-01-31, 2019-01-31 23:59:59 or 2019-01-31T23:59:59+01:00")
    };
    text.map(|text| parse_when(text).ok_or_else(|| wrong(text))).transpose()
}

fn bar(wanted: bool) -> ProgressBar {
    if !wanted && !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    // INVARIANT: the template is a constant that parses; were it not, the bar looks otherwise.
    let style = ProgressStyle::with_template("{msg:9} {bar:40} {percent:>3} % of {total_bytes}, {eta} to go");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}

fn show(bar: &ProgressBar, at: Progress) {
    if bar.is_hidden() {
        return;
    }
    bar.set_length(at.bytes_all);
    bar.set_message(if at.counting { "counting" } else { "deciding" });
    bar.set_position(at.bytes.min(at.bytes_all));
}

impl From<BacktestError> for CliError {
    fn from(error: BacktestError) -> Self {
        let code = match &error {
            BacktestError::File { .. } => Code::EventsFile,
            BacktestError::Policy(_) => Code::PolicyInvalid,
            BacktestError::Mapping { .. } => Code::Mapping,
            BacktestError::Events { .. } => Code::EventsBroken,
            BacktestError::Option(_) => Code::Argument,
            _ => Code::Internal,
        };
        Self::new(code, error.to_string()).caused_by(error)
    }
}
