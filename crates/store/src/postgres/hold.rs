//! Held deliveries: whose there are, and letting them go.

use countersign_core::{
    delivery::Hold,
    id::{AccountId, SubscriptionId},
};

use super::{
    fault::Fault,
    pool::Conn,
    value::{code, column, p},
};
use crate::claim::{HeldSubscription, Release};

/// Lets some go, oldest first. Time held moves the horizon, not the due time. What another node is letting go is passed over.
pub(super) async fn release(conn: &Conn, release: &Release) -> Result<u32, Fault> {
    let free = "WITH free AS (
            SELECT id FROM delivery WHERE subscription = $1 AND state = 0 AND held = $2::bigint AND held > 0
            ORDER BY id LIMIT $3 FOR UPDATE SKIP LOCKED
        )
        UPDATE delivery d SET held = 0, held_since = NULL,
            held_total = d.held_total + greatest(0, $4 - coalesce(d.held_since, $4))
        FROM free WHERE d.id = free.id";
    let values = (release.subscription.0, i64::from(release.held.code()), i64::from(release.rows_max), release.now.as_micros());
    let freed = conn.execute(free, &[p(&values.0), p(&values.1), p(&values.2), p(&values.3)]).await?;
    Ok(u32::try_from(freed).unwrap_or(u32::MAX))
}

/// Subscriptions with held deliveries: one seek for each pair of subscription and reason, however many rows it has.
pub(super) async fn subscriptions(conn: &Conn, after: Option<(SubscriptionId, Hold)>, limit: u32) -> Result<Vec<HeldSubscription>, Fault> {
    let (subscription, held) = after.map_or((i64::MIN, i64::from(u8::MAX)), |(of, held)| (of.0, i64::from(held.code())));
    let next = "SELECT account, subscription, held FROM delivery
        WHERE (subscription, held) > ({}) AND state = 0 AND held > 0 ORDER BY subscription, held LIMIT 1";
    let sql = format!(
        "WITH RECURSIVE pair AS (
            ({}) UNION ALL SELECT n.* FROM pair p CROSS JOIN LATERAL ({}) n
        )
        SELECT account, subscription, held FROM pair LIMIT $3",
        next.replace("{}", "$1, $2::bigint::smallint"),
        next.replace("{}", "p.subscription, p.held"),
    );
    let mut found = Vec::new();
    for row in conn.rows(&sql, &[p(&subscription), p(&held), p(&i64::from(limit))]).await? {
        // A reason of a newer version is passed over.
        if let Some(held) = Hold::from_code(code(&row, 2)?) {
            found.push(HeldSubscription { account: AccountId(column(&row, 0)?), subscription: SubscriptionId(column(&row, 1)?), held });
        }
    }
    Ok(found)
}
