//! `glacis device verify-answer`: whether the answer that curl got carries a verdict about that very request.
//!
//! The signed header lines name the request (event, signature, body digest), the session in the folder has the
//! key. A status line proves nothing: without a verdict that verifies, an answer counts as a refusal.

use super::Place;
use super::home::Home;
use super::phone::Phone;
use super::transport::Http;
use crate::codes::{Code, FAILED};
use crate::error::CliError;
use crate::output::{print, print_json};
use clap::Args;
use glacis_dtx::{Expected, SessionError};
use glacis_host::{Clock, SystemHost};
use glacis_seal::httpsig::profile::{CONTENT_DIGEST, LABEL, SIGNATURE};
use glacis_seal::httpsig::{parse_content_digest, parse_signature, sfv};
use glacis_seal::sha256;
use glacis_wire::http::{EVENT, VERDICT};
use glacis_wire::{EventId, Verdict};
use serde_json::json;
use std::io::{Read, Write};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// Arguments of `glacis device verify-answer`.
#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// The header lines that `sign` printed for this request
    #[arg(long, value_name = "FILE")]
    signed: PathBuf,
    #[command(flatten)]
    place: Place,
}

/// Verifies one answer; exit code 0 for an allow alone.
pub(crate) fn run(
    args: &VerifyArgs,
    input: &mut dyn Read,
    out: &mut dyn Write,
) -> Result<ExitCode, CliError> {
    let shown = args.signed.display();
    let signed = std::fs::read_to_string(&args.signed)
        .map_err(|error| CliError::new(Code::Argument, format!("--signed {shown}: {error}")))?;
    let expected = expected(&signed)
        .ok_or_else(|| CliError::new(Code::Argument, format!("--signed {shown}: not what `sign` printed")))?;
    let mut answer = String::new();
    let read = input.take(HEAD_BYTES_MAX).read_to_string(&mut answer);
    read.map_err(|error| CliError::new(Code::Argument, format!("standard input: {error}")))?;

    let host = Arc::new(SystemHost::new());
    let home = Home::open(&args.place, &host)?;
    let http = Http::new(&home.profile.authority.0, Duration::ZERO);
    let http = http.map_err(|error| CliError::new(Code::Internal, format!("no event queue: {error}")))?;
    let mut phone = Phone::assemble(&home, http, &host, NonZeroU32::MIN)?;
    let unproven = |what: &str| CliError::new(Code::DeviceAnswer, what);
    let session = phone.client.line().session().ok_or_else(|| unproven("there is no open session"))?;
    let field = only(last_head(&answer), VERDICT)
        .ok_or_else(|| unproven("the answer carries no verdict, or more than one"))?;
    let verdict = session.check_verdict(field, &expected, host.now()).map_err(|error| match error {
        SessionError::Expired => CliError::new(Code::DeviceClock, "the verdict is past its end"),
        error => CliError::new(Code::DeviceAnswer, format!("the verdict is not proven: {error}")),
    })?;
    let reference = verdict.reference.text();
    if args.place.json {
        let event_id = verdict.event_id.to_string();
        let verdict = verdict.verdict.to_string();
        print_json(out, &json!({ "verdict": verdict, "event_id": event_id, "reference": reference }))?;
    } else {
        print(out, &format!("{} (reference {reference})", verdict.verdict))?;
    }
    Ok(if verdict.verdict == Verdict::Allow { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
}

/// What the answer must be about.
fn expected(signed: &str) -> Option<Expected> {
    let event = sfv::parse_bytes_array(only(signed, EVENT)?).ok()?;
    let signature = parse_signature(only(signed, SIGNATURE)?, LABEL).ok()??;
    let content = parse_content_digest(only(signed, CONTENT_DIGEST)?).ok()?;
    Some(Expected { event_id: EventId::new(event), request: sha256(&signature), content })
}

/// The last head of what curl printed; the ones before are of interim answers.
fn last_head(text: &str) -> &str {
    let begins = text.rmatch_indices("HTTP/").map(|(at, _)| at);
    let mut begins =
        begins.filter(|at| text.get(..*at).is_some_and(|before| before.is_empty() || before.ends_with('\n')));
    begins.next().and_then(|at| text.get(at..)).unwrap_or(text)
}

/// The value of a field that is there once.
fn only<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut values = head.lines().filter_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.trim().eq_ignore_ascii_case(name).then_some(value.trim())
    });
    values.next().filter(|_| values.next().is_none())
}

/// Longest head that is read.
const HEAD_BYTES_MAX: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_counts_once_and_from_the_last_head() {
        let text = "HTTP/1.1 100 Continue\r\nglacis-verdict: :a:\r\n\r\nHTTP/1.1 200 OK\r\nGlacis-Verdict: :b:\r\n\r\n";
        assert_eq!(only(last_head(text), VERDICT), Some(":b:"));
        let via = "HTTP/1.1 200 OK\r\nglacis-verdict: :b:\r\nvia: HTTP/1.1 x\r\n";
        assert_eq!(only(last_head(via), VERDICT), Some(":b:"));
        assert_eq!(only("glacis-verdict: a\nglacis-verdict: b", VERDICT), None);
        assert_eq!(only("HTTP/1.1 200 OK", VERDICT), None);
    }
}
