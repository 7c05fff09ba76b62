//! What is carried, held against the tables of PostgreSQL. (The embedded store's are held against it beside its SQL.)

use std::collections::BTreeMap;

use countersign_store::transfer::{Column, Kind, LEFT_OUT, TABLES};
use countersign_testkit::PostgresServer;

use super::support::{Place, runtime};

const COLUMNS: &str = "SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), NOT a.attnotnull
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
    WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relnamespace = 'public'::regnamespace
        AND a.attnum > 0 AND NOT a.attisdropped";

/// Whoever adds a table or a column decides whether it is carried.
#[test]
fn every_table_and_column_of_postgresql_is_carried_or_left_out_with_a_reason() {
    let Some(server) = PostgresServer::start() else { return };
    server.create_database("made", "template1");
    runtime().block_on(async { Place::Postgres(server.url("made")).open().await.close().await });
    let left_out = |table: &str, column: &str| LEFT_OUT.iter().any(|(t, c, _)| *t == table && (*c == column || *c == "*"));
    let rows = server.ask("made", COLUMNS);
    let found: BTreeMap<(&str, &str), (&str, bool)> = rows
        .iter()
        .map(|row| {
            let words: Vec<&str> = row.split('|').collect();
            ((words[0], words[1]), (words[2], words[3] == "t"))
        })
        .filter(|((table, column), _)| !left_out(table, column))
        .collect();
    let carried: BTreeMap<(&str, &str), (&str, bool)> = TABLES
        .iter()
        .flat_map(|table| table.columns.iter().map(|column| ((table.name, column.name), (type_of(column), column.optional))))
        .collect();
    assert_eq!(carried, found);
}

fn type_of(column: &Column) -> &'static str {
    match column.kind {
        Kind::Number => "bigint",
        Kind::Count => "integer",
        Kind::Code => "smallint",
        Kind::Flag => "boolean",
        Kind::Text => "text",
        Kind::Bytes => "bytea",
        Kind::Guid => "uuid",
    }
}
