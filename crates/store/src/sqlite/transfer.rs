//! The embedded store as a side of a move: read as of one moment, or filled.

use std::path::Path;

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension as _, ToSql, TransactionBehavior, params, types::ValueRef};

use super::{
    connection::{BUSY_WAIT, is_ours, open_file, open_writer, opening},
    fault::OpenError,
    files::{DATABASE_FILE, DataDir, look_for},
    migration,
};
use crate::transfer::{
    BATCH_BYTES_MAX, BATCH_ROWS_MAX, Column, Kind, MARK, Mark, Row, Source, TABLES, Table, Target, TransferError, Value,
};

/// Pages in the log at which it is copied back while the store is filled: 16 MiB.
const CHECKPOINT_PAGES: u32 = 1_024;
/// Page cache while the store is filled: indexes of random order are written to.
const CACHE_BYTES: usize = 64 << 20;

/// A data directory that is read, all of it as of one moment, whether another process uses it or none does.
#[derive(Debug)]
pub struct SqliteSource {
    /// A read transaction is open on it, which pins the moment.
    conn: Connection,
    used_by: Option<String>,
}

impl SqliteSource {
    /// Opens it. `now_us` is the present time, in microseconds since 1970, by which leases end.
    ///
    /// # Errors
    /// [`TransferError::Incomplete`], [`TransferError::OtherSchema`] or [`TransferError::Store`].
    pub fn open(data_dir: &Path, now_us: i64) -> Result<Self, TransferError> {
        let database = data_dir.join(DATABASE_FILE);
        look_for(&database).map_err(|reason| TransferError::Store(format!("{}: {reason}", database.display())))?;
        let not_ours = || TransferError::Store(OpenError::NotADatabase { file: database.clone() }.to_string());
        let unusable = |error: rusqlite::Error| match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::NotADatabase) => not_ours(),
            _ => TransferError::Store(format!("{}: {error}", database.display())),
        };
        let conn = open_file(&database).map_err(unusable)?;
        conn.busy_timeout(BUSY_WAIT).map_err(unusable)?;
        if !is_ours(&conn).map_err(unusable)? {
            return Err(not_ours());
        }
        conn.execute_batch("BEGIN").map_err(unusable)?;
        // The first read pins the moment.
        let found = migration::schema_of(&conn).map_err(unusable)?;
        let origin = shown(data_dir);
        if found > migration::SCHEMA {
            return Err(TransferError::NewerSchema { origin, found, known: migration::SCHEMA });
        }
        if found != migration::SCHEMA {
            return Err(TransferError::OtherSchema { origin, found, known: migration::SCHEMA });
        }
        if mark_of(&conn).map_err(unusable)?.is_some() {
            return Err(TransferError::Incomplete { origin });
        }
        let alive = "SELECT name FROM node WHERE expires_at > ?1 LIMIT 1";
        let used_by = conn.query_row(alive, [now_us], |row| row.get(0)).optional().map_err(unusable)?;
        Ok(Self { conn, used_by })
    }

    /// The node that used the store at that moment, if one did. What it takes in afterwards is not read.
    #[must_use]
    pub fn used_by(&self) -> Option<&str> {
        self.used_by.as_deref()
    }
}

#[async_trait]
impl Source for SqliteSource {
    async fn count(&mut self, table: &'static Table) -> Result<u64, TransferError> {
        count(&self.conn, table)
    }

    async fn rows(&mut self, table: &'static Table, after: Option<&[Value]>) -> Result<Vec<Row>, TransferError> {
        rows(&self.conn, table, after)
    }
}

/// A data directory that is filled. Nobody else uses it as long as the value lives.
#[derive(Debug)]
pub struct SqliteTarget {
    conn: Connection,
    dir: DataDir,
}

impl SqliteTarget {
    /// Makes the directory and its tables where they are missing, and locks it.
    ///
    /// # Errors
    /// [`TransferError::Store`] with the words of [`OpenError`].
    pub fn open(data_dir: &Path) -> Result<Self, TransferError> {
        let open = || -> Result<Self, OpenError> {
            let dir = DataDir::open(data_dir)?;
            let mut conn = open_writer(&dir, CACHE_BYTES)?;
            migration::migrate(&mut conn, &dir)?;
            conn.execute_batch(&format!("PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")).map_err(|e| opening(&dir, &e))?;
            Ok(Self { conn, dir })
        };
        open().map_err(|error| TransferError::Store(error.to_string()))
    }

    /// Where it is, in words.
    #[must_use]
    pub fn shown(&self) -> String {
        shown(self.dir.path())
    }

    fn begin_now(&mut self, first: &Mark) -> Result<Mark, TransferError> {
        let target = self.shown();
        let tx = self.conn.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        if let Some(stored) = mark_of(&tx).map_err(failed)? {
            return Mark::from_stored(&stored).filter(|mark| mark.file == first.file).ok_or(TransferError::OtherImport { target });
        }
        for table in TABLES.iter().filter(|table| !table.is_never_empty) {
            let sql = format!("SELECT EXISTS (SELECT 1 FROM \"{}\")", table.name);
            if tx.query_row(&sql, [], |row| row.get(0)).map_err(failed)? {
                return Err(TransferError::NotEmpty { target, table: table.name });
            }
        }
        tx.execute("INSERT INTO fact (name, value) VALUES (?1, ?2)", params![MARK, first.stored()]).map_err(failed)?;
        tx.commit().map_err(failed)?;
        Ok(first.clone())
    }

    fn load_now(&mut self, table: &'static Table, rows: &[Row], from: &Mark, to: &Mark) -> Result<(), TransferError> {
        let target = self.shown();
        let tx = self.conn.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        {
            let mut insert = tx.prepare_cached(&insert(table)).map_err(failed)?;
            for row in rows {
                insert.execute(rusqlite::params_from_iter(row)).map_err(failed)?;
            }
        }
        let moved = tx
            .execute("UPDATE fact SET value = ?2 WHERE name = ?1 AND value = ?3", params![MARK, to.stored(), from.stored()])
            .map_err(failed)?;
        if moved != 1 {
            return Err(TransferError::Overtaken { target });
        }
        tx.commit().map_err(failed)
    }
}

#[async_trait]
impl Source for SqliteTarget {
    async fn count(&mut self, table: &'static Table) -> Result<u64, TransferError> {
        count(&self.conn, table)
    }

    async fn rows(&mut self, table: &'static Table, after: Option<&[Value]>) -> Result<Vec<Row>, TransferError> {
        rows(&self.conn, table, after)
    }
}

#[async_trait]
impl Target for SqliteTarget {
    async fn begin(&mut self, first: &Mark) -> Result<Mark, TransferError> {
        self.begin_now(first)
    }

    async fn load(&mut self, table: &'static Table, rows: Vec<Row>, from: &Mark, to: &Mark) -> Result<(), TransferError> {
        self.load_now(table, &rows, from, to)
    }

    async fn finish(&mut self) -> Result<(), TransferError> {
        self.conn.execute("DELETE FROM fact WHERE name = ?1", [MARK]).map_err(failed)?;
        // The next start has no log to go through.
        self.conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).map_err(failed)
    }
}

/// Refuses a database that an import has begun to fill.
pub(super) fn refuse_incomplete(conn: &Connection, dir: &DataDir) -> Result<(), OpenError> {
    match mark_of(conn).map_err(|e| opening(dir, &e))? {
        Some(_) => Err(OpenError::Importing { dir: dir.path().to_owned() }),
        None => Ok(()),
    }
}

/// How far an import is, as it is stored; `None` when none is under way.
pub(super) fn mark_of(conn: &Connection) -> rusqlite::Result<Option<Vec<u8>>> {
    conn.query_row("SELECT value FROM fact WHERE name = ?1", [MARK], |row| row.get(0)).optional()
}

fn shown(dir: &Path) -> String {
    format!("data directory {}", dir.display())
}

fn failed(error: rusqlite::Error) -> TransferError {
    TransferError::Store(format!("the store: {error}"))
}

fn count(conn: &Connection, table: &Table) -> Result<u64, TransferError> {
    let sql = format!("SELECT count(*) FROM \"{}\" WHERE {}", table.name, table.only.unwrap_or("TRUE"));
    let count: i64 = conn.query_row(&sql, [], |row| row.get(0)).map_err(failed)?;
    Ok(u64::try_from(count).unwrap_or(0))
}

/// As many rows as the limits allow: a statement is read row by row, so that it simply ends where memory does.
fn rows(conn: &Connection, table: &'static Table, after: Option<&[Value]>) -> Result<Vec<Row>, TransferError> {
    let mut select = conn.prepare_cached(&select(table, after.is_some())).map_err(failed)?;
    let mut found = select.query(rusqlite::params_from_iter(after.unwrap_or_default())).map_err(failed)?;
    let (mut rows, mut bytes) = (Vec::new(), 0);
    while bytes < BATCH_BYTES_MAX
        && let Some(row) = found.next().map_err(failed)?
    {
        let mut values = Row::with_capacity(table.columns.len());
        for (index, column) in table.columns.iter().enumerate() {
            let stored = row.get_ref(index).map_err(failed)?;
            bytes += size_of::<Value>() + stored.as_bytes_or_null().ok().flatten().map_or(0, <[u8]>::len);
            let value = value(column, stored).ok_or(TransferError::DamagedRow { table: table.name, column: column.name.to_owned() })?;
            values.push(value);
        }
        rows.push(values);
    }
    Ok(rows)
}

fn select(table: &Table, after: bool) -> String {
    let columns: Vec<String> =
        table.columns.iter().map(|column| column.read_as.map_or(format!("\"{}\"", column.name), str::to_owned)).collect();
    let key = names(table.key());
    let behind = if after {
        let places: Vec<String> = (1..=table.key_columns).map(|number| format!("?{number}")).collect();
        format!("({key}) > ({})", places.join(", "))
    } else {
        "TRUE".to_owned()
    };
    let only = table.only.unwrap_or("TRUE");
    format!("SELECT {} FROM \"{}\" WHERE {behind} AND {only} ORDER BY {key} LIMIT {BATCH_ROWS_MAX}", columns.join(", "), table.name,)
}

fn insert(table: &Table) -> String {
    let places: Vec<String> = (1..=table.columns.len()).map(|number| format!("?{number}")).collect();
    let verb = if table.is_never_empty { "INSERT OR REPLACE" } else { "INSERT" };
    format!("{verb} INTO \"{}\" ({}) VALUES ({})", table.name, names(table.columns), places.join(", "))
}

fn names(columns: &[Column]) -> String {
    columns.iter().map(|column| format!("\"{}\"", column.name)).collect::<Vec<_>>().join(", ")
}

/// A stored value as what the column holds; `None` when it is something else.
fn value(column: &Column, stored: ValueRef<'_>) -> Option<Value> {
    Some(match (column.kind, stored) {
        (_, ValueRef::Null) => Value::Null,
        // PostgreSQL has 32 bits for it, whose greatest number stands for all beyond.
        (Kind::Count, ValueRef::Integer(number)) => Value::Number(number.min(i32::MAX.into())),
        (Kind::Number | Kind::Code, ValueRef::Integer(number)) => Value::Number(number),
        (Kind::Flag, ValueRef::Integer(number)) => Value::Flag(number != 0),
        (Kind::Text, ValueRef::Text(text)) => Value::text(std::str::from_utf8(text).ok()?),
        (Kind::Bytes, ValueRef::Blob(bytes)) => Value::Bytes(bytes.to_vec()),
        (Kind::Guid, ValueRef::Blob(bytes)) => Value::Guid(bytes.try_into().ok()?),
        _ => return None,
    })
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
        Ok(match self {
            Self::Null => rusqlite::types::Null.into(),
            Self::Number(number) => (*number).into(),
            Self::Flag(flag) => (*flag).into(),
            Self::Text(text) => text.as_str().into(),
            Self::Bytes(bytes) => bytes.as_slice().into(),
            Self::Guid(guid) => guid.as_slice().into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::transfer::LEFT_OUT;

    /// Whoever adds a table or a column decides whether it is carried.
    #[test]
    fn every_table_and_column_is_carried_or_left_out_with_a_reason() {
        let folder = tempfile::tempdir().expect("a folder");
        let target = SqliteTarget::open(folder.path()).expect("opens");
        let mut columns = target
            .conn
            .prepare(
                "SELECT t.name, c.name, c.type, NOT c.\"notnull\" AND c.pk = 0 FROM sqlite_schema t, pragma_table_info(t.name) c
                 WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%'",
            )
            .expect("prepared");
        let schema: BTreeMap<(String, String), (String, bool)> = columns
            .query_map([], |row| Ok(((row.get(0)?, row.get(1)?), (row.get(2)?, row.get(3)?))))
            .expect("read")
            .collect::<Result<_, _>>()
            .expect("read");
        let left_out = |table: &str, column: &str| LEFT_OUT.iter().any(|(t, c, _)| *t == table && (*c == column || *c == "*"));
        let carried: BTreeMap<(String, String), (String, bool)> = TABLES
            .iter()
            .flat_map(|table| table.columns.iter().map(|column| (table.name, column)))
            .map(|(table, column)| {
                let kind = match column.kind {
                    Kind::Number | Kind::Count | Kind::Code | Kind::Flag => "INTEGER",
                    Kind::Text => "TEXT",
                    Kind::Bytes | Kind::Guid => "BLOB",
                };
                ((table.to_owned(), column.name.to_owned()), (kind.to_owned(), column.optional))
            })
            .collect();
        let expected: BTreeMap<_, _> = schema.into_iter().filter(|((table, column), _)| !left_out(table, column)).collect();
        assert_eq!(carried, expected);
    }

    #[test]
    fn rows_are_read_along_the_key() {
        let folder = tempfile::tempdir().expect("a folder");
        let target = SqliteTarget::open(folder.path()).expect("opens");
        for table in TABLES {
            let mut explain = target.conn.prepare(&format!("EXPLAIN QUERY PLAN {}", select(table, true))).expect("prepared");
            let places = vec![1_i64; table.key_columns];
            let plan: Vec<String> = explain
                .query_map(rusqlite::params_from_iter(places), |row| row.get(3))
                .expect("explains")
                .collect::<Result<_, _>>()
                .expect("read");
            let plan = plan.join("\n");
            assert!(plan.contains("SEARCH") && !plan.contains("TEMP B-TREE"), "{}: {plan}", table.name);
        }
    }
}
