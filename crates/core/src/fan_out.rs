//! From a match to a delivery as it begins.

use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::{
    delivery::{Delivery, DeliveryState},
    event::Event,
    id::{CredentialId, DeliveryId, EnvelopeId},
    subscription::Subscription,
    time::Timestamp,
};

/// A delivery of an event to a subscription, in its first state. `identity` is the account's client certificate (see
/// [`Subscription::listener`]).
#[must_use]
pub fn delivery(
    id: DeliveryId,
    event: &Event,
    subscription: &Subscription,
    identity: Option<CredentialId>,
    state: DeliveryState,
    now: Timestamp,
) -> Delivery {
    Delivery {
        id,
        account: event.account,
        event: event.id,
        subscription: subscription.id,
        listener: subscription.lane(identity),
        envelope: event.envelope,
        shape: subscription.shape,
        generated_at: event.at,
        order_key: order_key(subscription, event.envelope),
        state,
        attempts_made: 0,
        retry_count: 0,
        schedule_started_at: now,
        attempts_before_schedule: 0,
        held_total: Duration::ZERO,
        replay_of: None,
    }
}

/// Deliveries of one subscription about one envelope share a key where the subscription asks for order; without an envelope there is
/// nothing to keep in order.
fn order_key(subscription: &Subscription, envelope: Option<EnvelopeId>) -> Option<i64> {
    if !subscription.pace.ordered {
        return None;
    }
    let digest = Sha256::new().chain_update(subscription.id.0.to_be_bytes()).chain_update(envelope?.0.as_bytes()).finalize();
    let mut head = [0_u8; 8];
    head.copy_from_slice(&digest[..8]);
    Some(i64::from_be_bytes(head) & i64::MAX)
}

#[cfg(test)]
mod tests;
