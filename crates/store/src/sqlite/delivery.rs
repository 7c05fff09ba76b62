//! A delivery's row: how the states stand in columns, and the moves between them that several operations share.

use std::time::Duration;

use countersign_core::{
    Timestamp,
    delivery::{Delivery, DeliveryState, Hold, ParkReason},
    id::{AccountId, DeliveryId, EventId, Incarnation, ListenerId, SubscriptionId},
    subscription::MessageShape,
};
use rusqlite::{Row, params};

use super::{
    fault::Fault,
    transaction::Tx,
    value::{column, count, envelope, id, optional_time, raw, time},
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
pub(super) fn read(row: &Row<'_>) -> Result<DeliveryRow, Fault> {
    let delivery = DeliveryId::from_raw(raw(column(row, 0)?));
    let damaged = |what: &str| Fault::damaged(format!("delivery {delivery}: {what}"));
    let at = time(row, 8)?;
    let state = match column::<u8>(row, 5)? {
        WAITING => DeliveryState::Waiting { due_at: at, held: Hold::from_code(column(row, 6)?) },
        LEASED => DeliveryState::Leased { by: Incarnation::from_raw(raw(column(row, 9)?)) },
        DELIVERED => DeliveryState::Delivered { at },
        PARKED => {
            let reason = ParkReason::from_code(column(row, 7)?).ok_or_else(|| damaged("the reason why it was parked"))?;
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
            shape: MessageShape::from_code(column(row, 12)?).ok_or_else(|| damaged("its shape"))?,
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

const INSERT: &str = "INSERT INTO delivery
    (id, account, event, subscription, listener, state, held, queued, reason, at, leased_by, last_attempt, attempts_made,
     retry_count, orphaned, hidden, shape, generated_at, schedule_started_at, attempts_before_schedule, held_total,
     held_since, order_key, replay_of, envelope)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 0, ?9, ?10, NULL, ?11, ?12, 0, 0, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21)";

/// Inserts a delivery that waits or is leased.
pub(super) fn insert(tx: &Tx<'_>, delivery: &Delivery) -> Result<(), Fault> {
    let began = delivery.schedule_started_at.as_micros();
    let (state, held, at, leased_by) = match delivery.state {
        DeliveryState::Leased { by } => (LEASED, None, began, Some(id(by.raw()))),
        DeliveryState::Waiting { due_at, held } => (WAITING, held, due_at.as_micros(), None),
        // Refused before anything was written.
        DeliveryState::Delivered { at } | DeliveryState::Parked { at, .. } | DeliveryState::Cancelled { at } => {
            (CANCELLED, None, at.as_micros(), None)
        }
    };
    let queued = match delivery.order_key {
        Some(key) if state == WAITING => has_unfinished(tx, key)?,
        _ => false,
    };
    tx.conn.prepare_cached(INSERT)?.execute(params![
        id(delivery.id.raw()),
        delivery.account.0,
        id(delivery.event.raw()),
        delivery.subscription.0,
        delivery.listener.0,
        state,
        held.map_or(0, Hold::code),
        queued,
        at,
        leased_by,
        delivery.attempts_made,
        delivery.retry_count,
        delivery.shape.code(),
        delivery.generated_at.as_micros(),
        began,
        delivery.attempts_before_schedule,
        micros(delivery.held_total),
        held.map(|_| began),
        delivery.order_key,
        delivery.replay_of.map(|original| id(original.raw())),
        delivery.envelope.map(|envelope| envelope.0),
    ])?;
    Ok(())
}

/// A duration as stored.
pub(super) fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

fn has_unfinished(tx: &Tx<'_>, key: i64) -> Result<bool, Fault> {
    let mut select = tx.conn.prepare_cached("SELECT EXISTS (SELECT 1 FROM delivery WHERE order_key = ?1 AND state <= 1)")?;
    Ok(select.query_row([key], |row| row.get(0))?)
}

/// Keeps the promise of an order key after one of its deliveries moved: while one is leased all others queue; otherwise the
/// first unfinished one is free to go and the others queue. A head that is held keeps the others queued as well.
pub(super) fn keep_order(tx: &Tx<'_>, key: Option<i64>) -> Result<(), Fault> {
    let Some(key) = key else { return Ok(()) };
    // Two seeks per value of `queued`; the number of deliveries behind the key does not matter.
    let mut select = tx.conn.prepare_cached(
        "SELECT id, state, queued FROM (SELECT id, state, queued FROM delivery
                WHERE order_key = ?1 AND queued = 0 AND order_key IS NOT NULL AND state <= 1)
         UNION ALL
         SELECT id, state, queued FROM (SELECT id, state, queued FROM delivery
                WHERE order_key = ?1 AND queued = 1 AND order_key IS NOT NULL AND state <= 1 ORDER BY id LIMIT 1)",
    )?;
    let rows: Vec<(i64, u8, bool)> =
        select.query_map([key], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?.collect::<Result<_, _>>()?;
    let leased = rows.iter().any(|(_, state, _)| *state == LEASED);
    let head = rows.iter().map(|(row, _, _)| *row).min();
    for (row, state, queued) in rows {
        let must_queue = leased || Some(row) != head;
        if state == WAITING && queued != must_queue {
            tx.conn.prepare_cached("UPDATE delivery SET queued = ?2 WHERE id = ?1")?.execute(params![row, must_queue])?;
        }
    }
    Ok(())
}

/// Ends a waiting or parked delivery that nobody wants any more.
pub(super) fn cancel(tx: &Tx<'_>, row: i64, now: Timestamp) -> Result<bool, Fault> {
    let mut update = tx.conn.prepare_cached(
        "UPDATE delivery SET state = 4, at = ?2, held = 0, held_since = NULL, queued = 0, reason = 0
         WHERE id = ?1 AND (state = 0 OR state = 3) RETURNING order_key",
    )?;
    let mut rows = update.query(params![row, now.as_micros()])?;
    let Some(changed) = rows.next()? else { return Ok(false) };
    let key: Option<i64> = column(changed, 0)?;
    drop(rows);
    keep_order(tx, key)?;
    Ok(true)
}
