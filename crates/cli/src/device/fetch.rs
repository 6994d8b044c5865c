//! `glacis device fetch`: signs, sends and verifies one request, as an app does it.
//!
//! A lost leg or session is renewed on the way, and the same action sent again under the same event id. The body
//! goes to standard output only after its verdict was verified; everything else goes to standard error.

use super::Place;
use super::sign::RequestArgs;
use crate::codes::FAILED;
use crate::error::CliError;
use crate::output::print_json;
use clap::Args;
use glacis_dtx::UserVerification;
use glacis_sdk::drive::{Reply, User, drive};
use glacis_sdk::{Answered, Outcome, Prompt};
use glacis_wire::{Method, Verdict};
use serde_json::{Value, json};
use std::io::Write;
use std::num::NonZeroU32;
use std::process::ExitCode;

/// Arguments of `glacis device fetch`.
#[derive(Debug, Args)]
pub(crate) struct FetchArgs {
    #[command(flatten)]
    request: RequestArgs,
    #[command(flatten)]
    place: Place,
    /// Answer a challenge for the passkey: whoever runs this command approves the action
    #[arg(long)]
    approve: bool,
}

/// Whoever runs the command; asked once, by the arguments.
struct Operator {
    approves: bool,
}

impl User for Operator {
    fn prompt(&mut self, prompt: &Prompt) -> Reply {
        match prompt.method {
            Method::Passkey if self.approves => {
                Reply::Verified(UserVerification::claimed_by_app(&prompt.message))
            }
            _ => Reply::Declined,
        }
    }
}

/// Fetches one URL; exit code 0 for an allow alone.
pub(crate) fn run(args: &FetchArgs, out: &mut dyn Write) -> Result<ExitCode, CliError> {
    let (action, target) = args.request.action()?;
    // Room for a challenge and for what a restarted edge costs, with one write.
    let mut phone = args.request.phone(&args.place, &target, NonZeroU32::MIN.saturating_add(7))?;
    phone.pull()?;
    if phone.enrolment_ends_soon()? {
        phone.enrol(false)?;
    }
    let mut user = Operator { approves: args.approve };
    let outcome = match phone.client.act(action) {
        Ok(mut act) => drive(&mut act, &mut phone.http, &mut user),
        Err(error) => Err(error),
    };
    let outcome = outcome.map_err(|error| phone.fault(error))?;
    phone.report();
    show(args, &outcome, out)?;
    Ok(if outcome.allowed() { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
}

fn show(args: &FetchArgs, outcome: &Outcome, out: &mut dyn Write) -> Result<(), CliError> {
    let response = outcome.response.as_ref();
    let reference = outcome.reference.map(|reference| reference.text());
    if args.place.json {
        let zone = if outcome.zone == Answered::Device { "device" } else { "remote" };
        let body = response.map(|response| body(&response.body));
        let json = json!({
            "verdict": outcome.verdict.to_string(),
            "zone": zone,
            "event_id": outcome.event_id.to_string(),
            "reference": reference,
            "status": response.map(|response| response.status),
            "headers": response.map(|response| &response.headers),
            "body": body,
        });
        return print_json(out, &json);
    }
    if let Some(response) = response {
        out.write_all(&response.body).and_then(|()| out.flush()).map_err(CliError::output)?;
    }
    if outcome.allowed() {
        return Ok(());
    }
    let reference = reference.map_or(String::new(), |text| format!(" (reference {text})"));
    let hint = match outcome.verdict {
        Verdict::Challenge(Method::Passkey) => "; --approve answers it with this device's passkey",
        Verdict::Challenge(Method::Otp) => "; a one-time password is entered in the app",
        _ => "",
    };
    eprintln!("glacis: {}{reference}{hint}", outcome.verdict);
    Ok(())
}

/// Text where it is text, else base64url under its own name.
fn body(bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => json!({ "text": text }),
        Err(_) => json!({ "base64url": glacis_seal::text::base64url(bytes) }),
    }
}
