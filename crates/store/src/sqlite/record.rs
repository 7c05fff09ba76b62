//! Recording: one transaction for the envelope's change, the events and a row per match.

use super::{delivery, envelope, event, fault::Fault, idempotency, subscription, timer, transaction::Tx, writer::Weight};
use crate::{
    Refused,
    record::{Record, Recorded},
};

/// The largest record taken, in bytes: an envelope request of 50 MiB with room for what it becomes (design: limits).
const RECORD_BYTES_MAX: usize = 128 << 20;
/// What a row takes beside its payload, about.
const ROW_BYTES: usize = 256;

/// What a call of `record` brings.
pub(super) fn weight(records: &[Record]) -> Weight {
    let rows = records.iter().map(|r| 1 + r.events.len() + r.deliveries.len() + r.subscriptions.len()).sum();
    Weight { rows, bytes: records.iter().map(bytes_of).sum::<usize>() + rows * ROW_BYTES, intake: true }
}

fn bytes_of(record: &Record) -> usize {
    let mut last = None;
    let mut snapshots = 0;
    for event in &record.events {
        let bytes = event.snapshot.bytes();
        // A snapshot that is shared is stored once.
        if last != Some(bytes.as_ptr()) {
            snapshots += bytes.len();
            last = Some(bytes.as_ptr());
        }
    }
    let envelope = record.envelope.as_ref().map_or(0, |change| change.row.body.len() + change.row.search_text.len());
    let answer = record.idempotency.as_ref().map_or(0, |idempotency| idempotency.answer.len());
    let subscriptions: usize = record.subscriptions.iter().map(|(_, _, object)| object.body.len()).sum();
    snapshots + envelope + answer + subscriptions
}

/// Records each; see [`crate::Store::record`].
pub(super) fn record(tx: &Tx<'_>, records: &[Record]) -> Result<Vec<Result<Recorded, Refused>>, Fault> {
    records.iter().map(|item| tx.item(|| record_one(tx, item))).collect()
}

fn record_one(tx: &Tx<'_>, record: &Record) -> Result<Result<Recorded, Refused>, Fault> {
    // First everything that can refuse; the envelope last, since its check is a write.
    if let Err(refused) = check(record) {
        return Ok(Err(refused));
    }
    if let Some(known) = repeated(tx, record)? {
        return Ok(known);
    }
    match (tx.version(record.account)?, record.config) {
        (None, _) => return Ok(Err(Refused::NotFound)),
        (Some(now), Some(matched_with)) if now != matched_with => return Ok(Err(Refused::StaleConfig(now))),
        _ => {}
    }
    if let Some(change) = &record.envelope {
        if let Err(refused) = envelope::write(tx, change)? {
            return Ok(Err(refused));
        }
        timer::replace(tx, &change.row, &change.timers)?;
    }
    for (id, envelope, object) in &record.subscriptions {
        subscription::insert(tx, record.account, *id, Some(*envelope), object)?;
    }
    event::insert(tx, &record.events)?;
    for delivery in &record.deliveries {
        delivery::insert(tx, delivery)?;
    }
    if let Some(idempotency) = &record.idempotency {
        idempotency::put(tx, record.account, idempotency)?;
    }
    Ok(Ok(Recorded::Fresh))
}

/// What can be seen without the database.
fn check(record: &Record) -> Result<(), Refused> {
    let bytes = bytes_of(record);
    if bytes > RECORD_BYTES_MAX {
        return Err(Refused::TooLarge(bytes));
    }
    let of_account = record.events.iter().all(|event| event.account == record.account)
        && record.deliveries.iter().all(|delivery| delivery.account == record.account)
        && record.envelope.as_ref().is_none_or(|change| change.row.account == record.account);
    if !of_account {
        return Err(Refused::WrongState("a part of it belongs to another account".into()));
    }
    record.deliveries.iter().try_for_each(delivery::may_begin)
}

/// The answer of an idempotency key that was used before, or the refusal when that was for another request.
fn repeated(tx: &Tx<'_>, record: &Record) -> Result<Option<Result<Recorded, Refused>>, Fault> {
    let Some(idempotency) = &record.idempotency else { return Ok(None) };
    // The time of the record decides whether the key has expired.
    let now = record.events.first().map(|event| event.at).or(record.envelope.as_ref().map(|change| change.row.changed_at));
    let known = idempotency::find(tx.conn, record.account, &idempotency.key, now.unwrap_or_default())?;
    Ok(known.map(|(request_sha256, answer)| {
        if request_sha256 == idempotency.request_sha256 { Ok(Recorded::Repeated(answer)) } else { Err(Refused::IdempotencyConflict) }
    }))
}
