//! `import`: an export into an empty store.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;
use countersign_store::{
    postgres::PostgresTarget,
    sqlite::SqliteTarget,
    transfer::{self, Checked},
    vault::Vault,
};
use serde_json::json;

use crate::{
    as_root,
    copying::Stages,
    data_directory::Installation,
    database::{data_dir, keys_at_hand, postgres_settings},
    misuse::Misuse,
    moved::Moved,
    output,
};

const EXAMPLES: &str = "Examples:
  countersign import moving.export --database-url postgresql://countersign@db.example/countersign --data-dir /var/lib/countersign
  countersign import moving.export --data-dir /var/lib/countersign-2
  countersign import moving.export --check";

/// Put an export into an empty store. The file and the secret key are checked first.
///
/// The store is a data directory without a database, or an empty database. The key must be that of the exported store: put its
/// secret.key into the data directory, or set COUNTERSIGN_SECRET_KEY. At the end all of it is read back and held against the file, by
/// count and hash. Interrupted, give it again and it goes on where it stood; until it is complete no server starts on the store.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Import {
    /// Export to read
    file: PathBuf,
    #[command(flatten)]
    installation: Installation,
    /// Check the file alone: whole, unaltered, of this version. No store and no key is needed
    #[arg(long)]
    check: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Checks, writes, and compares.
pub(crate) async fn run(given: &Import) -> anyhow::Result<ExitCode> {
    if given.file == Path::new("-") {
        return Err(Misuse::error("an export is read twice, once to check it; name its file in place of -"));
    }
    let mut stages = Stages::new();
    if given.check {
        let checked = transfer::check(&given.file, None, &mut |progress| stages.show(progress));
        stages.end();
        let checked = checked?;
        let words = format!("{} is whole, {} rows; its secrets were not tried", given.file.display(), checked.manifest().rows());
        moved(&checked).print(given.json, &words, json!({}))?;
        return Ok(ExitCode::SUCCESS);
    }
    let settings = given.installation.settings()?;
    let asked = postgres_settings(&settings)?;
    let vault = Vault::new(&keys_at_hand(&settings)?)?;
    let checked = transfer::check(&given.file, Some(&vault), &mut |progress| stages.show(progress));
    if checked.is_err() {
        stages.end();
    }
    let checked = checked?;
    let (into, imported) = match asked {
        Some(asked) => {
            let mut target = PostgresTarget::open(&asked).await?;
            let into = target.shown().to_owned();
            (into, transfer::import(&checked, &mut target, &mut |progress| stages.show(progress)).await)
        }
        None => {
            as_root::note(data_dir(&settings));
            let mut target = SqliteTarget::open(data_dir(&settings))?;
            let into = target.shown();
            (into, transfer::import(&checked, &mut target, &mut |progress| stages.show(progress)).await)
        }
    };
    stages.end();
    let before = imported?;
    if before > 0 {
        output::note(&format!("note: {before} bytes of the file had been imported before; it went on behind them"));
    }
    let rows = checked.manifest().rows();
    let words = format!("{} imported into {into}: {rows} rows, equal to the file by count and hash", given.file.display());
    moved(&checked).print(given.json, &words, json!({"into": into, "bytesBefore": before}))?;
    Ok(ExitCode::SUCCESS)
}

fn moved(checked: &Checked) -> Moved<'_> {
    Moved { file: checked.file(), bytes: checked.bytes(), manifest: checked.manifest() }
}
