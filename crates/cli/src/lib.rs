//! The `glacis` command: one binary, many roles, each a thin layer over a library.
//!
//! A role parses its arguments, calls one function and prints what it returns. Standard output is data, standard
//! error is for people. Exit codes are part of the interface ([`EXIT_CODES`]).

mod attest;
mod audit;
mod cel;
mod client;
pub mod codes;
mod collateral;
mod completions;
mod console;
mod demo;
mod device;
mod devices;
mod edge;
mod error;
mod events;
mod explain;
mod explain_error;
mod keys;
mod list;
mod model;
mod openapi;
mod operate;
mod output;
mod pages;
mod partner;
mod passkey;
mod policy;
mod protect;
mod serve;
mod status;
mod time;
mod token;

use clap::error::ErrorKind;
use clap::{Parser, Subcommand};
pub use codes::Code;
pub use error::CliError;
use glacis_host::Host;
pub(crate) use output::print;
use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

/// What the help of every role ends with.
pub const EXIT_CODES: &str = "Exit codes:\n  0  done, and the answer is yes\n  1  done, and the answer is no; or the work failed\n  2  wrong usage\n  3  not permitted\n  4  not found, or in conflict with what exists\n  5  unreachable";

/// Decides, for every sensitive action, whether it may go on: on the device, at the edge, in the cloud.
#[derive(Debug, Parser)]
#[command(name = "glacis", version, after_help = EXIT_CODES, disable_help_subcommand = true)]
pub struct Args {
    #[command(subcommand)]
    role: Role,
}

#[derive(Debug, Subcommand)]
enum Role {
    /// Start all four zones, a small shop and a fleet with attackers, on loopback
    #[command(after_help = EXIT_CODES)]
    Demo(demo::DemoArgs),
    /// Put a gateway in front of a running HTTP service, observing everything
    #[command(after_help = EXIT_CODES)]
    Protect(protect::ProtectArgs),
    /// Run an installation: control plane, gateway or both, as a configuration file says
    #[command(after_help = EXIT_CODES)]
    Serve(serve::ServeArgs),
    /// List what a gateway was asked for and what became of it, or would have
    #[command(after_help = EXIT_CODES)]
    Routes(operate::RoutesArgs),
    /// Let verdicts act on routes from now on
    #[command(after_help = EXIT_CODES)]
    Enforce(operate::ModeArgs),
    /// Let routes only observe again
    #[command(after_help = EXIT_CODES)]
    Observe(operate::ModeArgs),
    /// Let every route observe for a while; audited, ends by itself
    #[command(after_help = EXIT_CODES)]
    Bypass(operate::BypassArgs),
    /// Show and steer the gateway of this machine: status, reload, drain, attack mode, bypass
    #[command(after_help = EXIT_CODES)]
    Edge(edge::EdgeArgs),
    /// Copy the store of a running installation
    #[command(after_help = EXIT_CODES)]
    Backup(operate::BackupArgs),
    /// Make the store of a new installation of a backup
    #[command(after_help = EXIT_CODES)]
    Restore(operate::RestoreArgs),
    /// Make, list and rotate the keys of one tenant in one realm
    #[command(after_help = EXIT_CODES)]
    Keys(keys::KeysArgs),
    /// Enrol a software device, sign requests with it for curl, or send them
    #[command(after_help = EXIT_CODES)]
    Device(device::DeviceArgs),
    /// Check, test, backtest, publish and roll back policies
    #[command(after_help = EXIT_CODES)]
    Policy(policy::PolicyArgs),
    /// Make models of trained trees, and show them
    #[command(after_help = EXIT_CODES)]
    Model(model::ModelArgs),
    /// Run conformance cases of the expression language
    #[command(after_help = EXIT_CODES)]
    Cel(cel::CelArgs),
    /// Check evidence of phones and authenticators offline, and explain it
    #[command(after_help = EXIT_CODES)]
    Attest(attest::AttestArgs),
    /// Make, show and check what verifiers of evidence trust, and take it into force
    #[command(after_help = EXIT_CODES)]
    Collateral(collateral::CollateralArgs),
    /// Say why a decision came out as it did
    #[command(after_help = EXIT_CODES)]
    Explain(explain::ExplainArgs),
    /// Show the installation at a glance
    #[command(after_help = EXIT_CODES)]
    Status(status::StatusArgs),
    /// Make a link that opens the console in a browser, once
    #[command(after_help = EXIT_CODES)]
    Console(console::ConsoleArgs),
    /// Show decisions as they come
    #[command(after_help = EXIT_CODES)]
    Events(events::EventsArgs),
    /// Show lists and change them
    #[command(after_help = EXIT_CODES)]
    List(list::ListArgs),
    /// Show enrolled devices and refuse one
    #[command(after_help = EXIT_CODES)]
    Devices(devices::DevicesArgs),
    /// Add partners that enrol devices, and limit what they enrol
    #[command(after_help = EXIT_CODES)]
    Partner(partner::PartnerArgs),
    /// Show and remove passkeys that users pass challenges with
    #[command(after_help = EXIT_CODES)]
    Passkey(passkey::PasskeyArgs),
    /// Make, list and revoke bearer tokens
    #[command(after_help = EXIT_CODES)]
    Token(token::TokenArgs),
    /// Verify the hash chain over everything that was stored
    #[command(after_help = EXIT_CODES)]
    Audit(audit::AuditArgs),
    /// Print the OpenAPI document of the decision API and the admin API
    #[command(after_help = EXIT_CODES)]
    Openapi(openapi::OpenapiArgs),
    /// Print what a shell needs to complete this command's words
    #[command(after_help = EXIT_CODES)]
    Completions(completions::CompletionsArgs),
    /// Explain an error code at length
    #[command(after_help = EXIT_CODES)]
    ExplainError(explain_error::ExplainErrorArgs),
    /// The process that the demo's attackers patch while it runs
    #[command(name = "__victim", hide = true)]
    Victim,
}

/// Parses the arguments, runs one role, and tells an error on `err`: as JSON if the arguments ask for that.
pub fn start(
    args: impl IntoIterator<Item = OsString>,
    host: &dyn Host,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().collect();
    // Also where the arguments do not parse, a script gets what it asked for.
    let json = args.iter().take_while(|arg| *arg != "--").any(|arg| arg == "--json");
    let result = match Args::try_parse_from(&args) {
        Ok(args) => run(&args, host, out),
        Err(error) if !error.use_stderr() => {
            print(out, error.to_string().trim_end()).map(|()| ExitCode::SUCCESS)
        }
        Err(error) => Err(usage(&error)),
    };
    let error = match result {
        Ok(code) => return code,
        Err(error) => error,
    };
    if !error.is_closed_pipe() {
        // Nobody is left to be told where this fails as well.
        let _ = writeln!(err, "{}", if json { error.json() } else { error.text() });
    }
    error.exit_code()
}

/// Runs one role.
///
/// # Errors
/// Says what could not be done and why; [`CliError::exit_code`] maps it to the documented codes.
pub fn run(args: &Args, host: &dyn Host, out: &mut dyn Write) -> Result<ExitCode, CliError> {
    match &args.role {
        Role::Demo(demo) => demo::run(demo, out),
        Role::Protect(protect) => protect::run(protect),
        Role::Serve(serve) => serve::run(serve, out),
        Role::Routes(routes) => operate::routes(routes, out),
        Role::Enforce(mode) => operate::set_mode(mode, "enforce", out),
        Role::Observe(mode) => operate::set_mode(mode, "observe", out),
        Role::Bypass(bypass) => operate::bypass(bypass, out),
        Role::Edge(edge) => edge::run(edge, out),
        Role::Backup(backup) => operate::backup(backup, out),
        Role::Restore(restore) => operate::restore(restore, out),
        Role::Keys(keys) => keys::run(keys, host, out),
        Role::Device(device) => device::run(device, out),
        Role::Policy(policy) => policy::run(policy, host, out),
        Role::Model(model) => model::run(model, out).map(done),
        Role::Cel(cel) => cel::run(cel, out),
        Role::Attest(attest) => attest::run(attest, host, out),
        Role::Collateral(collateral) => collateral::run(collateral, host, out),
        Role::Explain(explain) => explain::run(explain, out).map(done),
        Role::Status(status) => status::run(status, out).map(done),
        Role::Console(console) => console::run(console, out).map(done),
        Role::Events(events) => events::run(events, out).map(done),
        Role::List(list) => list::run(list, host, out).map(done),
        Role::Devices(devices) => devices::run(devices, out).map(done),
        Role::Partner(partner) => partner::run(partner, out).map(done),
        Role::Passkey(passkey) => passkey::run(passkey, out).map(done),
        Role::Token(token) => token::run(token, out).map(done),
        Role::Audit(audit) => audit::run(audit, out),
        Role::Openapi(openapi) => openapi::run(openapi, out).map(done),
        Role::Completions(completions) => completions::run(completions, out).map(done),
        Role::ExplainError(explain) => explain_error::run(explain, out).map(done),
        Role::Victim => Ok(glacis_sim::victim::main()),
    }
}

fn done((): ()) -> ExitCode {
    ExitCode::SUCCESS
}

/// What the parser of arguments says, in the form of every other error.
fn usage(error: &clap::Error) -> CliError {
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        let what = format!("a command is missing\n\n{}", error.to_string().trim_end());
        return CliError::new(Code::Usage, what);
    }
    let text = error.to_string();
    let what = text.strip_prefix("error: ").unwrap_or(&text);
    let what = what.split("\n\nFor more information").next().unwrap_or(what);
    CliError::new(Code::Usage, what.trim_end())
}
