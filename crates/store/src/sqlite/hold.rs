//! Release of held deliveries.

use countersign_core::{Timestamp, id::SubscriptionId};
use rusqlite::{OptionalExtension as _, params};

use super::{fault::Fault, transaction::Tx};
use crate::claim::Release;

/// Held deliveries of a subscription, oldest first. Left alone, the planner walks the whole log of the account in order.
pub(super) const HELD: &str = "SELECT id FROM delivery INDEXED BY delivery_pending
    WHERE account = ?1 AND subscription = ?2 AND state = 0 AND held = ?3 ORDER BY id LIMIT ?4";

/// Lets some go, oldest first. Time held moves the horizon, not the due time.
pub(super) fn release(tx: &Tx<'_>, release: &Release) -> Result<u32, Fault> {
    let Some(account) = account_of(tx, release.subscription)? else { return Ok(0) };
    let rows: Vec<i64> = tx
        .conn
        .prepare_cached(HELD)?
        .query_map(params![account, release.subscription.0, release.held.code(), release.rows_max], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for row in &rows {
        free(tx, *row, release.now)?;
    }
    Ok(u32::try_from(rows.len()).unwrap_or(u32::MAX))
}

fn free(tx: &Tx<'_>, row: i64, now: Timestamp) -> Result<(), Fault> {
    tx.conn
        .prepare_cached(
            "UPDATE delivery SET held = 0, held_total = held_total + max(0, ?2 - coalesce(held_since, ?2)), held_since = NULL
             WHERE id = ?1",
        )?
        .execute(params![row, now.as_micros()])?;
    Ok(())
}

/// The index over what waits begins with the account.
fn account_of(tx: &Tx<'_>, subscription: SubscriptionId) -> Result<Option<i64>, Fault> {
    let mut select = tx.conn.prepare_cached("SELECT account FROM subscription WHERE id = ?1")?;
    Ok(select.query_row([subscription.0], |row| row.get(0)).optional()?)
}
