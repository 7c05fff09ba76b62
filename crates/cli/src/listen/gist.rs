//! What a message is about, as far as a list and a filter need it.
//!
//! Nothing here is trusted: a body that cannot be read is a message without an event's name, and is passed on all the same.

use std::borrow::Cow;

use countersign_core::{event::EventName, id::EnvelopeId};
use serde::Deserialize;

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

/// The members that are read; everything else is passed over without being kept.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Outer<'a> {
    #[serde(borrow, default)]
    event: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    data: Option<Data<'a>>,
    #[serde(borrow, default)]
    envelope_id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    status: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    generated_date_time: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Data<'a> {
    #[serde(borrow, default)]
    envelope_id: Option<Cow<'a, str>>,
}

impl Gist {
    /// Of a body as received.
    pub(crate) fn of(body: &[u8]) -> Self {
        match body.trim_ascii_start().first() {
            Some(b'{') => serde_json::from_slice(body).map_or_else(|_| Self::nothing(), |outer: Outer<'_>| Self::of_json(&outer)),
            Some(b'<') => Self::of_xml(&body[..body.len().min(XML_BYTES_MAX)]),
            _ => Self::nothing(),
        }
    }

    fn of_json(outer: &Outer<'_>) -> Self {
        let envelope = outer.data.as_ref().and_then(|data| data.envelope_id.as_deref()).or(outer.envelope_id.as_deref());
        // The aggregate form is the envelope itself.
        let event = match (outer.event.as_deref(), outer.envelope_id.as_deref(), outer.status.as_deref()) {
            (Some(event), ..) => named(event),
            (None, Some(_), Some(status)) => named(&format!("envelope-{status}")),
            _ => None,
        };
        let generated_at = outer.generated_date_time.as_deref().filter(|text| looks_like_a_time(text)).map(str::to_owned);
        Self { event: event.unwrap_or_else(unnamed), envelope: envelope.and_then(|id| id.parse().ok()), generated_at }
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
            ("no json", "hello".to_owned(), "message", false),
            ("nothing", String::new(), "message", false),
        ] {
            let gist = Gist::of(body.as_bytes());
            assert_eq!((gist.event.as_str(), gist.envelope.is_some()), (event, has_envelope), "{row}");
        }
    }
}
