//! Retention: deletes what is finished and old, in small steps, any number of nodes beside each other.
//!
//! Deliveries go one by one. Events and attempts go with their day (`days`), so that what is deleted of them one by one is what has
//! no day: what came in before there were partitions, and what was moved out of a day that went.
//!
//! Looking goes on where the last look ended, so that a million old deliveries that are still waiting are not walked past at
//! each call. What another node is deleting is passed over.

use std::collections::HashSet;

use countersign_core::{Timestamp, id::first_at};

use super::{
    fault::Fault,
    pool::Conn,
    value::{column, id, limit, p, total},
};

/// Rows deleted in one transaction.
pub(super) const STEP_ROWS: usize = 500;

/// Finished deliveries older than `before`, from `after` on, oldest first.
pub(super) async fn old_deliveries(conn: &Conn, before: Timestamp, after: i64, rows_max: usize) -> Result<Vec<i64>, Fault> {
    let sql = "SELECT id FROM delivery WHERE id > $1 AND id < $2 AND state >= 2 ORDER BY id LIMIT $3";
    let rows = conn.rows(sql, &[p(&after), p(&id(first_at(before))), p(&limit(rows_max))]).await?;
    rows.iter().map(|row| column(row, 0)).collect()
}

/// Events without a day, older than `before`, that no delivery refers to, from `after` on, oldest first.
pub(super) async fn old_events(conn: &Conn, before: Timestamp, after: i64, rows_max: usize) -> Result<Vec<i64>, Fault> {
    let sql = "SELECT id FROM event_other e WHERE id > $1 AND id < $2 AND NOT EXISTS (SELECT 1 FROM delivery WHERE event = e.id)
        ORDER BY id LIMIT $3";
    let rows = conn.rows(sql, &[p(&after), p(&id(first_at(before))), p(&limit(rows_max))]).await?;
    rows.iter().map(|row| column(row, 0)).collect()
}

/// Attempts without a day, older than `before`, whose delivery is gone, from `after` on, oldest first.
pub(super) async fn old_attempts(conn: &Conn, before: Timestamp, after: i64, rows_max: usize) -> Result<Vec<i64>, Fault> {
    let sql = "SELECT id FROM attempt_other a WHERE id > $1 AND id < $2 AND NOT EXISTS (SELECT 1 FROM delivery WHERE id = a.delivery)
        ORDER BY id LIMIT $3";
    let rows = conn.rows(sql, &[p(&after), p(&id(first_at(before))), p(&limit(rows_max))]).await?;
    rows.iter().map(|row| column(row, 0)).collect()
}

/// Deletes attempts without a day. Their delivery is gone, so that nobody writes them.
pub(super) async fn delete_attempts(conn: &Conn, rows: &[i64]) -> Result<(), Fault> {
    let rows = rows.to_vec();
    conn.execute("DELETE FROM attempt_other WHERE id = ANY ($1)", &[p(&rows)]).await?;
    Ok(())
}

/// Deletes deliveries, and the events without a day that nothing refers to any more. Answers how many of each.
pub(super) async fn delete_deliveries(conn: &Conn, rows: &[i64], before: Timestamp) -> Result<(u64, u64), Fault> {
    let rows = rows.to_vec();
    let delete = "WITH gone AS (SELECT id FROM delivery WHERE id = ANY ($1) AND state >= 2 ORDER BY id FOR UPDATE SKIP LOCKED)
        DELETE FROM delivery d USING gone WHERE d.id = gone.id RETURNING d.event";
    let deleted = conn.rows(delete, &[p(&rows)]).await?;
    let events = deleted.iter().map(|row| column(row, 0)).collect::<Result<HashSet<i64>, Fault>>()?;
    let old: Vec<i64> = events.into_iter().filter(|event| *event < id(first_at(before))).collect();
    let events = delete_events(conn, &old).await?;
    Ok((deleted.len() as u64, events))
}

/// Deletes events without a day unless a delivery refers to them or another event shows their snapshot; answers how many went.
pub(super) async fn delete_events(conn: &Conn, rows: &[i64]) -> Result<u64, Fault> {
    let rows = rows.to_vec();
    let delete = "WITH gone AS (
            SELECT e.id FROM event_other e WHERE e.id = ANY ($1)
                AND NOT EXISTS (SELECT 1 FROM delivery WHERE event = e.id)
                AND (e.shared_to IS NULL
                    OR NOT EXISTS (SELECT 1 FROM event s WHERE s.id > e.id AND s.id <= e.shared_to AND s.shares = e.id))
            ORDER BY e.id FOR UPDATE SKIP LOCKED
        )
        DELETE FROM event_other e USING gone WHERE e.id = gone.id";
    conn.execute(delete, &[p(&rows)]).await
}

/// Bytes of the database on its disk. Deleted rows give their space back to later ones, days that go to the disk.
pub(super) async fn used_bytes(conn: &Conn) -> Result<u64, Fault> {
    total(&conn.only("SELECT pg_database_size(current_database())", &[]).await?, 0)
}
