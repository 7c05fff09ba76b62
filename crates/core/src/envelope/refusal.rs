//! Why an envelope does not let itself be changed so.

use std::fmt;

use super::{
    purge::Purge,
    recipient::{RecipientKind, RecipientStatus},
    status::EnvelopeStatus,
    tab::BadTabValue,
};
use crate::time::Timestamp;

/// What was asked for, for messages and for telling refusals apart.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Verb {
    /// Send a draft.
    Send,
    /// Change what is in it.
    Edit,
    /// Void.
    Void,
    /// Send the mails again.
    Resend,
    /// Lock it for correction.
    Lock,
    /// Move to the bin.
    Delete,
    /// Remove for good.
    Remove,
    /// Put into or take out of the purge queue, or purge.
    Purge,
    /// Let it expire, or warn of that.
    Expire,
    /// Remind.
    Remind,
    /// A recipient opens it.
    View,
    /// A recipient finishes.
    Complete,
    /// A recipient declines.
    Decline,
    /// A recipient puts it off.
    FinishLater,
    /// A recipient fails the identity check.
    FailAuthentication,
    /// A recipient's mail system answers.
    AutoRespond,
    /// A recipient hands it to somebody else.
    Reassign,
    /// A delegation rule hands it to somebody else.
    Delegate,
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Send => "sent",
            Self::Edit => "changed",
            Self::Void => "voided",
            Self::Resend => "resent",
            Self::Lock => "locked",
            Self::Delete => "deleted",
            Self::Remove => "removed",
            Self::Purge => "purged",
            Self::Expire => "expired",
            Self::Remind => "reminded of",
            Self::View => "viewed",
            Self::Complete => "completed",
            Self::Decline => "declined",
            Self::FinishLater => "put off",
            Self::FailAuthentication => "refused to an unproven recipient",
            Self::AutoRespond => "auto-responded to",
            Self::Reassign => "reassigned",
            Self::Delegate => "delegated",
        })
    }
}

/// What an envelope lacks before it can be sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Missing {
    /// A subject.
    Subject,
    /// A document.
    Documents,
    /// A recipient.
    Recipients,
    /// The name of this recipient.
    Name(String),
    /// The address of this recipient.
    Email(String),
    /// The host of this in-person signer.
    Host(String),
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Subject => f.write_str("a subject"),
            Self::Documents => f.write_str("a document"),
            Self::Recipients => f.write_str("a recipient"),
            Self::Name(id) => write!(f, "a name for recipient {id}"),
            Self::Email(id) => write!(f, "an email address for recipient {id}"),
            Self::Host(id) => write!(f, "a host name and email address for in-person signer {id}"),
        }
    }
}

/// Why nothing was changed. Each names who or what is at fault, so that an interface can give its own code for it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The envelope is in no state for that.
    #[error("an envelope in status '{status}' cannot be {verb}")]
    WrongStatus {
        /// What was asked for.
        verb: Verb,
        /// Where the envelope stands.
        status: EnvelopeStatus,
    },
    /// Voiding needs a reason.
    #[error("voiding an envelope needs a reason")]
    VoidReasonMissing,
    /// It cannot be sent as it is.
    #[error("the envelope is not complete: it lacks {0}")]
    Incomplete(Missing),
    /// No recipient has this id.
    #[error("the envelope has no recipient '{0}'")]
    UnknownRecipient(String),
    /// It is not this recipient's turn yet.
    #[error("it is not the turn of recipient '{0}' yet")]
    NotInSequence(String),
    /// The recipient is in no state for that.
    #[error("recipient '{recipient}' is '{status}'; the envelope can no longer be {verb} there")]
    RecipientStatus {
        /// Who.
        recipient: String,
        /// What was asked for.
        verb: Verb,
        /// Where they stand.
        status: RecipientStatus,
    },
    /// A recipient of that kind does not do that.
    #[error("recipient '{recipient}' is a {kind}; an envelope cannot be {verb} by one")]
    WrongKind {
        /// Who.
        recipient: String,
        /// What was asked for.
        verb: Verb,
        /// What they are.
        kind: RecipientKind,
    },
    /// An id that is empty or longer than [`super::ID_CHARS_MAX`].
    #[error("the id of a {what} has 1 to 100 characters")]
    BadId {
        /// `recipient`, `document`, `custom field` or `attachment`.
        what: &'static str,
    },
    /// Two recipients, documents, tabs or fields with one id.
    #[error("{what} '{id}' is there already")]
    Duplicate {
        /// `recipient`, `document`, `tab`, `custom field` or `attachment`.
        what: &'static str,
        /// The id.
        id: String,
    },
    /// No document, tab, custom field or attachment has this id.
    #[error("there is no {what} '{id}'")]
    Unknown {
        /// `document`, `tab`, `custom field` or `attachment`.
        what: &'static str,
        /// The id.
        id: String,
    },
    /// Documents are fixed once somebody has signed them.
    #[error("recipient '{0}' has signed; documents can no longer be changed")]
    AlreadySigned(String),
    /// A tab does not take that value.
    #[error("the tab '{label}' does not take that value: {reason}")]
    TabValue {
        /// Its label.
        label: String,
        /// Why not.
        reason: BadTabValue,
    },
    /// The recipient has to fill this in first.
    #[error("the required tab '{0}' is empty")]
    TabRequired(String),
    /// An address that is none.
    #[error("'{email}' of recipient '{recipient}' is not an email address")]
    BadEmail {
        /// Who.
        recipient: String,
        /// The text.
        email: String,
    },
    /// Reminder or expiry settings that make no sense.
    #[error("reminders and expiry take 0 to 999 days, an enabled expiry at least 1")]
    BadNotification,
    /// An order of 0, which no recipient can have.
    #[error("recipient '{0}' has routing order 0; orders start at 1")]
    BadOrder(String),
    /// More of something than an envelope holds.
    #[error("an envelope holds at most {max} {what}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many.
        max: usize,
    },
    /// A text longer than allowed.
    #[error("{what} is longer than {max} characters")]
    TooLong {
        /// Which.
        what: &'static str,
        /// How long at most.
        max: usize,
    },
    /// Somebody holds the lock and this was not them.
    #[error("the envelope is locked for correction until {until}")]
    Locked {
        /// When it ends by itself.
        until: Timestamp,
    },
    /// There is no lock to release or extend.
    #[error("the envelope is not locked")]
    NotLocked,
    /// A template has to have a name.
    #[error("a template needs a name")]
    TemplateNameMissing,
    /// A lock lasts 1 second to an hour.
    #[error("a lock lasts 1 to 3600 seconds, not {0}")]
    LockDuration(u32),
    /// Purging has come to another point.
    #[error("the purge state of the envelope does not allow that")]
    PurgeState(Purge),
    /// A timer fired before its time; nothing is due.
    #[error("nothing is due to be {verb} yet")]
    NotDue {
        /// What was to be done.
        verb: Verb,
    },
}
