//! Breakers that are open on any node.

use std::time::Duration;

use countersign_core::{Timestamp, id::ListenerId};

use super::{
    clock::DatabaseClock,
    fault::Fault,
    pool::Conn,
    value::{column, p},
};
use crate::breaker::{BreakerChange, FORGOTTEN_AFTER, OPEN_MAX, OpenBreaker};

/// Writes changes. Whoever opened a breaker for longer has the last word on it. Writers go one after the other, so that none meets
/// another in the other order of rows; readers wait for none of them.
pub(super) async fn write(conn: &Conn, clock: &DatabaseClock, changes: &[BreakerChange], now: Timestamp) -> Result<(), Fault> {
    let (mut listeners, mut untils, mut pauses, mut closed) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for change in changes {
        match change {
            BreakerChange::Closed(listener) => closed.push(listener.0),
            BreakerChange::Opened(breaker) => {
                listeners.push(breaker.listener.0);
                untils.push(clock.there(breaker.until));
                pauses.push(i64::try_from(breaker.pause.as_micros()).unwrap_or(i64::MAX));
            }
        }
    }
    conn.run("LOCK TABLE breaker IN SHARE ROW EXCLUSIVE MODE").await?;
    let open = "INSERT INTO breaker AS known (listener, until, pause) SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[])
        ON CONFLICT (listener) DO UPDATE SET until = excluded.until, pause = excluded.pause WHERE excluded.until > known.until";
    conn.execute(open, &[p(&listeners), p(&untils), p(&pauses)]).await?;
    let close = "DELETE FROM breaker WHERE listener = ANY ($1) OR until <= $2";
    conn.execute(close, &[p(&closed), p(&forgotten(clock, now))]).await?;
    Ok(())
}

/// Those that are open, those that may be probed last first.
pub(super) async fn open(conn: &Conn, clock: &DatabaseClock, now: Timestamp) -> Result<Vec<OpenBreaker>, Fault> {
    let sql = "SELECT listener, until, pause FROM breaker WHERE until > $1 ORDER BY until DESC, listener LIMIT $2";
    let limit = i64::try_from(OPEN_MAX).unwrap_or(i64::MAX);
    let rows = conn.rows(sql, &[p(&forgotten(clock, now)), p(&limit)]).await?;
    let read = |row: &tokio_postgres::Row| {
        Ok(OpenBreaker {
            listener: ListenerId(column(row, 0)?),
            until: clock.here(column(row, 1)?),
            pause: Duration::from_micros(u64::try_from(column::<i64>(row, 2)?).unwrap_or(0)),
        })
    };
    rows.iter().map(read).collect()
}

fn forgotten(clock: &DatabaseClock, now: Timestamp) -> i64 {
    clock.there(now.minus(FORGOTTEN_AFTER))
}
