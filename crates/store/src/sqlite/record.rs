//! Recording: one transaction for the envelope's change, the events and a row per match.

use super::{delivery, envelope, event, fault::Fault, idempotency, subscription, timer, transaction::Tx, writer::Weight};
use crate::{
    Compression, Refused,
    record::{Record, Recorded},
};

/// What a row takes beside its payload, about.
const ROW_BYTES: usize = 256;

/// What a call of `record` brings.
pub(super) fn weight(records: &[Record]) -> Weight {
    let rows = records.iter().map(|r| 1 + r.events.len() + r.deliveries.len() + r.subscriptions.len()).sum();
    Weight { rows, bytes: records.iter().map(Record::bytes).sum::<usize>() + rows * ROW_BYTES, intake: true }
}

/// Compressed snapshots: of each record, of each of its events, where that pays.
pub(super) type Packed = Vec<Vec<Option<Vec<u8>>>>;

/// Compresses on the caller's time: the writer's is everybody's.
pub(super) fn packed(records: &[Record], compression: Compression) -> Packed {
    match compression {
        Compression::Off => Vec::new(),
        Compression::On => records.iter().map(|record| event::packed(&record.events)).collect(),
    }
}

/// Records each; see [`crate::Store::record`].
pub(super) fn record(tx: &Tx<'_>, records: &[Record], packed: &Packed) -> Result<Vec<Result<Recorded, Refused>>, Fault> {
    let of = |at: usize| packed.get(at).map_or(&[][..], Vec::as_slice);
    records.iter().enumerate().map(|(at, item)| tx.item(|| record_one(tx, item, of(at)))).collect()
}

fn record_one(tx: &Tx<'_>, record: &Record, packed: &[Option<Vec<u8>>]) -> Result<Result<Recorded, Refused>, Fault> {
    // First everything that can refuse; the envelope last, since its check is a write.
    if let Err(refused) = record.check() {
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
    event::insert(tx, &record.events, packed)?;
    for delivery in &record.deliveries {
        delivery::insert(tx, delivery)?;
    }
    if let Some(idempotency) = &record.idempotency {
        idempotency::put(tx, record.account, idempotency)?;
    }
    Ok(Ok(Recorded::Fresh))
}

/// The answer of an idempotency key that was used before, or the refusal when that was for another request.
fn repeated(tx: &Tx<'_>, record: &Record) -> Result<Option<Result<Recorded, Refused>>, Fault> {
    let Some(idempotency) = &record.idempotency else { return Ok(None) };
    // The time of the record decides whether the key has expired.
    let known = idempotency::find(tx.conn, record.account, &idempotency.key, record.made_at())?;
    Ok(known.map(|(request_sha256, answer)| {
        if request_sha256 == idempotency.request_sha256 { Ok(Recorded::Repeated(answer)) } else { Err(Refused::IdempotencyConflict) }
    }))
}
