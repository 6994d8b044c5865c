//! `glacis device attest`: what the key store itself can prove about a key, over a challenge.
//!
//! Enrolment does this by itself; here it is for looking, and for verifiers of others. A store that proves nothing says
//! so and exits with 1: its keys are worth what it claims and nobody can check.

use super::Place;
use super::custody::key_error;
use super::keys::{Opened, RoleName};
use super::show;
use crate::codes::Code;
use crate::error::CliError;
use crate::output::{print, print_json};
use clap::Args;
use glacis_host::{SystemHost, entropy};
use glacis_seal::text::{base64url, hex, parse_hex};
use serde_json::json;
use std::io::Write;
use std::process::ExitCode;

/// Arguments of `glacis device attest`.
#[derive(Debug, Args)]
pub(crate) struct AttestArgs {
    /// device, app, or the name of a scene
    #[arg(default_value = "device")]
    name: RoleName,
    /// What the evidence is to be over, 64 hexadecimal digits; drawn where there is none
    #[arg(long, value_name = "HEX")]
    challenge: Option<Challenge>,
    #[command(flatten)]
    place: Place,
}

#[derive(Clone, Copy, Debug)]
struct Challenge([u8; 32]);

impl std::str::FromStr for Challenge {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes = parse_hex(text).and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
        bytes.map(Self).ok_or("64 hexadecimal digits")
    }
}

/// Shows the evidence.
pub(crate) fn run(args: &AttestArgs, out: &mut dyn Write) -> Result<ExitCode, CliError> {
    let opened = Opened::at(&args.place)?;
    let challenge = match args.challenge {
        Some(Challenge(given)) => given,
        None => entropy::array(&SystemHost::new())
            .map_err(|error| CliError::new(Code::Internal, format!("no challenge: {error}")))?,
    };
    let evidence = opened.keys.attest(args.name.0, &challenge).map_err(|error| key_error(&error))?;
    let Some(evidence) = evidence else {
        let what = format!("the key store `{}` can prove nothing about its keys", opened.store);
        return Err(CliError::new(Code::DeviceKeys, what)
            .help("evidence comes from a TPM (--keys tpm2), or from the platform of a phone"));
    };
    let hex = hex(&challenge);
    if args.place.json {
        let json = json!({
            "key": show::role(args.name.0),
            "challenge": hex,
            "family": evidence.family.0,
            "evidence": base64url(&evidence.body),
        });
        print_json(out, &json)?;
    } else {
        print(out, &format!("{:<20} {}", "key", show::role(args.name.0)))?;
        print(out, &format!("{:<20} {hex}", "challenge"))?;
        print(out, &format!("{:<20} {}", "family", evidence.family.0))?;
        print(out, &format!("{:<20} {}", "evidence", base64url(&evidence.body)))?;
    }
    Ok(ExitCode::SUCCESS)
}
