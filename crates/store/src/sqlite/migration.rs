//! Migrations: forward only, each in one transaction with the row that says it was done.

use rusqlite::{Connection, TransactionBehavior};
use sha2::{Digest as _, Sha256};

use super::{connection::opening, fault::OpenError, files::DataDir};

struct Migration {
    version: u32,
    name: &'static str,
    sql: &'static str,
}

/// In order, without gaps. A file that was released is never changed: its checksum is in the databases it was applied to.
const MIGRATIONS: &[Migration] =
    &[Migration { version: 1, name: "initial", sql: include_str!("../../migrations/sqlite/0001_initial.sql") }];

/// The schema this program works with.
pub(super) const SCHEMA: u32 = MIGRATIONS[MIGRATIONS.len() - 1].version;

/// Brings the database up to [`SCHEMA`]; refuses one that is newer or was made by other migrations.
pub(super) fn migrate(conn: &mut Connection, dir: &DataDir) -> Result<(), OpenError> {
    let applied = applied(conn).map_err(|e| opening(dir, &e))?;
    check(&applied, dir)?;
    for migration in &MIGRATIONS[applied.len()..] {
        apply(conn, migration).map_err(|e| opening(dir, &e))?;
        tracing::info!(version = migration.version, name = migration.name, "applied a migration");
    }
    Ok(())
}

/// The newest migration of a database, 0 for an empty one.
pub(super) fn schema_of(conn: &Connection) -> rusqlite::Result<u32> {
    Ok(applied(conn)?.last().map_or(0, |(version, _)| *version))
}

fn check(applied: &[(u32, Vec<u8>)], dir: &DataDir) -> Result<(), OpenError> {
    let file = dir.database();
    if let Some((found, _)) = applied.last()
        && *found > SCHEMA
    {
        return Err(OpenError::NewerSchema { file, found: *found, known: SCHEMA });
    }
    for (ours, (version, checksum)) in MIGRATIONS.iter().zip(applied) {
        if ours.version != *version || checksum_of(ours) != *checksum {
            return Err(OpenError::OtherMigration { file, version: *version });
        }
    }
    Ok(())
}

fn applied(conn: &Connection) -> rusqlite::Result<Vec<(u32, Vec<u8>)>> {
    let exists: bool =
        conn.query_row("SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'schema_migrations')", [], |row| row.get(0))?;
    if !exists {
        return Ok(Vec::new());
    }
    let mut statement = conn.prepare("SELECT version, checksum FROM schema_migrations ORDER BY version")?;
    statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

fn apply(conn: &mut Connection, migration: &Migration) -> rusqlite::Result<()> {
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    tx.execute_batch(
        "CREATE TABLE IF NOT EXISTS schema_migrations (
             version INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum BLOB NOT NULL, applied_at INTEGER NOT NULL
         ) STRICT",
    )?;
    tx.execute_batch(migration.sql)?;
    tx.execute(
        "INSERT INTO schema_migrations (version, name, checksum, applied_at) VALUES (?1, ?2, ?3, unixepoch() * 1000000)",
        (migration.version, migration.name, checksum_of(migration)),
    )?;
    tx.commit()
}

/// Line ends do not count, so that a checkout on Windows is the same migration.
fn checksum_of(migration: &Migration) -> Vec<u8> {
    Sha256::digest(migration.sql.replace("\r\n", "\n")).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn migrations_are_numbered_without_gaps() {
        for (expected, migration) in (1..).zip(MIGRATIONS) {
            assert_eq!(migration.version, expected, "{}", migration.name);
        }
    }
}
