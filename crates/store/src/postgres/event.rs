//! Events and their snapshots.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use countersign_core::{
    event::{Event, EventDetail, EventName, Snapshot},
    id::{AccountId, EnvelopeId, EventId},
};
use tokio_postgres::Row;
use uuid::Uuid;

use super::{
    fault::Fault,
    pool::Conn,
    value::{Param, code, column, envelope, id, limit, p, raw, time, user},
};
use crate::{
    StoreError,
    checksum::checksum,
    codec,
    record::{detail, snapshot_holders},
};

/// `event.kind`.
const NOTHING: u8 = 0;
const POSTED: u8 = 1;
const ENVELOPE: u8 = 2;

/// What there is of an event.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Found {
    /// As recorded.
    Whole(Arc<Event>),
    /// Its snapshot was purged.
    Purged,
    /// There is no such event, or its snapshot does not fit its checksum; the text names it.
    Damaged(String),
}

/// New events as columns. Each record's consecutive ones with the same snapshot keep it once.
pub(super) struct Rows<'a> {
    ids: Vec<i64>,
    accounts: Vec<i64>,
    names: Vec<&'a str>,
    times: Vec<i64>,
    senders: Vec<Option<Uuid>>,
    envelopes: Vec<Option<Uuid>>,
    details: Vec<Option<String>>,
    kinds: Vec<i64>,
    bytes: Vec<i64>,
    shares: Vec<Option<i64>>,
    shared_to: Vec<Option<i64>>,
    sums: Vec<i64>,
    snapshots: Vec<Option<&'a [u8]>>,
}

impl<'a> Rows<'a> {
    /// The events of many records.
    pub(super) fn of(records: &[&'a [Arc<Event>]]) -> Result<Self, StoreError> {
        let events: Vec<&'a Event> = records.iter().flat_map(|events| events.iter().map(|event| &**event)).collect();
        let holders: Vec<_> = records.iter().flat_map(|events| snapshot_holders(events)).collect();
        let snapshots: Vec<Option<&'a [u8]>> = events
            .iter()
            .zip(&holders)
            .map(|(event, holder)| (kind(&event.snapshot) != NOTHING && holder.shares.is_none()).then(|| &event.snapshot.bytes()[..]))
            .collect();
        let numbers = |of: fn(&Event) -> i64| events.iter().map(|event| of(event)).collect::<Vec<i64>>();
        Ok(Self {
            ids: numbers(|e| id(e.id.raw())),
            accounts: numbers(|e| e.account.0),
            names: events.iter().map(|e| e.name.as_str()).collect(),
            times: numbers(|e| e.at.as_micros()),
            senders: events.iter().map(|e| e.user.map(|user| user.0)).collect(),
            envelopes: events.iter().map(|e| e.envelope.map(|envelope| envelope.0)).collect(),
            details: events.iter().map(|event| detail(event)).collect::<Result<_, _>>()?,
            kinds: numbers(|e| i64::from(kind(&e.snapshot))),
            bytes: numbers(|e| limit(e.snapshot.bytes().len())),
            shares: holders.iter().map(|holder| holder.shares.map(|event| id(event.raw()))).collect(),
            shared_to: holders.iter().map(|holder| holder.shared_to.map(|event| id(event.raw()))).collect(),
            sums: events.iter().zip(&snapshots).map(|(e, stored)| stored.map_or(0, |bytes| checksum(e.id.raw(), bytes))).collect(),
            snapshots,
        })
    }

    /// In the order of the columns in [`insert`].
    pub(super) fn params(&self) -> [Param<'_>; 13] {
        [
            p(&self.ids),
            p(&self.accounts),
            p(&self.names),
            p(&self.times),
            p(&self.senders),
            p(&self.envelopes),
            p(&self.details),
            p(&self.kinds),
            p(&self.bytes),
            p(&self.shares),
            p(&self.shared_to),
            p(&self.sums),
            p(&self.snapshots),
        ]
    }
}

/// Inserts the events of many records.
pub(super) async fn insert(conn: &Conn, records: &[&[Arc<Event>]]) -> Result<(), Fault> {
    let rows = Rows::of(records)?;
    if rows.ids.is_empty() {
        return Ok(());
    }
    conn.execute(
        "INSERT INTO event
            (id, account, name, at, sender, envelope, detail, kind, bytes, shares, shared_to, codec, checksum, snapshot)
         SELECT n.id, n.account, n.name, n.at, n.sender, n.envelope, n.detail, n.kind, n.bytes, n.shares, n.shared_to, 0, n.sum,
             n.snapshot
         FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::bigint[], $5::uuid[], $6::uuid[], $7::text[], $8::bigint[],
             $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bytea[])
             n (id, account, name, at, sender, envelope, detail, kind, bytes, shares, shared_to, sum, snapshot)",
        &rows.params(),
    )
    .await?;
    Ok(())
}

fn kind(snapshot: &Snapshot) -> u8 {
    match snapshot {
        Snapshot::Nothing => NOTHING,
        Snapshot::Posted(_) => POSTED,
        Snapshot::Envelope(_) => ENVELOPE,
    }
}

/// Without the snapshot: what lists show.
const HEAD: &str = "SELECT id, account, name, at, sender, envelope, detail FROM event";

pub(super) async fn list(
    conn: &Conn,
    account: AccountId,
    of: Option<EnvelopeId>,
    before: Option<EventId>,
    limit: u32,
) -> Result<Vec<Event>, Fault> {
    let before = before.map_or(i64::MAX, |before| id(before.raw()));
    let rows = match of {
        None => {
            let sql = format!("{HEAD} WHERE account = $1 AND id < $2 ORDER BY id DESC LIMIT $3");
            conn.rows(&sql, &[p(&account.0), p(&before), p(&i64::from(limit))]).await?
        }
        Some(envelope) => {
            let sql = format!("{HEAD} WHERE envelope = $4 AND account = $1 AND id < $2 ORDER BY id DESC LIMIT $3");
            conn.rows(&sql, &[p(&account.0), p(&before), p(&i64::from(limit)), p(&envelope.0)]).await?
        }
    };
    rows.iter().map(|row| head(row, Snapshot::Nothing)).collect()
}

/// Many events with their snapshots, of any account.
pub(super) async fn find(conn: &Conn, events: &[EventId]) -> Result<HashMap<EventId, Found>, Fault> {
    let ids: Vec<i64> = events.iter().map(|event| id(event.raw())).collect();
    // Values, not a join, say which rows are wanted: so the days that have none of them are not even planned for.
    let sql = "SELECT id, account, name, at, sender, envelope, detail, kind, codec, checksum, snapshot, shares, bytes FROM event
        WHERE id = ANY ($1)";
    let rows = conn.rows(sql, &[p(&ids)]).await?;
    let shared = rows.iter().map(|row| column::<Option<i64>>(row, 11)).collect::<Result<Vec<_>, _>>()?;
    let shared: Vec<i64> = shared.into_iter().flatten().collect();
    let held = if shared.is_empty() { Vec::new() } else { conn.rows(sql, &[p(&shared)]).await? };
    let held = held.iter().map(|row| Ok((column(row, 0)?, row))).collect::<Result<HashMap<i64, &Row>, Fault>>()?;
    let mut found: HashMap<EventId, Found> =
        events.iter().map(|event| (*event, Found::Damaged(format!("event {event} is missing")))).collect();
    for row in &rows {
        let holder = match column::<Option<i64>>(row, 11)? {
            None => Some(row),
            Some(holder) => held.get(&holder).copied(),
        };
        found.insert(EventId::from_raw(raw(column(row, 0)?)), whole(row, holder)?);
    }
    Ok(found)
}

/// The lengths of the snapshots of events.
pub(super) async fn lengths(conn: &Conn, events: &[i64]) -> Result<HashMap<i64, usize>, Fault> {
    if events.is_empty() {
        return Ok(HashMap::new());
    }
    let events = events.to_vec();
    let rows = conn.rows("SELECT id, bytes FROM event WHERE id = ANY ($1)", &[p(&events)]).await?;
    rows.iter().map(|row| Ok((column(row, 0)?, usize::try_from(column::<i64>(row, 1)?).unwrap_or(0)))).collect()
}

/// An event, and the row that holds its snapshot.
fn whole(row: &Row, holder: Option<&Row>) -> Result<Found, Fault> {
    let event = EventId::from_raw(raw(column(row, 0)?));
    let kind = code(row, 7)?;
    if kind == NOTHING {
        return Ok(Found::Whole(Arc::new(head(row, Snapshot::Nothing)?)));
    }
    let Some(holder) = holder else { return Ok(Found::Purged) };
    let Some(stored) = column::<Option<&[u8]>>(holder, 10)? else { return Ok(Found::Purged) };
    let damaged = || Found::Damaged(format!("the snapshot of event {event}"));
    if column::<i64>(holder, 9)? != checksum(raw(column(holder, 0)?), stored) {
        return Ok(damaged());
    }
    // Written as it is (`codec` 0: the server compresses large values by itself), but what came from an embedded store may be compressed.
    let length = usize::try_from(column::<i64>(holder, 12)?).unwrap_or(0);
    let Some(bytes) = codec::unpacked(code(holder, 8)?, stored.to_vec(), length).map(Bytes::from) else { return Ok(damaged()) };
    let snapshot = if kind == POSTED { Snapshot::Posted(bytes) } else { Snapshot::Envelope(bytes) };
    Ok(Found::Whole(Arc::new(head(row, snapshot)?)))
}

/// One event of an account. A purged snapshot reads as [`Snapshot::Nothing`].
pub(super) async fn one(conn: &Conn, account: AccountId, event: EventId) -> Result<Option<Event>, Fault> {
    let sql = format!("{HEAD} WHERE id = $1 AND account = $2");
    let Some(row) = conn.first(&sql, &[p(&id(event.raw())), p(&account.0)]).await? else { return Ok(None) };
    match find(conn, &[event]).await?.remove(&event) {
        Some(Found::Whole(event)) => Ok(Some(Arc::unwrap_or_clone(event))),
        Some(Found::Purged) => head(&row, Snapshot::Nothing).map(Some),
        Some(Found::Damaged(what)) => Err(Fault::damaged(what)),
        None => Ok(None),
    }
}

fn head(row: &Row, snapshot: Snapshot) -> Result<Event, Fault> {
    let event = EventId::from_raw(raw(column(row, 0)?));
    let detail = match column::<Option<&str>>(row, 6)? {
        None => EventDetail::default(),
        Some(text) => serde_json::from_str(text).map_err(|e| Fault::damaged(format!("the detail of event {event}: {e}")))?,
    };
    Ok(Event {
        id: event,
        account: AccountId(column(row, 1)?),
        name: EventName::from_stored(column(row, 2)?),
        at: time(row, 3)?,
        user: user(row, 4)?,
        envelope: envelope(row, 5)?,
        detail,
        snapshot,
    })
}

/// Removes the snapshots of an envelope's events; answers how many went. A claim parks what still waits to show them.
pub(super) async fn purge(conn: &Conn, account: AccountId, of: EnvelopeId) -> Result<u64, Fault> {
    let purge = "UPDATE event SET snapshot = NULL, shares = NULL, shared_to = NULL
        WHERE envelope = $1 AND account = $2 AND kind <> 0 AND (snapshot IS NOT NULL OR shares IS NOT NULL)";
    conn.execute(purge, &[p(&of.0), p(&account.0)]).await
}
