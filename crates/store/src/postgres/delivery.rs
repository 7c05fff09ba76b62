//! A delivery's row: how the states stand in columns, and the moves between them that several operations share.
//!
//! Locks are taken in one order, so that no two transactions wait for each other: where waiting rows are moved, first the order
//! keys (advisory locks, sorted), then the rows. Rows under a lease are locked before their keys, since nobody who holds
//! a key waits for a leased row. A claim waits for nothing: it passes over rows and keys that others hold.

use std::{collections::HashSet, time::Duration};

use countersign_core::{
    Timestamp,
    delivery::{Delivery, DeliveryState, Hold, ParkReason},
    id::{AccountId, DeliveryId, EventId, Incarnation, ListenerId, SubscriptionId},
    subscription::MessageShape,
};
use tokio_postgres::Row;
use uuid::Uuid;

use super::{
    fault::Fault,
    pool::Conn,
    value::{Param, code, column, count, counted, envelope, id, optional_time, p, raw, time},
};

/// `delivery.state`. Partial indexes of the schema name these numbers.
pub(super) const WAITING: u8 = 0;
/// See [`WAITING`].
pub(super) const LEASED: u8 = 1;
/// See [`WAITING`].
pub(super) const DELIVERED: u8 = 2;
/// See [`WAITING`].
pub(super) const PARKED: u8 = 3;
/// See [`WAITING`].
pub(super) const CANCELLED: u8 = 4;

/// The columns that [`read`] takes, of a table called `d`.
macro_rules! columns {
    () => {
        "d.id, d.account, d.event, d.subscription, d.listener, d.state, d.held, d.reason, d.at, d.leased_by, d.attempts_made, \
         d.retry_count, d.shape, d.generated_at, d.schedule_started_at, d.attempts_before_schedule, d.held_total, d.order_key, \
         d.replay_of, d.envelope, d.orphaned, d.held_since, d.hidden, d.last_attempt"
    };
}
pub(super) use columns;

/// The index of the first column behind them.
pub(super) const BEHIND: usize = 24;

/// A row as read.
#[derive(Clone, Debug)]
pub(super) struct DeliveryRow {
    pub(super) delivery: Delivery,
    pub(super) orphaned: u32,
    pub(super) held_since: Option<Timestamp>,
    pub(super) hidden: bool,
    /// Where the chain of attempts starts.
    pub(super) last_attempt: Option<i64>,
}

/// Reads a row that starts with [`columns`].
pub(super) fn read(row: &Row) -> Result<DeliveryRow, Fault> {
    let delivery = DeliveryId::from_raw(raw(column(row, 0)?));
    let damaged = |what: &str| Fault::damaged(format!("delivery {delivery}: {what}"));
    let at = time(row, 8)?;
    let state = match code(row, 5)? {
        WAITING => DeliveryState::Waiting { due_at: at, held: Hold::from_code(code(row, 6)?) },
        LEASED => {
            let by: Option<i64> = column(row, 9)?;
            DeliveryState::Leased { by: Incarnation::from_raw(raw(by.ok_or_else(|| damaged("the holder of its lease"))?)) }
        }
        DELIVERED => DeliveryState::Delivered { at },
        PARKED => {
            let reason = ParkReason::from_code(code(row, 7)?).ok_or_else(|| damaged("the reason why it was parked"))?;
            DeliveryState::Parked { reason, at }
        }
        CANCELLED => DeliveryState::Cancelled { at },
        _ => return Err(damaged("its state")),
    };
    Ok(DeliveryRow {
        delivery: Delivery {
            id: delivery,
            account: AccountId(column(row, 1)?),
            event: EventId::from_raw(raw(column(row, 2)?)),
            subscription: SubscriptionId(column(row, 3)?),
            listener: ListenerId(column(row, 4)?),
            envelope: envelope(row, 19)?,
            shape: MessageShape::from_code(code(row, 12)?).ok_or_else(|| damaged("its shape"))?,
            generated_at: time(row, 13)?,
            order_key: column(row, 17)?,
            state,
            attempts_made: count(row, 10)?,
            retry_count: count(row, 11)?,
            schedule_started_at: time(row, 14)?,
            attempts_before_schedule: count(row, 15)?,
            held_total: Duration::from_micros(u64::try_from(column::<i64>(row, 16)?).unwrap_or(0)),
            replay_of: column::<Option<i64>>(row, 18)?.map(|stored| DeliveryId::from_raw(raw(stored))),
        },
        orphaned: count(row, 20)?,
        held_since: optional_time(row, 21)?,
        hidden: column(row, 22)?,
        last_attempt: column(row, 23)?,
    })
}

/// How a new row stands in columns that depend on its state.
struct Beginning {
    state: u8,
    held: Option<Hold>,
    at: i64,
    leased_by: Option<i64>,
}

fn beginning(delivery: &Delivery) -> Beginning {
    let began = delivery.schedule_started_at.as_micros();
    match delivery.state {
        DeliveryState::Leased { by } => Beginning { state: LEASED, held: None, at: began, leased_by: Some(id(by.raw())) },
        DeliveryState::Waiting { due_at, held } => Beginning { state: WAITING, held, at: due_at.as_micros(), leased_by: None },
        // Refused before anything was written.
        DeliveryState::Delivered { at } | DeliveryState::Parked { at, .. } | DeliveryState::Cancelled { at } => {
            Beginning { state: CANCELLED, held: None, at: at.as_micros(), leased_by: None }
        }
    }
}

/// New deliveries, which wait or are leased, as columns.
pub(super) struct Rows {
    numbers: [Vec<i64>; 7],
    queued: Vec<bool>,
    at: Vec<i64>,
    leased_by: Vec<Option<i64>>,
    counts: [Vec<i64>; 7],
    order_keys: Vec<Option<i64>>,
    replays_of: Vec<Option<i64>>,
    envelopes: Vec<Option<Uuid>>,
}

impl Rows {
    /// `queued` says of each whether it is behind another one of its order key.
    pub(super) fn of(deliveries: &[&Delivery], queued: Vec<bool>) -> Self {
        let begin: Vec<Beginning> = deliveries.iter().map(|delivery| beginning(delivery)).collect();
        let numbers = |of: fn(&Delivery) -> i64| deliveries.iter().map(|delivery| of(delivery)).collect::<Vec<i64>>();
        let codes = |of: fn(&Beginning) -> i64| begin.iter().map(of).collect::<Vec<i64>>();
        Self {
            numbers: [
                numbers(|d| id(d.id.raw())),
                numbers(|d| d.account.0),
                numbers(|d| id(d.event.raw())),
                numbers(|d| d.subscription.0),
                numbers(|d| d.listener.0),
                codes(|b| i64::from(b.state)),
                codes(|b| i64::from(b.held.map_or(0, Hold::code))),
            ],
            queued,
            at: codes(|b| b.at),
            leased_by: begin.iter().map(|b| b.leased_by).collect(),
            counts: [
                numbers(|d| counted(d.attempts_made)),
                numbers(|d| counted(d.retry_count)),
                numbers(|d| i64::from(d.shape.code())),
                numbers(|d| d.generated_at.as_micros()),
                numbers(|d| d.schedule_started_at.as_micros()),
                numbers(|d| counted(d.attempts_before_schedule)),
                numbers(|d| micros(d.held_total)),
            ],
            order_keys: deliveries.iter().map(|d| d.order_key).collect(),
            replays_of: deliveries.iter().map(|d| d.replay_of.map(|original| id(original.raw()))).collect(),
            envelopes: deliveries.iter().map(|d| d.envelope.map(|envelope| envelope.0)).collect(),
        }
    }

    /// In the order of the columns in [`insert`].
    pub(super) fn params(&self) -> Vec<Param<'_>> {
        let mut params: Vec<Param<'_>> = self.numbers.iter().map(p).collect();
        params.extend([p(&self.queued), p(&self.at), p(&self.leased_by)]);
        params.extend(self.counts.iter().map(p));
        params.extend([p(&self.order_keys), p(&self.replays_of), p(&self.envelopes)]);
        params
    }
}

/// Inserts deliveries that wait or are leased.
pub(super) async fn insert(conn: &Conn, deliveries: &[&Delivery]) -> Result<(), Fault> {
    if deliveries.is_empty() {
        return Ok(());
    }
    let queued = queued(conn, deliveries).await?;
    conn.execute(
        "INSERT INTO delivery
            (id, account, event, subscription, listener, state, held, queued, reason, at, leased_by, last_attempt, attempts_made,
             retry_count, orphaned, hidden, shape, generated_at, schedule_started_at, attempts_before_schedule, held_total,
             held_since, order_key, replay_of, envelope)
         SELECT n.id, n.account, n.event, n.subscription, n.listener, n.state, n.held, n.queued, 0, n.at, n.leased_by, NULL,
             n.attempts_made, n.retry_count, 0, false, n.shape, n.generated_at, n.began_at, n.made_before, n.held_total,
             CASE WHEN n.held > 0 THEN n.began_at END, n.order_key, n.replay_of, n.envelope
         FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::boolean[],
             $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[], $14::bigint[], $15::bigint[], $16::bigint[],
             $17::bigint[], $18::bigint[], $19::bigint[], $20::uuid[])
             n (id, account, event, subscription, listener, state, held, queued, at, leased_by, attempts_made, retry_count, shape,
                generated_at, began_at, made_before, held_total, order_key, replay_of, envelope)",
        &Rows::of(deliveries, queued).params(),
    )
    .await?;
    Ok(())
}

/// A duration as stored.
pub(super) fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// Which of these new deliveries go behind an unfinished one of their key, in the table or before them in the list.
async fn queued(conn: &Conn, deliveries: &[&Delivery]) -> Result<Vec<bool>, Fault> {
    let keys: Vec<i64> = deliveries.iter().filter_map(|delivery| delivery.order_key).collect();
    let mut taken: HashSet<i64> = HashSet::new();
    if !keys.is_empty() {
        lock_keys(conn, &keys).await?;
        let unfinished = "SELECT DISTINCT order_key FROM delivery WHERE order_key = ANY ($1) AND order_key IS NOT NULL AND state <= 1";
        for row in conn.rows(unfinished, &[p(&keys)]).await? {
            taken.insert(column(&row, 0)?);
        }
    }
    Ok(deliveries
        .iter()
        .map(|delivery| match delivery.order_key {
            Some(key) => !taken.insert(key) && matches!(delivery.state, DeliveryState::Waiting { .. }),
            None => false,
        })
        .collect())
}

/// Nobody else moves deliveries of these order keys until this transaction ends.
pub(super) async fn lock_keys(conn: &Conn, keys: &[i64]) -> Result<(), Fault> {
    let mut sorted = keys.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    conn.rows("SELECT pg_advisory_xact_lock(key) FROM unnest($1::bigint[]) key", &[p(&sorted)]).await?;
    Ok(())
}

/// As [`lock_keys`] for whatever keys these deliveries have, which never change.
pub(super) async fn lock_keys_of(conn: &Conn, rows: &[i64]) -> Result<Vec<i64>, Fault> {
    let rows = rows.to_vec();
    let sql = "SELECT DISTINCT order_key FROM delivery WHERE id = ANY ($1) AND order_key IS NOT NULL";
    let keys = conn.rows(sql, &[p(&rows)]).await?;
    let keys = keys.iter().map(|row| column(row, 0)).collect::<Result<Vec<i64>, Fault>>()?;
    if !keys.is_empty() {
        lock_keys(conn, &keys).await?;
    }
    Ok(keys)
}

/// Keeps the promise of these order keys after some of their deliveries moved: while one is leased all others queue; otherwise
/// the first unfinished one is free to go and the others queue. A head that is held keeps the others queued as well. The keys
/// are locked by this transaction.
pub(super) async fn keep_order(conn: &Conn, keys: &[i64]) -> Result<(), Fault> {
    if keys.is_empty() {
        return Ok(());
    }
    let keys = keys.to_vec();
    // Two seeks for each key; the number of deliveries behind it does not matter.
    conn.execute(
        "WITH front AS (
             SELECT r.id, r.state, r.queued, bool_or(r.state = 1) OVER of_key OR r.id <> min(r.id) OVER of_key AS must_queue
             FROM (SELECT DISTINCT key FROM unnest($1::bigint[]) key) keys CROSS JOIN LATERAL (
                 SELECT * FROM (SELECT id, state, queued FROM delivery
                     WHERE order_key = keys.key AND NOT queued AND order_key IS NOT NULL AND state <= 1) free
                 UNION ALL
                 SELECT * FROM (SELECT id, state, queued FROM delivery
                     WHERE order_key = keys.key AND queued AND order_key IS NOT NULL AND state <= 1 ORDER BY id LIMIT 1) first
             ) r WINDOW of_key AS (PARTITION BY keys.key)
         )
         UPDATE delivery d SET queued = front.must_queue FROM front
         WHERE d.id = front.id AND d.state = 0 AND front.state = 0 AND front.queued <> front.must_queue",
        &[p(&keys)],
    )
    .await?;
    Ok(())
}

/// Ends waiting or parked deliveries that nobody wants any more; answers which.
pub(super) async fn cancel(conn: &Conn, rows: &[i64], now: Timestamp) -> Result<Vec<i64>, Fault> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let keys = lock_keys_of(conn, rows).await?;
    lock(conn, rows).await?;
    let rows = rows.to_vec();
    let cancel = "UPDATE delivery SET state = 4, at = $2, held = 0, held_since = NULL, queued = false, reason = 0
        WHERE id = ANY ($1) AND (state = 0 OR state = 3) RETURNING id";
    let changed = conn.rows(cancel, &[p(&rows), p(&now.as_micros())]).await?;
    keep_order(conn, &keys).await?;
    changed.iter().map(|row| column(row, 0)).collect()
}

/// Locks rows in the order of their ids.
pub(super) async fn lock(conn: &Conn, rows: &[i64]) -> Result<(), Fault> {
    let rows = rows.to_vec();
    conn.rows("SELECT id FROM delivery WHERE id = ANY ($1) ORDER BY id FOR UPDATE", &[p(&rows)]).await?;
    Ok(())
}
