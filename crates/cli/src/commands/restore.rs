//! `restore`: a backup into an empty data directory.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;
use countersign_store::sqlite;
use serde_json::json;

use crate::{as_root, copying, data_directory::DataDirectory, output, unfinished::Unfinished};

/// Put a backup into a data directory that has no database. It is checked first.
///
/// The key of the secrets is not part of a backup: put secret.key beside it, or set COUNTERSIGN_SECRET_KEY, before the next start.
#[derive(Debug, Args)]
pub(crate) struct Restore {
    /// Backup to read
    file: PathBuf,
    #[command(flatten)]
    directory: DataDirectory,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Copies.
pub(crate) fn run(given: &Restore) -> anyhow::Result<ExitCode> {
    let directory = given.directory.path()?;
    as_root::note(&directory);
    let unfinished = Unfinished::watch(&directory.join(sqlite::DATABASE_FILE))?;
    let bar = copying::bar();
    let copied = sqlite::restore(&given.file, &directory, |progress| copying::show(&bar, progress));
    bar.finish_and_clear();
    drop(unfinished);
    copied?;
    output::done(given.json, &format!("{} restored into {}", given.file.display(), directory.display()), &json!({"dataDir": directory}))?;
    if !directory.join(sqlite::KEY_FILE).exists() && std::env::var_os("COUNTERSIGN_SECRET_KEY").is_none() {
        let key = directory.join(sqlite::KEY_FILE);
        output::note(&format!("note: put the key of its secrets at {} before the next start", key.display()));
    }
    Ok(ExitCode::SUCCESS)
}
