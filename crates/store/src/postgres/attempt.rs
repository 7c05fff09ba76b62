//! Attempts: chained from the newest to the oldest, so that writing one touches no index but its own.

use countersign_core::id::{AttemptId, DeliveryId};
use tokio_postgres::Row;

use super::{
    fault::Fault,
    pool::Conn,
    value::{bytes, column, count, counted, id, p, raw, text, time},
};
use crate::{
    codec::unpacked_exchange,
    settle::{AttemptRow, Exchange},
};

/// Attempts of one delivery that are read; more than any retry schedule makes.
const ATTEMPTS_MAX: i64 = 1_000;
/// How far the ids of nodes may be apart whose clocks are not the same: an hour.
pub(super) const CLOCKS_APART: i64 = 3_600_000 << 22;

/// An attempt to be stored in front of its chain. Its exchange comes as it is stored.
pub(super) struct NewAttempt<'a> {
    pub(super) delivery: DeliveryId,
    pub(super) previous: Option<i64>,
    pub(super) row: &'a AttemptRow,
    pub(super) exchange: &'a str,
}

/// Inserts attempts; a known id breaks a constraint.
pub(super) async fn insert(conn: &Conn, attempts: &[NewAttempt<'_>]) -> Result<(), Fault> {
    if attempts.is_empty() {
        return Ok(());
    }
    let numbers = |of: fn(&NewAttempt<'_>) -> i64| attempts.iter().map(of).collect::<Vec<i64>>();
    conn.execute(
        "INSERT INTO attempt
            (id, delivery, previous, started_at, elapsed_us, retry_count, counted, status, class, error, exchange, answer_head)
         SELECT n.* FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::boolean[],
             $8::bigint[], $9::text[], $10::text[], $11::text[], $12::bytea[]) n",
        &[
            p(&numbers(|a| id(a.row.id.raw()))),
            p(&numbers(|a| id(a.delivery.raw()))),
            p(&attempts.iter().map(|a| a.previous).collect::<Vec<_>>()),
            p(&numbers(|a| a.row.started_at.as_micros())),
            p(&numbers(|a| a.row.elapsed_us.cast_signed())),
            p(&numbers(|a| counted(a.row.retry_count))),
            p(&attempts.iter().map(|a| a.row.counted).collect::<Vec<_>>()),
            p(&attempts.iter().map(|a| a.row.status.map(i64::from)).collect::<Vec<_>>()),
            p(&attempts.iter().map(|a| text(&a.row.class)).collect::<Vec<_>>()),
            p(&attempts.iter().map(|a| a.row.error.as_deref().map(text)).collect::<Vec<_>>()),
            p(&attempts.iter().map(|a| a.exchange).collect::<Vec<_>>()),
            p(&attempts.iter().map(|a| &a.row.answer_head[..]).collect::<Vec<_>>()),
        ],
    )
    .await?;
    Ok(())
}

/// All attempts of a delivery, oldest first. Their ids lie between its own and that of the last, give or take what the clocks of nodes
/// are apart, which says in which days to look.
pub(super) async fn all(conn: &Conn, of: DeliveryId, last: Option<i64>) -> Result<Vec<AttemptRow>, Fault> {
    let Some(last) = last else { return Ok(Vec::new()) };
    let (from, to) = (id(of.raw()) - CLOCKS_APART, last.saturating_add(CLOCKS_APART));
    // The offset keeps the planner from reading whole days at once.
    let chain = "WITH RECURSIVE chain AS (
            SELECT a.*, 1 AS place FROM attempt a WHERE a.id = $1
            UNION ALL
            SELECT a.*, c.place + 1 FROM chain c CROSS JOIN LATERAL
                (SELECT * FROM attempt WHERE id = c.previous AND id >= $3 AND id <= $4 OFFSET 0) a
            WHERE c.place < $2
        )
        SELECT id, started_at, elapsed_us, retry_count, counted, status, class, error, exchange, answer_head
        FROM chain ORDER BY place DESC";
    conn.rows(chain, &[p(&last), p(&ATTEMPTS_MAX), p(&from), p(&to)]).await?.iter().map(read).collect()
}

fn read(row: &Row) -> Result<AttemptRow, Fault> {
    let attempt = AttemptId::from_raw(raw(column(row, 0)?));
    let exchange = unpacked_exchange(column(row, 8)?).ok_or_else(|| Fault::damaged(format!("attempt {attempt}")))?;
    let exchange: Exchange = serde_json::from_str(&exchange).map_err(|e| Fault::damaged(format!("attempt {attempt}: {e}")))?;
    Ok(AttemptRow {
        id: attempt,
        started_at: time(row, 1)?,
        elapsed_us: raw(column(row, 2)?),
        retry_count: count(row, 3)?,
        counted: column(row, 4)?,
        status: status(row, 5)?,
        class: column(row, 6)?,
        error: column(row, 7)?,
        exchange,
        answer_head: bytes(row, 9)?,
    })
}

/// An HTTP status that may be absent.
pub(super) fn status(row: &Row, index: usize) -> Result<Option<u16>, Fault> {
    Ok(column::<Option<i32>>(row, index)?.and_then(|status| u16::try_from(status).ok()))
}
