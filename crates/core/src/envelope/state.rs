//! The envelope itself: one value that holds all that is known of it, and nothing that is kept elsewhere.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    audit::AuditTrail,
    custom_field::CustomField,
    document::{Attachment, Content, Document, Renderings},
    lock::Lock,
    notification::Notification,
    purge::Purge,
    recipient::{Person, Recipient},
    status::EnvelopeStatus,
    tab::Tab,
};
use crate::{
    id::{AccountGuid, EnvelopeId, TemplateId, UserId},
    time::Timestamp,
};

/// Who sends an envelope.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Sender {
    /// The user.
    pub user: UserId,
    /// Name and address.
    pub person: Person,
    /// From where it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip_address: Option<String>,
}

/// When an envelope reached what. Dates never go back, even when the clock does.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct EnvelopeDates {
    /// Made.
    pub created_at: Timestamp,
    /// Last changed in any way.
    pub modified_at: Timestamp,
    /// Its status last changed.
    pub status_changed_at: Timestamp,
    /// First sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initial_sent_at: Option<Timestamp>,
    /// An invitation last went out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_at: Option<Timestamp>,
    /// All had opened it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivered_at: Option<Timestamp>,
    /// All were done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<Timestamp>,
    /// Somebody declined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub declined_at: Option<Timestamp>,
    /// Withdrawn or expired.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub voided_at: Option<Timestamp>,
    /// Moved to the bin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted_at: Option<Timestamp>,
    /// Removed from the bin for good: nothing of what was in it is left, and nobody is shown it any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removed_at: Option<Timestamp>,
    /// The last reminder went out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reminded_at: Option<Timestamp>,
    /// Recipients were warned of expiry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warned_at: Option<Timestamp>,
}

/// Whom answers go to and who gets a blind copy.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct EmailSettings {
    /// Replaces the sender's address in mails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_email: Option<String>,
    /// Replaces the sender's name in mails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_name: Option<String>,
    /// Addresses of blind copies, each with its id.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blind_copies: Vec<BlindCopy>,
}

/// An address that gets a blind copy of mails.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct BlindCopy {
    /// Its id.
    pub id: String,
    /// The address.
    pub email: String,
}

/// A template an envelope was made from.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AppliedTemplate {
    /// The template.
    pub id: TemplateId,
    /// Its name at that time.
    pub name: String,
    /// The first document it brought.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document_id: Option<String>,
}

/// An envelope: documents, the people who sign them, and where it stands.
///
/// Serialised to compact JSON it is what the store keeps and what the snapshot of an event is. The bytes of documents
/// are not in it. Properties that Connect echoes and nothing here acts on are in `extra`, under Connect's own names.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Envelope {
    /// Its id.
    pub id: EnvelopeId,
    /// The account it belongs to.
    pub account: AccountGuid,
    /// Who sends it.
    pub sender: Sender,
    /// Where it stands.
    pub status: EnvelopeStatus,
    /// When it reached what.
    pub dates: EnvelopeDates,
    /// The subject of the mails.
    #[serde(default)]
    pub subject: String,
    /// The text of the mails.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub blurb: String,
    /// The people, in the order given.
    #[serde(default)]
    pub recipients: Vec<Recipient>,
    /// The documents, in the order given.
    #[serde(default)]
    pub documents: Vec<Document>,
    /// What was made of the documents at completion.
    #[serde(default, skip_serializing_if = "Renderings::is_empty")]
    pub renderings: Renderings,
    /// Files beside the documents.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Attachment>,
    /// The sender's own names and values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub custom_fields: Vec<CustomField>,
    /// Reminders and expiry.
    #[serde(default)]
    pub notification: Notification,
    /// Reply address and blind copies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email_settings: Option<EmailSettings>,
    /// Why it was voided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub void_reason: Option<String>,
    /// The lock under which it is being corrected; one whose time is over counts as none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lock: Option<Lock>,
    /// How far purging has come.
    #[serde(default)]
    pub purge: Purge,
    /// The templates it was made from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub templates: Vec<AppliedTemplate>,
    /// What was done to it.
    #[serde(default, skip_serializing_if = "AuditTrail::is_empty")]
    pub audit: AuditTrail,
    /// Everything else that was given, echoed as it came.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub extra: Map<String, Value>,
}

/// The folder of the sender that an envelope is seen in; follows from its status.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Folder {
    /// Drafts.
    Drafts,
    /// Whatever was sent.
    Sent,
    /// The bin.
    Bin,
}

impl Envelope {
    /// The recipient of this id.
    #[must_use]
    pub fn recipient(&self, id: &str) -> Option<&Recipient> {
        self.recipients.iter().find(|r| r.id == id)
    }

    /// The document of this id, the certificate included.
    #[must_use]
    pub fn document(&self, id: &str) -> Option<&Document> {
        self.documents.iter().chain(&self.renderings.certificate).find(|d| d.id == id)
    }

    /// The order whose turn it is: the lowest that somebody has not finished; `None` when all have.
    #[must_use]
    pub fn current_order(&self) -> Option<u32> {
        self.recipients.iter().filter(|r| !r.status.is_final()).map(|r| r.order).min()
    }

    /// When it expires, if it was ever sent and is set to.
    #[must_use]
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.dates.initial_sent_at.and_then(|at| self.notification.expirations.expires_at(at))
    }

    /// The folder it is seen in.
    #[must_use]
    pub fn folder(&self) -> Folder {
        match self.status {
            EnvelopeStatus::Created => Folder::Drafts,
            EnvelopeStatus::Deleted => Folder::Bin,
            _ => Folder::Sent,
        }
    }

    /// The lock, as long as it holds.
    #[must_use]
    pub fn lock_at(&self, now: Timestamp) -> Option<&Lock> {
        self.lock.as_ref().filter(|lock| lock.holds_at(now))
    }

    /// The bytes it refers to: documents, what was made of them, attachments. Purged ones are no longer among them.
    pub fn contents(&self) -> impl Iterator<Item = Content> {
        let documents = self.documents.iter().chain(&self.renderings.certificate).flat_map(|d| d.content.into_iter().chain(d.drawn));
        let renderings = self.renderings.combined.into_iter().chain(self.renderings.archive);
        documents.chain(renderings).chain(self.attachments.iter().filter_map(|a| a.content))
    }

    /// The domains of its recipients' addresses, lower case, each once: whom Recipient Connect listens to.
    #[must_use]
    pub fn recipient_domains(&self) -> Vec<String> {
        let domain = |r: &Recipient| r.person.email.rsplit_once('@').map(|(_, domain)| domain.to_lowercase());
        let mut domains: Vec<String> = self.recipients.iter().filter_map(domain).collect();
        domains.sort();
        domains.dedup();
        domains
    }

    /// True when a recipient changed what the sender had put into a field.
    #[must_use]
    pub fn has_changed_data(&self) -> bool {
        self.recipients.iter().flat_map(|r| &r.tabs).any(Tab::is_changed)
    }
}
