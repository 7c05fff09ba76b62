//! Recording: the envelope's new state, its events and one delivery row per match, in one transaction.

use std::sync::Arc;

use bytes::Bytes;
use countersign_core::{
    Timestamp,
    config::ConfigVersion,
    delivery::{Delivery, DeliveryState},
    event::{Event, EventDetail, Snapshot},
    id::{AccountId, EnvelopeId, EventId, SubscriptionId},
};

use crate::{Refused, StoreError, envelopes::EnvelopeRow, objects::Object, timer::NewTimer};

pub use crate::envelopes::EnvelopeVersion;

/// The largest record taken, in bytes: an envelope request of 50 MiB with room for what it becomes (design: limits).
const RECORD_BYTES_MAX: usize = 128 << 20;

/// The new state of an envelope.
#[derive(Clone, Debug)]
pub struct EnvelopeChange {
    /// The version that was read; `None` makes a new envelope and is refused when it exists.
    pub read: Option<EnvelopeVersion>,
    /// The whole new state.
    pub row: EnvelopeRow,
    /// Its timers from now on: they replace all earlier ones of the envelope.
    pub timers: Vec<NewTimer>,
}

/// An answer remembered under an idempotency key, for 24 hours.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Idempotency {
    /// The caller's key, 1 to 255 bytes; keys of different accounts are apart.
    pub key: String,
    /// SHA-256 of the request.
    pub request_sha256: [u8; 32],
    /// The body of the answer to repeat.
    pub answer: Bytes,
    /// When it is forgotten.
    pub expires_at: Timestamp,
}

/// One change of one account. All of it happens, or none.
#[derive(Clone, Debug)]
pub struct Record {
    /// Whose.
    pub account: AccountId,
    /// The configuration it was matched with; refused as [`crate::Refused::StaleConfig`] when it has changed.
    /// `None` when there is nothing to match (no events).
    pub config: Option<ConfigVersion>,
    /// The envelope's change.
    pub envelope: Option<EnvelopeChange>,
    /// What happened, in order. Consecutive events whose snapshots are the same `Bytes` (pointer and length) share one stored copy.
    pub events: Vec<Arc<Event>>,
    /// One per match. `Waiting` ones are inserted waiting, `Leased` ones leased to that incarnation.
    pub deliveries: Vec<Delivery>,
    /// Envelope-level subscriptions that come into being with it, with ids from [`crate::Store::next_subscription_ids`].
    pub subscriptions: Vec<(SubscriptionId, EnvelopeId, Object)>,
    /// Remember the answer.
    pub idempotency: Option<Idempotency>,
}

/// What became of a record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Recorded {
    /// It is on stable storage.
    Fresh,
    /// The idempotency key was used before with the same request: nothing was done, this was the answer.
    Repeated(Bytes),
}

impl Record {
    /// Bytes that it brings, about. A snapshot that is shared counts once.
    pub(crate) fn bytes(&self) -> usize {
        let mut last = None;
        let mut snapshots = 0;
        for event in &self.events {
            let bytes = event.snapshot.bytes();
            if last != Some(bytes.as_ptr()) {
                snapshots += bytes.len();
                last = Some(bytes.as_ptr());
            }
        }
        let envelope = self.envelope.as_ref().map_or(0, |change| change.row.body.len() + change.row.search_text.len());
        let answer = self.idempotency.as_ref().map_or(0, |idempotency| idempotency.answer.len());
        let subscriptions: usize = self.subscriptions.iter().map(|(_, _, object)| object.body.len()).sum();
        snapshots + envelope + answer + subscriptions
    }

    /// When it came into being, as far as it tells; decides whether an idempotency key has expired.
    pub(crate) fn made_at(&self) -> Timestamp {
        let of_event = self.events.first().map(|event| event.at);
        of_event.or(self.envelope.as_ref().map(|change| change.row.changed_at)).unwrap_or_default()
    }

    /// What can be refused without the database.
    pub(crate) fn check(&self) -> Result<(), Refused> {
        let bytes = self.bytes();
        if bytes > RECORD_BYTES_MAX {
            return Err(Refused::TooLarge(bytes));
        }
        let of_account = self.events.iter().all(|event| event.account == self.account)
            && self.deliveries.iter().all(|delivery| delivery.account == self.account)
            && self.envelope.as_ref().is_none_or(|change| change.row.account == self.account);
        if !of_account {
            return Err(Refused::WrongState("a part of it belongs to another account".into()));
        }
        self.deliveries.iter().try_for_each(may_begin)
    }
}

/// A delivery begins waiting or leased.
fn may_begin(delivery: &Delivery) -> Result<(), Refused> {
    match delivery.state {
        DeliveryState::Waiting { .. } | DeliveryState::Leased { .. } => Ok(()),
        other => Err(Refused::WrongState(other.as_str().to_owned())),
    }
}

/// The detail of an event as it is stored, JSON; none when it says nothing.
pub(crate) fn detail(event: &Event) -> Result<Option<String>, StoreError> {
    if event.detail == EventDetail::default() {
        return Ok(None);
    }
    let text = serde_json::to_string(&event.detail);
    text.map(Some).map_err(|e| StoreError::Backend(format!("serialising an event's detail: {e}")))
}

/// Where the snapshot of an event is stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct SnapshotHolder {
    /// With this event, not with the event itself.
    pub(crate) shares: Option<EventId>,
    /// With the event itself, and shown by others up to this one.
    pub(crate) shared_to: Option<EventId>,
}

/// One for each event of a record. Consecutive ones with the same snapshot (pointer and length) keep it once, with the first.
pub(crate) fn snapshot_holders(events: &[Arc<Event>]) -> Vec<SnapshotHolder> {
    let mut holders = Vec::with_capacity(events.len());
    while let Some(first) = events.get(holders.len()) {
        let run = events[holders.len()..].iter().take_while(|event| is_same(&first.snapshot, &event.snapshot)).count().max(1);
        let last = events[holders.len() + run - 1].id;
        holders.push(SnapshotHolder { shares: None, shared_to: (run > 1).then_some(last) });
        holders.extend((1..run).map(|_| SnapshotHolder { shares: Some(first.id), shared_to: None }));
    }
    holders
}

fn is_same(a: &Snapshot, b: &Snapshot) -> bool {
    match (a, b) {
        (Snapshot::Posted(a), Snapshot::Posted(b)) | (Snapshot::Envelope(a), Snapshot::Envelope(b)) => {
            !a.is_empty() && std::ptr::eq(a.as_ptr(), b.as_ptr()) && a.len() == b.len()
        }
        _ => false,
    }
}
