//! What a migration may do to the programs of the schema before, which go on beside the new ones while nodes are replaced: add what
//! they need not know of, and nothing else.
//!
//! Each migration is looked at by what the database has before and after it, so that a new one is judged without a word here. A
//! migration that names itself as the oldest program's schema says that no other goes on, and may do what it likes. Whether the real
//! former program works is tried with `cargo xtask two-versions`, which has to build it.

use std::{collections::BTreeMap, fs, path::Path};

use countersign_core::Secret;
use countersign_store::{
    Store,
    postgres::{KeySource, PostgresStore, Settings},
    vault::{KEY_BYTES, VaultKey},
};
use countersign_testkit::PostgresServer;

/// Every column, as `table.column|type|may be null|has a default`.
const COLUMNS: &str = "SELECT attrelid::regclass::text || '.' || attname, format_type(atttypid, atttypmod), NOT attnotnull, \
    atthasdef OR attidentity <> '' FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid \
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND attnum > 0 AND NOT attisdropped ORDER BY 1";
/// What can refuse or change a row, as `table|definition`: constraints, unique indexes, triggers, rules of row security.
const RULES: &str = "SELECT of_table, translate(definition, chr(10), ' ') FROM ( \
    SELECT conrelid::regclass AS of_table, pg_get_constraintdef(oid) AS definition FROM pg_constraint \
        WHERE connamespace = 'public'::regnamespace AND conrelid <> 0 AND contype <> 'n' \
    UNION ALL SELECT indrelid::regclass, regexp_replace(pg_get_indexdef(indexrelid), ' INDEX .* ON ', ' ON ') FROM pg_index \
        WHERE indisunique AND indrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace) \
    UNION ALL SELECT tgrelid::regclass, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal \
    UNION ALL SELECT polrelid::regclass, polname::text FROM pg_policy) AS rules ORDER BY 1, 2";
/// Functions that a statement can call, as `name(arguments)|answer`, and sequences.
const CALLED: &str = "SELECT oid::regprocedure::text, pg_get_function_result(oid) FROM pg_proc WHERE pronamespace = 'public'::regnamespace \
    UNION ALL SELECT oid::regclass::text, 'sequence' FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'S' ORDER BY 1";

/// What the database has that a program's statements meet.
#[derive(Clone, Debug, Default)]
struct Shape {
    /// By `table.column`.
    columns: BTreeMap<String, Column>,
    rules: Vec<(String, String)>,
    called: Vec<String>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct Column {
    of_type: String,
    may_be_null: bool,
    has_default: bool,
}

impl Shape {
    fn of(server: &PostgresServer, database: &str) -> Self {
        let column = |line: &String| {
            let [name, of_type, may_be_null, has_default] = line.split('|').collect::<Vec<_>>()[..] else { panic!("{line}") };
            let column = Column { of_type: of_type.to_owned(), may_be_null: may_be_null == "t", has_default: has_default == "t" };
            (name.to_owned(), column)
        };
        let rule = |line: &String| {
            let (table, rule) = line.split_once('|').expect("a table and its rule");
            (table.to_owned(), rule.to_owned())
        };
        Self {
            columns: server.ask(database, COLUMNS).iter().map(column).collect(),
            rules: server.ask(database, RULES).iter().map(rule).collect(),
            called: server.ask(database, CALLED),
        }
    }

    fn has_table(&self, table: &str) -> bool {
        self.columns.keys().any(|name| table_of(name) == table)
    }
}

fn table_of(column: &str) -> &str {
    column.split('.').next().unwrap_or_default()
}

/// What the step from one shape to the next takes from a program that knows the former alone.
fn taken(before: &Shape, after: &Shape) -> Vec<String> {
    let mut taken = Vec::new();
    for (name, was) in &before.columns {
        match after.columns.get(name) {
            None => taken.push(format!("{name} is gone")),
            Some(is) if is.of_type != was.of_type => taken.push(format!("{name} is {}, and was {}", is.of_type, was.of_type)),
            Some(is) if was.may_be_null && !is.may_be_null => taken.push(format!("{name} may not be null any more")),
            Some(is) if was.has_default && !is.has_default => taken.push(format!("{name} has no default any more")),
            Some(_) => {}
        }
    }
    for (name, is) in &after.columns {
        let is_new = before.has_table(table_of(name)) && !before.columns.contains_key(name);
        if is_new && !is.may_be_null && !is.has_default {
            taken.push(format!("{name} has to be given, and the former program does not know it"));
        }
    }
    let new_rules = after.rules.iter().filter(|rule| before.has_table(&rule.0) && !before.rules.contains(rule));
    taken.extend(new_rules.map(|(table, rule)| format!("{table} has a rule that the former program does not know: {rule}")));
    let gone = before.called.iter().filter(|called| !after.called.contains(called));
    taken.extend(gone.map(|called| format!("{called} is gone, or answers something else")));
    taken
}

/// The statements of each migration, in order.
fn migrations() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations/postgres");
    let mut files: Vec<_> = fs::read_dir(folder).expect("the folder").map(|entry| entry.expect("a file").path()).collect();
    files.sort();
    files.iter().map(|file| fs::read_to_string(file).expect("a migration")).collect()
}

#[tokio::test]
async fn the_programs_of_the_schema_before_find_everything_they_know_after_each_migration() {
    let Some(server) = PostgresServer::start() else { return };
    // As the store itself remembers what it applied: the oldest program of each.
    server.create_database("whole", "template1");
    let keys = KeySource::Given(vec![VaultKey::new([1; KEY_BYTES])]);
    let settings = Settings { connections: 2, hints: false, ..Settings::new(Secret::new(server.url("whole")), keys) };
    PostgresStore::open(settings).await.expect("opens").close().await;
    let oldest: Vec<usize> = server
        .ask("whole", "SELECT oldest_program FROM schema_migrations ORDER BY version")
        .iter()
        .map(|number| number.parse().expect("a number"))
        .collect();

    let migrations = migrations();
    assert_eq!(oldest.len(), migrations.len(), "each file is applied by the program");
    server.create_database("stepwise", "template1");
    let mut shapes = vec![Shape::default()];
    for (sql, oldest) in migrations.iter().zip(oldest) {
        let _ = server.ask("stepwise", sql);
        let after = Shape::of(&server, "stepwise");
        let version = shapes.len();
        for (schema, before) in shapes.iter().enumerate().skip(oldest) {
            assert_eq!(taken(before, &after), [""; 0], "migration {version} for the programs of schema {schema}");
        }
        shapes.push(after);
    }
}

#[tokio::test]
async fn a_migration_that_takes_something_from_the_former_program_is_found() {
    let Some(server) = PostgresServer::start() else { return };
    server.create_database("before", "template1");
    let _ = server.ask(
        "before",
        "CREATE TABLE thing (id bigint PRIMARY KEY, name text, size bigint NOT NULL DEFAULT 0); CREATE SEQUENCE number; \
         CREATE FUNCTION half(asked bigint) RETURNS bigint LANGUAGE sql AS 'SELECT asked / 2'",
    );
    let before = Shape::of(&server, "before");
    for (change, found) in [
        ("ALTER TABLE thing ADD COLUMN note text", ""),
        ("ALTER TABLE thing ADD COLUMN note text NOT NULL DEFAULT ''", ""),
        ("CREATE TABLE other (id bigint PRIMARY KEY CHECK (id > 0), name text NOT NULL)", ""),
        ("CREATE INDEX ON thing (name)", ""),
        ("CREATE FUNCTION half(asked text) RETURNS text LANGUAGE sql AS 'SELECT asked'", ""),
        ("ALTER TABLE thing ALTER COLUMN size DROP NOT NULL", ""),
        ("ALTER TABLE thing ADD COLUMN note text NOT NULL", "thing.note has to be given"),
        ("ALTER TABLE thing DROP COLUMN name", "thing.name is gone"),
        ("ALTER TABLE thing RENAME COLUMN name TO title", "thing.name is gone"),
        ("DROP TABLE thing", "thing.id is gone"),
        ("ALTER TABLE thing ALTER COLUMN name TYPE varchar(10)", "thing.name is character varying(10), and was text"),
        ("ALTER TABLE thing ALTER COLUMN name SET NOT NULL", "thing.name may not be null any more"),
        ("ALTER TABLE thing ALTER COLUMN size DROP DEFAULT", "thing.size has no default any more"),
        ("ALTER TABLE thing ADD CHECK (size < 10)", "thing has a rule"),
        ("CREATE UNIQUE INDEX ON thing (name)", "thing has a rule"),
        ("DROP SEQUENCE number", "number|sequence is gone"),
        ("DROP FUNCTION half", "half(bigint)|bigint is gone"),
    ] {
        server.create_database("after", "before");
        let _ = server.ask("after", change);
        let taken = taken(&before, &Shape::of(&server, "after"));
        let _ = server.ask("postgres", "DROP DATABASE after");
        if found.is_empty() {
            assert_eq!(taken, [""; 0], "{change}");
        } else {
            assert!(taken.iter().any(|words| words.starts_with(found)), "{change}: {taken:?}");
        }
    }
}
