//! `glacis policy test`: golden decisions, each with what was expected and what came out.
//!
//! Cases run in the reference interpreter, on the meaning of the policy. The answer is no where a case does not
//! hold or the policy does not compile; a policy without cases is refused, since it would pass any test.

use super::check::errors_text;
use super::coverage;
use super::source::{Folder, Folders};
use crate::codes::{Code, FAILED};
use crate::error::CliError;
use crate::output::{plain, print, print_json};
use clap::Args;
use glacis_compiler::{CaseResult, Compiled};
use serde_json::{Value, json};
use std::io::Write;
use std::process::ExitCode;

/// Arguments of `glacis policy test`.
#[derive(Debug, Args)]
pub(crate) struct TestArgs {
    #[command(flatten)]
    folders: Folders,
    /// Also show what the cases cover, and which small changes of the policy none of them would notice
    #[arg(long)]
    coverage: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs the cases of every folder.
pub(crate) fn run(args: &TestArgs, out: &mut dyn Write) -> Result<ExitCode, CliError> {
    let mut results = Vec::new();
    for folder in args.folders.read()? {
        let compiled = compiled(&folder)?;
        let cases = compiled.run_cases();
        if cases.is_empty() {
            let what = format!("{}: there are no cases, so there is nothing to test", folder.name);
            return Err(CliError::new(Code::PolicyFolder, what)
                .help("write cases.toml; docs/guide/policies.md says how"));
        }
        results.push(Tested { folder, compiled, cases });
    }
    let failed = results.iter().flat_map(|tested| &tested.cases).filter(|case| !case.holds()).count();
    let passed = results.iter().flat_map(|tested| &tested.cases).count() - failed;
    if args.json {
        let policy = |tested: &Tested| tested.json(args.coverage);
        let policies: Vec<Value> = results.iter().map(policy).collect();
        print_json(
            out,
            &json!({ "ok": failed == 0, "passed": passed, "failed": failed, "policies": policies }),
        )?;
    } else {
        for Tested { folder, compiled, cases } in &results {
            cases.iter().try_for_each(|case| print(out, &case_text(folder, case)))?;
            if args.coverage {
                print(out, &plain(&coverage::text(compiled, &coverage::report(compiled))))?;
            }
        }
        print(out, &format!("{passed} passed, {failed} failed"))?;
    }
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
}

/// One policy with what its cases came to.
struct Tested {
    folder: Folder,
    compiled: Compiled,
    cases: Vec<CaseResult>,
}

impl Tested {
    fn json(&self, with_coverage: bool) -> Value {
        let cases: Vec<Value> = self.cases.iter().map(case_json).collect();
        let mut shown = json!({ "folder": self.folder.name, "name": self.compiled.name(), "cases": cases });
        if let Some(shown) = shown.as_object_mut().filter(|_| with_coverage) {
            let report = coverage::report(&self.compiled);
            shown.insert("coverage".to_owned(), coverage::json(&self.compiled, &report));
        }
        shown
    }
}

/// Compiles, with every diagnostic in the error.
pub(crate) fn compiled(folder: &Folder) -> Result<Compiled, CliError> {
    folder.compile().map_err(|found| CliError::new(Code::PolicyInvalid, errors_text(folder, &found)))
}

fn case_text(folder: &Folder, result: &CaseResult) -> String {
    let name = plain(&result.case.name);
    if result.holds() {
        return format!("ok    {name}");
    }
    let file = folder.cases.as_ref().map_or("cases.toml", |file| file.name.as_str());
    let mut shown = format!("FAIL  {name}\n      {}:{}", plain(file), result.case.line);
    for (what, expected, got) in differences(result) {
        shown.push_str(&format!("\n      {what}: expected {expected}, got {got}"));
    }
    shown
}

fn case_json(result: &CaseResult) -> Value {
    let (case, whole) = (&result.case, &result.whole);
    let mut matched = whole.matched.clone();
    matched.sort_unstable();
    let expected = json!({
        "verdict": case.verdict.to_string(),
        "reasons": case.reasons,
        "obligations": case.obligations.map(duties),
    });
    let got = json!({
        "verdict": whole.verdict.to_string(),
        "reasons": matched,
        "obligations": duties(whole.obligations),
    });
    json!({ "name": case.name, "line": case.line, "ok": result.holds(), "expected": expected, "got": got })
}

/// What a case states and what came out, where they differ.
fn differences(result: &CaseResult) -> Vec<(&'static str, String, String)> {
    let (case, whole) = (&result.case, &result.whole);
    let mut matched = whole.matched.clone();
    matched.sort_unstable();
    let set = |names: &[String]| format!("[{}]", names.join(", "));
    let rows = [
        ("verdict", Some(case.verdict.to_string()), whole.verdict.to_string()),
        ("reasons", case.reasons.as_deref().map(set), set(&matched)),
        ("obligations", case.obligations.map(|wanted| set(&duties(wanted))), set(&duties(whole.obligations))),
    ];
    let differs = |(what, expected, got): (&'static str, Option<String>, String)| {
        expected.filter(|expected| *expected != got).map(|expected| (what, expected, got))
    };
    rows.into_iter().filter_map(differs).collect()
}

fn duties(obligations: glacis_policy::Obligations) -> Vec<String> {
    obligations.iter().map(|duty| duty.name().to_owned()).collect()
}
