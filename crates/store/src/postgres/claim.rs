//! Claiming, and what there is to claim.
//!
//! A claim runs in two steps, as in the embedded store: a short transaction leases rows without payloads, then the events are
//! read outside of it. Rows that another node is claiming or settling at this moment are passed over; they come with the
//! next claim if they are still due. A claim never waits for a lock of a delivery or an order key, so it is in nobody's way.

use std::collections::{BTreeMap, HashMap, HashSet};

use countersign_core::{
    Timestamp,
    delivery::{DeliveryState, ParkReason},
    id::{AccountId, DeliveryId, EventId, Incarnation, ListenerId},
};
use tokio_postgres::Row;

use super::{
    clock::DatabaseClock,
    delivery::{self, DeliveryRow, columns},
    event::{self, Found},
    fault::Fault,
    node::{self, DeadHolder, OF_DELIVERIES},
    pool::Conn,
    value::{column, id, p, time},
};
use crate::claim::{Claim, Claimed, DueListener, SUSPECT_FROM};

// The statements below name the threshold, so that an index over suspects alone serves them.
const _: () = assert!(SUSPECT_FROM == 3, "the index over suspects and the statements name this number");

/// What waits in the lanes of `$1`, of each as many as `$2` says, due by `$3`.
const WAITING: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM unnest($1::bigint[], $2::bigint[]) lane (listener, room) CROSS JOIN LATERAL (
        SELECT * FROM delivery w WHERE w.listener = lane.listener AND w.state = 0 AND w.held = 0 AND NOT w.queued AND w.at <= $3
            AND w.orphaned < 3
        ORDER BY w.at, w.id LIMIT lane.room FOR UPDATE SKIP LOCKED
     ) d"
);
/// What the dead of `$3` hold in the lanes of `$1`; `$4` is for each of them the threshold with its death counted.
const ORPHANED: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM unnest($1::bigint[], $2::bigint[]) lane (listener, room)
     CROSS JOIN unnest($3::bigint[], $4::bigint[]) dead (holder, suspect_from) CROSS JOIN LATERAL (
        SELECT * FROM delivery w WHERE w.leased_by = dead.holder AND w.listener = lane.listener AND w.state = 1
            AND w.orphaned < dead.suspect_from
        ORDER BY w.at, w.id LIMIT lane.room FOR UPDATE SKIP LOCKED
     ) d"
);
/// Lanes of `$1` with anything in the index over suspects, and whether the claimer `$2` holds one of the lane.
const SUSPECTED: &str = "SELECT listener, bool_or(state = 1 AND leased_by = $2 AND orphaned >= 3) FROM delivery
     WHERE listener = ANY ($1) AND orphaned >= 2 AND state <= 1 GROUP BY listener";
/// A suspect that waits, in each lane of `$1`.
const SUSPECTS_WAITING: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM unnest($1::bigint[]) lane (listener) CROSS JOIN LATERAL (
        SELECT * FROM delivery w WHERE w.listener = lane.listener AND w.state = 0 AND w.held = 0 AND NOT w.queued AND w.at <= $2
            AND w.orphaned >= 3 AND w.orphaned >= 2 AND w.state <= 1
        ORDER BY w.at, w.id LIMIT 1 FOR UPDATE SKIP LOCKED
     ) d"
);
/// A suspect that each of the dead of `$2` holds, in each lane of `$1`.
const SUSPECTS_ORPHANED: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM unnest($1::bigint[]) lane (listener)
     CROSS JOIN unnest($2::bigint[], $3::bigint[]) dead (holder, suspect_from) CROSS JOIN LATERAL (
        SELECT * FROM delivery w WHERE w.leased_by = dead.holder AND w.listener = lane.listener AND w.state = 1
            AND w.orphaned >= dead.suspect_from AND w.orphaned >= 2 AND w.state <= 1
        ORDER BY w.at, w.id LIMIT 1 FOR UPDATE SKIP LOCKED
     ) d"
);

/// A row that may be claimed; this transaction holds its lock.
struct Candidate {
    row: DeliveryRow,
    due_at: Timestamp,
    /// Bytes of its event's snapshot; see [`weigh`].
    bytes: usize,
    /// Who held it, when it is an orphan.
    orphan_of: Option<DeadHolder>,
}

/// Leases due deliveries, the snapshots' lengths counted against the budget.
pub(super) async fn lease(conn: &Conn, clock: &DatabaseClock, claim: &Claim) -> Result<Vec<DeliveryRow>, Fault> {
    let lives_at = clock.there(claim.now);
    if !node::is_live(conn, claim.by, lives_at).await? {
        return Ok(Vec::new());
    }
    let dead = node::dead_holders(conn, OF_DELIVERIES, lives_at).await?;
    let mut found = candidates(conn, claim, &dead).await?;
    weigh(conn, &mut found).await?;
    let chosen = choose(claim, found);
    let chosen = without_blocked(conn, without_revived(conn, lives_at, chosen).await?).await?;
    take(conn, claim.by, chosen).await
}

/// What may be claimed in each lane; at most one suspect, and none beside one that is out.
async fn candidates(conn: &Conn, claim: &Claim, dead: &[DeadHolder]) -> Result<HashMap<ListenerId, Vec<Candidate>>, Fault> {
    let lanes: Vec<i64> = claim.lanes.iter().map(|lane| lane.listener.0).collect();
    let rooms: Vec<i64> = claim.lanes.iter().map(|lane| i64::from(lane.count)).collect();
    let holders: Vec<i64> = dead.iter().map(|holder| holder.incarnation).collect();
    // The death of the holder counts.
    let thresholds: Vec<i64> = dead.iter().map(|holder| i64::from(SUSPECT_FROM) - i64::from(holder.crashed)).collect();
    let now = claim.now.as_micros();
    let mut rows = conn.rows(WAITING, &[p(&lanes), p(&rooms), p(&now)]).await?;
    if !dead.is_empty() {
        rows.extend(conn.rows(ORPHANED, &[p(&lanes), p(&rooms), p(&holders), p(&thresholds)]).await?);
    }
    let mut found: HashMap<ListenerId, Vec<Candidate>> = HashMap::new();
    let mut keep = |row: &Row| -> Result<(), Fault> {
        let candidate = read(row, dead)?;
        found.entry(candidate.row.delivery.listener).or_default().push(candidate);
        Ok(())
    };
    rows.iter().try_for_each(&mut keep)?;
    let suspected = conn.rows(SUSPECTED, &[p(&lanes), p(&id(claim.by.raw()))]).await?;
    let suspected = suspected.iter().map(|row| Ok((column(row, 0)?, column(row, 1)?))).collect::<Result<Vec<(i64, bool)>, Fault>>()?;
    let free: Vec<i64> = suspected.into_iter().filter(|(_, is_out)| !is_out).map(|(lane, _)| lane).collect();
    if !free.is_empty() {
        let mut rows = conn.rows(SUSPECTS_WAITING, &[p(&free), p(&now)]).await?;
        rows.extend(conn.rows(SUSPECTS_ORPHANED, &[p(&free), p(&holders), p(&thresholds)]).await?);
        let mut suspects = rows.iter().map(|row| read(row, dead)).collect::<Result<Vec<_>, _>>()?;
        suspects.sort_by_key(|suspect| (suspect.due_at, suspect.row.delivery.id));
        let mut seen = HashSet::new();
        suspects.retain(|suspect| seen.insert(suspect.row.delivery.listener));
        for suspect in suspects {
            found.entry(suspect.row.delivery.listener).or_default().push(suspect);
        }
    }
    Ok(found)
}

/// Looks up the bytes of the candidates' events: apart from the claim, so that the days of other events are not planned for.
async fn weigh(conn: &Conn, found: &mut HashMap<ListenerId, Vec<Candidate>>) -> Result<(), Fault> {
    let events: HashSet<i64> = found.values().flatten().map(|candidate| id(candidate.row.delivery.event.raw())).collect();
    let lengths = event::lengths(conn, &events.into_iter().collect::<Vec<_>>()).await?;
    for candidate in found.values_mut().flatten() {
        candidate.bytes = lengths.get(&id(candidate.row.delivery.event.raw())).copied().unwrap_or(0);
    }
    Ok(())
}

fn read(row: &Row, dead: &[DeadHolder]) -> Result<Candidate, Fault> {
    let delivery = delivery::read(row)?;
    let orphan_of = match delivery.delivery.state {
        DeliveryState::Leased { by } => dead.iter().find(|holder| holder.incarnation == id(by.raw())).copied(),
        _ => None,
    };
    Ok(Candidate { row: delivery, due_at: time(row, 8)?, bytes: 0, orphan_of })
}

/// The oldest of each lane up to its quota, lane after lane, until the budget is spent; each event counts once, and one row is
/// always chosen.
fn choose(claim: &Claim, mut found: HashMap<ListenerId, Vec<Candidate>>) -> Vec<Candidate> {
    let mut left = claim.bytes_max;
    let mut seen = HashSet::new();
    let mut chosen: Vec<Candidate> = Vec::new();
    for lane in &claim.lanes {
        let mut candidates = found.remove(&lane.listener).unwrap_or_default();
        candidates.sort_by_key(|candidate| (candidate.due_at, candidate.row.delivery.id));
        for candidate in candidates.into_iter().take(lane.count as usize) {
            if seen.insert(candidate.row.delivery.event) {
                if candidate.bytes > left && !chosen.is_empty() {
                    return chosen;
                }
                left = left.saturating_sub(candidate.bytes);
            }
            chosen.push(candidate);
        }
    }
    chosen
}

/// Fences the lives that something is taken from, and leaves out what belongs to those that came back meanwhile.
async fn without_revived(conn: &Conn, lives_at: i64, chosen: Vec<Candidate>) -> Result<Vec<Candidate>, Fault> {
    let holders: HashSet<i64> = chosen.iter().filter_map(|candidate| candidate.orphan_of.map(|holder| holder.incarnation)).collect();
    if holders.is_empty() {
        return Ok(chosen);
    }
    let holders: Vec<i64> = holders.into_iter().collect();
    let alive = node::fence(conn, &holders, lives_at).await?;
    Ok(chosen.into_iter().filter(|candidate| !candidate.orphan_of.is_some_and(|holder| alive.contains(&holder.incarnation))).collect())
}

/// Leaves out what another transaction may be moving within its order key.
async fn without_blocked(conn: &Conn, chosen: Vec<Candidate>) -> Result<Vec<Candidate>, Fault> {
    let keys: HashSet<i64> = chosen.iter().filter_map(|candidate| candidate.row.delivery.order_key).collect();
    if keys.is_empty() {
        return Ok(chosen);
    }
    let keys: Vec<i64> = keys.into_iter().collect();
    let sql = "SELECT key FROM unnest($1::bigint[]) key WHERE pg_try_advisory_xact_lock(key)";
    let free = conn.rows(sql, &[p(&keys)]).await?;
    let free = free.iter().map(|row| column(row, 0)).collect::<Result<HashSet<i64>, Fault>>()?;
    Ok(chosen.into_iter().filter(|candidate| candidate.row.delivery.order_key.is_none_or(|key| free.contains(&key))).collect())
}

async fn take(conn: &Conn, by: Incarnation, chosen: Vec<Candidate>) -> Result<Vec<DeliveryRow>, Fault> {
    if chosen.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<DeliveryRow> = chosen
        .into_iter()
        .map(|candidate| {
            let mut row = candidate.row;
            row.orphaned += u32::from(candidate.orphan_of.is_some_and(|holder| holder.crashed));
            row.delivery.state = DeliveryState::Leased { by };
            row
        })
        .collect();
    let ids: Vec<i64> = rows.iter().map(|row| id(row.delivery.id.raw())).collect();
    let orphaned: Vec<i64> = rows.iter().map(|row| i64::from(row.orphaned)).collect();
    let lease = "UPDATE delivery d SET state = 1, leased_by = $3, orphaned = t.orphaned
        FROM unnest($1::bigint[], $2::bigint[]) t (id, orphaned) WHERE d.id = t.id";
    conn.execute(lease, &[p(&ids), p(&orphaned), p(&id(by.raw()))]).await?;
    Ok(rows)
}

/// Claimed deliveries with their events, and those that cannot be shown any more.
#[derive(Debug, Default)]
pub(super) struct Loaded {
    pub(super) whole: Vec<Claimed>,
    pub(super) lost: Vec<DeliveryId>,
}

/// Loads the events of leased rows, each once.
pub(super) async fn load(conn: &Conn, leased: &[DeliveryRow]) -> Result<Loaded, Fault> {
    let wanted: HashSet<EventId> = leased.iter().map(|row| row.delivery.event).collect();
    let wanted: Vec<EventId> = wanted.into_iter().collect();
    let events = event::find(conn, &wanted).await?;
    let mut loaded = Loaded::default();
    for row in leased {
        match events.get(&row.delivery.event) {
            Some(Found::Whole(event)) => loaded.whole.push(Claimed {
                delivery: row.delivery.clone(),
                event: std::sync::Arc::clone(event),
                times_orphaned: row.orphaned,
            }),
            Some(Found::Damaged(what)) => {
                tracing::error!(record = %what, delivery = %row.delivery.id, "a damaged record: its deliveries are parked");
                loaded.lost.push(row.delivery.id);
            }
            Some(Found::Purged) | None => loaded.lost.push(row.delivery.id),
        }
    }
    Ok(loaded)
}

/// Parks leased deliveries that cannot be shown.
pub(super) async fn park_lost(conn: &Conn, by: Incarnation, lost: &[DeliveryId], now: Timestamp) -> Result<(), Fault> {
    let rows: Vec<i64> = lost.iter().map(|delivery| id(delivery.raw())).collect();
    let keys = delivery::lock_keys_of(conn, &rows).await?;
    let park = "UPDATE delivery SET state = 3, reason = $4, at = $3, leased_by = NULL WHERE id = ANY ($1) AND state = 1 AND leased_by = $2";
    let reason = i64::from(ParkReason::Unrenderable.code());
    let park = park.replace("$4", &reason.to_string());
    conn.execute(&park, &[p(&rows), p(&id(by.raw())), p(&now.as_micros())]).await?;
    delivery::keep_order(conn, &keys).await
}

/// From lane to lane: the first entry of each is its earliest. `{}` is the lane to begin behind.
const NEXT_LANE: &str = "SELECT listener, at, account FROM delivery
    WHERE state = 0 AND held = 0 AND NOT queued AND listener > {} ORDER BY listener, at, id LIMIT 1";

fn lanes(after: &str) -> String {
    format!(
        "WITH RECURSIVE lane AS (({}) UNION ALL SELECT n.* FROM lane CROSS JOIN LATERAL ({}) n)",
        NEXT_LANE.replace("{}", after),
        NEXT_LANE.replace("{}", "lane.listener")
    )
}

/// Listeners with something due. One seek for each listener that has anything waiting, however many rows it has.
pub(super) async fn due_listeners(
    conn: &Conn,
    clock: &DatabaseClock,
    now: Timestamp,
    after: Option<ListenerId>,
    limit: u32,
) -> Result<Vec<DueListener>, Fault> {
    let after = after.map_or(i64::MIN, |listener| listener.0);
    let limit = i64::from(limit);
    let mut due: BTreeMap<i64, DueListener> = BTreeMap::new();
    let mut take = |row: &Row| -> Result<(), Fault> {
        let (listener, due_at, account) = (column(row, 0)?, time(row, 1)?, AccountId(column(row, 2)?));
        let entry = due.entry(listener).or_insert(DueListener { listener: ListenerId(listener), account, due_at });
        entry.due_at = entry.due_at.min(due_at);
        Ok(())
    };
    let waiting = format!("{} SELECT listener, at, account FROM lane WHERE at <= $2 LIMIT $3", lanes("$1"));
    conn.rows(&waiting, &[p(&after), p(&now.as_micros()), p(&limit)]).await?.iter().try_for_each(&mut take)?;
    let held = "SELECT listener, at, account FROM delivery WHERE state = 1 AND leased_by = $1 AND listener > {}
        ORDER BY listener, at LIMIT 1";
    let orphaned = format!(
        "WITH RECURSIVE lane AS (({}) UNION ALL SELECT n.* FROM lane CROSS JOIN LATERAL ({}) n)
         SELECT listener, at, account FROM lane LIMIT $3",
        held.replace("{}", "$2"),
        held.replace("{}", "lane.listener")
    );
    for holder in node::dead_holders(conn, OF_DELIVERIES, clock.there(now)).await? {
        let rows = conn.rows(&orphaned, &[p(&holder.incarnation), p(&after), p(&limit)]).await?;
        rows.iter().try_for_each(&mut take)?;
    }
    Ok(due.into_values().take(usize::try_from(limit).unwrap_or(usize::MAX)).collect())
}

/// A query of the earliest due time of anything that waits and is not held: of the account `$1`, or of all.
pub(super) fn oldest_due(of_account: bool) -> String {
    let scope = if of_account { " WHERE account = $1" } else { "" };
    format!("{} SELECT min(at) FROM lane{scope}", lanes("'-9223372036854775808'::bigint"))
}

/// The earliest due time of anything that waits and is not held.
pub(super) async fn next_due(conn: &Conn) -> Result<Option<Timestamp>, Fault> {
    super::value::optional_time(&conn.only(&oldest_due(false), &[]).await?, 0)
}
