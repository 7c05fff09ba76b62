//! `rotate-secret-key`: everything that is sealed in a store is sealed again under another key.

use std::process::ExitCode;

use clap::Args;
use countersign_store::{Store as _, postgres::PostgresStore};
use serde_json::json;

use crate::{
    data_directory::Installation,
    database::{data_dir, open_embedded, postgres_settings},
    misuse::Misuse,
    output,
};

/// Seal all stored secrets under a new key.
///
/// With secret.key a new key is made and replaces the old one in the file. With COUNTERSIGN_SECRET_KEY give the new key first and the
/// old one behind a comma; from then on the new one alone is enough. Interrupted, it can be given again. Backups made before are
/// opened by the old key alone.
///
/// No server may use the data directory meanwhile. On PostgreSQL nodes may run that have both keys, the new one first; while others run it
/// changes nothing and names them.
#[derive(Debug, Args)]
pub(crate) struct RotateSecretKey {
    #[command(flatten)]
    installation: Installation,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Seals everything again.
pub(crate) async fn run(given: &RotateSecretKey) -> anyhow::Result<ExitCode> {
    let settings = given.installation.settings()?;
    let (resealed, key_id) = match postgres_settings(&settings)? {
        Some(asked) => {
            let store = PostgresStore::open(asked.clone()).await?;
            let rotated = store.rotate_key(&asked).await;
            store.close().await;
            let rotated = rotated?;
            (rotated.resealed, rotated.key_id)
        }
        None => {
            let path = data_dir(&settings);
            if !path.is_dir() {
                return Err(Misuse::error(format!("there is no data directory {}; name it with --data-dir", path.display())));
            }
            let store = open_embedded(path).await?;
            let rotated = store.rotate_key().await;
            store.close().await;
            let rotated = rotated?;
            (rotated.resealed, rotated.key_id)
        }
    };
    let words = format!("{resealed} secrets are sealed under the key {key_id}");
    output::done(given.json, &words, &json!({"resealed": resealed, "keyId": key_id}))?;
    Ok(ExitCode::SUCCESS)
}
