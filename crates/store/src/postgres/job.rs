//! Jobs: work that outlives its request.

use countersign_core::{
    Timestamp,
    id::{AccountId, Incarnation, JobId, first_at},
};
use tokio_postgres::Row;

use super::{
    fault::Fault,
    node::{self, OF_JOBS},
    pool::Conn,
    value::{column, id, limit, p, raw, text, time},
};
use crate::{
    Refused,
    job::{Job, JobState},
};

const COLUMNS: &str = "id, account, kind, state, spec, progress, created_at, changed_at, leased_by";

pub(super) async fn create(conn: &Conn, job: &Job) -> Result<(), Fault> {
    conn.execute(
        "INSERT INTO job (id, account, kind, state, spec, progress, created_at, changed_at, leased_by)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        &[
            p(&id(job.id.raw())),
            p(&job.account.0),
            p(&text(&job.kind)),
            p(&job.state.as_str()),
            p(&text(&job.spec)),
            p(&text(&job.progress)),
            p(&job.created_at.as_micros()),
            p(&job.changed_at.as_micros()),
            p(&job.leased_by.map(|by| id(by.raw()))),
        ],
    )
    .await?;
    Ok(())
}

/// Leases running jobs that nobody living holds, oldest first. `lives_at` is now by the clock of the database.
pub(super) async fn claim(conn: &Conn, by: Incarnation, lives_at: i64, limit: u32) -> Result<Vec<Job>, Fault> {
    if !node::is_live(conn, by, lives_at).await? {
        return Ok(Vec::new());
    }
    let free =
        format!("SELECT {COLUMNS} FROM job WHERE state = 'running' AND leased_by IS NULL ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED");
    let mut rows = conn.rows(&free, &[p(&i64::from(limit))]).await?;
    for holder in node::dead_holders(conn, OF_JOBS, lives_at).await? {
        let room = i64::from(limit) - rows.len() as i64;
        if room <= 0 {
            break;
        }
        let orphaned =
            format!("SELECT {COLUMNS} FROM job WHERE state = 'running' AND leased_by = $2 ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED");
        let left = conn.rows(&orphaned, &[p(&room), p(&holder.incarnation)]).await?;
        if !left.is_empty() && node::fence(conn, &[holder.incarnation], lives_at).await?.is_empty() {
            rows.extend(left);
        }
    }
    let claimed = rows.iter().map(|row| Ok(Job { leased_by: Some(by), ..read(row)? })).collect::<Result<Vec<_>, Fault>>()?;
    let ids: Vec<i64> = claimed.iter().map(|job| id(job.id.raw())).collect();
    conn.execute("UPDATE job SET leased_by = $2 WHERE id = ANY ($1)", &[p(&ids), p(&id(by.raw()))]).await?;
    Ok(claimed)
}

/// Frees jobs that this incarnation may hold without knowing.
pub(super) async fn let_go(conn: &Conn, by: Incarnation, jobs: &[JobId]) -> Result<(), Fault> {
    let ids: Vec<i64> = jobs.iter().map(|job| id(job.raw())).collect();
    conn.execute("UPDATE job SET leased_by = NULL WHERE id = ANY ($1) AND leased_by = $2", &[p(&ids), p(&id(by.raw()))]).await?;
    Ok(())
}

/// Writes progress and state of a job in the holder's hands; one that is not running any more gives its lease up.
pub(super) async fn write(
    conn: &Conn,
    by: Incarnation,
    job: JobId,
    state: JobState,
    progress: &str,
    now: Timestamp,
) -> Result<Result<(), Refused>, Fault> {
    let lock = "SELECT state, leased_by FROM job WHERE id = $1 FOR UPDATE";
    let Some(found) = conn.first(lock, &[p(&id(job.raw()))]).await? else { return Ok(Err(Refused::NotFound)) };
    let (was, holder): (&str, Option<i64>) = (column(&found, 0)?, column(&found, 1)?);
    if was != JobState::Running.as_str() {
        return Ok(Err(Refused::WrongState(was.to_owned())));
    }
    if holder != Some(id(by.raw())) {
        return Ok(Err(Refused::LeaseLost));
    }
    let holder = (state == JobState::Running).then(|| id(by.raw()));
    let update = "UPDATE job SET state = $2, progress = $3, changed_at = $4, leased_by = $5 WHERE id = $1";
    conn.execute(update, &[p(&id(job.raw())), p(&state.as_str()), p(&text(progress)), p(&now.as_micros()), p(&holder)]).await?;
    Ok(Ok(()))
}

pub(super) async fn cancel(conn: &Conn, account: AccountId, job: JobId, now: Timestamp) -> Result<Result<(), Refused>, Fault> {
    let lock = "SELECT state FROM job WHERE id = $1 AND account = $2 FOR UPDATE";
    let Some(found) = conn.first(lock, &[p(&id(job.raw())), p(&account.0)]).await? else { return Ok(Err(Refused::NotFound)) };
    let was: &str = column(&found, 0)?;
    if was != JobState::Running.as_str() {
        return Ok(Err(Refused::WrongState(was.to_owned())));
    }
    let update = "UPDATE job SET state = $2, changed_at = $3, leased_by = NULL WHERE id = $1";
    conn.execute(update, &[p(&id(job.raw())), p(&JobState::Cancelled.as_str()), p(&now.as_micros())]).await?;
    Ok(Ok(()))
}

pub(super) async fn one(conn: &Conn, account: AccountId, job: JobId) -> Result<Option<Job>, Fault> {
    let sql = format!("SELECT {COLUMNS} FROM job WHERE id = $1 AND account = $2");
    conn.first(&sql, &[p(&id(job.raw())), p(&account.0)]).await?.map(|row| read(&row)).transpose()
}

pub(super) async fn list(conn: &Conn, account: AccountId, limit: u32) -> Result<Vec<Job>, Fault> {
    let sql = format!("SELECT {COLUMNS} FROM job WHERE account = $1 ORDER BY id DESC LIMIT $2");
    conn.rows(&sql, &[p(&account.0), p(&i64::from(limit))]).await?.iter().map(read).collect()
}

/// Deletes jobs that are over and were last written before a time, oldest first. The ids are ordered by time, so that a look
/// passes by the old ones alone.
pub(super) async fn delete_old(conn: &Conn, before: Timestamp, rows_max: usize) -> Result<(), Fault> {
    let delete = "DELETE FROM job WHERE id IN
        (SELECT id FROM job WHERE id < $1 AND state <> 'running' AND changed_at < $2 ORDER BY id LIMIT $3 FOR UPDATE SKIP LOCKED)";
    conn.execute(delete, &[p(&id(first_at(before))), p(&before.as_micros()), p(&limit(rows_max))]).await?;
    Ok(())
}

fn read(row: &Row) -> Result<Job, Fault> {
    let job = JobId::from_raw(raw(column(row, 0)?));
    let state: &str = column(row, 3)?;
    Ok(Job {
        id: job,
        account: AccountId(column(row, 1)?),
        kind: column(row, 2)?,
        state: JobState::from_stored(state).ok_or_else(|| Fault::damaged(format!("job {job}: its state '{state}'")))?,
        spec: column(row, 4)?,
        progress: column(row, 5)?,
        created_at: time(row, 6)?,
        changed_at: time(row, 7)?,
        leased_by: column::<Option<i64>>(row, 8)?.map(|by| Incarnation::from_raw(raw(by))),
    })
}
