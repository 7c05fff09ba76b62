//! `completions`: shell completions on stdout.

use std::process::ExitCode;

use clap::{Args, CommandFactory};
use clap_complete::Shell;

/// What to complete for.
#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell
    shell: Shell,
}

/// Writes the completions of `C` to stdout.
pub(crate) fn run<C: CommandFactory>(given: &Completions) -> anyhow::Result<ExitCode> {
    // Collected first: a closed pipe is an error of ours to report, not a panic of the generator's.
    let mut text = Vec::new();
    clap_complete::generate(given.shell, &mut C::command(), "countersign", &mut text);
    crate::output::bytes(&text)?;
    Ok(ExitCode::SUCCESS)
}
