//! `migrate`: the tables of the store as this version needs them.

use std::process::ExitCode;

use clap::Args;
use countersign_store::{Store as _, postgres::PostgresStore, sqlite};
use serde_json::json;

use crate::{
    as_root,
    data_directory::Installation,
    database::{data_dir, open_embedded, postgres_settings},
    misuse::Misuse,
    output,
};

/// Bring the store's tables up to this version.
///
/// serve and work do it by themselves when they start. Given before, it tells whether it works, while the nodes of the version before
/// go on.
#[derive(Debug, Args)]
pub(crate) struct Migrate {
    #[command(flatten)]
    installation: Installation,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Migrates.
pub(crate) async fn run(given: &Migrate) -> anyhow::Result<ExitCode> {
    let settings = given.installation.settings()?;
    let (schema, applied) = match postgres_settings(&settings)? {
        Some(asked) => {
            let migrated = PostgresStore::migrate(&asked).await?;
            (migrated.schema, migrated.applied.into_iter().map(|(version, name)| format!("{version} {name}")).collect())
        }
        None => {
            let path = data_dir(&settings);
            // A mistyped path must not make a new, empty store there.
            if !std::fs::metadata(path.join(sqlite::DATABASE_FILE)).is_ok_and(|found| found.len() > 0) {
                return Err(Misuse::error(format!("there is no store in {}; name its data directory with --data-dir", path.display())));
            }
            as_root::note(path);
            let store = open_embedded(path).await?;
            let schema = store.health().await?.schema;
            store.close().await;
            (schema, Vec::new())
        }
    };
    let words = match &applied[..] {
        [] => format!("the store has schema {schema}"),
        applied => format!("the store has schema {schema}; applied: {}", applied.join(", ")),
    };
    output::done(given.json, &words, &json!({"schema": schema, "applied": applied}))?;
    Ok(ExitCode::SUCCESS)
}
