//! Accounts and the version of their configuration.

use countersign_core::{
    Timestamp,
    account::Account,
    config::ConfigVersion,
    id::{AccountGuid, AccountId},
};
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::{
    fault::Fault,
    transaction::Tx,
    value::{column, limit},
};
use crate::Refused;

/// The next number of a sequence, and the `count - 1` after it.
pub(super) fn next_in_sequence(tx: &Tx<'_>, name: &str, count: u32) -> Result<i64, Fault> {
    let mut statement = tx.conn.prepare_cached("UPDATE sequence SET next = next + ?2 WHERE name = ?1 RETURNING next - ?2")?;
    Ok(statement.query_row(params![name, count], |row| row.get(0))?)
}

pub(super) fn create(tx: &Tx<'_>, guid: AccountGuid, name: &str, now: Timestamp) -> Result<Result<Account, Refused>, Fault> {
    if by_guid(tx.conn, guid)?.is_some() {
        return Ok(Err(Refused::Exists));
    }
    let account = Account {
        id: AccountId(next_in_sequence(tx, "account", 1)?),
        guid,
        name: name.to_owned(),
        created_at: now,
        recipient_domains: std::collections::BTreeSet::new(),
        time_zone: "UTC".to_owned(),
        time_zone_offset_hours: 0,
    };
    let mut insert = tx.conn.prepare_cached("INSERT INTO account (id, guid, config_version, body) VALUES (?1, ?2, 1, ?3)")?;
    insert.execute(params![account.id.0, guid.0, body_of(&account)?])?;
    Ok(Ok(account))
}

/// As [`create`] while there is no account at all.
pub(super) fn create_first(tx: &Tx<'_>, guid: AccountGuid, name: &str, now: Timestamp) -> Result<Result<Account, Refused>, Fault> {
    let any = tx.conn.query_row("SELECT EXISTS (SELECT 1 FROM account)", [], |row| row.get(0))?;
    if any { Ok(Err(Refused::Exists)) } else { create(tx, guid, name, now) }
}

pub(super) fn update(tx: &Tx<'_>, account: &Account) -> Result<Result<(), Refused>, Fault> {
    let mut update =
        tx.conn.prepare_cached("UPDATE account SET body = ?2, config_version = config_version + 1 WHERE id = ?1 AND guid = ?3")?;
    let changed = update.execute(params![account.id.0, body_of(account)?, account.guid.0])?;
    tx.forget_version(account.id);
    Ok(if changed == 1 { Ok(()) } else { Err(Refused::NotFound) })
}

/// Raises the version: whatever was matched with an older one is matched again.
pub(super) fn raise_version(tx: &Tx<'_>, account: AccountId) -> Result<Option<ConfigVersion>, Fault> {
    tx.forget_version(account);
    let mut update =
        tx.conn.prepare_cached("UPDATE account SET config_version = config_version + 1 WHERE id = ?1 RETURNING config_version")?;
    Ok(update.query_row([account.0], |row| row.get(0).map(ConfigVersion)).optional()?)
}

/// The present version; `None` when there is no such account.
pub(super) fn version(conn: &Connection, account: AccountId) -> Result<Option<ConfigVersion>, Fault> {
    let mut select = conn.prepare_cached("SELECT config_version FROM account WHERE id = ?1")?;
    Ok(select.query_row([account.0], |row| row.get(0).map(ConfigVersion)).optional()?)
}

pub(super) fn versions(conn: &Connection, accounts: &[AccountId]) -> Result<Vec<(AccountId, ConfigVersion)>, Fault> {
    let mut found = Vec::with_capacity(accounts.len());
    for &account in accounts {
        if let Some(version) = version(conn, account)? {
            found.push((account, version));
        }
    }
    Ok(found)
}

pub(super) fn all(conn: &Connection) -> Result<Vec<Account>, Fault> {
    let mut select = conn.prepare_cached("SELECT body FROM account ORDER BY id LIMIT ?1")?;
    let mut rows = select.query([limit(usize::MAX)])?;
    let mut accounts = Vec::new();
    while let Some(row) = rows.next()? {
        accounts.push(read(row)?);
    }
    Ok(accounts)
}

pub(super) fn one(conn: &Connection, id: AccountId) -> Result<Option<(Account, ConfigVersion)>, Fault> {
    let mut select = conn.prepare_cached("SELECT body, config_version FROM account WHERE id = ?1")?;
    let mut rows = select.query([id.0])?;
    rows.next()?.map(|row| Ok((read(row)?, ConfigVersion(column(row, 1)?)))).transpose()
}

pub(super) fn by_guid(conn: &Connection, guid: AccountGuid) -> Result<Option<Account>, Fault> {
    let mut select = conn.prepare_cached("SELECT body FROM account WHERE guid = ?1")?;
    let mut rows = select.query([guid.0])?;
    rows.next()?.map(read).transpose()
}

fn read(row: &Row<'_>) -> Result<Account, Fault> {
    let body: String = column(row, 0)?;
    serde_json::from_str(&body).map_err(|e| Fault::damaged(format!("an account: {e}")))
}

fn body_of(account: &Account) -> Result<String, Fault> {
    serde_json::to_string(account).map_err(|e| Fault::Store(crate::StoreError::Backend(format!("serialising an account: {e}"))))
}
