//! The people of an envelope: who they are, when their turn is and what became of it.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::tab::Tab;
use crate::{id::UserId, time::Timestamp};

/// What is asked of a recipient.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RecipientKind {
    /// Signs.
    Signer,
    /// Is told, and is done by being told.
    CarbonCopy,
    /// Has to open it, and is done by opening it.
    CertifiedDelivery,
    /// Signs on the device of a host.
    InPersonSigner,
}

impl RecipientKind {
    /// The word, as stored and shown.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Signer => "signer",
            Self::CarbonCopy => "carbon-copy",
            Self::CertifiedDelivery => "certified-delivery",
            Self::InPersonSigner => "in-person-signer",
        }
    }

    /// True for those who sign and so can decline, finish later, reassign and delegate.
    #[must_use]
    pub const fn signs(self) -> bool {
        matches!(self, Self::Signer | Self::InPersonSigner)
    }
}

impl fmt::Display for RecipientKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where a recipient stands. The transient `signed` before *completed* cannot be observed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RecipientStatus {
    /// Not their turn yet.
    #[default]
    Created,
    /// Their turn: invited.
    Sent,
    /// They have opened it.
    Delivered,
    /// They are done.
    Completed,
    /// They declined.
    Declined,
    /// Their mail bounced or answered by itself.
    AutoResponded,
}

impl RecipientStatus {
    /// The word, as stored, shown and sent.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Sent => "sent",
            Self::Delivered => "delivered",
            Self::Completed => "completed",
            Self::Declined => "declined",
            Self::AutoResponded => "autoresponded",
        }
    }

    /// True while it is their turn.
    #[must_use]
    pub const fn is_current(self) -> bool {
        matches!(self, Self::Sent | Self::Delivered | Self::AutoResponded)
    }

    /// True when they can do nothing more.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Declined)
    }
}

impl fmt::Display for RecipientStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A name and an address.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Person {
    /// Full name.
    pub name: String,
    /// Mail address.
    pub email: String,
}

/// How a recipient came to be on the envelope.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CreationReason {
    /// The sender put them there.
    #[default]
    Sender,
    /// Another recipient handed it to them.
    Reassigned,
    /// A delegation rule of another recipient.
    Delegated,
}

impl CreationReason {
    /// The word, as stored and sent.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sender => "sender",
            Self::Reassigned => "reassigned",
            Self::Delegated => "delegated",
        }
    }
}

/// Somebody on an envelope.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Recipient {
    /// The id that the caller chose, such as `1`. Unique within the envelope.
    pub id: String,
    /// Their id for us.
    pub guid: Uuid,
    /// The user behind the address, when there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<UserId>,
    /// What is asked of them.
    pub kind: RecipientKind,
    /// Who they are; for an in-person signer the one who signs. Both parts may be empty in drafts and templates.
    pub person: Person,
    /// Whose device an in-person signer signs on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<Person>,
    /// Their role in the template they come from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// Their place in the queue, from 1; equal numbers act at the same time.
    pub order: u32,
    /// Set for embedded recipients: the id by which the sender's application knows them. They get no mail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_user_id: Option<String>,
    /// A private note to them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// How they came to be here.
    #[serde(default)]
    pub reason: CreationReason,
    /// Where they stand.
    #[serde(default)]
    pub status: RecipientStatus,
    /// When their turn came, latest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_at: Option<Timestamp>,
    /// When they opened it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivered_at: Option<Timestamp>,
    /// When they finished. Carbon copies have none: they never sign.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_at: Option<Timestamp>,
    /// When they declined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub declined_at: Option<Timestamp>,
    /// Why they declined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub declined_reason: Option<String>,
    /// What their mail system answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub autoresponded_reason: Option<String>,
    /// When they last failed to prove who they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authentication_failed_at: Option<Timestamp>,
    /// Who delegated to them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delegated_by: Option<Person>,
    /// To whom they delegated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delegated_to: Option<Person>,
    /// Where they last acted from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip_address: Option<String>,
    /// Their fields.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tabs: Vec<Tab>,
    /// Everything else that was given (access codes, phone authentication and the like), echoed as it came.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub extra: Map<String, Value>,
}

impl Recipient {
    /// A recipient whose turn has not come.
    #[must_use]
    pub fn new(id: impl Into<String>, guid: Uuid, kind: RecipientKind, person: Person, order: u32) -> Self {
        Self {
            id: id.into(),
            guid,
            user: None,
            kind,
            person,
            host: None,
            role: None,
            order,
            client_user_id: None,
            note: None,
            reason: CreationReason::Sender,
            status: RecipientStatus::Created,
            sent_at: None,
            delivered_at: None,
            signed_at: None,
            declined_at: None,
            declined_reason: None,
            autoresponded_reason: None,
            authentication_failed_at: None,
            delegated_by: None,
            delegated_to: None,
            ip_address: None,
            tabs: Vec::new(),
            extra: Map::new(),
        }
    }

    /// True when they have opened it, or never had to: a carbon copy has seen it by being told.
    #[must_use]
    pub fn has_seen_it(&self) -> bool {
        self.delivered_at.is_some() || self.status == RecipientStatus::Completed
    }

    /// Puts them back to where their turn has not come, keeping who they are and what they wrote.
    pub(crate) fn rewind(&mut self) {
        self.status = RecipientStatus::Created;
        self.sent_at = None;
        self.delivered_at = None;
        self.signed_at = None;
        self.declined_at = None;
        self.declined_reason = None;
        self.autoresponded_reason = None;
        self.authentication_failed_at = None;
    }
}
