//! `glacis attest corpus`: what the verifiers make of every file of a folder.
//!
//! Each file is appraised for the challenge that it states itself, a chain of Android as of the time when its key was
//! made, with every relaxation allowed, so that the answer names what it would have needed. This says what evidence
//! *is*, never that it is fresh or ours: a replay looks like the original here.

use super::result::Kind;
use super::{FILE_BYTES_MAX, anchors, any_base64, measured, read, reason, statements};
use crate::codes::Code;
use crate::error::CliError;
use crate::output::{one_line, plain, print, print_json};
use clap::Args;
use glacis_attest::ear::{Ear, VerifyKey};
use glacis_attest::{
    Appraisal, AttestError, Constraints, Question, References, Relaxation, Revocations, Site,
};
use glacis_attest::{Code as Said, android, apple, corim, pem, soter, webauthn};
use glacis_host::Host;
use glacis_wire::Timestamp;
use glacis_wire::message::enrol::Evidence;
use glacis_wire::message::{Bytes, Text};
use serde_json::{Value, json};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Arguments of `glacis attest corpus`.
#[derive(Debug, Args)]
pub(crate) struct CorpusArgs {
    /// The folder; everything below it is read
    dir: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What a file turned out to be.
pub(super) enum Found {
    /// Nothing that a verifier knows.
    Unknown,
    /// Something that can be read and not appraised.
    Read(String),
    /// A part of evidence that vouches for itself, checked.
    Part { what: &'static str, outcome: Result<String, AttestError> },
    /// Quotes of a TPM with their registers, and whether the key beside them made them.
    Quotes(Vec<Result<String, AttestError>>),
    /// Evidence.
    Evidence { family: &'static str, at: Timestamp, outcome: Result<Box<Appraisal>, AttestError> },
}

/// Reads a folder and prints a line for each file.
pub(crate) fn run(args: &CorpusArgs, host: &dyn Host, out: &mut dyn Write) -> Result<(), CliError> {
    let mut files = Vec::new();
    collect(&args.dir, &mut files)?;
    files.sort();
    let mut rows = Vec::new();
    for path in &files {
        let bytes = read(path, FILE_BYTES_MAX)?;
        let found = recognise(&bytes, host.now())?;
        let name = path.strip_prefix(&args.dir).unwrap_or(path).to_string_lossy().into_owned();
        if args.json {
            rows.push(row(&name, &found));
        } else {
            print(out, &plain(&line(&name, &found)))?;
        }
    }
    if args.json { print_json(out, &Value::Array(rows)) } else { Ok(()) }
}

/// Files below a folder, links not followed.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), CliError> {
    let failed = |error: std::io::Error| {
        CliError::new(Code::EvidenceFile, format!("{}: {error}", folder.display())).caused_by(error)
    };
    for entry in folder.read_dir().map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let kind = entry.file_type().map_err(failed)?;
        if kind.is_dir() {
            collect(&entry.path(), files)?;
        } else if kind.is_file() {
            files.push(entry.path());
        }
    }
    Ok(())
}

fn recognise(bytes: &[u8], now: Timestamp) -> Result<Found, CliError> {
    if bytes.len() > FILE_BYTES_MAX {
        return Ok(Found::Unknown);
    }
    if let Some(found) = measured::recognise(bytes).or_else(|| written(bytes)) {
        return Ok(found);
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return Ok(binary(bytes)) };
    if let Some(chain) = pem::certificates(text)
        .filter(|chain| !chain.is_empty() && !text.trim_start().starts_with(['[', '{']))
    {
        return chain_of(&chain, now);
    }
    if let Some((object, data)) = app_attest(text) {
        return appraise(apple::FAMILY, object, &data, now);
    }
    let Ok(document) = serde_json::from_str::<Value>(text) else { return Ok(statements::token_or_key(text)) };
    if Revocations::parse_google(bytes, now).is_ok() {
        return Ok(Found::Read("revocation list".to_owned()));
    }
    if let Some(challenge) = statements::of_soter(&document) {
        return appraise(soter::FAMILY, bytes.to_vec(), &challenge, now);
    }
    if let Some(found) = statements::part_of_soter(bytes, &document, now)? {
        return Ok(found);
    }
    registration(&document, now)
}

/// Results and reference values. No key is given here, so that a signature is only named.
fn written(bytes: &[u8]) -> Option<Found> {
    let kind = Kind::of(bytes);
    match kind {
        Kind::Claims(form) => {
            if let Ok(ear) = Ear::from_bytes(bytes, form) {
                return Some(Found::Read(format!("attestation result, not signed: {}", ear.status().name())));
            }
        }
        Kind::Jwt(_) => return Some(Found::Read("signed token".to_owned())),
        Kind::Cwt(_) => {}
    }
    if let Ok(document) = corim::read(bytes) {
        return Some(Found::Read(manifest(&document)));
    }
    if let Ok(template) = corim::read_template(bytes) {
        return Some(Found::Read(format!("template of a manifest, by {}", template.entities.join(", "))));
    }
    if VerifyKey::from_jwk(bytes).is_ok() {
        return Some(Found::Read("public key, ES256".to_owned()));
    }
    matches!(kind, Kind::Cwt(_)).then(|| Found::Read("signed message".to_owned()))
}

fn manifest(document: &corim::Document) -> String {
    let values = |comids: &[corim::Comid]| comids.iter().map(|comid| comid.references.len()).sum::<usize>();
    match document {
        corim::Document::Unsigned(found) => {
            format!("manifest, not signed: reference values of {} environments", values(&found.comids))
        }
        corim::Document::Signed(found) => {
            let signer = found.signer.as_deref().unwrap_or("nobody in particular");
            let count = values(&found.corim.comids);
            format!("manifest signed in the name of {signer}: reference values of {count} environments")
        }
        corim::Document::Comid(found) => {
            format!("module: reference values of {} environments", found.references.len())
        }
        corim::Document::Evidence(found) => {
            format!("concise evidence of {} environments", found.measured.len())
        }
        corim::Document::Coserv(found) => {
            format!("query for reference values of {} environments", found.environments.len())
        }
        _ => "reference values".to_owned(),
    }
}

/// One certificate as DER.
fn binary(bytes: &[u8]) -> Found {
    match android::read_statement(bytes, true) {
        Ok(_) => Found::Read("certificate with a statement".to_owned()),
        Err(error) if error.code() == Said::NoStatement => Found::Read("certificate".to_owned()),
        Err(_) => Found::Unknown,
    }
}

fn chain_of(chain: &[Vec<u8>], now: Timestamp) -> Result<Found, CliError> {
    let statement = chain.first().map(|leaf| android::read_statement(leaf, true));
    let Some(Ok(statement)) = statement else { return Ok(Found::Read("certificates".to_owned())) };
    let lists = [&statement.software_enforced, &statement.hardware_enforced];
    let made = lists.iter().find_map(|list| list.creation_date_time);
    let at = made.map_or(now, Timestamp::from_ms);
    appraise(android::FAMILY, chain.concat(), &statement.attestation_challenge, at)
}

/// An attestation object with its client data, in a document of lines or in JSON.
fn app_attest(text: &str) -> Option<(Vec<u8>, Vec<u8>)> {
    let value = |name: &str| {
        let (_, after) =
            text.split_once(&format!("{name}:")).or_else(|| text.split_once(&format!("\"{name}\":")))?;
        let after = after.trim_start().trim_start_matches('"');
        let end = after.find(|letter: char| letter.is_whitespace() || letter == '"').unwrap_or(after.len());
        any_base64(after.get(..end)?)
    };
    let object = value("attestationBase64").or_else(|| value("attestation"))?;
    let data = value("clientDataBase64").or_else(|| value("challenge"))?;
    Some((object, data))
}

/// A registration, alone or as the member `credential`.
fn registration(document: &Value, now: Timestamp) -> Result<Found, CliError> {
    let mut credential = document.get("credential").unwrap_or(document).clone();
    let Some(response) = credential.get_mut("response") else { return Ok(Found::Unknown) };
    let mut client = None;
    for name in ["attestationObject", "clientDataJSON"] {
        let Some(bytes) = response.get(name).and_then(Value::as_str).and_then(any_base64) else {
            return Ok(Found::Unknown);
        };
        // Files in the wild hold base64 where the standard says base64url.
        if let Some(member) = response.get_mut(name) {
            *member = Value::String(glacis_seal::text::base64url(&bytes));
        }
        client = serde_json::from_slice::<Value>(&bytes).ok().or(client);
    }
    let text = |name: &str| client.as_ref().and_then(|client| client.get(name)?.as_str().map(str::to_owned));
    let challenge = text("challenge").and_then(|text| any_base64(&text)).unwrap_or_default();
    let origin = text("origin").unwrap_or_default();
    let references = References { sites: sites(&origin), ..References::default() };
    appraise_with(webauthn::FAMILY, credential.to_string().into_bytes(), &challenge, now, &references)
}

/// Every site that a page of this origin may register for: its host and the domains above it.
fn sites(origin: &str) -> Vec<Site> {
    let host = origin.split_once("://").map_or(origin, |(_, rest)| rest);
    let host = host.split([':', '/']).next().unwrap_or(host);
    let labels: Vec<&str> = host.split('.').collect();
    let domains = (0..labels.len()).filter_map(|from| labels.get(from..).map(|labels| labels.join(".")));
    domains.map(|id| Site { id, origins: vec![origin.to_owned()] }).collect()
}

fn appraise(family: &'static str, body: Vec<u8>, challenge: &[u8], at: Timestamp) -> Result<Found, CliError> {
    appraise_with(family, body, challenge, at, &References::default())
}

fn appraise_with(
    family: &'static str,
    body: Vec<u8>,
    challenge: &[u8],
    at: Timestamp,
    references: &References,
) -> Result<Found, CliError> {
    let evidence = Evidence { family: Text(family.to_owned()), body: Bytes(body) };
    let outcome = asking(challenge, at, references, |question| glacis_attest::appraise(&evidence, question))?;
    Ok(Found::Evidence { family, at, outcome: outcome.map(Box::new) })
}

/// Asks with every relaxation allowed.
pub(super) fn asking<T>(
    challenge: &[u8],
    now: Timestamp,
    references: &References,
    ask: impl FnOnce(&Question<'_>) -> T,
) -> Result<T, CliError> {
    let allow = Relaxation::ALL.iter().copied().collect();
    Ok(ask(&Question {
        anchors: &anchors()?,
        references,
        revocations: None,
        constraints: &Constraints { allow, ..Constraints::default() },
        challenge,
        device_key: None,
        activation: None,
        now,
    }))
}

/// One line for each thing that was found; names and details are other people's and break none.
fn line(name: &str, found: &Found) -> String {
    let refused = |what: &str, error: &AttestError| {
        format!("refused   {name}: {what}: {} {}", error.code(), error.detail())
    };
    let lines = match found {
        Found::Unknown => vec![format!("unknown   {name}")],
        Found::Read(what) => vec![format!("parsed    {name}: {what}")],
        Found::Part { what, outcome: Ok(said) } => vec![format!("verified  {name}: {what}: {said}")],
        Found::Part { what, outcome: Err(error) } => vec![refused(what, error)],
        Found::Quotes(quotes) => quotes
            .iter()
            .map(|quote| match quote {
                Ok(what) => format!("verified  {name}: tpm quote: {what}"),
                Err(error) => refused("tpm quote", error),
            })
            .collect(),
        Found::Evidence { family, outcome: Err(error), .. } => vec![refused(family, error)],
        Found::Evidence { family, outcome: Ok(found), .. } => {
            let reasons = found.reasons.iter().map(|reason| match &*reason.detail {
                "" => reason.code.name().to_owned(),
                detail => format!("{} ({detail})", reason.code),
            });
            let reasons: Vec<String> = reasons.collect();
            vec![format!("verified  {name}: {family}: {}; {}", found.status().name(), reasons.join(", "))]
        }
    };
    let lines = lines.iter().map(|line| one_line(line).trim_end_matches([';', ' ']).to_owned());
    lines.collect::<Vec<_>>().join("\n")
}

fn row(name: &str, found: &Found) -> Value {
    match found {
        Found::Unknown => json!({"file": name, "outcome": "unknown"}),
        Found::Read(what) => json!({"file": name, "outcome": "parsed", "what": what}),
        Found::Part { what, outcome: Ok(said) } => {
            json!({"file": name, "outcome": "verified", "what": format!("{what}: {said}")})
        }
        Found::Part { what, outcome: Err(refused) } => {
            json!({"file": name, "outcome": "refused", "what": what, "reasons": [reason(refused)]})
        }
        Found::Quotes(quotes) => {
            let each = quotes.iter().map(|quote| match quote {
                Ok(what) => json!({"outcome": "verified", "what": what}),
                Err(refused) => {
                    json!({"outcome": "refused", "reasons": [reason(refused)]})
                }
            });
            let outcome = if quotes.iter().all(Result::is_ok) { "verified" } else { "refused" };
            json!({"file": name, "outcome": outcome, "quotes": each.collect::<Vec<Value>>()})
        }
        Found::Evidence { family, at, outcome } => {
            let (word, status, reasons): (_, _, Vec<Value>) = match outcome {
                Ok(found) => {
                    let reasons = found.reasons.iter();
                    let reasons = reasons.map(|one| json!({"code": one.code.name(), "detail": one.detail}));
                    ("verified", Some(found.status().name()), reasons.collect())
                }
                Err(refused) => ("refused", None, vec![reason(refused)]),
            };
            json!({
                "file": name, "outcome": word, "family": family, "at": at.rfc3339(), "status": status,
                "reasons": reasons,
            })
        }
    }
}
