//! Envelopes: written under a version, read by id, listed by query.

use std::collections::HashMap;

use countersign_core::{
    Timestamp,
    id::{AccountId, EnvelopeId},
};
use tokio_postgres::{Row, types::ToSql};
use uuid::Uuid;

use super::{
    content::{self, References},
    fault::Fault,
    pool::Conn,
    value::{Param, Typed, bytes, code, column, optional_time, p, split_hashes, text, time, total, user},
};
use crate::{
    checksum::checksum,
    envelopes::{EnvelopeDate, EnvelopeOrder, EnvelopePage, EnvelopeQuery, EnvelopeRow, StoredEnvelope},
    record::EnvelopeVersion,
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

/// What a change needs to know of the envelope it changes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Present {
    pub(super) account: AccountId,
    pub(super) version: EnvelopeVersion,
    pub(super) contents: Vec<[u8; 32]>,
}

/// These envelopes as far as they exist, which nobody else changes until this transaction ends.
pub(super) async fn hold(conn: &Conn, ids: &[Uuid]) -> Result<HashMap<EnvelopeId, Present>, Fault> {
    let ids = ids.to_vec();
    let sql = "SELECT id, account, version, contents FROM envelope WHERE id = ANY ($1) ORDER BY id FOR UPDATE";
    let rows = conn.rows(sql, &[p(&ids)]).await?;
    rows.iter()
        .map(|row| {
            let version = EnvelopeVersion(column(row, 2)?);
            let present = Present { account: AccountId(column(row, 1)?), version, contents: split_hashes(column(row, 3)?) };
            Ok((EnvelopeId(column(row, 0)?), present))
        })
        .collect()
}

/// A new state to be written.
pub(super) struct Change<'a> {
    pub(super) row: &'a EnvelopeRow,
    /// The version that it gets.
    pub(super) version: EnvelopeVersion,
    /// Whether there is no row yet. One that has come meanwhile breaks a constraint.
    pub(super) is_new: bool,
    /// Whether it refers to other contents than before.
    pub(super) contents_changed: bool,
}

/// Writes changes, at most one of each envelope.
pub(super) async fn write(conn: &Conn, changes: &[Change<'_>]) -> Result<(), Fault> {
    let (new, changed): (Vec<&Change<'_>>, Vec<&Change<'_>>) = changes.iter().partition(|change| change.is_new);
    let insert = format!(
        "INSERT INTO envelope (id, account, version, status, folder, sender, created_at, sent_at, completed_at, status_changed_at,
             changed_at, expires_at, transaction_id, subject, custom_fields, search_text, contents, codec, checksum, body)
         SELECT n.id, n.account, n.version, n.status, n.folder, n.sender, n.created_at, n.sent_at, n.completed_at,
             n.status_changed_at, n.changed_at, n.expires_at, n.transaction_id, n.subject, n.custom_fields, n.search_text,
             n.contents, 0, n.checksum, n.body {NEW}"
    );
    let update = format!(
        "UPDATE envelope e SET version = n.version, status = n.status, folder = n.folder, sender = n.sender,
             created_at = n.created_at, sent_at = n.sent_at, completed_at = n.completed_at,
             status_changed_at = n.status_changed_at, changed_at = n.changed_at, expires_at = n.expires_at,
             transaction_id = n.transaction_id, subject = n.subject, custom_fields = n.custom_fields,
             search_text = n.search_text, contents = n.contents, codec = 0, checksum = n.checksum, body = n.body
         {NEW} WHERE e.id = n.id AND e.account = n.account"
    );
    put(conn, &insert, &new).await?;
    put(conn, &update, &changed).await?;
    let references: Vec<References<'_>> = changes
        .iter()
        .filter(|change| change.contents_changed)
        .map(|change| References {
            account: change.row.account,
            owner: change.row.id.0.as_bytes().to_vec(),
            contents: &change.row.contents,
        })
        .collect();
    content::refer(conn, &references).await
}

/// The new rows, as both statements take them.
const NEW: &str = "FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::uuid[], $7::bigint[], $8::bigint[],
    $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::text[], $14::text[], $15::text[], $16::text[], $17::bytea[],
    $18::bigint[], $19::bytea[])
    n (id, account, version, status, folder, sender, created_at, sent_at, completed_at, status_changed_at, changed_at, expires_at,
       transaction_id, subject, custom_fields, search_text, contents, checksum, body)";

async fn put(conn: &Conn, sql: &str, changes: &[&Change<'_>]) -> Result<(), Fault> {
    if changes.is_empty() {
        return Ok(());
    }
    let rows = || changes.iter().map(|change| change.row);
    let times = |of: fn(&EnvelopeRow) -> Timestamp| rows().map(|row| of(row).as_micros()).collect::<Vec<i64>>();
    let maybe = |of: fn(&EnvelopeRow) -> Option<Timestamp>| rows().map(|row| of(row).map(Timestamp::as_micros)).collect::<Vec<_>>();
    conn.execute(
        sql,
        &[
            p(&rows().map(|row| row.id.0).collect::<Vec<_>>()),
            p(&rows().map(|row| row.account.0).collect::<Vec<_>>()),
            p(&changes.iter().map(|change| change.version.0).collect::<Vec<_>>()),
            p(&rows().map(|row| text(&row.status)).collect::<Vec<_>>()),
            p(&rows().map(|row| text(&row.folder)).collect::<Vec<_>>()),
            p(&rows().map(|row| row.sender.map(|sender| sender.0)).collect::<Vec<_>>()),
            p(&times(|row| row.created_at)),
            p(&maybe(|row| row.sent_at)),
            p(&maybe(|row| row.completed_at)),
            p(&times(|row| row.status_changed_at)),
            p(&times(|row| row.changed_at)),
            p(&maybe(|row| row.expires_at)),
            p(&rows().map(|row| row.transaction_id.as_deref().map(text)).collect::<Vec<_>>()),
            p(&rows().map(|row| text(&row.subject)).collect::<Vec<_>>()),
            p(&rows().map(|row| text(&row.custom_fields)).collect::<Vec<_>>()),
            p(&rows().map(|row| text(&row.search_text)).collect::<Vec<_>>()),
            p(&rows().map(|row| row.contents.concat()).collect::<Vec<Vec<u8>>>()),
            p(&rows().map(|row| checksum(seed(row.id), &row.body)).collect::<Vec<_>>()),
            p(&rows().map(|row| &row.body[..]).collect::<Vec<_>>()),
        ],
    )
    .await?;
    Ok(())
}

/// What the checksum of an envelope's body is bound to.
fn seed(id: EnvelopeId) -> u64 {
    let (high, low) = id.0.as_u64_pair();
    high ^ low
}

pub(super) async fn one(conn: &Conn, account: AccountId, id: EnvelopeId) -> Result<Option<StoredEnvelope>, Fault> {
    let sql = format!("SELECT {COLUMNS} FROM envelope WHERE id = $1 AND account = $2");
    conn.first(&sql, &[p(&id.0), p(&account.0)]).await?.map(|row| read(&row)).transpose()
}

fn read(row: &Row) -> Result<StoredEnvelope, Fault> {
    let id = EnvelopeId(column(row, 0)?);
    let body = bytes(row, 19)?;
    if code(row, 17)? != RAW || column::<i64>(row, 18)? != checksum(seed(id), &body) {
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
            contents: split_hashes(column(row, 16)?),
            body,
        },
    })
}

/// A page and the number of all that fit.
pub(super) async fn list(conn: &Conn, query: &EnvelopeQuery) -> Result<EnvelopePage, Fault> {
    let condition = Condition::of(query);
    let count = format!("SELECT count(*) FROM envelope WHERE {}", condition.sql);
    let total = total(&conn.only(&count, &condition.params()).await?, 0)?;
    let direction = if query.descending { "DESC" } else { "ASC" };
    let order = match query.order {
        EnvelopeOrder::By(date) => date_column(date),
        EnvelopeOrder::Subject => "subject",
        EnvelopeOrder::Status => "status",
    };
    // Both stores agree on where those stand that have no such date: before all others.
    let nulls = if query.descending { "LAST" } else { "FIRST" };
    let (count, start) = (query.count.clamp(1, COUNT_MAX), query.start.min(START_MAX));
    // The row's number settles the order among equals, so that pages do not overlap.
    let page = format!(
        "SELECT {COLUMNS} FROM envelope WHERE {} ORDER BY {order} {direction} NULLS {nulls}, row {direction} LIMIT {count} OFFSET {start}",
        condition.sql
    );
    let rows = conn.rows(&page, &condition.params()).await?;
    Ok(EnvelopePage { envelopes: rows.iter().map(read).collect::<Result<_, _>>()?, total })
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
    values: Vec<(Box<dyn ToSql + Sync + Send>, tokio_postgres::types::Type)>,
}

impl Condition {
    fn of(query: &EnvelopeQuery) -> Self {
        let mut condition = Self { sql: "true".to_owned(), values: Vec::new() };
        condition.and("account = $", query.account.0);
        let date = date_column(query.date);
        if let Some(from) = query.from {
            condition.and(&format!("{date} >= $"), from.as_micros());
        }
        if let Some(to) = query.to {
            condition.and(&format!("{date} < $"), to.as_micros());
        }
        condition.one_of("status", query.statuses.iter().map(|status| text(status).into_owned()).collect());
        condition.one_of("id", query.ids.iter().map(|id| id.0).collect());
        condition.one_of("transaction_id", query.transaction_ids.iter().map(|id| text(id).into_owned()).collect());
        condition.one_of("sender", query.senders.iter().map(|sender| sender.0).collect());
        if query.folders.is_empty() {
            condition.sql.push_str(" AND folder <> 'deleted'");
        } else {
            condition.one_of("folder", query.folders.iter().map(|folder| text(folder).into_owned()).collect());
        }
        if let Some(wanted) = &query.search_text {
            condition.and("0 < position($ IN search_text)", text(wanted).into_owned());
        }
        if let Some(field) = &query.custom_field {
            condition.and("0 < position($ IN chr(10) || custom_fields)", text(&format!("\n{field}\n")).into_owned());
        }
        condition
    }

    /// `$` stands for the value's place.
    fn and<T: Typed + Send + 'static>(&mut self, sql: &str, value: T) {
        self.values.push((Box::new(value), T::TYPE));
        self.sql.push_str(" AND ");
        self.sql.push_str(&sql.replace('$', &format!("${}", self.values.len())));
    }

    fn one_of<T>(&mut self, column: &str, values: Vec<T>)
    where
        Vec<T>: Typed + Send + 'static,
    {
        if !values.is_empty() {
            self.and(&format!("{column} = ANY ($)"), values);
        }
    }

    fn params(&self) -> Vec<Param<'_>> {
        self.values.iter().map(|(value, kind)| (&**value as &(dyn ToSql + Sync), kind.clone())).collect()
    }
}
