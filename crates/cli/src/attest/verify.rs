//! `glacis attest verify`: one piece of evidence against what is expected of it.
//!
//! The arguments become one question of the library; the answer is printed as it is. Hardware ids are among the claims:
//! who runs this has the evidence anyway.

use super::result::{Appraised, SignArgs};
use super::{FILE_BYTES_MAX, LOCAL_TENANT, body, hex_or_base64, read, reason};
use crate::codes::Code;
use crate::collateral::key_of;
use crate::error::CliError;
use crate::output::{one_line, plain, print, print_json};
use crate::time::Moment;
use clap::Args;
use glacis_attest::collateral::{COLLATERAL_BYTES_MAX, Mark, danger_unverified};
use glacis_attest::play_integrity::PlayKeys;
use glacis_attest::standing::{self, Goal};
use glacis_attest::{
    Anchors, AndroidApp, Appraisal, AttestError, Collateral, CollateralError, Constraints, Question,
    References, Relaxation, Released, Revocations, Site, Status, cmw, ear, named, tpm,
};
use glacis_host::Host;
use glacis_seal::text::parse_hex;
use glacis_seal::{Context, sha256};
use glacis_wire::message::enrol::Evidence;
use glacis_wire::message::tpm::TpmEvidence;
use glacis_wire::message::{Bytes, PublicKey, Text};
use glacis_wire::{Decode, Realm, TenantId, Timestamp};
use serde_json::{Map, Value, json};
use std::fmt::Write as _;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Arguments of `glacis attest verify`.
#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// Which verifier: android-key, app-attest, play-integrity, soter, tpm, webauthn; a wrapped record names its own
    #[arg(long)]
    family: Option<String>,
    /// The evidence: a chain as PEM or DER; an attestation object, also as base64; a registration or parts of SOTER as JSON;
    /// a token; what a TPM proves, as it is sent; or any of them in a record (RATS CMW, JSON or CBOR)
    #[arg(long, value_name = "FILE")]
    evidence: PathBuf,
    /// Whose challenge it was (tpm; soter and play-integrity with --device-key)
    #[arg(long, value_name = "NAME", default_value = LOCAL_TENANT)]
    tenant: String,
    /// In which realm: production, demo (as --tenant)
    #[arg(long, value_name = "REALM", default_value = "production")]
    realm: String,
    /// Certificates or public keys, as PEM or DER, whose keys are trusted as a maker's (soter, tpm, webauthn); may be
    /// repeated
    #[arg(long, value_name = "FILE")]
    anchor: Vec<PathBuf>,
    /// The two keys of an app that the Play Console shows, decryption key first, a line each (play-integrity)
    #[arg(long, value_name = "FILE")]
    play_keys: Vec<PathBuf>,
    /// The device key that the evidence must be about: a P-256 point of 65 bytes in hexadecimal; any if it is not given
    #[arg(long, value_name = "HEX")]
    device_key: Option<String>,
    /// The secret that was in the credential for these keys, in hexadecimal (tpm)
    #[arg(long, value_name = "HEX")]
    activation: Option<String>,
    /// What the evidence must have been made for, in hexadecimal or base64
    #[arg(long, value_name = "HEX|BASE64")]
    challenge: String,
    /// As of when (UTC, such as 2026-01-31T12:00:00Z); now if it is not given
    #[arg(long, value_name = "RFC3339")]
    at: Option<Moment>,
    /// Google's revocation list, as published and as fresh as --at; or signed collateral, which then says all that is
    /// trusted and expected (needs --collateral-key)
    #[arg(long, value_name = "FILE")]
    collateral: Option<PathBuf>,
    /// The public key that must have signed the collateral
    #[arg(long, value_name = "FILE", requires = "collateral")]
    collateral_key: Option<PathBuf>,
    /// What is expected: app=NAME, signer=SHA256, site=DOMAIN, origin=URL, boot-key=HEX, patch-level=YYYYMM,
    /// boot-authority=SHA256
    #[arg(long, value_name = "NAME=VALUE,…", value_delimiter = ',')]
    expect: Vec<String>,
    /// A relaxation that may be used, such as danger_expired; may be repeated
    #[arg(long, value_name = "NAME")]
    allow: Vec<String>,
    #[command(flatten)]
    sign: SignArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Appraises and prints.
pub(crate) fn run(args: &VerifyArgs, host: &dyn Host, out: &mut dyn Write) -> Result<ExitCode, CliError> {
    // Arguments first: wrong usage is said before any file is read.
    let named = args.family.as_deref();
    named.map_or(Ok(()), known)?;
    let challenge = challenge(&args.challenge)?;
    args.sign.check()?;
    let device_key = args.device_key.as_deref().map(device_key).transpose()?;
    let now = args.at.map_or_else(|| host.now(), |at| at.at(host.now()));
    references(&args.expect, named.unwrap_or_default())?;
    let allow = args.allow.iter().map(|name| relaxation(name)).collect::<Result<_, _>>()?;
    let evidence = evidence(args)?;
    let family = evidence.family.0.as_str();
    known(family)?;
    let references = references(&args.expect, family)?;
    let given = args.collateral.as_deref().map(|path| given(path, args, now)).transpose()?;
    let revocations = match &given {
        Some(Given::List(list)) => Some(list),
        Some(Given::Collateral(..)) | None => None,
    };
    let released = args.activation.as_deref().map(|secret| released(secret, &evidence)).transpose()?;
    let question = Question {
        anchors: &anchored(args)?,
        references: &references,
        revocations,
        constraints: &Constraints { allow, ..Constraints::default() },
        challenge: &challenge,
        device_key: device_key.as_ref(),
        activation: released.as_ref(),
        now,
    };
    let outcome = match &given {
        Some(Given::Collateral(collateral, _)) => collateral.appraise(&evidence, &question),
        _ => glacis_attest::appraise(&evidence, &question),
    };
    let affirming = outcome.as_ref().is_ok_and(|found| found.status() == Status::Affirming);
    let rests_on = named_collateral(given.as_ref());
    let appraised = Appraised { family, outcome: &outcome, collateral: &rests_on, at: now, now: host.now() };
    if args.sign.run(&appraised, out)? {
        // The result says it all.
    } else if args.json {
        print_json(out, &document(family, now, &outcome)?)?;
    } else {
        print(out, plain(&text(family, now, &outcome)?).trim_end())?;
    }
    Ok(if affirming { ExitCode::SUCCESS } else { ExitCode::from(crate::codes::FAILED) })
}

fn known(family: &str) -> Result<(), CliError> {
    if glacis_attest::FAMILIES.contains(&family) {
        return Ok(());
    }
    let known = glacis_attest::FAMILIES.join(", ");
    Err(usage(format!("--family: `{family}` is none of {known}")))
}

/// The evidence, out of its record if it is in one.
fn evidence(args: &VerifyArgs) -> Result<Evidence, CliError> {
    let bytes = read(&args.evidence, FILE_BYTES_MAX)?;
    let wrapped = cmw::read_record(&bytes);
    if let (Ok(Some(found)), family) = (&wrapped, &args.family) {
        if family.as_ref().is_some_and(|family| *family != found.family.0) {
            return Err(usage(format!("--family: the record says `{}`", found.family.0)));
        }
        let body = Bytes(body(&found.family.0, found.body.0.clone()));
        return Ok(Evidence { family: found.family.clone(), body });
    }
    match (&args.family, wrapped) {
        (Some(family), _) => Ok(Evidence { family: Text(family.clone()), body: Bytes(body(family, bytes)) }),
        (None, Err(refused)) => Err(usage(format!("{}: {refused}", args.evidence.display()))),
        (None, Ok(_)) => Err(usage("--family: not given, and the evidence is in no record that names it")),
    }
}

/// The vendors' keys and those that are given.
fn anchored(args: &VerifyArgs) -> Result<Anchors, CliError> {
    let tenant = TenantId::parse(&args.tenant).map_err(|error| usage(format!("--tenant: {error}")))?;
    let realm = match args.realm.as_str() {
        "production" => Realm::Production,
        "demo" => Realm::Demo,
        other => return Err(usage(format!("--realm: `{other}` is none of production, demo"))),
    };
    let mut anchors = Anchors::new(Context::new(tenant, realm));
    for path in &args.anchor {
        let keys = glacis_attest::anchors(&read(path, FILE_BYTES_MAX)?).filter(|keys| !keys.is_empty());
        let keys = keys
            .ok_or_else(|| usage(format!("--anchor: {}: not certificates or public keys", path.display())))?;
        let roots = &mut anchors.roots;
        for roots in [&mut roots.tpm, &mut roots.platforms, &mut roots.authenticators, &mut roots.soter] {
            roots.extend(keys.iter().cloned());
        }
    }
    for path in &args.play_keys {
        let bytes = read(path, FILE_BYTES_MAX)?;
        let keys = std::str::from_utf8(&bytes).ok().and_then(PlayKeys::parse_lines);
        anchors.play_integrity.push(keys.ok_or_else(|| {
            usage(format!("--play-keys: {}: not a decryption key and a verification key", path.display()))
        })?);
    }
    Ok(anchors)
}

fn device_key(text: &str) -> Result<PublicKey, CliError> {
    let key = parse_hex(text).and_then(|bytes| bytes.try_into().ok()).map(PublicKey);
    key.ok_or_else(|| usage("--device-key: not 65 bytes in hexadecimal"))
}

/// The secret of the credential that was made for the keys in this evidence.
fn released(secret: &str, evidence: &Evidence) -> Result<Released, CliError> {
    let secret = parse_hex(secret).and_then(|bytes| bytes.try_into().ok());
    let secret = secret.ok_or_else(|| usage("--activation: not 32 bytes in hexadecimal"))?;
    let of_a_tpm = Some(&evidence.body).filter(|_| *evidence.family.0 == *tpm::FAMILY);
    let found = of_a_tpm.and_then(|body| TpmEvidence::from_bytes(body).ok());
    // What cannot be read is refused when it is appraised, for whatever identity.
    let identity = found.map_or_else(|| sha256(&[]), |found| tpm::identity_digest(&found.identity));
    Ok(Released { identity, secret })
}

/// The outcome as JSON.
pub(super) fn document(
    family: &str,
    now: Timestamp,
    outcome: &Result<Appraisal, AttestError>,
) -> Result<Value, CliError> {
    let at = now.rfc3339();
    let found = match outcome {
        Ok(found) => found,
        Err(refused) => {
            return Ok(json!({
                "family": family, "status": "refused", "verified_at": at, "reasons": [reason(refused)],
            }));
        }
    };
    let vector: Map<String, Value> =
        named(&found.vector).into_iter().map(|(name, claim)| (name.to_owned(), claim.into())).collect();
    let reasons: Vec<Value> = found
        .reasons
        .iter()
        .map(|reason| json!({"code": reason.code.name(), "detail": reason.detail}))
        .collect();
    Ok(json!({
        "family": found.family,
        "status": found.status().name(),
        "vector": vector,
        "tier": found.tier.name(),
        "trust": found.trust.name(),
        "facts": found.facts.json(),
        "kept_by": found.kept_by.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "policy": standing::policy_id(),
        "verified_at": at,
        "not_after": found.not_after.rfc3339(),
        "reasons": reasons,
        "relaxed": found.relaxed.iter().map(|relaxation| relaxation.name()).collect::<Vec<_>>(),
        "anchor": found.basis.anchor.map(|anchor| anchor.to_string()),
        "collateral": found.basis.collateral,
        "claims": found.claims.json()?,
    }))
}

fn text(family: &str, now: Timestamp, outcome: &Result<Appraisal, AttestError>) -> Result<String, CliError> {
    let mut shown = String::new();
    let found = match outcome {
        Ok(found) => found,
        Err(refused) => {
            let _ = writeln!(shown, "refused   {family}, as of {}", now.rfc3339());
            let _ = writeln!(shown, "reason    {}: {}", refused.code(), refused.code().what());
            if !refused.detail().is_empty() {
                let _ = writeln!(shown, "detail    {}", one_line(refused.detail()));
            }
            let _ = writeln!(shown, "help      {}", refused.code().cure());
            return Ok(shown);
        }
    };
    let _ = writeln!(shown, "{:<9} {family}, as of {}", found.status().name(), now.rfc3339());
    let _ = writeln!(shown, "tier      {}, its word is {}", found.tier.name(), found.trust.name());
    for goal in Goal::ALL {
        let kept = found.kept_by.iter().filter(|kept| kept.from == goal).map(|kept| kept.rule);
        let kept: Vec<&str> = kept.collect();
        if !kept.is_empty() {
            let _ = writeln!(shown, "kept      from {} by {}", goal.name(), kept.join(", "));
        }
    }
    let claims = named(&found.vector).into_iter().filter(|(_, claim)| *claim != 0);
    let claims: Vec<String> = claims.map(|(name, claim)| format!("{name} {claim}")).collect();
    let _ = writeln!(
        shown,
        "vector    {}",
        if claims.is_empty() { "no claim".into() } else { claims.join(", ") }
    );
    for reason in &found.reasons {
        let detail =
            if reason.detail.is_empty() { String::new() } else { format!(" ({})", one_line(&reason.detail)) };
        let _ = writeln!(shown, "reason    {}: {}{detail}", reason.code, reason.code.what());
    }
    let _ = writeln!(shown, "good to   {}", found.not_after.rfc3339());
    let claims = serde_json::to_string_pretty(&found.claims.json()?)?;
    let _ = writeln!(shown, "\n{claims}");
    Ok(shown)
}

/// Hexadecimal if it is, base64 of either alphabet otherwise.
fn challenge(text: &str) -> Result<Vec<u8>, CliError> {
    hex_or_base64(text).ok_or_else(|| usage("--challenge: neither hexadecimal nor base64"))
}

fn relaxation(name: &str) -> Result<Relaxation, CliError> {
    Relaxation::from_name(name).ok_or_else(|| {
        let known: Vec<&str> = Relaxation::ALL.iter().map(|relaxation| relaxation.name()).collect();
        usage(format!("--allow: `{name}` is none of {}", known.join(", ")))
    })
}

/// What `--collateral` names.
enum Given {
    List(Revocations),
    Collateral(Box<Collateral>, Mark),
}

/// Signed collateral, as a result names it.
fn named_collateral(given: Option<&Given>) -> Vec<ear::Collateral> {
    let Some(Given::Collateral(found, mark)) = given else { return Vec::new() };
    vec![ear::Collateral {
        name: "collateral".to_owned(),
        version: Some(mark.version),
        as_of: Some(found.life.made_at),
        digest: Some(mark.digest),
    }]
}

/// What reads as collateral is collateral; anything else has to be a list.
fn given(path: &Path, args: &VerifyArgs, now: Timestamp) -> Result<Given, CliError> {
    let bytes = read(path, COLLATERAL_BYTES_MAX)?;
    let stated = danger_unverified(&bytes);
    match (&args.collateral_key, stated.is_err()) {
        (None, true) => revocations(path, &bytes, now).map(Given::List),
        (None, false) => Err(usage("--collateral: signed collateral needs --collateral-key")),
        (Some(_), _) if !args.expect.is_empty() || !args.anchor.is_empty() => Err(usage(
            "--collateral: signed collateral says what is expected and anchored; leave --expect and --anchor out",
        )),
        (Some(_), true) => {
            Err(usage(format!("--collateral-key: `{}` is no signed collateral", path.display())))
        }
        (Some(key), false) => {
            let key = key_of(key)?;
            let refused = |error: CollateralError| {
                let what = format!("--collateral: {}: {error}", path.display());
                CliError::new(Code::Argument, what).caused_by(error)
            };
            let context = stated.map_err(refused)?.context;
            let (found, mark) = Collateral::open(&bytes, &context, &key).map_err(refused)?;
            Ok(Given::Collateral(Box::new(found), mark))
        }
    }
}

fn revocations(path: &Path, bytes: &[u8], now: Timestamp) -> Result<Revocations, CliError> {
    Revocations::parse_google(bytes, now).map_err(|error| {
        CliError::new(Code::Argument, format!("--collateral: {}: {}", path.display(), error.detail()))
            .caused_by(error)
    })
}

/// What is expected, of `NAME=VALUE`.
fn references(expected: &[String], family: &str) -> Result<References, CliError> {
    let mut found = References::default();
    let (mut apps, mut signers) = (Vec::new(), Vec::new());
    let (mut sites, mut origins) = (Vec::new(), Vec::new());
    for pair in expected {
        let unusable = || usage(format!("--expect: `{pair}` cannot be used"));
        let (name, value) = pair.split_once('=').ok_or_else(unusable)?;
        match name {
            "app" => apps.push(value.to_owned()),
            "signer" => {
                let digest = parse_hex(value).and_then(|bytes| bytes.as_slice().try_into().ok());
                signers.push(digest.ok_or_else(unusable)?);
            }
            "site" => sites.push(value.to_owned()),
            "origin" => origins.push(value.to_owned()),
            "boot-authority" => {
                let digest = parse_hex(value).and_then(|bytes| bytes.as_slice().try_into().ok());
                found.boot_authorities.push(digest.ok_or_else(unusable)?);
            }
            "boot-key" => found.boot_keys.push(parse_hex(value).ok_or_else(unusable)?),
            "patch-level" => found.patch_level_min = Some(value.parse().map_err(|_| unusable())?),
            _ => return Err(unusable()),
        }
    }
    if family == glacis_attest::apple::FAMILY {
        found.apple_apps = apps;
    } else {
        let app = |package| AndroidApp { package, signers: signers.clone() };
        found.android_apps = apps.into_iter().map(app).collect();
    }
    let site = |id| Site { id, origins: origins.clone() };
    found.sites = sites.into_iter().map(site).collect();
    Ok(found)
}

fn usage(what: impl Into<String>) -> CliError {
    CliError::new(Code::Argument, what)
}
