//! Lists of deliveries, one delivery with its attempts, and counts of what waits.
//!
//! Lists go by keyset, newest first. Which index drives a list follows from the filter: an event or an envelope leads to
//! its deliveries; states that are rare beside delivered ones have a partial index; everything else walks the account's
//! log backwards.

use countersign_core::{
    Timestamp,
    event::EventName,
    id::{AccountId, DeliveryId, SubscriptionId, first_at},
};
use rusqlite::{Connection, ToSql, params, params_from_iter};

use super::{
    attempt, claim,
    delivery::{self, CANCELLED, DELIVERED, DeliveryRow, LEASED, PARKED, WAITING, columns},
    fault::Fault,
    value::{column, id, raw},
};
use crate::query::{Backlog, DeliveryDetail, DeliveryFilter, DeliveryPage, ListedDelivery};

/// The longest page.
const PAGE_MAX: u32 = 1_000;
/// Counts stop here: beyond it the number tells an operator nothing new.
const COUNT_MAX: u32 = 1_000_000;

/// A page of deliveries, newest first.
pub(super) fn page(
    conn: &Connection,
    account: AccountId,
    filter: &DeliveryFilter,
    before: Option<DeliveryId>,
    count: u32,
) -> Result<DeliveryPage, Fault> {
    let count = count.clamp(1, PAGE_MAX);
    let mut query = Query::of(account, filter);
    if let Some(before) = before {
        query.and("d.id < ?", id(before.raw()));
    }
    let sql = query.sql(concat!("SELECT ", columns!(), ", e.name"), "JOIN event e ON e.id = d.event", "DESC");
    let mut select = conn.prepare_cached(&sql)?;
    // One more than asked for tells whether there is a next page.
    query.values.push(Box::new(i64::from(count) + 1));
    let mut rows = select.query(params_from_iter(query.values.iter()))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push((delivery::read(row)?, EventName::from_stored(column(row, 24)?)));
    }
    let more = found.len() > count as usize;
    found.truncate(count as usize);
    let next = found.last().filter(|_| more).map(|(row, _)| row.delivery.id);
    let deliveries = found.into_iter().map(|(row, name)| listed(conn, row, name)).collect::<Result<_, _>>()?;
    Ok(DeliveryPage { deliveries, next })
}

/// The ids of deliveries that fit a filter and a further condition, oldest first.
pub(super) fn ids(
    conn: &Connection,
    account: AccountId,
    filter: &DeliveryFilter,
    condition: &str,
    count: u32,
) -> Result<Vec<DeliveryId>, Fault> {
    let mut query = Query::of(account, filter);
    query.conditions.push(condition.to_owned());
    let sql = query.sql("SELECT d.id", if filter.event_name.is_some() { "JOIN event e ON e.id = d.event" } else { "" }, "ASC");
    let mut select = conn.prepare_cached(&sql)?;
    query.values.push(Box::new(i64::from(count)));
    let rows = select.query_map(params_from_iter(query.values.iter()), |row| row.get::<_, i64>(0))?;
    rows.map(|row| Ok(DeliveryId::from_raw(raw(row?)))).collect()
}

/// One delivery with its attempts.
pub(super) fn one(conn: &Connection, account: AccountId, delivery: DeliveryId) -> Result<Option<DeliveryDetail>, Fault> {
    let mut select = conn.prepare_cached(concat!(
        "SELECT ",
        columns!(),
        ", e.name FROM delivery d JOIN event e ON e.id = d.event WHERE d.id = ?1 AND d.account = ?2"
    ))?;
    let mut rows = select.query(params![id(delivery.raw()), account.0])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let name = EventName::from_stored(column(row, 24)?);
    let row = delivery::read(row)?;
    let attempts = attempt::all(conn, row.last_attempt)?;
    Ok(Some(DeliveryDetail { listed: listed(conn, row, name)?, attempts }))
}

fn listed(conn: &Connection, row: DeliveryRow, event_name: EventName) -> Result<ListedDelivery, Fault> {
    let last = attempt::newest(conn, row.last_attempt)?;
    let (last_attempt_at, last_class, last_status, last_error) = match last {
        Some(last) => (Some(last.started_at), Some(last.class), last.status, last.error),
        None => (None, None, None, None),
    };
    Ok(ListedDelivery {
        delivery: row.delivery,
        event_name,
        last_attempt_at,
        last_class,
        last_status,
        last_error,
        held_since: row.held_since,
        hidden: row.hidden,
    })
}

/// A list's conditions with their values; nothing a caller brings is ever part of the text.
struct Query {
    source: &'static str,
    conditions: Vec<String>,
    values: Vec<Box<dyn ToSql>>,
}

impl Query {
    fn of(account: AccountId, filter: &DeliveryFilter) -> Self {
        let mut query = Self { source: "delivery d", conditions: Vec::new(), values: Vec::new() };
        query.and("d.account = ?", account.0);
        query.states(filter);
        if let Some(subscription) = filter.subscription {
            query.and("d.subscription = ?", subscription.0);
        }
        if let Some(event) = filter.event {
            query.source = "delivery d INDEXED BY delivery_of_event";
            query.and("d.event = ?", id(event.raw()));
        } else if let Some(envelope) = filter.envelope {
            query.source = "delivery d INDEXED BY delivery_of_event";
            query.and("d.event IN (SELECT id FROM event WHERE envelope = ?)", envelope.0);
        }
        if let Some(name) = &filter.event_name {
            query.and("e.name = ?", name.as_str().to_owned());
        }
        if let Some(class) = &filter.class {
            query.and("(SELECT class FROM attempt WHERE id = d.last_attempt) = ?", class.clone());
        }
        if let Some(from) = filter.from {
            query.and("d.id >= ?", id(first_at(from)));
        }
        if let Some(to) = filter.to {
            query.and("d.id < ?", id(first_at(to)));
        }
        if filter.unless_hidden {
            query.conditions.push("d.hidden = 0".into());
        }
        query
    }

    /// Conditions on the state, and the index that fits them. The planner does not see that a list of states lies within a
    /// partial index; hence the unions.
    fn states(&mut self, filter: &DeliveryFilter) {
        let wanted: Vec<u8> = filter.states.iter().filter_map(|state| code_of(state)).collect();
        if filter.failures {
            self.source = "(SELECT * FROM delivery INDEXED BY delivery_pending WHERE state = 3
                UNION ALL SELECT * FROM delivery INDEXED BY delivery_pending WHERE state = 0 AND (held > 0 OR attempts_made > 0)) d";
            // Said again, since an event or an envelope leads the list another way.
            self.conditions.push("(d.state = 3 OR d.state = 0 AND (d.held > 0 OR d.attempts_made > 0))".into());
        } else if !wanted.is_empty() && wanted.iter().all(|state| matches!(*state, WAITING | PARKED)) {
            self.source = "(SELECT * FROM delivery INDEXED BY delivery_pending WHERE state = 0
                UNION ALL SELECT * FROM delivery INDEXED BY delivery_pending WHERE state = 3) d";
        } else if wanted == [LEASED] {
            self.source = "delivery d INDEXED BY delivery_leased";
        }
        if !filter.states.is_empty() {
            // Unknown words fit nothing.
            let codes: Vec<String> = wanted.iter().map(u8::to_string).collect();
            self.conditions.push(format!("d.state IN ({})", codes.join(", ")));
        }
        if wanted == [LEASED] {
            self.conditions.push("d.state = 1".into());
        }
    }

    fn and(&mut self, condition: &str, value: impl ToSql + 'static) {
        self.conditions.push(condition.to_owned());
        self.values.push(Box::new(value));
    }

    fn sql(&self, select: &str, join: &str, direction: &str) -> String {
        format!("{select} FROM {} {join} WHERE {} ORDER BY d.id {direction} LIMIT ?", self.source, self.conditions.join(" AND "))
    }
}

fn code_of(state: &str) -> Option<u8> {
    Some(match state {
        "waiting" => WAITING,
        "leased" => LEASED,
        "delivered" => DELIVERED,
        "parked" => PARKED,
        "cancelled" => CANCELLED,
        _ => return None,
    })
}

/// How much waits. Everything but what is leased is counted inside one index.
pub(super) fn backlog(conn: &Connection, account: Option<AccountId>, subscription: Option<SubscriptionId>) -> Result<Backlog, Fault> {
    let mut scope = Vec::new();
    let mut values = Vec::new();
    let account = match (account, subscription) {
        // The index begins with the account.
        (None, Some(subscription)) => owner_of(conn, subscription)?,
        (account, _) => account,
    };
    if let Some(account) = account {
        scope.push("account = ?");
        values.push(account.0);
    }
    if let Some(subscription) = subscription {
        scope.push("subscription = ?");
        values.push(subscription.0);
    }
    let scope = if scope.is_empty() { "1".to_owned() } else { scope.join(" AND ") };
    let count = |condition: &str| -> Result<u64, Fault> {
        let sql = format!("SELECT count(*) FROM (SELECT 1 FROM delivery WHERE {condition} AND {scope} LIMIT {COUNT_MAX})");
        let counted: i64 = conn.prepare_cached(&sql)?.query_row(params_from_iter(values.iter()), |row| row.get(0))?;
        Ok(u64::try_from(counted).unwrap_or(0))
    };
    let oldest_due = if subscription.is_none() {
        claim::next_due(conn, account)?
    } else {
        let oldest = format!("SELECT min(at) FROM delivery INDEXED BY delivery_pending WHERE state = 0 AND held = 0 AND {scope}");
        let oldest: Option<i64> = conn.prepare_cached(&oldest)?.query_row(params_from_iter(values.iter()), |row| row.get(0))?;
        oldest.map(Timestamp::from_micros)
    };
    Ok(Backlog {
        waiting: count("state = 0 AND held = 0")?,
        held: count("state = 0 AND held > 0")?,
        leased: count("state = 1")?,
        parked: count("state = 3")?,
        oldest_due,
    })
}

fn owner_of(conn: &Connection, subscription: SubscriptionId) -> Result<Option<AccountId>, Fault> {
    let mut select = conn.prepare_cached("SELECT account FROM subscription WHERE id = ?1")?;
    let mut rows = select.query([subscription.0])?;
    rows.next()?.map(|row| column(row, 0).map(AccountId)).transpose()
}

#[cfg(test)]
mod tests {
    use countersign_core::id::{EnvelopeId, EventId};

    use super::*;

    /// The database with the newest schema, in memory.
    fn database() -> Connection {
        let conn = Connection::open_in_memory().expect("opens");
        conn.execute_batch(include_str!("../../migrations/sqlite/0001_initial.sql")).expect("the schema");
        conn
    }

    fn plan(conn: &Connection, sql: &str, places: usize) -> String {
        let mut explain = conn.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).expect("prepares");
        let lines = explain.query_map(params_from_iter(vec![1_i64; places]), |row| row.get::<_, String>(3)).expect("explains");
        lines.collect::<Result<Vec<_>, _>>().expect("lines").join("\n")
    }

    #[test]
    fn each_list_is_led_by_the_index_that_fits_its_filter() {
        let conn = database();
        let none = DeliveryFilter::default;
        let states = |states: &[&'static str]| DeliveryFilter { states: states.to_vec(), ..none() };
        for (row, filter, index) in [
            ("all", none(), "delivery_of_account (account=? AND rowid<?)"),
            ("delivered", states(&["delivered"]), "delivery_of_account (account=?"),
            ("waiting", states(&["waiting"]), "delivery_pending (account=?"),
            ("parked", states(&["parked"]), "delivery_pending (account=?"),
            ("leased", states(&["leased"]), "delivery_leased"),
            ("failures", DeliveryFilter { failures: true, ..none() }, "delivery_pending (account=?"),
            ("an event", DeliveryFilter { event: Some(EventId::from_raw(1)), ..none() }, "delivery_of_event (event=?"),
            (
                "an envelope's failures",
                DeliveryFilter { envelope: Some(EnvelopeId(uuid::Uuid::nil())), failures: true, ..none() },
                "delivery_of_event (event=?",
            ),
        ] {
            let mut query = Query::of(AccountId(1), &filter);
            query.and("d.id < ?", 1);
            let sql = query.sql(concat!("SELECT ", columns!(), ", e.name"), "JOIN event e ON e.id = d.event", "DESC");
            let plan = plan(&conn, &sql, query.values.len() + 1);
            assert!(plan.contains(index), "{row}:\n{plan}");
            assert!(!plan.contains("SCAN delivery\n") && !plan.contains("SCAN e"), "{row}:\n{plan}");
        }
    }

    #[test]
    fn counts_stay_inside_one_index() {
        let conn = database();
        for (row, sql) in [
            ("waiting", "SELECT 1 FROM delivery WHERE state = 0 AND held = 0 AND account = ?"),
            ("held", "SELECT 1 FROM delivery WHERE state = 0 AND held > 0 AND account = ? AND subscription = ?"),
            ("parked", "SELECT 1 FROM delivery WHERE state = 3 AND account = ?"),
        ] {
            let plan = plan(&conn, sql, sql.matches('?').count());
            assert!(plan.contains("COVERING INDEX delivery_pending"), "{row}:\n{plan}");
        }
    }

    #[test]
    fn claims_and_releases_seek() {
        let conn = database();
        for (row, sql, index) in [
            ("a lane", claim::WAITING, "delivery_due (listener=? AND at<?)"),
            ("a dead holder's lane", claim::ORPHANED, "delivery_leased (leased_by=? AND listener=?)"),
            ("suspects of a lane", claim::SUSPECTS_WAITING, "delivery_suspect (listener=? AND state=? AND at<?)"),
            ("suspects of a dead holder", claim::SUSPECTS_ORPHANED, "delivery_suspect (listener=? AND state=?)"),
            ("a suspect that is out", claim::SUSPECT_OUT, "delivery_suspect (listener=? AND state=?)"),
            ("the next lane", claim::NEXT_LANE, "COVERING INDEX delivery_due (listener>?)"),
            ("the next holder", "SELECT min(leased_by) FROM delivery WHERE state = 1 AND leased_by > ?1", "delivery_leased (leased_by>?)"),
            ("a release", super::super::hold::HELD, "delivery_held (subscription=? AND held=?)"),
            (
                "an order key",
                "SELECT 1 FROM delivery WHERE order_key = ?1 AND queued = 0 AND order_key IS NOT NULL AND state <= 1",
                "delivery_ordered (order_key=? AND queued=?)",
            ),
        ] {
            let plan = plan(&conn, sql, sql.matches('?').count());
            assert!(plan.contains(index), "{row}:\n{plan}");
            assert!(!plan.contains("TEMP B-TREE"), "{row}: sorts:\n{plan}");
        }
    }
}
