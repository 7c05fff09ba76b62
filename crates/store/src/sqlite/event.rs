//! Events and their snapshots.

use std::sync::Arc;

use bytes::Bytes;
use countersign_core::{
    event::{Event, EventDetail, EventName, Snapshot},
    id::{AccountId, EnvelopeId, EventId},
};
use rusqlite::{Connection, Row, params};

use super::{
    checksum::checksum,
    fault::Fault,
    transaction::Tx,
    value::{column, envelope, id, raw, time, user},
};
use crate::{
    Compression, StoreError,
    codec::{self, RAW, ZSTD},
    record::{SnapshotHolder, detail, snapshot_holders},
};

/// `event.kind`.
const NOTHING: u8 = 0;
const POSTED: u8 = 1;
const ENVELOPE: u8 = 2;

const INSERT: &str = "INSERT INTO event
    (id, account, name, at, sender, envelope, detail, kind, bytes, shares, shared_to, codec, checksum, snapshot)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)";

/// An event whose snapshot is gone, or an event to read it for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Found {
    /// As recorded.
    Whole(Arc<Event>),
    /// Its snapshot was purged.
    Purged,
    /// There is no such event, or its snapshot does not fit its checksum; the text names it.
    Damaged(String),
}

/// What is stored of an event beside its own fields.
pub(super) struct Stored {
    /// As JSON; none when it says nothing.
    detail: Option<String>,
    holder: SnapshotHolder,
    /// The snapshot compressed, where that pays.
    packed: Option<Vec<u8>>,
    /// Over what is stored of the snapshot.
    checksum: i64,
}

impl Stored {
    /// The bytes of the snapshot that this event holds itself.
    fn snapshot<'a>(&'a self, event: &'a Event) -> Option<&'a [u8]> {
        held(event, self.holder, self.packed.as_deref())
    }
}

fn held<'a>(event: &'a Event, holder: SnapshotHolder, packed: Option<&'a [u8]>) -> Option<&'a [u8]> {
    let holds = !matches!(event.snapshot, Snapshot::Nothing) && holder.shares.is_none();
    holds.then(|| packed.unwrap_or_else(|| event.snapshot.bytes()))
}

/// One for each event of a record, in order. Consecutive ones with the same snapshot keep it once.
pub(super) fn stored(events: &[Arc<Event>], compression: Compression) -> Result<Vec<Stored>, StoreError> {
    let one = |event: &Event, holder: SnapshotHolder| {
        let packed = match compression {
            Compression::On if holder.shares.is_none() => codec::packed(event.snapshot.bytes()),
            _ => None,
        };
        let checksum = held(event, holder, packed.as_deref()).map_or(0, |bytes| checksum(event.id.raw(), bytes));
        Ok(Stored { detail: detail(event)?, holder, packed, checksum })
    };
    events.iter().zip(snapshot_holders(events)).map(|(event, holder)| one(event, holder)).collect()
}

/// Inserts the events of one record, each with what [`stored`] made of it.
pub(super) fn insert(tx: &Tx<'_>, events: &[Arc<Event>], stored: &[Stored]) -> Result<(), Fault> {
    events.iter().zip(stored).try_for_each(|(event, stored)| insert_one(tx, event, stored))
}

fn insert_one(tx: &Tx<'_>, event: &Event, stored: &Stored) -> Result<(), Fault> {
    let kind = match event.snapshot {
        Snapshot::Nothing => NOTHING,
        Snapshot::Posted(_) => POSTED,
        Snapshot::Envelope(_) => ENVELOPE,
    };
    let named = |event: Option<EventId>| event.map(|event| id(event.raw()));
    tx.conn.prepare_cached(INSERT)?.execute(params![
        id(event.id.raw()),
        event.account.0,
        event.name.as_str(),
        event.at.as_micros(),
        event.user.map(|user| user.0),
        event.envelope.map(|envelope| envelope.0),
        stored.detail,
        kind,
        i64::try_from(event.snapshot.bytes().len()).unwrap_or(i64::MAX),
        named(stored.holder.shares),
        named(stored.holder.shared_to),
        if stored.packed.is_some() { ZSTD } else { RAW },
        stored.checksum,
        stored.snapshot(event),
    ])?;
    Ok(())
}

/// Without the snapshot: what lists show. The columns before it are read without touching the payload.
const HEAD: &str = "SELECT id, account, name, at, sender, envelope, detail, kind FROM event";

pub(super) fn list(
    conn: &Connection,
    account: AccountId,
    of: Option<EnvelopeId>,
    before: Option<EventId>,
    limit: u32,
) -> Result<Vec<Event>, Fault> {
    let before = before.map_or(i64::MAX, |before| id(before.raw()));
    let mut events = Vec::new();
    let mut take = |rows: &mut rusqlite::Rows<'_>| -> Result<(), Fault> {
        while let Some(row) = rows.next()? {
            events.push(head(row, Snapshot::Nothing)?);
        }
        Ok(())
    };
    match of {
        None => {
            let mut select = conn.prepare_cached(&format!("{HEAD} WHERE account = ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3"))?;
            take(&mut select.query(params![account.0, before, limit])?)?;
        }
        Some(envelope) => {
            let mut select =
                conn.prepare_cached(&format!("{HEAD} WHERE envelope = ?4 AND account = ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3"))?;
            take(&mut select.query(params![account.0, before, limit, envelope.0])?)?;
        }
    }
    Ok(events)
}

/// One event with its snapshot, of any account.
pub(super) fn find(conn: &Connection, event: EventId) -> Result<Found, Fault> {
    let mut select = conn.prepare_cached(
        "SELECT e.id, e.account, e.name, e.at, e.sender, e.envelope, e.detail, e.kind,
                h.id, h.codec, h.checksum, h.snapshot, h.bytes
         FROM event e LEFT JOIN event h ON h.id = coalesce(e.shares, e.id)
         WHERE e.id = ?1",
    )?;
    let mut rows = select.query([id(event.raw())])?;
    let Some(row) = rows.next()? else { return Ok(Found::Damaged(format!("event {event} is missing"))) };
    let kind: u8 = column(row, 7)?;
    if kind == NOTHING {
        return Ok(Found::Whole(Arc::new(head(row, Snapshot::Nothing)?)));
    }
    let Some(stored) = column::<Option<Vec<u8>>>(row, 11)? else { return Ok(Found::Purged) };
    let holder = raw(column(row, 8)?);
    let damaged = || Found::Damaged(format!("the snapshot of event {event}"));
    if column::<i64>(row, 10)? != checksum(holder, &stored) {
        return Ok(damaged());
    }
    let length = usize::try_from(column::<i64>(row, 12)?).unwrap_or(0);
    let Some(bytes) = codec::unpacked(column(row, 9)?, stored, length).map(Bytes::from) else { return Ok(damaged()) };
    let snapshot = if kind == POSTED { Snapshot::Posted(bytes) } else { Snapshot::Envelope(bytes) };
    Ok(Found::Whole(Arc::new(head(row, snapshot)?)))
}

/// One event of an account. A purged snapshot reads as [`Snapshot::Nothing`].
pub(super) fn one(conn: &Connection, account: AccountId, event: EventId) -> Result<Option<Event>, Fault> {
    let head = {
        let mut select = conn.prepare_cached(&format!("{HEAD} WHERE id = ?1 AND account = ?2"))?;
        let mut rows = select.query(params![id(event.raw()), account.0])?;
        rows.next()?.map(|row| head(row, Snapshot::Nothing)).transpose()?
    };
    let Some(head) = head else { return Ok(None) };
    match find(conn, event)? {
        Found::Whole(event) => Ok(Some(Arc::unwrap_or_clone(event))),
        Found::Purged => Ok(Some(head)),
        Found::Damaged(what) => Err(Fault::damaged(what)),
    }
}

fn head(row: &Row<'_>, snapshot: Snapshot) -> Result<Event, Fault> {
    let event = EventId::from_raw(raw(column(row, 0)?));
    let detail = match column::<Option<String>>(row, 6)? {
        None => EventDetail::default(),
        Some(text) => serde_json::from_str(&text).map_err(|e| Fault::damaged(format!("the detail of event {event}: {e}")))?,
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
pub(super) fn purge(tx: &Tx<'_>, account: AccountId, of: EnvelopeId) -> Result<u64, Fault> {
    let mut update = tx.conn.prepare_cached(
        "UPDATE event SET snapshot = NULL, shares = NULL, shared_to = NULL
         WHERE envelope = ?1 AND account = ?2 AND kind <> 0 AND (snapshot IS NOT NULL OR shares IS NOT NULL)",
    )?;
    Ok(update.execute(params![of.0, account.0])? as u64)
}
