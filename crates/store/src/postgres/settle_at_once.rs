//! Settling in one statement, which is one round trip and one transaction by itself.
//!
//! Nearly all settlements are alike: the delivery ended, it has no order key, and this node still has its lease. They need no
//! decision between reading and writing, so that one statement locks, checks and writes them. Whatever it leaves, for whatever
//! reason, is settled the long way ([`super::settle::settle`]), which finds the reason.
//!
//! When the connection breaks it is not known whether the statement took place. It is done again then, which is safe: what was settled is
//! not leased any more, and the long way knows its attempt.

use std::collections::HashSet;

use countersign_core::id::{AttemptId, DeliveryId};

use super::{
    fault::Fault,
    pool::Conn,
    settle::{Prepared, ended},
    value::{column, counted, id, p, raw, text},
};
use crate::settle::AttemptRow;

const SETTLE: &str = "WITH held AS MATERIALIZED (
        SELECT id, leased_by, last_attempt FROM delivery WHERE id = ANY ($1) AND state = 1 AND order_key IS NULL ORDER BY id FOR UPDATE
    ), n AS (
        SELECT n.*, held.last_attempt AS previous
        FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[],
            $9::bigint[], $10::bigint[], $11::bigint[], $12::boolean[], $13::bigint[], $14::text[], $15::text[], $16::text[], $17::bytea[])
            n (id, leased_by, state, reason, at, attempts_made, retry_count, attempt, started_at, elapsed_us, attempt_retry_count, counted,
               status, class, error, exchange, answer_head)
        JOIN held ON held.id = n.id AND held.leased_by = n.leased_by
            AND (n.attempt IS NULL OR held.last_attempt IS NULL OR held.last_attempt <> n.attempt)
    ), attempts AS (
        INSERT INTO attempt
            (id, delivery, previous, started_at, elapsed_us, retry_count, counted, status, class, error, exchange, answer_head)
        SELECT attempt, id, previous, started_at, elapsed_us, attempt_retry_count, counted, status, class, error, exchange, answer_head
        FROM n WHERE attempt IS NOT NULL
    )
    UPDATE delivery d SET state = n.state, held = 0, held_since = NULL, reason = n.reason, at = n.at, leased_by = NULL,
        last_attempt = coalesce(n.attempt, d.last_attempt), attempts_made = n.attempts_made, retry_count = n.retry_count,
        orphaned = CASE WHEN n.attempt IS NULL THEN d.orphaned ELSE 0 END
    FROM n WHERE d.id = n.id RETURNING d.id";

/// Settles those of these that can be settled at once; answers which.
pub(super) async fn settle(conn: &Conn, prepared: &[&Prepared]) -> Result<HashSet<DeliveryId>, Fault> {
    let plain = plain(prepared);
    if plain.is_empty() {
        return Ok(HashSet::new());
    }
    let numbers = |of: fn(&Prepared) -> i64| plain.iter().map(|one| of(one)).collect::<Vec<i64>>();
    let ends: Vec<(u8, u8)> = plain.iter().filter_map(|one| ended(&one.settlement.next)).collect();
    let attempts: Vec<Option<&AttemptRow>> = plain.iter().map(|one| one.settlement.attempt.as_deref()).collect();
    let of_attempts = |of: fn(&AttemptRow) -> i64| attempts.iter().map(|attempt| attempt.map(of)).collect::<Vec<Option<i64>>>();
    let rows = conn
        .rows(
            SETTLE,
            &[
                p(&numbers(|one| id(one.settlement.delivery.raw()))),
                p(&numbers(|one| id(one.settlement.by.raw()))),
                p(&ends.iter().map(|(state, _)| i64::from(*state)).collect::<Vec<_>>()),
                p(&ends.iter().map(|(_, reason)| i64::from(*reason)).collect::<Vec<_>>()),
                p(&numbers(|one| one.settlement.now.as_micros())),
                p(&numbers(|one| counted(one.settlement.attempts_made))),
                p(&numbers(|one| counted(one.settlement.retry_count))),
                p(&of_attempts(|attempt| id(attempt.id.raw()))),
                p(&of_attempts(|attempt| attempt.started_at.as_micros())),
                p(&of_attempts(|attempt| attempt.elapsed_us.cast_signed())),
                p(&of_attempts(|attempt| counted(attempt.retry_count))),
                p(&attempts.iter().map(|attempt| attempt.map(|attempt| attempt.counted)).collect::<Vec<_>>()),
                p(&attempts.iter().map(|attempt| attempt.and_then(|attempt| attempt.status.map(i64::from))).collect::<Vec<_>>()),
                p(&attempts.iter().map(|attempt| attempt.map(|attempt| text(&attempt.class))).collect::<Vec<_>>()),
                p(&attempts.iter().map(|attempt| attempt.and_then(|attempt| attempt.error.as_deref().map(text))).collect::<Vec<_>>()),
                p(&plain.iter().map(|one| one.settlement.attempt.as_ref().map(|_| &one.exchange[..])).collect::<Vec<_>>()),
                p(&attempts.iter().map(|attempt| attempt.map(|attempt| &attempt.answer_head[..])).collect::<Vec<_>>()),
            ],
        )
        .await?;
    rows.iter().map(|row| Ok(DeliveryId::from_raw(raw(column(row, 0)?)))).collect()
}

/// Those that end their delivery, one of each delivery and each attempt.
fn plain<'a>(prepared: &[&'a Prepared]) -> Vec<&'a Prepared> {
    let (mut deliveries, mut attempts) = (HashSet::<DeliveryId>::new(), HashSet::<AttemptId>::new());
    prepared
        .iter()
        .copied()
        .filter(|one| ended(&one.settlement.next).is_some())
        .filter(|one| one.settlement.attempt.as_ref().is_none_or(|attempt| attempts.insert(attempt.id)))
        .filter(|one| deliveries.insert(one.settlement.delivery))
        .collect()
}
