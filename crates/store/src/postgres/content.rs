//! Contents: document bytes by their SHA-256, in chunks, and who refers to them.

use bytes::{Bytes, BytesMut};
use countersign_core::{Timestamp, id::AccountId};
use sha2::{Digest as _, Sha256};

use super::{
    fault::Fault,
    pool::Conn,
    value::{column, limit, p, sha256},
};

/// Bytes of one chunk: what one statement carries without holding up others on its connection for long.
pub(super) const CHUNK_BYTES: usize = 1 << 20;
/// Chunks read in one statement.
const CHUNKS_READ: i64 = 8;

/// What is known of a content before its chunks are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Begun {
    /// It is there already.
    Whole,
    /// Its chunks are to be written under this row.
    Row(i64),
}

/// Begins a content, or finds that it is there; either way it is young again, so that it is not swept before it is referred to.
pub(super) async fn begin(conn: &Conn, account: AccountId, hash: &[u8; 32], length: usize, now: Timestamp) -> Result<Begun, Fault> {
    let upsert = "INSERT INTO content (account, sha256, bytes, put_at, whole) VALUES ($1, $2, $3, $4, false)
        ON CONFLICT (account, sha256) DO UPDATE SET put_at = greatest(content.put_at, excluded.put_at) RETURNING row, whole";
    let row = conn.only(upsert, &[p(&account.0), p(&&hash[..]), p(&limit(length)), p(&now.as_micros())]).await?;
    Ok(if column(&row, 1)? { Begun::Whole } else { Begun::Row(column(&row, 0)?) })
}

/// Writes one chunk. Two callers may bring the same content at once: what they write is the same.
pub(super) async fn chunk(conn: &Conn, content: i64, number: usize, bytes: &[u8]) -> Result<(), Fault> {
    let insert = "INSERT INTO content_chunk (content, number, bytes) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
    conn.execute(insert, &[p(&content), p(&limit(number)), p(&bytes)]).await?;
    Ok(())
}

/// All chunks are there. `false` when the content was swept meanwhile.
pub(super) async fn end(conn: &Conn, content: i64, hash: &[u8; 32]) -> Result<bool, Fault> {
    let update = "UPDATE content SET whole = true WHERE row = $1 AND sha256 = $2";
    Ok(conn.execute(update, &[p(&content), p(&&hash[..])]).await? == 1)
}

/// The bytes, verified against their hash.
pub(super) async fn find(conn: &Conn, account: AccountId, hash: &[u8; 32]) -> Result<Option<Bytes>, Fault> {
    let sql = "SELECT row, bytes FROM content WHERE account = $1 AND sha256 = $2 AND whole";
    let Some(found) = conn.first(sql, &[p(&account.0), p(&&hash[..])]).await? else { return Ok(None) };
    let (content, length): (i64, i64) = (column(&found, 0)?, column(&found, 1)?);
    let length = usize::try_from(length).unwrap_or(0);
    let mut bytes = BytesMut::with_capacity(length);
    let chunks = "SELECT bytes FROM content_chunk WHERE content = $1 AND number >= $2 ORDER BY number LIMIT $3";
    for from in (0..length.div_ceil(CHUNK_BYTES)).step_by(usize::try_from(CHUNKS_READ).unwrap_or(1)) {
        for row in conn.rows(chunks, &[p(&content), p(&limit(from)), p(&CHUNKS_READ)]).await? {
            bytes.extend_from_slice(column(&row, 0)?);
        }
    }
    if Sha256::digest(&bytes)[..] != hash[..] {
        let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        return Err(Fault::damaged(format!("content {hash}")));
    }
    Ok(Some(bytes.freeze()))
}

/// What an owner refers to from now on.
pub(super) struct References<'a> {
    pub(super) account: AccountId,
    pub(super) owner: Vec<u8>,
    pub(super) contents: &'a [[u8; 32]],
}

/// Replaces the references of these owners.
pub(super) async fn refer(conn: &Conn, changes: &[References<'_>]) -> Result<(), Fault> {
    if changes.is_empty() {
        return Ok(());
    }
    let owners: Vec<&[u8]> = changes.iter().map(|change| &change.owner[..]).collect();
    let of: Vec<i64> = changes.iter().map(|change| change.account.0).collect();
    let forget = "DELETE FROM content_reference r USING unnest($1::bytea[], $2::bigint[]) o (owner, account)
        WHERE r.owner = o.owner AND r.account = o.account";
    conn.execute(forget, &[p(&owners), p(&of)]).await?;
    let (mut accounts, mut hashes, mut holders) = (Vec::<i64>::new(), Vec::<&[u8]>::new(), Vec::<&[u8]>::new());
    for change in changes {
        for hash in change.contents {
            accounts.push(change.account.0);
            hashes.push(&hash[..]);
            holders.push(&change.owner[..]);
        }
    }
    if !hashes.is_empty() {
        let insert = "INSERT INTO content_reference (account, sha256, owner)
            SELECT * FROM unnest($1::bigint[], $2::bytea[], $3::bytea[]) ON CONFLICT DO NOTHING";
        conn.execute(insert, &[p(&accounts), p(&hashes), p(&holders)]).await?;
    }
    Ok(())
}

/// What an owner refers to.
pub(super) async fn referred(conn: &Conn, account: AccountId, owner: &[u8]) -> Result<Vec<[u8; 32]>, Fault> {
    let sql = "SELECT sha256 FROM content_reference WHERE owner = $1 AND account = $2 ORDER BY sha256";
    conn.rows(sql, &[p(&owner), p(&account.0)]).await?.iter().map(|row| sha256(row, 0)).collect()
}

/// Contents older than `before` that nothing refers to, from `after` on.
pub(super) async fn unreferred(conn: &Conn, before: Timestamp, after: i64, rows_max: usize) -> Result<Vec<i64>, Fault> {
    let sql = "SELECT row FROM content c WHERE row > $2 AND put_at < $1
            AND NOT EXISTS (SELECT 1 FROM content_reference r WHERE r.account = c.account AND r.sha256 = c.sha256)
        ORDER BY row LIMIT $3";
    let rows = conn.rows(sql, &[p(&before.as_micros()), p(&after), p(&limit(rows_max))]).await?;
    rows.iter().map(|row| column(row, 0)).collect()
}

/// Deletes a content, unless it was put again or referred to meanwhile. Whoever refers to it has put it just before, which
/// made it young.
pub(super) async fn sweep_one(conn: &Conn, content: i64, before: Timestamp) -> Result<bool, Fault> {
    let delete = "DELETE FROM content c WHERE row = $1 AND put_at < $2
        AND NOT EXISTS (SELECT 1 FROM content_reference r WHERE r.account = c.account AND r.sha256 = c.sha256)";
    if conn.execute(delete, &[p(&content), p(&before.as_micros())]).await? == 0 {
        return Ok(false);
    }
    conn.execute("DELETE FROM content_chunk WHERE content = $1", &[p(&content)]).await?;
    Ok(true)
}
