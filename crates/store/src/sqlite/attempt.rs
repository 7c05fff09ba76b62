//! Attempts: chained from the newest to the oldest, so that writing one touches no index.

use countersign_core::id::{AttemptId, DeliveryId};
use rusqlite::{Connection, Row, params};

use super::{
    fault::Fault,
    transaction::Tx,
    value::{bytes, column, count, id, raw, time},
};
use crate::{
    codec::unpacked_exchange,
    settle::{AttemptRow, Exchange},
};

/// Attempts of one delivery that are read; more than any retry schedule makes.
const ATTEMPTS_MAX: usize = 1_000;

/// The columns that [`read`] takes, after `previous`.
const COLUMNS: &str = "previous, id, started_at, elapsed_us, retry_count, counted, status, class, error, exchange, answer_head";

/// Inserts an attempt in front of the chain. Its exchange comes as it is stored, made outside of the writer.
pub(super) fn insert(tx: &Tx<'_>, delivery: DeliveryId, previous: Option<i64>, attempt: &AttemptRow, exchange: &str) -> Result<(), Fault> {
    tx.conn
        .prepare_cached(
            "INSERT INTO attempt
                (id, delivery, previous, started_at, elapsed_us, retry_count, counted, status, class, error, exchange, answer_head)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        )?
        .execute(params![
            id(attempt.id.raw()),
            id(delivery.raw()),
            previous,
            attempt.started_at.as_micros(),
            attempt.elapsed_us.cast_signed(),
            attempt.retry_count,
            attempt.counted,
            attempt.status,
            attempt.class,
            attempt.error,
            exchange,
            &attempt.answer_head[..],
        ])?;
    Ok(())
}

/// The newest attempt alone, as lists show it.
pub(super) fn newest(conn: &Connection, last: Option<i64>) -> Result<Option<AttemptRow>, Fault> {
    Ok(follow(conn, last, 1)?.pop())
}

/// All attempts, oldest first.
pub(super) fn all(conn: &Connection, last: Option<i64>) -> Result<Vec<AttemptRow>, Fault> {
    let mut attempts = follow(conn, last, ATTEMPTS_MAX)?;
    attempts.reverse();
    Ok(attempts)
}

fn follow(conn: &Connection, last: Option<i64>, count_max: usize) -> Result<Vec<AttemptRow>, Fault> {
    let mut select = conn.prepare_cached(&format!("SELECT {COLUMNS} FROM attempt WHERE id = ?1"))?;
    let mut attempts = Vec::new();
    let mut next = last;
    while let Some(attempt) = next
        && attempts.len() < count_max
    {
        let mut rows = select.query([attempt])?;
        let Some(row) = rows.next()? else { break };
        next = column(row, 0)?;
        attempts.push(read(row)?);
    }
    Ok(attempts)
}

fn read(row: &Row<'_>) -> Result<AttemptRow, Fault> {
    let attempt = AttemptId::from_raw(raw(column(row, 1)?));
    let stored: String = column(row, 9)?;
    let exchange = unpacked_exchange(&stored).ok_or_else(|| Fault::damaged(format!("attempt {attempt}")))?;
    let exchange: Exchange = serde_json::from_str(&exchange).map_err(|e| Fault::damaged(format!("attempt {attempt}: {e}")))?;
    Ok(AttemptRow {
        id: attempt,
        started_at: time(row, 2)?,
        elapsed_us: raw(column(row, 3)?),
        retry_count: count(row, 4)?,
        counted: column(row, 5)?,
        status: column(row, 6)?,
        class: column(row, 7)?,
        error: column(row, 8)?,
        exchange,
        answer_head: bytes(row, 10)?,
    })
}

/// Deletes a chain.
pub(super) fn delete(tx: &Tx<'_>, last: Option<i64>) -> Result<(), Fault> {
    let mut delete = tx.conn.prepare_cached("DELETE FROM attempt WHERE id = ?1 RETURNING previous")?;
    let mut next = last;
    while let Some(attempt) = next {
        let mut rows = delete.query([attempt])?;
        next = match rows.next()? {
            Some(row) => column(row, 0)?,
            None => None,
        };
    }
    Ok(())
}
