//! Recording: the envelope's new state, its events and one delivery row per match, in one transaction.

use bytes::Bytes;
use countersign_core::{
    Timestamp,
    config::ConfigVersion,
    delivery::Delivery,
    event::Event,
    id::{AccountId, EnvelopeId, SubscriptionId},
};

use crate::{envelopes::EnvelopeRow, objects::Object, timer::NewTimer};

pub use crate::envelopes::EnvelopeVersion;

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
    pub events: Vec<Event>,
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
