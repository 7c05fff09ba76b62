//! What an envelope can hold, drafts included: bounded numbers of everything, texts of bounded length, ids that tell
//! things apart, addresses that can be ones. Every snapshot carries all of it, so everything has a bound.

use std::collections::HashSet;

use super::{recipient::Recipient, refusal::Refused, state::Envelope};

/// The most recipients on one envelope.
pub const RECIPIENTS_MAX: usize = 500;
/// The most documents in one envelope.
pub const DOCUMENTS_MAX: usize = 500;
/// The most tabs on one envelope, those of all recipients together.
pub const TABS_MAX: usize = 10_000;
/// The most custom fields, attachments or templates of one envelope.
pub const FIELDS_MAX: usize = 500;
/// The longest subject, in characters (Connect: `emailSubject`).
pub const SUBJECT_CHARS_MAX: usize = 100;
/// The longest text of the mails, in characters (Connect: `emailBlurb`).
pub const BLURB_CHARS_MAX: usize = 10_000;
/// The longest name, address, label, note or reason, in characters.
pub const TEXT_CHARS_MAX: usize = 1_000;
/// The longest value that a recipient can write into a tab, in characters.
pub const VALUE_CHARS_MAX: usize = 10_000;
/// The longest id that a caller can choose for a recipient, document, field or attachment, in characters.
pub const ID_CHARS_MAX: usize = 100;

/// Checks a whole envelope.
pub(super) fn check(envelope: &Envelope) -> Result<(), Refused> {
    check_count("recipients", envelope.recipients.len(), RECIPIENTS_MAX)?;
    check_count("documents", envelope.documents.len(), DOCUMENTS_MAX)?;
    check_count("tabs", envelope.recipients.iter().map(|r| r.tabs.len()).sum(), TABS_MAX)?;
    check_count("custom fields", envelope.custom_fields.len(), FIELDS_MAX)?;
    check_count("attachments", envelope.attachments.len(), FIELDS_MAX)?;
    check_count("templates", envelope.templates.len(), FIELDS_MAX)?;
    check_length("the subject", &envelope.subject, SUBJECT_CHARS_MAX)?;
    check_length("the email text", &envelope.blurb, BLURB_CHARS_MAX)?;
    check_ids("recipient", envelope.recipients.iter().map(|r| r.id.as_str()))?;
    check_ids("document", envelope.documents.iter().map(|d| d.id.as_str()))?;
    check_ids("custom field", envelope.custom_fields.iter().map(|f| f.id.as_str()))?;
    check_ids("attachment", envelope.attachments.iter().map(|a| a.id.as_str()))?;
    if !envelope.notification.is_sound() {
        return Err(Refused::BadNotification);
    }
    envelope.recipients.iter().try_for_each(check_recipient)
}

/// Checks one recipient, but for what only sending asks of them.
pub(super) fn check_recipient(recipient: &Recipient) -> Result<(), Refused> {
    check_id("recipient", &recipient.id)?;
    check_length("a recipient's name", &recipient.person.name, TEXT_CHARS_MAX)?;
    check_length("a recipient's email address", &recipient.person.email, TEXT_CHARS_MAX)?;
    check_length("a recipient's note", recipient.note.as_deref().unwrap_or(""), TEXT_CHARS_MAX)?;
    check_length("a recipient's client user id", recipient.client_user_id.as_deref().unwrap_or(""), TEXT_CHARS_MAX)?;
    if recipient.order == 0 {
        return Err(Refused::BadOrder(recipient.id.clone()));
    }
    check_email(&recipient.id, &recipient.person.email)?;
    check_email(&recipient.id, recipient.host.as_ref().map_or("", |host| &host.email))
}

/// Something on both sides of one `@` and neither blank nor control characters. Whether mail arrives there is
/// found out by sending it; whatever is checked beyond this refuses addresses that exist.
fn check_email(recipient: &str, email: &str) -> Result<(), Refused> {
    let looks_right = match email.split_once('@') {
        None => email.is_empty(),
        Some((local, domain)) => {
            let plain = |c: char| !c.is_whitespace() && !c.is_control();
            !local.is_empty() && !domain.is_empty() && !domain.contains('@') && email.chars().all(plain)
        }
    };
    if looks_right { Ok(()) } else { Err(Refused::BadEmail { recipient: recipient.to_owned(), email: email.to_owned() }) }
}

/// Checks the length of a text.
pub(super) fn check_length(what: &'static str, text: &str, max: usize) -> Result<(), Refused> {
    if text.chars().nth(max).is_some() { Err(Refused::TooLong { what, max }) } else { Ok(()) }
}

fn check_count(what: &'static str, count: usize, max: usize) -> Result<(), Refused> {
    if count > max { Err(Refused::TooMany { what, max }) } else { Ok(()) }
}

fn check_id(what: &'static str, id: &str) -> Result<(), Refused> {
    let fits = !id.is_empty() && id.chars().nth(ID_CHARS_MAX).is_none();
    if fits { Ok(()) } else { Err(Refused::BadId { what }) }
}

fn check_ids<'a>(what: &'static str, ids: impl Iterator<Item = &'a str>) -> Result<(), Refused> {
    let mut seen = HashSet::new();
    for id in ids {
        check_id(what, id)?;
        if !seen.insert(id) {
            return Err(Refused::Duplicate { what, id: id.to_owned() });
        }
    }
    Ok(())
}
