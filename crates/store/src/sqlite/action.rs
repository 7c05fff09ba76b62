//! What a person does to deliveries.

use countersign_core::{
    Timestamp,
    id::{AccountId, DeliveryId},
};
use rusqlite::params;

use super::{
    delivery,
    fault::Fault,
    transaction::Tx,
    value::{column, id},
};
use crate::query::DeliveryAction;

/// Ids that one call may name.
pub(super) const IDS_MAX: usize = 1_000;

/// Which deliveries an action would still change, as a condition on `d`. What was retried at `now` already has its schedule
/// from then, so that repeating an action over a filter with the same `now` comes to an end.
pub(super) fn condition(action: DeliveryAction, now: Timestamp) -> String {
    match action {
        DeliveryAction::Retry => format!("d.state IN (0, 3) AND d.schedule_started_at < {}", now.as_micros()),
        DeliveryAction::Cancel => "d.state IN (0, 3)".to_owned(),
        DeliveryAction::Hide => "d.hidden = 0".to_owned(),
    }
}

/// Acts on deliveries of an account; answers which were changed.
pub(super) fn act(
    tx: &Tx<'_>,
    account: AccountId,
    ids: &[DeliveryId],
    action: DeliveryAction,
    now: Timestamp,
) -> Result<Vec<DeliveryId>, Fault> {
    let mut changed = Vec::new();
    for delivery in ids.iter().take(IDS_MAX) {
        if act_on_one(tx, account, id(delivery.raw()), action, now)? {
            changed.push(*delivery);
        }
    }
    Ok(changed)
}

fn act_on_one(tx: &Tx<'_>, account: AccountId, row: i64, action: DeliveryAction, now: Timestamp) -> Result<bool, Fault> {
    let of_account: bool = tx
        .conn
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM delivery WHERE id = ?1 AND account = ?2)")?
        .query_row(params![row, account.0], |row| row.get(0))?;
    if !of_account {
        return Ok(false);
    }
    match action {
        DeliveryAction::Retry => retry(tx, row, now),
        DeliveryAction::Cancel => delivery::cancel(tx, row, now),
        DeliveryAction::Hide => {
            Ok(tx.conn.prepare_cached("UPDATE delivery SET hidden = 1 WHERE id = ?1 AND hidden = 0")?.execute([row])? == 1)
        }
    }
}

/// Due at once, free of its hold, its schedule anew (Connect: `retry_queue`). `retryCount` was raised when the attempt before was
/// settled: raising it here as well would leave a number out.
fn retry(tx: &Tx<'_>, row: i64, now: Timestamp) -> Result<bool, Fault> {
    let mut update = tx.conn.prepare_cached(
        "UPDATE delivery SET state = 0, at = ?2, held = 0, held_since = NULL, reason = 0, held_total = 0, hidden = 0,
            schedule_started_at = ?2, attempts_before_schedule = attempts_made
         WHERE id = ?1 AND (state = 0 OR state = 3) RETURNING order_key",
    )?;
    let mut rows = update.query(params![row, now.as_micros()])?;
    let Some(changed) = rows.next()? else { return Ok(false) };
    let key: Option<i64> = column(changed, 0)?;
    drop(rows);
    // A parked one comes back before its successors, or behind the one that is under way.
    delivery::keep_order(tx, key)?;
    Ok(true)
}
