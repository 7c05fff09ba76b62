//! The recipients of an envelope.

use serde::{Deserialize, Serialize};

use super::{
    More,
    scalar::{Count, list},
};

/// The recipients of an envelope, by what they do. All lists are there on the wire, most of them empty.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct Recipients {
    /// Sign.
    #[serde(deserialize_with = "list", skip_serializing_if = "Vec::is_empty")]
    pub signers: Vec<Recipient>,
    /// Add recipients.
    #[serde(deserialize_with = "list", skip_serializing_if = "Vec::is_empty")]
    pub agents: Vec<Recipient>,
    /// Change recipients.
    #[serde(deserialize_with = "list", skip_serializing_if = "Vec::is_empty")]
    pub editors: Vec<Recipient>,
    /// Fill in recipients behind them.
    #[serde(deserialize_with = "list", skip_serializing_if = "Vec::is_empty")]
    pub intermediaries: Vec<Recipient>,
    /// Get a copy.
    #[serde(deserialize_with = "list", skip_serializing_if = "Vec::is_empty")]
    pub carbon_copies: Vec<Recipient>,
    /// Confirm that they got it.
    #[serde(deserialize_with = "list", skip_serializing_if = "Vec::is_empty")]
    pub certified_deliveries: Vec<Recipient>,
    /// Sign at a host's device.
    #[serde(deserialize_with = "list", skip_serializing_if = "Vec::is_empty")]
    pub in_person_signers: Vec<Recipient>,
    /// Seal with an organisation's certificate.
    #[serde(deserialize_with = "list", skip_serializing_if = "Vec::is_empty")]
    pub seals: Vec<Recipient>,
    /// Witness a signature.
    #[serde(deserialize_with = "list", skip_serializing_if = "Vec::is_empty")]
    pub witnesses: Vec<Recipient>,
    /// Notarise.
    #[serde(deserialize_with = "list", skip_serializing_if = "Vec::is_empty")]
    pub notaries: Vec<Recipient>,
    /// How many there are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recipient_count: Option<Count>,
    /// The routing order whose turn it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current_routing_order: Option<Count>,
    /// Everything else, later kinds of recipients among it.
    #[serde(flatten)]
    pub more: More,
}

/// A recipient.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Recipient {
    /// The id that the sender of the envelope chose (`"1"`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recipient_id: Option<Count>,
    /// The id that the service gave.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recipient_id_guid: Option<String>,
    /// The name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// `created`, `sent`, `delivered`, `signed`, `completed`, `declined` or `autoresponded`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// When its turn comes; recipients of the same number go together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub routing_order: Option<Count>,
    /// The role of the template that it fills.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role_name: Option<String>,
    /// Set when it signs within the sender's application.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_user_id: Option<Count>,
    /// Its turn came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sent_date_time: Option<String>,
    /// It opened the documents.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delivered_date_time: Option<String>,
    /// It signed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signed_date_time: Option<String>,
    /// It declined.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub declined_date_time: Option<String>,
    /// Why it declined.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub declined_reason: Option<String>,
    /// Everything else, tabs among it.
    #[serde(flatten)]
    pub more: More,
}

impl Recipients {
    /// All recipients of the kinds named here, signers first.
    pub fn all(&self) -> impl Iterator<Item = &Recipient> {
        let Self { signers, agents, editors, intermediaries, carbon_copies, .. } = self;
        let Self { certified_deliveries, in_person_signers, seals, witnesses, notaries, .. } = self;
        let first = [signers, agents, editors, intermediaries, carbon_copies];
        first.into_iter().chain([certified_deliveries, in_person_signers, seals, witnesses, notaries]).flatten()
    }
}
