//! Recording: one transaction for the envelope's change, the events and a row per match.

use super::{call::Weight, delivery, envelope, event, fault::Fault, idempotency, subscription, timer, transaction::Tx};
use crate::{
    Compression, Refused, StoreError,
    record::{Record, Recorded},
};

/// What a row takes beside its payload, about.
const ROW_BYTES: usize = 256;

/// A record with what is made of it before it is written.
pub(super) struct Prepared {
    record: Record,
    checked: Result<(), Refused>,
    events: Vec<event::Stored>,
}

/// Checks, serialises and compresses on the caller's time: the writer's is everybody's.
pub(super) fn prepare(records: Vec<Record>, compression: Compression) -> Result<Vec<Prepared>, StoreError> {
    records
        .into_iter()
        .map(|record| Ok(Prepared { checked: record.check(), events: event::stored(&record.events, compression)?, record }))
        .collect()
}

/// What a call of `record` brings.
pub(super) fn weight(records: &[Prepared]) -> Weight {
    let rows_of = |record: &Record| 1 + record.events.len() + record.deliveries.len() + record.subscriptions.len();
    let rows = records.iter().map(|prepared| rows_of(&prepared.record)).sum();
    let bytes = records.iter().map(|prepared| prepared.record.bytes()).sum::<usize>();
    Weight { rows, bytes: bytes + rows * ROW_BYTES, intake: true, patient: false }
}

/// Records each; see [`crate::Store::record`].
pub(super) fn record(tx: &Tx<'_>, records: &[Prepared]) -> Result<Vec<Result<Recorded, Refused>>, Fault> {
    records.iter().map(|prepared| tx.item(|| record_one(tx, prepared))).collect()
}

fn record_one(tx: &Tx<'_>, Prepared { record, checked, events }: &Prepared) -> Result<Result<Recorded, Refused>, Fault> {
    // First everything that can refuse; the envelope last, since its check is a write.
    if let Err(refused) = checked {
        return Ok(Err(refused.clone()));
    }
    let current = current(tx, record)?;
    // A request that was answered before is answered so again, whatever has changed since. Its key is remembered while it is looked for,
    // unless something may still be refused.
    let at_once = current.is_ok() && record.envelope.is_none();
    if let Some(known) = repeated(tx, record, at_once)? {
        return Ok(known);
    }
    if let Err(refused) = current {
        return Ok(Err(refused));
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
    event::insert(tx, &record.events, events)?;
    for delivery in &record.deliveries {
        delivery::insert(tx, delivery)?;
    }
    if let Some(idempotency) = &record.idempotency
        && !at_once
    {
        idempotency::remember(tx, record.account, idempotency, record.made_at())?;
    }
    Ok(Ok(Recorded::Fresh))
}

/// Whether the account is there, with the configuration that the record was matched with.
fn current(tx: &Tx<'_>, record: &Record) -> Result<Result<(), Refused>, Fault> {
    Ok(match (tx.version(record.account)?, record.config) {
        (None, _) => Err(Refused::NotFound),
        (Some(now), Some(matched_with)) if now != matched_with => Err(Refused::StaleConfig(now)),
        _ => Ok(()),
    })
}

/// The answer of an idempotency key that was used before, or the refusal when that was for another request. The time of the record decides
/// whether the key has expired.
fn repeated(tx: &Tx<'_>, record: &Record, remember: bool) -> Result<Option<Result<Recorded, Refused>>, Fault> {
    let Some(idempotency) = &record.idempotency else { return Ok(None) };
    let known = if remember {
        idempotency::remember(tx, record.account, idempotency, record.made_at())?
    } else {
        idempotency::find(tx.conn, record.account, &idempotency.key, record.made_at())?
    };
    Ok(known.map(|(request_sha256, answer)| {
        if request_sha256 == idempotency.request_sha256 { Ok(Recorded::Repeated(answer)) } else { Err(Refused::IdempotencyConflict) }
    }))
}
