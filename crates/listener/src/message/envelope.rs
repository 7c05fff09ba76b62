//! The state of an envelope: `envelopeSummary` of an event, and the whole body of JSON aggregate.

use serde::{Deserialize, Serialize};

use super::{
    More,
    document::EnvelopeDocument,
    recipient::Recipients,
    scalar::{Count, Flag, list},
};

/// An envelope as it was when the message was made. Of the sixty members that Connect publishes, those that applications read have names;
/// the rest is in `more`. Times are UTC text (`2022-09-22T15:19:24.5Z`).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct EnvelopeSummary {
    /// `created`, `sent`, `delivered`, `signed`, `completed`, `declined`, `voided` or `deleted`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// The envelope.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub envelope_id: Option<String>,
    /// The subject of the mail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email_subject: Option<String>,
    /// The text of the mail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email_blurb: Option<String>,
    /// Made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_date_time: Option<String>,
    /// Last changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_modified_date_time: Option<String>,
    /// Sent for the first time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initial_sent_date_time: Option<String>,
    /// Sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sent_date_time: Option<String>,
    /// Opened by all recipients.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delivered_date_time: Option<String>,
    /// Finished by all recipients.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completed_date_time: Option<String>,
    /// Declined.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub declined_date_time: Option<String>,
    /// Voided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub voided_date_time: Option<String>,
    /// Why it was voided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub voided_reason: Option<String>,
    /// The status last changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status_changed_date_time: Option<String>,
    /// Who sent it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sender: Option<Person>,
    /// To whom (`recipients` in `includeData`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recipients: Option<Recipients>,
    /// Fields of the sender's own (`custom_fields` in `includeData`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub custom_fields: Option<CustomFields>,
    /// The documents (`documents` in `includeData`).
    #[serde(default, deserialize_with = "list", skip_serializing_if = "Vec::is_empty")]
    pub envelope_documents: Vec<EnvelopeDocument>,
    /// `unpurged`, `documents_queued` and others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub purge_state: Option<String>,
    /// Whether it expires.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expire_enabled: Option<Flag>,
    /// When it expires.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expire_date_time: Option<String>,
    /// After how many days it expires.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expire_after: Option<Count>,
    /// Everything else.
    #[serde(flatten)]
    pub more: More,
}

/// A user of an account.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Person {
    /// The name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_name: Option<String>,
    /// The user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// The account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account_id: Option<String>,
    /// The address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub more: More,
}

/// Fields of the sender's own.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct CustomFields {
    /// With any text.
    #[serde(default, deserialize_with = "list", skip_serializing_if = "Vec::is_empty")]
    pub text_custom_fields: Vec<CustomField>,
    /// With one of a list.
    #[serde(default, deserialize_with = "list", skip_serializing_if = "Vec::is_empty")]
    pub list_custom_fields: Vec<CustomField>,
    /// Everything else.
    #[serde(flatten)]
    pub more: More,
}

/// A field of the sender's own.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct CustomField {
    /// Its id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field_id: Option<Count>,
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Whether recipients see it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub show: Option<Flag>,
    /// Whether it must have a value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub required: Option<Flag>,
    /// Everything else.
    #[serde(flatten)]
    pub more: More,
}
