//! Jobs: work that outlives its request.

use countersign_core::{
    Timestamp,
    id::{AccountId, Incarnation, JobId, first_at},
};
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::{
    fault::Fault,
    node,
    transaction::Tx,
    value::{column, id, limit, raw, time},
};
use crate::{
    Refused,
    job::{Job, JobState},
};

const COLUMNS: &str = "id, account, kind, state, spec, progress, created_at, changed_at, leased_by";

pub(super) fn create(tx: &Tx<'_>, job: &Job) -> Result<(), Fault> {
    tx.conn
        .prepare_cached(
            "INSERT INTO job (id, account, kind, state, spec, progress, created_at, changed_at, leased_by)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?
        .execute(params![
            id(job.id.raw()),
            job.account.0,
            job.kind,
            job.state.as_str(),
            job.spec,
            job.progress,
            job.created_at.as_micros(),
            job.changed_at.as_micros(),
            job.leased_by.map(|by| id(by.raw())),
        ])?;
    Ok(())
}

/// Leases running jobs that nobody living holds, oldest first.
pub(super) fn claim(tx: &Tx<'_>, by: Incarnation, now: Timestamp, limit: u32) -> Result<Vec<Job>, Fault> {
    if !node::is_live(tx.conn, by, now)? {
        return Ok(Vec::new());
    }
    let dead = node::dead_holders(tx.conn, "SELECT min(leased_by) FROM job WHERE state = 'running' AND leased_by > ?1", now)?;
    let mut claimed: Vec<Job> = Vec::new();
    for holder in std::iter::once(None).chain(dead.iter().map(|holder| Some(holder.incarnation))) {
        let room = i64::from(limit) - claimed.len() as i64;
        if room <= 0 {
            break;
        }
        let before = claimed.len();
        let mut select = tx
            .conn
            .prepare_cached(&format!("SELECT {COLUMNS} FROM job WHERE state = 'running' AND leased_by IS ?1 ORDER BY id LIMIT ?2"))?;
        let mut rows = select.query(params![holder, room])?;
        while let Some(row) = rows.next()? {
            claimed.push(Job { leased_by: Some(by), ..read(row)? });
        }
        if let Some(holder) = holder
            && claimed.len() > before
        {
            node::fence(tx, holder)?;
        }
    }
    for job in &claimed {
        tx.conn.prepare_cached("UPDATE job SET leased_by = ?2 WHERE id = ?1")?.execute([id(job.id.raw()), id(by.raw())])?;
    }
    Ok(claimed)
}

/// Writes how far a leased job came. A job that is not running any more gives its lease up.
pub(super) fn write(
    tx: &Tx<'_>,
    by: Incarnation,
    job: JobId,
    state: JobState,
    progress: &str,
    now: Timestamp,
) -> Result<Result<(), Refused>, Fault> {
    let mut select = tx.conn.prepare_cached("SELECT state, leased_by FROM job WHERE id = ?1")?;
    let found: Option<(String, Option<i64>)> = select.query_row([id(job.raw())], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let Some((was, holder)) = found else { return Ok(Err(Refused::NotFound)) };
    if was != JobState::Running.as_str() {
        return Ok(Err(Refused::WrongState(was)));
    }
    if holder != Some(id(by.raw())) {
        return Ok(Err(Refused::LeaseLost));
    }
    let holder = (state == JobState::Running).then(|| id(by.raw()));
    tx.conn.prepare_cached("UPDATE job SET state = ?2, progress = ?3, changed_at = ?4, leased_by = ?5 WHERE id = ?1")?.execute(params![
        id(job.raw()),
        state.as_str(),
        progress,
        now.as_micros(),
        holder
    ])?;
    Ok(Ok(()))
}

pub(super) fn cancel(tx: &Tx<'_>, account: AccountId, job: JobId, now: Timestamp) -> Result<Result<(), Refused>, Fault> {
    let Some(found) = one(tx.conn, account, job)? else { return Ok(Err(Refused::NotFound)) };
    if found.state != JobState::Running {
        return Ok(Err(Refused::WrongState(found.state.as_str().to_owned())));
    }
    tx.conn.prepare_cached("UPDATE job SET state = ?2, changed_at = ?3, leased_by = NULL WHERE id = ?1")?.execute(params![
        id(job.raw()),
        JobState::Cancelled.as_str(),
        now.as_micros()
    ])?;
    Ok(Ok(()))
}

pub(super) fn one(conn: &Connection, account: AccountId, job: JobId) -> Result<Option<Job>, Fault> {
    let mut select = conn.prepare_cached(&format!("SELECT {COLUMNS} FROM job WHERE id = ?1 AND account = ?2"))?;
    let mut rows = select.query(params![id(job.raw()), account.0])?;
    rows.next()?.map(read).transpose()
}

pub(super) fn list(conn: &Connection, account: AccountId, limit: u32) -> Result<Vec<Job>, Fault> {
    let mut select = conn.prepare_cached(&format!("SELECT {COLUMNS} FROM job WHERE account = ?1 ORDER BY id DESC LIMIT ?2"))?;
    let mut rows = select.query(params![account.0, limit])?;
    let mut jobs = Vec::new();
    while let Some(row) = rows.next()? {
        jobs.push(read(row)?);
    }
    Ok(jobs)
}

/// Deletes jobs that are over and were last written before a time, oldest first. The ids are ordered by time, so that a look
/// passes by the old ones alone.
pub(super) fn delete_old(tx: &Tx<'_>, before: Timestamp, rows_max: usize) -> Result<(), Fault> {
    let mut delete = tx.conn.prepare_cached(
        "DELETE FROM job WHERE id IN
            (SELECT id FROM job WHERE id < ?1 AND state <> 'running' AND changed_at < ?2 ORDER BY id LIMIT ?3)",
    )?;
    delete.execute(params![id(first_at(before)), before.as_micros(), limit(rows_max)])?;
    Ok(())
}

fn read(row: &Row<'_>) -> Result<Job, Fault> {
    let job = JobId::from_raw(raw(column(row, 0)?));
    let state: String = column(row, 3)?;
    Ok(Job {
        id: job,
        account: AccountId(column(row, 1)?),
        kind: column(row, 2)?,
        state: JobState::from_stored(&state).ok_or_else(|| Fault::damaged(format!("job {job}: its state '{state}'")))?,
        spec: column(row, 4)?,
        progress: column(row, 5)?,
        created_at: time(row, 6)?,
        changed_at: time(row, 7)?,
        leased_by: column::<Option<i64>>(row, 8)?.map(|by| Incarnation::from_raw(raw(by))),
    })
}
