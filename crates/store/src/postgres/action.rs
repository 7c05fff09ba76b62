//! What a person does to deliveries.

use std::collections::HashSet;

use countersign_core::{
    Timestamp,
    id::{AccountId, DeliveryId},
};

use super::{
    delivery,
    fault::Fault,
    pool::Conn,
    value::{column, id, p},
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
        DeliveryAction::Hide => "NOT d.hidden".to_owned(),
    }
}

/// Acts on deliveries of an account; answers which were changed, in the order asked for.
pub(super) async fn act(
    conn: &Conn,
    account: AccountId,
    ids: &[DeliveryId],
    action: DeliveryAction,
    now: Timestamp,
) -> Result<Vec<DeliveryId>, Fault> {
    let asked: Vec<i64> = ids.iter().take(IDS_MAX).map(|delivery| id(delivery.raw())).collect();
    // An account of a delivery never changes.
    let of_account = "SELECT id FROM delivery WHERE id = ANY ($1) AND account = $2";
    let rows = conn.rows(of_account, &[p(&asked), p(&account.0)]).await?;
    let rows = rows.iter().map(|row| column(row, 0)).collect::<Result<Vec<i64>, Fault>>()?;
    let mut changed: HashSet<i64> = match action {
        DeliveryAction::Retry => retry(conn, &rows, now).await?,
        DeliveryAction::Cancel => delivery::cancel(conn, &rows, now).await?,
        DeliveryAction::Hide => hide(conn, &rows).await?,
    }
    .into_iter()
    .collect();
    Ok(ids.iter().copied().filter(|delivery| changed.remove(&id(delivery.raw()))).collect())
}

/// Due at once, free of its hold, its schedule anew (Connect: `retry_queue`). `retryCount` was raised when the attempt before was
/// settled: raising it here as well would leave a number out. A parked one comes back before its successors, or behind the one
/// that is under way.
async fn retry(conn: &Conn, rows: &[i64], now: Timestamp) -> Result<Vec<i64>, Fault> {
    let keys = delivery::lock_keys_of(conn, rows).await?;
    delivery::lock(conn, rows).await?;
    let rows = rows.to_vec();
    let retry = "UPDATE delivery SET state = 0, at = $2, held = 0, held_since = NULL, reason = 0, held_total = 0, hidden = false,
            schedule_started_at = $2, attempts_before_schedule = attempts_made
        WHERE id = ANY ($1) AND (state = 0 OR state = 3) RETURNING id";
    let changed = conn.rows(retry, &[p(&rows), p(&now.as_micros())]).await?;
    delivery::keep_order(conn, &keys).await?;
    changed.iter().map(|row| column(row, 0)).collect()
}

async fn hide(conn: &Conn, rows: &[i64]) -> Result<Vec<i64>, Fault> {
    delivery::lock(conn, rows).await?;
    let rows = rows.to_vec();
    let changed = conn.rows("UPDATE delivery SET hidden = true WHERE id = ANY ($1) AND NOT hidden RETURNING id", &[p(&rows)]).await?;
    changed.iter().map(|row| column(row, 0)).collect()
}
