//! Where the vault's keys come from, and whether they fit the database. All nodes need the same.

use std::path::{Path, PathBuf};

use tokio_postgres::{
    Client,
    types::{ToSql, Type},
};

use super::{
    fault::{Fault, OpenError, words},
    pool::Conn,
    value::{column, p},
};
use crate::{
    StoreError, key_file,
    vault::{CHECK, Vault, VaultKey},
};

/// Where the keys of the vault come from.
#[derive(Clone, Debug)]
pub enum KeySource {
    /// This file, made by the first node of an empty database; the other nodes get a copy of it.
    File(PathBuf),
    /// Given from outside, the one that seals first.
    Given(Vec<VaultKey>),
}

/// The vault of a database, whose keys were checked against what it holds.
pub(super) async fn open_vault(client: &Client, source: &KeySource) -> Result<Vault, OpenError> {
    let keys = match source {
        KeySource::Given(keys) => keys.clone(),
        KeySource::File(file) => keys_of(client, file).await?,
    };
    let vault = Vault::new(&keys).map_err(OpenError::BadKey)?;
    // Of two first nodes that start at once one comes second here, and is refused unless its key is the same.
    let sealed = vault.sealed_check().map_err(OpenError::BadKey)?;
    let values: [(&(dyn ToSql + Sync), Type); 2] = [(&CHECK, Type::TEXT), (&sealed, Type::BYTEA)];
    let insert = "INSERT INTO fact (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING";
    client.execute_typed(insert, &values).await.map_err(failed)?;
    let sealed = check_of(client).await?.ok_or_else(|| OpenError::Failed("the check value of the key vanished".into()))?;
    vault.passes_check(&sealed).map_err(OpenError::WrongKey)?;
    let retired = fact(client, RETIRED).await?.unwrap_or_default();
    match vault.key_ids().into_iter().next().filter(|first| names(&retired, first)) {
        Some(first) => Err(OpenError::RetiredKey(first)),
        None => Ok(vault),
    }
}

/// The name of the fact with the ids of keys that were replaced, separated by commas: nothing is sealed with them any more.
pub(super) const RETIRED: &str = "vault_retired";

/// True when a list of ids has this one.
fn names(list: &[u8], id: &str) -> bool {
    list.split(|byte| *byte == b',').any(|known| known == id.as_bytes())
}

/// The database's check value, which nobody else replaces until this transaction ends.
pub(super) async fn held_check(conn: &Conn) -> Result<Vec<u8>, Fault> {
    let row = conn.only("SELECT value FROM fact WHERE name = $1 FOR UPDATE", &[p(&CHECK)]).await?;
    column::<Vec<u8>>(&row, 0)
}

/// Refuses a node that does not have the key which the database is sealed under by now, or seals with one that was replaced.
pub(super) async fn check_still_fits(conn: &Conn, vault: &Vault) -> Result<(), Fault> {
    let rows = conn.rows("SELECT name, value FROM fact WHERE name IN ($1, $2)", &[p(&CHECK), p(&RETIRED)]).await?;
    for row in &rows {
        let value: &[u8] = column(row, 1)?;
        let fits = match column::<&str>(row, 0)? {
            CHECK => vault.passes_check(value).is_ok(),
            _ => !vault.key_ids().first().is_some_and(|first| names(value, first)),
        };
        if !fits {
            let said = "the secret key of the database was replaced; give this node the new one (COUNTERSIGN_SECRET_KEY, or secret.key) and restart it";
            return Err(StoreError::Sealed(said.to_owned()).into());
        }
    }
    Ok(())
}

async fn keys_of(client: &Client, file: &Path) -> Result<Vec<VaultKey>, OpenError> {
    let failed = |e: std::io::Error| OpenError::KeyFile { file: file.to_owned(), reason: e.to_string() };
    match key_file::read(file).map_err(failed)? {
        Some(text) => VaultKey::list_from_text(&text).map_err(|reason| OpenError::BadKeyFile { file: file.to_owned(), reason }),
        None if check_of(client).await?.is_some() => Err(OpenError::NoKey { file: file.to_owned() }),
        None => {
            let key = VaultKey::random().map_err(OpenError::BadKey)?;
            key_file::write(file, std::slice::from_ref(&key)).map_err(failed)?;
            Ok(vec![key])
        }
    }
}

async fn check_of(client: &Client) -> Result<Option<Vec<u8>>, OpenError> {
    fact(client, CHECK).await
}

async fn fact(client: &Client, name: &str) -> Result<Option<Vec<u8>>, OpenError> {
    let rows = client.query_typed("SELECT value FROM fact WHERE name = $1", &[(&name, Type::TEXT)]).await.map_err(failed)?;
    rows.first().map(|row| row.try_get(0).map_err(failed)).transpose()
}

fn failed(error: tokio_postgres::Error) -> OpenError {
    OpenError::Failed(words(&error))
}
