use std::collections::BTreeSet;

use super::*;
use crate::{
    event::{EventDetail, EventName, Snapshot},
    id::{AccountId, EventId, SubscriptionId},
    listener::lane_of_its_own,
    shape::MessageShape,
    subscription::{Activity, Pace, Proofs, Scope, Users, WantedEvents},
};

const NOW: Timestamp = Timestamp::from_secs(1_763_800_000);

fn subscription(pace: Pace) -> Subscription {
    Subscription {
        id: SubscriptionId::FIRST,
        account: AccountId(1),
        scope: Scope::Account,
        name: String::new(),
        url: "https://hooks.example/a".parse().expect("a URL"),
        activity: Activity::Active,
        paused: false,
        users: Users::All,
        events: WantedEvents::default(),
        shape: MessageShape::JsonSim,
        include: BTreeSet::new(),
        proofs: Proofs::default(),
        pace,
        headers: Vec::new(),
        require_acknowledgement: true,
        log: true,
        created_at: NOW,
        failing_since: None,
        times_gone: 0,
        revision: 0,
        extra: serde_json::Map::new(),
    }
}

fn begins(pace: Pace, envelope: Option<u128>) -> Delivery {
    let event = Event {
        id: EventId::from_raw(1),
        account: AccountId(1),
        name: EventName::ENVELOPE_SENT,
        at: NOW,
        user: None,
        envelope: envelope.map(|envelope| EnvelopeId(uuid::Uuid::from_u128(envelope))),
        detail: EventDetail::default(),
        snapshot: Snapshot::Nothing,
    };
    let state = DeliveryState::Waiting { due_at: NOW, held: None };
    delivery(DeliveryId::from_raw(2), &event, &subscription(pace), None, state, NOW)
}

#[test]
fn a_subscription_with_limits_has_a_lane_of_its_own() {
    let shared = subscription(Pace::default()).listener(None).id();
    let own = lane_of_its_own(SubscriptionId::FIRST);
    for (row, concurrency_max, rate_per_second_max, lane) in [
        ("none", None, None, shared),
        ("concurrency", Some(4), None, own),
        ("rate", None, Some(50), own),
        ("both", Some(4), Some(50), own),
        ("limits of nothing are none", Some(0), Some(0), shared),
    ] {
        let pace = Pace { concurrency_max, rate_per_second_max, ..Pace::default() };
        assert_eq!(begins(pace, None).listener, lane, "{row}");
    }
}

#[test]
fn deliveries_are_kept_in_order_by_envelope_where_that_is_asked_for() {
    let ordered = || Pace { ordered: true, ..Pace::default() };
    let key = begins(ordered(), Some(7)).order_key;
    assert!(key.is_some_and(|key| key >= 0));
    assert_eq!(begins(ordered(), Some(7)).order_key, key);
    assert_ne!(begins(ordered(), Some(8)).order_key, key);
    assert_eq!(begins(ordered(), None).order_key, None, "there is nothing to keep in order");
    assert_eq!(begins(Pace::default(), Some(7)).order_key, None, "nobody asked");
}
