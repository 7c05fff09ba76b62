//! Partitions by day: which there are, making one, dropping one.
//!
//! Both are done while events come in. So a partition is made as a table of its own and attached, which neither readers nor
//! writers wait for; and whatever has to wait for a lock gives up soon, since everybody else waits behind it.
//!
//! A row of a day that has no partition goes to the default partition (`event_other`, `attempt_other`), and stays there. Such a day
//! gets no partition any more, as its rows would have to be moved; retention deletes them one by one.

use std::time::Duration;

use super::{
    attempt::CLOCKS_APART,
    day::{Day, Partition, Table},
    fault::Fault,
    pool::Conn,
    value::{column, p},
};

/// Days made ahead. The nodes may be unable to make one for a long weekend before events go to the default partition.
const AHEAD: i64 = 3;
/// A wait for a lock, in milliseconds; it is tried again with the next round.
const LOCK_WAIT_MS: u32 = 250;
/// Attaching reads the default partition to see that it has nothing of the day, and whoever needs that one waits. Beyond so many
/// bytes (a tenth of a second) it is read beforehand, in nobody's way. Only a database from before the partitions has so many.
const READ_BYTES_MAX: i64 = 64 << 20;
/// The time that reading it beforehand may take.
const PROOF_TIME_MAX: Duration = Duration::from_secs(3_600);
/// Rows of a past day that are moved to the default partition so that the day can go. Readers of the table wait meanwhile.
pub(super) const MOVED_ROWS_MAX: i64 = 5_000;
/// Bytes of snapshots that are moved, for the same reason.
pub(super) const MOVED_BYTES_MAX: i64 = 16 << 20;
/// Events that share a snapshot are of one record, so that their ids are this close at most, even around midnight.
const SHARERS_WITHIN: i64 = 60_000 << 22;

/// The advisory lock of the node that makes or drops a partition; the number has no meaning but to be ours.
const LOCK: i64 = i64::from_be_bytes(*b"csgndays");

/// What came of making a partition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Made {
    /// It takes the day's rows from now on.
    Attached,
    /// Another node was faster.
    ByAnother,
    /// The default partition is large: [`begin_proof`] and [`prove`] go first.
    NeedsProof,
}

/// The days that have a partition.
pub(super) async fn existing(conn: &Conn) -> Result<Vec<Partition>, Fault> {
    let sql = "SELECT c.relname::text FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent IN ('event'::regclass, 'attempt'::regclass) ORDER BY 1";
    let mut found = Vec::new();
    for row in conn.rows(sql, &[]).await? {
        found.extend(Partition::from_name(column(&row, 0)?));
    }
    Ok(found)
}

/// Days from `today` on that are to be made: those without a partition and without rows in the default one.
pub(super) async fn missing(conn: &Conn, today: Day) -> Result<Vec<Partition>, Fault> {
    let existing = existing(conn).await?;
    let wanted = (0..=AHEAD).flat_map(|days| Table::ALL.map(|table| Partition { table, day: today.plus(days) }));
    let mut missing = Vec::new();
    for partition in wanted.filter(|partition| !existing.contains(partition)) {
        let taken = format!("SELECT EXISTS (SELECT 1 FROM {} WHERE id >= $1 AND id < $2)", partition.table.other());
        let (first, end) = (partition.day.first(), partition.day.end());
        if !column::<bool>(&conn.only(&taken, &[p(&first), p(&end)]).await?, 0)? {
            missing.push(partition);
        }
    }
    Ok(missing)
}

/// Makes a partition.
pub(super) async fn make(conn: &Conn, partition: Partition) -> Result<Made, Fault> {
    wait_in_turn(conn).await?;
    let (table, other, proof) = (partition.table.name(), partition.table.other(), proof_name(partition));
    let look = format!(
        "SELECT to_regclass('{partition}') IS NOT NULL, pg_relation_size('{other}') > $1 AND NOT EXISTS
            (SELECT 1 FROM pg_constraint WHERE conrelid = '{other}'::regclass AND conname = '{proof}' AND convalidated)"
    );
    let found = conn.only(&look, &[p(&READ_BYTES_MAX)]).await?;
    if column(&found, 0)? {
        return Ok(Made::ByAnother);
    }
    if column(&found, 1)? {
        return Ok(Made::NeedsProof);
    }
    let (first, end) = (partition.day.first(), partition.day.end());
    conn.run(&format!(
        "CREATE TABLE {partition} (LIKE {table} INCLUDING ALL);
         ALTER TABLE {table} ATTACH PARTITION {partition} FOR VALUES FROM ({first}) TO ({end});
         ALTER TABLE {other} DROP CONSTRAINT IF EXISTS {proof}"
    ))
    .await?;
    Ok(Made::Attached)
}

/// One node at a time, and no long wait for any lock; both end with the transaction.
async fn wait_in_turn(conn: &Conn) -> Result<(), Fault> {
    conn.run(&format!("SET LOCAL lock_timeout = {LOCK_WAIT_MS}; SELECT pg_advisory_xact_lock({LOCK})")).await
}

fn proof_name(partition: Partition) -> String {
    format!("without_{partition}")
}

/// From now on the default partition refuses rows of the day, which has not begun. [`make`] ends that.
pub(super) async fn begin_proof(conn: &Conn, partition: Partition) -> Result<(), Fault> {
    wait_in_turn(conn).await?;
    let (other, proof) = (partition.table.other(), proof_name(partition));
    let begun = format!("SELECT EXISTS (SELECT 1 FROM pg_constraint WHERE conrelid = '{other}'::regclass AND conname = '{proof}')");
    if column(&conn.only(&begun, &[]).await?, 0)? {
        return Ok(());
    }
    let (first, end) = (partition.day.first(), partition.day.end());
    conn.run(&format!("ALTER TABLE {other} ADD CONSTRAINT {proof} CHECK (id < {first} OR id >= {end}) NOT VALID")).await
}

/// Reads the default partition, in nobody's way, to see that it has nothing of the day.
pub(super) async fn prove(conn: &Conn, partition: Partition) -> Result<(), Fault> {
    let (other, proof) = (partition.table.other(), proof_name(partition));
    conn.run_within(&format!("ALTER TABLE {other} VALIDATE CONSTRAINT {proof}"), PROOF_TIME_MAX).await
}

/// Proofs that were begun and not ended, for days that begin before `day`.
pub(super) async fn proofs_before(conn: &Conn, day: Day) -> Result<Vec<Partition>, Fault> {
    let sql = "SELECT conname::text FROM pg_constraint WHERE conrelid IN ('event_other'::regclass, 'attempt_other'::regclass)
        AND contype = 'c'";
    let mut left = Vec::new();
    for row in conn.rows(sql, &[]).await? {
        left.extend(column::<&str>(&row, 0)?.strip_prefix("without_").and_then(Partition::from_name));
    }
    left.retain(|partition| partition.day < day);
    Ok(left)
}

/// Gives a proof up: the default partition takes every row again.
pub(super) async fn end_proof(conn: &Conn, partition: Partition) -> Result<(), Fault> {
    let (other, proof) = (partition.table.other(), proof_name(partition));
    conn.run(&format!("SET LOCAL lock_timeout = {LOCK_WAIT_MS}; ALTER TABLE {other} DROP CONSTRAINT IF EXISTS {proof}")).await
}

/// What is still needed of a past day.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Needed {
    /// Rows; some more than [`MOVED_ROWS_MAX`] where there are too many to count.
    pub(super) rows: i64,
    /// Bytes of snapshots in them.
    pub(super) bytes: i64,
    /// The attempts among them.
    attempts: Vec<i64>,
}

impl Needed {
    /// True when so little is needed that it can be moved out of the day.
    pub(super) fn is_little(&self) -> bool {
        self.rows <= MOVED_ROWS_MAX && self.bytes <= MOVED_BYTES_MAX
    }
}

/// What a day still has that an unfinished delivery needs. Finished ones of the day were deleted before, so that a range of the indexes
/// over deliveries has all that are left.
pub(super) async fn needed(conn: &Conn, partition: Partition) -> Result<Needed, Fault> {
    let (first, end, rows_max) = (partition.day.first(), partition.day.end(), MOVED_ROWS_MAX + 1);
    match partition.table {
        Table::Event => {
            let sql = "SELECT count(*), coalesce(sum(e.bytes), 0)::bigint FROM
                (SELECT DISTINCT event FROM delivery WHERE event >= $1 AND event < $2 LIMIT $3) named
                JOIN event e ON e.id = named.event WHERE e.id >= $1 AND e.id < $2";
            let row = conn.only(sql, &[p(&first), p(&end), p(&rows_max)]).await?;
            Ok(Needed { rows: column(&row, 0)?, bytes: column(&row, 1)?, attempts: Vec::new() })
        }
        Table::Attempt => {
            // From the newest attempt of each back to this day, an hour wider than it is: nodes' clocks differ. The offset keeps the planner from reading whole days at once.
            let sql = "WITH RECURSIVE chain AS (
                    SELECT a.id, a.previous FROM (SELECT last_attempt FROM delivery WHERE id < $5 AND last_attempt >= $4) d
                        CROSS JOIN LATERAL (SELECT id, previous FROM attempt WHERE id = d.last_attempt OFFSET 0) a
                    UNION ALL
                    SELECT a.id, a.previous FROM chain c
                        CROSS JOIN LATERAL (SELECT id, previous FROM attempt WHERE id = c.previous OFFSET 0) a
                    WHERE c.previous >= $4
                )
                SELECT id FROM chain WHERE id >= $1 AND id < $2 LIMIT $3";
            let (from, to) = (first - CLOCKS_APART, end + CLOCKS_APART);
            let rows = conn.rows(sql, &[p(&first), p(&end), p(&rows_max), p(&from), p(&to)]).await?;
            let attempts = rows.iter().map(|row| column(row, 0)).collect::<Result<Vec<i64>, Fault>>()?;
            Ok(Needed { rows: i64::try_from(attempts.len()).unwrap_or(i64::MAX), bytes: 0, attempts })
        }
    }
}

/// Moves what is needed to the default partition and drops the day, in one transaction. `false` when another node was faster.
pub(super) async fn drop_day(conn: &Conn, partition: Partition, needed: &Needed) -> Result<bool, Fault> {
    wait_in_turn(conn).await?;
    let table = partition.table.name();
    let is_there = conn.only(&format!("SELECT to_regclass('{partition}') IS NOT NULL"), &[]).await?;
    if !column(&is_there, 0)? {
        return Ok(false);
    }
    conn.run(&format!("ALTER TABLE {table} DETACH PARTITION {partition}")).await?;
    match partition.table {
        Table::Event => {
            // What is needed is looked for again, as a replay may have been recorded meanwhile. Whoever holds a snapshot that another
            // one shows goes with it; the last arm has those whose sharers came after midnight.
            let (first, end, close) = (partition.day.first(), partition.day.end(), partition.day.end() + SHARERS_WITHIN);
            let keep = format!(
                "INSERT INTO event SELECT e.* FROM {partition} e WHERE e.id = ANY (ARRAY(
                    SELECT event FROM delivery WHERE event >= $1 AND event < $2
                    UNION SELECT s.shares FROM {partition} s WHERE s.shares IS NOT NULL
                        AND s.id = ANY (ARRAY(SELECT event FROM delivery WHERE event >= $1 AND event < $2))
                    UNION SELECT s.shares FROM event s WHERE s.id >= $2 AND s.id < $3 AND s.shares >= $1 AND s.shares < $2
                ))"
            );
            conn.execute(&keep, &[p(&first), p(&end), p(&close)]).await?;
        }
        Table::Attempt => {
            let keep = format!("INSERT INTO attempt SELECT a.* FROM {partition} a WHERE a.id = ANY ($1)");
            conn.execute(&keep, &[p(&needed.attempts)]).await?;
        }
    }
    conn.run(&format!("DROP TABLE {partition}")).await?;
    Ok(true)
}
