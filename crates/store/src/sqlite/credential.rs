//! Credentials of the API: tokens, and tickets that are taken once.

use countersign_core::{
    Timestamp,
    account::ApiToken,
    id::{AccountId, CredentialId},
};
use rusqlite::{Connection, Row, params};

use super::{
    fault::Fault,
    transaction::Tx,
    value::{column, id, limit, sha256, time},
};
use crate::{
    Refused, StoreError,
    objects::{StoredToken, Ticket},
};

/// Tokens listed at most.
const TOKENS_MAX: u32 = 1_000;

pub(super) fn put_token(tx: &Tx<'_>, stored: &StoredToken) -> Result<(), Fault> {
    let token = &stored.token;
    let body = serde_json::to_string(token).map_err(|e| StoreError::Backend(format!("serialising a token: {e}")))?;
    let mut insert = tx.conn.prepare_cached(
        "INSERT INTO token (sha256, id, account, expires_at, body) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (sha256) DO UPDATE SET id = excluded.id, account = excluded.account, expires_at = excluded.expires_at,
            body = excluded.body",
    )?;
    let expires_at = token.expires_at.map(Timestamp::as_micros);
    insert.execute(params![stored.sha256, id(token.id.raw()), token.account.0, expires_at, body])?;
    Ok(())
}

/// As [`put_token`] while the account has none.
pub(super) fn put_first_token(tx: &Tx<'_>, stored: &StoredToken) -> Result<Result<(), Refused>, Fault> {
    let of = stored.token.account.0;
    if tx.conn.query_row("SELECT EXISTS (SELECT 1 FROM token WHERE account = ?1)", [of], |row| row.get(0))? {
        return Ok(Err(Refused::Exists));
    }
    put_token(tx, stored).map(Ok)
}

pub(super) fn token(conn: &Connection, hash: &[u8; 32]) -> Result<Option<StoredToken>, Fault> {
    let mut select = conn.prepare_cached("SELECT sha256, body FROM token WHERE sha256 = ?1")?;
    let mut rows = select.query([hash])?;
    rows.next()?.map(read_token).transpose()
}

pub(super) fn tokens(conn: &Connection, account: AccountId) -> Result<Vec<StoredToken>, Fault> {
    let mut select = conn.prepare_cached("SELECT sha256, body FROM token WHERE account = ?1 ORDER BY id DESC LIMIT ?2")?;
    let mut rows = select.query(params![account.0, TOKENS_MAX])?;
    let mut tokens = Vec::new();
    while let Some(row) = rows.next()? {
        tokens.push(read_token(row)?);
    }
    Ok(tokens)
}

fn read_token(row: &Row<'_>) -> Result<StoredToken, Fault> {
    let body: String = column(row, 1)?;
    let token: ApiToken = serde_json::from_str(&body).map_err(|e| Fault::damaged(format!("a token: {e}")))?;
    Ok(StoredToken { sha256: sha256(row, 0)?, token })
}

pub(super) fn delete_token(tx: &Tx<'_>, account: AccountId, token: CredentialId) -> Result<Result<(), Refused>, Fault> {
    let mut delete = tx.conn.prepare_cached("DELETE FROM token WHERE account = ?1 AND id = ?2")?;
    let deleted = delete.execute(params![account.0, id(token.raw())])?;
    Ok(if deleted == 0 { Err(Refused::NotFound) } else { Ok(()) })
}

pub(super) fn put_ticket(tx: &Tx<'_>, ticket: &Ticket, now: Timestamp) -> Result<Result<(), Refused>, Fault> {
    // One that has expired makes room for another with its hash.
    let mut upsert = tx.conn.prepare_cached(
        "INSERT INTO ticket (sha256, kind, expires_at, body) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (sha256) DO UPDATE SET kind = excluded.kind, expires_at = excluded.expires_at, body = excluded.body
            WHERE ticket.expires_at <= ?5",
    )?;
    let written = upsert.execute(params![ticket.sha256, ticket.kind, ticket.expires_at.as_micros(), ticket.body, now.as_micros()])?;
    Ok(if written == 0 { Err(Refused::Exists) } else { Ok(()) })
}

/// Takes a ticket: it is gone with that, expired or not.
pub(super) fn take_ticket(tx: &Tx<'_>, kind: &str, hash: &[u8; 32], now: Timestamp) -> Result<Option<Ticket>, Fault> {
    let mut delete =
        tx.conn.prepare_cached("DELETE FROM ticket WHERE sha256 = ?1 AND kind = ?2 RETURNING sha256, kind, expires_at, body")?;
    let mut rows = delete.query(params![hash, kind])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let ticket = Ticket { sha256: sha256(row, 0)?, kind: column(row, 1)?, expires_at: time(row, 2)?, body: column(row, 3)? };
    // The statement ends only after its last row.
    rows.next()?;
    Ok((ticket.expires_at > now).then_some(ticket))
}

/// Forgets expired tickets and tokens, some at a time; answers how many tickets went.
pub(super) fn sweep(tx: &Tx<'_>, now: Timestamp, rows_max: usize) -> Result<usize, Fault> {
    let now = now.as_micros();
    let mut tickets = tx.conn.prepare_cached(
        "DELETE FROM ticket WHERE sha256 IN (SELECT sha256 FROM ticket WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2)",
    )?;
    let swept = tickets.execute(params![now, limit(rows_max)])?;
    // There are few tokens, and no index over their end.
    tx.conn.prepare_cached("DELETE FROM token WHERE expires_at <= ?1")?.execute([now])?;
    Ok(swept)
}
