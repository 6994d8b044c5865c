//! `glacis completions`: what a shell needs to complete this command's words.
//!
//! Generated from the same definition as the help, so it cannot fall behind. The script completes words only; it
//! never asks a server.

use crate::error::CliError;
use clap::{Args, CommandFactory as _, ValueEnum};
use clap_complete::{Shell, generate};
use std::io::Write;

/// Arguments of `glacis completions`.
#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// For which shell
    shell: ShellName,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ShellName {
    /// eval "$(glacis completions bash)"
    Bash,
    /// glacis completions zsh > a file _glacis in a folder of $fpath
    Zsh,
    /// glacis completions fish > ~/.config/fish/completions/glacis.fish
    Fish,
}

/// Prints the script.
pub(crate) fn run(args: &CompletionsArgs, out: &mut dyn Write) -> Result<(), CliError> {
    let shell = match args.shell {
        ShellName::Bash => Shell::Bash,
        ShellName::Zsh => Shell::Zsh,
        ShellName::Fish => Shell::Fish,
    };
    // The generator writes to memory: it panics where its writer fails, and a reader may go away.
    let mut script = Vec::new();
    generate(shell, &mut crate::Args::command(), "glacis", &mut script);
    out.write_all(&script).and_then(|()| out.flush()).map_err(CliError::output)
}
