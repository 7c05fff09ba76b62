//! Credentials of the API: tokens, and tickets that are taken once.

use countersign_core::{
    Timestamp,
    account::ApiToken,
    id::{AccountId, CredentialId},
};
use tokio_postgres::Row;

use super::{
    fault::Fault,
    pool::Conn,
    value::{column, id, limit, p, sha256, text, time},
};
use crate::{
    Refused, StoreError,
    objects::{StoredToken, Ticket},
};

/// Tokens listed at most.
const TOKENS_MAX: i64 = 1_000;

pub(super) async fn put_token(conn: &Conn, stored: &StoredToken) -> Result<(), Fault> {
    let token = &stored.token;
    let body = serde_json::to_string(token).map_err(|e| StoreError::Backend(format!("serialising a token: {e}")))?;
    let upsert = "INSERT INTO token (sha256, id, account, expires_at, body) VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (sha256) DO UPDATE SET id = excluded.id, account = excluded.account, expires_at = excluded.expires_at,
            body = excluded.body";
    let expires_at = token.expires_at.map(Timestamp::as_micros);
    conn.execute(upsert, &[p(&&stored.sha256[..]), p(&id(token.id.raw())), p(&token.account.0), p(&expires_at), p(&body)]).await?;
    Ok(())
}

/// As [`put_token`] while the account has none. Whoever else looks at the same time waits behind the lock of the account.
pub(super) async fn put_first_token(conn: &Conn, stored: &StoredToken) -> Result<Result<(), Refused>, Fault> {
    let of = stored.token.account.0;
    conn.rows("SELECT id FROM account WHERE id = $1 FOR UPDATE", &[p(&of)]).await?;
    if column(&conn.only("SELECT EXISTS (SELECT 1 FROM token WHERE account = $1)", &[p(&of)]).await?, 0)? {
        return Ok(Err(Refused::Exists));
    }
    put_token(conn, stored).await.map(Ok)
}

pub(super) async fn token(conn: &Conn, hash: &[u8; 32]) -> Result<Option<StoredToken>, Fault> {
    let row = conn.first("SELECT sha256, body FROM token WHERE sha256 = $1", &[p(&&hash[..])]).await?;
    row.map(|row| read_token(&row)).transpose()
}

pub(super) async fn tokens(conn: &Conn, account: AccountId) -> Result<Vec<StoredToken>, Fault> {
    let sql = "SELECT sha256, body FROM token WHERE account = $1 ORDER BY id DESC LIMIT $2";
    conn.rows(sql, &[p(&account.0), p(&TOKENS_MAX)]).await?.iter().map(read_token).collect()
}

fn read_token(row: &Row) -> Result<StoredToken, Fault> {
    let token = serde_json::from_str::<ApiToken>(column(row, 1)?).map_err(|e| Fault::damaged(format!("a token: {e}")))?;
    Ok(StoredToken { sha256: sha256(row, 0)?, token })
}

pub(super) async fn delete_token(conn: &Conn, account: AccountId, token: CredentialId) -> Result<Result<(), Refused>, Fault> {
    let delete = "DELETE FROM token WHERE account = $1 AND id = $2";
    let deleted = conn.execute(delete, &[p(&account.0), p(&id(token.raw()))]).await?;
    Ok(if deleted == 0 { Err(Refused::NotFound) } else { Ok(()) })
}

pub(super) async fn put_ticket(conn: &Conn, ticket: &Ticket, now: Timestamp) -> Result<Result<(), Refused>, Fault> {
    // One that has expired makes room for another with its hash.
    let upsert = "INSERT INTO ticket (sha256, kind, expires_at, body) VALUES ($1, $2, $3, $4)
        ON CONFLICT (sha256) DO UPDATE SET kind = excluded.kind, expires_at = excluded.expires_at, body = excluded.body
            WHERE ticket.expires_at <= $5";
    let (kind, body, ends) = (text(&ticket.kind), text(&ticket.body), ticket.expires_at.as_micros());
    let written = conn.execute(upsert, &[p(&&ticket.sha256[..]), p(&kind), p(&ends), p(&body), p(&now.as_micros())]).await?;
    Ok(if written == 0 { Err(Refused::Exists) } else { Ok(()) })
}

/// Takes a ticket: it is gone with that, expired or not. Of many only one deletes the row.
pub(super) async fn take_ticket(conn: &Conn, kind: &str, hash: &[u8; 32], now: Timestamp) -> Result<Option<Ticket>, Fault> {
    let delete = "DELETE FROM ticket WHERE sha256 = $1 AND kind = $2 RETURNING sha256, kind, expires_at, body";
    let Some(row) = conn.first(delete, &[p(&&hash[..]), p(&text(kind))]).await? else { return Ok(None) };
    let ticket = Ticket { sha256: sha256(&row, 0)?, kind: column(&row, 1)?, expires_at: time(&row, 2)?, body: column(&row, 3)? };
    Ok((ticket.expires_at > now).then_some(ticket))
}

/// Forgets expired tickets and tokens, some at a time.
pub(super) async fn sweep(conn: &Conn, now: Timestamp, rows_max: usize) -> Result<(), Fault> {
    let now = now.as_micros();
    let tickets = "DELETE FROM ticket WHERE sha256 IN
        (SELECT sha256 FROM ticket WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED)";
    conn.execute(tickets, &[p(&now), p(&limit(rows_max))]).await?;
    // There are few tokens, and no index over their end.
    conn.execute("DELETE FROM token WHERE expires_at <= $1", &[p(&now)]).await?;
    Ok(())
}
