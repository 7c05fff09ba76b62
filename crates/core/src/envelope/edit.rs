//! Changing what is in an envelope: freely in a draft, within limits while it is in process, not at all afterwards.

use serde_json::{Map, Value};

use super::{
    action::{Edit, RecipientChange},
    change::Change,
    correction,
    document::Document,
    recipient::{Recipient, RecipientKind, RecipientStatus},
    refusal::{Missing, Refused, Verb},
    routing,
    soundness::check,
    state::Envelope,
    status::EnvelopeStatus,
    tab::Tab,
};

/// Makes these changes, all or none.
pub(super) fn edit(change: &mut Change, edits: Vec<Edit>) -> Result<(), Refused> {
    let status = change.envelope.status;
    if status.is_final() {
        return Err(Refused::WrongStatus { verb: Verb::Edit, status });
    }
    for edit in edits {
        make(&mut change.envelope, edit)?;
    }
    check(&change.envelope)?;
    if status != EnvelopeStatus::Created {
        check_in_process(&change.envelope)?;
    }
    change.audit("Changed", "The envelope was changed.".to_owned());
    correction::settle_edit(change);
    Ok(())
}

fn make(envelope: &mut Envelope, edit: Edit) -> Result<(), Refused> {
    match edit {
        Edit::Subject(subject) => envelope.subject = subject,
        Edit::Blurb(blurb) => envelope.blurb = blurb,
        Edit::AddRecipient(mut recipient) => {
            recipient.rewind();
            envelope.recipients.push(*recipient);
        }
        Edit::ChangeRecipient { id, change } => change_recipient(open(envelope, &id)?, *change),
        Edit::RemoveRecipient(id) => {
            open(envelope, &id)?;
            envelope.recipients.retain(|r| r.id != id);
        }
        Edit::PutTab { recipient, tab } => put_tab(open(envelope, &recipient)?, *tab),
        Edit::RemoveTab { recipient, tab } => {
            let tabs = &mut open(envelope, &recipient)?.tabs;
            let index = tabs.iter().position(|t| t.id == tab);
            tabs.remove(index.ok_or_else(|| Refused::Unknown { what: "tab", id: tab.to_string() })?);
        }
        Edit::PutDocument(document) => {
            check_unsigned(envelope)?;
            put(&mut envelope.documents, *document, |d: &Document| &d.id);
        }
        Edit::RemoveDocument(id) => {
            check_unsigned(envelope)?;
            take(&mut envelope.documents, &id, "document", |d| &d.id)?;
        }
        Edit::PutCustomField(field) => put(&mut envelope.custom_fields, field, |f| &f.id),
        Edit::RemoveCustomField(id) => take(&mut envelope.custom_fields, &id, "custom field", |f| &f.id)?,
        Edit::PutAttachment(attachment) => put(&mut envelope.attachments, attachment, |a| &a.id),
        Edit::RemoveAttachment(id) => take(&mut envelope.attachments, &id, "attachment", |a| &a.id)?,
        Edit::Notification(notification) => envelope.notification = notification,
        Edit::EmailSettings(settings) => envelope.email_settings = settings,
        Edit::Extra(extra) => lay_over(&mut envelope.extra, extra),
    }
    Ok(())
}

/// A recipient who can still be changed.
fn open<'e>(envelope: &'e mut Envelope, id: &str) -> Result<&'e mut Recipient, Refused> {
    let recipient = envelope.recipients.iter_mut().find(|r| r.id == id).ok_or_else(|| Refused::UnknownRecipient(id.to_owned()))?;
    if recipient.status.is_final() {
        return Err(Refused::RecipientStatus { recipient: id.to_owned(), verb: Verb::Edit, status: recipient.status });
    }
    Ok(recipient)
}

fn change_recipient(recipient: &mut Recipient, change: RecipientChange) {
    let RecipientChange { name, email, user, order, client_user_id, note, role, host, extra } = change;
    if let Some(email) = email
        && email != recipient.person.email
    {
        recipient.person.email = email;
        recipient.user = user;
        recipient.rewind();
    }
    recipient.user = user.or(recipient.user);
    if let Some(name) = name {
        recipient.person.name = name;
    }
    if let Some(order) = order {
        recipient.order = order;
    }
    if let Some(id) = client_user_id {
        recipient.client_user_id = Some(id).filter(|id| !id.is_empty());
    }
    recipient.note = note.or_else(|| recipient.note.take());
    recipient.role = role.or_else(|| recipient.role.take());
    recipient.host = host.or_else(|| recipient.host.take());
    lay_over(&mut recipient.extra, extra);
}

fn put_tab(recipient: &mut Recipient, tab: Tab) {
    match recipient.tabs.iter_mut().find(|t| t.id == tab.id) {
        Some(before) => *before = tab,
        None => recipient.tabs.push(tab),
    }
}

fn put<T>(list: &mut Vec<T>, item: T, id: impl Fn(&T) -> &String) {
    match list.iter_mut().find(|before| id(before) == id(&item)) {
        Some(before) => *before = item,
        None => list.push(item),
    }
}

fn take<T>(list: &mut Vec<T>, wanted: &str, what: &'static str, id: impl Fn(&T) -> &String) -> Result<(), Refused> {
    let index = list.iter().position(|item| id(item) == wanted);
    list.remove(index.ok_or_else(|| Refused::Unknown { what, id: wanted.to_owned() })?);
    Ok(())
}

fn lay_over(under: &mut Map<String, Value>, over: Map<String, Value>) {
    for (key, value) in over {
        if value.is_null() {
            under.shift_remove(&key);
        } else {
            under.insert(key, value);
        }
    }
}

fn check_unsigned(envelope: &Envelope) -> Result<(), Refused> {
    let signed = envelope.recipients.iter().find(|r| r.kind.signs() && r.status == RecipientStatus::Completed);
    signed.map_or(Ok(()), |r| Err(Refused::AlreadySigned(r.id.clone())))
}

/// What holds besides once recipients have been invited.
fn check_in_process(envelope: &Envelope) -> Result<(), Refused> {
    if envelope.recipients.is_empty() {
        return Err(Refused::Incomplete(Missing::Recipients));
    }
    if envelope.documents.is_empty() {
        return Err(Refused::Incomplete(Missing::Documents));
    }
    // Who gave their place away stays as a carbon copy that needs no further look.
    envelope
        .recipients
        .iter()
        .filter(|r| r.kind != RecipientKind::CarbonCopy || !r.status.is_final())
        .try_for_each(routing::check_reachable)
}
