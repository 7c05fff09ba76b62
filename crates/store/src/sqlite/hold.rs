//! Held deliveries: whose there are, and letting them go.

use countersign_core::{
    Timestamp,
    delivery::Hold,
    id::{AccountId, SubscriptionId},
};
use rusqlite::{Connection, params};

use super::{fault::Fault, transaction::Tx, value::column};
use crate::claim::{HeldSubscription, Release};

/// Held deliveries of a subscription, oldest first.
pub(super) const HELD: &str = "SELECT id FROM delivery INDEXED BY delivery_held
    WHERE subscription = ?1 AND state = 0 AND held = ?2 AND held > 0 ORDER BY id LIMIT ?3";

/// The next reason of the same subscription.
const NEXT_REASON: &str = "SELECT account, subscription, held FROM delivery INDEXED BY delivery_held
    WHERE subscription = ?1 AND state = 0 AND held > ?2 AND held > 0 ORDER BY held LIMIT 1";
/// The first reason of the next subscription.
const NEXT_SUBSCRIPTION: &str = "SELECT account, subscription, held FROM delivery INDEXED BY delivery_held
    WHERE subscription > ?1 AND state = 0 AND held > 0 ORDER BY subscription, held LIMIT 1";

/// Lets some go, oldest first. Time held moves the horizon, not the due time.
pub(super) fn release(tx: &Tx<'_>, release: &Release) -> Result<u32, Fault> {
    let rows: Vec<i64> = tx
        .conn
        .prepare_cached(HELD)?
        .query_map(params![release.subscription.0, release.held.code(), release.rows_max], |row| row.get(0))?
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

/// Subscriptions with held deliveries: one or two seeks for each pair of subscription and reason, however many rows it has.
pub(super) fn subscriptions(conn: &Connection, after: Option<(SubscriptionId, Hold)>, limit: u32) -> Result<Vec<HeldSubscription>, Fault> {
    let mut place = after.map_or((i64::MIN, u8::MAX), |(subscription, held)| (subscription.0, held.code()));
    let mut found = Vec::new();
    while found.len() < limit as usize {
        let next = match seek(conn, NEXT_REASON, params![place.0, place.1])? {
            Some(next) => Some(next),
            None => seek(conn, NEXT_SUBSCRIPTION, params![place.0])?,
        };
        let Some((account, subscription, code)) = next else { break };
        place = (subscription, code);
        // A reason of a newer version is passed over.
        if let Some(held) = Hold::from_code(code) {
            found.push(HeldSubscription { account: AccountId(account), subscription: SubscriptionId(subscription), held });
        }
    }
    Ok(found)
}

fn seek(conn: &Connection, sql: &str, values: &[&dyn rusqlite::ToSql]) -> Result<Option<(i64, i64, u8)>, Fault> {
    let mut select = conn.prepare_cached(sql)?;
    let mut rows = select.query(values)?;
    rows.next()?.map(|row| Ok((column(row, 0)?, column(row, 1)?, column(row, 2)?))).transpose()
}
