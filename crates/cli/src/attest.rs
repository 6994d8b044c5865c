//! `glacis attest`: evidence of phones, authenticators and TPMs, and verdicts about phones, checked offline and explained.
//!
//! A thin layer over `glacis_attest`: files in, appraisal out. Nothing is fetched; what the verifier trusts are the
//! keys in its tree, and a revocation list if one is given. Exit 0 means that the evidence is affirming, 1 anything
//! less.

mod corpus;
mod explain;
mod measured;
mod result;
mod rules;
mod statements;
mod verify;

use crate::codes::Code;
use crate::error::CliError;
use clap::{Args, Subcommand};
use glacis_attest::{Anchors, AttestError, pem};
use glacis_host::Host;
use glacis_seal::Context;
use glacis_seal::text::{parse_base64, parse_base64url, parse_hex};
use glacis_wire::limits::EVIDENCE_BYTES_MAX;
use glacis_wire::{Realm, TenantId};
use serde_json::{Value, json};
use std::fs::File;
use std::io::{Read as _, Write};
use std::path::Path;
use std::process::ExitCode;

/// Arguments of `glacis attest`.
#[derive(Debug, Args)]
pub(crate) struct AttestArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Appraise one piece of evidence
    #[command(after_help = crate::EXIT_CODES)]
    Verify(Box<verify::VerifyArgs>),
    /// Appraise every file of a folder, and say which relaxations each needed
    #[command(after_help = crate::EXIT_CODES)]
    Corpus(corpus::CorpusArgs),
    /// Verify and show an attestation result that somebody signed (EAR, as JWT or CWT)
    #[command(after_help = crate::EXIT_CODES)]
    Result(result::ResultArgs),
    /// Say what a code, a relaxation or a rule of the appraisal means and what to do about it
    #[command(after_help = crate::EXIT_CODES)]
    Explain(explain::ExplainArgs),
}

/// Runs one action.
pub(crate) fn run(args: &AttestArgs, host: &dyn Host, out: &mut dyn Write) -> Result<ExitCode, CliError> {
    match &args.action {
        Action::Verify(verify) => verify::run(verify, host, out),
        Action::Corpus(corpus) => corpus::run(corpus, host, out).map(crate::done),
        Action::Result(result) => result::run(result, host, out),
        Action::Explain(explain) => explain::run(explain, out).map(crate::done),
    }
}

/// A file, but never more than a little over `most` bytes of it: the reader refuses what is longer.
fn read(path: &Path, most: usize) -> Result<Vec<u8>, CliError> {
    let failed = |error: std::io::Error| {
        CliError::new(Code::EvidenceFile, format!("{}: {error}", path.display())).caused_by(error)
    };
    let mut bytes = Vec::new();
    File::open(path).map_err(failed)?.take(most as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

/// What verifiers take, of what people store: chains as PEM, objects as base64.
fn body(family: &str, bytes: Vec<u8>) -> Vec<u8> {
    let Ok(text) = std::str::from_utf8(&bytes) else { return bytes };
    if family == glacis_attest::android::FAMILY {
        return match pem::certificates(text) {
            Some(chain) if !chain.is_empty() => chain.concat(),
            _ => bytes,
        };
    }
    if family == glacis_attest::play_integrity::FAMILY {
        return text.trim().as_bytes().to_vec();
    }
    if family == glacis_attest::apple::FAMILY {
        return any_base64(text.trim()).unwrap_or(bytes);
    }
    bytes
}

/// Hexadecimal if it is, base64 of either alphabet otherwise.
fn hex_or_base64(text: &str) -> Option<Vec<u8>> {
    parse_hex(text).or_else(|| any_base64(text))
}

/// Why something was refused, as JSON.
fn reason(refused: &AttestError) -> Value {
    json!({"code": refused.code().name(), "detail": refused.detail()})
}

/// Base64 of either alphabet, with or without padding.
fn any_base64(text: &str) -> Option<Vec<u8>> {
    parse_base64(text).or_else(|| parse_base64url(text.trim_end_matches('=')))
}

/// The vendors' keys, for nobody in particular.
fn anchors() -> Result<Anchors, CliError> {
    let tenant = TenantId::parse(LOCAL_TENANT).map_err(|error| {
        CliError::new(Code::Internal, format!("the name of the local tenant: {error}")).caused_by(error)
    })?;
    Ok(Anchors::new(Context::new(tenant, Realm::Production)))
}

/// Nobody in particular.
const LOCAL_TENANT: &str = "local";
/// Longest file that is read as evidence: PEM and base64 are longer than what they hold.
const FILE_BYTES_MAX: usize = 2 * EVIDENCE_BYTES_MAX;
