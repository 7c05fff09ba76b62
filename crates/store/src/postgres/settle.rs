//! Settling, and giving back.

use std::collections::{HashMap, HashSet};

use countersign_core::{
    Timestamp,
    delivery::Hold,
    id::{AttemptId, DeliveryId, Incarnation, ListenerId, SubscriptionId},
};

use super::{
    attempt::{self, NewAttempt},
    delivery::{self, CANCELLED, DELIVERED, LEASED, PARKED, WAITING},
    fault::Fault,
    pool::Conn,
    value::{code, column, counted, id, p},
};
use crate::{
    Compression, Refused, StoreError,
    codec::packed_exchange,
    settle::{Next, Settlement},
};

/// A settlement with its exchange as it is stored.
pub(super) struct Prepared {
    pub(super) settlement: Settlement,
    pub(super) exchange: String,
}

impl Prepared {
    /// Serialises before the batch begins, so that a fault of ours fails its own call.
    pub(super) fn of(settlement: Settlement, compression: Compression) -> Result<Self, StoreError> {
        let exchange = match &settlement.attempt {
            None => String::new(),
            Some(attempt) => {
                let text = serde_json::to_string(&attempt.exchange);
                packed_exchange(text.map_err(|e| StoreError::Backend(format!("serialising an exchange: {e}")))?, compression)
            }
        };
        Ok(Self { settlement, exchange })
    }

    /// Bytes that it brings, about.
    pub(super) fn bytes(&self) -> usize {
        256 + self.exchange.len() + self.settlement.attempt.as_ref().map_or(0, |attempt| attempt.answer_head.len())
    }
}

/// What settling needs to know of a row, which this transaction has locked.
struct Held {
    state: u8,
    leased_by: Option<i64>,
    last_attempt: Option<i64>,
    order_key: Option<i64>,
    subscription: SubscriptionId,
}

impl Held {
    fn is_leased_to(&self, by: Incarnation) -> bool {
        self.state == LEASED && self.leased_by == Some(id(by.raw()))
    }
}

/// How a row stands from now on.
struct Settled {
    row: i64,
    state: u8,
    held: Option<Hold>,
    held_since: Option<i64>,
    reason: u8,
    at: i64,
    last_attempt: Option<i64>,
    attempts_made: u32,
    retry_count: u32,
    /// An attempt that came to an end shows that the delivery does not kill.
    cleared: bool,
}

/// Settles all of these, each with its own answer; see [`crate::Store::settle`]. An attempt's id that is in use breaks a constraint,
/// which takes everything back: then each is settled on its own.
pub(super) async fn settle(conn: &Conn, prepared: &[&Prepared]) -> Result<Vec<Result<(), Refused>>, Fault> {
    let mut rows = hold(conn, prepared.iter().map(|prepared| prepared.settlement.delivery)).await?;
    let wanted = still_wanted(conn, waiting_subscriptions(&rows, prepared)).await?;
    let mut answers = Vec::with_capacity(prepared.len());
    let (mut attempts, mut settled, mut keys) = (Vec::new(), Vec::new(), Vec::new());
    let mut attempt_ids: HashSet<AttemptId> = HashSet::new();
    for Prepared { settlement, exchange } in prepared {
        let Some(row) = rows.get_mut(&settlement.delivery) else {
            answers.push(Err(Refused::NotFound));
            continue;
        };
        // Nobody else makes attempts of this id: it was settled by this before, and the answer was lost.
        if settlement.attempt.as_ref().is_some_and(|attempt| row.last_attempt == Some(id(attempt.id.raw()))) {
            answers.push(Ok(()));
            continue;
        }
        if !row.is_leased_to(settlement.by) {
            answers.push(Err(Refused::LeaseLost));
            continue;
        }
        if let Some(attempt) = &settlement.attempt {
            if !attempt_ids.insert(attempt.id) {
                answers.push(Err(Refused::Exists));
                continue;
            }
            attempts.push(NewAttempt { delivery: settlement.delivery, previous: row.last_attempt, row: attempt, exchange });
        }
        let next = settle_one(row, settlement, &wanted);
        keys.extend(row.order_key);
        // A second settlement of the same delivery finds the lease gone, and whether it is the same one.
        (row.state, row.last_attempt) = (next.state, next.last_attempt);
        settled.push(next);
        answers.push(Ok(()));
    }
    if !keys.is_empty() {
        delivery::lock_keys(conn, &keys).await?;
    }
    attempt::insert(conn, &attempts).await?;
    update(conn, &settled).await?;
    delivery::keep_order(conn, &keys).await?;
    Ok(answers)
}

/// State and reason of a delivery that a settlement ends; `None` when it goes on.
pub(super) fn ended(next: &Next) -> Option<(u8, u8)> {
    match next {
        Next::Delivered => Some((DELIVERED, 0)),
        Next::Parked(reason) => Some((PARKED, reason.code())),
        Next::Cancelled => Some((CANCELLED, 0)),
        Next::Waiting { .. } => None,
    }
}

fn settle_one(row: &Held, settlement: &Settlement, wanted: &HashSet<SubscriptionId>) -> Settled {
    let now = settlement.now;
    let (state, held, reason, at) = match (ended(&settlement.next), settlement.next) {
        (None, Next::Waiting { due_at, held }) if wanted.contains(&row.subscription) => (WAITING, held, 0, due_at),
        (Some((state, reason)), _) => (state, None, reason, now),
        // Its subscription was deleted while this attempt was under way.
        (None, _) => (CANCELLED, None, 0, now),
    };
    Settled {
        row: id(settlement.delivery.raw()),
        state,
        held,
        held_since: held.map(|_| now.as_micros()),
        reason,
        at: at.as_micros(),
        last_attempt: settlement.attempt.as_ref().map(|attempt| id(attempt.id.raw())).or(row.last_attempt),
        attempts_made: settlement.attempts_made,
        retry_count: settlement.retry_count,
        cleared: settlement.attempt.is_some(),
    }
}

/// Locks these rows and reads them.
async fn hold(conn: &Conn, deliveries: impl Iterator<Item = DeliveryId>) -> Result<HashMap<DeliveryId, Held>, Fault> {
    let ids: Vec<i64> = deliveries.map(|delivery| id(delivery.raw())).collect();
    let sql = "SELECT id, state, leased_by, last_attempt, order_key, subscription FROM delivery
        WHERE id = ANY ($1) ORDER BY id FOR UPDATE";
    let rows = conn.rows(sql, &[p(&ids)]).await?;
    rows.iter()
        .map(|row| {
            let held = Held {
                state: code(row, 1)?,
                leased_by: column(row, 2)?,
                last_attempt: column(row, 3)?,
                order_key: column(row, 4)?,
                subscription: SubscriptionId(column(row, 5)?),
            };
            Ok((DeliveryId::from_raw(super::value::raw(column(row, 0)?)), held))
        })
        .collect()
}

fn waiting_subscriptions(rows: &HashMap<DeliveryId, Held>, prepared: &[&Prepared]) -> HashSet<SubscriptionId> {
    prepared
        .iter()
        .filter(|prepared| matches!(prepared.settlement.next, Next::Waiting { .. }))
        .filter_map(|prepared| rows.get(&prepared.settlement.delivery).map(|row| row.subscription))
        .collect()
}

/// Which of these exist, and do so until this transaction ends: whoever deletes one waits, and finds what waits for it.
async fn still_wanted(conn: &Conn, subscriptions: HashSet<SubscriptionId>) -> Result<HashSet<SubscriptionId>, Fault> {
    if subscriptions.is_empty() {
        return Ok(HashSet::new());
    }
    let ids: Vec<i64> = subscriptions.into_iter().map(|subscription| subscription.0).collect();
    let rows = conn.rows("SELECT id FROM subscription WHERE id = ANY ($1) ORDER BY id FOR KEY SHARE", &[p(&ids)]).await?;
    rows.iter().map(|row| column(row, 0).map(SubscriptionId)).collect()
}

async fn update(conn: &Conn, settled: &[Settled]) -> Result<(), Fault> {
    if settled.is_empty() {
        return Ok(());
    }
    let numbers = |of: fn(&Settled) -> i64| settled.iter().map(of).collect::<Vec<i64>>();
    let optional = |of: fn(&Settled) -> Option<i64>| settled.iter().map(of).collect::<Vec<Option<i64>>>();
    conn.execute(
        "UPDATE delivery d SET state = n.state, held = n.held, held_since = n.held_since, reason = n.reason, at = n.at, leased_by = NULL,
             last_attempt = n.last_attempt, attempts_made = n.attempts_made, retry_count = n.retry_count,
             orphaned = CASE WHEN n.cleared THEN 0 ELSE d.orphaned END
         FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[],
             $9::bigint[], $10::boolean[])
             n (id, state, held, held_since, reason, at, last_attempt, attempts_made, retry_count, cleared)
         WHERE d.id = n.id",
        &[
            p(&numbers(|s| s.row)),
            p(&numbers(|s| i64::from(s.state))),
            p(&numbers(|s| i64::from(s.held.map_or(0, Hold::code)))),
            p(&optional(|s| s.held_since)),
            p(&numbers(|s| i64::from(s.reason))),
            p(&numbers(|s| s.at)),
            p(&optional(|s| s.last_attempt)),
            p(&numbers(|s| counted(s.attempts_made))),
            p(&numbers(|s| counted(s.retry_count))),
            p(&settled.iter().map(|s| s.cleared).collect::<Vec<_>>()),
        ],
    )
    .await?;
    Ok(())
}

/// Gives leased deliveries back as they were; lost leases are passed over.
pub(super) async fn give_back(
    conn: &Conn,
    by: Incarnation,
    deliveries: &[DeliveryId],
    due_at: Timestamp,
    held: Option<Hold>,
) -> Result<(), Fault> {
    let returned = Returned::hold(conn, by, deliveries).await?;
    let at = due_at.as_micros();
    let (code, since) = (held.map_or(0, Hold::code), held.map(|_| at));
    let wait =
        format!("UPDATE delivery SET state = {WAITING}, held = {code}, held_since = $3, at = $2, leased_by = NULL WHERE id = ANY ($1)");
    conn.execute(&wait, &[p(&returned.wanted), p(&at), p(&since)]).await?;
    let cancel = format!("UPDATE delivery SET state = {CANCELLED}, at = $2, leased_by = NULL WHERE id = ANY ($1)");
    conn.execute(&cancel, &[p(&returned.unwanted), p(&at)]).await?;
    delivery::keep_order(conn, &returned.keys).await
}

/// Gives leased deliveries back to another lane, due when they were; lost leases are passed over.
pub(super) async fn reroute(conn: &Conn, by: Incarnation, deliveries: &[DeliveryId], lane: ListenerId) -> Result<(), Fault> {
    let returned = Returned::hold(conn, by, deliveries).await?;
    for (state, rows) in [(WAITING, &returned.wanted), (CANCELLED, &returned.unwanted)] {
        let sql = format!("UPDATE delivery SET state = {state}, listener = $2, leased_by = NULL WHERE id = ANY ($1)");
        conn.execute(&sql, &[p(rows), p(&lane.0)]).await?;
    }
    delivery::keep_order(conn, &returned.keys).await
}

/// Leased rows on their way back, which this transaction has locked, with their order keys.
struct Returned {
    /// They wait again.
    wanted: Vec<i64>,
    /// Their subscription was deleted meanwhile.
    unwanted: Vec<i64>,
    keys: Vec<i64>,
}

impl Returned {
    async fn hold(conn: &Conn, by: Incarnation, deliveries: &[DeliveryId]) -> Result<Self, Fault> {
        let mut rows = hold(conn, deliveries.iter().copied()).await?;
        rows.retain(|_, row| row.is_leased_to(by));
        let exist = still_wanted(conn, rows.values().map(|row| row.subscription).collect()).await?;
        let keys: Vec<i64> = rows.values().filter_map(|row| row.order_key).collect();
        if !keys.is_empty() {
            delivery::lock_keys(conn, &keys).await?;
        }
        let (wanted, unwanted) = rows
            .into_iter()
            .map(|(delivery, row)| (id(delivery.raw()), row))
            .partition::<Vec<_>, _>(|(_, row)| exist.contains(&row.subscription));
        let ids = |rows: Vec<(i64, Held)>| rows.into_iter().map(|(row, _)| row).collect();
        Ok(Self { wanted: ids(wanted), unwanted: ids(unwanted), keys })
    }
}
