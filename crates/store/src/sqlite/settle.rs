//! Settling, and giving back.

use countersign_core::{
    Timestamp,
    delivery::Hold,
    id::{DeliveryId, Incarnation, ListenerId},
};
use rusqlite::params;

use super::{
    attempt,
    call::Weight,
    delivery::{self, CANCELLED, DELIVERED, LEASED, PARKED, WAITING},
    fault::Fault,
    subscription,
    transaction::Tx,
    value::{column, id},
};
use crate::{
    Compression, Refused, StoreError,
    codec::packed_exchange,
    settle::{Next, Settlement},
};

/// A settlement with its exchange as it is stored.
pub(super) struct Prepared {
    settlement: Settlement,
    exchange: String,
}

/// Serialises on the caller's time: the writer's is everybody's.
pub(super) fn prepare(settlements: Vec<Settlement>, compression: Compression) -> Result<Vec<Prepared>, StoreError> {
    settlements
        .into_iter()
        .map(|settlement| {
            let exchange = match &settlement.attempt {
                None => String::new(),
                Some(attempt) => {
                    let text = serde_json::to_string(&attempt.exchange);
                    let text = text.map_err(|e| StoreError::Backend(format!("serialising an exchange: {e}")))?;
                    packed_exchange(text, compression)
                }
            };
            Ok(Prepared { settlement, exchange })
        })
        .collect()
}

/// So many settlements are worth a commit of their own; fewer wait for one that somebody waits for. They hold up nobody: the lane has gone
/// on, but where the next of an order waits for them.
const WORTH_A_COMMIT: usize = 64;

/// What a call of `settle` brings.
pub(super) fn weight(settlements: &[Prepared]) -> Weight {
    let bytes = |p: &Prepared| 256 + p.exchange.len() + p.settlement.attempt.as_ref().map_or(0, |attempt| attempt.answer_head.len());
    Weight {
        rows: settlements.len() * 2,
        bytes: settlements.iter().map(bytes).sum(),
        intake: false,
        patient: settlements.len() < WORTH_A_COMMIT && settlements.iter().all(|prepared| !prepared.settlement.is_followed),
    }
}

/// Settles each; see [`crate::Store::settle`].
pub(super) fn settle(tx: &Tx<'_>, settlements: &[Prepared]) -> Result<Vec<Result<(), Refused>>, Fault> {
    settlements.iter().map(|prepared| tx.item(|| settle_one(tx, prepared))).collect()
}

/// What settling needs to know of a leased row.
struct Leased {
    last_attempt: Option<i64>,
    order_key: Option<i64>,
    subscription: i64,
}

fn settle_one(tx: &Tx<'_>, prepared: &Prepared) -> Result<Result<(), Refused>, Fault> {
    if delivered_at_once(tx, prepared)? {
        return Ok(Ok(()));
    }
    let Prepared { settlement, exchange } = prepared;
    let row = id(settlement.delivery.raw());
    let leased = match leased(tx, row, settlement.by)? {
        // It was settled by this before, and is out again, or not.
        Ok(leased) if leased.last_attempt.is_some() && leased.last_attempt == attempt_of(settlement) => return Ok(Ok(())),
        Err(Refused::LeaseLost) if is_last_attempt(tx, row, settlement)? => return Ok(Ok(())),
        Ok(leased) => leased,
        Err(refused) => return Ok(Err(refused)),
    };
    let last_attempt = match &settlement.attempt {
        None => leased.last_attempt,
        Some(attempt) => {
            attempt::insert(tx, settlement.delivery, leased.last_attempt, attempt, exchange)?;
            Some(id(attempt.id.raw()))
        }
    };
    let now = settlement.now;
    let (state, held, reason, at) = match settlement.next {
        Next::Delivered => (DELIVERED, None, 0, now),
        Next::Parked(reason) => (PARKED, None, reason.code(), now),
        Next::Cancelled => (CANCELLED, None, 0, now),
        Next::Waiting { due_at, held } => {
            if subscription::exists(tx.conn, countersign_core::id::SubscriptionId(leased.subscription))? {
                (WAITING, held, 0, due_at)
            } else {
                // It was deleted while this attempt was under way.
                (CANCELLED, None, 0, now)
            }
        }
    };
    tx.conn
        .prepare_cached(
            "UPDATE delivery SET state = ?2, held = ?3, held_since = ?4, reason = ?5, at = ?6, leased_by = NULL, last_attempt = ?7,
                attempts_made = ?8, retry_count = ?9, orphaned = CASE WHEN ?10 THEN 0 ELSE orphaned END
             WHERE id = ?1",
        )?
        .execute(params![
            row,
            state,
            held.map_or(0, Hold::code),
            held.map(|_| now.as_micros()),
            reason,
            at.as_micros(),
            last_attempt,
            settlement.attempts_made,
            settlement.retry_count,
            settlement.attempt.is_some(),
        ])?;
    delivery::keep_order(tx, leased.order_key)?;
    Ok(Ok(()))
}

/// What most settlements are: taken at the first attempt, with nothing queued behind it. There is nothing to look up for those; everything
/// else goes the long way.
fn delivered_at_once(tx: &Tx<'_>, Prepared { settlement, exchange }: &Prepared) -> Result<bool, Fault> {
    let (Next::Delivered, Some(attempt)) = (&settlement.next, &settlement.attempt) else { return Ok(false) };
    let mut update = tx.conn.prepare_cached(
        "UPDATE delivery SET state = 2, held = 0, held_since = NULL, reason = 0, at = ?3, leased_by = NULL, last_attempt = ?4,
            attempts_made = ?5, retry_count = ?6, orphaned = 0
         WHERE id = ?1 AND state = 1 AND leased_by = ?2 AND last_attempt IS NULL AND order_key IS NULL",
    )?;
    let changed = update.execute(params![
        id(settlement.delivery.raw()),
        id(settlement.by.raw()),
        settlement.now.as_micros(),
        id(attempt.id.raw()),
        settlement.attempts_made,
        settlement.retry_count,
    ])?;
    if changed == 1 {
        attempt::insert(tx, settlement.delivery, None, attempt, exchange)?;
    }
    Ok(changed == 1)
}

fn is_last_attempt(tx: &Tx<'_>, row: i64, settlement: &Settlement) -> Result<bool, Fault> {
    let Some(attempt) = attempt_of(settlement) else { return Ok(false) };
    let mut select = tx.conn.prepare_cached("SELECT 1 FROM delivery WHERE id = ?1 AND last_attempt = ?2")?;
    Ok(select.exists(params![row, attempt])?)
}

fn attempt_of(settlement: &Settlement) -> Option<i64> {
    settlement.attempt.as_ref().map(|attempt| id(attempt.id.raw()))
}

fn leased(tx: &Tx<'_>, row: i64, by: Incarnation) -> Result<Result<Leased, Refused>, Fault> {
    let mut select =
        tx.conn.prepare_cached("SELECT state, leased_by, last_attempt, order_key, subscription FROM delivery WHERE id = ?1")?;
    let mut rows = select.query([row])?;
    let Some(found) = rows.next()? else { return Ok(Err(Refused::NotFound)) };
    if column::<u8>(found, 0)? != LEASED || column::<Option<i64>>(found, 1)? != Some(id(by.raw())) {
        return Ok(Err(Refused::LeaseLost));
    }
    Ok(Ok(Leased { last_attempt: column(found, 2)?, order_key: column(found, 3)?, subscription: column(found, 4)? }))
}

/// Gives leased deliveries back as they were; lost leases are passed over.
pub(super) fn give_back(
    tx: &Tx<'_>,
    by: Incarnation,
    deliveries: &[DeliveryId],
    due_at: Timestamp,
    held: Option<Hold>,
) -> Result<(), Fault> {
    for delivery in deliveries {
        let row = id(delivery.raw());
        let Ok(leased) = leased(tx, row, by)? else { continue };
        let wanted = subscription::exists(tx.conn, countersign_core::id::SubscriptionId(leased.subscription))?;
        let held = held.filter(|_| wanted);
        tx.conn
            .prepare_cached("UPDATE delivery SET state = ?2, held = ?3, held_since = ?4, at = ?5, leased_by = NULL WHERE id = ?1")?
            .execute(params![
                row,
                if wanted { WAITING } else { CANCELLED },
                held.map_or(0, Hold::code),
                held.map(|_| due_at.as_micros()),
                due_at.as_micros()
            ])?;
        delivery::keep_order(tx, leased.order_key)?;
    }
    Ok(())
}

/// Gives leased deliveries back to another lane, due when they were; lost leases are passed over.
pub(super) fn reroute(tx: &Tx<'_>, by: Incarnation, deliveries: &[DeliveryId], lane: ListenerId) -> Result<(), Fault> {
    for delivery in deliveries {
        let row = id(delivery.raw());
        let Ok(leased) = leased(tx, row, by)? else { continue };
        let wanted = subscription::exists(tx.conn, countersign_core::id::SubscriptionId(leased.subscription))?;
        tx.conn.prepare_cached("UPDATE delivery SET state = ?2, listener = ?3, leased_by = NULL WHERE id = ?1")?.execute(params![
            row,
            if wanted { WAITING } else { CANCELLED },
            lane.0
        ])?;
        delivery::keep_order(tx, leased.order_key)?;
    }
    Ok(())
}
