//! What happened: one immutable fact about an account, kept with the state it left behind.

use std::{borrow::Cow, fmt};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{
    id::{AccountId, EnvelopeId, EventId, SubscriptionId, UserId},
    shape::MessageShape,
    time::Timestamp,
};

/// The longest event name accepted, in bytes; it stands in every message and index row.
pub const EVENT_NAME_BYTES_MAX: usize = 128;

/// The name of an event, such as `envelope-completed` (Connect: JSON SIM event model) or a name of the caller's own.
/// Lower case, 1 to [`EVENT_NAME_BYTES_MAX`] bytes of `a-z 0-9 . _ - / :`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventName(Cow<'static, str>);

/// The text cannot name an event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' cannot name an event; use 1 to 128 of a-z, 0-9, '.', '_', '-', '/', ':'")]
pub struct NotAnEventName(pub String);

macro_rules! names {
    ($($constant:ident = $text:literal;)+) => {
        impl EventName {
            $(#[doc = concat!("`", $text, "`")] pub const $constant: Self = Self(Cow::Borrowed($text));)+

            /// Every event name that Connect documents (reference: 2.1), in the order of its pages.
            pub const CONNECT: &'static [Self] = &[$(Self::$constant),+];
        }
    };
}

names! {
    ENVELOPE_CREATED = "envelope-created";
    ENVELOPE_SENT = "envelope-sent";
    ENVELOPE_RESENT = "envelope-resent";
    ENVELOPE_DELIVERED = "envelope-delivered";
    ENVELOPE_COMPLETED = "envelope-completed";
    ENVELOPE_DECLINED = "envelope-declined";
    ENVELOPE_VOIDED = "envelope-voided";
    ENVELOPE_CORRECTED = "envelope-corrected";
    ENVELOPE_PURGE = "envelope-purge";
    ENVELOPE_DELETED = "envelope-deleted";
    ENVELOPE_DISCARD = "envelope-discard";
    ENVELOPE_REMOVED = "envelope-removed";
    ENVELOPE_REMINDER_SENT = "envelope-reminder-sent";
    RECIPIENT_SENT = "recipient-sent";
    RECIPIENT_RESENT = "recipient-resent";
    RECIPIENT_AUTORESPONDED = "recipient-autoresponded";
    RECIPIENT_DELIVERED = "recipient-delivered";
    RECIPIENT_COMPLETED = "recipient-completed";
    RECIPIENT_DECLINED = "recipient-declined";
    RECIPIENT_AUTHENTICATION_FAILED = "recipient-authenticationfailed";
    RECIPIENT_REASSIGN = "recipient-reassign";
    RECIPIENT_DELEGATE = "recipient-delegate";
    RECIPIENT_FINISH_LATER = "recipient-finish-later";
    TEMPLATE_CREATED = "template-created";
    TEMPLATE_MODIFIED = "template-modified";
    TEMPLATE_DELETED = "template-deleted";
    CLICK_AGREED = "click-agreed";
    CLICK_DECLINED = "click-declined";
}

/// Events of the account about its own subscriptions (ours; see [`crate::standing`]).
impl EventName {
    /// A subscription has only failed for a long time and will be disabled.
    pub const SUBSCRIPTION_FAILING: Self = Self(Cow::Borrowed("countersign.subscription-failing"));
    /// A subscription has only failed for too long and was disabled.
    pub const SUBSCRIPTION_DISABLED: Self = Self(Cow::Borrowed("countersign.subscription-disabled"));
    /// A listener answered 410 Gone and its subscription was paused.
    pub const SUBSCRIPTION_PAUSED: Self = Self(Cow::Borrowed("countersign.subscription-paused"));
    /// A subscription that was told to be failing has had a success.
    pub const SUBSCRIPTION_RECOVERED: Self = Self(Cow::Borrowed("countersign.subscription-recovered"));
}

impl EventName {
    /// Reads a name; upper case is lowered, since Connect compares event names without case.
    ///
    /// # Errors
    /// [`NotAnEventName`] when it is empty, too long or has a character that a name cannot have.
    pub fn try_new(text: &str) -> Result<Self, NotAnEventName> {
        let lowered = text.to_ascii_lowercase();
        let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_' | b'-' | b'/' | b':');
        if lowered.is_empty() || lowered.len() > EVENT_NAME_BYTES_MAX || !lowered.bytes().all(fits) {
            return Err(NotAnEventName(text.chars().take(EVENT_NAME_BYTES_MAX).collect()));
        }
        Ok(Self(Cow::Owned(lowered)))
    }

    /// A name read back from the store, where it was put by [`EventName::try_new`] or as a constant.
    #[must_use]
    pub fn from_stored(text: String) -> Self {
        Self(Cow::Owned(text))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EventName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a message says beside the snapshot; small, kept as JSON in the event's row.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct EventDetail {
    /// The caller-chosen recipient id (`"1"`), for recipient-* events.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recipient_id: Option<String>,
    /// The id of the new recipient, for recipient-reassign.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reassigned_recipient_id: Option<String>,
    /// Template id and name, for template-* events.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template: Option<(String, String)>,
    /// The subscription that the event is about (ours): it does not hear of itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub about: Option<SubscriptionId>,
    /// `uri` of the outer object, for posted events that gave one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// Names and values of the headers that came with a posted event and go on with it, for
    /// [`MessageShape::AsReceived`]. Whoever records the event bounds them, and leaves
    /// credentials out: they are kept in clear.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub received_headers: Vec<(String, String)>,
}

/// The state an event left behind, as bytes: the caller's `data` for posted events, the stored form of the envelope
/// for envelope events. Events that one change caused together share one snapshot.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Snapshot {
    /// The caller's `data`, sent byte for byte inside the outer object.
    Posted(Bytes),
    /// A serialised envelope.
    Envelope(Bytes),
    /// Nothing but the detail (template and click events).
    Nothing,
}

impl Snapshot {
    /// The bytes; empty for [`Snapshot::Nothing`].
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        static EMPTY: Bytes = Bytes::new();
        match self {
            Self::Posted(bytes) | Self::Envelope(bytes) => bytes,
            Self::Nothing => &EMPTY,
        }
    }
}

/// Something that happened. Immutable once recorded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Event {
    /// Its id; also its place in time.
    pub id: EventId,
    /// Whose event it is.
    pub account: AccountId,
    /// What happened.
    pub name: EventName,
    /// When it happened.
    pub at: Timestamp,
    /// The sender of the envelope, or the user who posted the event; decides which subscriptions listen to it.
    pub user: Option<UserId>,
    /// The envelope concerned.
    pub envelope: Option<EnvelopeId>,
    /// What the message says beside the snapshot.
    pub detail: EventDetail,
    /// The state it left behind.
    pub snapshot: Snapshot,
}

impl Event {
    /// Headers that a message of this shape carries on from how the event came in; none for the shapes that are made here.
    #[must_use]
    pub fn headers_carried_on(&self, shape: MessageShape) -> &[(String, String)] {
        if shape == MessageShape::AsReceived { &self.detail.received_headers } else { &[] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn event_names_are_read_without_case_and_refused_with_reason() {
        assert_eq!(EventName::try_new("Envelope-Sent"), Ok(EventName::ENVELOPE_SENT));
        assert_eq!(EventName::try_new("invoice.paid").map(|n| n.to_string()), Ok("invoice.paid".into()));
        for text in ["", "a b", "naïve", "a\n", &"x".repeat(129)] {
            assert!(EventName::try_new(text).is_err(), "{text:?}");
        }
    }
}
