//! Replacing the vault's key: everything is sealed again under a new one, while nodes may run.
//!
//! Every node that runs must have the new key, and seal with it, before anything is sealed under it here: otherwise it could not
//! read what it needs. So nodes say which keys they have when they register, and a rotation is refused while one of them does not seal
//! with the new key. From the first step on no node starts or registers that does not have it.
//!
//! Each step is a transaction of its own. Broken off, the rotation goes on where it was when it is asked for again: the check value
//! says under which key everything is to be, and what is sealed under it already is passed over.

use std::path::PathBuf;

use countersign_core::id::AccountId;

use super::{
    fault::Fault,
    keys::{self, KeySource},
    node,
    pool::Conn,
    store::{PostgresStore, Settings},
    subscription,
    transaction::in_transaction,
    value::{column, p},
};
use crate::{
    StoreError, key_file,
    vault::{CHECK, KEYS_MAX, Place, Vault, VaultKey, key_id_of},
};

/// Values sealed again in one transaction.
const STEP_ROWS: i64 = 200;

/// What a rotation did.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rotated {
    /// Values sealed again.
    pub resealed: u64,
    /// The id of the key that seals now; see [`VaultKey::id`].
    pub key_id: String,
}

/// Why a key was not replaced. The old one stays in use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RotateError {
    /// Nodes run that could not read what is sealed under the new key.
    #[error(
        "nodes run that do not seal with the new key {key_id} yet: {}; {}, and give this command again", nodes.join(", "), how(file.as_ref())
    )]
    NodesWithoutKey {
        /// The new key's id.
        key_id: String,
        /// Names of the nodes.
        nodes: Vec<String>,
        /// The key file that holds both keys by now; `None` where keys are given from outside.
        file: Option<PathBuf>,
    },
    /// The key file cannot be read or written.
    #[error("key file {}: {reason}", file.display())]
    KeyFile {
        /// Which.
        file: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The store's own.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// In two steps: a node that sealed with the new key while another has the old one alone would make what that one cannot open.
fn how(file: Option<&PathBuf>) -> String {
    let (old_first, new_first) = match file {
        Some(file) => {
            let file = file.display();
            (
                format!("copy {file}, which holds both, to all nodes with its lines exchanged, the old key first"),
                format!("copy {file} as it is, the new key first"),
            )
        }
        None => ("give all nodes COUNTERSIGN_SECRET_KEY=old,new".to_owned(), "give all COUNTERSIGN_SECRET_KEY=new,old".to_owned()),
    };
    format!("first {old_first}, and restart them one after the other; only then {new_first}, restart them again")
}

impl PostgresStore {
    /// Seals every secret again, under the first of the keys that the settings give, or, where they name a key file, under a new one that
    /// is put into the file. The store must have been opened with the same settings. A file that holds several keys is that of a rotation
    /// under way, which is ended.
    ///
    /// # Errors
    /// See [`RotateError`]. Asked for again it goes on.
    pub async fn rotate_key(&self, settings: &Settings) -> Result<Rotated, RotateError> {
        let (keys, file) = match &settings.keys {
            KeySource::Given(keys) => (keys.clone(), None),
            KeySource::File(file) => (begun_in(file)?, Some(file)),
        };
        let vault = Vault::new(&keys).map_err(StoreError::from)?;
        let key_id = keys[0].id();
        let (writes, now) = (&self.inner.writes, self.inner.clock.now().as_micros());
        let nodes = in_transaction!(writes, tx => switch(&tx, &vault, &key_id, now)).map_err(StoreError::from)?;
        if !nodes.is_empty() {
            return Err(RotateError::NodesWithoutKey { key_id, nodes, file: file.cloned() });
        }
        let resealed = self.reseal_all(&vault).await.map_err(StoreError::from)?;
        if let Some(file) = file {
            write(file, &keys[..1])?;
        }
        Ok(Rotated { resealed, key_id })
    }

    async fn reseal_all(&self, vault: &Vault) -> Result<u64, Fault> {
        let writes = &self.inner.writes;
        let mut resealed = 0;
        let mut after = i64::MIN;
        while let (Some(last), count) = in_transaction!(writes, tx => reseal_subscriptions(&tx, vault, after))? {
            (after, resealed) = (last, resealed + count);
        }
        let mut after = (i64::MIN, String::new(), String::new());
        while let (Some(last), count) = in_transaction!(writes, tx => reseal_objects(&tx, vault, &after))? {
            (after, resealed) = (last, resealed + count);
        }
        Ok(resealed)
    }
}

/// The keys of a rotation: those of the file when it was begun before, otherwise a new one before them, kept before anything is sealed
/// with it.
fn begun_in(file: &std::path::Path) -> Result<Vec<VaultKey>, RotateError> {
    let failed = |reason: String| RotateError::KeyFile { file: file.to_owned(), reason };
    let text = key_file::read(file).map_err(|e| failed(e.to_string()))?.ok_or_else(|| failed("it is missing".into()))?;
    let known = VaultKey::list_from_text(&text).map_err(|e| failed(e.to_string()))?;
    if known.len() > 1 {
        return Ok(known);
    }
    let mut keys = vec![VaultKey::random().map_err(StoreError::from)?];
    keys.extend(known);
    keys.truncate(KEYS_MAX);
    write(file, &keys)?;
    Ok(keys)
}

fn write(file: &std::path::Path, keys: &[VaultKey]) -> Result<(), RotateError> {
    key_file::write(file, keys).map_err(|e| RotateError::KeyFile { file: file.to_owned(), reason: e.to_string() })
}

/// From now on the database is sealed under the first key of this vault, unless nodes live that do not seal with it, which are answered: no
/// node registers between that look and the commit. Of two rotations at once the second finds a key that it does not have, and is refused.
async fn switch(conn: &Conn, vault: &Vault, key_id: &str, now: i64) -> Result<Vec<String>, Fault> {
    node::hold_registrations(conn).await?;
    let otherwise = node::sealing_otherwise(conn, key_id, now).await?;
    if !otherwise.is_empty() {
        return Ok(otherwise);
    }
    let sealed = keys::held_check(conn).await?;
    vault.passes_check(&sealed)?;
    if !vault.is_current(&sealed) {
        let replaced = key_id_of(&sealed).unwrap_or_default().into_bytes();
        let retire = "INSERT INTO fact (name, value) VALUES ($1, $2)
            ON CONFLICT (name) DO UPDATE SET value = fact.value || ','::bytea || excluded.value";
        conn.execute(retire, &[p(&keys::RETIRED), p(&replaced)]).await?;
        conn.execute("UPDATE fact SET value = $2 WHERE name = $1", &[p(&CHECK), p(&vault.sealed_check()?)]).await?;
    }
    Ok(Vec::new())
}

async fn reseal_subscriptions(conn: &Conn, vault: &Vault, after: i64) -> Result<(Option<i64>, u64), Fault> {
    let sql = "SELECT id, account, sealed FROM subscription WHERE id > $1 AND sealed IS NOT NULL ORDER BY id LIMIT $2 FOR UPDATE";
    let rows = conn.rows(sql, &[p(&after), p(&STEP_ROWS)]).await?;
    let (mut last, mut ids, mut values) = (None, Vec::new(), Vec::new());
    for row in &rows {
        let subscription: i64 = column(row, 0)?;
        let name = subscription.to_string();
        let place = Place { account: AccountId(column(row, 1)?), kind: subscription::KIND, id: &name };
        if let Some(sealed) = reseal(vault, place, column(row, 2)?)? {
            ids.push(subscription);
            values.push(sealed);
        }
        last = Some(subscription);
    }
    let update = "UPDATE subscription s SET sealed = n.sealed FROM unnest($1::bigint[], $2::bytea[]) n (id, sealed) WHERE s.id = n.id";
    let count = conn.execute(update, &[p(&ids), p(&values)]).await?;
    Ok((last, count))
}

type ObjectPlace = (i64, String, String);

async fn reseal_objects(conn: &Conn, vault: &Vault, after: &ObjectPlace) -> Result<(Option<ObjectPlace>, u64), Fault> {
    let sql = "SELECT account, kind, id, sealed FROM object WHERE (account, kind, id) > ($1, $2, $3) AND sealed IS NOT NULL
        ORDER BY account, kind, id LIMIT $4 FOR UPDATE";
    let rows = conn.rows(sql, &[p(&after.0), p(&after.1), p(&after.2), p(&STEP_ROWS)]).await?;
    let (mut last, mut accounts, mut kinds, mut ids, mut values) = (None, Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for row in &rows {
        let (account, kind, name): ObjectPlace = (column(row, 0)?, column(row, 1)?, column(row, 2)?);
        let place = Place { account: AccountId(account), kind: &kind, id: &name };
        if let Some(sealed) = reseal(vault, place, column(row, 3)?)? {
            accounts.push(account);
            kinds.push(kind.clone());
            ids.push(name.clone());
            values.push(sealed);
        }
        last = Some((account, kind, name));
    }
    let update = "UPDATE object o SET sealed = n.sealed FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bytea[])
        n (account, kind, id, sealed) WHERE o.account = n.account AND o.kind = n.kind AND o.id = n.id";
    let count = conn.execute(update, &[p(&accounts), p(&kinds), p(&ids), p(&values)]).await?;
    Ok((last, count))
}

/// The value under the key that seals now; `None` when it is already.
fn reseal(vault: &Vault, place: Place<'_>, sealed: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
    if vault.is_current(sealed) {
        return Ok(None);
    }
    let plain = vault.open(place, sealed)?;
    Ok(Some(vault.seal(place, &plain)?))
}
