//! Timers, leased to incarnations as deliveries are.

use countersign_core::{
    Timestamp,
    id::{AccountId, EnvelopeId, Incarnation, TimerId},
};
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::{
    fault::Fault,
    node,
    transaction::Tx,
    value::{column, id, raw, time},
};
use crate::{
    envelopes::EnvelopeRow,
    timer::{NewTimer, Timer},
};

/// The envelope's timers from now on.
pub(super) fn replace(tx: &Tx<'_>, envelope: &EnvelopeRow, timers: &[NewTimer]) -> Result<(), Fault> {
    tx.conn.prepare_cached("DELETE FROM timer WHERE envelope = ?1")?.execute([envelope.id.0])?;
    for timer in timers {
        tx.conn.prepare_cached("INSERT INTO timer (id, account, envelope, kind, due_at) VALUES (?1, ?2, ?3, ?4, ?5)")?.execute(params![
            id(timer.id.raw()),
            envelope.account.0,
            envelope.id.0,
            timer.kind,
            timer.due_at.as_micros()
        ])?;
    }
    Ok(())
}

/// Leases due timers: free ones first, then those of dead incarnations.
pub(super) fn claim(tx: &Tx<'_>, by: Incarnation, now: Timestamp, limit: u32) -> Result<Vec<Timer>, Fault> {
    if !node::is_live(tx.conn, by, now)? {
        return Ok(Vec::new());
    }
    let dead = node::dead_holders(tx.conn, "SELECT min(leased_by) FROM timer WHERE leased_by > ?1", now)?;
    let mut claimed = Vec::new();
    for holder in std::iter::once(None).chain(dead.iter().map(|holder| Some(holder.incarnation))) {
        let room = i64::from(limit) - claimed.len() as i64;
        if room <= 0 {
            break;
        }
        let mut select = tx.conn.prepare_cached(
            "SELECT id, account, envelope, kind, due_at FROM timer WHERE leased_by IS ?1 AND due_at <= ?2 ORDER BY due_at LIMIT ?3",
        )?;
        let mut rows = select.query(params![holder, now.as_micros(), room])?;
        let before = claimed.len();
        while let Some(row) = rows.next()? {
            claimed.push(read(row, by)?);
        }
        if let Some(holder) = holder
            && claimed.len() > before
        {
            node::fence(tx, holder)?;
        }
    }
    for timer in &claimed {
        tx.conn.prepare_cached("UPDATE timer SET leased_by = ?2 WHERE id = ?1")?.execute([id(timer.id.raw()), id(by.raw())])?;
    }
    Ok(claimed)
}

fn read(row: &Row<'_>, by: Incarnation) -> Result<Timer, Fault> {
    Ok(Timer {
        id: TimerId::from_raw(raw(column(row, 0)?)),
        account: AccountId(column(row, 1)?),
        envelope: EnvelopeId(column(row, 2)?),
        kind: column(row, 3)?,
        due_at: time(row, 4)?,
        leased_by: by,
    })
}

/// Forgets timers that this incarnation did.
pub(super) fn finish(tx: &Tx<'_>, by: Incarnation, timers: &[TimerId]) -> Result<(), Fault> {
    for timer in timers {
        tx.conn.prepare_cached("DELETE FROM timer WHERE id = ?1 AND leased_by = ?2")?.execute([id(timer.raw()), id(by.raw())])?;
    }
    Ok(())
}

/// When the next free timer is due.
pub(super) fn next(conn: &Connection) -> Result<Option<Timestamp>, Fault> {
    let mut select = conn.prepare_cached("SELECT due_at FROM timer WHERE leased_by IS NULL ORDER BY due_at LIMIT 1")?;
    Ok(select.query_row([], |row| row.get(0).map(Timestamp::from_micros)).optional()?)
}
