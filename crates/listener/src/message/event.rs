//! One event: the outer object of JSON SIM, with `data` by the family of the event.

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use serde_json::Value;

use super::{More, envelope::EnvelopeSummary, scalar::Count};

/// One event (Connect: JSON SIM event model).
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct EventMessage {
    /// Its name, such as `envelope-completed`.
    pub event: String,
    /// `v2.1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_version: Option<String>,
    /// Where the thing can be read under the REST interface, without the host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// How often it was tried before: 0 on the first attempt. The one member that differs between the attempts of a delivery.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_count: Option<Count>,
    /// The Connect configuration that asked for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub configuration_id: Option<Count>,
    /// When the message was made: UTC with seven digits of a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generated_date_time: Option<String>,
    /// What it is about.
    pub data: EventData,
    /// Everything else.
    #[serde(flatten)]
    pub more: More,
}

/// What kind of thing an event is about, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EventFamily {
    /// `envelope-*`
    Envelope,
    /// `recipient-*`
    Recipient,
    /// `template-*`
    Template,
    /// `click-*`
    Click,
    /// Any other name.
    Other,
}

/// `data` of an event, by its family.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum EventData {
    /// Of `envelope-*`.
    Envelope(Box<EnvelopeData>),
    /// Of `recipient-*`.
    Recipient(Box<RecipientData>),
    /// Of `template-*`.
    Template(TemplateData),
    /// Of `click-*`.
    Click(ClickData),
    /// Of any other event, as it came.
    Other(Value),
}

/// What an `envelope-*` event is about.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct EnvelopeData {
    /// The account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account_id: Option<String>,
    /// The sender of the envelope.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// The envelope.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub envelope_id: Option<String>,
    /// The envelope as it was; only when the configuration includes data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub envelope_summary: Option<EnvelopeSummary>,
    /// Everything else.
    #[serde(flatten)]
    pub more: More,
}

/// What a `recipient-*` event is about.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct RecipientData {
    /// The account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account_id: Option<String>,
    /// The sender of the envelope.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// The envelope.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub envelope_id: Option<String>,
    /// The recipient, by the id that the sender of the envelope chose (`"1"`), not by its GUID.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recipient_id: Option<String>,
    /// The new recipient, for `recipient-reassign`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reassigned_recipient_id: Option<String>,
    /// The envelope as it was; only when the configuration includes data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub envelope_summary: Option<EnvelopeSummary>,
    /// Everything else.
    #[serde(flatten)]
    pub more: More,
}

/// What a `template-*` event is about.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct TemplateData {
    /// The account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account_id: Option<String>,
    /// Who changed the template.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// The template.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template_id: Option<String>,
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub more: More,
}

/// What a `click-*` event is about. Connect does not publish its members; those of its own land in `more`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ClickData {
    /// The account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account_id: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub more: More,
}

impl EventMessage {
    /// What kind of thing it is about.
    #[must_use]
    pub fn family(&self) -> EventFamily {
        EventFamily::of(&self.event)
    }

    /// The account.
    #[must_use]
    pub fn account_id(&self) -> Option<&str> {
        match &self.data {
            EventData::Envelope(data) => data.account_id.as_deref(),
            EventData::Recipient(data) => data.account_id.as_deref(),
            EventData::Template(data) => data.account_id.as_deref(),
            EventData::Click(data) => data.account_id.as_deref(),
            EventData::Other(data) => data.get("accountId").and_then(Value::as_str),
        }
    }

    /// The envelope, when there is one.
    #[must_use]
    pub fn envelope_id(&self) -> Option<&str> {
        match &self.data {
            EventData::Envelope(data) => data.envelope_id.as_deref(),
            EventData::Recipient(data) => data.envelope_id.as_deref(),
            EventData::Other(data) => data.get("envelopeId").and_then(Value::as_str),
            EventData::Template(_) | EventData::Click(_) => None,
        }
    }

    /// The recipient, when there is one.
    #[must_use]
    pub fn recipient_id(&self) -> Option<&str> {
        match &self.data {
            EventData::Recipient(data) => data.recipient_id.as_deref(),
            _ => None,
        }
    }

    /// The envelope as it was, when the configuration includes data.
    #[must_use]
    pub fn envelope_summary(&self) -> Option<&EnvelopeSummary> {
        match &self.data {
            EventData::Envelope(data) => data.envelope_summary.as_ref(),
            EventData::Recipient(data) => data.envelope_summary.as_ref(),
            _ => None,
        }
    }
}

impl EventFamily {
    /// By the name of an event, compared without case.
    #[must_use]
    pub fn of(event: &str) -> Self {
        let family = event.split_once('-').map_or("", |(family, _)| family);
        let named = [("envelope", Self::Envelope), ("recipient", Self::Recipient), ("template", Self::Template), ("click", Self::Click)];
        named.into_iter().find(|(name, _)| family.eq_ignore_ascii_case(name)).map_or(Self::Other, |(_, family)| family)
    }
}

impl<'de> Deserialize<'de> for EventMessage {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        /// The same with `data` unread: the name of the event, which may come behind it, says how to read it.
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Outer {
            event: String,
            api_version: Option<String>,
            uri: Option<String>,
            retry_count: Option<Count>,
            configuration_id: Option<Count>,
            generated_date_time: Option<String>,
            data: Value,
            #[serde(flatten)]
            more: More,
        }
        let Outer { event, api_version, uri, retry_count, configuration_id, generated_date_time, data, more } =
            Outer::deserialize(deserializer)?;
        let data = EventData::read(EventFamily::of(&event), data).map_err(|error| D::Error::custom(format!("data: {error}")))?;
        Ok(Self { event, api_version, uri, retry_count, configuration_id, generated_date_time, data, more })
    }
}

impl EventData {
    fn read(family: EventFamily, data: Value) -> Result<Self, serde_json::Error> {
        Ok(match family {
            EventFamily::Envelope => Self::Envelope(serde_json::from_value(data)?),
            EventFamily::Recipient => Self::Recipient(serde_json::from_value(data)?),
            EventFamily::Template => Self::Template(serde_json::from_value(data)?),
            EventFamily::Click => Self::Click(serde_json::from_value(data)?),
            EventFamily::Other => Self::Other(data),
        })
    }
}
