//! News of a subscription, told to the account: recorded as any other event, once for each occasion.
//!
//! The occasion is the idempotency key of the record, so that attempts that race, here or on other nodes, and the attempt after a
//! crash, record it once. The subscription that the news is about does not hear of it; news of a subscription that cannot be
//! told to another one make no further news but of that one's own standing, of which there are a handful in its life.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use countersign_core::{
    Timestamp,
    delivery::DeliveryState,
    event::{Event, EventDetail, Snapshot},
    fan_out,
    id::{DeliveryId, EventId},
    matching::{Occasion, wants},
    standing::News,
    subscription::Subscription,
};
use countersign_store::{
    Refused, StoreError,
    record::{Idempotency, Record},
};
use sha2::{Digest, Sha256};

use crate::parts::Parts;

/// How long an occasion is remembered: longer than a subscription can fail without being disabled.
const REMEMBERED: Duration = Duration::from_secs(90 * 24 * 3600);
/// How often the news is matched again while the configuration changes under it.
const MATCHES_MAX: usize = 8;

/// Records the news with a delivery for each subscription of the account that wants it. They wait in the store; the next claim finds
/// them.
pub(crate) async fn tell(parts: &Parts, about: &Subscription, news: News, now: Timestamp) -> Result<(), StoreError> {
    let account = about.account;
    let event = Arc::new(Event {
        id: EventId::from_raw(parts.ids.next(now)),
        account,
        name: news.name,
        at: now,
        user: None,
        envelope: None,
        detail: EventDetail { about: Some(about.id), ..EventDetail::default() },
        snapshot: Snapshot::Posted(Bytes::from(news.data.to_string())),
    });
    let request_sha256: [u8; 32] = Sha256::digest(news.key.as_bytes()).into();
    for _ in 0..MATCHES_MAX {
        let Some(config) = parts.configs.account(account).await? else { return Ok(()) };
        let occasion = Occasion { name: &event.name, user: None, envelope: None, recipient_domains: &[], about: event.detail.about };
        let deliveries = config
            .subscriptions
            .values()
            .filter(|subscription| wants(&occasion, subscription).is_ok())
            .map(|subscription| {
                let id = DeliveryId::from_raw(parts.ids.next(now));
                let state = DeliveryState::Waiting { due_at: now, held: subscription.hold() };
                fan_out::delivery(id, &event, subscription, config.identity(), state, now)
            })
            .collect();
        let record = Record {
            account,
            config: Some(config.version),
            envelope: None,
            events: vec![Arc::clone(&event)],
            deliveries,
            subscriptions: Vec::new(),
            idempotency: Some(Idempotency { key: news.key.clone(), request_sha256, answer: Bytes::new(), expires_at: now + REMEMBERED }),
        };
        match parts.store.record(vec![record]).await?.pop() {
            // Repeated: it was told before.
            Some(Ok(_)) => return Ok(()),
            Some(Err(Refused::StaleConfig(_))) => parts.configs.invalidate(account),
            Some(Err(refused)) => return Err(StoreError::Backend(format!("news of a subscription were refused: {refused}"))),
            None => return Err(StoreError::Backend("no answer for a record".into())),
        }
    }
    Err(StoreError::Unavailable(format!("the configuration of account {account} changes faster than news can be matched")))
}
