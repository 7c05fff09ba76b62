//! PostgreSQL as a side of a move: read as of one moment, or filled.
//!
//! One connection does it all, in transactions that are each whole: a transaction pooler may stand between.

use async_trait::async_trait;
use tokio_postgres::Client;
use uuid::Uuid;

use super::{
    fault::{Fault, OpenError},
    importing::mark_of,
    migration,
    server::Server,
    store::{Settings, connect, connector},
    value::{Param, p},
};
use crate::{
    StoreError,
    transfer::{BATCH_BYTES_MAX, BATCH_ROWS_MAX, Column, Kind, MARK, Mark, Row, Source, TABLES, Table, Target, TransferError, Value},
};

/// What a row takes beside its texts and bytes, about.
const ROW_BYTES: usize = 200;

/// A database that is read, all of it as of one moment. Nodes may go on.
pub struct PostgresSource {
    /// A transaction is open on it that sees one moment.
    client: Client,
    used_by: Option<String>,
}

impl std::fmt::Debug for PostgresSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PostgresSource").finish_non_exhaustive()
    }
}

impl PostgresSource {
    /// Connects. No key is needed: secrets are read as they are sealed.
    ///
    /// # Errors
    /// [`TransferError::Incomplete`], [`TransferError::OtherSchema`] or [`TransferError::Store`].
    pub async fn open(settings: &Settings) -> Result<Self, TransferError> {
        let (client, shown) = connected(settings).await?;
        let origin = format!("the database at {shown}");
        client.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await.map_err(failed)?;
        let found = schema_of(&client).await?;
        if found < migration::SCHEMA {
            return Err(TransferError::OtherSchema { origin, found, known: migration::SCHEMA });
        }
        // A newer one may permit this program, as at a start.
        migration::permits(&client).await.map_err(unusable)?;
        if mark_of(&client).await.map_err(failed)?.is_some() {
            return Err(TransferError::Incomplete { origin });
        }
        let used_by = used_by(&client).await?;
        Ok(Self { client, used_by })
    }

    /// A node that used the store at that moment, if one did. What it takes in afterwards is not read.
    #[must_use]
    pub fn used_by(&self) -> Option<&str> {
        self.used_by.as_deref()
    }
}

#[async_trait]
impl Source for PostgresSource {
    async fn count(&mut self, table: &'static Table) -> Result<u64, TransferError> {
        count(&self.client, table).await
    }

    async fn rows(&mut self, table: &'static Table, after: Option<&[Value]>) -> Result<Vec<Row>, TransferError> {
        rows(&self.client, table, after).await
    }
}

/// A database that is filled.
pub struct PostgresTarget {
    client: Client,
    shown: String,
}

impl std::fmt::Debug for PostgresTarget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PostgresTarget").field("at", &self.shown).finish_non_exhaustive()
    }
}

impl PostgresTarget {
    /// Connects, checks the server, and makes or migrates the tables.
    ///
    /// # Errors
    /// [`TransferError::Store`] with the words of [`OpenError`].
    pub async fn open(settings: &Settings) -> Result<Self, TransferError> {
        let (client, shown) = connected(settings).await?;
        let ready = async {
            Server::of(&client).await?.check(&shown)?;
            migration::migrate(&client).await
        };
        ready.await.map_err(unusable)?;
        Ok(Self { client, shown: format!("the database at {shown}") })
    }

    /// Where it is, in words: hosts and ports.
    #[must_use]
    pub fn shown(&self) -> &str {
        &self.shown
    }

    async fn begin_now(&self, first: &Mark) -> Result<Mark, TransferError> {
        let target = || self.shown.clone();
        if let Some(stored) = mark_of(&self.client).await.map_err(failed)? {
            return Mark::from_stored(&stored)
                .filter(|mark| mark.file == first.file)
                .ok_or(TransferError::OtherImport { target: target() });
        }
        if let Some(node) = used_by(&self.client).await? {
            return Err(TransferError::InUse { target: target(), node });
        }
        for table in TABLES.iter().filter(|table| !table.is_never_empty) {
            let sql = format!("SELECT EXISTS (SELECT FROM \"{}\")", table.name);
            if one(&self.client, &sql, &[]).await?.try_get(0).map_err(failed)? {
                return Err(TransferError::NotEmpty { target: target(), table: table.name });
            }
        }
        let insert = "INSERT INTO fact (name, value) VALUES ($1, $2) ON CONFLICT DO NOTHING";
        if self.client.execute_typed(insert, &[p(&MARK), p(&first.stored())]).await.map_err(failed)? != 1 {
            return Err(TransferError::Overtaken { target: target() });
        }
        Ok(first.clone())
    }

    async fn load_now(&self, table: &'static Table, rows: Vec<Row>, from: &Mark, to: &Mark) -> Result<(), TransferError> {
        // First, since it keeps another import waiting, and out: rows that are there already would be refused in the words of the server.
        let update = "UPDATE fact SET value = $2 WHERE name = $1 AND value = $3";
        let moved = self.client.execute_typed(update, &[p(&MARK), p(&to.stored()), p(&from.stored())]).await.map_err(failed)?;
        if moved != 1 {
            return Err(TransferError::Overtaken { target: self.shown.clone() });
        }
        let columns = Columns::of(table, rows);
        self.client.execute_typed(&insert(table), &columns.parameters()).await.map_err(failed)?;
        Ok(())
    }

    async fn finish_now(&self) -> Result<(), TransferError> {
        // What the database numbers itself goes on behind the greatest number that came.
        for table in ["envelope", "content"] {
            let sql = format!(
                "SELECT setval(pg_get_serial_sequence('{table}', 'row'), coalesce(max(\"row\"), 1), max(\"row\") IS NOT NULL) FROM {table}"
            );
            one(&self.client, &sql, &[]).await?;
        }
        self.client.execute_typed("DELETE FROM fact WHERE name = $1", &[p(&MARK)]).await.map_err(failed)?;
        Ok(())
    }

    async fn in_transaction(&self, work: impl Future<Output = Result<(), TransferError>> + Send) -> Result<(), TransferError> {
        self.client.batch_execute("BEGIN").await.map_err(failed)?;
        let done = work.await;
        let end = if done.is_ok() { "COMMIT" } else { "ROLLBACK" };
        // The first failure counts: a connection that is gone takes nothing back, and need not.
        let ended = self.client.batch_execute(end).await.map_err(failed);
        done.and(ended)
    }
}

#[async_trait]
impl Source for PostgresTarget {
    async fn count(&mut self, table: &'static Table) -> Result<u64, TransferError> {
        count(&self.client, table).await
    }

    async fn rows(&mut self, table: &'static Table, after: Option<&[Value]>) -> Result<Vec<Row>, TransferError> {
        rows(&self.client, table, after).await
    }
}

#[async_trait]
impl Target for PostgresTarget {
    async fn begin(&mut self, first: &Mark) -> Result<Mark, TransferError> {
        self.begin_now(first).await
    }

    async fn load(&mut self, table: &'static Table, rows: Vec<Row>, from: &Mark, to: &Mark) -> Result<(), TransferError> {
        self.in_transaction(self.load_now(table, rows, from, to)).await
    }

    async fn finish(&mut self) -> Result<(), TransferError> {
        self.in_transaction(self.finish_now()).await?;
        // Plans for full tables, instead of those for the empty ones that were.
        let tables: Vec<String> = TABLES.iter().map(|table| format!("\"{}\"", table.name)).collect();
        self.client.batch_execute(&format!("ANALYZE {}", tables.join(", "))).await.map_err(failed)
    }
}

async fn connected(settings: &Settings) -> Result<(Client, String), TransferError> {
    let (address, connector) = connector(settings).map_err(unusable)?;
    let client = connect(&connector, &address.shown).await.map_err(unusable)?;
    Ok((client, address.shown))
}

fn unusable(error: OpenError) -> TransferError {
    TransferError::Store(error.to_string())
}

fn failed(error: tokio_postgres::Error) -> TransferError {
    TransferError::Store(StoreError::from(Fault::Sql(error)).to_string())
}

async fn one(client: &Client, sql: &str, values: &[Param<'_>]) -> Result<tokio_postgres::Row, TransferError> {
    let rows = client.query_typed(sql, values).await.map_err(failed)?;
    rows.into_iter().next().ok_or_else(|| TransferError::Store("the database: a row that is always there is missing".into()))
}

async fn schema_of(client: &Client) -> Result<u32, TransferError> {
    let exists = one(client, "SELECT to_regclass('schema_migrations') IS NOT NULL", &[]).await?;
    if !exists.try_get::<_, bool>(0).map_err(failed)? {
        return Ok(0);
    }
    let newest: i64 = one(client, "SELECT coalesce(max(version), 0) FROM schema_migrations", &[]).await?.try_get(0).map_err(failed)?;
    Ok(u32::try_from(newest).unwrap_or(u32::MAX))
}

/// A node whose life has not ended, by the clock of the database.
async fn used_by(client: &Client) -> Result<Option<String>, TransferError> {
    let alive = "SELECT name FROM node WHERE expires_at > (extract(epoch FROM clock_timestamp()) * 1000000)::bigint LIMIT 1";
    let rows = client.query_typed(alive, &[]).await.map_err(failed)?;
    rows.first().map(|row| row.try_get(0)).transpose().map_err(failed)
}

async fn count(client: &Client, table: &Table) -> Result<u64, TransferError> {
    let sql = format!("SELECT count(*) FROM \"{}\" WHERE {}", table.name, table.only.unwrap_or("TRUE"));
    let count: i64 = one(client, &sql, &[]).await?.try_get(0).map_err(failed)?;
    Ok(u64::try_from(count).unwrap_or(0))
}

async fn rows(client: &Client, table: &'static Table, after: Option<&[Value]>) -> Result<Vec<Row>, TransferError> {
    let key = Key(after.unwrap_or_default().iter().map(Part::of).collect());
    let found = client.query_typed(&select(table, after.is_some()), &key.parameters()).await.map_err(failed)?;
    found.iter().map(|row| read(table, row)).collect()
}

/// Rows come all at once, so that it is the database that ends them where memory does: it adds up their sizes along the key.
/// That reads no large value, whose size stands where it is referred to.
fn select(table: &Table, after: bool) -> String {
    let read: Vec<String> = table
        .columns
        .iter()
        .map(|column| {
            let (name, sql) = (column.name, column.read_as.map_or(format!("\"{}\"", column.name), str::to_owned));
            match column.kind {
                Kind::Number | Kind::Count | Kind::Code => format!("({sql})::bigint AS \"{name}\""),
                _ => format!("{sql} AS \"{name}\""),
            }
        })
        .collect();
    let sizes: Vec<String> = table
        .columns
        .iter()
        .filter(|column| matches!(column.kind, Kind::Text | Kind::Bytes))
        .map(|column| format!(" + coalesce(octet_length(\"{}\"), 0)", column.name))
        .collect();
    let order = ordered(table);
    let behind = if after {
        let places: Vec<String> = (1..=table.key_columns).map(|number| format!("${number}")).collect();
        format!("({order}) > ({})", places.join(", "))
    } else {
        "TRUE".to_owned()
    };
    let only = table.only.unwrap_or("TRUE");
    format!(
        "SELECT {names} FROM (
            SELECT *, sum(row_size) OVER (ORDER BY {order} ROWS UNBOUNDED PRECEDING) - row_size AS size_before FROM (
                SELECT {read}, ({ROW_BYTES}{sizes})::bigint AS row_size FROM \"{table}\"
                WHERE {behind} AND {only} ORDER BY {order} LIMIT {BATCH_ROWS_MAX}
            ) batch
        ) sized WHERE size_before < {BATCH_BYTES_MAX} ORDER BY {order}",
        names = names(table.columns),
        read = read.join(", "),
        sizes = sizes.concat(),
        table = table.name,
    )
}

/// The key with its order: texts byte by byte, as the embedded store and the index have them.
fn ordered(table: &Table) -> String {
    let key = table.key().iter().map(|column| match column.kind {
        Kind::Text => format!("\"{}\" COLLATE \"C\"", column.name),
        _ => format!("\"{}\"", column.name),
    });
    key.collect::<Vec<_>>().join(", ")
}

fn insert(table: &Table) -> String {
    let places: Vec<String> = (1..).zip(table.columns).map(|(number, column)| format!("${number}::{}[]", type_of(column))).collect();
    // The rows bring the numbers that the database would give them.
    let insert = format!(
        "INSERT INTO \"{}\" ({}) OVERRIDING SYSTEM VALUE SELECT * FROM unnest({})",
        table.name,
        names(table.columns),
        places.join(", ")
    );
    if !table.is_never_empty {
        return insert;
    }
    let replaced = table.columns[table.key_columns..].iter().map(|column| format!("\"{0}\" = excluded.\"{0}\"", column.name));
    format!("{insert} ON CONFLICT ({}) DO UPDATE SET {}", names(table.key()), replaced.collect::<Vec<_>>().join(", "))
}

fn names(columns: &[Column]) -> String {
    columns.iter().map(|column| format!("\"{}\"", column.name)).collect::<Vec<_>>().join(", ")
}

/// The type that values of a column travel in; numbers are made smaller where the column is.
fn type_of(column: &Column) -> &'static str {
    match column.kind {
        Kind::Number | Kind::Count | Kind::Code => "bigint",
        Kind::Flag => "boolean",
        Kind::Text => "text",
        Kind::Bytes => "bytea",
        Kind::Guid => "uuid",
    }
}

fn read(table: &'static Table, row: &tokio_postgres::Row) -> Result<Row, TransferError> {
    let value = |(index, column): (usize, &Column)| -> Result<Value, tokio_postgres::Error> {
        Ok(match column.kind {
            Kind::Number | Kind::Count | Kind::Code => row.try_get::<_, Option<i64>>(index)?.map(Value::Number),
            Kind::Flag => row.try_get::<_, Option<bool>>(index)?.map(Value::Flag),
            Kind::Text => row.try_get::<_, Option<String>>(index)?.map(Value::Text),
            Kind::Bytes => row.try_get::<_, Option<Vec<u8>>>(index)?.map(Value::Bytes),
            Kind::Guid => row.try_get::<_, Option<Uuid>>(index)?.map(|guid| Value::Guid(guid.into_bytes())),
        }
        .unwrap_or(Value::Null))
    };
    table
        .columns
        .iter()
        .enumerate()
        .map(|(index, column)| {
            value((index, column)).map_err(|_| TransferError::DamagedRow { table: table.name, column: column.name.to_owned() })
        })
        .collect()
}

/// A key's column as a parameter.
enum Part<'a> {
    Number(i64),
    Text(&'a str),
    Bytes(&'a [u8]),
    Guid(Uuid),
}

impl<'a> Part<'a> {
    fn of(value: &'a Value) -> Self {
        match value {
            Value::Number(number) => Self::Number(*number),
            Value::Text(text) => Self::Text(text),
            Value::Bytes(bytes) => Self::Bytes(bytes),
            Value::Guid(guid) => Self::Guid(Uuid::from_bytes(*guid)),
            // No key has either.
            Value::Null | Value::Flag(_) => Self::Number(0),
        }
    }
}

struct Key<'a>(Vec<Part<'a>>);

impl Key<'_> {
    fn parameters(&self) -> Vec<Param<'_>> {
        self.0
            .iter()
            .map(|part| match part {
                Part::Number(number) => p(number),
                Part::Text(text) => p(text),
                Part::Bytes(bytes) => p(bytes),
                Part::Guid(guid) => p(guid),
            })
            .collect()
    }
}

/// Rows turned into columns, each an array.
struct Columns(Vec<Many>);

enum Many {
    Numbers(Vec<Option<i64>>),
    Flags(Vec<Option<bool>>),
    Texts(Vec<Option<String>>),
    Bytes(Vec<Option<Vec<u8>>>),
    Guids(Vec<Option<Uuid>>),
}

impl Columns {
    /// A value of another kind than its column's counts as none; files are checked for those before.
    fn of(table: &Table, rows: Vec<Row>) -> Self {
        let mut columns: Vec<Many> = table.columns.iter().map(|column| Many::with_room(column.kind, rows.len())).collect();
        for row in rows {
            for (column, value) in columns.iter_mut().zip(row) {
                column.push(value);
            }
        }
        Self(columns)
    }

    fn parameters(&self) -> Vec<Param<'_>> {
        self.0
            .iter()
            .map(|column| match column {
                Many::Numbers(many) => p(many),
                Many::Flags(many) => p(many),
                Many::Texts(many) => p(many),
                Many::Bytes(many) => p(many),
                Many::Guids(many) => p(many),
            })
            .collect()
    }
}

impl Many {
    fn with_room(kind: Kind, rows: usize) -> Self {
        match kind {
            Kind::Number | Kind::Count | Kind::Code => Self::Numbers(Vec::with_capacity(rows)),
            Kind::Flag => Self::Flags(Vec::with_capacity(rows)),
            Kind::Text => Self::Texts(Vec::with_capacity(rows)),
            Kind::Bytes => Self::Bytes(Vec::with_capacity(rows)),
            Kind::Guid => Self::Guids(Vec::with_capacity(rows)),
        }
    }

    fn push(&mut self, value: Value) {
        match (self, value) {
            (Self::Numbers(many), Value::Number(number)) => many.push(Some(number)),
            (Self::Flags(many), Value::Flag(flag)) => many.push(Some(flag)),
            (Self::Texts(many), Value::Text(text)) => many.push(Some(text)),
            (Self::Bytes(many), Value::Bytes(bytes)) => many.push(Some(bytes)),
            (Self::Guids(many), Value::Guid(guid)) => many.push(Some(Uuid::from_bytes(guid))),
            (Self::Numbers(many), _) => many.push(None),
            (Self::Flags(many), _) => many.push(None),
            (Self::Texts(many), _) => many.push(None),
            (Self::Bytes(many), _) => many.push(None),
            (Self::Guids(many), _) => many.push(None),
        }
    }
}
