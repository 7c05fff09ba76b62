//! Lists of deliveries, one delivery with its attempts, and counts of what waits.
//!
//! Lists go by keyset, newest first. Each statement is a snapshot of its own, so that a page and what stands beside each of
//! its rows belong together.

use countersign_core::{
    event::EventName,
    id::{AccountId, DeliveryId, SubscriptionId, first_at},
};
use tokio_postgres::{
    Row,
    types::{ToSql, Type},
};

use super::{
    attempt::{self, status},
    claim,
    delivery::{self, BEHIND, CANCELLED, DELIVERED, DeliveryRow, LEASED, PARKED, WAITING, columns},
    fault::Fault,
    pool::Conn,
    value::{Param, Typed, column, id, optional_time, p, raw, text, total},
};
use crate::query::{Backlog, DeliveryDetail, DeliveryFilter, DeliveryPage, ListedDelivery};

/// The longest page.
const PAGE_MAX: u32 = 1_000;
/// Counts stop here: beyond it the number tells an operator nothing new.
const COUNT_MAX: u32 = 1_000_000;

/// A listed delivery: the row, its event's name, and the newest attempt.
const LISTED: &str = concat!(
    "SELECT ",
    columns!(),
    ", e.name, a.started_at, a.class, a.status, a.error FROM delivery d JOIN event e ON e.id = d.event
     LEFT JOIN attempt a ON a.id = d.last_attempt"
);

/// A page of deliveries, newest first.
pub(super) async fn page(
    conn: &Conn,
    account: AccountId,
    filter: &DeliveryFilter,
    before: Option<DeliveryId>,
    count: u32,
) -> Result<DeliveryPage, Fault> {
    let count = count.clamp(1, PAGE_MAX);
    let mut query = Query::of(account, filter);
    if let Some(before) = before {
        query.and("d.id < $", id(before.raw()));
    }
    // One more than asked for tells whether there is a next page.
    let sql = format!("{LISTED} WHERE {} ORDER BY d.id DESC LIMIT {}", query.sql, count + 1);
    let rows = conn.rows(&sql, &query.params()).await?;
    let more = rows.len() > count as usize;
    let deliveries = rows.iter().take(count as usize).map(listed).collect::<Result<Vec<_>, _>>()?;
    let next = deliveries.last().filter(|_| more).map(|listed| listed.delivery.id);
    Ok(DeliveryPage { deliveries, next })
}

/// The ids of deliveries that fit a filter and a further condition, oldest first.
pub(super) async fn ids(
    conn: &Conn,
    account: AccountId,
    filter: &DeliveryFilter,
    condition: &str,
    count: u32,
) -> Result<Vec<DeliveryId>, Fault> {
    let query = Query::of(account, filter);
    let sql = format!(
        "SELECT d.id FROM delivery d JOIN event e ON e.id = d.event LEFT JOIN attempt a ON a.id = d.last_attempt
         WHERE {} AND {condition} ORDER BY d.id LIMIT {count}",
        query.sql
    );
    let rows = conn.rows(&sql, &query.params()).await?;
    rows.iter().map(|row| Ok(DeliveryId::from_raw(raw(column(row, 0)?)))).collect()
}

/// One delivery with its attempts.
pub(super) async fn one(conn: &Conn, account: AccountId, delivery: DeliveryId) -> Result<Option<DeliveryDetail>, Fault> {
    let sql = format!("{LISTED} WHERE d.id = $1 AND d.account = $2");
    let Some(row) = conn.first(&sql, &[p(&id(delivery.raw())), p(&account.0)]).await? else { return Ok(None) };
    let attempts = attempt::all(conn, delivery, delivery::read(&row)?.last_attempt).await?;
    Ok(Some(DeliveryDetail { listed: listed(&row)?, attempts }))
}

fn listed(row: &Row) -> Result<ListedDelivery, Fault> {
    let DeliveryRow { delivery, held_since, hidden, .. } = delivery::read(row)?;
    Ok(ListedDelivery {
        delivery,
        event_name: EventName::from_stored(column(row, BEHIND)?),
        last_attempt_at: optional_time(row, BEHIND + 1)?,
        last_class: column(row, BEHIND + 2)?,
        last_status: status(row, BEHIND + 3)?,
        last_error: column(row, BEHIND + 4)?,
        held_since,
        hidden,
    })
}

/// A list's conditions with their values; nothing a caller brings is ever part of the text.
struct Query {
    sql: String,
    values: Vec<(Box<dyn ToSql + Sync + Send>, Type)>,
}

impl Query {
    fn of(account: AccountId, filter: &DeliveryFilter) -> Self {
        let mut query = Self { sql: "true".to_owned(), values: Vec::new() };
        query.and("d.account = $", account.0);
        if filter.failures {
            query.also("(d.state = 3 OR d.state = 0) AND (d.state = 3 OR d.held > 0 OR d.attempts_made > 0)");
        }
        if !filter.states.is_empty() {
            query.states(&filter.states);
        }
        if let Some(subscription) = filter.subscription {
            query.and("d.subscription = $", subscription.0);
        }
        if let Some(event) = filter.event {
            query.and("d.event = $", id(event.raw()));
        } else if let Some(envelope) = filter.envelope {
            query.and("d.event IN (SELECT id FROM event WHERE envelope = $)", envelope.0);
        }
        if let Some(name) = &filter.event_name {
            query.and("e.name = $", text(name.as_str()).into_owned());
        }
        if let Some(class) = &filter.class {
            query.and("a.class = $", text(class).into_owned());
        }
        if let Some(from) = filter.from {
            query.and("d.id >= $", id(first_at(from)));
        }
        if let Some(to) = filter.to {
            query.and("d.id < $", id(first_at(to)));
        }
        if filter.unless_hidden {
            query.also("NOT d.hidden");
        }
        query
    }

    /// Unknown words fit nothing. Where all wanted states are of the partial index over what waits or is parked, its own
    /// condition is repeated, since the planner does not see that a list lies within it.
    fn states(&mut self, states: &[&str]) {
        let wanted: Vec<u8> = states.iter().filter_map(|state| code_of(state)).collect();
        if wanted.is_empty() {
            return self.also("false");
        }
        if wanted.iter().all(|state| matches!(*state, WAITING | PARKED)) {
            self.also("(d.state = 0 OR d.state = 3)");
        }
        let codes: Vec<String> = wanted.iter().map(u8::to_string).collect();
        match &codes[..] {
            [one] => self.also(&format!("d.state = {one}")),
            _ => self.also(&format!("d.state IN ({})", codes.join(", "))),
        }
    }

    fn also(&mut self, condition: &str) {
        self.sql.push_str(" AND ");
        self.sql.push_str(condition);
    }

    /// `$` stands for the value's place.
    fn and<T: Typed + Send + 'static>(&mut self, condition: &str, value: T) {
        self.values.push((Box::new(value), T::TYPE));
        let place = format!("${}", self.values.len());
        self.also(&condition.replace('$', &place));
    }

    fn params(&self) -> Vec<Param<'_>> {
        self.values.iter().map(|(value, kind)| (&**value as &(dyn ToSql + Sync), kind.clone())).collect()
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

/// How much waits.
pub(super) async fn backlog(conn: &Conn, account: Option<AccountId>, subscription: Option<SubscriptionId>) -> Result<Backlog, Fault> {
    let mut scope = Query { sql: "true".to_owned(), values: Vec::new() };
    let account = match (account, subscription) {
        // The index begins with the account.
        (None, Some(subscription)) => owner_of(conn, subscription).await?,
        (account, _) => account,
    };
    if let Some(account) = account {
        scope.and("account = $", account.0);
    }
    if let Some(subscription) = subscription {
        scope.and("subscription = $", subscription.0);
    }
    let within = &scope.sql;
    let count =
        |condition: &str| format!("(SELECT count(*) FROM (SELECT 1 FROM delivery WHERE {condition} AND {within} LIMIT {COUNT_MAX}) c)");
    let oldest_due = match subscription {
        None => claim::oldest_due(account.is_some()),
        Some(_) => format!("SELECT min(at) FROM delivery WHERE (state = 0 OR state = 3) AND state = 0 AND held = 0 AND {within}"),
    };
    let sql = format!(
        "SELECT {}, {}, {}, {}, ({oldest_due})",
        count("(state = 0 OR state = 3) AND state = 0 AND held = 0"),
        count("(state = 0 OR state = 3) AND state = 0 AND held > 0"),
        count("state = 1"),
        count("(state = 0 OR state = 3) AND state = 3"),
    );
    let row = conn.only(&sql, &scope.params()).await?;
    Ok(Backlog {
        waiting: total(&row, 0)?,
        held: total(&row, 1)?,
        leased: total(&row, 2)?,
        parked: total(&row, 3)?,
        oldest_due: optional_time(&row, 4)?,
    })
}

async fn owner_of(conn: &Conn, subscription: SubscriptionId) -> Result<Option<AccountId>, Fault> {
    let row = conn.first("SELECT account FROM subscription WHERE id = $1", &[p(&subscription.0)]).await?;
    row.map(|row| column(&row, 0).map(AccountId)).transpose()
}
