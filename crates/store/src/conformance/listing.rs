//! Rows about lists of deliveries and events, and counts.

use countersign_core::{
    delivery::{Delivery, DeliveryState, Hold, ParkReason},
    event::{Event, EventName, Snapshot},
    id::DeliveryId,
};

use super::world::{START, World, at, held, waiting_until};
use crate::{
    query::{Backlog, DeliveryFilter},
    settle::Next,
};

/// Pages follow each other without gap or overlap, whatever is recorded in between.
pub async fn pages_are_stable_while_new_deliveries_come_in(world: World) {
    let (account, subscription) = world.subscribed().await;
    let mut expected = Vec::new();
    for _ in 0..25 {
        expected.push(world.waiting(account, subscription, 7).await.id);
    }
    expected.reverse();
    let mut seen = Vec::new();
    let mut before = None;
    loop {
        let page = world.store.deliveries(account, DeliveryFilter::default(), before, 10).await.expect("read");
        seen.extend(page.deliveries.iter().map(|listed| listed.delivery.id));
        world.waiting(account, subscription, 7).await;
        let Some(next) = page.next else { break };
        before = Some(next);
    }
    assert_eq!(seen, expected);
}

/// A page that is exactly full and the last one says so.
pub async fn the_last_page_has_no_next(world: World) {
    let (account, subscription) = world.subscribed().await;
    for _ in 0..4 {
        world.waiting(account, subscription, 7).await;
    }
    for (limit, length, more) in [(3, 3, true), (4, 4, false), (5, 4, false)] {
        let page = world.store.deliveries(account, DeliveryFilter::default(), None, limit).await.expect("read");
        assert_eq!((page.deliveries.len(), page.next.is_some()), (length, more), "pages of {limit}");
    }
    let empty = world.store.deliveries(world.account().await, DeliveryFilter::default(), None, 10).await.expect("read");
    assert!(empty.deliveries.is_empty() && empty.next.is_none());
}

/// Each filter alone, and filters together, newest first.
pub async fn filters_select_what_they_say(world: World) {
    let (account, first) = world.subscribed().await;
    let second = world.subscription(account).await;
    let by = world.node().await;
    let envelope = world.envelope_id();
    let sent = Event { envelope: Some(envelope), name: EventName::ENVELOPE_SENT, snapshot: Snapshot::Nothing, ..world.event(account) };
    let leased = DeliveryState::Leased { by };
    let of = |event: &Event, subscription, state| Delivery { state, ..world.delivery(event, subscription, 7) };
    let (delivered, parked) = (of(&sent, first, leased), of(&sent, second, leased));
    let paid = world.event_at(account, at(100));
    let rows = [
        ("delivered", delivered),
        ("parked", parked),
        ("retrying", of(&paid, first, leased)),
        ("held", of(&paid, second, held(at(100), Hold::NoToken))),
        ("fresh", of(&paid, first, waiting_until(at(100)))),
        ("leased", of(&paid, second, leased)),
        ("cancelled", of(&paid, first, leased)),
    ];
    world.record(vec![sent.clone(), paid.clone()], rows.iter().map(|(_, delivery)| delivery.clone()).collect()).await;
    for (name, next) in [
        ("delivered", Next::Delivered),
        ("parked", Next::Parked(ParkReason::Exhausted)),
        ("retrying", Next::Waiting { due_at: at(200), held: None }),
        ("cancelled", Next::Cancelled),
    ] {
        let (_, delivery) = rows.iter().find(|(row, _)| *row == name).expect("listed above");
        world.settle(delivery, by, at(101), next).await;
    }
    // Another account's deliveries are in none of the lists.
    let (stranger, of_stranger) = world.subscribed().await;
    world.waiting(stranger, of_stranger, 7).await;

    let none = DeliveryFilter::default;
    let states = |states: &[&'static str]| DeliveryFilter { states: states.to_vec(), ..none() };
    let expectations: [(&str, DeliveryFilter, &[&str]); 21] = [
        ("all", none(), &["delivered", "parked", "retrying", "held", "fresh", "leased", "cancelled"]),
        ("waiting", states(&["waiting"]), &["retrying", "held", "fresh"]),
        ("leased", states(&["leased"]), &["leased"]),
        ("delivered", states(&["delivered"]), &["delivered"]),
        ("parked", states(&["parked"]), &["parked"]),
        ("cancelled", states(&["cancelled"]), &["cancelled"]),
        ("waiting and parked", states(&["waiting", "parked"]), &["parked", "retrying", "held", "fresh"]),
        ("waiting and leased", states(&["waiting", "leased"]), &["retrying", "held", "fresh", "leased"]),
        ("an unknown state", states(&["lost"]), &[]),
        ("failures", DeliveryFilter { failures: true, ..none() }, &["parked", "retrying", "held"]),
        ("parked failures", DeliveryFilter { failures: true, ..states(&["parked"]) }, &["parked"]),
        ("a subscription", DeliveryFilter { subscription: Some(second), ..none() }, &["parked", "held", "leased"]),
        ("an envelope", DeliveryFilter { envelope: Some(envelope), ..none() }, &["delivered", "parked"]),
        ("an envelope's failures", DeliveryFilter { envelope: Some(envelope), failures: true, ..none() }, &["parked"]),
        ("an event", DeliveryFilter { event: Some(paid.id), ..none() }, &["retrying", "held", "fresh", "leased", "cancelled"]),
        ("an event in a state", DeliveryFilter { event: Some(paid.id), ..states(&["leased"]) }, &["leased"]),
        ("an event's name", DeliveryFilter { event_name: Some(EventName::ENVELOPE_SENT), ..none() }, &["delivered", "parked"]),
        ("a class", DeliveryFilter { class: Some("http_5xx".into()), ..none() }, &["parked", "retrying", "cancelled"]),
        ("from", DeliveryFilter { from: Some(at(100)), ..none() }, &["retrying", "held", "fresh", "leased", "cancelled"]),
        ("to", DeliveryFilter { to: Some(at(100)), ..none() }, &["delivered", "parked"]),
        (
            "many together",
            DeliveryFilter { subscription: Some(first), from: Some(at(100)), class: Some("http_5xx".into()), ..states(&["waiting"]) },
            &["retrying"],
        ),
    ];
    for (row, filter, expected) in expectations {
        let listed = world.listed(account, filter).await;
        let mut names: Vec<&str> = listed
            .iter()
            .map(|id| rows.iter().find(|(_, delivery)| delivery.id == *id).map_or("a stranger's", |(name, _)| *name))
            .collect();
        assert!(listed.is_sorted_by(|a: &DeliveryId, b| a > b), "{row}: newest first");
        names.reverse();
        assert_eq!(names, expected, "{row}");
    }
}

/// Events by account and by envelope, newest first, without their snapshots.
pub async fn events_are_listed_newest_first_without_snapshots(world: World) {
    let (account, other) = (world.account().await, world.account().await);
    let envelope = world.envelope_id();
    let mut events = Vec::new();
    for round in 0..5 {
        events.push(Event { envelope: (round % 2 == 0).then_some(envelope), ..world.event(account) });
    }
    events.push(world.event(other));
    for event in &events {
        world.record(vec![event.clone()], Vec::new()).await;
    }
    let list = async |of, before, limit| {
        let events = world.store.events(account, of, before, limit).await.expect("read");
        assert!(events.iter().all(|event| event.snapshot == Snapshot::Nothing));
        events.into_iter().map(|event| event.id).collect::<Vec<_>>()
    };
    let id = |round: usize| events[round].id;
    assert_eq!(list(None, None, 10).await, [id(4), id(3), id(2), id(1), id(0)]);
    assert_eq!(list(None, None, 2).await, [id(4), id(3)]);
    assert_eq!(list(None, Some(id(3)), 2).await, [id(2), id(1)]);
    assert_eq!(list(Some(envelope), None, 10).await, [id(4), id(2), id(0)]);
    assert_eq!(list(Some(envelope), Some(id(4)), 1).await, [id(2)]);
}

/// Counts of what waits, for a subscription, an account, and all.
pub async fn the_backlog_counts_what_is_unfinished(world: World) {
    let (account, first) = world.subscribed().await;
    let second = world.subscription(account).await;
    let (other, of_other) = world.subscribed().await;
    let by = world.node().await;
    assert_eq!(world.store.backlog(None, None).await.expect("read"), Backlog::default());
    world.recorded_as(account, first, 7, waiting_until(at(20))).await;
    world.recorded_as(account, second, 7, waiting_until(at(10))).await;
    world.recorded_as(account, first, 7, held(at(1), Hold::Paused)).await;
    let parked = world.recorded_as(account, first, 7, DeliveryState::Leased { by }).await;
    world.settle(&parked, by, START, Next::Parked(ParkReason::Gone)).await;
    let done = world.recorded_as(account, first, 7, DeliveryState::Leased { by }).await;
    world.settle(&done, by, START, Next::Delivered).await;
    world.recorded_as(account, second, 7, DeliveryState::Leased { by }).await;
    // A listener belongs to one account, so this is another one.
    world.recorded_as(other, of_other, 8, waiting_until(at(5))).await;
    let backlog = |waiting, held, leased, parked, oldest| Backlog { waiting, held, leased, parked, oldest_due: Some(at(oldest)) };
    for (row, of_account, of_subscription, expected) in [
        ("all", None, None, backlog(3, 1, 1, 1, 5)),
        ("an account", Some(account), None, backlog(2, 1, 1, 1, 10)),
        ("a subscription", Some(account), Some(first), backlog(1, 1, 0, 1, 20)),
        ("a subscription alone", None, Some(second), backlog(1, 0, 1, 0, 10)),
    ] {
        assert_eq!(world.store.backlog(of_account, of_subscription).await.expect("read"), expected, "{row}");
    }
}
