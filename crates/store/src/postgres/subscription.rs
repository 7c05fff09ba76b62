//! Subscriptions of both levels.

use countersign_core::{
    Timestamp,
    config::ConfigVersion,
    id::{AccountId, EnvelopeId, SubscriptionId},
};
use tokio_postgres::Row;

use super::{
    account, delivery,
    fault::Fault,
    pool::Conn,
    value::{column, limit, p, text},
};
use crate::{
    Refused,
    objects::Object,
    vault::{Place, Vault},
};

/// The kind under which secrets of subscriptions are sealed.
pub(super) const KIND: &str = crate::vault::SUBSCRIPTION;

/// Inserts new ones of envelopes; a known id breaks a constraint.
pub(super) async fn insert(conn: &Conn, vault: &Vault, new: &[(AccountId, SubscriptionId, EnvelopeId, &Object)]) -> Result<(), Fault> {
    if new.is_empty() {
        return Ok(());
    }
    let ids: Vec<i64> = new.iter().map(|(_, id, ..)| id.0).collect();
    let accounts: Vec<i64> = new.iter().map(|(of, ..)| of.0).collect();
    let envelopes: Vec<uuid::Uuid> = new.iter().map(|(_, _, envelope, _)| envelope.0).collect();
    let bodies: Vec<_> = new.iter().map(|(.., object)| text(&object.body)).collect();
    let sealed = new.iter().map(|(of, id, _, object)| seal(vault, *of, *id, object)).collect::<Result<Vec<_>, _>>()?;
    conn.execute(
        "INSERT INTO subscription (id, account, envelope, body, sealed)
         SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::uuid[], $4::text[], $5::bytea[])",
        &[p(&ids), p(&accounts), p(&envelopes), p(&bodies), p(&sealed)],
    )
    .await?;
    Ok(())
}

/// Writes an account-level one.
pub(super) async fn put(
    conn: &Conn,
    vault: &Vault,
    of: AccountId,
    id: SubscriptionId,
    object: &Object,
    create: bool,
) -> Result<Result<ConfigVersion, Refused>, Fault> {
    let sealed = seal(vault, of, id, object)?;
    let written = if create {
        if one_exists(conn, id).await? {
            return Ok(Err(Refused::Exists));
        }
        let insert = "INSERT INTO subscription (id, account, body, sealed) SELECT $1, $2, $3, $4
                      WHERE EXISTS (SELECT 1 FROM account WHERE id = $2) ON CONFLICT (id) DO NOTHING";
        conn.execute(insert, &[p(&id.0), p(&of.0), p(&text(&object.body)), p(&sealed)]).await?
    } else {
        overwrite(conn, of, id, object, &sealed, "envelope IS NULL").await?
    };
    if written == 0 {
        return Ok(Err(Refused::NotFound));
    }
    raised(conn, of).await
}

/// Overwrites one of either level that is still as it was read. Who waits for the row looks at it again when it is free.
pub(super) async fn put_at(
    conn: &Conn,
    vault: &Vault,
    of: AccountId,
    id: SubscriptionId,
    object: &Object,
    revision: u64,
) -> Result<Result<ConfigVersion, Refused>, Fault> {
    let sealed = seal(vault, of, id, object)?;
    // A number beyond those of the database is nobody's revision.
    let revision = i64::try_from(revision).unwrap_or(i64::MAX);
    let update = "UPDATE subscription SET body = $3, sealed = $4
                  WHERE id = $1 AND account = $2 AND coalesce((body::json ->> 'revision')::bigint, 0) = $5";
    if conn.execute(update, &[p(&id.0), p(&of.0), p(&text(&object.body)), p(&sealed), p(&revision)]).await? == 1 {
        return raised(conn, of).await;
    }
    let known = "SELECT EXISTS (SELECT 1 FROM subscription WHERE id = $1 AND account = $2)";
    let known: bool = column(&conn.only(known, &[p(&id.0), p(&of.0)]).await?, 0)?;
    Ok(Err(if known { Refused::WrongState("it was changed in the meantime".to_owned()) } else { Refused::NotFound }))
}

async fn overwrite(
    conn: &Conn,
    of: AccountId,
    id: SubscriptionId,
    object: &Object,
    sealed: &Option<Vec<u8>>,
    level: &str,
) -> Result<u64, Fault> {
    let sql = format!("UPDATE subscription SET body = $3, sealed = $4 WHERE id = $1 AND account = $2 AND {level}");
    conn.execute(&sql, &[p(&id.0), p(&of.0), p(&text(&object.body)), p(sealed)]).await
}

async fn raised(conn: &Conn, of: AccountId) -> Result<Result<ConfigVersion, Refused>, Fault> {
    Ok(account::raise_version(conn, of).await?.ok_or(Refused::NotFound))
}

/// Deletes one of either level. Its deliveries are cancelled by [`cancel_some`] afterwards.
pub(super) async fn delete(
    conn: &Conn,
    of: AccountId,
    id: SubscriptionId,
    now: Timestamp,
) -> Result<Result<ConfigVersion, Refused>, Fault> {
    if conn.execute("DELETE FROM subscription WHERE id = $1 AND account = $2", &[p(&id.0), p(&of.0)]).await? == 0 {
        return Ok(Err(Refused::NotFound));
    }
    let remember = "INSERT INTO deleted_subscription (id, account, at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
    conn.execute(remember, &[p(&id.0), p(&of.0), p(&now.as_micros())]).await?;
    raised(conn, of).await
}

/// Cancels some of what waits for a deleted subscription; `true` when all is done. Parked deliveries stay: they tell what went
/// wrong. Leased ones end with their attempt.
pub(super) async fn cancel_some(conn: &Conn, of: AccountId, id: SubscriptionId, rows_max: usize) -> Result<bool, Fault> {
    // The lock keeps two nodes from doing the same.
    let Some(deleted) = conn.first("SELECT at FROM deleted_subscription WHERE id = $1 FOR UPDATE", &[p(&id.0)]).await? else {
        return Ok(true);
    };
    let at = Timestamp::from_micros(column(&deleted, 0)?);
    let waiting = "SELECT id FROM delivery WHERE account = $1 AND subscription = $2 AND state = 0 LIMIT $3";
    let rows = conn.rows(waiting, &[p(&of.0), p(&id.0), p(&limit(rows_max))]).await?;
    let rows = rows.iter().map(|row| column(row, 0)).collect::<Result<Vec<i64>, Fault>>()?;
    delivery::cancel(conn, &rows, at).await?;
    if rows.len() == rows_max {
        return Ok(false);
    }
    conn.execute("DELETE FROM deleted_subscription WHERE id = $1", &[p(&id.0)]).await?;
    Ok(true)
}

/// Deleted subscriptions whose deliveries are not all cancelled.
pub(super) async fn deleted(conn: &Conn) -> Result<Vec<(AccountId, SubscriptionId)>, Fault> {
    let rows = conn.rows("SELECT account, id FROM deleted_subscription ORDER BY id LIMIT 1000", &[]).await?;
    rows.iter().map(|row| Ok((AccountId(column(row, 0)?), SubscriptionId(column(row, 1)?)))).collect()
}

async fn one_exists(conn: &Conn, id: SubscriptionId) -> Result<bool, Fault> {
    column(&conn.only("SELECT EXISTS (SELECT 1 FROM subscription WHERE id = $1)", &[p(&id.0)]).await?, 0)
}

/// Account-level ones with the version they belong to, in one statement, so that they belong together. An account that does
/// not exist has version 0 and none.
pub(super) async fn of_account(conn: &Conn, vault: &Vault, of: AccountId) -> Result<(ConfigVersion, Vec<(SubscriptionId, Object)>), Fault> {
    let sql = "SELECT s.id, a.id, s.body, s.sealed, a.config_version
               FROM account a LEFT JOIN subscription s ON s.account = a.id AND s.envelope IS NULL WHERE a.id = $1 ORDER BY s.id";
    let rows = conn.rows(sql, &[p(&of.0)]).await?;
    let version = rows.first().map(|row| column(row, 4).map(ConfigVersion)).transpose()?.unwrap_or_default();
    let mut found = Vec::with_capacity(rows.len());
    for row in &rows {
        if column::<Option<i64>>(row, 0)?.is_some() {
            let (id, _, object) = read(row, vault)?;
            found.push((id, object));
        }
    }
    Ok((version, found))
}

pub(super) async fn of_envelope(
    conn: &Conn,
    vault: &Vault,
    of: AccountId,
    envelope: EnvelopeId,
) -> Result<Vec<(SubscriptionId, Object)>, Fault> {
    let sql = "SELECT id, account, body, sealed FROM subscription WHERE envelope = $1 AND account = $2 ORDER BY id";
    let rows = conn.rows(sql, &[p(&envelope.0), p(&of.0)]).await?;
    let read = |row| read(row, vault).map(|(id, _, object)| (id, object));
    rows.iter().map(read).collect()
}

pub(super) async fn one(conn: &Conn, vault: &Vault, id: SubscriptionId) -> Result<Option<(AccountId, Object)>, Fault> {
    let row = conn.first("SELECT id, account, body, sealed FROM subscription WHERE id = $1", &[p(&id.0)]).await?;
    row.map(|row| read(&row, vault).map(|(_, of, object)| (of, object))).transpose()
}

fn read(row: &Row, vault: &Vault) -> Result<(SubscriptionId, AccountId, Object), Fault> {
    let (id, of) = (SubscriptionId(column(row, 0)?), AccountId(column(row, 1)?));
    let secrets = vault.open_secrets(Place { account: of, kind: KIND, id: &id.to_string() }, column(row, 3)?)?;
    Ok((id, of, Object { body: column(row, 2)?, secrets, contents: Vec::new() }))
}

fn seal(vault: &Vault, of: AccountId, id: SubscriptionId, object: &Object) -> Result<Option<Vec<u8>>, Fault> {
    Ok(vault.seal_secrets(Place { account: of, kind: KIND, id: &id.to_string() }, &object.secrets)?)
}
