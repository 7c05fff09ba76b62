//! What a message is about, as far as a list and a filter need it.
//!
//! Nothing here is trusted: a body that cannot be read is a message without an event's name, and is passed on all the same.

use std::borrow::Cow;

use countersign_core::{event::EventName, id::EnvelopeId};
use countersign_listener::message::Outline;

/// The name of an event whose message names none.
const UNNAMED: &str = "message";
/// How far a legacy XML body is looked through, in bytes: what is looked for stands before the documents.
const XML_BYTES_MAX: usize = 64 * 1024;

/// What a message is about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Gist {
    /// The event: its own name, `envelope-<status>` for messages that show an envelope's state, `message` for everything else.
    pub(crate) event: EventName,
    /// The envelope, when its id is a GUID.
    pub(crate) envelope: Option<EnvelopeId>,
    /// When the message was generated, as it says, when that looks like a time.
    pub(crate) generated_at: Option<String>,
}

impl Gist {
    /// Of a body as received.
    pub(crate) fn of(body: &[u8]) -> Self {
        match (Outline::read(body), body.trim_ascii_start().first()) {
            (Some(outline), _) => Self::of_outline(&outline),
            // In another encoding than JSON's, most of its members can be read all the same.
            (None, Some(b'{')) => match String::from_utf8_lossy(body) {
                Cow::Borrowed(_) => Self::nothing(),
                Cow::Owned(text) => Outline::read(text.as_bytes()).map_or_else(Self::nothing, |outline| Self::of_outline(&outline)),
            },
            (None, Some(b'<')) => Self::of_xml(&body[..body.len().min(XML_BYTES_MAX)]),
            (None, _) => Self::nothing(),
        }
    }

    /// Of a message in JSON whose outline is at hand.
    pub(crate) fn of_outline(outline: &Outline<'_>) -> Self {
        // The aggregate form is the envelope itself.
        let event = match (outline.event(), outline.envelope_status()) {
            (Some(event), _) => named(event),
            (None, Some(status)) => named(&format!("envelope-{status}")),
            (None, None) => None,
        };
        let generated_at = outline.generated_date_time().filter(|text| looks_like_a_time(text)).map(str::to_owned);
        Self { event: event.unwrap_or_else(unnamed), envelope: outline.envelope_id().and_then(|id| id.parse().ok()), generated_at }
    }

    /// The envelope's own status follows its id; those of its recipients stand before.
    fn of_xml(head: &[u8]) -> Self {
        let text = String::from_utf8_lossy(head);
        let Some((envelope, rest)) = element(&text, "EnvelopeID") else { return Self::nothing() };
        let event = element(rest, "Status").and_then(|(status, _)| named(&format!("envelope-{status}")));
        Self { event: event.unwrap_or_else(unnamed), envelope: envelope.parse().ok(), generated_at: None }
    }

    fn nothing() -> Self {
        Self { event: unnamed(), envelope: None, generated_at: None }
    }
}

/// As Connect writes them: `2026-11-22T10:00:00.0000000Z`, with more or fewer digits.
fn looks_like_a_time(text: &str) -> bool {
    (19..=40).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit() || b"-+:.TZ".contains(&byte))
}

fn named(text: &str) -> Option<EventName> {
    EventName::try_new(text).ok()
}

fn unnamed() -> EventName {
    EventName::from_stored(UNNAMED.to_owned())
}

/// The text of the first element of that name, and what follows it.
fn element<'t>(text: &'t str, name: &str) -> Option<(&'t str, &'t str)> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    rest.split_once(&format!("</{name}>"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_generation_is_kept_when_it_is_one() {
        for (text, kept) in [
            ("2026-11-22T10:00:00.0000000Z", true),
            ("2026-11-22T10:00:00+02:00", true),
            ("yesterday", false),
            ("2026-11-22T10:00:00 or\\nso", false),
            ("2026-11-22T10:00:00.00000000000000000000000000Z", false),
        ] {
            let body = format!(r#"{{"event":"envelope-sent","generatedDateTime":"{text}"}}"#);
            assert_eq!(Gist::of(body.as_bytes()).generated_at.is_some(), kept, "{text}");
        }
    }

    #[test]
    fn a_message_in_another_encoding_says_what_it_is_about() {
        assert_eq!(Gist::of(b"{\"event\":\"envelope-sent\",\"data\":{\"name\":\"Andr\xe9\"}}").event, EventName::ENVELOPE_SENT);
    }

    #[test]
    fn every_form_of_message_says_what_it_is_about() {
        let envelope = "71799c95-8417-4b16-90d5-86ff24a91d09";
        for (row, body, event, has_envelope) in [
            ("sim", format!(r#"{{"event":"Envelope-Sent","data":{{"accountId":"a","envelopeId":"{envelope}"}}}}"#), "envelope-sent", true),
            (
                "recipient",
                format!(r#"{{"event":"recipient-completed","data":{{"envelopeId":"{envelope}"}}}}"#),
                "recipient-completed",
                true,
            ),
            ("aggregate", format!(r#"{{"status":"completed","envelopeId":"{envelope}","recipients":{{}}}}"#), "envelope-completed", true),
            ("template", r#"{"event":"template-created","data":{"templateId":"x"}}"#.to_owned(), "template-created", false),
            ("of the caller's own", r#"{"event":"invoice.paid","data":{"envelopeId":"not a guid"}}"#.to_owned(), "invoice.paid", false),
            (
                "xml",
                format!(
                    "<?xml version=\"1.0\"?><DocuSignEnvelopeInformation><EnvelopeStatus><RecipientStatuses><RecipientStatus>\
                     <Status>Sent</Status></RecipientStatus></RecipientStatuses><EnvelopeID>{envelope}</EnvelopeID>\
                     <Status>Voided</Status></EnvelopeStatus></DocuSignEnvelopeInformation>"
                ),
                "envelope-voided",
                true,
            ),
            ("json that names nothing", "{}".to_owned(), "message", false),
            ("a name that cannot be", r#"{"event":"a b","data":[]}"#.to_owned(), "message", false),
            ("cut off", r#"{"event":"envelope-sent""#.to_owned(), "message", false),
            ("an id that is no text", r#"{"event":"envelope-sent","envelopeId":7}"#.to_owned(), "envelope-sent", false),
            ("no json", "hello".to_owned(), "message", false),
            ("nothing", String::new(), "message", false),
        ] {
            let gist = Gist::of(body.as_bytes());
            assert_eq!((gist.event.as_str(), gist.envelope.is_some()), (event, has_envelope), "{row}");
        }
    }
}
