//! Whose turn it is.
//!
//! Recipients act in the order of their numbers, equal numbers at the same time. The lowest number that somebody has
//! not finished is current; its recipients are invited together, and the next number follows when all of them are
//! done. A carbon copy is done by being told, so it never holds the queue up.
//!
//! The envelope is *delivered* once **every** recipient has opened it, not only those whose turn it is (Connect: event
//! triggers, "all recipients"). A carbon copy counts as having seen it when it is told: the published messages of an
//! envelope with a signer and a later copy show the date of delivery at the moment the copy went out. The status is
//! reached once and not left again for *sent*, so that `envelope-delivered` is told once.
//!
//! Events come in the order of cause: `envelope-sent` before the `recipient-sent` of those invited, a recipient's own
//! event before the invitations it leads to, and those before `envelope-delivered` and `envelope-completed`.

use super::{
    change::Change,
    recipient::{RecipientKind, RecipientStatus},
    refusal::{Missing, Refused, Verb},
    status::EnvelopeStatus,
};
use crate::event::EventName;

/// Sends a draft.
pub(super) fn send(change: &mut Change) -> Result<(), Refused> {
    let status = change.envelope.status;
    if status != EnvelopeStatus::Created {
        return Err(Refused::WrongStatus { verb: Verb::Send, status });
    }
    check_complete(change)?;
    change.enter(EnvelopeStatus::Sent);
    change.envelope.dates.initial_sent_at = Some(change.now);
    change.emit(EventName::ENVELOPE_SENT);
    change.audit("Sent", format!("The envelope was sent to {} recipients.", change.envelope.recipients.len()));
    advance(change);
    Ok(())
}

/// What an envelope has to have before anybody is invited.
fn check_complete(change: &Change) -> Result<(), Refused> {
    let envelope = &change.envelope;
    let lacking = |what| Err(Refused::Incomplete(what));
    if envelope.subject.trim().is_empty() {
        return lacking(Missing::Subject);
    }
    if envelope.documents.is_empty() {
        return lacking(Missing::Documents);
    }
    if envelope.recipients.is_empty() {
        return lacking(Missing::Recipients);
    }
    envelope.recipients.iter().try_for_each(check_reachable)
}

/// A recipient needs a name and an address; an in-person signer needs a host in the place of an address.
pub(super) fn check_reachable(recipient: &super::recipient::Recipient) -> Result<(), Refused> {
    let lacking = |what: fn(String) -> Missing| Err(Refused::Incomplete(what(recipient.id.clone())));
    if recipient.person.name.trim().is_empty() {
        return lacking(Missing::Name);
    }
    if recipient.kind == RecipientKind::InPersonSigner {
        let reachable = recipient.host.as_ref().is_some_and(|host| !host.name.trim().is_empty() && !host.email.trim().is_empty());
        return if reachable { Ok(()) } else { lacking(Missing::Host) };
    }
    if recipient.person.email.trim().is_empty() { lacking(Missing::Email) } else { Ok(()) }
}

/// Invites whoever's turn has come and draws the consequences for the envelope. Does nothing when nothing follows.
pub(super) fn advance(change: &mut Change) {
    while change.envelope.status.is_in_process() {
        let Some(order) = change.envelope.current_order() else { break };
        invite(change, order);
        let waits = |r: &super::recipient::Recipient| r.order == order && !r.status.is_final();
        if change.envelope.recipients.iter().any(waits) {
            break;
        }
    }
    let recipients = &change.envelope.recipients;
    let all_seen = recipients.iter().all(super::recipient::Recipient::has_seen_it);
    let all_done = recipients.iter().all(|r| r.status == RecipientStatus::Completed);
    if change.envelope.status == EnvelopeStatus::Sent && all_seen {
        change.enter(EnvelopeStatus::Delivered);
        change.emit(EventName::ENVELOPE_DELIVERED);
    }
    if change.envelope.status == EnvelopeStatus::Delivered && all_done {
        change.enter(EnvelopeStatus::Completed);
        change.emit(EventName::ENVELOPE_COMPLETED);
        change.audit("Completed", "All recipients have finished.".to_owned());
    }
}

/// Invites those of this order who were not.
fn invite(change: &mut Change, order: u32) {
    let now = change.now;
    for i in 0..change.envelope.recipients.len() {
        let recipient = &mut change.envelope.recipients[i];
        if recipient.order != order || recipient.status != RecipientStatus::Created {
            continue;
        }
        recipient.sent_at = Some(now);
        let is_told = recipient.kind == RecipientKind::CarbonCopy;
        recipient.status = if is_told { RecipientStatus::Completed } else { RecipientStatus::Sent };
        let (id, name) = (recipient.id.clone(), recipient.person.name.clone());
        change.envelope.dates.sent_at = Some(now);
        change.emit_for(EventName::RECIPIENT_SENT, &id);
        change.audit("Sent Invitation", format!("{name} was invited."));
        if is_told {
            change.emit_for(EventName::RECIPIENT_COMPLETED, &id);
        }
    }
}
