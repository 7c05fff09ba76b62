//! Answers remembered under an idempotency key.

use bytes::Bytes;
use countersign_core::{Timestamp, id::AccountId};
use rusqlite::{Connection, params};

use super::{
    fault::Fault,
    transaction::Tx,
    value::{bytes, limit, sha256},
};
use crate::record::Idempotency;

/// The request's hash and the answer, unless the key is unknown or has expired.
pub(super) fn find(conn: &Connection, account: AccountId, key: &str, now: Timestamp) -> Result<Option<([u8; 32], Bytes)>, Fault> {
    let mut select =
        conn.prepare_cached("SELECT request_sha256, answer FROM idempotency WHERE account = ?1 AND key = ?2 AND expires_at > ?3")?;
    let mut rows = select.query(params![account.0, key, now.as_micros()])?;
    rows.next()?.map(|row| Ok((sha256(row, 0)?, bytes(row, 1)?))).transpose()
}

/// Remembers an answer under a key that is unknown or has expired; otherwise tells what is known under it. In one step: that the key is
/// new is the rule, and looking first would seek its place twice.
pub(super) fn remember(
    tx: &Tx<'_>,
    account: AccountId,
    idempotency: &Idempotency,
    now: Timestamp,
) -> Result<Option<([u8; 32], Bytes)>, Fault> {
    let mut insert = tx.conn.prepare_cached(
        "INSERT INTO idempotency (account, key, request_sha256, expires_at, answer) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (account, key) DO UPDATE
         SET request_sha256 = excluded.request_sha256, expires_at = excluded.expires_at, answer = excluded.answer
         WHERE idempotency.expires_at <= ?6",
    )?;
    let remembered = insert.execute(params![
        account.0,
        idempotency.key,
        idempotency.request_sha256,
        idempotency.expires_at.as_micros(),
        &idempotency.answer[..],
        now.as_micros()
    ])?;
    if remembered > 0 { Ok(None) } else { find(tx.conn, account, &idempotency.key, now) }
}

/// Forgets expired ones, some at a time.
pub(super) fn sweep(tx: &Tx<'_>, now: Timestamp, rows_max: usize) -> Result<usize, Fault> {
    let mut delete = tx.conn.prepare_cached(
        "DELETE FROM idempotency WHERE (account, key) IN
            (SELECT account, key FROM idempotency WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2)",
    )?;
    Ok(delete.execute(params![now.as_micros(), limit(rows_max)])?)
}
