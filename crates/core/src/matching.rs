//! Who gets it: a verdict per subscription, with the reason for each no.

use std::{borrow::Borrow, fmt};

use crate::{
    event::EventName,
    id::{EnvelopeId, SubscriptionId, UserId},
    shape::MessageShape,
    subscription::{Activity, Scope, Subscription},
};

/// What matching needs to know of an event.
#[derive(Clone, Debug)]
pub struct Occasion<'a> {
    /// What happened.
    pub name: &'a EventName,
    /// The sender, or the user who posted the event.
    pub user: Option<UserId>,
    /// The envelope concerned.
    pub envelope: Option<EnvelopeId>,
    /// Lower-case domains of the recipients' e-mail addresses, for Recipient Connect.
    pub recipient_domains: &'a [String],
    /// The subscription that the event is about.
    pub about: Option<SubscriptionId>,
}

/// Why a subscription does not want an event.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reason {
    /// A person switched it off.
    Inactive,
    /// The event is about this subscription: who does not answer cannot be told so, and must not cause news by the news of itself.
    AboutItself,
    /// Its events do not name this one.
    EventNotSelected,
    /// The event has no message of this subscription's shape: only SIM messages tell of it.
    EventNotInShape,
    /// No user is selected: `allUsers` is off and `userIds` is empty.
    NoUsers,
    /// The sender is not among its users.
    UserNotSelected,
    /// It belongs to another envelope.
    OtherEnvelope,
    /// No recipient belongs to a domain assigned to the account.
    NoRecipientOfDomain,
}

impl Reason {
    /// The stable word used in the API.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Inactive => "inactive",
            Self::AboutItself => "about_itself",
            Self::EventNotSelected => "event_not_selected",
            Self::EventNotInShape => "event_not_in_shape",
            Self::NoUsers => "no_users",
            Self::UserNotSelected => "user_not_selected",
            Self::OtherEnvelope => "other_envelope",
            Self::NoRecipientOfDomain => "no_recipient_of_domain",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Inactive => "it is not active; set allowEnvelopePublish to true",
            Self::AboutItself => "the event is about this subscription; another one has to hear of it",
            Self::EventNotSelected => "its events do not name this one",
            Self::EventNotInShape => "only SIM messages tell of this event; set deliveryMode to SIM and eventData.version to restv2.1",
            Self::NoUsers => "no user is selected; set allUsers to true or name userIds",
            Self::UserNotSelected => "the sender is not among its users",
            Self::OtherEnvelope => "it belongs to another envelope",
            Self::NoRecipientOfDomain => "no recipient belongs to a domain assigned to the account",
        })
    }
}

/// What was found for one subscription.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Verdict {
    /// Which.
    pub subscription: SubscriptionId,
    /// Wanted, or why not.
    pub wanted: Result<(), Reason>,
}

/// A verdict for each subscription, in the order given.
pub fn matching<S: Borrow<Subscription>>(occasion: &Occasion<'_>, subscriptions: impl IntoIterator<Item = S>) -> Vec<Verdict> {
    subscriptions
        .into_iter()
        .map(|subscription| {
            let subscription = subscription.borrow();
            Verdict { subscription: subscription.id, wanted: wants(occasion, subscription) }
        })
        .collect()
}

/// Whether one subscription wants the event.
///
/// # Errors
/// The first [`Reason`] that speaks against it, the most general first.
pub fn wants(occasion: &Occasion<'_>, subscription: &Subscription) -> Result<(), Reason> {
    if subscription.activity == Activity::Inactive {
        return Err(Reason::Inactive);
    }
    if occasion.about == Some(subscription.id) {
        return Err(Reason::AboutItself);
    }
    // What is passed on as received is what came in, and news of the installation itself did not.
    if occasion.about.is_some() && subscription.shape == MessageShape::AsReceived {
        return Err(Reason::EventNotInShape);
    }
    match subscription.scope {
        Scope::Account => {
            if !subscription.hears(occasion.user) {
                let nobody = matches!(&subscription.users, crate::subscription::Users::Only(users) if users.is_empty());
                return Err(if nobody { Reason::NoUsers } else { Reason::UserNotSelected });
            }
        }
        Scope::Recipients => {
            if occasion.recipient_domains.is_empty() {
                return Err(Reason::NoRecipientOfDomain);
            }
        }
        Scope::Envelope(envelope) => {
            if occasion.envelope != Some(envelope) {
                return Err(Reason::OtherEnvelope);
            }
        }
    }
    if !subscription.events.wants(occasion.name, subscription.shape) {
        return Err(if subscription.events.names.contains(occasion.name) { Reason::EventNotInShape } else { Reason::EventNotSelected });
    }
    Ok(())
}
