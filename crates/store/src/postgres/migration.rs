//! Migrations: forward only, each in one transaction with the row that says it was done, one node at a time.
//!
//! Two versions run side by side while nodes are replaced one after the other. So a migration that changes what is there comes in
//! three releases: expand (add what the new program needs; the old one does not notice), migrate (the new program writes both),
//! contract (drop what nobody reads any more). Each names the oldest schema whose programs may still work on the result.

use sha2::{Digest as _, Sha256};
use tokio_postgres::{Client, types::Type};

use super::fault::{OpenError, words};

struct Migration {
    version: u32,
    name: &'static str,
    /// The oldest schema whose programs may work on a database with this migration.
    oldest_program: u32,
    sql: &'static str,
}

/// In order, without gaps. A file that was released is never changed: its checksum is in the databases it was applied to.
const MIGRATIONS: &[Migration] = &[
    Migration { version: 1, name: "initial", oldest_program: 1, sql: include_str!("../../migrations/postgres/0001_initial.sql") },
    Migration { version: 2, name: "breakers", oldest_program: 1, sql: include_str!("../../migrations/postgres/0002_breakers.sql") },
    Migration {
        version: 3,
        name: "one_round_trip",
        oldest_program: 1,
        sql: include_str!("../../migrations/postgres/0003_one_round_trip.sql"),
    },
];

/// The schema this program works with.
pub(super) const SCHEMA: u32 = MIGRATIONS[MIGRATIONS.len() - 1].version;

/// The advisory lock that one migrating node holds; the number has no meaning but to be ours.
const LOCK: i64 = i64::from_be_bytes(*b"countern");

/// A migration as the database remembers it.
struct Applied {
    version: u32,
    oldest_program: u32,
    checksum: Vec<u8>,
}

/// What a migration of the database did.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Migrated {
    /// The migrations applied now, by number and name; none when it was up to date.
    pub applied: Vec<(u32, &'static str)>,
    /// The schema from now on, which may be newer than this program's.
    pub schema: u32,
}

/// Brings the database up to [`SCHEMA`]; refuses one that this program cannot work on.
pub(super) async fn migrate(client: &Client) -> Result<Migrated, OpenError> {
    client.batch_execute("BEGIN").await.map_err(failed)?;
    // Held to the end of the transaction, so that it also works through a pooler.
    client.query_typed("SELECT pg_advisory_xact_lock($1)", &[(&LOCK, Type::INT8)]).await.map_err(failed)?;
    let done = apply_missing(client).await;
    let end = if done.is_ok() { "COMMIT" } else { "ROLLBACK" };
    client.batch_execute(end).await.map_err(failed)?;
    done
}

async fn apply_missing(client: &Client) -> Result<Migrated, OpenError> {
    client
        .batch_execute(
            "CREATE TABLE IF NOT EXISTS schema_migrations (
                 version bigint PRIMARY KEY, name text NOT NULL, oldest_program bigint NOT NULL, checksum bytea NOT NULL,
                 applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
             )",
        )
        .await
        .map_err(failed)?;
    let known = applied(client).await?;
    check(&known)?;
    let mut done = Vec::new();
    for migration in MIGRATIONS.iter().skip(known.len()) {
        client.batch_execute(migration.sql).await.map_err(failed)?;
        let (version, oldest) = (i64::from(migration.version), i64::from(migration.oldest_program));
        let remember = "INSERT INTO schema_migrations (version, name, oldest_program, checksum) VALUES ($1, $2, $3, $4)";
        let values: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 4] =
            [(&version, Type::INT8), (&migration.name, Type::TEXT), (&oldest, Type::INT8), (&checksum_of(migration), Type::BYTEA)];
        client.execute_typed(remember, &values).await.map_err(failed)?;
        tracing::info!(version = migration.version, name = migration.name, "applied a migration");
        done.push((migration.version, migration.name));
    }
    let schema = known.last().map_or(0, |last| last.version).max(SCHEMA);
    Ok(Migrated { applied: done, schema })
}

async fn applied(client: &Client) -> Result<Vec<Applied>, OpenError> {
    let sql = "SELECT version, oldest_program, checksum FROM schema_migrations ORDER BY version";
    let number = |row: &tokio_postgres::Row, index: usize| {
        row.try_get::<_, i64>(index).map_err(failed).map(|number| u32::try_from(number).unwrap_or(u32::MAX))
    };
    let rows = client.query_typed(sql, &[]).await.map_err(failed)?;
    rows.iter()
        .map(|row| {
            let checksum = row.try_get(2).map_err(failed)?;
            Ok(Applied { version: number(row, 0)?, oldest_program: number(row, 1)?, checksum })
        })
        .collect()
}

/// Refuses a database that this program cannot work on.
pub(super) async fn permits(client: &Client) -> Result<(), OpenError> {
    check(&applied(client).await?)
}

fn check(applied: &[Applied]) -> Result<(), OpenError> {
    if let Some(last) = applied.last() {
        let needed = applied.iter().map(|migration| migration.oldest_program).max().unwrap_or(0);
        if needed > SCHEMA {
            return Err(OpenError::NewerSchema { found: last.version, needed, known: SCHEMA });
        }
    }
    for (ours, theirs) in MIGRATIONS.iter().zip(applied) {
        if ours.version != theirs.version || checksum_of(ours) != theirs.checksum {
            return Err(OpenError::OtherMigration { version: theirs.version });
        }
    }
    Ok(())
}

/// Line ends do not count, so that a checkout on Windows is the same migration.
fn checksum_of(migration: &Migration) -> Vec<u8> {
    Sha256::digest(migration.sql.replace("\r\n", "\n")).to_vec()
}

fn failed(error: tokio_postgres::Error) -> OpenError {
    OpenError::Failed(format!("migrating: {}", words(&error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ours() -> Vec<Applied> {
        let applied = |m: &Migration| Applied { version: m.version, oldest_program: m.oldest_program, checksum: checksum_of(m) };
        MIGRATIONS.iter().map(applied).collect()
    }

    fn newer(oldest_program: u32) -> Vec<Applied> {
        let mut all = ours();
        all.push(Applied { version: SCHEMA + 1, oldest_program, checksum: vec![1] });
        all
    }

    #[test]
    fn migrations_are_numbered_without_gaps() {
        for (expected, migration) in (1..).zip(MIGRATIONS) {
            assert_eq!(migration.version, expected, "{}", migration.name);
            assert!(migration.oldest_program <= migration.version, "{}", migration.name);
        }
    }

    #[test]
    fn a_newer_schema_is_refused_only_where_it_asks_for_a_newer_program() {
        assert_eq!(check(&[]), Ok(()));
        assert_eq!(check(&ours()), Ok(()));
        assert_eq!(check(&newer(SCHEMA)), Ok(()), "expanded: both versions work on it");
        let refused = OpenError::NewerSchema { found: SCHEMA + 1, needed: SCHEMA + 1, known: SCHEMA };
        assert_eq!(check(&newer(SCHEMA + 1)), Err(refused));
    }

    #[test]
    fn a_migration_of_another_build_is_refused() {
        let mut other = ours();
        other[0].checksum = vec![0];
        assert_eq!(check(&other), Err(OpenError::OtherMigration { version: 1 }));
    }
}
