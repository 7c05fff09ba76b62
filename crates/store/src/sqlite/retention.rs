//! Retention: deletes what is finished and old, in small steps.
//!
//! A reader looks for what may go, the writer looks again and deletes. Looking goes on where the last look ended, so that a
//! million old deliveries that are still waiting are not walked past at each call.

use countersign_core::{Timestamp, id::first_at};
use rusqlite::{Connection, params};

use super::{
    attempt,
    connection::PAGE_BYTES,
    fault::Fault,
    transaction::Tx,
    value::{column, id, limit},
};

/// Rows deleted in one transaction: a step of this size adds a few milliseconds to the commit it joins.
pub(super) const STEP_ROWS: usize = 250;
/// Pages given back to the file system in one transaction.
const VACUUM_PAGES: u32 = 256;
/// Free pages are kept for growth up to this share of the database, as a divisor: a quarter.
const FREE_SHARE: i64 = 4;

/// Finished deliveries older than `before`, from `after` on, oldest first.
pub(super) fn old_deliveries(conn: &Connection, before: Timestamp, after: i64, rows_max: usize) -> Result<Vec<i64>, Fault> {
    let mut select = conn.prepare_cached("SELECT id FROM delivery WHERE id > ?1 AND id < ?2 AND state >= 2 ORDER BY id LIMIT ?3")?;
    let rows = select.query_map(params![after, id(first_at(before)), limit(rows_max)], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Events older than `before` that no delivery refers to, from `after` on, oldest first.
pub(super) fn old_events(conn: &Connection, before: Timestamp, after: i64, rows_max: usize) -> Result<Vec<i64>, Fault> {
    let mut select = conn.prepare_cached(
        "SELECT id FROM event e WHERE id > ?1 AND id < ?2 AND NOT EXISTS (SELECT 1 FROM delivery WHERE event = e.id)
         ORDER BY id LIMIT ?3",
    )?;
    let rows = select.query_map(params![after, id(first_at(before)), limit(rows_max)], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Deletes deliveries with their attempts, and the events that nothing refers to any more. Answers how many of each.
pub(super) fn delete_deliveries(tx: &Tx<'_>, rows: &[i64], before: Timestamp) -> Result<(u64, u64), Fault> {
    let mut deliveries = 0;
    let mut events = 0;
    for &row in rows {
        let mut delete = tx.conn.prepare_cached("DELETE FROM delivery WHERE id = ?1 AND state >= 2 RETURNING event, last_attempt")?;
        let mut deleted = delete.query([row])?;
        let Some(found) = deleted.next()? else { continue };
        let (event, last_attempt): (i64, Option<i64>) = (column(found, 0)?, column(found, 1)?);
        drop(deleted);
        attempt::delete(tx, last_attempt)?;
        deliveries += 1;
        events += u64::from(event < id(first_at(before)) && delete_event(tx, event)?);
    }
    Ok((deliveries, events))
}

/// Deletes events; answers how many went.
pub(super) fn delete_events(tx: &Tx<'_>, rows: &[i64]) -> Result<u64, Fault> {
    let mut events = 0;
    for &row in rows {
        events += u64::from(delete_event(tx, row)?);
    }
    Ok(events)
}

/// Deletes an event unless a delivery refers to it or another event shows its snapshot.
fn delete_event(tx: &Tx<'_>, event: i64) -> Result<bool, Fault> {
    let mut delete = tx.conn.prepare_cached(
        "DELETE FROM event AS e WHERE id = ?1
            AND NOT EXISTS (SELECT 1 FROM delivery WHERE event = ?1)
            AND (shared_to IS NULL
                OR NOT EXISTS (SELECT 1 FROM event s WHERE s.id > ?1 AND s.id <= e.shared_to AND s.shares = ?1))",
    )?;
    Ok(delete.execute([event])? == 1)
}

/// Bytes of the database in use, whether they are in its file or still in the log. Free pages are left out.
pub(super) fn used_bytes(conn: &Connection) -> Result<u64, Fault> {
    let pages: i64 = conn.prepare_cached("PRAGMA page_count")?.query_row([], |row| row.get(0))?;
    let free: i64 = conn.prepare_cached("PRAGMA freelist_count")?.query_row([], |row| row.get(0))?;
    Ok(u64::try_from(pages - free).unwrap_or(0) * u64::from(PAGE_BYTES))
}

/// Gives free pages back to the file system when there are more than growth needs, or all of them when the disk is full.
pub(super) fn give_back_pages(tx: &Tx<'_>, all: bool) -> Result<bool, Fault> {
    let pages: i64 = tx.conn.prepare_cached("PRAGMA page_count")?.query_row([], |row| row.get(0))?;
    let free: i64 = tx.conn.prepare_cached("PRAGMA freelist_count")?.query_row([], |row| row.get(0))?;
    let keep = if all { 0 } else { pages / FREE_SHARE };
    if free <= keep {
        return Ok(false);
    }
    let mut vacuum = tx.conn.prepare(&format!("PRAGMA incremental_vacuum({VACUUM_PAGES})"))?;
    let mut rows = vacuum.query([])?;
    while rows.next()?.is_some() {}
    Ok(free - i64::from(VACUUM_PAGES) > keep)
}
