//! `rotate-secret-key`: everything that is sealed in a data directory is sealed again under another key.

use std::process::ExitCode;

use clap::Args;
use countersign_store::Store as _;
use serde_json::json;

use crate::{data_directory::DataDirectory, database::open_embedded, misuse::Misuse, output};

/// Seal all stored secrets under a new key, while no server uses the data directory.
///
/// With secret.key a new key is made and replaces the old one in the file. With COUNTERSIGN_SECRET_KEY give the new key first and the
/// old one behind a comma; from then on the new one alone is enough. Interrupted, it can be given again. Backups made before are
/// opened by the old key alone.
#[derive(Debug, Args)]
pub(crate) struct RotateSecretKey {
    #[command(flatten)]
    directory: DataDirectory,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Seals everything again.
pub(crate) async fn run(given: &RotateSecretKey) -> anyhow::Result<ExitCode> {
    let path = given.directory.path()?;
    if !path.is_dir() {
        return Err(Misuse::error(format!("there is no data directory {}; name it with --data-dir", path.display())));
    }
    let store = open_embedded(&path).await?;
    let rotated = store.rotate_key().await;
    store.close().await;
    let rotated = rotated?;
    let words = format!("{} secrets are sealed under the key {}", rotated.resealed, rotated.key_id);
    output::done(given.json, &words, &json!({"resealed": rotated.resealed, "keyId": rotated.key_id}))?;
    Ok(ExitCode::SUCCESS)
}
