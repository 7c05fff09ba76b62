//! `rotate-secret-key`: everything that is sealed in a store is sealed again under another key.

use std::process::ExitCode;

use clap::Args;
use countersign_store::{Store as _, postgres::PostgresStore};
use serde_json::json;

use crate::{
    as_root,
    data_directory::Installation,
    database::{data_dir, from_environment, open_embedded, postgres_settings},
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
            as_root::note(path);
            let store = open_embedded(path).await?;
            let rotated = store.rotate_key().await;
            store.close().await;
            let rotated = rotated?;
            (rotated.resealed, rotated.key_id)
        }
    };
    let words = told(resealed, &key_id, from_environment());
    output::done(given.json, &words, &json!({"resealed": resealed, "keyId": key_id}))?;
    Ok(ExitCode::SUCCESS)
}

/// What was done. Where nothing was sealed again, why that may be: whoever rotates a key that has leaked must not take it for done.
fn told(resealed: u64, key_id: &str, key_was_given: bool) -> String {
    match resealed {
        0 if key_was_given => format!(
            "nothing was sealed again: no secret is sealed under another key than {key_id}, the first one of COUNTERSIGN_SECRET_KEY; to \
             replace that one, give a new key before it"
        ),
        0 => format!("the store holds no secret; what it is given from now on is sealed under the new key {key_id}"),
        1 => format!("1 secret is sealed under the key {key_id}"),
        many => format!("{many} secrets are sealed under the key {key_id}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rotation_that_did_nothing_says_so_and_what_would() {
        assert!(told(0, "k1", true).starts_with("nothing was sealed again: no secret is sealed under another key than k1"));
        assert!(told(0, "k1", true).ends_with("give a new key before it"));
        assert_eq!(told(0, "k2", false), "the store holds no secret; what it is given from now on is sealed under the new key k2");
        assert_eq!(told(1, "k2", true), "1 secret is sealed under the key k2");
        assert_eq!(told(2, "k2", false), "2 secrets are sealed under the key k2");
    }
}
