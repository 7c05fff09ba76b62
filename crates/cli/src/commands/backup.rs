//! `backup`: the database of a data directory in one file, while the server goes on.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;
use countersign_store::sqlite;
use serde_json::json;

use crate::{copying, data_directory::DataDirectory, output, unfinished::Unfinished};

/// Write a backup of a data directory to a new file. The server may go on.
///
/// Secrets in it are sealed. The key that opens them (secret.key, or COUNTERSIGN_SECRET_KEY) is not part of it: keep a copy of it
/// elsewhere, since whoever has both has the secrets.
#[derive(Debug, Args)]
pub(crate) struct Backup {
    /// File to write; it must not exist
    file: PathBuf,
    #[command(flatten)]
    directory: DataDirectory,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Copies.
pub(crate) fn run(given: &Backup) -> anyhow::Result<ExitCode> {
    let directory = given.directory.path()?;
    let unfinished = Unfinished::watch(&given.file)?;
    let bar = copying::bar();
    let copied = sqlite::backup(&directory, &given.file, |progress| copying::show(&bar, progress));
    bar.finish_and_clear();
    drop(unfinished);
    copied?;
    let bytes = std::fs::metadata(&given.file)?.len();
    let words = format!("{} written, {bytes} bytes; the key of its secrets is not in it", given.file.display());
    output::done(given.json, &words, &json!({"file": given.file, "bytes": bytes}))?;
    Ok(ExitCode::SUCCESS)
}
