//! Connections: one that writes, a few that read, one that copies the log back.
//!
//! What durability rests on is set and then read back: a setting that SQLite did not take over stops the start.

use std::{path::Path, time::Duration};

use rusqlite::{Connection, ErrorCode, OpenFlags, config::DbConfig};

use super::{fault::OpenError, files::DataDir};

/// A 2 KiB payload wastes half of a 4 KiB page; 16 KiB pages cost 40 % less processor time and disk (measured).
pub(super) const PAGE_BYTES: u32 = 16_384;
/// Marks the file as ours (`CSig`), so that another program's database is refused instead of altered.
const APPLICATION_ID: i32 = 0x4353_6967;
/// How long a lock of another program (the `sqlite3` shell, a backup tool) is waited for.
pub(super) const BUSY_WAIT: Duration = Duration::from_secs(5);
/// Page cache of the connection that copies the log back, which reads no tables.
const CHECKPOINT_CACHE_BYTES: usize = 1 << 20;
/// Statements kept ready on one connection; there are about 120 in all.
const STATEMENTS_KEPT: usize = 160;

/// Opens the writing connection, makes the file ours when it is new, and checks what durability rests on.
pub(super) fn open_writer(dir: &DataDir, cache_bytes: usize) -> Result<Connection, OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = open(dir, flags)?;
    if is_new(&conn).map_err(|e| opening(dir, &e))? {
        // These take effect before the first table alone.
        let first = format!("PRAGMA page_size = {PAGE_BYTES}; PRAGMA auto_vacuum = INCREMENTAL; PRAGMA application_id = {APPLICATION_ID}");
        conn.execute_batch(&first).map_err(|e| opening(dir, &e))?;
    } else if !is_ours(&conn).map_err(|e| opening(dir, &e))? {
        return Err(OpenError::NotADatabase { file: dir.database() });
    }
    conn.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0; PRAGMA cell_size_check = ON")
        .map_err(|e| opening(dir, &e))?;
    for (setting, expected) in [("journal_mode", "wal"), ("synchronous", "2")] {
        let value = pragma(&conn, setting).map_err(|e| opening(dir, &e))?;
        if value != expected {
            return Err(OpenError::Unsafe { setting, value });
        }
    }
    bound_cache(&conn, cache_bytes).map_err(|e| opening(dir, &e))?;
    Ok(conn)
}

/// Opens a connection that cannot write.
pub(super) fn open_reader(dir: &DataDir, cache_bytes: usize) -> Result<Connection, OpenError> {
    let conn = open(dir, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    conn.execute_batch("PRAGMA query_only = ON").map_err(|e| opening(dir, &e))?;
    bound_cache(&conn, cache_bytes).map_err(|e| opening(dir, &e))?;
    Ok(conn)
}

/// Opens the connection that copies the log back into the database.
pub(super) fn open_checkpointer(dir: &DataDir) -> Result<Connection, OpenError> {
    let conn = open(dir, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    conn.execute_batch("PRAGMA wal_autocheckpoint = 0; PRAGMA synchronous = FULL").map_err(|e| opening(dir, &e))?;
    bound_cache(&conn, CHECKPOINT_CACHE_BYTES).map_err(|e| opening(dir, &e))?;
    Ok(conn)
}

/// What an error while opening means for the person who starts the program.
pub(super) fn opening(dir: &DataDir, error: &rusqlite::Error) -> OpenError {
    let file = dir.database();
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => OpenError::NotADatabase { file },
        Some(ErrorCode::DatabaseCorrupt) => OpenError::Damaged { file, reason: error.to_string() },
        Some(ErrorCode::DiskFull) => OpenError::NoSpace { dir: dir.path().to_owned() },
        Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied | ErrorCode::ReadOnly) => {
            OpenError::Unusable { dir: dir.path().to_owned(), reason: error.to_string() }
        }
        _ => OpenError::Failed { dir: dir.path().to_owned(), reason: error.to_string() },
    }
}

/// True when the file holds nothing yet.
fn is_new(conn: &Connection) -> rusqlite::Result<bool> {
    conn.query_row("SELECT NOT EXISTS (SELECT 1 FROM sqlite_schema)", [], |row| row.get(0))
}

fn open(dir: &DataDir, flags: OpenFlags) -> Result<Connection, OpenError> {
    let conn = Connection::open_with_flags(dir.database(), flags).map_err(|e| opening(dir, &e))?;
    common(&conn).map_err(|e| opening(dir, &e))?;
    Ok(conn)
}

fn common(conn: &Connection) -> rusqlite::Result<()> {
    conn.busy_timeout(BUSY_WAIT)?;
    conn.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    // A damaged or planted schema must not run functions of ours; there are none, and it stays so.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, false)?;
    // A plan does not depend on the values bound. Without this SQLite prepares statements anew when one changes that a partial index or
    // a range might care for, which at every claim took longer than the claim.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    conn.execute_batch("PRAGMA temp_store = MEMORY")
}

/// Bounds the page cache. SQLite turns bytes into a number of pages at once and with the page size it knows by then: said before the file
/// was read, that is 4 KiB, and a cache of our 16 KiB pages would hold four times what was asked for. So the file is read first.
fn bound_cache(conn: &Connection, bytes: usize) -> rusqlite::Result<()> {
    is_new(conn)?;
    conn.execute_batch(&format!("PRAGMA cache_size = -{}", (bytes / 1024).max(64)))
}

/// A setting as text.
pub(super) fn pragma(conn: &Connection, name: &str) -> rusqlite::Result<String> {
    conn.query_row(&format!("PRAGMA {name}"), [], |row| {
        let value: rusqlite::types::Value = row.get(0)?;
        Ok(match value {
            rusqlite::types::Value::Integer(number) => number.to_string(),
            rusqlite::types::Value::Text(text) => text,
            other => format!("{other:?}"),
        })
    })
}

/// Opens a database file outside of a data directory for reading, such as a backup.
pub(super) fn open_file(file: &Path) -> rusqlite::Result<Connection> {
    let conn = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    Ok(conn)
}

/// True when the database bears our mark.
pub(super) fn is_ours(conn: &Connection) -> rusqlite::Result<bool> {
    conn.query_row("PRAGMA application_id", [], |row| row.get::<_, i32>(0)).map(|found| found == APPLICATION_ID)
}
