//! A subscription: who wants what, where it goes and how it proves itself. On the Docusign wire a Connect
//! configuration (account level, Recipient Connect) or an `eventNotification` (envelope level).

use std::{collections::BTreeSet, num::NonZeroU32, time::Duration};

use serde::{Deserialize, Serialize, Serializer};
use url::Url;

use crate::{
    auth::{BasicCredentials, OAuthConnection},
    event::EventName,
    id::{AccountId, CredentialId, EnvelopeId, ListenerId, SubscriptionId, UserId},
    limits::{Limits, Rate},
    listener::{self, Listener},
    retry::RetryProfile,
    time::Timestamp,
};

pub use crate::shape::MessageShape;

/// What a subscription hears of.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Envelopes sent by users of the account (Connect: `custom`).
    Account,
    /// Envelopes received by users of a domain assigned to the account (Connect: `customrecipient`).
    Recipients,
    /// One envelope (Connect: `eventNotification`).
    Envelope(EnvelopeId),
}

/// Whether it listens. Pausing is apart ([`Subscription::paused`]): a paused one is matched and its deliveries held.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activity {
    /// Listens.
    Active,
    /// Switched off by a person: not matched.
    Inactive,
    /// Switched off by the system: matched, deliveries held.
    Disabled {
        /// Why, in words for people.
        reason: String,
        /// Since when.
        at: Timestamp,
    },
}

/// Whose envelopes it hears of.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Users {
    /// All users, future ones included (Connect: `allUsers`).
    All,
    /// These only (Connect: `userIds`). Nobody when empty: nothing fires.
    Only(BTreeSet<UserId>),
    /// All but these (Connect: `allUsersExcept`).
    AllExcept(BTreeSet<UserId>),
}

/// What a message carries beyond the bare event (Connect: `eventData.includeData` and the `include*` switches).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Include {
    /// `custom_fields`
    CustomFields,
    /// `documents`: the bytes, as `PDFBytes`
    Documents,
    /// `attachments`
    Attachments,
    /// `extensions`: e-mail settings
    Extensions,
    /// `folders`
    Folders,
    /// `recipients`
    Recipients,
    /// `tabs`: field values of recipients
    Tabs,
    /// `payment_tabs`
    PaymentTabs,
    /// `powerform`
    PowerForm,
    /// `prefill_tabs`
    PrefillTabs,
    /// `includeCertificateOfCompletion`
    CertificateOfCompletion,
    /// `includeDocumentFields`
    DocumentFields,
    /// `includeEnvelopeVoidReason`
    VoidReason,
    /// `includeTimeZoneInformation`
    TimeZone,
    /// `includeSenderAccountasCustomField`
    SenderAccountAsCustomField,
}

/// A pattern of event names, for `/api/v1` subscriptions: an exact name, or a prefix ending in `*`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventPattern(String);

impl EventPattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// The text itself, when what stands before a final `*` could not begin an event name.
    pub fn try_new(text: &str) -> Result<Self, crate::event::NotAnEventName> {
        let stem = text.strip_suffix('*').unwrap_or(text);
        if !(stem.is_empty() && text == "*") {
            EventName::try_new(stem)?;
        }
        Ok(Self(text.to_ascii_lowercase()))
    }

    /// True when the name fits.
    #[must_use]
    pub fn fits(&self, name: &EventName) -> bool {
        match self.0.strip_suffix('*') {
            Some(stem) => name.as_str().starts_with(stem),
            None => name.as_str() == self.0,
        }
    }

    /// The pattern as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The events asked for. The lists are kept apart because Connect echoes them apart; what is wanted is their union
/// as far as the shape uses them.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct WantedEvents {
    /// Names of the SIM model (Connect: `events`).
    pub names: BTreeSet<EventName>,
    /// Envelope events of the older models (Connect: `envelopeEvents`), as the names they stand for.
    pub envelope: BTreeSet<EventName>,
    /// Recipient events of the older models (Connect: `recipientEvents`), as the names they stand for.
    pub recipient: BTreeSet<EventName>,
    /// Patterns (ours).
    pub patterns: Vec<EventPattern>,
}

impl WantedEvents {
    /// True when a message of this shape is wanted for the event. Aggregate and XML messages use the older lists alone
    /// (Connect: message models); patterns count for every shape.
    #[must_use]
    pub fn wants(&self, name: &EventName, shape: MessageShape) -> bool {
        (shape == MessageShape::JsonSim && self.names.contains(name))
            || self.envelope.contains(name)
            || self.recipient.contains(name)
            || self.patterns.iter().any(|pattern| pattern.fits(name))
    }
}

/// Which OAuth connection provides the bearer token.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OAuthUse {
    /// No token is sent.
    Off,
    /// The account's connection (Connect: `includeOAuth` with `connect/oauth`).
    Account,
    /// Its own (Connect: `enableOAuthPerConfiguration`).
    Own(Box<OAuthConnection>),
}

/// How a message proves where it comes from.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Proofs {
    /// One signature header per key of the account (Connect: `includeHMAC`).
    pub hmac: bool,
    /// The bearer token. With Basic set as well, this is what is sent: there is one `Authorization` header.
    pub oauth: OAuthUse,
    /// Basic credentials (RFC 7617).
    pub basic: Option<BasicCredentials>,
    /// Show the account's client certificate (Connect: `requireMutualTls`); without one nothing is sent.
    pub mutual_tls: bool,
    /// A certificate of its own instead of the account's newest.
    pub certificate: Option<CredentialId>,
    /// Add Standard Webhooks headers, which bring replay protection.
    pub standard_webhooks: bool,
    /// The account whose keys and OAuth connection are used instead (Connect: `integratorManaged`).
    pub integrator: Option<AccountId>,
}

impl Default for Proofs {
    fn default() -> Self {
        Self {
            hmac: false,
            oauth: OAuthUse::Off,
            basic: None,
            mutual_tls: false,
            certificate: None,
            standard_webhooks: false,
            integrator: None,
        }
    }
}

/// How deliveries of the subscription are paced.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Pace {
    /// When failed attempts are repeated; `None` is the installation's profile.
    pub retry: Option<RetryProfile>,
    /// Deliveries of one envelope go out one at a time, in order.
    pub ordered: bool,
    /// At most so many attempts at once; `None` is the lane's own limit.
    pub concurrency_max: Option<u16>,
    /// At most so many attempts a second; `None` is no limit.
    pub rate_per_second_max: Option<u32>,
    /// The total time of one attempt; `None` is the installation's.
    pub timeout: Option<Duration>,
}

impl Pace {
    /// Its limits. A limit of nothing, which saving refuses, is none.
    #[must_use]
    pub fn limits(&self) -> Limits {
        Limits {
            concurrency_max: self.concurrency_max.and_then(|limit| NonZeroU32::new(limit.into())),
            rate: self.rate_per_second_max.and_then(NonZeroU32::new).map(Rate),
        }
    }
}

/// Who wants what. Secrets inside (`proofs`) are not serialised: see [`crate::config::Configured`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Subscription {
    /// `connectId`.
    pub id: SubscriptionId,
    /// Whose it is.
    pub account: AccountId,
    /// What it hears of.
    pub scope: Scope,
    /// For people.
    pub name: String,
    /// Where messages go. Checked against the address policy when saved and again at every dial.
    pub url: Url,
    /// Whether it listens.
    pub activity: Activity,
    /// Deliveries are held until resumed (Connect: `pausePublish`).
    pub paused: bool,
    /// Whose envelopes.
    pub users: Users,
    /// Which events.
    pub events: WantedEvents,
    /// The form of the body.
    pub shape: MessageShape,
    /// What the body carries.
    pub include: BTreeSet<Include>,
    /// How it proves itself.
    pub proofs: Proofs,
    /// How it is paced.
    pub pace: Pace,
    /// Further request headers, in order (ours); names that would replace our own are refused when saved. Their values count as
    /// secrets, since many are: serialised are the names alone. (Values in what is read come from before that.)
    #[serde(serialize_with = "names_alone")]
    pub headers: Vec<(String, String)>,
    /// Stored and echoed (Connect: `requiresAcknowledgement`); see [`crate::retry::RetryPolicy`].
    pub require_acknowledgement: bool,
    /// Shown in the Connect logs (Connect: `enableLog`). Attempts are kept either way.
    pub log: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// Rises with every change of it by a person, and when it is paused or disabled; a change may name the one it was read at.
    #[serde(default)]
    pub revision: u64,
    /// When it began to fail without one success; `None` while it works.
    pub failing_since: Option<Timestamp>,
    /// How often a 410 of its listener has paused it; tells one such pause from the next.
    #[serde(default)]
    pub times_gone: u32,
    /// Properties of the wire form that have no meaning here; stored and echoed.
    pub extra: serde_json::Map<String, serde_json::Value>,
}

fn names_alone<S: Serializer>(headers: &[(String, String)], into: S) -> Result<S::Ok, S::Error> {
    into.collect_seq(headers.iter().map(|(name, _)| (name, "")))
}

impl Subscription {
    /// The listener its messages go to. `identity` is the account's client certificate, used when mutual TLS is on and
    /// the subscription names none of its own.
    #[must_use]
    pub fn listener(&self, identity: Option<CredentialId>) -> Listener {
        let identity = if self.proofs.mutual_tls { self.proofs.certificate.or(identity) } else { None };
        Listener::of(self.account, &self.url, identity)
    }

    /// The lane its deliveries wait for: its listener's, which it shares, or its own when it has limits. `identity` as for
    /// [`Subscription::listener`].
    #[must_use]
    pub fn lane(&self, identity: Option<CredentialId>) -> ListenerId {
        if self.pace.limits().are_any() { listener::lane_of_its_own(self.id) } else { self.listener(identity).id() }
    }

    /// The reason why its deliveries wait, if they do.
    #[must_use]
    pub fn hold(&self) -> Option<crate::delivery::Hold> {
        use crate::delivery::Hold;
        match self.activity {
            Activity::Disabled { .. } => Some(Hold::Disabled),
            _ if self.paused => Some(Hold::Paused),
            _ => None,
        }
    }

    /// True when this user's envelopes are heard of; events without a user are heard by every user filter but an empty one.
    #[must_use]
    pub fn hears(&self, user: Option<UserId>) -> bool {
        match &self.users {
            Users::All => true,
            Users::Only(users) => user.map_or(!users.is_empty(), |user| users.contains(&user)),
            Users::AllExcept(users) => user.is_none_or(|user| !users.contains(&user)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_an_exact_name_or_a_prefix() {
        let fits =
            |pattern: &str, name: &str| EventPattern::try_new(pattern).expect("a pattern").fits(&EventName::try_new(name).expect("a name"));
        assert!(fits("*", "anything"));
        assert!(fits("invoice.*", "invoice.paid"));
        assert!(!fits("invoice.*", "invoices.paid"));
        assert!(fits("Envelope-Sent", "envelope-sent"));
        assert!(EventPattern::try_new("a*b").is_err());
        assert!(EventPattern::try_new("").is_err());
    }

    #[test]
    fn aggregate_messages_use_the_older_lists_alone() {
        let wanted = WantedEvents {
            names: [EventName::ENVELOPE_RESENT].into(),
            envelope: [EventName::ENVELOPE_SENT].into(),
            ..WantedEvents::default()
        };
        for (shape, resent, sent) in [
            (MessageShape::JsonSim, true, true),
            (MessageShape::JsonAggregate, false, true),
            (MessageShape::XmlAggregate, false, true),
            (MessageShape::XmlSim, false, true),
        ] {
            assert_eq!(wanted.wants(&EventName::ENVELOPE_RESENT, shape), resent, "{shape:?}");
            assert_eq!(wanted.wants(&EventName::ENVELOPE_SENT, shape), sent, "{shape:?}");
        }
    }
}
