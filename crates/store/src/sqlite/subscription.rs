//! Subscriptions of both levels.

use countersign_core::{
    Timestamp,
    config::ConfigVersion,
    id::{AccountId, EnvelopeId, SubscriptionId},
};
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::{
    account, delivery,
    fault::Fault,
    transaction::Tx,
    value::{column, limit},
};
use crate::{
    Refused,
    objects::Object,
    vault::{Place, Vault},
};

/// The kind under which secrets of subscriptions are sealed.
pub(super) const KIND: &str = crate::vault::SUBSCRIPTION;

/// Inserts a new one; a known id breaks a constraint.
pub(super) fn insert(tx: &Tx<'_>, of: AccountId, id: SubscriptionId, envelope: Option<EnvelopeId>, object: &Object) -> Result<(), Fault> {
    let sealed = seal(tx.vault, of, id, object)?;
    tx.conn
        .prepare_cached("INSERT INTO subscription (id, account, envelope, body, sealed) VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute(params![id.0, of.0, envelope.map(|envelope| envelope.0), object.body, sealed])?;
    Ok(())
}

/// Writes an account-level one.
pub(super) fn put(
    tx: &Tx<'_>,
    of: AccountId,
    id: SubscriptionId,
    object: &Object,
    create: bool,
) -> Result<Result<ConfigVersion, Refused>, Fault> {
    if create {
        let known = tx.conn.prepare_cached("SELECT EXISTS (SELECT 1 FROM subscription WHERE id = ?1)")?;
        if { known }.query_row([id.0], |row| row.get(0))? {
            return Ok(Err(Refused::Exists));
        }
        if account::version(tx.conn, of)?.is_none() {
            return Ok(Err(Refused::NotFound));
        }
        insert(tx, of, id, None, object)?;
    } else if !overwrite(tx, of, id, object, "envelope IS NULL")? {
        return Ok(Err(Refused::NotFound));
    }
    raised(tx, of)
}

/// Overwrites one of either level that is still as it was read.
pub(super) fn put_at(
    tx: &Tx<'_>,
    of: AccountId,
    id: SubscriptionId,
    object: &Object,
    revision: u64,
) -> Result<Result<ConfigVersion, Refused>, Fault> {
    let stored: Option<i64> = tx
        .conn
        .prepare_cached("SELECT coalesce(json_extract(body, '$.revision'), 0) FROM subscription WHERE id = ?1 AND account = ?2")?
        .query_row(params![id.0, of.0], |row| row.get(0))
        .optional()?;
    match stored {
        None => Ok(Err(Refused::NotFound)),
        Some(stored) if u64::try_from(stored) != Ok(revision) => Ok(Err(Refused::WrongState("it was changed in the meantime".to_owned()))),
        Some(_) => {
            overwrite(tx, of, id, object, "TRUE")?;
            raised(tx, of)
        }
    }
}

fn overwrite(tx: &Tx<'_>, of: AccountId, id: SubscriptionId, object: &Object, level: &str) -> Result<bool, Fault> {
    let sealed = seal(tx.vault, of, id, object)?;
    let sql = format!("UPDATE subscription SET body = ?3, sealed = ?4 WHERE id = ?1 AND account = ?2 AND {level}");
    Ok(tx.conn.prepare_cached(&sql)?.execute(params![id.0, of.0, object.body, sealed])? == 1)
}

fn raised(tx: &Tx<'_>, of: AccountId) -> Result<Result<ConfigVersion, Refused>, Fault> {
    Ok(account::raise_version(tx, of)?.ok_or(Refused::NotFound))
}

/// Deletes one of either level. Its deliveries are cancelled by [`cancel_some`] afterwards.
pub(super) fn delete(tx: &Tx<'_>, of: AccountId, id: SubscriptionId, now: Timestamp) -> Result<Result<ConfigVersion, Refused>, Fault> {
    if tx.conn.prepare_cached("DELETE FROM subscription WHERE id = ?1 AND account = ?2")?.execute(params![id.0, of.0])? == 0 {
        return Ok(Err(Refused::NotFound));
    }
    tx.conn
        .prepare_cached("INSERT INTO deleted_subscription (id, account, at) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING")?
        .execute(params![id.0, of.0, now.as_micros()])?;
    raised(tx, of)
}

/// Cancels some of what waits for a deleted subscription; `true` when all is done. Parked deliveries stay: they tell what went
/// wrong. Leased ones end with their attempt.
pub(super) fn cancel_some(tx: &Tx<'_>, of: AccountId, id: SubscriptionId, rows_max: usize) -> Result<bool, Fault> {
    let now: Option<i64> =
        tx.conn.prepare_cached("SELECT at FROM deleted_subscription WHERE id = ?1")?.query_row([id.0], |row| row.get(0)).optional()?;
    let Some(now) = now else { return Ok(true) };
    let rows: Vec<i64> = tx
        .conn
        .prepare_cached(
            "SELECT id FROM delivery INDEXED BY delivery_pending WHERE account = ?1 AND subscription = ?2 AND state = 0 LIMIT ?3",
        )?
        .query_map(params![of.0, id.0, limit(rows_max)], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for &row in &rows {
        delivery::cancel(tx, row, Timestamp::from_micros(now))?;
    }
    if rows.len() == rows_max {
        return Ok(false);
    }
    tx.conn.prepare_cached("DELETE FROM deleted_subscription WHERE id = ?1")?.execute([id.0])?;
    Ok(true)
}

/// Deleted subscriptions whose deliveries are not all cancelled.
pub(super) fn deleted(conn: &Connection) -> Result<Vec<(AccountId, SubscriptionId)>, Fault> {
    let mut select = conn.prepare_cached("SELECT account, id FROM deleted_subscription ORDER BY id LIMIT 1000")?;
    let rows = select.query_map([], |row| Ok((AccountId(row.get(0)?), SubscriptionId(row.get(1)?))))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// True while it exists.
pub(super) fn exists(conn: &Connection, id: SubscriptionId) -> Result<bool, Fault> {
    let mut select = conn.prepare_cached("SELECT EXISTS (SELECT 1 FROM subscription WHERE id = ?1)")?;
    Ok(select.query_row([id.0], |row| row.get(0))?)
}

/// Account-level ones with the version they belong to. An account that does not exist has version 0 and none.
pub(super) fn of_account(conn: &Connection, vault: &Vault, of: AccountId) -> Result<(ConfigVersion, Vec<(SubscriptionId, Object)>), Fault> {
    let version = account::version(conn, of)?.unwrap_or_default();
    let mut select =
        conn.prepare_cached("SELECT id, account, body, sealed FROM subscription WHERE account = ?1 AND envelope IS NULL ORDER BY id")?;
    let mut rows = select.query([of.0])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let (id, _, object) = read(row, vault)?;
        found.push((id, object));
    }
    Ok((version, found))
}

pub(super) fn of_envelope(
    conn: &Connection,
    vault: &Vault,
    of: AccountId,
    envelope: EnvelopeId,
) -> Result<Vec<(SubscriptionId, Object)>, Fault> {
    let mut select =
        conn.prepare_cached("SELECT id, account, body, sealed FROM subscription WHERE envelope = ?1 AND account = ?2 ORDER BY id")?;
    let mut rows = select.query(params![envelope.0, of.0])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let (id, _, object) = read(row, vault)?;
        found.push((id, object));
    }
    Ok(found)
}

pub(super) fn one(conn: &Connection, vault: &Vault, id: SubscriptionId) -> Result<Option<(AccountId, Object)>, Fault> {
    let mut select = conn.prepare_cached("SELECT id, account, body, sealed FROM subscription WHERE id = ?1")?;
    let mut rows = select.query([id.0])?;
    rows.next()?
        .map(|row| {
            let (_, of, object) = read(row, vault)?;
            Ok((of, object))
        })
        .transpose()
}

fn read(row: &Row<'_>, vault: &Vault) -> Result<(SubscriptionId, AccountId, Object), Fault> {
    let (id, of) = (SubscriptionId(column(row, 0)?), AccountId(column(row, 1)?));
    let sealed: Option<Vec<u8>> = column(row, 3)?;
    let secrets = vault.open_secrets(Place { account: of, kind: KIND, id: &id.to_string() }, sealed.as_deref())?;
    Ok((id, of, Object { body: column(row, 2)?, secrets, contents: Vec::new() }))
}

fn seal(vault: &Vault, of: AccountId, id: SubscriptionId, object: &Object) -> Result<Option<Vec<u8>>, Fault> {
    Ok(vault.seal_secrets(Place { account: of, kind: KIND, id: &id.to_string() }, &object.secrets)?)
}
