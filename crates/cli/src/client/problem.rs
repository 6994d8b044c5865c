//! An error answer of an installation as an error of the command.
//!
//! The stable code in the problem decides where the status is not enough. The detail is somebody else's text: it is
//! cut to a length and printed without control characters.

use crate::codes::Code;
use crate::error::CliError;
use http::StatusCode;
use serde::Deserialize;

/// Longest detail that is shown. Unit: characters; a publish that does not compile has long ones.
const DETAIL_CHARS_MAX: usize = 4_000;

/// RFC 9457, as far as it is read.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Problem {
    code: String,
    title: String,
    detail: Option<String>,
}

/// What an answer without success means.
pub(super) fn read(who: &str, status: StatusCode, bytes: &[u8]) -> CliError {
    let problem: Problem = match serde_json::from_slice(bytes) {
        Ok(problem) => problem,
        Err(_) => {
            let what = format!("{who} answers {status} without saying why");
            return CliError::new(Code::BadAnswer, what);
        }
    };
    let detail = problem.detail.as_deref().unwrap_or(&problem.title);
    let detail: String = detail.chars().take(DETAIL_CHARS_MAX).collect();
    let what = match problem.code.as_str() {
        "" | "not-found" => detail,
        code => format!("{detail} [{code}]"),
    };
    let code = code(status, &problem.code);
    // The service names the thing that it lacks.
    let what = if code == Code::NotFound { format!("not found: {what}") } else { what };
    CliError::new(code, what)
}

fn code(status: StatusCode, code: &str) -> Code {
    match (status.as_u16(), code) {
        (_, "policy-invalid" | "policy-mismatch" | "not-proven") => Code::PolicyRefused,
        (_, "bad-signature" | "wrong-key" | "wrong-tenant" | "wrong-realm") => Code::SignatureRefused,
        (401, _) => Code::TokenRefused,
        (403, _) => Code::Forbidden,
        (404, _) => Code::NotFound,
        (409 | 412, _) => Code::Conflict,
        (413, _) => Code::TooLarge,
        (429 | 503, _) => Code::Overloaded,
        (400..=499, _) => Code::Invalid,
        (500..=599, _) => Code::ServerFault,
        _ => Code::BadAnswer,
    }
}
