//! Lives of nodes, and which leases are dead.
//!
//! A lease names an incarnation and holds until that incarnation's row expires, by the clock of the database. Nothing is
//! rewritten when a node starts or dies: the rows it held are found through the indexes over `leased_by`, which have as many
//! distinct values as there are nodes, so that skipping from one to the next is a handful of seeks.

use std::{collections::HashSet, time::Duration};

use countersign_core::{
    Timestamp,
    id::{Incarnation, first_at},
};
use tokio_postgres::Row;

use super::{
    clock::{DatabaseClock, TIME},
    fault::Fault,
    keys,
    pool::Conn,
    value::{column, id, p, raw, text},
};
use crate::{Refused, StoreError, query::NodeRow, vault::Vault};

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

/// Whoever holds deliveries: from each holder to the next one.
pub(super) const OF_DELIVERIES: &str = "WITH RECURSIVE holder AS (
        (SELECT leased_by FROM delivery WHERE state = 1 ORDER BY leased_by LIMIT 1)
        UNION ALL
        SELECT (SELECT d.leased_by FROM delivery d WHERE d.state = 1 AND d.leased_by > h.leased_by ORDER BY d.leased_by LIMIT 1)
        FROM holder h WHERE h.leased_by IS NOT NULL
    )";
/// Whoever holds timers, of which there are few.
pub(super) const OF_TIMERS: &str = "WITH holder AS (SELECT DISTINCT leased_by FROM timer WHERE leased_by IS NOT NULL)";
/// Whoever holds jobs, of which there are fewer.
pub(super) const OF_JOBS: &str = "WITH holder AS (SELECT DISTINCT leased_by FROM job WHERE state = 'running' AND leased_by IS NOT NULL)";

/// Those that hold something and are not alive.
pub(super) async fn dead_holders(conn: &Conn, holders: &str, now: i64) -> Result<Vec<DeadHolder>, Fault> {
    let sql = format!(
        "{holders} SELECT h.leased_by, n.incarnation IS NOT NULL FROM holder h LEFT JOIN node n ON n.incarnation = h.leased_by
         WHERE h.leased_by IS NOT NULL AND (n.incarnation IS NULL OR n.fenced OR n.expires_at <= $1) ORDER BY 1"
    );
    let rows = conn.rows(&sql, &[p(&now)]).await?;
    rows.iter().map(|row| Ok(DeadHolder { incarnation: column(row, 0)?, crashed: column(row, 1)? })).collect()
}

/// Something is about to be claimed from these lives: they cannot come back. Answers which of them did so meanwhile and keep
/// what they hold.
pub(super) async fn fence(conn: &Conn, holders: &[i64], now: i64) -> Result<HashSet<i64>, Fault> {
    let holders = holders.to_vec();
    let fence = "UPDATE node SET fenced = true WHERE incarnation = ANY ($1) AND NOT fenced AND expires_at <= $2";
    conn.execute(fence, &[p(&holders), p(&now)]).await?;
    let alive = conn.rows("SELECT incarnation FROM node WHERE incarnation = ANY ($1) AND NOT fenced", &[p(&holders)]).await?;
    alive.iter().map(|row| column(row, 0)).collect()
}

/// Registrations go one after the other, behind a lock on the row that counts numbers.
pub(super) async fn register(
    conn: &Conn,
    clock: &DatabaseClock,
    vault: &Vault,
    name: &str,
    seed: u64,
    now: Timestamp,
    ttl: Duration,
) -> Result<NodeRow, Fault> {
    let next = hold_registrations(conn).await?;
    keys::check_still_fits(conn, vault).await?;
    clear_expired(conn, clock.there(now)).await?;
    let known = conn.rows("SELECT incarnation, number::bigint FROM node", &[]).await?;
    let incarnations = known.iter().map(|row| column(row, 0)).collect::<Result<HashSet<i64>, Fault>>()?;
    let numbers = known.iter().map(|row| column(row, 1)).collect::<Result<HashSet<i64>, Fault>>()?;
    let mut incarnation = id(first_at(now) | seed & SEED_BITS);
    while incarnations.contains(&incarnation) {
        incarnation += 1;
    }
    // Numbers go round instead of starting from the lowest free one: a node that comes back after its clock was set back must
    // not make ids that it has made before.
    let free = (next..next + NUMBERS).find(|candidate| !numbers.contains(&(candidate % NUMBERS)));
    let Some(free) = free else {
        return Err(StoreError::Unavailable(format!("{NUMBERS} nodes are registered; wait until dead ones have expired")).into());
    };
    conn.execute("UPDATE sequence SET next = $1 WHERE name = 'node'", &[p(&(free + 1))]).await?;
    let number = free % NUMBERS;
    let row = NodeRow {
        incarnation: Incarnation::from_raw(raw(incarnation)),
        name: name.to_owned(),
        number: u16::try_from(number).unwrap_or(0),
        started_at: now,
        expires_at: now + ttl,
    };
    conn.execute(
        "INSERT INTO node (incarnation, name, number, started_at, expires_at, fenced, keys) VALUES ($1, $2, $3::bigint, $4, $5, false, $6)",
        &[
            p(&incarnation),
            p(&text(name)),
            p(&number),
            p(&clock.there(now)),
            p(&clock.there(row.expires_at)),
            p(&vault.key_ids().join(",")),
        ],
    )
    .await?;
    Ok(row)
}

/// From now on no other node registers until this transaction ends. Answers the number from which the next one looks for its own.
pub(super) async fn hold_registrations(conn: &Conn) -> Result<i64, Fault> {
    column(&conn.only("SELECT next FROM sequence WHERE name = 'node' FOR UPDATE", &[]).await?, 0)
}

/// Names of living nodes that do not seal with this key, or do not say.
pub(super) async fn sealing_otherwise(conn: &Conn, key_id: &str, now: i64) -> Result<Vec<String>, Fault> {
    let sql = "SELECT name FROM node WHERE expires_at > $1 AND NOT fenced AND split_part(coalesce(keys, ''), ',', 1) <> $2 ORDER BY name";
    conn.rows(sql, &[p(&now), p(&key_id)]).await?.iter().map(|row| column(row, 0)).collect()
}

async fn clear_expired(conn: &Conn, now: i64) -> Result<(), Fault> {
    conn.execute(
        "DELETE FROM node n WHERE n.expires_at <= $1
            AND NOT EXISTS (SELECT 1 FROM delivery WHERE state = 1 AND leased_by = n.incarnation)
            AND NOT EXISTS (SELECT 1 FROM timer WHERE leased_by = n.incarnation)
            AND NOT EXISTS (SELECT 1 FROM job WHERE state = 'running' AND leased_by = n.incarnation)",
        &[p(&now)],
    )
    .await?;
    Ok(())
}

/// Extends a life, and hears what time the database has.
pub(super) async fn renew(
    conn: &Conn,
    clock: &DatabaseClock,
    incarnation: Incarnation,
    now: Timestamp,
    ttl: Duration,
) -> Result<Result<(), Refused>, Fault> {
    let asked = clock.asks();
    clock.heard(column(&conn.only(TIME, &[]).await?, 0)?, asked);
    let renew = "UPDATE node SET expires_at = $2 WHERE incarnation = $1 AND NOT fenced";
    let changed = conn.execute(renew, &[p(&id(incarnation.raw())), p(&clock.there(now + ttl))]).await?;
    Ok(if changed == 1 { Ok(()) } else { Err(Refused::LeaseLost) })
}

pub(super) async fn retire(conn: &Conn, incarnation: Incarnation) -> Result<(), Fault> {
    // Without a row its leases are dead, and it is known that it did not crash.
    conn.execute("DELETE FROM node WHERE incarnation = $1", &[p(&id(incarnation.raw()))]).await?;
    Ok(())
}

pub(super) async fn all(conn: &Conn, clock: &DatabaseClock) -> Result<Vec<NodeRow>, Fault> {
    let sql = "SELECT incarnation, name, number::bigint, started_at, expires_at FROM node ORDER BY incarnation";
    conn.rows(sql, &[]).await?.iter().map(|row| read(row, clock)).collect()
}

fn read(row: &Row, clock: &DatabaseClock) -> Result<NodeRow, Fault> {
    Ok(NodeRow {
        incarnation: Incarnation::from_raw(raw(column(row, 0)?)),
        name: column(row, 1)?,
        number: u16::try_from(column::<i64>(row, 2)?).unwrap_or(0),
        started_at: clock.here(column(row, 3)?),
        expires_at: clock.here(column(row, 4)?),
    })
}

/// True while an incarnation may claim.
pub(super) async fn is_live(conn: &Conn, incarnation: Incarnation, now: i64) -> Result<bool, Fault> {
    let sql = "SELECT EXISTS (SELECT 1 FROM node WHERE incarnation = $1 AND expires_at > $2 AND NOT fenced)";
    column(&conn.only(sql, &[p(&id(incarnation.raw())), p(&now)]).await?, 0)
}
