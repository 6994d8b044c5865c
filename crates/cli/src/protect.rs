//! `glacis protect`: a gateway in front of a running service, from nothing, observing.
//!
//! Prints to standard error where it listens, what it protects and what to do next. Everything it makes is in the
//! data folder; started again it goes on from there.

use crate::error::CliError;
use crate::serve::{code_of, start_logs};
use clap::Args;
use glacis_cloud::server::console::Links;
use glacis_host::{Host, SystemHost};
use glacis_serve::protect::{self, ProtectOptions};
use glacis_serve::{Installation, LogFormat, Opened, Role, Up};
use std::io::{IsTerminal as _, stderr};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

/// Arguments of `glacis protect`.
#[derive(Debug, Args)]
pub(crate) struct ProtectArgs {
    /// The service to protect, such as http://127.0.0.1:3000
    url: String,
    /// Where clients connect from now on
    #[arg(long, value_name = "ADDR")]
    listen: SocketAddr,
    /// Where keys, records and modes are kept; made if it is not there
    #[arg(long, value_name = "DIR", env = "GLACIS_DATA_DIR", default_value = glacis_serve::config::DATA_DIR)]
    data_dir: PathBuf,
    /// Publish the policy of this folder (policy.toml, signals.toml, cases.toml) instead of the built-in one
    #[arg(long, value_name = "DIR")]
    policy: Option<PathBuf>,
    /// Answer /healthz, /readyz and /metrics here
    #[arg(long, value_name = "ADDR")]
    health: Option<SocketAddr>,
    /// Print log lines of this level or filter to standard error
    #[arg(long, value_name = "FILTER", default_value = "warn")]
    log: String,
    /// Print log lines as JSON
    #[arg(long)]
    log_json: bool,
}

/// Runs until it is told to stop.
pub(crate) fn run(args: &ProtectArgs) -> Result<ExitCode, CliError> {
    start_logs(&args.log, if args.log_json { LogFormat::Json } else { LogFormat::Text })?;
    let options = ProtectOptions {
        url: args.url.clone(),
        listen: args.listen,
        health: args.health,
        data_dir: args.data_dir.clone(),
        policy: args.policy.clone(),
    };
    let host: Arc<dyn Host> = Arc::new(SystemHost::new());
    let config = protect::config(&options)?;
    let installation = Installation::open(&config.data_dir, true)?;
    let ring = protect::ring(&installation, &config, &*host)?;
    let mut opened = Opened::with(config, Role::All, installation, ring, Arc::clone(&host))?;
    protect::ensure_policy(&mut opened, options.policy.as_deref(), &*host)?;
    let ended = opened.run(|up| eprintln!("{}", welcome(args, up)))?;
    Ok(code_of(ended))
}

fn welcome(args: &ProtectArgs, up: &Up) -> String {
    let at = up.edge.map_or_else(|| args.listen.to_string(), |at| at.to_string());
    let data = if args.data_dir.as_os_str() == glacis_serve::config::DATA_DIR {
        String::new()
    } else {
        format!(" --data-dir {}", args.data_dir.display())
    };
    let console = up.links.as_ref().map_or_else(String::new, |links| console(links, &data));
    let health = up.health.map_or_else(String::new, |at| format!("\nhealth and metrics on http://{at}"));
    format!(
        "glacis: http://{at} protects {} and observes: nothing is refused, what would be is counted{health}\n\
         {console}next:\n  \
         glacis routes{data}                       what came and what would have happened\n  \
         glacis enforce 'POST /login'{data}        from now on, verdicts act on this route\n  \
         glacis bypass --for 10m{data}             everything observes again, for ten minutes",
        args.url
    )
}

/// How to open the console. A link is for a person who looks at a terminal and for no file.
fn console(links: &Links, data: &str) -> String {
    let at = links.at();
    let link = if stderr().is_terminal() { links.make().ok() } else { None };
    match link {
        Some(link) => format!("console: {} (works once, for a quarter of an hour)\n", link.url()),
        None => format!("console on http://{at}; `glacis console{data}` prints a link that opens it\n"),
    }
}
