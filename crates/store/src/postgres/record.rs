//! Recording: one transaction for the changes of many callers.
//!
//! What can be refused is found first, behind locks that keep it true until the commit: the accounts' versions, the
//! idempotency keys, the envelopes. Items of one batch see each other as if they came one after the other. Then one statement
//! for each table writes what all accepted items bring.

use std::{collections::HashMap, sync::Arc};

use countersign_core::{delivery::Delivery, event::Event, id::EnvelopeId};
use uuid::Uuid;

use super::{
    account, delivery,
    envelope::{self, Present},
    event,
    fault::Fault,
    idempotency::{self, Keys, Known},
    pool::Conn,
    subscription, timer,
    value::text,
};
use crate::{
    Refused,
    record::{EnvelopeChange, EnvelopeVersion, Record, Recorded},
    timer::NewTimer,
    vault::Vault,
};

/// Records all of these, each with its own answer; see [`crate::Store::record`]. An id that is in use breaks a constraint, which
/// takes everything back: then each is recorded on its own.
pub(super) async fn record(conn: &Conn, vault: &Vault, records: &[&Record]) -> Result<Vec<Result<Recorded, Refused>>, Fault> {
    let mut accounts: Vec<i64> = records.iter().map(|record| record.account.0).collect();
    accounts.sort_unstable();
    accounts.dedup();
    let versions = account::hold_versions(conn, &accounts).await?;
    let mut keys = hold_keys(conn, records).await?;
    let mut envelopes = Envelopes::hold(conn, records).await?;
    let mut accepted = Vec::new();
    let mut answers = Vec::with_capacity(records.len());
    for record in records {
        let answer = match repeated(record, &keys) {
            Some(known) => known,
            None => match (versions.get(&record.account), record.config) {
                (None, _) => Err(Refused::NotFound),
                (Some(now), Some(matched_with)) if *now != matched_with => Err(Refused::StaleConfig(*now)),
                _ => record.envelope.as_ref().map_or(Ok(()), |change| envelopes.accept(change)).map(|()| Recorded::Fresh),
            },
        };
        if answer == Ok(Recorded::Fresh) {
            accepted.push(*record);
            if let Some(idempotency) = &record.idempotency {
                let known = Known {
                    request_sha256: idempotency.request_sha256,
                    answer: idempotency.answer.clone(),
                    expires_at: idempotency.expires_at,
                };
                keys.insert((record.account, text(&idempotency.key).into_owned()), known);
            }
        }
        answers.push(answer);
    }
    envelopes.write(conn).await?;
    write(conn, vault, &accepted).await?;
    Ok(answers)
}

async fn write(conn: &Conn, vault: &Vault, accepted: &[&Record]) -> Result<(), Fault> {
    let new = accepted
        .iter()
        .flat_map(|record| record.subscriptions.iter().map(|(id, envelope, object)| (record.account, *id, *envelope, object)));
    subscription::insert(conn, vault, &new.collect::<Vec<_>>()).await?;
    let events: Vec<&[Arc<Event>]> = accepted.iter().map(|record| &record.events[..]).collect();
    event::insert(conn, &events).await?;
    let deliveries: Vec<&Delivery> = accepted.iter().flat_map(|record| record.deliveries.iter()).collect();
    delivery::insert(conn, &deliveries).await?;
    // Of one key the last stands: an earlier one of the batch had expired by the time of the later.
    let mut answers = HashMap::new();
    for record in accepted {
        if let Some(idempotency) = &record.idempotency {
            answers.insert((record.account, &idempotency.key), idempotency);
        }
    }
    if !answers.is_empty() {
        let answers: Vec<_> = answers.into_iter().map(|((account, _), idempotency)| (account, idempotency)).collect();
        idempotency::put(conn, &answers).await?;
    }
    Ok(())
}

async fn hold_keys(conn: &Conn, records: &[&Record]) -> Result<Keys, Fault> {
    let keys = records.iter().filter_map(|record| record.idempotency.as_ref().map(|idempotency| (record.account, &idempotency.key[..])));
    let keys: Vec<_> = keys.collect();
    if keys.is_empty() { Ok(Keys::new()) } else { idempotency::hold(conn, &keys).await }
}

/// The answer of an idempotency key that was used before, or the refusal when that was for another request.
fn repeated(record: &Record, keys: &Keys) -> Option<Result<Recorded, Refused>> {
    let idempotency = record.idempotency.as_ref()?;
    let known = keys.get(&(record.account, text(&idempotency.key).into_owned()))?;
    // The time of the record decides whether the key has expired.
    if known.expires_at <= record.made_at() {
        return None;
    }
    Some(if known.request_sha256 == idempotency.request_sha256 {
        Ok(Recorded::Repeated(known.answer.clone()))
    } else {
        Err(Refused::IdempotencyConflict)
    })
}

/// The envelopes of a batch: as they are in the table, and as the accepted items leave them.
struct Envelopes<'a> {
    present: HashMap<EnvelopeId, Present>,
    /// The last state of each, whether it is new, and whether its contents changed on the way.
    changed: HashMap<EnvelopeId, (&'a EnvelopeChange, bool, bool)>,
}

impl<'a> Envelopes<'a> {
    async fn hold(conn: &Conn, records: &[&'a Record]) -> Result<Self, Fault> {
        let ids: Vec<Uuid> = records.iter().filter_map(|record| record.envelope.as_ref().map(|change| change.row.id.0)).collect();
        let present = if ids.is_empty() { HashMap::new() } else { envelope::hold(conn, &ids).await? };
        Ok(Self { present, changed: HashMap::new() })
    }

    fn accept(&mut self, change: &'a EnvelopeChange) -> Result<(), Refused> {
        let row = &change.row;
        let before = self.present.get(&row.id).filter(|present| change.read.is_none() || present.account == row.account);
        let version = match (change.read, before) {
            (None, Some(_)) => return Err(Refused::Exists),
            (None, None) => EnvelopeVersion(1),
            (Some(_), None) => return Err(Refused::NotFound),
            (Some(read), Some(now)) if read != now.version => return Err(Refused::StaleEnvelope),
            (Some(read), Some(_)) => EnvelopeVersion(read.0 + 1),
        };
        let contents_changed = before.map_or(!row.contents.is_empty(), |before| before.contents != row.contents);
        let (is_new, changed_before) =
            self.changed.get(&row.id).map_or((change.read.is_none(), false), |(_, new, changed)| (*new, *changed));
        self.present.insert(row.id, Present { account: row.account, version, contents: row.contents.clone() });
        self.changed.insert(row.id, (change, is_new, contents_changed || changed_before));
        Ok(())
    }

    async fn write(&self, conn: &Conn) -> Result<(), Fault> {
        let mut changes = Vec::with_capacity(self.changed.len());
        for (id, (change, is_new, contents_changed)) in &self.changed {
            let version = self.present.get(id).map_or(EnvelopeVersion(1), |present| present.version);
            changes.push(envelope::Change { row: &change.row, version, is_new: *is_new, contents_changed: *contents_changed });
        }
        if changes.is_empty() {
            return Ok(());
        }
        envelope::write(conn, &changes).await?;
        let timers: Vec<(_, &[NewTimer])> = self.changed.values().map(|(change, ..)| (&change.row, &change.timers[..])).collect();
        timer::replace(conn, &timers).await
    }
}
