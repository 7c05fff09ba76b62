//! Configured objects of every other kind.

use countersign_core::{config::ConfigKind, id::AccountId};
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::{account, content, fault::Fault, transaction::Tx, value::column};
use crate::{
    Refused,
    objects::{Object, ObjectKey, StoredObject},
    vault::{Place, Vault},
};

/// Writes an object under the revision that was read.
pub(super) fn put(tx: &Tx<'_>, key: &ObjectKey, object: &Object, read: Option<i64>) -> Result<Result<i64, Refused>, Fault> {
    let Some(version) = account::version(tx.conn, key.account)? else { return Ok(Err(Refused::NotFound)) };
    let mut select = tx.conn.prepare_cached("SELECT revision FROM object WHERE account = ?1 AND kind = ?2 AND id = ?3")?;
    let known: Option<i64> = select.query_row(params![key.account.0, key.kind.as_str(), key.id], |row| row.get(0)).optional()?;
    match (read, known) {
        (Some(0), Some(_)) => return Ok(Err(Refused::Exists)),
        (Some(1..), None) => return Ok(Err(Refused::NotFound)),
        (Some(read @ 1..), Some(known)) if read != known => return Ok(Err(Refused::StaleConfig(version))),
        _ => {}
    }
    let revision = known.unwrap_or(0) + 1;
    let sealed = tx.vault.seal_secrets(place(key), &object.secrets)?;
    let mut upsert = tx.conn.prepare_cached(
        "INSERT INTO object (account, kind, id, revision, body, sealed) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (account, kind, id) DO UPDATE SET revision = excluded.revision, body = excluded.body, sealed = excluded.sealed",
    )?;
    upsert.execute(params![key.account.0, key.kind.as_str(), key.id, revision, object.body, sealed])?;
    content::refer(tx, key.account, &owner(key), &object.contents)?;
    after_change(tx, key)?;
    Ok(Ok(revision))
}

pub(super) fn delete(tx: &Tx<'_>, key: &ObjectKey) -> Result<Result<(), Refused>, Fault> {
    let mut delete = tx.conn.prepare_cached("DELETE FROM object WHERE account = ?1 AND kind = ?2 AND id = ?3")?;
    if delete.execute(params![key.account.0, key.kind.as_str(), key.id])? == 0 {
        return Ok(Err(Refused::NotFound));
    }
    content::refer(tx, key.account, &owner(key), &[])?;
    after_change(tx, key)?;
    Ok(Ok(()))
}

fn after_change(tx: &Tx<'_>, key: &ObjectKey) -> Result<(), Fault> {
    if key.kind.is_hot() {
        account::raise_version(tx, key.account)?;
    }
    Ok(())
}

pub(super) fn one(conn: &Connection, vault: &Vault, key: &ObjectKey) -> Result<Option<StoredObject>, Fault> {
    let mut select =
        conn.prepare_cached("SELECT account, id, revision, body, sealed FROM object WHERE account = ?1 AND kind = ?2 AND id = ?3")?;
    let mut rows = select.query(params![key.account.0, key.kind.as_str(), key.id])?;
    rows.next()?.map(|row| read(conn, vault, key.kind, row)).transpose()
}

pub(super) fn list(
    conn: &Connection,
    vault: &Vault,
    of: AccountId,
    kind: ConfigKind,
    after: Option<&str>,
    limit: u32,
) -> Result<Vec<StoredObject>, Fault> {
    let mut select = conn.prepare_cached(
        "SELECT account, id, revision, body, sealed FROM object
         WHERE account = ?1 AND kind = ?2 AND id > ?3 ORDER BY id LIMIT ?4",
    )?;
    let mut rows = select.query(params![of.0, kind.as_str(), after.unwrap_or_default(), limit])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(read(conn, vault, kind, row)?);
    }
    Ok(found)
}

pub(super) fn find(conn: &Connection, vault: &Vault, kind: ConfigKind, id: &str) -> Result<Option<StoredObject>, Fault> {
    let mut select =
        conn.prepare_cached("SELECT account, id, revision, body, sealed FROM object WHERE kind = ?1 AND id = ?2 ORDER BY account LIMIT 1")?;
    let mut rows = select.query(params![kind.as_str(), id])?;
    rows.next()?.map(|row| read(conn, vault, kind, row)).transpose()
}

fn read(conn: &Connection, vault: &Vault, kind: ConfigKind, row: &Row<'_>) -> Result<StoredObject, Fault> {
    let key = ObjectKey { account: AccountId(column(row, 0)?), kind, id: column(row, 1)? };
    let sealed: Option<Vec<u8>> = column(row, 4)?;
    let secrets = vault.open_secrets(place(&key), sealed.as_deref())?;
    let contents = match kind {
        ConfigKind::Template => content::referred(conn, key.account, &owner(&key))?,
        _ => Vec::new(),
    };
    Ok(StoredObject { revision: column(row, 2)?, object: Object { body: column(row, 3)?, secrets, contents }, key })
}

fn place(key: &ObjectKey) -> Place<'_> {
    Place { account: key.account, kind: key.kind.as_str(), id: &key.id }
}

/// The owner in content references. Envelopes are named by 16 bytes alone, which no text of this form is.
fn owner(key: &ObjectKey) -> Vec<u8> {
    format!("object:{}:{}", key.kind.as_str(), key.id).into_bytes()
}
