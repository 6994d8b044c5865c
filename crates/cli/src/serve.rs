//! `glacis serve`: a configuration file in, a running installation out.
//!
//! Where it listens goes to standard error once everything does, log lines go there too; standard output stays
//! empty, but for what `--check-config` prints.

use crate::codes::Code;
use crate::error::CliError;
use crate::print;
use clap::{Args, ValueEnum};
use glacis_host::{Host, SystemHost};
use glacis_serve::{Ended, LogFormat, Opened, Role, ServeConfig, Up};
use std::io::{Write, stderr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use tracing_subscriber::EnvFilter;

/// Arguments of `glacis serve`.
#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// The configuration file; docs/samples has a basic and an advanced one
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Which of the zones that the file describes run in this process
    #[arg(long, value_enum, default_value_t = RoleName::All)]
    role: RoleName,
    /// Check the file, print what it stands for, start nothing
    #[arg(long)]
    check_config: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum RoleName {
    /// Every zone that the file describes
    All,
    /// The control plane
    Cloud,
    /// The gateway
    Edge,
}

impl From<RoleName> for Role {
    fn from(name: RoleName) -> Self {
        match name {
            RoleName::All => Self::All,
            RoleName::Cloud => Self::Cloud,
            RoleName::Edge => Self::Edge,
        }
    }
}

/// Runs until it is told to stop.
pub(crate) fn run(args: &ServeArgs, out: &mut dyn Write) -> Result<ExitCode, CliError> {
    let config = ServeConfig::read(&args.config)
        .map_err(|error| CliError::new(Code::Config, error.to_string()).caused_by(error))?;
    let role = args.role.into();
    if args.check_config {
        filter(&config.log)?;
        return print_check(&config, role, args.json, out);
    }
    start_logs(&config.log, config.log_format)?;
    let host: Arc<dyn Host> = Arc::new(SystemHost::new());
    let opened = Opened::open(config, role, host)?;
    Ok(code_of(opened.run(|up| eprintln!("{}", listening(up)))?))
}

/// The exit code of an orderly end, and of one that a second signal cut short.
pub(crate) fn code_of(ended: Ended) -> ExitCode {
    match ended {
        Ended::Stopped => ExitCode::SUCCESS,
        Ended::Interrupted => ExitCode::from(INTERRUPTED),
    }
}

/// Sends log lines to standard error.
pub(crate) fn start_logs(log: &str, format: LogFormat) -> Result<(), CliError> {
    let logs = tracing_subscriber::fmt().with_env_filter(filter(log)?).with_writer(stderr);
    match format {
        LogFormat::Text => logs.with_ansi(std::io::IsTerminal::is_terminal(&stderr())).init(),
        LogFormat::Json => logs.json().flatten_event(true).init(),
    }
    Ok(())
}

fn filter(log: &str) -> Result<EnvFilter, CliError> {
    EnvFilter::try_new(log)
        .map_err(|error| CliError::new(Code::Config, format!("`log`: {error}")).caused_by(error))
}

/// One line for each address that is up.
fn listening(up: &Up) -> String {
    places(up)
        .into_iter()
        .map(|(name, at)| format!("glacis: {name} on {at}"))
        .chain([format!("glacis: control socket {}", up.control.display())])
        .chain(
            up.links
                .as_ref()
                .map(|_| "glacis: `glacis console` prints a link that opens the console".to_owned()),
        )
        .collect::<Vec<_>>()
        .join("\n")
}

fn places(up: &Up) -> Vec<(&'static str, std::net::SocketAddr)> {
    [
        (up.host.map_or("gateway", |host| host.capabilities().name), up.edge),
        ("control plane for gateways", up.nodes),
        ("control plane for operators", up.admin),
        ("decision API", up.api),
        ("console", up.console),
        ("health and metrics", up.health),
    ]
    .into_iter()
    .filter_map(|(name, at)| Some((name, at?)))
    .collect()
}

fn print_check(
    config: &ServeConfig,
    role: Role,
    json: bool,
    out: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let cloud = config.cloud.as_ref().filter(|_| role.has_cloud());
    let edge = config.edge.as_ref().filter(|_| role.has_edge());
    if (role == Role::Cloud && cloud.is_none()) || (role == Role::Edge && edge.is_none()) {
        return Err(CliError::new(Code::Config, "the configuration has no table for this --role"));
    }
    let up = Up {
        edge: edge.map(|edge| edge.listen),
        host: config.host.as_ref().filter(|_| edge.is_some()).map(|host| host.kind),
        nodes: cloud.map(|cloud| cloud.nodes_at),
        admin: cloud.map(|cloud| cloud.admin_at),
        api: cloud.and_then(|cloud| cloud.api_at),
        console: cloud.and_then(|cloud| cloud.console_at),
        links: None,
        health: config.health,
        control: config.data_dir.join(glacis_serve::installation::CONTROL),
    };
    let (tenant, realm) = (config.tenant.to_string(), config.realm.name());
    if json {
        let listen: serde_json::Map<String, serde_json::Value> =
            places(&up).into_iter().map(|(name, at)| (name.to_owned(), at.to_string().into())).collect();
        let value = serde_json::json!({
            "tenant": tenant,
            "realm": realm,
            "data_dir": config.data_dir,
            "listen": listen,
            "routes": edge.map_or(0, |edge| edge.routes.len()),
        });
        crate::output::print_json(out, &value)?;
        return Ok(ExitCode::SUCCESS);
    }
    print(out, &format!("tenant {tenant}, realm {realm}, data in {}", config.data_dir.display()))?;
    places(&up).into_iter().try_for_each(|(name, at)| print(out, &format!("{name} on {at}")))?;
    if let Some(cloud) = cloud {
        let (days, megabytes) = (cloud.retention.as_secs() / 86_400, cloud.disk_quota >> 20);
        print(out, &format!("records kept {days} days, at most {megabytes} MiB on disk"))?;
    }
    if let Some(edge) = edge {
        let routes = edge.routes.len();
        print(out, &format!("gateway {} asks {} and has {routes} routes", edge.node, edge.cloud))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Exit code of a process that an interrupt ended: 128 and the number of SIGINT.
const INTERRUPTED: u8 = 130;
