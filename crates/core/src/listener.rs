//! A listener: where a lane leads. All subscriptions and envelopes of an account that name the same origin with the
//! same TLS identity share one.
//!
//! A subscription with limits has a lane of its own: at its limit it blocks no other, and what it may not send yet is not even
//! claimed. Such a lane is named after its subscription, so that its limits can be found from its name and a new URL does not
//! start them anew.

use sha2::{Digest, Sha256};
use url::Url;

use crate::id::{AccountId, CredentialId, ListenerId, SubscriptionId};

/// The lane of one subscription alone. Hashed listeners are not negative, and subscriptions are numbered from
/// [`SubscriptionId::FIRST`] over all accounts, so that no two lanes share a name.
#[must_use]
pub fn lane_of_its_own(subscription: SubscriptionId) -> ListenerId {
    ListenerId(subscription.0.saturating_neg())
}

/// The subscription that a lane belongs to alone; `None` for the shared lane of a listener.
#[must_use]
pub fn owner(lane: ListenerId) -> Option<SubscriptionId> {
    (lane.0 < 0).then(|| SubscriptionId(lane.0.saturating_neg()))
}

/// Account, origin and TLS identity.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Listener {
    /// Whose listener it is; two accounts never share one.
    pub account: AccountId,
    /// Scheme, host and port, as `https://hooks.example:8443`.
    pub origin: String,
    /// The client certificate shown to it (mutual TLS), if any.
    pub identity: Option<CredentialId>,
}

impl Listener {
    /// The listener that `url` leads to.
    #[must_use]
    pub fn of(account: AccountId, url: &Url, identity: Option<CredentialId>) -> Self {
        Self { account, origin: url.origin().ascii_serialization(), identity }
    }

    /// Its id: the first 63 bits of SHA-256 over account, origin and identity, so that every node computes the same one.
    #[must_use]
    pub fn id(&self) -> ListenerId {
        let mut hash = Sha256::new();
        hash.update(self.account.0.to_be_bytes());
        hash.update(self.identity.map_or(0, CredentialId::raw).to_be_bytes());
        hash.update(self.origin.as_bytes());
        let digest = hash.finalize();
        let mut head = [0_u8; 8];
        head.copy_from_slice(&digest[..8]);
        ListenerId(i64::from_be_bytes(head) & i64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lane_of_its_own_names_its_subscription() {
        assert_eq!(owner(lane_of_its_own(SubscriptionId::FIRST)), Some(SubscriptionId::FIRST));
        assert_eq!(owner(ListenerId(0)), None);
        assert_eq!(owner(ListenerId(i64::MAX)), None);
    }

    #[test]
    fn one_origin_and_identity_is_one_listener_whatever_the_path() {
        let id = |account, url: &str, identity| Listener::of(AccountId(account), &url.parse().expect("a URL"), identity).id();
        assert_eq!(id(1, "https://a.example/x?y=1", None), id(1, "https://A.example:443/z", None));
        assert_ne!(id(1, "https://a.example/", None), id(2, "https://a.example/", None), "accounts do not share lanes");
        assert_ne!(id(1, "https://a.example/", None), id(1, "https://a.example:444/", None));
        assert_ne!(id(1, "https://a.example/", None), id(1, "https://a.example/", Some(CredentialId::from_raw(9))));
    }
}
