//! Attestation results (EAR): signing one with the installation's keys, and reading what somebody signed.
//!
//! A result is signed by the key that signs attestation results, for the tenant and realm of its folder. Reading verifies
//! before it shows anything: of a token that is refused, or that no key was given for, nothing is printed but why. Claims
//! that nobody signed are shown as such.

use super::{any_base64, hex_or_base64, read, reason};
use crate::codes::Code;
use crate::error::CliError;
use crate::output::{one_line, plain, print, print_json};
use crate::policy::ring;
use crate::time::Moment;
use clap::{Args, ValueEnum};
use glacis_attest::ear::{
    Collateral, Ear, Expected, Form, Issue, RESULT_BYTES_MAX, VerifierId, VerifyKey, verify_cwt, verify_jwt,
};
use glacis_attest::{Appraisal, AttestError};
use glacis_host::Host;
use glacis_seal::text::base64url;
use glacis_seal::{Context, Purpose};
use glacis_serve::keys::{self, KeysError, KeysErrorKind};
use glacis_wire::Timestamp;
use glacis_wire::message::policy::{KeySet, KeyUse};
use serde_json::{Value, json};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// Arguments of a result that is signed.
#[derive(Debug, Args)]
pub(super) struct SignArgs {
    /// Print the appraisal as a signed attestation result (EAR) instead
    #[arg(long, value_name = "FORM", requires = "keys")]
    ear: Option<FormName>,
    /// The folder of keys that signs the result, which is for its tenant and realm
    #[arg(long, value_name = "DIR", requires = "ear")]
    keys: Option<PathBuf>,
    /// Write the result to this new file; a CWT is printed as base64url otherwise
    #[arg(long, value_name = "FILE", requires = "ear")]
    out: Option<PathBuf>,
    /// What the result must echo: 8 to 64 bytes, in hexadecimal or base64
    #[arg(long, value_name = "HEX|BASE64", requires = "ear")]
    nonce: Option<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum FormName {
    /// JSON, signed as compact JWS
    Jwt,
    /// CBOR, signed as COSE_Sign1
    Cwt,
}

/// What an appraisal came to, and when.
pub(super) struct Appraised<'a> {
    pub(super) family: &'a str,
    pub(super) outcome: &'a Result<Appraisal, AttestError>,
    /// What it rests on, where that was signed collateral.
    pub(super) collateral: &'a [Collateral],
    /// As of when.
    pub(super) at: Timestamp,
    /// When the result is made.
    pub(super) now: Timestamp,
}

impl SignArgs {
    /// Signs and prints or writes a result, if one was asked for; says whether it was.
    pub(super) fn run(&self, appraised: &Appraised<'_>, out: &mut dyn Write) -> Result<bool, CliError> {
        let (Some(form), Some(dir)) = (self.ear, &self.keys) else { return Ok(false) };
        let nonce = self.nonce.as_deref().map(nonce).transpose()?;
        let ring = ring(dir)?;
        let missing = || KeysError::new(KeysErrorKind::Missing, "there is no key that signs results");
        let entry = ring.signing(KeyUse::Result).ok_or_else(missing)?;
        let build = concat!("glacis ", env!("CARGO_PKG_VERSION"));
        let issue = Issue {
            verifier: &VerifierId { developer: "Glacis".to_owned(), build: build.to_owned() },
            context: ring.context(),
            verified_at: appraised.at,
            issued_at: appraised.now,
            expires: appraised.now.after(LIFE),
            nonce: nonce.as_deref(),
            collateral: appraised.collateral,
        };
        let ear = Ear::of(appraised.family, appraised.outcome, &issue);
        let failed = |error: AttestError| {
            CliError::new(Code::Internal, format!("no result can be made: {error}")).caused_by(error)
        };
        let (shown, bytes) = match form {
            FormName::Jwt => {
                let token = ear.to_jwt(&entry.key).map_err(failed)?;
                (token.clone(), token.into_bytes())
            }
            FormName::Cwt => {
                let token = ear.to_cwt(&entry.key).map_err(failed)?;
                (base64url(&token), token)
            }
        };
        match &self.out {
            Some(path) => {
                write_new(path, &bytes)?;
                print(out, &format!("{}: {}", ear.status().name(), path.display()))?;
            }
            None => print(out, &shown)?,
        }
        Ok(true)
    }

    /// Whether the echo can be one; said before any file is read.
    pub(super) fn check(&self) -> Result<(), CliError> {
        self.nonce.as_deref().map_or(Ok(()), |text| nonce(text).map(drop))
    }
}

fn write_new(path: &Path, bytes: &[u8]) -> Result<(), CliError> {
    let open = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o644).open(path);
    open.and_then(|mut file| file.write_all(bytes)).map_err(|error| {
        let exists = error.kind() == std::io::ErrorKind::AlreadyExists;
        let code = if exists { Code::Conflict } else { Code::EvidenceFile };
        CliError::new(code, format!("{}: {error}", path.display())).caused_by(error)
    })
}

fn nonce(text: &str) -> Result<Vec<u8>, CliError> {
    let found = hex_or_base64(text).filter(|nonce| (8..=64).contains(&nonce.len()));
    found.ok_or_else(|| CliError::new(Code::Argument, "--nonce: not 8 to 64 bytes in hexadecimal or base64"))
}

/// Arguments of `glacis attest result`.
#[derive(Debug, Args)]
pub(crate) struct ResultArgs {
    /// A JWT, a CWT as bytes or base64url, or claims that nobody signed, in JSON or CBOR
    file: PathBuf,
    /// Verify with the keys of this folder, for its tenant and realm
    #[arg(long, value_name = "DIR", conflicts_with_all = ["key_set", "key"])]
    keys: Option<PathBuf>,
    /// Verify with this exported key set, for its tenant and realm
    #[arg(long, value_name = "FILE", conflicts_with = "key")]
    key_set: Option<PathBuf>,
    /// Verify with this public key, as JWK
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Whom the result must be for; with --key, nobody in particular if it is not given
    #[arg(long, value_name = "TEXT", requires = "key")]
    audience: Option<String>,
    /// What it must echo, in hexadecimal or base64
    #[arg(long, value_name = "HEX|BASE64")]
    nonce: Option<String>,
    /// As of when (UTC, such as 2026-01-31T12:00:00Z); now if it is not given
    #[arg(long, value_name = "RFC3339")]
    at: Option<Moment>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Reads, verifies and prints a result.
pub(crate) fn run(args: &ResultArgs, host: &dyn Host, out: &mut dyn Write) -> Result<ExitCode, CliError> {
    let nonce = args.nonce.as_deref().map(nonce).transpose()?;
    let trusted = trusted(args)?;
    let bytes = read(&args.file, RESULT_BYTES_MAX)?;
    let now = args.at.map_or_else(|| host.now(), |at| at.at(host.now()));
    let (keys, audience) =
        trusted.as_ref().map_or((None, None), |(keys, audience)| (Some(keys), audience.as_deref()));
    let expected = Expected { audience, nonce: nonce.as_deref(), now };
    let kind = Kind::of(&bytes);
    let signed = !matches!(kind, Kind::Claims(_));
    let outcome = match kind {
        Kind::Claims(form) => Ear::from_bytes(&bytes, form),
        Kind::Jwt(token) => verify_jwt(token, needed(keys)?, &expected),
        Kind::Cwt(token) => verify_cwt(&token, needed(keys)?, &expected),
    };
    match outcome {
        Ok(ear) => show(&ear, signed, args.json, out).map(|()| ExitCode::SUCCESS),
        Err(refused) => refuse(&refused, args.json, out).map(|()| ExitCode::from(crate::codes::FAILED)),
    }
}

/// What is in a file, by how it begins.
pub(super) enum Kind<'a> {
    /// Claims without a signature.
    Claims(Form),
    /// A compact JWS.
    Jwt(&'a str),
    /// A tagged message of COSE.
    Cwt(Vec<u8>),
}

impl<'a> Kind<'a> {
    pub(super) fn of(bytes: &'a [u8]) -> Self {
        if let Ok(text) = std::str::from_utf8(bytes) {
            let text = text.trim();
            if text.bytes().filter(|byte| *byte == b'.').count() == 2 && text.starts_with("ey") {
                return Self::Jwt(text);
            }
            if let Some(bytes) = any_base64(text).filter(|bytes| is_cose(bytes)) {
                return Self::Cwt(bytes);
            }
        }
        match bytes.first() {
            _ if is_cose(bytes) => Self::Cwt(bytes.to_vec()),
            // A map of CBOR.
            Some(0xa0..=0xbf) => Self::Claims(Form::Cbor),
            _ => Self::Claims(Form::Json),
        }
    }
}

/// Tag 18 (`COSE_Sign1`), or tag 61 (CWT) before it.
fn is_cose(bytes: &[u8]) -> bool {
    matches!(bytes, [0xd2, ..] | [0xd8, 61, 0xd2, ..])
}

fn needed(keys: Option<&Vec<VerifyKey>>) -> Result<&[VerifyKey], CliError> {
    keys.map(Vec::as_slice).ok_or_else(|| {
        CliError::new(Code::Argument, "the result is signed, and no key is given that it is verified with")
            .help("give --keys DIR, --key-set FILE or --key FILE")
    })
}

/// Keys to verify with, and whom a result has to be for.
type Trusted = (Vec<VerifyKey>, Option<String>);

fn trusted(args: &ResultArgs) -> Result<Option<Trusted>, CliError> {
    let of_set = |context: &Context, set: &KeySet| {
        let keys = set.keys.iter().filter(|key| key.usage == KeyUse::Result);
        let keys = keys.map(|key| VerifyKey::ours(key.key)).collect();
        Some((keys, Some(context.audience(Purpose::Ear))))
    };
    if let Some(dir) = &args.keys {
        let ring = ring(dir)?;
        let missing = || KeysError::new(KeysErrorKind::Missing, "there is no key set");
        return Ok(of_set(ring.context(), ring.key_set().ok_or_else(missing)?));
    }
    if let Some(path) = &args.key_set {
        let (context, set) = keys::read_key_set(&path.display().to_string(), &read(path, KEY_BYTES_MAX)?)?;
        return Ok(of_set(&context, &set));
    }
    let Some(path) = &args.key else { return Ok(None) };
    let key = VerifyKey::from_jwk(&read(path, KEY_BYTES_MAX)?).map_err(|error| {
        CliError::new(Code::Argument, format!("--key: {}: {error}", path.display())).caused_by(error)
    })?;
    Ok(Some((vec![key], args.audience.clone())))
}

fn refuse(refused: &AttestError, json: bool, out: &mut dyn Write) -> Result<(), CliError> {
    if json {
        return print_json(out, &json!({"status": "refused", "reasons": [reason(refused)]}));
    }
    let detail = if refused.detail().is_empty() {
        String::new()
    } else {
        format!(" ({})", one_line(refused.detail()))
    };
    let text = format!(
        "refused   {}: {}{detail}\nhelp      {}",
        refused.code(),
        refused.code().what(),
        refused.code().cure()
    );
    print(out, &plain(&text))
}

fn show(ear: &Ear, signed: bool, json: bool, out: &mut dyn Write) -> Result<(), CliError> {
    let (claims, unshown) = shown(ear)?;
    if json {
        let word = ear.status().name();
        let found = json!({"status": word, "verified": signed, "claims": claims, "unshown": unshown});
        return print_json(out, &found);
    }
    let word = if signed { "verified" } else { "not signed" };
    let mut lines = vec![format!(
        "{:<15} {word}, by {} ({})",
        ear.status().name(),
        one_line(&ear.verifier.developer),
        one_line(&ear.verifier.build)
    )];
    lines.push(format!("{:<15} {}", "issued", ear.issued_at.rfc3339()));
    lines.extend(ear.expires.map(|end| format!("{:<15} {}", "good to", end.rfc3339())));
    lines.extend(ear.audience.as_ref().map(|audience| format!("{:<15} {}", "for", one_line(audience))));
    for (name, submod) in &ear.submods {
        lines.push(format!("{:<15} {}", submod.status.name(), one_line(name)));
        for reason in submod.detail.iter().flat_map(|detail| &detail.reasons) {
            let (code, detail) = (one_line(&reason.code), one_line(&reason.detail));
            lines.push(format!("  reason        {code} {detail}").trim_end().to_owned());
        }
    }
    if !unshown.is_empty() {
        lines.push(format!("{:<15} {}", "not shown", one_line(&unshown.join(", "))));
    }
    if claims.is_null() {
        lines.push(format!("{:<15} the claims are too large to be shown as JSON", "not shown"));
    }
    lines.push(format!("\n{}", serde_json::to_string_pretty(&claims)?));
    print(out, plain(&lines.join("\n")).trim_end())
}

/// The claims as JSON, null where they are too large for that form; and what is left out: where a claim that is not known
/// here has no form in JSON, all that are not known.
fn shown(ear: &Ear) -> Result<(Value, Vec<String>), CliError> {
    if let Ok(bytes) = ear.to_bytes(Form::Json) {
        return Ok((serde_json::from_slice(&bytes)?, Vec::new()));
    }
    let mut known = ear.clone();
    let mut unknown = std::mem::take(&mut known.unknown);
    for (_, submod) in &mut known.submods {
        unknown.append(&mut submod.unknown);
    }
    let unshown = unknown.iter().map(|(label, _)| label.to_string()).collect();
    let claims = known.to_bytes(Form::Json).ok().map(|bytes| serde_json::from_slice(&bytes));
    Ok((claims.transpose()?.unwrap_or_default(), unshown))
}

/// How long a result is good that nothing else ends.
const LIFE: Duration = Duration::from_secs(3_600);
/// Longest file of keys.
const KEY_BYTES_MAX: usize = 64 << 10;
