//! Configured objects of every other kind.

use countersign_core::{config::ConfigKind, id::AccountId};
use tokio_postgres::Row;

use super::{
    account, content,
    fault::Fault,
    pool::Conn,
    value::{column, p, text},
};
use crate::{
    Refused,
    objects::{Object, ObjectKey, StoredObject},
    vault::{Place, Vault},
};

/// Writes an object under the revision that was read.
pub(super) async fn put(
    conn: &Conn,
    vault: &Vault,
    key: &ObjectKey,
    object: &Object,
    read: Option<i64>,
) -> Result<Result<i64, Refused>, Fault> {
    let Some(version) = account::version(conn, key.account).await? else { return Ok(Err(Refused::NotFound)) };
    let (kind, id) = (key.kind.as_str(), text(&key.id));
    let lock = "SELECT revision FROM object WHERE account = $1 AND kind = $2 AND id = $3 FOR UPDATE";
    let known: Option<i64> = conn.first(lock, &[p(&key.account.0), p(&kind), p(&id)]).await?.map(|row| column(&row, 0)).transpose()?;
    match (read, known) {
        (Some(0), Some(_)) => return Ok(Err(Refused::Exists)),
        (Some(1..), None) => return Ok(Err(Refused::NotFound)),
        (Some(read @ 1..), Some(known)) if read != known => return Ok(Err(Refused::StaleConfig(version))),
        _ => {}
    }
    let sealed = vault.seal_secrets(place_of(key), &object.secrets)?;
    // Two that create at once meet here: the second one overwrites, unless it was only to create.
    let conflict = match read {
        Some(0) => "DO NOTHING",
        _ => "DO UPDATE SET revision = object.revision + 1, body = excluded.body, sealed = excluded.sealed",
    };
    let upsert = format!(
        "INSERT INTO object (account, kind, id, revision, body, sealed) VALUES ($1, $2, $3, 1, $4, $5)
         ON CONFLICT (account, kind, id) {conflict} RETURNING revision"
    );
    let written = conn.first(&upsert, &[p(&key.account.0), p(&kind), p(&id), p(&text(&object.body)), p(&sealed)]).await?;
    let Some(written) = written else { return Ok(Err(Refused::Exists)) };
    content::refer(conn, &[content::References { account: key.account, owner: owner(key), contents: &object.contents }]).await?;
    after_change(conn, key).await?;
    Ok(Ok(column(&written, 0)?))
}

pub(super) async fn delete(conn: &Conn, key: &ObjectKey) -> Result<Result<(), Refused>, Fault> {
    let delete = "DELETE FROM object WHERE account = $1 AND kind = $2 AND id = $3";
    if conn.execute(delete, &[p(&key.account.0), p(&key.kind.as_str()), p(&text(&key.id))]).await? == 0 {
        return Ok(Err(Refused::NotFound));
    }
    content::refer(conn, &[content::References { account: key.account, owner: owner(key), contents: &[] }]).await?;
    after_change(conn, key).await?;
    Ok(Ok(()))
}

async fn after_change(conn: &Conn, key: &ObjectKey) -> Result<(), Fault> {
    if key.kind.is_hot() {
        account::raise_version(conn, key.account).await?;
    }
    Ok(())
}

pub(super) async fn one(conn: &Conn, vault: &Vault, key: &ObjectKey) -> Result<Option<StoredObject>, Fault> {
    let sql = "SELECT account, id, revision, body, sealed FROM object WHERE account = $1 AND kind = $2 AND id = $3";
    match conn.first(sql, &[p(&key.account.0), p(&key.kind.as_str()), p(&text(&key.id))]).await? {
        Some(row) => Ok(Some(read(conn, vault, key.kind, &row).await?)),
        None => Ok(None),
    }
}

pub(super) async fn list(
    conn: &Conn,
    vault: &Vault,
    of: AccountId,
    kind: ConfigKind,
    after: Option<&str>,
    limit: u32,
) -> Result<Vec<StoredObject>, Fault> {
    let sql = "SELECT account, id, revision, body, sealed FROM object
               WHERE account = $1 AND kind = $2 AND id > $3 ORDER BY id LIMIT $4";
    let (kind_word, after) = (kind.as_str(), text(after.unwrap_or_default()));
    let mut found = Vec::new();
    for row in conn.rows(sql, &[p(&of.0), p(&kind_word), p(&after), p(&i64::from(limit))]).await? {
        found.push(read(conn, vault, kind, &row).await?);
    }
    Ok(found)
}

pub(super) async fn find(conn: &Conn, vault: &Vault, kind: ConfigKind, id: &str) -> Result<Option<StoredObject>, Fault> {
    let sql = "SELECT account, id, revision, body, sealed FROM object WHERE kind = $1 AND id = $2 ORDER BY account LIMIT 1";
    match conn.first(sql, &[p(&kind.as_str()), p(&text(id))]).await? {
        Some(row) => Ok(Some(read(conn, vault, kind, &row).await?)),
        None => Ok(None),
    }
}

async fn read(conn: &Conn, vault: &Vault, kind: ConfigKind, row: &Row) -> Result<StoredObject, Fault> {
    let key = ObjectKey { account: AccountId(column(row, 0)?), kind, id: column(row, 1)? };
    let secrets = vault.open_secrets(place_of(&key), column(row, 4)?)?;
    let contents = match kind {
        ConfigKind::Template => content::referred(conn, key.account, &owner(&key)).await?,
        _ => Vec::new(),
    };
    Ok(StoredObject { revision: column(row, 2)?, object: Object { body: column(row, 3)?, secrets, contents }, key })
}

fn place_of(key: &ObjectKey) -> Place<'_> {
    Place { account: key.account, kind: key.kind.as_str(), id: &key.id }
}

/// The owner in content references. Envelopes are named by 16 bytes alone, which no text of this form is.
fn owner(key: &ObjectKey) -> Vec<u8> {
    format!("object:{}:{}", key.kind.as_str(), key.id).into_bytes()
}
