//! `bench size`: what the engine adds to a library, stripped, as small as an app would ship it.
//!
//! Two libraries of one profile are built, one that loads and runs a slice and one with nothing in it; the bar is on
//! the difference, since what an empty library weighs is the toolchain's.

use crate::error::Failure;
use crate::files;
use crate::options::Options;
use crate::process::{Job, Show};
use serde_json::{Value, json};
use std::time::Duration;

/// What the bench is called by.
pub(super) const NAME: &str = "size";

/// Most bytes that the engine adds. Source: acceptance of the engine.
const ADDED_BYTES_MAX: u64 = 150_000;
const WITH: &str = "glacis-size-with";
const EMPTY: &str = "glacis-size-empty";
/// Longest build.
const LIMIT: Duration = Duration::from_secs(600);

/// Builds and weighs both.
pub(super) fn run(mut options: Options) -> Result<bool, Failure> {
    let wants_json = options.flag("--json");
    options.finish()?;
    let (with, empty) = (weigh(WITH)?, weigh(EMPTY)?);
    let added = with.saturating_sub(empty);
    let holds = added <= ADDED_BYTES_MAX;
    let outcome = if holds { "holds" } else { "MISSED" };
    println!(
        "{with} bytes with the engine, {empty} without: it adds {added}, bar {ADDED_BYTES_MAX}: {outcome}"
    );
    if wants_json {
        let bytes = json!({"with": with, "empty": empty, "added": added});
        println!("{}", json!({"bench": NAME, "bytes": bytes, "bar": ADDED_BYTES_MAX, "holds": holds}));
    }
    Ok(holds)
}

/// Bytes of the library that `package` builds to.
fn weigh(package: &str) -> Result<u64, Failure> {
    let args = ["build", "--locked", "--manifest-path", "bench/Cargo.toml", "--profile", "size"];
    let args = [&args[..], &["--package", package, "--message-format", "json-render-diagnostics"]].concat();
    let done = Job::cargo().args(args).dir(&files::root()?).limit(LIMIT).show(Show::Errors).run()?;
    if !done.success {
        return Err(Failure::new(format!("{package} does not build: {}", done.how)));
    }
    let library = library(&done.stdout, package)
        .ok_or_else(|| Failure::new(format!("cargo does not say where the library of {package} is")))?;
    let file = std::fs::metadata(&library).map_err(Failure::doing(format!("cannot weigh {library}")))?;
    Ok(file.len())
}

/// The file that cargo built `package` to, from what it prints as JSON, one message a line.
fn library(messages: &str, package: &str) -> Option<String> {
    let name = package.replace('-', "_");
    messages.lines().find_map(|line| {
        let message: Value = serde_json::from_str(line).ok()?;
        let text = |path| message.pointer(path).and_then(Value::as_str);
        if text("/reason") != Some("compiler-artifact") || text("/target/name") != Some(&name) {
            return None;
        }
        let files = message.pointer("/filenames")?.as_array()?;
        files.iter().filter_map(Value::as_str).find(|file| file.ends_with(".so")).map(str::to_owned)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_library_is_found_among_messages() {
        let messages = r#"{"reason":"compiler-artifact","target":{"name":"glacis_policy"},"filenames":["/t/libglacis_policy.rlib"]}
not json
{"reason":"compiler-artifact","target":{"name":"glacis_size_with"},"filenames":["/t/libglacis_size_with.so"]}"#;
        assert_eq!(library(messages, WITH).as_deref(), Some("/t/libglacis_size_with.so"));
        assert_eq!(library(messages, EMPTY), None);
    }
}
