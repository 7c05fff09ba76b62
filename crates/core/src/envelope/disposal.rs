//! The ways an envelope ends other than by being completed or declined: voided, expired, deleted, purged.

use super::{
    audit::AuditTrail,
    change::Change,
    document::Renderings,
    purge::{Purge, PurgeScope},
    recipient::Person,
    refusal::{Refused, Verb},
    state::Envelope,
    status::EnvelopeStatus,
};
use crate::event::EventName;

/// The reason given for an envelope whose time was over.
pub const EXPIRED_REASON: &str = "Envelope has expired.";

/// The longest void reason, in characters (Connect: `voidedReason`).
pub const VOID_REASON_CHARS_MAX: usize = 200;

/// Withdraws an envelope from its recipients.
pub(super) fn void(change: &mut Change, reason: String) -> Result<(), Refused> {
    if reason.trim().is_empty() {
        return Err(Refused::VoidReasonMissing);
    }
    if reason.chars().nth(VOID_REASON_CHARS_MAX).is_some() {
        return Err(Refused::TooLong { what: "the void reason", max: VOID_REASON_CHARS_MAX });
    }
    let status = change.envelope.status;
    if !status.is_in_process() {
        return Err(Refused::WrongStatus { verb: Verb::Void, status });
    }
    withdraw(change, reason);
    Ok(())
}

/// Voids an envelope whose time is over.
pub(super) fn expire(change: &mut Change) -> Result<(), Refused> {
    check_due(change, Verb::Expire, change.envelope.expires_at())?;
    withdraw(change, EXPIRED_REASON.to_owned());
    Ok(())
}

fn withdraw(change: &mut Change, reason: String) {
    change.envelope.void_reason = Some(reason.clone());
    change.enter(EnvelopeStatus::Voided);
    change.emit(EventName::ENVELOPE_VOIDED);
    change.audit("Voided", format!("The envelope was voided: {reason}"));
}

/// Notes that recipients were warned. Connect tells of no event for it.
pub(super) fn warn(change: &mut Change) -> Result<(), Refused> {
    check_due(change, Verb::Expire, change.envelope.warns_at())?;
    change.envelope.dates.warned_at = Some(change.now);
    change.audit("Expiry Warning", "Recipients were warned that the envelope expires.".to_owned());
    Ok(())
}

/// Notes that recipients were reminded, and tells of it.
pub(super) fn remind(change: &mut Change) -> Result<(), Refused> {
    check_due(change, Verb::Remind, change.envelope.reminds_at())?;
    change.envelope.dates.reminded_at = Some(change.now);
    change.emit(EventName::ENVELOPE_REMINDER_SENT);
    change.audit("Reminded", "Recipients whose turn it is were reminded.".to_owned());
    Ok(())
}

fn check_due(change: &Change, verb: Verb, due_at: Option<crate::time::Timestamp>) -> Result<(), Refused> {
    let status = change.envelope.status;
    if !status.is_in_process() {
        return Err(Refused::WrongStatus { verb, status });
    }
    if due_at.is_some_and(|due_at| due_at <= change.now) { Ok(()) } else { Err(Refused::NotDue { verb }) }
}

/// Moves an envelope to the bin. A draft is discarded; what is in process is voided first, since recipients could not
/// act on it any more.
pub(super) fn delete(change: &mut Change) -> Result<(), Refused> {
    let status = change.envelope.status;
    match status {
        EnvelopeStatus::Deleted => return Err(Refused::WrongStatus { verb: Verb::Delete, status }),
        EnvelopeStatus::Created => change.emit(EventName::ENVELOPE_DISCARD),
        EnvelopeStatus::Sent | EnvelopeStatus::Delivered => {
            withdraw(change, "The sender deleted the envelope.".to_owned());
            change.emit(EventName::ENVELOPE_DELETED);
        }
        EnvelopeStatus::Completed | EnvelopeStatus::Declined | EnvelopeStatus::Voided => change.emit(EventName::ENVELOPE_DELETED),
    }
    change.enter(EnvelopeStatus::Deleted);
    change.audit("Deleted", "The envelope was moved to the bin.".to_owned());
    Ok(())
}

/// Removes an envelope from the bin for good. Nothing of what was in it stays; the event, which names it and no more, is the last
/// that is heard of it (Connect: `envelope-removed`).
pub(super) fn remove(change: &mut Change) -> Result<(), Refused> {
    let Envelope { status, ref dates, .. } = change.envelope;
    if status != EnvelopeStatus::Deleted || dates.removed_at.is_some() {
        return Err(Refused::WrongStatus { verb: Verb::Remove, status });
    }
    forget_everything(&mut change.envelope);
    change.envelope.dates.removed_at = Some(change.now);
    change.emit(EventName::ENVELOPE_REMOVED);
    Ok(())
}

fn forget_everything(envelope: &mut Envelope) {
    envelope.subject.clear();
    envelope.blurb.clear();
    envelope.recipients.clear();
    envelope.documents.clear();
    envelope.renderings = Renderings::default();
    envelope.attachments.clear();
    envelope.custom_fields.clear();
    envelope.email_settings = None;
    envelope.void_reason = None;
    envelope.purge = Purge::default();
    envelope.templates.clear();
    envelope.audit = AuditTrail::default();
    envelope.extra.clear();
}

/// Puts a completed envelope into the purge queue, or asks for more than was asked before.
pub(super) fn queue_purge(change: &mut Change, scope: PurgeScope) -> Result<(), Refused> {
    let Envelope { status, purge, .. } = change.envelope;
    if status != EnvelopeStatus::Completed {
        return Err(Refused::WrongStatus { verb: Verb::Purge, status });
    }
    match purge {
        Purge::Unpurged | Purge::Dequeued => {}
        Purge::Queued { scope: before, .. } if before != scope => {}
        Purge::Queued { .. } | Purge::Purged { .. } => return Err(Refused::PurgeState(purge)),
    }
    change.envelope.purge = Purge::Queued { scope, requested_at: change.now };
    change.emit(EventName::ENVELOPE_PURGE);
    change.audit("Purge Queued", "The documents were queued to be purged.".to_owned());
    Ok(())
}

/// Takes an envelope out of the purge queue again.
pub(super) fn dequeue_purge(change: &mut Change) -> Result<(), Refused> {
    if !matches!(change.envelope.purge, Purge::Queued { .. }) {
        return Err(Refused::PurgeState(change.envelope.purge));
    }
    change.envelope.purge = Purge::Dequeued;
    change.emit(EventName::ENVELOPE_PURGE);
    change.audit("Purge Dequeued", "The documents were taken out of the purge queue.".to_owned());
    Ok(())
}

/// Purges what has waited long enough. Connect tells only of the queue, so there is no event.
pub(super) fn purge(change: &mut Change) -> Result<(), Refused> {
    let Purge::Queued { scope, requested_at } = change.envelope.purge else {
        return Err(Refused::PurgeState(change.envelope.purge));
    };
    if change.envelope.purge.due_at().is_none_or(|due_at| due_at > change.now) {
        return Err(Refused::NotDue { verb: Verb::Purge });
    }
    forget_documents(&mut change.envelope);
    if scope >= PurgeScope::DocumentsAndMetadata {
        forget_data(&mut change.envelope);
    }
    if scope >= PurgeScope::DocumentsAndMetadataAndRedact {
        forget_people(&mut change.envelope);
    }
    change.envelope.purge = Purge::Purged { scope, requested_at, purged_at: change.now };
    change.audit("Purged", "The documents were purged.".to_owned());
    Ok(())
}

fn forget_documents(envelope: &mut Envelope) {
    let renderings = &mut envelope.renderings;
    for document in envelope.documents.iter_mut().chain(&mut renderings.certificate) {
        document.content = None;
        document.drawn = None;
    }
    renderings.combined = None;
    renderings.archive = None;
    for attachment in &mut envelope.attachments {
        attachment.content = None;
    }
}

fn forget_data(envelope: &mut Envelope) {
    for recipient in &mut envelope.recipients {
        recipient.tabs.clear();
    }
    for document in &mut envelope.documents {
        document.fields.clear();
        document.prefill_tabs.clear();
    }
    envelope.custom_fields.clear();
}

/// What stands in the place of a name that was purged.
const REDACTED: &str = "redacted";

fn forget_people(envelope: &mut Envelope) {
    let nobody = Person { name: REDACTED.to_owned(), email: String::new() };
    for recipient in &mut envelope.recipients {
        recipient.person = nobody.clone();
        for person in [&mut recipient.host, &mut recipient.delegated_by, &mut recipient.delegated_to].into_iter().flatten() {
            *person = nobody.clone();
        }
        recipient.ip_address = None;
        recipient.note = None;
        recipient.declined_reason = None;
        recipient.autoresponded_reason = None;
        recipient.extra.clear();
    }
    envelope.audit = AuditTrail::default();
}
