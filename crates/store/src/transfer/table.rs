//! What is carried: tables, columns and keys, the same for every backend.

/// What a column holds. Backends differ in how; what they differ in ends where rows are read and written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// 64 bits: ids, times in microseconds since 1970, sizes.
    Number,
    /// 32 bits: what is counted up by ones.
    Count,
    /// 16 bits: one of a small set.
    Code,
    /// Yes or no.
    Flag,
    /// UTF-8 without NUL characters, which PostgreSQL does not hold: U+FFFD stands in their place, as everywhere in that backend.
    Text,
    /// Bytes as they are.
    Bytes,
    /// 16 bytes.
    Guid,
}

impl Kind {
    /// The word in the header of a file. The sizes of numbers are left out: they are the backends' own.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Number | Self::Count | Self::Code => "number",
            Self::Flag => "flag",
            Self::Text => "text",
            Self::Bytes => "bytes",
            Self::Guid => "guid",
        }
    }
}

/// A column.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Column {
    /// Its name, the same in every backend.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// Whether it may hold nothing.
    pub optional: bool,
    /// The SQL that reads it, where that is not the column alone. It stands in both dialects.
    pub read_as: Option<&'static str>,
}

impl Column {
    const fn optional(self) -> Self {
        Self { optional: true, ..self }
    }

    const fn read_as(self, sql: &'static str) -> Self {
        Self { read_as: Some(sql), ..self }
    }
}

const fn column(name: &'static str, kind: Kind) -> Column {
    Column { name, kind, optional: false, read_as: None }
}

const fn number(name: &'static str) -> Column {
    column(name, Kind::Number)
}

const fn count(name: &'static str) -> Column {
    column(name, Kind::Count)
}

const fn code(name: &'static str) -> Column {
    column(name, Kind::Code)
}

const fn flag(name: &'static str) -> Column {
    column(name, Kind::Flag)
}

const fn text(name: &'static str) -> Column {
    column(name, Kind::Text)
}

const fn bytes(name: &'static str) -> Column {
    column(name, Kind::Bytes)
}

const fn guid(name: &'static str) -> Column {
    column(name, Kind::Guid)
}

/// A table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Table {
    /// Its name, the same in every backend.
    pub name: &'static str,
    /// How many of the columns, from the first on, are the key that rows are ordered by.
    pub key_columns: usize,
    /// The columns that are carried.
    pub columns: &'static [Column],
    /// SQL that is true for rows that are carried; all of them where there is none.
    pub only: Option<&'static str>,
    /// Whether every store has rows of it from the beginning. Rows that are loaded replace those of the same key then.
    pub is_never_empty: bool,
}

impl Table {
    const fn new(name: &'static str, key_columns: usize, columns: &'static [Column]) -> Self {
        Self { name, key_columns, columns, only: None, is_never_empty: false }
    }

    /// The columns of the key.
    #[must_use]
    pub fn key(&self) -> &'static [Column] {
        &self.columns[..self.key_columns]
    }
}

/// All that is carried, in the order of the file. `fact` is the first: it tells whether the secret key is the right one.
pub static TABLES: &[Table] = &[
    Table { only: Some("name <> 'import'"), is_never_empty: true, ..Table::new("fact", 1, &[text("name"), bytes("value")]) },
    Table { is_never_empty: true, ..Table::new("sequence", 1, &[text("name"), number("next")]) },
    Table::new("account", 1, &[number("id"), guid("guid"), number("config_version"), text("body")]),
    Table::new(
        "subscription",
        1,
        &[number("id"), number("account"), guid("envelope").optional(), text("body"), bytes("sealed").optional()],
    ),
    Table::new("deleted_subscription", 1, &[number("id"), number("account"), number("at")]),
    Table::new("object", 3, &[number("account"), text("kind"), text("id"), number("revision"), text("body"), bytes("sealed").optional()]),
    Table::new("token", 1, &[bytes("sha256"), number("id"), number("account"), number("expires_at").optional(), text("body")]),
    Table::new("ticket", 1, &[bytes("sha256"), text("kind"), number("expires_at"), text("body")]),
    Table::new("idempotency", 2, &[number("account"), text("key"), bytes("request_sha256"), number("expires_at"), bytes("answer")]),
    Table::new("event", 1, EVENT),
    Table::new("delivery", 1, DELIVERY),
    Table::new("attempt", 1, ATTEMPT),
    Table::new("envelope", 1, ENVELOPE),
    Table::new("content", 1, &[number("row"), number("account"), bytes("sha256"), number("bytes"), number("put_at"), flag("whole")]),
    Table::new("content_chunk", 2, &[number("content"), number("number"), bytes("bytes")]),
    Table::new("content_reference", 3, &[number("account"), bytes("sha256"), bytes("owner")]),
    Table::new("timer", 1, &[number("id"), number("account"), guid("envelope"), text("kind"), number("due_at")]),
    Table::new("job", 1, JOB),
];

const EVENT: &[Column] = &[
    number("id"),
    number("account"),
    text("name"),
    number("at"),
    guid("sender").optional(),
    guid("envelope").optional(),
    text("detail").optional(),
    code("kind"),
    number("bytes"),
    number("shares").optional(),
    number("shared_to").optional(),
    code("codec"),
    number("checksum"),
    bytes("snapshot").optional(),
];

const DELIVERY: &[Column] = &[
    number("id"),
    number("account"),
    number("event"),
    number("subscription"),
    number("listener"),
    // Leases are not carried: what was leased waits, due when it was due.
    code("state").read_as("CASE WHEN state = 1 THEN 0 ELSE state END"),
    code("held"),
    flag("queued"),
    code("reason"),
    number("at"),
    number("last_attempt").optional(),
    count("attempts_made"),
    count("retry_count"),
    count("orphaned"),
    flag("hidden"),
    code("shape"),
    number("generated_at"),
    number("schedule_started_at"),
    count("attempts_before_schedule"),
    number("held_total"),
    number("held_since").optional(),
    number("order_key").optional(),
    number("replay_of").optional(),
    guid("envelope").optional(),
];

const ATTEMPT: &[Column] = &[
    number("id"),
    number("delivery"),
    number("previous").optional(),
    number("started_at"),
    number("elapsed_us"),
    count("retry_count"),
    flag("counted"),
    count("status").optional(),
    text("class"),
    text("error").optional(),
    text("exchange"),
    bytes("answer_head"),
];

const ENVELOPE: &[Column] = &[
    // Lists show envelopes of one time in the order of their rows.
    number("row"),
    guid("id"),
    number("account"),
    number("version"),
    text("status"),
    text("folder"),
    guid("sender").optional(),
    number("created_at"),
    number("sent_at").optional(),
    number("completed_at").optional(),
    number("status_changed_at"),
    number("changed_at"),
    number("expires_at").optional(),
    text("transaction_id").optional(),
    text("subject"),
    text("custom_fields"),
    text("search_text"),
    bytes("contents"),
    code("codec"),
    number("checksum"),
    bytes("body"),
];

const JOB: &[Column] = &[
    number("id"),
    number("account"),
    text("kind"),
    text("state"),
    text("spec"),
    text("progress"),
    number("created_at"),
    number("changed_at"),
];

/// What is not carried: table, column (`*` for all of them), and why.
pub static LEFT_OUT: &[(&str, &str, &str)] = &[
    ("schema_migrations", "*", "each database has been through migrations of its own"),
    ("node", "*", "the lives of nodes belong to the store they run on"),
    ("breaker", "*", "a breaker is open for moments, on PostgreSQL alone"),
    ("delivery", "leased_by", "no lease is carried"),
    ("timer", "leased_by", "no lease is carried"),
    ("job", "leased_by", "no lease is carried"),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_key_is_of_columns_that_always_hold_something() {
        for table in TABLES {
            assert!(table.key_columns > 0 && !table.key().iter().any(|column| column.optional), "{}", table.name);
        }
    }

    #[test]
    fn names_are_given_once() {
        let tables: BTreeSet<&str> = TABLES.iter().map(|table| table.name).collect();
        assert_eq!(tables.len(), TABLES.len());
        for table in TABLES {
            let columns: BTreeSet<&str> = table.columns.iter().map(|column| column.name).collect();
            assert_eq!(columns.len(), table.columns.len(), "{}", table.name);
        }
    }
}
