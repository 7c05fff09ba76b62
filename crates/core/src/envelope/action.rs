//! What can be done to an envelope, and by whom.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use uuid::Uuid;

use super::{
    custom_field::CustomField,
    document::{Attachment, Document},
    notification::Notification,
    purge::PurgeScope,
    recipient::{Person, Recipient},
    state::EmailSettings,
    tab::Tab,
};
use crate::id::UserId;

/// Who does something, for the audit trail.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Actor {
    /// Name, as shown.
    pub name: String,
    /// The user, when it is one.
    pub user: Option<UserId>,
    /// From where.
    pub ip_address: Option<String>,
    /// By which way in.
    pub source: Source,
}

/// By which way in something was done.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Source {
    /// The REST interface.
    #[default]
    Api,
    /// The pages.
    Web,
    /// The signing page.
    Signing,
    /// A timer.
    System,
}

impl Source {
    /// The word, as stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Web => "web",
            Self::Signing => "signing",
            Self::System => "system",
        }
    }
}

/// An action with who does it and the lock they hold.
#[derive(Clone, PartialEq, Debug)]
pub struct Command {
    /// What.
    pub action: Action,
    /// By whom.
    pub by: Actor,
    /// The token of the lock that the caller says to hold.
    pub lock_token: Option<Uuid>,
}

impl From<Action> for Command {
    fn from(action: Action) -> Self {
        Self { action, by: Actor::default(), lock_token: None }
    }
}

impl Command {
    /// The same, done by this actor.
    #[must_use]
    pub fn by(self, by: Actor) -> Self {
        Self { by, ..self }
    }

    /// The same, under the lock with this token.
    #[must_use]
    pub fn holding(self, lock_token: Option<Uuid>) -> Self {
        Self { lock_token, ..self }
    }
}

/// What can be done to an envelope.
#[derive(Clone, PartialEq, Debug)]
pub enum Action {
    /// Send a draft.
    Send,
    /// Change what is in it: all of these or none.
    Edit(Vec<Edit>),
    /// Withdraw it from its recipients.
    Void {
        /// Why; not empty.
        reason: String,
    },
    /// Send the invitation again.
    Resend {
        /// To these, by id; empty for all whose turn it is.
        to: Vec<String>,
    },
    /// Lock it for correction.
    Lock(LockRequest),
    /// Let a lock last this many seconds from now.
    ExtendLock(u32),
    /// Release the lock; a correction when something was changed under it.
    Unlock,
    /// Take back a lock whose time is over.
    EndLock,
    /// Move to the bin: a draft is discarded, what is in process is voided first.
    Delete,
    /// Remove from the bin for good.
    Remove,
    /// Put into the purge queue.
    QueuePurge(PurgeScope),
    /// Take out of the purge queue.
    DequeuePurge,
    /// Purge what has waited long enough.
    Purge,
    /// Void it because its time is over.
    Expire,
    /// Tell recipients that its time is nearly over.
    WarnOfExpiry,
    /// Remind those whose turn it is.
    Remind,
    /// Something a recipient does.
    Recipient {
        /// Who, by id.
        id: String,
        /// What.
        does: RecipientAction,
    },
}

/// What a recipient writes, ticks and chooses, by the label of the tab.
pub type TabValues = BTreeMap<String, String>;

/// What a recipient can do, or what can happen to one.
#[derive(Clone, PartialEq, Debug)]
pub enum RecipientAction {
    /// Open the documents.
    View,
    /// Finish. Values by label; opens it too when that has not happened.
    Complete(TabValues),
    /// Decline.
    Decline {
        /// Why.
        reason: Option<String>,
    },
    /// Put it off. Values by label are kept.
    FinishLater(TabValues),
    /// Fail the identity check with all tries used.
    FailAuthentication,
    /// The mail bounced or was answered by a machine.
    AutoRespond {
        /// What it said.
        reason: Option<String>,
    },
    /// Hand it to somebody else.
    Reassign(Successor),
    /// Have it handed to somebody else by a delegation rule.
    Delegate(Successor),
}

/// Who takes a recipient's place.
#[derive(Clone, PartialEq, Debug)]
pub struct Successor {
    /// The id they get; not one that is there already.
    pub id: String,
    /// Their id for us.
    pub guid: Uuid,
    /// The user behind the address, when there is one.
    pub user: Option<UserId>,
    /// Who they are.
    pub person: Person,
}

/// A lock to be taken.
#[derive(Clone, PartialEq, Debug)]
pub struct LockRequest {
    /// The token it gets.
    pub token: Uuid,
    /// Who takes it.
    pub owner: UserId,
    /// Name and address of that user.
    pub owner_person: Person,
    /// The application that takes it.
    pub app: String,
    /// For how long, in seconds, 1 to [`super::lock::LOCK_SECONDS_MAX`].
    pub duration_secs: u32,
    /// Echoed.
    pub scratch_pad: bool,
}

/// One change of what is in an envelope.
#[derive(Clone, PartialEq, Debug)]
pub enum Edit {
    /// A new subject.
    Subject(String),
    /// A new text for the mails.
    Blurb(String),
    /// A further recipient.
    AddRecipient(Box<Recipient>),
    /// Other particulars of one.
    ChangeRecipient {
        /// Who, by id.
        id: String,
        /// What.
        change: Box<RecipientChange>,
    },
    /// One fewer.
    RemoveRecipient(String),
    /// A tab for a recipient: a further one, or a new form of the one with its id.
    PutTab {
        /// Whose, by id.
        recipient: String,
        /// The tab.
        tab: Box<Tab>,
    },
    /// One tab fewer.
    RemoveTab {
        /// Whose, by id.
        recipient: String,
        /// Which.
        tab: Uuid,
    },
    /// A further document, or a new form of the one with its id.
    PutDocument(Box<Document>),
    /// One fewer.
    RemoveDocument(String),
    /// A further custom field, or a new form of the one with its id.
    PutCustomField(CustomField),
    /// One fewer.
    RemoveCustomField(String),
    /// A further attachment, or a new form of the one with its id.
    PutAttachment(Attachment),
    /// One fewer.
    RemoveAttachment(String),
    /// Other reminders and expiry.
    Notification(Notification),
    /// Another reply address and blind copies.
    EmailSettings(Option<EmailSettings>),
    /// Other echoed properties, laid over those that are there; null takes one away.
    Extra(Map<String, Value>),
}

/// Other particulars of a recipient; `None` leaves what is there.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct RecipientChange {
    /// Another name.
    pub name: Option<String>,
    /// Another address. Who had been invited at the old one is invited again.
    pub email: Option<String>,
    /// Another user.
    pub user: Option<UserId>,
    /// Another place in the queue.
    pub order: Option<u32>,
    /// Embedded (or, when empty, no longer).
    pub client_user_id: Option<String>,
    /// Another note.
    pub note: Option<String>,
    /// Another role.
    pub role: Option<String>,
    /// Another host.
    pub host: Option<Person>,
    /// Other echoed properties, laid over those that are there; null takes one away.
    pub extra: Map<String, Value>,
}
