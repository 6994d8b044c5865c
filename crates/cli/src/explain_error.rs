//! `glacis explain-error`: every code that this command or the compiler can print, at length.
//!
//! Two tables, one output: the command's own codes ([`Code`]) and the compiler's
//! ([`CODES`](glacis_compiler::codes::CODES)).

use crate::codes::Code;
use crate::error::CliError;
use crate::output::{print, print_json};
use clap::Args;
use glacis_compiler::codes::CODES;
use glacis_compiler::diagnostic::nearest;
use serde_json::{Value, json};
use std::io::Write;

/// Arguments of `glacis explain-error`.
#[derive(Debug, Args)]
pub(crate) struct ExplainErrorArgs {
    /// The code, such as G4007
    #[arg(required_unless_present = "list", conflicts_with = "list")]
    code: Option<String>,
    /// Print all codes with their titles
    #[arg(long)]
    list: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// One code of either table.
#[derive(Debug)]
struct Entry {
    code: &'static str,
    title: &'static str,
    cause: &'static str,
    remedy: &'static str,
    /// None for diagnostics, which are results and not errors of the command.
    exit: Option<u8>,
}

impl Entry {
    fn all() -> Vec<Self> {
        let diagnostics = CODES.iter().map(|info| Self {
            code: info.code,
            title: info.title,
            cause: info.cause,
            remedy: info.remedy,
            exit: None,
        });
        let own = Code::ALL.iter().map(|code| Self {
            code: code.code(),
            title: code.title(),
            cause: code.cause(),
            remedy: code.remedy(),
            exit: Some(code.exit()),
        });
        diagnostics.chain(own).collect()
    }

    fn json(&self) -> Value {
        json!({
            "code": self.code,
            "title": self.title,
            "cause": self.cause,
            "remedy": self.remedy,
            "exit": self.exit,
        })
    }

    fn text(&self) -> String {
        let exit = self.exit.map_or(String::new(), |exit| format!("\nexit code: {exit}"));
        format!("{}: {}\n\n{}\n\nWhat to do: {}{exit}", self.code, self.title, self.cause, self.remedy)
    }
}

/// Prints one code or all.
pub(crate) fn run(args: &ExplainErrorArgs, out: &mut dyn Write) -> Result<(), CliError> {
    let all = Entry::all();
    let Some(code) = &args.code else {
        if args.json {
            return print_json(out, &json!({ "codes": all.iter().map(Entry::json).collect::<Vec<_>>() }));
        }
        return all.iter().try_for_each(|entry| print(out, &format!("{}  {}", entry.code, entry.title)));
    };
    let wanted = code.to_ascii_uppercase();
    let Some(entry) = all.iter().find(|entry| entry.code == wanted) else {
        let error = CliError::new(Code::UnknownCode, format!("there is no error code `{code}`"));
        return Err(match nearest(&wanted, all.iter().map(|entry| entry.code)) {
            Some(near) => error.help(format!("did you mean {near}? --list prints all codes")),
            None => error,
        });
    };
    if args.json { print_json(out, &entry.json()) } else { print(out, &entry.text()) }
}
