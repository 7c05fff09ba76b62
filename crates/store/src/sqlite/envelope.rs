//! Envelopes: written under a version, read by id, listed by query.

use countersign_core::{
    Timestamp,
    id::{AccountId, EnvelopeId},
};
use rusqlite::{Connection, OptionalExtension as _, Row, ToSql, params, params_from_iter};

use super::{
    checksum::checksum,
    content,
    fault::Fault,
    transaction::Tx,
    value::{bytes, column, join_hashes, optional_time, split_hashes, time, user},
};
use crate::{
    Refused,
    envelopes::{EnvelopeDate, EnvelopeOrder, EnvelopePage, EnvelopeQuery, EnvelopeRow, StoredEnvelope},
    record::{EnvelopeChange, EnvelopeVersion},
};

/// The most a list may skip: skipping is walking.
const START_MAX: u32 = 100_000;
/// The most a page may hold.
const COUNT_MAX: u32 = 1_000;
/// `envelope.codec`: the bytes as they are.
const RAW: u8 = 0;

/// The columns that [`read`] takes.
const COLUMNS: &str = "id, account, version, status, folder, sender, created_at, sent_at, completed_at, status_changed_at, changed_at, \
     expires_at, transaction_id, subject, custom_fields, search_text, contents, codec, checksum, body";

/// Writes a change; refused before anything else is written when the version read is not the present one.
pub(super) fn write(tx: &Tx<'_>, change: &EnvelopeChange) -> Result<Result<(), Refused>, Fault> {
    let row = &change.row;
    let contents = join_hashes(&row.contents);
    let before: Option<Vec<u8>> = match change.read {
        None => None,
        Some(version) => {
            let mut select = tx.conn.prepare_cached("SELECT version, contents FROM envelope WHERE id = ?1 AND account = ?2")?;
            let found = select.query_row(params![row.id.0, row.account.0], |r| Ok((r.get(0)?, r.get(1)?))).optional()?;
            match found {
                None => return Ok(Err(Refused::NotFound)),
                Some((now, _)) if EnvelopeVersion(now) != version => return Ok(Err(Refused::StaleEnvelope)),
                Some((_, contents)) => Some(contents),
            }
        }
    };
    let sql = if change.read.is_none() {
        "INSERT INTO envelope (version, id, account, status, folder, sender, created_at, sent_at, completed_at, status_changed_at,
            changed_at, expires_at, transaction_id, subject, custom_fields, search_text, contents, codec, checksum, body)
         VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19) ON CONFLICT (id) DO NOTHING"
    } else {
        "UPDATE envelope SET version = version + 1, status = ?3, folder = ?4, sender = ?5, created_at = ?6, sent_at = ?7,
            completed_at = ?8, status_changed_at = ?9, changed_at = ?10, expires_at = ?11, transaction_id = ?12, subject = ?13,
            custom_fields = ?14, search_text = ?15, contents = ?16, codec = ?17, checksum = ?18, body = ?19
         WHERE id = ?1 AND account = ?2"
    };
    let micros = |at: Option<Timestamp>| at.map(Timestamp::as_micros);
    let written = tx.conn.prepare_cached(sql)?.execute(params![
        row.id.0,
        row.account.0,
        row.status,
        row.folder,
        row.sender.map(|sender| sender.0),
        row.created_at.as_micros(),
        micros(row.sent_at),
        micros(row.completed_at),
        row.status_changed_at.as_micros(),
        row.changed_at.as_micros(),
        micros(row.expires_at),
        row.transaction_id,
        row.subject,
        row.custom_fields,
        row.search_text,
        contents,
        RAW,
        checksum(seed(row.id), &row.body),
        &row.body[..],
    ])?;
    if written == 0 {
        return Ok(Err(Refused::Exists));
    }
    if before.as_ref() != Some(&contents) {
        content::refer(tx, row.account, row.id.0.as_bytes(), &row.contents)?;
    }
    Ok(Ok(()))
}

/// What the checksum of an envelope's body is bound to.
fn seed(id: EnvelopeId) -> u64 {
    let (high, low) = id.0.as_u64_pair();
    high ^ low
}

pub(super) fn one(conn: &Connection, account: AccountId, id: EnvelopeId) -> Result<Option<StoredEnvelope>, Fault> {
    let mut select = conn.prepare_cached(&format!("SELECT {COLUMNS} FROM envelope WHERE id = ?1 AND account = ?2"))?;
    let mut rows = select.query(params![id.0, account.0])?;
    rows.next()?.map(read).transpose()
}

fn read(row: &Row<'_>) -> Result<StoredEnvelope, Fault> {
    let id = EnvelopeId(column(row, 0)?);
    let body = bytes(row, 19)?;
    if column::<u8>(row, 17)? != RAW || column::<i64>(row, 18)? != checksum(seed(id), &body) {
        return Err(Fault::damaged(format!("envelope {id}")));
    }
    Ok(StoredEnvelope {
        version: EnvelopeVersion(column(row, 2)?),
        row: EnvelopeRow {
            id,
            account: AccountId(column(row, 1)?),
            status: column(row, 3)?,
            folder: column(row, 4)?,
            sender: user(row, 5)?,
            created_at: time(row, 6)?,
            sent_at: optional_time(row, 7)?,
            completed_at: optional_time(row, 8)?,
            status_changed_at: time(row, 9)?,
            changed_at: time(row, 10)?,
            expires_at: optional_time(row, 11)?,
            transaction_id: column(row, 12)?,
            subject: column(row, 13)?,
            custom_fields: column(row, 14)?,
            search_text: column(row, 15)?,
            contents: split_hashes(&column::<Vec<u8>>(row, 16)?),
            body,
        },
    })
}

/// A page and the number of all that fit.
pub(super) fn list(conn: &Connection, query: &EnvelopeQuery) -> Result<EnvelopePage, Fault> {
    let condition = Condition::of(query);
    let total: i64 = conn
        .prepare_cached(&format!("SELECT count(*) FROM envelope WHERE {}", condition.sql))?
        .query_row(params_from_iter(condition.values.iter()), |row| row.get(0))?;
    let direction = if query.descending { "DESC" } else { "ASC" };
    let order = match query.order {
        EnvelopeOrder::By(date) => date_column(date),
        EnvelopeOrder::Subject => "subject",
        EnvelopeOrder::Status => "status",
    };
    let count = query.count.clamp(1, COUNT_MAX);
    let start = query.start.min(START_MAX);
    // The row's number settles the order among equals, so that pages do not overlap.
    let mut select = conn.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM envelope WHERE {} ORDER BY {order} {direction}, row {direction} LIMIT {count} OFFSET {start}",
        condition.sql
    ))?;
    let mut rows = select.query(params_from_iter(condition.values.iter()))?;
    let mut envelopes = Vec::new();
    while let Some(row) = rows.next()? {
        envelopes.push(read(row)?);
    }
    Ok(EnvelopePage { envelopes, total: u64::try_from(total).unwrap_or(0) })
}

fn date_column(date: EnvelopeDate) -> &'static str {
    match date {
        EnvelopeDate::Created => "created_at",
        EnvelopeDate::Sent => "sent_at",
        EnvelopeDate::Completed => "completed_at",
        EnvelopeDate::StatusChanged => "status_changed_at",
        EnvelopeDate::Changed => "changed_at",
        EnvelopeDate::Expires => "expires_at",
    }
}

/// A condition with its values; nothing a caller brings is ever part of the text.
struct Condition {
    sql: String,
    values: Vec<Box<dyn ToSql>>,
}

impl Condition {
    fn of(query: &EnvelopeQuery) -> Self {
        let mut condition = Self { sql: "account = ?".to_owned(), values: vec![Box::new(query.account.0)] };
        let date = date_column(query.date);
        if let Some(from) = query.from {
            condition.and(&format!("{date} >= ?"), from.as_micros());
        }
        if let Some(to) = query.to {
            condition.and(&format!("{date} < ?"), to.as_micros());
        }
        condition.one_of("status", &query.statuses);
        condition.one_of("id", &query.ids.iter().map(|id| id.0).collect::<Vec<_>>());
        condition.one_of("transaction_id", &query.transaction_ids);
        condition.one_of("sender", &query.senders.iter().map(|sender| sender.0).collect::<Vec<_>>());
        if query.folders.is_empty() {
            condition.sql.push_str(" AND folder <> 'deleted'");
        } else {
            condition.one_of("folder", &query.folders);
        }
        if let Some(text) = &query.search_text {
            condition.and("instr(search_text, ?) > 0", text.clone());
        }
        if let Some(field) = &query.custom_field {
            condition.and("instr(char(10) || custom_fields, ?) > 0", format!("\n{field}\n"));
        }
        condition
    }

    fn and(&mut self, sql: &str, value: impl ToSql + 'static) {
        self.sql.push_str(" AND ");
        self.sql.push_str(sql);
        self.values.push(Box::new(value));
    }

    fn one_of<T: ToSql + Clone + 'static>(&mut self, column: &str, values: &[T]) {
        if values.is_empty() {
            return;
        }
        let places = vec!["?"; values.len()].join(", ");
        self.sql.push_str(&format!(" AND {column} IN ({places})"));
        self.values.extend(values.iter().map(|value| Box::new(value.clone()) as Box<dyn ToSql>));
    }
}
