//! What a recipient does when it is their turn, and what happens to them.
//!
//! Opening comes before finishing: who finishes or puts it off without having opened it has opened it by that, and
//! both are told. Declining needs no opening. A certified delivery is done by being opened.

use super::{
    action::{RecipientAction, Successor, TabValues},
    change::{Change, EnvelopeEvent},
    recipient::{CreationReason, Person, Recipient, RecipientKind, RecipientStatus},
    refusal::{Refused, Verb},
    routing,
    soundness::{TEXT_CHARS_MAX, VALUE_CHARS_MAX, check_length, check_recipient},
    status::EnvelopeStatus,
    tab::{BadTabValue, Signing, Tab},
};
use crate::event::{EventDetail, EventName};

/// Lets a recipient do something.
pub(super) fn play(change: &mut Change, id: &str, does: RecipientAction) -> Result<(), Refused> {
    let verb = verb_of(&does);
    let index = check(change, id, verb)?;
    if let Some(ip_address) = change.ip_address() {
        change.envelope.recipients[index].ip_address = Some(ip_address);
    }
    match does {
        RecipientAction::View => view(change, index),
        RecipientAction::Complete(values) => complete(change, index, &values)?,
        RecipientAction::Decline { reason } => decline(change, index, reason)?,
        RecipientAction::FinishLater(values) => finish_later(change, index, &values)?,
        RecipientAction::FailAuthentication => fail_authentication(change, index),
        RecipientAction::AutoRespond { reason } => auto_respond(change, index, reason)?,
        RecipientAction::Reassign(to) => hand_over(change, index, to, CreationReason::Reassigned)?,
        RecipientAction::Delegate(to) => hand_over(change, index, to, CreationReason::Delegated)?,
    }
    routing::advance(change);
    Ok(())
}

fn verb_of(does: &RecipientAction) -> Verb {
    match does {
        RecipientAction::View => Verb::View,
        RecipientAction::Complete(_) => Verb::Complete,
        RecipientAction::Decline { .. } => Verb::Decline,
        RecipientAction::FinishLater(_) => Verb::FinishLater,
        RecipientAction::FailAuthentication => Verb::FailAuthentication,
        RecipientAction::AutoRespond { .. } => Verb::AutoRespond,
        RecipientAction::Reassign(_) => Verb::Reassign,
        RecipientAction::Delegate(_) => Verb::Delegate,
    }
}

/// Who it is, when they may do that now.
fn check(change: &Change, id: &str, verb: Verb) -> Result<usize, Refused> {
    let envelope = &change.envelope;
    let index = envelope.recipients.iter().position(|r| r.id == id).ok_or_else(|| Refused::UnknownRecipient(id.to_owned()))?;
    if !envelope.status.is_in_process() {
        return Err(Refused::WrongStatus { verb, status: envelope.status });
    }
    let Recipient { status, kind, .. } = envelope.recipients[index];
    if status == RecipientStatus::Created {
        return Err(Refused::NotInSequence(id.to_owned()));
    }
    let bounced_too_late = verb == Verb::AutoRespond && status != RecipientStatus::Sent;
    if status.is_final() || bounced_too_late {
        return Err(Refused::RecipientStatus { recipient: id.to_owned(), verb, status });
    }
    let anybody = matches!(verb, Verb::View | Verb::Complete | Verb::FailAuthentication | Verb::AutoRespond);
    if !anybody && !kind.signs() {
        return Err(Refused::WrongKind { recipient: id.to_owned(), verb, kind });
    }
    Ok(index)
}

fn view(change: &mut Change, index: usize) {
    let now = change.now;
    let recipient = &mut change.envelope.recipients[index];
    let (id, name) = (recipient.id.clone(), recipient.person.name.clone());
    if recipient.status != RecipientStatus::Delivered {
        recipient.status = RecipientStatus::Delivered;
        recipient.delivered_at = Some(now);
        change.emit_for(EventName::RECIPIENT_DELIVERED, &id);
    }
    change.audit("Viewed", format!("{name} opened the documents."));
    if change.envelope.recipients[index].kind == RecipientKind::CertifiedDelivery {
        be_done(change, index);
    }
}

fn complete(change: &mut Change, index: usize, values: &TabValues) -> Result<(), Refused> {
    fill_in(&mut change.envelope.recipients[index], values)?;
    if let Some(owed) = change.envelope.recipients[index].tabs.iter().find(|tab| tab.is_owed()) {
        return Err(Refused::TabRequired(label_of(owed)));
    }
    if change.envelope.recipients[index].status != RecipientStatus::Delivered {
        view(change, index);
    }
    if change.envelope.recipients[index].kind.signs() {
        be_done(change, index);
    }
    Ok(())
}

fn be_done(change: &mut Change, index: usize) {
    let now = change.now;
    let envelope = change.envelope.id.0;
    let recipient = &mut change.envelope.recipients[index];
    recipient.status = RecipientStatus::Completed;
    recipient.signed_at = Some(now);
    let Recipient { person, tabs, .. } = recipient;
    for tab in tabs.iter_mut() {
        tab.sign(Signing { name: &person.name, email: &person.email, envelope, at: now });
    }
    let (id, name) = (recipient.id.clone(), recipient.person.name.clone());
    change.emit_for(EventName::RECIPIENT_COMPLETED, &id);
    change.audit("Signed", format!("{name} finished."));
}

fn decline(change: &mut Change, index: usize, reason: Option<String>) -> Result<(), Refused> {
    check_length("the reason", reason.as_deref().unwrap_or(""), TEXT_CHARS_MAX)?;
    let now = change.now;
    let recipient = &mut change.envelope.recipients[index];
    recipient.status = RecipientStatus::Declined;
    recipient.declined_at = Some(now);
    recipient.declined_reason = reason;
    let (id, name) = (recipient.id.clone(), recipient.person.name.clone());
    change.emit_for(EventName::RECIPIENT_DECLINED, &id);
    change.enter(EnvelopeStatus::Declined);
    change.emit(EventName::ENVELOPE_DECLINED);
    change.audit("Declined", format!("{name} declined."));
    Ok(())
}

fn finish_later(change: &mut Change, index: usize, values: &TabValues) -> Result<(), Refused> {
    fill_in(&mut change.envelope.recipients[index], values)?;
    if change.envelope.recipients[index].status != RecipientStatus::Delivered {
        view(change, index);
    }
    let recipient = &change.envelope.recipients[index];
    let (id, name) = (recipient.id.clone(), recipient.person.name.clone());
    change.emit_for(EventName::RECIPIENT_FINISH_LATER, &id);
    change.audit("Finish Later", format!("{name} chose to finish later."));
    Ok(())
}

/// Told, and no more: the sender decides what follows. The recipient can try again.
fn fail_authentication(change: &mut Change, index: usize) {
    let now = change.now;
    let recipient = &mut change.envelope.recipients[index];
    recipient.authentication_failed_at = Some(now);
    let (id, name) = (recipient.id.clone(), recipient.person.name.clone());
    change.emit_for(EventName::RECIPIENT_AUTHENTICATION_FAILED, &id);
    change.audit("Authentication Failed", format!("{name} failed the identity check."));
}

fn auto_respond(change: &mut Change, index: usize, reason: Option<String>) -> Result<(), Refused> {
    check_length("the reason", reason.as_deref().unwrap_or(""), TEXT_CHARS_MAX)?;
    let recipient = &mut change.envelope.recipients[index];
    recipient.status = RecipientStatus::AutoResponded;
    recipient.autoresponded_reason = reason;
    let (id, name) = (recipient.id.clone(), recipient.person.name.clone());
    change.emit_for(EventName::RECIPIENT_AUTORESPONDED, &id);
    change.audit("Auto Responded", format!("The mail to {name} was answered by a machine."));
    Ok(())
}

/// Puts somebody in a recipient's place, with their tabs and their turn. Who gave it away stays as a carbon copy that
/// has been told, so that nothing more is asked of them and nothing more is told of them.
fn hand_over(change: &mut Change, index: usize, to: Successor, reason: CreationReason) -> Result<(), Refused> {
    if change.envelope.recipient(&to.id).is_some() {
        return Err(Refused::Duplicate { what: "recipient", id: to.id });
    }
    let before = &mut change.envelope.recipients[index];
    let giver = Person::clone(&before.person);
    let mut successor = Recipient::new(to.id.clone(), to.guid, before.kind, to.person.clone(), before.order);
    successor.user = to.user;
    successor.reason = reason;
    successor.host.clone_from(&before.host);
    successor.role.clone_from(&before.role);
    successor.note.clone_from(&before.note);
    successor.tabs = std::mem::take(&mut before.tabs);
    check_recipient(&successor)?;
    routing::check_reachable(&successor)?;
    before.kind = RecipientKind::CarbonCopy;
    before.status = RecipientStatus::Completed;
    let id = before.id.clone();
    let (name, action, event) = match reason {
        CreationReason::Delegated => {
            before.delegated_to = Some(to.person.clone());
            successor.delegated_by = Some(giver.clone());
            let event = EnvelopeEvent::of_recipient(EventName::RECIPIENT_DELEGATE, &to.id);
            (&giver.name, "Delegated", event)
        }
        CreationReason::Sender | CreationReason::Reassigned => {
            let detail = EventDetail { recipient_id: Some(id), reassigned_recipient_id: Some(to.id.clone()), ..EventDetail::default() };
            (&giver.name, "Reassigned", EnvelopeEvent { name: EventName::RECIPIENT_REASSIGN, detail })
        }
    };
    let message = format!("{name} handed it to {}.", to.person.name);
    change.envelope.recipients.insert(index + 1, successor);
    change.events.push(event);
    change.audit(action, message);
    Ok(())
}

/// Puts values into the tabs of these labels. A label that no tab has, or a value that its tab cannot hold, changes nothing
/// outside the working copy, which is thrown away then.
fn fill_in(recipient: &mut Recipient, values: &TabValues) -> Result<(), Refused> {
    for (label, value) in values {
        check_length("the value of a tab", value, VALUE_CHARS_MAX)?;
        let mut found = false;
        for tab in recipient.tabs.iter_mut().filter(|tab| tab.label.as_deref() == Some(label)) {
            found = true;
            tab.fill(value).map_err(|reason: BadTabValue| Refused::TabValue { label: label.clone(), reason })?;
        }
        if !found {
            return Err(Refused::Unknown { what: "tab", id: label.clone() });
        }
    }
    Ok(())
}

fn label_of(tab: &Tab) -> String {
    tab.label.clone().unwrap_or_else(|| tab.kind.stem().to_owned())
}
