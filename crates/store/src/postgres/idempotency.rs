//! Answers remembered under an idempotency key.

use std::collections::HashMap;

use bytes::Bytes;
use countersign_core::{Timestamp, id::AccountId};

use super::{
    fault::Fault,
    pool::Conn,
    value::{bytes, column, limit, p, sha256, text, time},
};
use crate::record::Idempotency;

/// The request's hash and the answer, unless the key is unknown or has expired.
pub(super) async fn find(conn: &Conn, account: AccountId, key: &str, now: Timestamp) -> Result<Option<([u8; 32], Bytes)>, Fault> {
    let sql = "SELECT request_sha256, answer FROM idempotency WHERE account = $1 AND key = $2 AND expires_at > $3";
    let row = conn.first(sql, &[p(&account.0), p(&text(key)), p(&now.as_micros())]).await?;
    row.map(|row| Ok((sha256(&row, 0)?, bytes(&row, 1)?))).transpose()
}

/// What is known under a key.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) request_sha256: [u8; 32],
    pub(super) answer: Bytes,
    pub(super) expires_at: Timestamp,
}

/// Keys with their accounts.
pub(super) type Keys = HashMap<(AccountId, String), Known>;

/// What is known under these keys, which nobody else records under until this transaction ends.
pub(super) async fn hold(conn: &Conn, keys: &[(AccountId, &str)]) -> Result<Keys, Fault> {
    let accounts: Vec<i64> = keys.iter().map(|(account, _)| account.0).collect();
    let names: Vec<_> = keys.iter().map(|(_, key)| text(key)).collect();
    let lock = "SELECT pg_advisory_xact_lock(place) FROM
        (SELECT DISTINCT hashtextextended(key, account) FROM unnest($1::bigint[], $2::text[]) k (account, key) ORDER BY 1) locks (place)";
    conn.rows(lock, &[p(&accounts), p(&names)]).await?;
    let sql = "SELECT i.account, i.key, i.request_sha256, i.answer, i.expires_at
        FROM unnest($1::bigint[], $2::text[]) k (account, key) JOIN idempotency i ON i.account = k.account AND i.key = k.key";
    let rows = conn.rows(sql, &[p(&accounts), p(&names)]).await?;
    rows.iter()
        .map(|row| {
            let known = Known { request_sha256: sha256(row, 2)?, answer: bytes(row, 3)?, expires_at: time(row, 4)? };
            Ok(((AccountId(column(row, 0)?), column(row, 1)?), known))
        })
        .collect()
}

/// Remembers answers, each under another key; expired ones under the same keys make room.
pub(super) async fn put(conn: &Conn, answers: &[(AccountId, &Idempotency)]) -> Result<(), Fault> {
    let accounts: Vec<i64> = answers.iter().map(|(account, _)| account.0).collect();
    let keys: Vec<_> = answers.iter().map(|(_, idempotency)| text(&idempotency.key)).collect();
    let requests: Vec<&[u8]> = answers.iter().map(|(_, idempotency)| &idempotency.request_sha256[..]).collect();
    let ends: Vec<i64> = answers.iter().map(|(_, idempotency)| idempotency.expires_at.as_micros()).collect();
    let bodies: Vec<&[u8]> = answers.iter().map(|(_, idempotency)| &idempotency.answer[..]).collect();
    conn.execute(
        "INSERT INTO idempotency (account, key, request_sha256, expires_at, answer)
         SELECT * FROM unnest($1::bigint[], $2::text[], $3::bytea[], $4::bigint[], $5::bytea[])
         ON CONFLICT (account, key) DO UPDATE
         SET request_sha256 = excluded.request_sha256, expires_at = excluded.expires_at, answer = excluded.answer",
        &[p(&accounts), p(&keys), p(&requests), p(&ends), p(&bodies)],
    )
    .await?;
    Ok(())
}

/// Forgets expired ones, some at a time.
pub(super) async fn sweep(conn: &Conn, now: Timestamp, rows_max: usize) -> Result<(), Fault> {
    let delete = "DELETE FROM idempotency WHERE (account, key) IN
        (SELECT account, key FROM idempotency WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED)";
    conn.execute(delete, &[p(&now.as_micros()), p(&limit(rows_max))]).await?;
    Ok(())
}
