//! A change in the making: the envelope as it will be and the events that tell of it, in the order they are sent.

use super::{action::Actor, audit::AuditEvent, state::Envelope, status::EnvelopeStatus};
use crate::{
    event::{EventDetail, EventName},
    time::Timestamp,
};

/// Something that happened to an envelope, as it will be told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EnvelopeEvent {
    /// What.
    pub name: EventName,
    /// To which recipient, and the like.
    pub detail: EventDetail,
}

impl EnvelopeEvent {
    /// An event of the envelope as a whole.
    #[must_use]
    pub fn of_envelope(name: EventName) -> Self {
        Self { name, detail: EventDetail::default() }
    }

    /// An event of one recipient.
    #[must_use]
    pub fn of_recipient(name: EventName, recipient: &str) -> Self {
        Self { name, detail: EventDetail { recipient_id: Some(recipient.to_owned()), ..EventDetail::default() } }
    }
}

/// The working copy that the steps of one action share. Dropped when one of them refuses.
pub(super) struct Change {
    pub(super) envelope: Envelope,
    pub(super) events: Vec<EnvelopeEvent>,
    pub(super) now: Timestamp,
    by: Actor,
}

impl Change {
    /// Starts from the envelope as it is. Its dates never go back: a clock that did counts as standing still.
    pub(super) fn new(envelope: Envelope, by: Actor, now: Timestamp) -> Self {
        let now = now.max(envelope.dates.modified_at);
        Self { envelope, events: Vec::new(), now, by }
    }

    pub(super) fn emit(&mut self, name: EventName) {
        self.events.push(EnvelopeEvent::of_envelope(name));
    }

    pub(super) fn emit_for(&mut self, name: EventName, recipient: &str) {
        self.events.push(EnvelopeEvent::of_recipient(name, recipient));
    }

    /// Gives the envelope another status with its date. A lock does not outlive the last of them.
    pub(super) fn enter(&mut self, status: EnvelopeStatus) {
        let (envelope, now) = (&mut self.envelope, Some(self.now));
        envelope.status = status;
        envelope.dates.status_changed_at = self.now;
        match status {
            EnvelopeStatus::Created => {}
            EnvelopeStatus::Sent => envelope.dates.sent_at = now,
            EnvelopeStatus::Delivered => envelope.dates.delivered_at = now,
            EnvelopeStatus::Completed => envelope.dates.completed_at = now,
            EnvelopeStatus::Declined => envelope.dates.declined_at = now,
            EnvelopeStatus::Voided => envelope.dates.voided_at = now,
            EnvelopeStatus::Deleted => envelope.dates.deleted_at = now,
        }
        if status.is_final() {
            envelope.lock = None;
        }
    }

    pub(super) fn audit(&mut self, action: &str, message: String) {
        let event = AuditEvent {
            at: self.now,
            action: action.to_owned(),
            message,
            name: self.by.name.clone(),
            user: self.by.user,
            source: self.by.source.as_str().to_owned(),
            ip_address: self.by.ip_address.clone(),
            status: self.envelope.status,
        };
        self.envelope.audit.push(event);
    }

    /// From where the one who does it does it.
    pub(super) fn ip_address(&self) -> Option<String> {
        self.by.ip_address.clone()
    }

    /// The envelope as it now is, and what to tell of it.
    pub(super) fn finish(mut self) -> (Envelope, Vec<EnvelopeEvent>) {
        self.envelope.dates.modified_at = self.now;
        (self.envelope, self.events)
    }
}
