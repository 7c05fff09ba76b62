//! What a message is made of, and why it cannot be made.

use std::collections::{BTreeSet, HashMap};

use bytes::Bytes;

use super::view::View;
use crate::{
    account::Account,
    envelope::{ContentHash, Envelope},
    event::{Event, Snapshot},
    id::SubscriptionId,
    subscription::{Include, MessageShape},
    time::Timestamp,
};

/// The bytes of documents by their hash.
pub type Contents = HashMap<ContentHash, Bytes>;

/// What a message is made of. All of it is frozen when the delivery is recorded, but for the subscription's `include`, which
/// is the current one.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// Whose event it is.
    pub account: &'a Account,
    /// `configurationId`.
    pub configuration: SubscriptionId,
    /// The form of the body. Events that are not about an envelope are sent as JSON SIM where a form for envelopes is asked for: those
    /// have no place for them, and an event is not dropped in silence.
    pub shape: MessageShape,
    /// What the body carries beyond the bare event.
    pub include: &'a BTreeSet<Include>,
    /// `generatedDateTime`.
    pub generated_at: Timestamp,
    /// What happened.
    pub event: &'a Event,
}

/// Why a message cannot be made. No later attempt would do better.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unrenderable {
    /// The state that the event left behind was purged.
    #[error("the snapshot of the event was purged")]
    SnapshotGone,
    /// The snapshot does not read back.
    #[error("the snapshot of the event is damaged: {0}")]
    SnapshotDamaged(String),
    /// The message is to be passed on as received, and the event did not come in from outside or was purged.
    #[error("the event has no body that was received")]
    NothingReceived,
    /// A document that belongs into the message is not there any more.
    #[error("the document with the hash {0} is gone")]
    ContentGone(ContentHash),
}

impl Message<'_> {
    /// How the envelope is shown in it.
    pub(super) fn view(&self) -> View<'_> {
        View::message(self.include)
    }

    /// The envelope as the event left it.
    pub(super) fn envelope(&self) -> Result<Envelope, Unrenderable> {
        match &self.event.snapshot {
            Snapshot::Envelope(bytes) if !bytes.is_empty() => {
                serde_json::from_slice(bytes).map_err(|error| Unrenderable::SnapshotDamaged(error.to_string()))
            }
            Snapshot::Envelope(_) | Snapshot::Posted(_) | Snapshot::Nothing => Err(Unrenderable::SnapshotGone),
        }
    }

    /// True for events of envelopes, which alone can be told in every shape.
    pub(super) fn is_about_an_envelope(&self) -> bool {
        self.event.envelope.is_some() && !matches!(self.event.snapshot, Snapshot::Posted(_))
    }
}
