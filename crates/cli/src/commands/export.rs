//! `export`: everything that a store holds in one file, for a store of either kind.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::{SystemTime, UNIX_EPOCH},
};

use clap::Args;
use countersign_store::{
    postgres::PostgresSource,
    sqlite::SqliteSource,
    transfer::{self, Manifest, TransferError},
};
use serde_json::json;

use crate::{
    copying::Stages,
    data_directory::Installation,
    database::{data_dir, postgres_settings},
    misuse::Misuse,
    moved::Moved,
    output,
    unfinished::Unfinished,
};

const EXAMPLES: &str = "Examples:
  countersign export moving.export --data-dir /var/lib/countersign
  countersign export moving.export --database-url postgresql://countersign@db.example/countersign";

/// Write everything that a store holds to a new file, to import it into another one.
///
/// The store is a data directory or a database, and so is the one that the file is imported into. The file shows one moment: stop
/// the server first when you move, since what it takes in afterwards is not in the file. Secrets in it are sealed. The key that opens
/// them (secret.key, or COUNTERSIGN_SECRET_KEY) is not part of it. Interrupted, it is begun anew.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Export {
    /// File to write; it must not exist
    file: PathBuf,
    #[command(flatten)]
    installation: Installation,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Writes the file.
pub(crate) async fn run(given: &Export) -> anyhow::Result<ExitCode> {
    let settings = given.installation.settings()?;
    if given.file == Path::new("-") {
        return Err(Misuse::error("an export is written to a file, which is synced and then gets its name; name one in place of -"));
    }
    let unfinished = Unfinished::watch(&given.file)?;
    let mut stages = Stages::new();
    let exported = match postgres_settings(&settings)? {
        Some(asked) => {
            let mut source = PostgresSource::open(&asked).await?;
            warn_of(source.used_by());
            transfer::export(&mut source, &given.file, &mut |progress| stages.show(progress)).await
        }
        None => {
            let mut source = SqliteSource::open(data_dir(&settings), now_us())?;
            warn_of(source.used_by());
            transfer::export(&mut source, &given.file, &mut |progress| stages.show(progress)).await
        }
    };
    stages.end();
    drop(unfinished);
    said(given, &exported)
}

fn said(given: &Export, exported: &Result<Manifest, TransferError>) -> anyhow::Result<ExitCode> {
    let manifest = exported.as_ref().map_err(Clone::clone)?;
    let bytes = std::fs::metadata(&given.file)?.len();
    let words = format!("{} written, {} rows, {bytes} bytes; the key of its secrets is not in it", given.file.display(), manifest.rows());
    Moved { file: &given.file, bytes, manifest }.print(given.json, &words, json!({}))?;
    Ok(ExitCode::SUCCESS)
}

fn warn_of(used_by: Option<&str>) {
    if let Some(node) = used_by {
        output::note(&format!(
            "note: node '{node}' uses the store, and what it takes in from now on is not in the file; stop it first when you move"
        ));
    }
}

fn now_us() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}
