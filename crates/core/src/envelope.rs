//! Envelopes: what they are, and what an action does to one.
//!
//! An [`Envelope`] is one value. [`Envelope::apply`] takes it, an [`Action`] and the time, and gives back the envelope
//! as it is afterwards with the events that tell of it, or says why not; a refusal changes nothing. There is nothing
//! in between, so that a change and its events can be recorded in one transaction.
//!
//! ```text
//!            Send                 all have opened it       all are done
//! created ----------> sent --------------------> delivered ------------> completed
//!    |                  |  \___ a recipient declines ___/                    |
//!    |                  |                \--> declined                       |
//!    |                  \_____ Void, Expire, Delete --> voided               |
//!    \_______________________ Delete (from any status) _______________> deleted
//! ```
//!
//! Events come in the order in which Connect sends them: cause before effect, a recipient's own event before the
//! invitations it leads to, the envelope's last. The rules of turns are in `routing`, what recipients do in `turn`,
//! the lock in `correction`, what can be changed when in `edit`, the other ends in `disposal`, what time does in
//! `schedule`.

mod action;
mod audit;
mod change;
mod correction;
mod custom_field;
mod disposal;
mod document;
mod edit;
mod form_data;
mod lock;
mod new;
mod notification;
mod purge;
mod recipient;
mod refusal;
mod routing;
mod schedule;
mod soundness;
mod state;
mod status;
mod tab;
mod turn;

pub use action::{Action, Actor, Command, Edit, LockRequest, RecipientAction, RecipientChange, Source, Successor, TabValues};
pub use audit::{AUDIT_EVENTS_MAX, AuditEvent, AuditTrail};
pub use change::EnvelopeEvent;
pub use custom_field::{CustomField, CustomFieldKind};
pub use disposal::{EXPIRED_REASON, VOID_REASON_CHARS_MAX};
pub use document::{Attachment, Content, ContentHash, Document, DocumentField, NotAContentHash, PageSize, Renderings};
pub use form_data::{FormData, FormItem, RecipientForm};
pub use lock::{LOCK_SECONDS_MAX, Lock};
pub use new::NewEnvelope;
pub use notification::{DAY, DAYS_MAX, Expirations, Notification, Reminders};
pub use purge::{PURGE_DELAY, Purge, PurgeScope};
pub use recipient::{CreationReason, Person, Recipient, RecipientKind, RecipientStatus};
pub use refusal::{Missing, Refused, Verb};
pub use schedule::TimerKind;
pub use soundness::{
    BLURB_CHARS_MAX, DOCUMENTS_MAX, FIELDS_MAX, ID_CHARS_MAX, RECIPIENTS_MAX, SUBJECT_CHARS_MAX, TABS_MAX, TEXT_CHARS_MAX, VALUE_CHARS_MAX,
};
pub use state::{AppliedTemplate, BlindCopy, EmailSettings, Envelope, EnvelopeDates, Folder, Sender};
pub use status::EnvelopeStatus;
pub use tab::{BadTabValue, Signing, Tab, TabChoice, TabKind};

use self::change::Change;
use crate::{event::EventName, time::Timestamp};

/// Whether a new envelope waits or goes out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Start {
    /// It stays a draft.
    Draft,
    /// It is sent at once.
    Sent,
}

impl Envelope {
    /// Makes an envelope. A draft, and one made from a template, tells `envelope-created` (Connect: event triggers);
    /// one that is sent tells what [`Action::Send`] does.
    ///
    /// # Errors
    /// [`Refused`] when something in it cannot be, or when it is to be sent and lacks something.
    pub fn create(new: NewEnvelope, start: Start, by: Actor, now: Timestamp) -> Result<(Self, Vec<EnvelopeEvent>), Refused> {
        let NewEnvelope { id, account, sender, subject, blurb, mut recipients, documents, attachments, custom_fields, .. } = new;
        recipients.iter_mut().for_each(Recipient::rewind);
        let envelope = Self {
            id,
            account,
            sender,
            status: EnvelopeStatus::Created,
            dates: EnvelopeDates { created_at: now, modified_at: now, status_changed_at: now, ..EnvelopeDates::default() },
            subject,
            blurb,
            recipients,
            documents,
            renderings: Renderings::default(),
            attachments,
            custom_fields,
            notification: new.notification,
            email_settings: new.email_settings,
            void_reason: None,
            lock: None,
            purge: Purge::default(),
            templates: new.templates,
            audit: AuditTrail::default(),
            extra: new.extra,
        };
        soundness::check(&envelope)?;
        let mut change = Change::new(envelope, by, now);
        change.audit("Registered", "The envelope was created.".to_owned());
        if start == Start::Draft || !change.envelope.templates.is_empty() {
            change.emit(EventName::ENVELOPE_CREATED);
        }
        if start == Start::Sent {
            routing::send(&mut change)?;
        }
        Ok(change.finish())
    }

    /// Does something to it.
    ///
    /// # Errors
    /// [`Refused`], with the envelope gone: who wants to go on reads it again.
    pub fn apply(self, command: impl Into<Command>, now: Timestamp) -> Result<(Self, Vec<EnvelopeEvent>), Refused> {
        let Command { action, by, lock_token } = command.into();
        let mut change = Change::new(self, by, now);
        correction::release_expired(&mut change);
        correction::check_lock(&change, &action, lock_token)?;
        match action {
            Action::Send => routing::send(&mut change)?,
            Action::Edit(edits) => edit::edit(&mut change, edits)?,
            Action::Void { reason } => disposal::void(&mut change, reason)?,
            Action::Resend { to } => correction::resend(&mut change, &to)?,
            Action::Lock(request) => correction::lock(&mut change, request)?,
            Action::ExtendLock(duration_secs) => correction::extend(&mut change, duration_secs)?,
            Action::Unlock => correction::unlock(&mut change)?,
            Action::EndLock => correction::end_lock(&change)?,
            Action::Delete => disposal::delete(&mut change)?,
            Action::Remove => disposal::remove(&mut change)?,
            Action::QueuePurge(scope) => disposal::queue_purge(&mut change, scope)?,
            Action::DequeuePurge => disposal::dequeue_purge(&mut change)?,
            Action::Purge => disposal::purge(&mut change)?,
            Action::Expire => disposal::expire(&mut change)?,
            Action::WarnOfExpiry => disposal::warn(&mut change)?,
            Action::Remind => disposal::remind(&mut change)?,
            Action::Recipient { id, does } => turn::play(&mut change, &id, does)?,
        }
        Ok(change.finish())
    }
}

#[cfg(test)]
mod tests;
