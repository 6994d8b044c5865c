//! `glacis policy prove`: that the slices which a publish would sign mean the policy that was written.
//!
//! Needs no installation and no key. The answer is no where a theorem is refuted, and also where one is not proven:
//! what was not covered is named, and such a policy is not published either. Whether the policy is a good one is not
//! asked here.

use super::source::{Folder, Folders};
use super::test::compiled;
use crate::codes::{Code, FAILED};
use crate::error::CliError;
use crate::output::{plain, print, print_json};
use clap::Args;
use glacis_cloud::policy::digest_of;
use glacis_compiler::Compiled;
use glacis_host::Host;
use glacis_policy::Binding;
use glacis_proof::prove::{Counts, Limits, Open, Proof, Reason, Standing, Theorem, prove};
use glacis_wire::Zone;
use serde_json::{Value, json};
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

/// Arguments of `glacis policy prove`.
#[derive(Debug, Args)]
pub(crate) struct ProveArgs {
    #[command(flatten)]
    folders: Folders,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// One policy and what was proven of it.
struct Proved {
    folder: Folder,
    compiled: Compiled,
    bytes: [usize; 3],
    proof: Proof,
    took: Duration,
}

/// Proves every folder.
pub(crate) fn run(args: &ProveArgs, host: &dyn Host, out: &mut dyn Write) -> Result<ExitCode, CliError> {
    let mut all = Vec::new();
    for folder in args.folders.read()? {
        let compiled = compiled(&folder)?;
        let start = host.monotonic();
        let (bytes, proof) = proof_of(&compiled);
        let took = host.monotonic().saturating_sub(start);
        let proved = Proved { folder, compiled, bytes, proof, took };
        if !args.json {
            print(out, &text_of(&proved))?;
        }
        all.push(proved);
    }
    let ok = all.iter().all(|proved| proved.proof.is_proven());
    if args.json {
        let policies: Vec<Value> = all.iter().map(json_of).collect();
        print_json(out, &json!({ "ok": ok, "policies": policies }))?;
    }
    Ok(if ok { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
}

/// Refuses a policy that is not proven, as a publish does.
pub(crate) fn demand(folder: &Folder, compiled: &Compiled) -> Result<(), CliError> {
    match proof_of(compiled).1.why_not() {
        None => Ok(()),
        Some(why) => {
            Err(CliError::new(Code::NotProven, format!("{}: not proven: {}", folder.name, plain(&why))))
        }
    }
}

/// Sizes and proof of the slices of a policy; whom they are bound to changes nothing of it.
fn proof_of(compiled: &Compiled) -> ([usize; 3], Proof) {
    let slices = compiled.slices(&Binding::unbound(digest_of(compiled)));
    let proof = prove(compiled, slices.each_ref().map(Vec::as_slice), Limits::default());
    (slices.map(|bytes| bytes.len()), proof)
}

const fn standing(theorem: &Theorem) -> &'static str {
    match theorem.standing() {
        Standing::Proven => "proven",
        Standing::Refuted => "refuted",
        Standing::NotProven => "not proven",
    }
}

fn text_of(proved: &Proved) -> String {
    let Proved { folder, compiled, bytes: [device, edge, cloud], proof, took } = proved;
    let rules = compiled.checked().rules().len();
    let mut lines = vec![format!(
        "{}: policy `{}`, {rules} rules; slices of {device}, {edge} and {cloud} bytes; {} ms",
        plain(&folder.name),
        compiled.name(),
        took.as_millis()
    )];
    for theorem in &proof.theorems {
        let counts: Vec<String> =
            counted(theorem.checked).map(|(what, count)| format!("{count} {what}")).collect();
        lines.push(format!("  {:<12} {:<10} {}", theorem.claim.name(), standing(theorem), counts.join(", ")));
        lines.extend(theorem.refuted.iter().map(|reason| format!("      {}", plain(&reason.to_string()))));
        lines.extend(theorem.open.iter().map(|open| format!("      {}", plain(&open.to_string()))));
    }
    lines.join("\n")
}

/// What was looked at, without what was not.
fn counted(counts: Counts) -> impl Iterator<Item = (&'static str, usize)> {
    let Counts { rules, atoms, classes, rows, tables, nodes, cases } = counts;
    let all = [
        ("rules", rules),
        ("atoms", atoms),
        ("classes", classes),
        ("rows", rows),
        ("tables", tables),
        ("nodes", nodes),
        ("cases", cases),
    ];
    all.into_iter().filter(|(_, count)| *count > 0)
}

fn json_of(proved: &Proved) -> Value {
    let theorem = |theorem: &Theorem| {
        json!({
            "claim": theorem.claim.name(),
            "result": standing(theorem),
            "checked": counted(theorem.checked).collect::<std::collections::BTreeMap<_, _>>(),
            "refuted": theorem.refuted.iter().map(reason_json).collect::<Vec<_>>(),
            "open": theorem.open.iter().map(open_json).collect::<Vec<_>>(),
        })
    };
    let [device, edge, cloud] = proved.bytes;
    json!({
        "folder": proved.folder.name,
        "name": proved.compiled.name(),
        "digest": digest_of(&proved.compiled).to_string(),
        "proven": proved.proof.is_proven(),
        "bytes": { "device": device, "edge": edge, "cloud": cloud },
        "took_ms": u64::try_from(proved.took.as_millis()).unwrap_or(u64::MAX),
        "theorems": proved.proof.theorems.iter().map(theorem).collect::<Vec<_>>(),
    })
}

fn reason_json(reason: &Reason) -> Value {
    json!({
        "slice": reason.zone.map(Zone::name),
        "rule": reason.rule,
        "subject": reason.subject,
        "bytes": reason.bytes,
        "policy": reason.policy,
    })
}

fn open_json(open: &Open) -> Value {
    json!({ "slice": open.zone.map(Zone::name), "rule": open.rule, "what": open.what, "limit": open.limit })
}
