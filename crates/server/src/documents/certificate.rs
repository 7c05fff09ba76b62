//! The certificate of completion: who signed what, and when, as a PDF.

use countersign_core::{
    Timestamp,
    envelope::{Envelope, Recipient},
};

use super::{
    combined::text,
    sheet::{is_shown, wrap},
};

/// The certificate of an envelope as it stands.
///
/// # Errors
/// When the PDF cannot be written, which is a fault of ours.
pub fn certificate(envelope: &Envelope) -> Result<Vec<u8>, lopdf::Error> {
    let lines: Vec<String> =
        readable(lines_of(envelope)).iter().flat_map(|line| if line.is_empty() { vec![String::new()] } else { wrap(line) }).collect();
    text(&lines)
}

/// The lines with what the font has no sign for written by its number, and a closing word on that: a certificate names people, and
/// must not make one of two.
fn readable(lines: Vec<String>) -> Vec<String> {
    let mut spelled: Vec<String> = lines.iter().map(|line| spell(line)).collect();
    if spelled != lines {
        spelled.push(String::new());
        spelled.push("\\u{...} is the character of that number in Unicode; the font of this page has no sign for it.".to_owned());
    }
    spelled
}

/// `\u{141}ukasz` for a name that begins with an L with stroke.
fn spell(line: &str) -> String {
    let mut spelled = String::with_capacity(line.len());
    for character in line.chars() {
        // A tab is set as blanks.
        if is_shown(character) || character == '\t' { spelled.push(character) } else { spelled.extend(character.escape_unicode()) }
    }
    spelled
}

fn lines_of(envelope: &Envelope) -> Vec<String> {
    let mut lines = vec![
        "CERTIFICATE OF COMPLETION".to_owned(),
        String::new(),
        format!("Envelope id: {}", envelope.id),
        format!("Subject:     {}", envelope.subject),
        format!("Status:      {}", envelope.status),
        format!("Sender:      {} <{}>", envelope.sender.person.name, envelope.sender.person.email),
        format!("Account id:  {}", envelope.account),
    ];
    let dates = &envelope.dates;
    for (what, at) in [
        ("Created:    ", Some(dates.created_at)),
        ("Sent:       ", dates.initial_sent_at),
        ("Delivered:  ", dates.delivered_at),
        ("Completed:  ", dates.completed_at),
        ("Declined:   ", dates.declined_at),
        ("Voided:     ", dates.voided_at),
    ] {
        lines.extend(at.map(|at| format!("{what} {}", when(at))));
    }
    lines.extend([String::new(), "DOCUMENTS".to_owned()]);
    for document in &envelope.documents {
        lines.push(String::new());
        lines.push(format!(
            "{}. {} (.{}, {} page{})",
            document.id,
            document.name,
            document.extension,
            document.pages,
            if document.pages == 1 { "" } else { "s" }
        ));
        lines.extend(document.content.map(|content| format!("   SHA-256 {}", content.hash)));
    }
    lines.extend([String::new(), "RECIPIENTS".to_owned()]);
    for recipient in &envelope.recipients {
        lines.push(String::new());
        lines.extend(lines_of_recipient(recipient));
    }
    lines.extend([String::new(), "HISTORY".to_owned(), String::new()]);
    for event in envelope.audit.iter() {
        lines.push(format!("{}  {}", when(event.at), event.message));
    }
    lines
}

fn lines_of_recipient(recipient: &Recipient) -> Vec<String> {
    let Recipient { person, kind, order, status, .. } = recipient;
    let mut lines = vec![format!("{}. {} <{}>", recipient.id, person.name, person.email), format!("   {kind}, order {order}, {status}")];
    for (what, at) in [
        ("sent     ", recipient.sent_at),
        ("viewed   ", recipient.delivered_at),
        ("signed   ", recipient.signed_at),
        ("declined ", recipient.declined_at),
    ] {
        lines.extend(at.map(|at| format!("   {what} {}", when(at))));
    }
    lines.extend(recipient.host.as_ref().map(|host| format!("   host: {} <{}>", host.name, host.email)));
    lines.extend(recipient.declined_reason.as_ref().map(|reason| format!("   reason: {reason}")));
    lines.extend(recipient.ip_address.as_ref().map(|address| format!("   from {address}")));
    lines
}

/// `2025-11-22 12:00:00 UTC`.
fn when(at: Timestamp) -> String {
    let text = at.to_seven_digits();
    format!("{} {} UTC", text.get(..10).unwrap_or_default(), text.get(11..19).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_the_font_cannot_show_is_spelled_and_explained_and_none_is_lost() {
        let lines = ["1. \u{141}ukasz <l@example>", "2. \u{5f20}\u{4f1f} <z@example>", "3. Zo\u{eb} \u{160}\u{2122}"].map(str::to_owned);
        let spelled = readable(lines.to_vec());
        assert_eq!(spelled[..2], [r"1. \u{141}ukasz <l@example>", r"2. \u{5f20}\u{4f1f} <z@example>"]);
        assert_eq!(spelled[2], lines[2], "what the font has stays");
        assert!(spelled.last().is_some_and(|line| line.starts_with(r"\u{...} is the character")), "{spelled:?}");
        assert_eq!(readable(vec![lines[2].clone()]), [lines[2].clone()], "nothing to explain");
    }
}
