//! Tests of what the store does in trouble, where they need a hand inside it.

use std::time::Duration;

use countersign_core::{
    Secret, Timestamp,
    config::Secrets,
    delivery::{Delivery, DeliveryState},
    event::{Event, EventDetail, EventName, Snapshot},
    id::{AccountGuid, AccountId, DeliveryId, EventId, IdSource, Incarnation, ListenerId, SubscriptionId},
    subscription::MessageShape,
};
use countersign_testkit::PostgresServer;

use super::{
    doubt::Doubt,
    keys::KeySource,
    store::{PostgresStore, Settings},
};
use crate::{
    Store,
    claim::{Claim, LaneQuota},
    objects::Object,
    record::{Record, Recorded},
    vault::{KEY_BYTES, VaultKey},
};

const NOW: Timestamp = Timestamp::from_secs(1_763_800_000);
const LEASE: Duration = Duration::from_secs(30);

async fn open(server: &PostgresServer) -> PostgresStore {
    let keys = KeySource::Given(vec![VaultKey::new([7; KEY_BYTES])]);
    PostgresStore::open(Settings { connections: 4, ..Settings::new(Secret::new(server.url("trouble")), keys) }).await.expect("opens")
}

/// A delivery that waits since [`NOW`] in lane 7.
async fn waiting(store: &PostgresStore) -> Delivery {
    let account: AccountId =
        store.create_account(AccountGuid(uuid::Uuid::from_u128(7)), "One", NOW).await.expect("stored").expect("new").id;
    let subscription: SubscriptionId = store.next_subscription_ids(1).await.expect("ids")[0];
    let object = Object { body: "{}".into(), secrets: Secrets::new(), contents: Vec::new() };
    store.put_subscription(account, subscription, object, true).await.expect("stored").expect("new");
    let ids = IdSource::new(1);
    let event = Event {
        id: EventId::from_raw(ids.next(NOW)),
        account,
        name: EventName::ENVELOPE_SENT,
        at: NOW,
        user: None,
        envelope: None,
        detail: EventDetail::default(),
        snapshot: Snapshot::Nothing,
    };
    let delivery = Delivery {
        id: DeliveryId::from_raw(ids.next(NOW)),
        account,
        event: event.id,
        subscription,
        listener: ListenerId(7),
        envelope: None,
        shape: MessageShape::JsonSim,
        generated_at: NOW,
        order_key: None,
        state: DeliveryState::Waiting { due_at: NOW, held: None },
        attempts_made: 0,
        retry_count: 0,
        schedule_started_at: NOW,
        attempts_before_schedule: 0,
        held_total: Duration::ZERO,
        replay_of: None,
    };
    let record = Record {
        account,
        config: None,
        envelope: None,
        events: vec![event.into()],
        deliveries: vec![delivery.clone()],
        subscriptions: Vec::new(),
        idempotency: None,
    };
    assert_eq!(store.record(vec![record]).await, Ok(vec![Ok(Recorded::Fresh)]));
    delivery
}

async fn claim(store: &PostgresStore, by: Incarnation, now: Timestamp) -> Vec<DeliveryId> {
    let lanes = vec![LaneQuota { listener: ListenerId(7), count: 10 }];
    let claimed = store.claim_due(Claim { by, now, lanes, bytes_max: usize::MAX }).await.expect("claimed");
    claimed.into_iter().map(|claimed| claimed.delivery.id).collect()
}

/// The answer of a claim's commit got lost: its rows are leased to this node, and nobody there knows. The next claim has them.
#[tokio::test]
async fn what_a_claim_took_whose_answer_was_lost_comes_with_the_next_one() {
    let Some(server) = PostgresServer::start() else { return };
    server.create_database("trouble", "template1");
    let store = open(&server).await;
    let delivery = waiting(&store).await;
    let by = store.register_node("a", 1, NOW, LEASE).await.expect("registered").incarnation;
    assert_eq!(claim(&store, by, NOW).await, [delivery.id]);
    assert_eq!(claim(&store, by, NOW).await, [], "it is out");
    store.inner.doubts.add(Doubt::Deliveries(by, NOW, vec![delivery.id]));
    assert_eq!(claim(&store, by, NOW).await, [delivery.id]);
    assert_eq!(claim(&store, by, NOW).await, [], "once is enough");
    // Where the commit did not take place, the row is another's by now, and stays so.
    let other = store.register_node("b", 2, NOW, LEASE).await.expect("registered").incarnation;
    store.inner.doubts.add(Doubt::Deliveries(other, NOW, vec![delivery.id]));
    assert_eq!(claim(&store, other, NOW).await, []);
    store.close().await;
}

/// A node whose clock is a minute fast sees every lease of the others as over by its own clock. By that of the database none is.
#[tokio::test]
async fn a_node_whose_clock_is_a_minute_fast_takes_no_lease_and_keeps_its_own_no_longer() {
    let Some(server) = PostgresServer::start() else { return };
    server.create_database("trouble", "template1");
    let (right, fast) = (open(&server).await, open(&server).await);
    let minute = Duration::from_secs(60);
    fast.inner.clock.compare(NOW.as_micros(), (NOW + minute).as_micros());
    let delivery = waiting(&right).await;
    let of_right = right.register_node("right", 1, NOW, LEASE).await.expect("registered").incarnation;
    assert_eq!(claim(&right, of_right, NOW).await, [delivery.id]);
    let of_fast = fast.register_node("fast", 2, NOW + minute, LEASE).await.expect("registered").incarnation;
    assert_eq!(claim(&fast, of_fast, NOW + minute).await, [], "the lease holds");
    // Half a minute later both have ended, and a third one takes over what the first had.
    let later = NOW + LEASE;
    let third = right.register_node("third", 3, later, LEASE).await.expect("registered").incarnation;
    assert_eq!(claim(&right, third, later).await, [delivery.id]);
    let nodes = right.nodes().await.expect("read");
    let fast_row = nodes.iter().find(|node| node.incarnation == of_fast);
    assert!(fast_row.is_none_or(|node| node.expires_at == later), "{nodes:?}");
    right.close().await;
    fast.close().await;
}
