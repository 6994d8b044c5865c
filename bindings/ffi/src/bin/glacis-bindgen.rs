//! Writes the bindings: `glacis-bindgen python|kotlin|swift LIBRARY OUT`. Everything of interest is UniFFI's.
//!
//! `LIBRARY` is the shared library as cargo built it; the interface is read from it, so that the bindings are of exactly
//! that one. Where `OUT` is, is the caller's business: nothing generated is committed.

use std::process::ExitCode;
use uniffi::{GenerateOptions, TargetLanguage, generate};

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [language, library, out] = args.as_slice() else { return usage() };
    let language = match language.as_str() {
        "python" => TargetLanguage::Python,
        "kotlin" => TargetLanguage::Kotlin,
        "swift" => TargetLanguage::Swift,
        _ => return usage(),
    };
    let options = GenerateOptions {
        languages: vec![language],
        source: library.into(),
        out_dir: out.into(),
        config_override: Some(concat!(env!("CARGO_MANIFEST_DIR"), "/uniffi.toml").into()),
        crate_filter: Some(String::from("glacis_ffi")),
        ..GenerateOptions::default()
    };
    match generate(options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("glacis-bindgen: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn usage() -> ExitCode {
    eprintln!("usage: glacis-bindgen python|kotlin|swift LIBRARY OUT");
    ExitCode::from(2)
}
