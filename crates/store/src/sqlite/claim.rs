//! Claiming, and what there is to claim.
//!
//! A claim runs in two steps. The writer leases rows, which takes no payload; then a reader loads the events, so that a
//! commit never waits for payloads from the disk. Should the process die between the two, the leases die with it.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use countersign_core::{
    Timestamp,
    delivery::{DeliveryState, ParkReason},
    event::Event,
    id::{AccountId, DeliveryId, EventId, Incarnation, ListenerId},
};
use rusqlite::{Connection, params};

use super::{
    delivery::{self, DeliveryRow, columns},
    event::{self, Found},
    fault::Fault,
    node::{self, DeadHolder},
    transaction::Tx,
    value::{column, id},
};
use crate::claim::{Claim, Claimed, DueListener, LaneQuota, SUSPECT_FROM};

/// The first entry of the next lane is its earliest.
pub(super) const NEXT_LANE: &str = "SELECT listener, at, account FROM delivery
    WHERE state = 0 AND held = 0 AND queued = 0 AND listener > ?1 ORDER BY listener, at LIMIT 1";
const NEXT_HOLDER: &str = "SELECT min(leased_by) FROM delivery WHERE state = 1 AND leased_by > ?1";

/// Leases due deliveries, the snapshots' lengths counted against the budget.
pub(super) fn lease(tx: &Tx<'_>, claim: &Claim) -> Result<Vec<DeliveryRow>, Fault> {
    if !node::is_live(tx.conn, claim.by, claim.now)? {
        return Ok(Vec::new());
    }
    let dead = node::dead_holders(tx.conn, NEXT_HOLDER, claim.now)?;
    let mut budget = Budget { left: claim.bytes_max, seen: HashSet::new() };
    let mut leased = Vec::new();
    'lanes: for lane in &claim.lanes {
        for candidate in candidates(tx.conn, claim, *lane, &dead)? {
            if !budget.takes(tx.conn, candidate.row.delivery.event, leased.is_empty())? {
                break 'lanes;
            }
            leased.push(take(tx, claim.by, candidate)?);
        }
    }
    Ok(leased)
}

/// A row that may be claimed.
struct Candidate {
    row: DeliveryRow,
    due_at: i64,
    /// Who held it, when it is an orphan.
    orphan_of: Option<DeadHolder>,
}

// The statements below name the threshold, so that an index over suspects alone serves them.
const _: () = assert!(SUSPECT_FROM == 3, "the index over suspects and the statements name this number");

/// What waits, innocent.
pub(super) const WAITING: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM delivery d INDEXED BY delivery_due
      WHERE d.listener = ?1 AND d.state = 0 AND d.held = 0 AND d.queued = 0 AND d.at <= ?2 AND d.orphaned < 3 ORDER BY d.at LIMIT ?3"
);
/// What a dead incarnation holds, innocent; `?4` is the threshold with its death counted.
pub(super) const ORPHANED: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM delivery d INDEXED BY delivery_leased
      WHERE d.leased_by = ?1 AND d.listener = ?2 AND d.state = 1 AND d.orphaned < ?4 ORDER BY d.at LIMIT ?3"
);
/// Suspects that wait.
pub(super) const SUSPECTS_WAITING: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM delivery d INDEXED BY delivery_suspect
      WHERE d.listener = ?1 AND d.state = 0 AND d.held = 0 AND d.queued = 0 AND d.at <= ?2 AND d.orphaned >= 3
        AND d.orphaned >= 2 AND d.state <= 1 ORDER BY d.at LIMIT ?3"
);
/// Suspects that a dead incarnation holds.
pub(super) const SUSPECTS_ORPHANED: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM delivery d INDEXED BY delivery_suspect
      WHERE d.leased_by = ?1 AND d.listener = ?2 AND d.state = 1 AND d.orphaned >= ?4
        AND d.orphaned >= 2 AND d.state <= 1 ORDER BY d.at LIMIT ?3"
);
/// Whether the claimer holds a suspect of the lane.
pub(super) const SUSPECT_OUT: &str = "SELECT EXISTS (SELECT 1 FROM delivery INDEXED BY delivery_suspect
    WHERE listener = ?2 AND state = 1 AND leased_by = ?1 AND orphaned >= 3 AND orphaned >= 2 AND state <= 1)";

/// The oldest due of one lane: what waits, and what dead incarnations hold; at most one suspect, and none beside one that is out.
fn candidates(conn: &Connection, claim: &Claim, lane: LaneQuota, dead: &[DeadHolder]) -> Result<Vec<Candidate>, Fault> {
    let mut found = due(conn, claim.now, lane, dead, (WAITING, ORPHANED))?;
    let mut out = conn.prepare_cached(SUSPECT_OUT)?;
    if !out.query_row(params![id(claim.by.raw()), lane.listener.0], |row| row.get(0))? {
        found.extend(due(conn, claim.now, LaneQuota { count: 1, ..lane }, dead, (SUSPECTS_WAITING, SUSPECTS_ORPHANED))?);
    }
    Ok(first_due(found, lane.count))
}

/// `sql` selects what waits and what one dead incarnation holds.
fn due(conn: &Connection, now: Timestamp, lane: LaneQuota, dead: &[DeadHolder], sql: (&str, &str)) -> Result<Vec<Candidate>, Fault> {
    let mut found = Vec::new();
    let mut select = conn.prepare_cached(sql.0)?;
    let mut rows = select.query(params![lane.listener.0, now.as_micros(), lane.count])?;
    while let Some(row) = rows.next()? {
        found.push(Candidate { due_at: column(row, 8)?, row: delivery::read(row)?, orphan_of: None });
    }
    for holder in dead {
        let mut select = conn.prepare_cached(sql.1)?;
        // Its holder's death counts.
        let suspect_from = SUSPECT_FROM - u32::from(holder.crashed);
        let mut rows = select.query(params![holder.incarnation, lane.listener.0, lane.count, suspect_from])?;
        while let Some(row) = rows.next()? {
            found.push(Candidate { due_at: column(row, 8)?, row: delivery::read(row)?, orphan_of: Some(*holder) });
        }
    }
    Ok(first_due(found, lane.count))
}

fn first_due(mut found: Vec<Candidate>, count: u32) -> Vec<Candidate> {
    found.sort_by_key(|candidate| (candidate.due_at, candidate.row.delivery.id));
    found.truncate(usize::try_from(count).unwrap_or(usize::MAX));
    found
}

fn take(tx: &Tx<'_>, by: Incarnation, candidate: Candidate) -> Result<DeliveryRow, Fault> {
    let Candidate { mut row, orphan_of, .. } = candidate;
    if let Some(holder) = orphan_of {
        node::fence(tx, holder.incarnation)?;
        row.orphaned += u32::from(holder.crashed);
    }
    tx.conn.prepare_cached("UPDATE delivery SET state = 1, leased_by = ?2, orphaned = ?3 WHERE id = ?1")?.execute(params![
        id(row.delivery.id.raw()),
        id(by.raw()),
        row.orphaned
    ])?;
    row.delivery.state = DeliveryState::Leased { by };
    Ok(row)
}

/// Bytes of snapshots, each event counted once.
struct Budget {
    left: usize,
    seen: HashSet<EventId>,
}

impl Budget {
    fn takes(&mut self, conn: &Connection, event: EventId, first: bool) -> Result<bool, Fault> {
        if self.seen.contains(&event) {
            return Ok(true);
        }
        let mut select = conn.prepare_cached("SELECT bytes FROM event WHERE id = ?1")?;
        let mut rows = select.query([id(event.raw())])?;
        let bytes = match rows.next()? {
            Some(row) => usize::try_from(column::<i64>(row, 0)?).unwrap_or(0),
            None => 0,
        };
        let fits = bytes <= self.left;
        self.left = self.left.saturating_sub(bytes);
        self.seen.insert(event);
        Ok(fits || first)
    }
}

/// Claimed deliveries with their events, and those that cannot be shown any more.
#[derive(Debug, Default)]
pub(super) struct Loaded {
    pub(super) whole: Vec<Claimed>,
    pub(super) lost: Vec<DeliveryId>,
}

/// Loads the events of leased rows, each once.
pub(super) fn load(conn: &Connection, leased: Vec<DeliveryRow>) -> Result<Loaded, Fault> {
    let mut events: HashMap<EventId, Option<Arc<Event>>> = HashMap::new();
    let mut loaded = Loaded::default();
    for row in leased {
        let known = match events.entry(row.delivery.event) {
            std::collections::hash_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::hash_map::Entry::Vacant(place) => place.insert(match event::find(conn, row.delivery.event)? {
                Found::Whole(event) => Some(event),
                Found::Purged => None,
                Found::Damaged(what) => {
                    tracing::error!(record = %what, delivery = %row.delivery.id, "a damaged record: its deliveries are parked");
                    None
                }
            }),
        };
        match known {
            Some(event) => {
                let event = Arc::clone(event);
                loaded.whole.push(Claimed { delivery: row.delivery, event, times_orphaned: row.orphaned });
            }
            None => loaded.lost.push(row.delivery.id),
        }
    }
    Ok(loaded)
}

/// Parks leased deliveries that cannot be shown.
pub(super) fn park_lost(tx: &Tx<'_>, by: Incarnation, lost: &[DeliveryId], now: Timestamp) -> Result<(), Fault> {
    for delivery in lost {
        let mut update = tx.conn.prepare_cached(
            "UPDATE delivery SET state = 3, reason = ?4, at = ?3, leased_by = NULL WHERE id = ?1 AND state = 1 AND leased_by = ?2
             RETURNING order_key",
        )?;
        let reason = ParkReason::Unrenderable.code();
        let mut rows = update.query(params![id(delivery.raw()), id(by.raw()), now.as_micros(), reason])?;
        let Some(row) = rows.next()? else { continue };
        let key = column(row, 0)?;
        drop(rows);
        delivery::keep_order(tx, key)?;
    }
    Ok(())
}

/// Listeners with something due. One seek for each listener that has anything waiting, however many rows it has.
pub(super) fn due_listeners(conn: &Connection, now: Timestamp, after: Option<ListenerId>, limit: u32) -> Result<Vec<DueListener>, Fault> {
    let after = after.map_or(i64::MIN, |listener| listener.0);
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut due = BTreeMap::new();
    let mut take = |listener: i64, at: i64, account: i64| {
        let due_at = Timestamp::from_micros(at);
        let entry = due.entry(listener).or_insert(DueListener { listener: ListenerId(listener), account: AccountId(account), due_at });
        entry.due_at = entry.due_at.min(due_at);
    };
    walk(conn, NEXT_LANE, &[], after, limit, |listener, at, account| {
        let is_due = at <= now.as_micros();
        if is_due {
            take(listener, at, account);
        }
        Ok(is_due)
    })?;
    let orphaned = "SELECT listener, min(at), account FROM delivery
                    WHERE state = 1 AND leased_by = ?2 AND listener =
                        (SELECT min(listener) FROM delivery WHERE state = 1 AND leased_by = ?2 AND listener > ?1)
                    HAVING count(*) > 0";
    for holder in node::dead_holders(conn, NEXT_HOLDER, now)? {
        walk(conn, orphaned, &[holder.incarnation], after, limit, |listener, at, account| {
            take(listener, at, account);
            Ok(true)
        })?;
    }
    Ok(due.into_values().take(limit).collect())
}

/// The earliest due time of anything that waits and is not held, of one account or of all.
pub(super) fn next_due(conn: &Connection, of: Option<AccountId>) -> Result<Option<Timestamp>, Fault> {
    let mut earliest: Option<i64> = None;
    walk(conn, NEXT_LANE, &[], i64::MIN, usize::MAX, |_, at, account| {
        if of.is_none_or(|of| of.0 == account) {
            earliest = Some(earliest.map_or(at, |known| known.min(at)));
        }
        Ok(true)
    })?;
    Ok(earliest.map(Timestamp::from_micros))
}

/// Skips from listener to listener: `sql` answers listener, time and account of the next one after its first parameter. Ends after
/// `limit` of them were wanted.
fn walk(
    conn: &Connection,
    sql: &str,
    further: &[i64],
    after: i64,
    limit: usize,
    mut visit: impl FnMut(i64, i64, i64) -> Result<bool, Fault>,
) -> Result<(), Fault> {
    let mut select = conn.prepare_cached(sql)?;
    let mut after = after;
    let mut wanted = 0;
    while wanted < limit {
        let values = std::iter::once(after).chain(further.iter().copied());
        let mut rows = select.query(rusqlite::params_from_iter(values))?;
        let Some(row) = rows.next()? else { break };
        let (listener, at, account) = (column(row, 0)?, column(row, 1)?, column(row, 2)?);
        drop(rows);
        wanted += usize::from(visit(listener, at, account)?);
        after = listener;
    }
    Ok(())
}
