//! Rows about `claim_due`, `due_listeners` and `next_due`.

use std::sync::Arc;

use bytes::Bytes;
use countersign_core::{
    delivery::{Delivery, DeliveryState, Hold, ParkReason},
    event::{Event, Snapshot},
    id::{DeliveryId, ListenerId},
};

use super::world::{START, World, at, claim, held, record, waiting_until};
use crate::{
    claim::{Claim, DueListener},
    record::{Record, Recorded},
};

/// Due rows of a dead listener beside one row of a healthy one. A million behaves the same; this many keep the suite quick.
const DEAD_ROWS: usize = 20_000;
/// Rows recorded in one call.
const BULK_ROWS: usize = 2_000;

/// Claimed oldest due first, no more than asked for, only what is due.
pub async fn the_oldest_due_come_first_within_the_quota(world: World) {
    let (account, subscription) = world.subscribed().await;
    let by = world.node().await;
    let mut due = Vec::new();
    for seconds in [30, 10, 20, 40] {
        due.push(world.recorded_as(account, subscription, 7, waiting_until(at(seconds))).await.id);
    }
    assert_eq!(world.claim_ids(by, at(30), 7, 2).await, [due[1], due[2]]);
    assert_eq!(world.claim_ids(by, at(30), 7, 10).await, [due[0]], "the fourth is not due");
    assert_eq!(world.claim_ids(by, at(40), 7, 10).await, [due[3]]);
}

/// A claimed delivery is leased to the claimer with its event, and nobody else gets it.
pub async fn a_claimed_delivery_is_leased_and_given_once(world: World) {
    let (account, subscription) = world.subscribed().await;
    let (by, other) = (world.node().await, world.node().await);
    let event = world.event(account);
    let delivery = world.delivery(&event, subscription, 7);
    world.record(vec![event.clone()], vec![delivery.clone()]).await;
    let claimed = world.claim(by, START, 7, 10).await;
    assert_eq!(claimed.len(), 1);
    assert_eq!(claimed[0].delivery, Delivery { state: DeliveryState::Leased { by }, ..delivery.clone() });
    assert_eq!(*claimed[0].event, event);
    assert_eq!(claimed[0].times_orphaned, 0);
    assert_eq!(world.state(&delivery).await, DeliveryState::Leased { by });
    assert!(world.claim(other, at(60), 7, 10).await.is_empty());
}

/// What was recorded leased is in its owner's hands already.
pub async fn what_was_recorded_leased_is_not_claimed(world: World) {
    let (account, subscription) = world.subscribed().await;
    let (by, other) = (world.node().await, world.node().await);
    world.recorded_as(account, subscription, 7, DeliveryState::Leased { by }).await;
    assert!(world.claim(by, at(60), 7, 10).await.is_empty());
    assert!(world.claim(other, at(60), 7, 10).await.is_empty());
}

/// Each lane has its own quota; a lane that is not named keeps what it has.
pub async fn each_lane_has_its_own_quota(world: World) {
    let (account, subscription) = world.subscribed().await;
    let by = world.node().await;
    for listener in [1, 1, 1, 2, 2, 2, 3] {
        world.waiting(account, subscription, listener).await;
    }
    let claimed = world.store.claim_due(claim(by, START, &[(1, 1), (2, 2)])).await.expect("claimed");
    let lanes: Vec<i64> = claimed.iter().map(|claimed| claimed.delivery.listener.0).collect();
    assert_eq!(lanes, [1, 2, 2]);
}

/// Held deliveries are due to nobody.
pub async fn what_is_held_is_not_claimed(world: World) {
    let (account, subscription) = world.subscribed().await;
    let by = world.node().await;
    for hold in [Hold::Paused, Hold::Disabled, Hold::NoToken] {
        world.recorded_as(account, subscription, 7, held(START, hold)).await;
    }
    assert!(world.claim(by, at(60), 7, 10).await.is_empty());
    assert!(world.store.due_listeners(at(60), None, 10).await.expect("read").is_empty());
    assert_eq!(world.store.next_due().await.expect("read"), None);
}

/// A claim stops after so many bytes of snapshots, yet always brings one row, and counts a shared event once.
pub async fn the_byte_budget_bounds_a_claim(world: World) {
    let (account, subscription) = world.subscribed().await;
    let by = world.node().await;
    let mut expected = Vec::new();
    for seconds in 0..4 {
        let event = Event { snapshot: Snapshot::Posted(Bytes::from(vec![b'x'; 1_000])), ..world.event_at(account, at(seconds)) };
        let deliveries = vec![world.delivery(&event, subscription, 7), world.delivery(&event, subscription, 7)];
        expected.extend(deliveries.iter().map(|delivery| delivery.id));
        world.record(vec![event], deliveries).await;
    }
    let ask = |bytes_max| Claim { bytes_max, ..claim(by, at(60), &[(7, 10)]) };
    let ids = |claimed: Vec<crate::claim::Claimed>| claimed.iter().map(|claimed| claimed.delivery.id).collect::<Vec<DeliveryId>>();
    assert_eq!(ids(world.store.claim_due(ask(10)).await.expect("claimed")), expected[..2], "the first event is larger than the budget");
    assert_eq!(ids(world.store.claim_due(ask(2_500)).await.expect("claimed")), expected[2..6]);
    assert_eq!(ids(world.store.claim_due(ask(1_000)).await.expect("claimed")), expected[6..]);
}

/// Deliveries of one claim that belong to one event share it in memory.
pub async fn deliveries_of_one_event_share_it(world: World) {
    let (account, subscription) = world.subscribed().await;
    let by = world.node().await;
    let event = world.event(account);
    let deliveries = (0..3).map(|listener| world.delivery(&event, subscription, listener)).collect();
    world.record(vec![event], deliveries).await;
    let claimed = world.store.claim_due(claim(by, START, &[(0, 9), (1, 9), (2, 9)])).await.expect("claimed");
    assert_eq!(claimed.len(), 3);
    assert!(claimed.iter().all(|other| Arc::ptr_eq(&claimed[0].event, &other.event)));
}

/// Events that share one stored snapshot each come with it.
pub async fn a_shared_snapshot_comes_with_each_event(world: World) {
    let (account, subscription) = world.subscribed().await;
    let by = world.node().await;
    let shared = Bytes::from(vec![3; 2_000]);
    let events: Vec<Event> = (0..3).map(|_| Event { snapshot: Snapshot::Envelope(shared.clone()), ..world.event(account) }).collect();
    let deliveries = events.iter().map(|event| world.delivery(event, subscription, 7)).collect();
    world.record(events.clone(), deliveries).await;
    let claimed = world.claim(by, START, 7, 10).await;
    assert_eq!(claimed.iter().map(|claimed| (*claimed.event).clone()).collect::<Vec<_>>(), events);
}

/// A dead listener with a heap of due rows costs a healthy one nothing: a claim names lanes and touches no others.
pub async fn a_heap_of_due_rows_of_a_dead_listener_delays_no_other(world: World) {
    let (account, subscription) = world.subscribed().await;
    let by = world.node().await;
    let (dead, healthy) = (5, 9);
    for _ in 0..DEAD_ROWS / BULK_ROWS {
        let event = world.event(account);
        let deliveries = (0..BULK_ROWS).map(|_| world.delivery(&event, subscription, dead)).collect();
        let item = Record { events: vec![event.into()], deliveries, ..record(account) };
        assert_eq!(world.store.record(vec![item]).await.expect("stored"), vec![Ok(Recorded::Fresh)]);
    }
    // Due later than all of the heap, so that an order by time alone would put it last.
    let last = world.recorded_as(account, subscription, healthy, waiting_until(at(1))).await;
    let lanes: Vec<ListenerId> =
        world.store.due_listeners(at(1), None, 10).await.expect("read").into_iter().map(|due| due.listener).collect();
    assert_eq!(lanes, [ListenerId(dead), ListenerId(healthy)]);
    assert_eq!(world.claim_ids(by, at(1), healthy, 10).await, [last.id]);
    let backlog = world.store.backlog(Some(account), None).await.expect("read");
    assert_eq!((backlog.waiting, backlog.leased), (DEAD_ROWS as u64, 1));
}

/// Listeners with something due, by id, each with its account and its earliest time.
pub async fn due_listeners_come_by_id_with_their_earliest_time(world: World) {
    let (account, subscription) = world.subscribed().await;
    let (other, of_other) = world.subscribed().await;
    for (listener, seconds) in [(3, 20), (3, 10), (1, 5), (2, 99)] {
        world.recorded_as(account, subscription, listener, waiting_until(at(seconds))).await;
    }
    world.recorded_as(other, of_other, 4, waiting_until(at(0))).await;
    let due = |listener, account, seconds| DueListener { listener: ListenerId(listener), account, due_at: at(seconds) };
    let all = world.store.due_listeners(at(30), None, 10).await.expect("read");
    assert_eq!(all, [due(1, account, 5), due(3, account, 10), due(4, other, 0)]);
    let page = world.store.due_listeners(at(30), Some(ListenerId(1)), 1).await.expect("read");
    assert_eq!(page, [due(3, account, 10)]);
    assert!(world.store.due_listeners(at(30), Some(ListenerId(4)), 10).await.expect("read").is_empty());
}

/// The next time anything is due, whether it is due by now or not.
pub async fn next_due_is_the_earliest_of_all(world: World) {
    let (account, subscription) = world.subscribed().await;
    assert_eq!(world.store.next_due().await.expect("read"), None);
    world.recorded_as(account, subscription, 1, waiting_until(at(50))).await;
    world.recorded_as(account, subscription, 2, waiting_until(at(40))).await;
    assert_eq!(world.store.next_due().await.expect("read"), Some(at(40)));
}

/// A claimer whose life has ended, or was never registered, gets nothing.
pub async fn who_is_not_alive_claims_nothing(world: World) {
    let (account, subscription) = world.subscribed().await;
    let by = world.node().await;
    world.waiting(account, subscription, 7).await;
    let late = START + super::world::LONG;
    assert!(world.claim(by, late, 7, 10).await.is_empty(), "it has expired");
    world.store.retire_node(by, START).await.expect("retired");
    assert!(world.claim(by, START, 7, 10).await.is_empty(), "it has retired");
    let next = world.node().await;
    assert_eq!(world.claim(next, START, 7, 10).await.len(), 1);
}

/// A delivery whose snapshot was purged is parked instead of given out.
pub async fn what_cannot_be_shown_any_more_is_parked(world: World) {
    let (account, subscription) = world.subscribed().await;
    let by = world.node().await;
    let envelope = world.envelope_id();
    let shared = Bytes::from(vec![3; 2_000]);
    let events: Vec<Event> =
        (0..2).map(|_| Event { envelope: Some(envelope), snapshot: Snapshot::Envelope(shared.clone()), ..world.event(account) }).collect();
    let deliveries: Vec<Delivery> = events.iter().map(|event| world.delivery(event, subscription, 7)).collect();
    world.record(events.clone(), deliveries.clone()).await;
    let whole = world.waiting(account, subscription, 7).await;
    assert_eq!(world.store.purge_snapshots(account, envelope).await.expect("purged"), 2);
    assert_eq!(world.store.purge_snapshots(account, envelope).await.expect("purged"), 0, "once is enough");
    assert_eq!(world.claim_ids(by, at(9), 7, 10).await, [whole.id]);
    for delivery in &deliveries {
        assert_eq!(world.state(delivery).await, DeliveryState::Parked { reason: ParkReason::Unrenderable, at: at(9) });
    }
    let read = world.store.event(account, events[0].id).await.expect("read").expect("the event itself stays");
    assert_eq!(read.snapshot, Snapshot::Nothing);
}
