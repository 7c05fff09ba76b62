//! Contents: document bytes by their SHA-256, in chunks, and who refers to them.

use bytes::{Bytes, BytesMut};
use countersign_core::{Timestamp, id::AccountId};
use rusqlite::{Connection, OptionalExtension as _, params};
use sha2::{Digest as _, Sha256};

use super::{
    fault::Fault,
    transaction::Tx,
    value::{limit, sha256},
};

/// Bytes of one chunk: what the writer takes in one go without holding up others for long.
pub(super) const CHUNK_BYTES: usize = 1 << 20;

/// What is known of a content before its chunks are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Begun {
    /// It is there already.
    Whole,
    /// Its chunks are to be written under this row.
    Row(i64),
}

/// Begins a content, or finds that it is there; either way it is young again, so that it is not swept before it is referred to.
pub(super) fn begin(tx: &Tx<'_>, account: AccountId, hash: &[u8; 32], length: usize, now: Timestamp) -> Result<Begun, Fault> {
    let mut insert = tx.conn.prepare_cached(
        "INSERT INTO content (account, sha256, bytes, put_at, whole) VALUES (?1, ?2, ?3, ?4, 0)
         ON CONFLICT (account, sha256) DO UPDATE SET put_at = max(put_at, excluded.put_at) RETURNING row, whole",
    )?;
    let (row, whole): (i64, bool) =
        insert.query_row(params![account.0, hash, limit(length), now.as_micros()], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(if whole { Begun::Whole } else { Begun::Row(row) })
}

/// Writes one chunk. Two callers may bring the same content at once: what they write is the same.
pub(super) fn chunk(tx: &Tx<'_>, content: i64, number: usize, bytes: &[u8]) -> Result<(), Fault> {
    tx.conn
        .prepare_cached("INSERT INTO content_chunk (content, number, bytes) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING")?
        .execute(params![content, limit(number), bytes])?;
    Ok(())
}

/// All chunks are there. `false` when the content was swept meanwhile.
pub(super) fn end(tx: &Tx<'_>, content: i64, hash: &[u8; 32]) -> Result<bool, Fault> {
    let mut update = tx.conn.prepare_cached("UPDATE content SET whole = 1 WHERE row = ?1 AND sha256 = ?2")?;
    Ok(update.execute(params![content, hash])? == 1)
}

/// The bytes, verified against their hash.
pub(super) fn find(conn: &Connection, account: AccountId, hash: &[u8; 32]) -> Result<Option<Bytes>, Fault> {
    let mut select = conn.prepare_cached("SELECT row, bytes FROM content WHERE account = ?1 AND sha256 = ?2 AND whole = 1")?;
    let found: Option<(i64, i64)> = select.query_row(params![account.0, hash], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let Some((content, length)) = found else { return Ok(None) };
    let mut bytes = BytesMut::with_capacity(usize::try_from(length).unwrap_or(0));
    let mut chunks = conn.prepare_cached("SELECT bytes FROM content_chunk WHERE content = ?1 ORDER BY number")?;
    let mut rows = chunks.query([content])?;
    while let Some(row) = rows.next()? {
        bytes.extend_from_slice(row.get_ref(0)?.as_blob().map_err(|e| Fault::Sql(e.into()))?);
    }
    if Sha256::digest(&bytes)[..] != hash[..] {
        return Err(Fault::damaged(format!("content {}", hex(hash))));
    }
    Ok(Some(bytes.freeze()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What an owner refers to from now on.
pub(super) fn refer(tx: &Tx<'_>, account: AccountId, owner: &[u8], contents: &[[u8; 32]]) -> Result<(), Fault> {
    tx.conn.prepare_cached("DELETE FROM content_reference WHERE owner = ?1 AND account = ?2")?.execute(params![owner, account.0])?;
    for hash in contents {
        tx.conn
            .prepare_cached("INSERT INTO content_reference (account, sha256, owner) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING")?
            .execute(params![account.0, hash, owner])?;
    }
    Ok(())
}

/// What an owner refers to.
pub(super) fn referred(conn: &Connection, account: AccountId, owner: &[u8]) -> Result<Vec<[u8; 32]>, Fault> {
    let mut select = conn.prepare_cached("SELECT sha256 FROM content_reference WHERE owner = ?1 AND account = ?2")?;
    let mut rows = select.query(params![owner, account.0])?;
    let mut contents = Vec::new();
    while let Some(row) = rows.next()? {
        contents.push(sha256(row, 0)?);
    }
    Ok(contents)
}

/// Contents older than `before` that nothing refers to, from `after` on.
pub(super) fn unreferred(conn: &Connection, before: Timestamp, after: i64, rows_max: usize) -> Result<Vec<i64>, Fault> {
    let mut select = conn.prepare_cached(
        "SELECT row FROM content c WHERE row > ?2 AND put_at < ?1
            AND NOT EXISTS (SELECT 1 FROM content_reference r WHERE r.account = c.account AND r.sha256 = c.sha256)
         ORDER BY row LIMIT ?3",
    )?;
    let rows = select.query_map(params![before.as_micros(), after, limit(rows_max)], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Deletes a content, unless it was put again or referred to meanwhile.
pub(super) fn sweep_one(tx: &Tx<'_>, content: i64, before: Timestamp) -> Result<bool, Fault> {
    let mut delete = tx.conn.prepare_cached(
        "DELETE FROM content AS c WHERE row = ?1 AND put_at < ?2
            AND NOT EXISTS (SELECT 1 FROM content_reference r WHERE r.account = c.account AND r.sha256 = c.sha256)",
    )?;
    if delete.execute(params![content, before.as_micros()])? == 0 {
        return Ok(false);
    }
    tx.conn.prepare_cached("DELETE FROM content_chunk WHERE content = ?1")?.execute([content])?;
    Ok(true)
}
