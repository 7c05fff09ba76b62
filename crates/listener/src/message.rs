//! What Connect messages say, typed, with everything that has no name here kept beside it.
//!
//! Connect sends three shapes: one event (JSON SIM, the default), the state of an envelope (JSON aggregate), and the same in the older XML.
//! [`Message::try_read`] tells them apart by what they hold, not by the `Content-Type`. Booleans and numbers are sometimes text on the
//! wire; they are kept as they came ([`Flag`], [`Count`]). New members of later versions do not make a message unreadable: they land in
//! `more`.
//!
//! A signature proves who sent a message, not that what it says is true or harmless: names, subjects and reasons are written by people.

mod document;
mod envelope;
mod event;
mod outline;
mod recipient;
mod scalar;
mod xml;

pub use document::{EnvelopeDocument, NotBase64};
pub use envelope::{CustomField, CustomFields, EnvelopeSummary, Person};
pub use event::{ClickData, EnvelopeData, EventData, EventFamily, EventMessage, RecipientData, TemplateData};
pub use outline::Outline;
pub use recipient::{Recipient, Recipients};
pub use scalar::{Count, Flag};
pub use xml::{XML_DEPTH_MAX, XML_ELEMENTS_MAX, XmlElement, XmlMessage};

/// Members that have no name of their own here, as they came.
pub type More = serde_json::Map<String, serde_json::Value>;

/// A message of Connect.
///
/// ```
/// use countersign_listener::message::{EventData, Message};
///
/// let body = br#"{"event":"recipient-completed","apiVersion":"v2.1","retryCount":0,"configurationId":10363315,
///     "generatedDateTime":"2022-12-09T18:29:29.7360000Z","data":{"envelopeId":"71799c95","recipientId":"1"}}"#;
/// let Message::Event(message) = Message::try_read(body)? else { panic!("it is an event") };
/// let EventData::Recipient(data) = &message.data else { panic!("of a recipient") };
/// assert_eq!(data.recipient_id.as_deref(), Some("1"));
/// # Ok::<(), countersign_listener::message::NotAMessage>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Message {
    /// One event (Connect: JSON SIM).
    Event(Box<EventMessage>),
    /// The envelope as it was when the message was made (Connect: JSON aggregate).
    Aggregate(Box<EnvelopeSummary>),
    /// The envelope in the legacy XML.
    Xml(Box<XmlMessage>),
}

/// The body is not a message of Connect.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotAMessage {
    /// It is neither a JSON object nor XML.
    #[error("the body is neither a JSON object nor XML")]
    OtherFormat,
    /// It is no well-formed JSON, or a member has another type than Connect gives it.
    #[error("the body is not JSON as Connect writes it: {0}")]
    Json(String),
    /// It is JSON, but holds neither an event nor an envelope.
    #[error("the body has neither event and data, nor an envelopeId")]
    OtherContent,
    /// It is no well-formed XML, declares a document type, or is nested too deep or too large.
    #[error("the body is not XML as Connect writes it: {0}")]
    Xml(String),
}

impl Message {
    /// Reads a body. Costs time and memory in proportion to its length and never more; bound it before, as the layer does.
    ///
    /// # Errors
    /// [`NotAMessage`] when it is none that Connect sends.
    pub fn try_read(body: &[u8]) -> Result<Self, NotAMessage> {
        // A byte order mark has been seen on messages that went through other hands.
        let text = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body).trim_ascii_start();
        match text.first() {
            Some(b'<') => Ok(Self::Xml(Box::new(XmlMessage::try_read(text)?))),
            Some(b'{') => Self::try_read_json(text),
            _ => Err(NotAMessage::OtherFormat),
        }
    }

    fn try_read_json(text: &[u8]) -> Result<Self, NotAMessage> {
        #[derive(serde::Deserialize)]
        struct Look {
            event: Option<serde::de::IgnoredAny>,
            data: Option<serde::de::IgnoredAny>,
            #[serde(rename = "envelopeId")]
            envelope_id: Option<serde::de::IgnoredAny>,
        }
        let refused = |error: serde_json::Error| NotAMessage::Json(error.to_string());
        match serde_json::from_slice(text).map_err(refused)? {
            Look { event: Some(_), data: Some(_), .. } => {
                serde_json::from_slice(text).map(|message| Self::Event(Box::new(message))).map_err(refused)
            }
            Look { envelope_id: Some(_), .. } => {
                serde_json::from_slice(text).map(|envelope| Self::Aggregate(Box::new(envelope))).map_err(refused)
            }
            _ => Err(NotAMessage::OtherContent),
        }
    }

    /// The envelope it is about; `None` for events of templates, clickwraps and others.
    #[must_use]
    pub fn envelope_id(&self) -> Option<&str> {
        match self {
            Self::Event(message) => message.envelope_id(),
            Self::Aggregate(envelope) => envelope.envelope_id.as_deref(),
            Self::Xml(message) => message.envelope_id(),
        }
    }
}
