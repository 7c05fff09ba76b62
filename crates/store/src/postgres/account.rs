//! Accounts and the version of their configuration.

use std::collections::HashMap;

use countersign_core::{
    Timestamp,
    account::Account,
    config::ConfigVersion,
    id::{AccountGuid, AccountId},
};
use tokio_postgres::Row;

use super::{
    fault::Fault,
    pool::Conn,
    value::{column, p},
};
use crate::{Refused, StoreError};

/// The first half of the advisory locks that hold versions, apart from those of order keys and idempotency keys, which have one half.
const VERSION_LOCKS: i64 = 1;

/// The next number of a sequence, and the `count - 1` after it.
pub(super) async fn next_in_sequence(conn: &Conn, name: &str, count: u32) -> Result<i64, Fault> {
    let sql = "UPDATE sequence SET next = next + $2 WHERE name = $1 RETURNING next - $2";
    column(&conn.only(sql, &[p(&name), p(&i64::from(count))]).await?, 0)
}

pub(super) async fn create(conn: &Conn, guid: AccountGuid, name: &str, now: Timestamp) -> Result<Result<Account, Refused>, Fault> {
    // Taking the number first makes two that create at once go one after the other; a refused one gives it back.
    let id = AccountId(next_in_sequence(conn, "account", 1).await?);
    if by_guid(conn, guid).await?.is_some() {
        conn.execute("UPDATE sequence SET next = next - 1 WHERE name = 'account'", &[]).await?;
        return Ok(Err(Refused::Exists));
    }
    let account = Account {
        id,
        guid,
        name: name.to_owned(),
        created_at: now,
        recipient_domains: std::collections::BTreeSet::new(),
        time_zone: "UTC".to_owned(),
        time_zone_offset_hours: 0,
    };
    let insert = "INSERT INTO account (id, guid, config_version, body) VALUES ($1, $2, 1, $3)";
    conn.execute(insert, &[p(&account.id.0), p(&guid.0), p(&body_of(&account)?)]).await?;
    Ok(Ok(account))
}

/// As [`create`] while there is no account at all. The lock that numbers accounts is taken before it is looked.
pub(super) async fn create_first(conn: &Conn, guid: AccountGuid, name: &str, now: Timestamp) -> Result<Result<Account, Refused>, Fault> {
    conn.only("SELECT next FROM sequence WHERE name = 'account' FOR UPDATE", &[]).await?;
    if column(&conn.only("SELECT EXISTS (SELECT 1 FROM account)", &[]).await?, 0)? {
        return Ok(Err(Refused::Exists));
    }
    create(conn, guid, name, now).await
}

pub(super) async fn update(conn: &Conn, account: &Account) -> Result<Result<(), Refused>, Fault> {
    lock_version(conn, account.id).await?;
    let update = "UPDATE account SET body = $2, config_version = config_version + 1 WHERE id = $1 AND guid = $3";
    let changed = conn.execute(update, &[p(&account.id.0), p(&body_of(account)?), p(&account.guid.0)]).await?;
    Ok(if changed == 1 { Ok(()) } else { Err(Refused::NotFound) })
}

/// Raises the version: whatever was matched with an older one is matched again. Waits for records that are committing, and
/// those that come later wait until this transaction ends.
pub(super) async fn raise_version(conn: &Conn, account: AccountId) -> Result<Option<ConfigVersion>, Fault> {
    lock_version(conn, account).await?;
    let raise = "UPDATE account SET config_version = config_version + 1 WHERE id = $1 RETURNING config_version";
    conn.first(raise, &[p(&account.0)]).await?.map(|row| column(&row, 0).map(ConfigVersion)).transpose()
}

/// The other side of [`hold_versions`]. Not a lock of the row: those who share one let further ones in before whoever waits to
/// change it, who under load would wait for ever. These locks are given in the order in which they were asked for.
async fn lock_version(conn: &Conn, account: AccountId) -> Result<(), Fault> {
    conn.rows("SELECT pg_advisory_xact_lock($1::bigint::integer, hashint8($2))", &[p(&VERSION_LOCKS), p(&account.0)]).await?;
    Ok(())
}

/// The present version; `None` when there is no such account.
pub(super) async fn version(conn: &Conn, account: AccountId) -> Result<Option<ConfigVersion>, Fault> {
    let row = conn.first("SELECT config_version FROM account WHERE id = $1", &[p(&account.0)]).await?;
    row.map(|row| column(&row, 0).map(ConfigVersion)).transpose()
}

/// The versions of many, which stay what they are until this transaction ends.
pub(super) async fn hold_versions(conn: &Conn, accounts: &[i64]) -> Result<HashMap<AccountId, ConfigVersion>, Fault> {
    let accounts = accounts.to_vec();
    let lock = "SELECT pg_advisory_xact_lock_shared($2::bigint::integer, place)
        FROM (SELECT DISTINCT hashint8(id) FROM unnest($1::bigint[]) id ORDER BY 1) locks (place)";
    let read = "SELECT id, config_version FROM account WHERE id = ANY ($1)";
    // Sent together: the second sees what was committed while the first waited.
    let (locked, versions) = ([p(&accounts), p(&VERSION_LOCKS)], [p(&accounts)]);
    let (_, rows) = tokio::try_join!(biased; conn.rows(lock, &locked), conn.rows(read, &versions))?;
    rows.iter().map(|row| Ok((AccountId(column(row, 0)?), ConfigVersion(column(row, 1)?)))).collect()
}

/// In the order asked for; those that do not exist are left out.
pub(super) async fn versions(conn: &Conn, accounts: &[AccountId]) -> Result<Vec<(AccountId, ConfigVersion)>, Fault> {
    let ids: Vec<i64> = accounts.iter().map(|account| account.0).collect();
    let sql = "SELECT a.id, a.config_version FROM unnest($1::bigint[]) WITH ORDINALITY asked (id, place)
               JOIN account a ON a.id = asked.id ORDER BY asked.place";
    let rows = conn.rows(sql, &[p(&ids)]).await?;
    rows.iter().map(|row| Ok((AccountId(column(row, 0)?), ConfigVersion(column(row, 1)?)))).collect()
}

pub(super) async fn all(conn: &Conn) -> Result<Vec<Account>, Fault> {
    conn.rows("SELECT body FROM account ORDER BY id", &[]).await?.iter().map(read).collect()
}

pub(super) async fn one(conn: &Conn, id: AccountId) -> Result<Option<(Account, ConfigVersion)>, Fault> {
    let row = conn.first("SELECT body, config_version FROM account WHERE id = $1", &[p(&id.0)]).await?;
    row.map(|row| Ok((read(&row)?, ConfigVersion(column(&row, 1)?)))).transpose()
}

pub(super) async fn by_guid(conn: &Conn, guid: AccountGuid) -> Result<Option<Account>, Fault> {
    let row = conn.first("SELECT body FROM account WHERE guid = $1", &[p(&guid.0)]).await?;
    row.map(|row| read(&row)).transpose()
}

fn read(row: &Row) -> Result<Account, Fault> {
    serde_json::from_str(column::<&str>(row, 0)?).map_err(|e| Fault::damaged(format!("an account: {e}")))
}

fn body_of(account: &Account) -> Result<String, Fault> {
    serde_json::to_string(account).map_err(|e| StoreError::Backend(format!("serialising an account: {e}")).into())
}
