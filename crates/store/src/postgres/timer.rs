//! Timers, leased to incarnations as deliveries are.

use countersign_core::{
    Timestamp,
    id::{AccountId, EnvelopeId, Incarnation, TimerId},
};
use tokio_postgres::Row;
use uuid::Uuid;

use super::{
    fault::Fault,
    node::{self, OF_TIMERS},
    pool::Conn,
    value::{column, id, p, raw, text, time},
};
use crate::{
    envelopes::EnvelopeRow,
    timer::{NewTimer, Timer},
};

/// The timers of these envelopes from now on.
pub(super) async fn replace(conn: &Conn, changes: &[(&EnvelopeRow, &[NewTimer])]) -> Result<(), Fault> {
    if changes.is_empty() {
        return Ok(());
    }
    let changed: Vec<Uuid> = changes.iter().map(|(row, _)| row.id.0).collect();
    conn.execute("DELETE FROM timer WHERE envelope = ANY ($1)", &[p(&changed)]).await?;
    let all = || changes.iter().flat_map(|(row, timers)| timers.iter().map(move |timer| (*row, timer)));
    let ids: Vec<i64> = all().map(|(_, timer)| id(timer.id.raw())).collect();
    if ids.is_empty() {
        return Ok(());
    }
    let accounts: Vec<i64> = all().map(|(row, _)| row.account.0).collect();
    let envelopes: Vec<Uuid> = all().map(|(row, _)| row.id.0).collect();
    let kinds: Vec<_> = all().map(|(_, timer)| text(&timer.kind)).collect();
    let due: Vec<i64> = all().map(|(_, timer)| timer.due_at.as_micros()).collect();
    conn.execute(
        "INSERT INTO timer (id, account, envelope, kind, due_at)
         SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::uuid[], $4::text[], $5::bigint[])",
        &[p(&ids), p(&accounts), p(&envelopes), p(&kinds), p(&due)],
    )
    .await?;
    Ok(())
}

/// Leases due timers: free ones first, then those of dead incarnations. `lives_at` is `now` by the clock of the database.
pub(super) async fn claim(conn: &Conn, by: Incarnation, now: Timestamp, lives_at: i64, limit: u32) -> Result<Vec<Timer>, Fault> {
    if !node::is_live(conn, by, lives_at).await? {
        return Ok(Vec::new());
    }
    let free = "SELECT id, account, envelope, kind, due_at FROM timer WHERE leased_by IS NULL AND due_at <= $1
        ORDER BY due_at, id LIMIT $2 FOR UPDATE SKIP LOCKED";
    let rows = conn.rows(free, &[p(&now.as_micros()), p(&i64::from(limit))]).await?;
    let mut claimed = rows.iter().map(|row| read(row, by)).collect::<Result<Vec<_>, _>>()?;
    for holder in node::dead_holders(conn, OF_TIMERS, lives_at).await? {
        let room = i64::from(limit) - claimed.len() as i64;
        if room <= 0 {
            break;
        }
        let orphaned = "SELECT id, account, envelope, kind, due_at FROM timer WHERE leased_by = $3 AND due_at <= $1
            ORDER BY due_at, id LIMIT $2 FOR UPDATE SKIP LOCKED";
        let rows = conn.rows(orphaned, &[p(&now.as_micros()), p(&room), p(&holder.incarnation)]).await?;
        if !rows.is_empty() && node::fence(conn, &[holder.incarnation], lives_at).await?.is_empty() {
            claimed.extend(rows.iter().map(|row| read(row, by)).collect::<Result<Vec<_>, _>>()?);
        }
    }
    let ids: Vec<i64> = claimed.iter().map(|timer| id(timer.id.raw())).collect();
    conn.execute("UPDATE timer SET leased_by = $2 WHERE id = ANY ($1)", &[p(&ids), p(&id(by.raw()))]).await?;
    Ok(claimed)
}

fn read(row: &Row, by: Incarnation) -> Result<Timer, Fault> {
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
pub(super) async fn finish(conn: &Conn, by: Incarnation, timers: &[TimerId]) -> Result<(), Fault> {
    let ids: Vec<i64> = timers.iter().map(|timer| id(timer.raw())).collect();
    conn.execute("DELETE FROM timer WHERE id = ANY ($1) AND leased_by = $2", &[p(&ids), p(&id(by.raw()))]).await?;
    Ok(())
}

/// Frees timers that this incarnation may hold without knowing.
pub(super) async fn let_go(conn: &Conn, by: Incarnation, timers: &[TimerId]) -> Result<(), Fault> {
    let ids: Vec<i64> = timers.iter().map(|timer| id(timer.raw())).collect();
    conn.execute("UPDATE timer SET leased_by = NULL WHERE id = ANY ($1) AND leased_by = $2", &[p(&ids), p(&id(by.raw()))]).await?;
    Ok(())
}

/// When the next free timer is due.
pub(super) async fn next(conn: &Conn) -> Result<Option<Timestamp>, Fault> {
    let row = conn.first("SELECT due_at FROM timer WHERE leased_by IS NULL ORDER BY due_at LIMIT 1", &[]).await?;
    row.map(|row| time(&row, 0)).transpose()
}
