//! Lives of nodes, and which leases are dead.
//!
//! A lease names an incarnation and holds until that incarnation's row expires. Nothing is rewritten when a node starts or
//! dies: the rows it held are found through the indexes over `leased_by`, which have as many distinct values as there are
//! nodes, so that skipping from one to the next is a handful of seeks.

use std::time::Duration;

use countersign_core::{
    Timestamp,
    id::{Incarnation, first_at},
};
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::{
    account::next_in_sequence,
    fault::Fault,
    transaction::Tx,
    value::{column, id, raw, time},
};
use crate::{Refused, StoreError, query::NodeRow};

/// Numbers of nodes fit 10 bits of every id.
const NUMBERS: i64 = 1_024;
/// The bits of an incarnation below its time.
const SEED_BITS: u64 = (1 << 22) - 1;

/// An incarnation that holds leases and is not alive.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct DeadHolder {
    /// As stored in `leased_by`.
    pub(super) incarnation: i64,
    /// It went without a word: what it held may have killed it. False when it retired.
    pub(super) crashed: bool,
}

pub(super) fn register(tx: &Tx<'_>, name: &str, seed: u64, now: Timestamp, ttl: Duration) -> Result<NodeRow, Fault> {
    clear_expired(tx, now)?;
    let mut incarnation = id(first_at(now) | seed & SEED_BITS);
    while exists(tx, "SELECT EXISTS (SELECT 1 FROM node WHERE incarnation = ?1)", incarnation)? {
        incarnation += 1;
    }
    let number = free_number(tx)?;
    let row = NodeRow {
        incarnation: Incarnation::from_raw(raw(incarnation)),
        name: name.to_owned(),
        number,
        started_at: now,
        expires_at: now + ttl,
    };
    tx.conn
        .prepare_cached("INSERT INTO node (incarnation, name, number, started_at, expires_at, fenced) VALUES (?1, ?2, ?3, ?4, ?5, 0)")?
        .execute(params![incarnation, name, number, now.as_micros(), row.expires_at.as_micros()])?;
    Ok(row)
}

/// Numbers go round instead of starting from the lowest free one: a node that comes back after its clock was set back must
/// not make ids that it has made before.
fn free_number(tx: &Tx<'_>) -> Result<u16, Fault> {
    for _ in 0..NUMBERS {
        let number = next_in_sequence(tx, "node", 1)? % NUMBERS;
        if !exists(tx, "SELECT EXISTS (SELECT 1 FROM node WHERE number = ?1)", number)? {
            return Ok(u16::try_from(number).unwrap_or(0));
        }
    }
    Err(StoreError::Unavailable(format!("{NUMBERS} nodes are registered; wait until dead ones have expired")).into())
}

fn exists(tx: &Tx<'_>, sql: &str, value: i64) -> Result<bool, Fault> {
    Ok(tx.conn.prepare_cached(sql)?.query_row([value], |row| row.get(0))?)
}

/// Ends every life. Whoever opens the data directory holds its lock, so that nobody else can be alive in it: what a crash left
/// behind is claimable at once, instead of when its lease runs out.
pub(super) fn end_all(conn: &Connection) -> rusqlite::Result<()> {
    conn.execute("UPDATE node SET expires_at = 0 WHERE expires_at > 0", []).map(drop)
}

fn clear_expired(tx: &Tx<'_>, now: Timestamp) -> Result<(), Fault> {
    let mut delete = tx.conn.prepare_cached(
        "DELETE FROM node WHERE expires_at <= ?1
            AND NOT EXISTS (SELECT 1 FROM delivery WHERE state = 1 AND leased_by = node.incarnation)
            AND NOT EXISTS (SELECT 1 FROM timer WHERE leased_by = node.incarnation)
            AND NOT EXISTS (SELECT 1 FROM job WHERE state = 'running' AND leased_by = node.incarnation)",
    )?;
    delete.execute([now.as_micros()])?;
    Ok(())
}

pub(super) fn renew(tx: &Tx<'_>, incarnation: Incarnation, now: Timestamp, ttl: Duration) -> Result<Result<(), Refused>, Fault> {
    let mut update = tx.conn.prepare_cached("UPDATE node SET expires_at = ?2 WHERE incarnation = ?1 AND fenced = 0")?;
    let changed = update.execute(params![id(incarnation.raw()), (now + ttl).as_micros()])?;
    Ok(if changed == 1 { Ok(()) } else { Err(Refused::LeaseLost) })
}

pub(super) fn retire(tx: &Tx<'_>, incarnation: Incarnation) -> Result<(), Fault> {
    // Without a row its leases are dead, and it is known that it did not crash.
    tx.conn.prepare_cached("DELETE FROM node WHERE incarnation = ?1")?.execute([id(incarnation.raw())])?;
    Ok(())
}

pub(super) fn all(conn: &Connection) -> Result<Vec<NodeRow>, Fault> {
    let mut select = conn.prepare_cached("SELECT incarnation, name, number, started_at, expires_at FROM node ORDER BY incarnation")?;
    let mut rows = select.query([])?;
    let mut nodes = Vec::new();
    while let Some(row) = rows.next()? {
        nodes.push(read(row)?);
    }
    Ok(nodes)
}

fn read(row: &Row<'_>) -> Result<NodeRow, Fault> {
    Ok(NodeRow {
        incarnation: Incarnation::from_raw(raw(column(row, 0)?)),
        name: column(row, 1)?,
        number: column(row, 2)?,
        started_at: time(row, 3)?,
        expires_at: time(row, 4)?,
    })
}

/// True while an incarnation may claim.
pub(super) fn is_live(conn: &Connection, incarnation: Incarnation, now: Timestamp) -> Result<bool, Fault> {
    let mut select = conn.prepare_cached("SELECT EXISTS (SELECT 1 FROM node WHERE incarnation = ?1 AND expires_at > ?2 AND fenced = 0)")?;
    Ok(select.query_row(params![id(incarnation.raw()), now.as_micros()], |row| row.get(0))?)
}

/// Those that hold something and are not alive. `next_holder` selects the smallest holder greater than its parameter.
pub(super) fn dead_holders(conn: &Connection, next_holder: &str, now: Timestamp) -> Result<Vec<DeadHolder>, Fault> {
    let mut next = conn.prepare_cached(next_holder)?;
    let mut look = conn.prepare_cached("SELECT expires_at > ?2 AND fenced = 0 FROM node WHERE incarnation = ?1")?;
    let mut dead = Vec::new();
    let mut after = i64::MIN;
    while let Some(incarnation) = next.query_row([after], |row| row.get::<_, Option<i64>>(0))? {
        let live = look.query_row(params![incarnation, now.as_micros()], |row| row.get::<_, bool>(0)).optional()?;
        match live {
            Some(true) => {}
            Some(false) => dead.push(DeadHolder { incarnation, crashed: true }),
            None => dead.push(DeadHolder { incarnation, crashed: false }),
        }
        after = incarnation;
    }
    Ok(dead)
}

/// Something was claimed from a life that had expired: it cannot come back.
pub(super) fn fence(tx: &Tx<'_>, incarnation: i64) -> Result<(), Fault> {
    tx.conn.prepare_cached("UPDATE node SET fenced = 1 WHERE incarnation = ?1")?.execute([incarnation])?;
    Ok(())
}
