//! What a message says of itself outermost, read in one pass and left where it stands.

use std::{borrow::Cow, collections::BTreeMap};

use serde::Deserialize;
use serde_json::value::RawValue;

/// The outermost members of a message in JSON: enough to recognise it ([`ReplayKey`](crate::ReplayKey)) and to tell what it is about, at a
/// fraction of what [`Message`](super::Message) costs. Nothing is copied but text with escapes in it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Outline<'b> {
    #[serde(borrow, default)]
    event: Option<Text<'b>>,
    #[serde(borrow, default)]
    generated_date_time: Option<Text<'b>>,
    #[serde(borrow, default)]
    configuration_id: Option<&'b RawValue>,
    #[serde(borrow, default)]
    data: Option<BTreeMap<Text<'b>, &'b RawValue>>,
    #[serde(borrow, default)]
    envelope_id: Option<&'b RawValue>,
    #[serde(borrow, default)]
    status: Option<&'b RawValue>,
}

/// Text of the body. A type of its own, since `Cow` alone is copied where it stands inside of something else.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
struct Text<'b>(#[serde(borrow)] Cow<'b, str>);

impl<'b> Outline<'b> {
    /// Reads a body; `None` when it is no JSON object, or its `event`, `generatedDateTime` or `data` are of another type than Connect's.
    ///
    /// ```
    /// use countersign_listener::message::Outline;
    ///
    /// let outline = Outline::read(br#"{"event":"envelope-sent","data":{"envelopeId":"71799c95"}}"#).expect("an object");
    /// assert_eq!(outline.event(), Some("envelope-sent"));
    /// assert_eq!(outline.envelope_id().as_deref(), Some("71799c95"));
    /// ```
    #[must_use]
    pub fn read(body: &'b [u8]) -> Option<Self> {
        if body.trim_ascii_start().first() != Some(&b'{') {
            return None;
        }
        // Looking at text once is cheaper than at each of its pieces.
        serde_json::from_str(std::str::from_utf8(body).ok()?).ok()
    }

    /// The event's name.
    #[must_use]
    pub fn event(&self) -> Option<&str> {
        self.event.as_ref().map(|text| &*text.0)
    }

    /// When the message was made, as it says.
    #[must_use]
    pub fn generated_date_time(&self) -> Option<&str> {
        self.generated_date_time.as_ref().map(|text| &*text.0)
    }

    /// The envelope's id: that in `data`, or that of a message which is the envelope itself (Connect: JSON aggregate).
    #[must_use]
    pub fn envelope_id(&self) -> Option<Cow<'b, str>> {
        let within = self.data.as_ref().and_then(|data| data.get(&Text(Cow::Borrowed("envelopeId"))).copied());
        within.and_then(text).or_else(|| self.envelope_id.and_then(text))
    }

    /// The state of the envelope that the message is (Connect: JSON aggregate); `None` of any other message.
    #[must_use]
    pub fn envelope_status(&self) -> Option<Cow<'b, str>> {
        self.envelope_id.and_then(text)?;
        self.status.and_then(text)
    }

    pub(crate) fn configuration_id(&self) -> Option<&'b str> {
        self.configuration_id.map(RawValue::get)
    }

    /// The members of `data` as they are written, in the order of their names.
    pub(crate) fn data(&self) -> Option<impl Iterator<Item = (&str, &'b str)> + Clone> {
        self.data.as_ref().map(|data| data.iter().map(|(name, value)| (&*name.0, value.get())))
    }
}

fn text(value: &RawValue) -> Option<Cow<'_, str>> {
    serde_json::from_str::<Text<'_>>(value.get()).ok().map(|text| text.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_told_wherever_they_stand() {
        for (row, body, event, envelope, status) in [
            ("one event", r#"{"event":"a","data":{"envelopeId":"e"}}"#, Some("a"), Some("e"), None),
            ("aggregate", r#"{"status":"sent","envelopeId":"e","data":null}"#, None, Some("e"), Some("sent")),
            ("a state of something else", r#"{"event":"a","status":"sent"}"#, Some("a"), None, None),
            ("an id that is no text", r#"{"event":"a","envelopeId":7,"data":{"envelopeId":[]}}"#, Some("a"), None, None),
            ("escapes", r#"{"event":"\u0061","data":{"envelope\u0049d":"\u0065"}}"#, Some("a"), Some("e"), None),
        ] {
            let outline = Outline::read(body.as_bytes()).unwrap_or_else(|| panic!("{row}"));
            assert_eq!(
                (outline.event(), outline.envelope_id().as_deref(), outline.envelope_status().as_deref()),
                (event, envelope, status),
                "{row}"
            );
        }
    }

    #[test]
    fn what_has_no_outline_is_none() {
        for body in [&b""[..], b"[]", b"<a/>", b"{", br#"{"event":7}"#, br#"{"data":[]}"#, b"{\"event\":\"\xe9\"}"] {
            assert!(Outline::read(body).is_none(), "{}", String::from_utf8_lossy(body));
        }
    }

    #[test]
    fn text_without_escapes_is_left_where_it_stands() {
        let outline = Outline::read(br#"{"event":"a","data":{"b":1}}"#).expect("an object");
        assert!(matches!(outline.event, Some(Text(Cow::Borrowed("a")))));
        assert!(outline.data.expect("an object").into_keys().all(|name| matches!(name.0, Cow::Borrowed("b"))));
    }
}
