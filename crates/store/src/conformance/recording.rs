//! Rows about `record`.

use std::sync::Arc;

use bytes::Bytes;
use countersign_core::{
    config::ConfigVersion,
    delivery::{Delivery, DeliveryState, Hold},
    event::{Event, EventDetail, EventName, Snapshot},
};

use super::world::{START, World, at, held, object, record, waiting_until};
use crate::{
    Refused,
    query::DeliveryFilter,
    record::{EnvelopeChange, EnvelopeVersion, Idempotency, Record, Recorded},
};

/// What was recorded reads back value for value.
pub async fn an_event_and_its_deliveries_read_back(world: World) {
    let (account, subscription) = world.subscribed().await;
    let by = world.node().await;
    let event = Event {
        user: Some(world.user_id()),
        envelope: Some(world.envelope_id()),
        detail: EventDetail { recipient_id: Some("1".into()), ..EventDetail::default() },
        name: EventName::RECIPIENT_COMPLETED,
        snapshot: Snapshot::Envelope(Bytes::from(vec![7; 100_000])),
        ..world.event(account)
    };
    let states = [("waiting", waiting_until(at(5))), ("held", held(at(5), Hold::Paused)), ("leased", DeliveryState::Leased { by })];
    let deliveries: Vec<Delivery> =
        states.iter().map(|(_, state)| Delivery { state: *state, ..world.delivery(&event, subscription, 7) }).collect();
    world.record(vec![event.clone()], deliveries.clone()).await;

    assert_eq!(world.store.event(account, event.id).await.expect("read"), Some(event.clone()));
    for ((row, _), delivery) in states.iter().zip(&deliveries) {
        let read = world.read(delivery).await;
        assert_eq!(read.listed.delivery, *delivery, "{row}");
        assert_eq!(read.listed.event_name, event.name, "{row}");
        assert!(read.attempts.is_empty(), "{row}");
    }
}

/// An event that nobody wants is kept all the same.
pub async fn an_event_without_a_match_is_kept(world: World) {
    let account = world.account().await;
    let event = world.event(account);
    world.record(vec![event.clone()], Vec::new()).await;
    assert_eq!(world.store.event(account, event.id).await.expect("read"), Some(event));
}

/// Events of one change show the state it left behind; the bytes are stored once and read back for each.
pub async fn events_that_share_a_snapshot_read_back_alike(world: World) {
    let account = world.account().await;
    let (shared, own) = (Bytes::from(vec![1; 5_000]), Bytes::from(vec![2; 5_000]));
    let snapshots = [&shared, &shared, &own, &shared, &shared].map(|bytes| Snapshot::Envelope(bytes.clone()));
    let events: Vec<Event> = snapshots.into_iter().map(|snapshot| Event { snapshot, ..world.event(account) }).collect();
    world.record(events.clone(), Vec::new()).await;
    for (row, event) in events.iter().enumerate() {
        assert_eq!(world.store.event(account, event.id).await.expect("read").as_ref(), Some(event), "event {row}");
    }
}

/// Snapshots of any form and length come back byte for byte.
pub async fn snapshots_read_back_byte_for_byte(world: World) {
    let account = world.account().await;
    for (row, snapshot) in [
        ("nothing", Snapshot::Nothing),
        ("posted, empty", Snapshot::Posted(Bytes::new())),
        ("posted, not UTF-8", Snapshot::Posted(Bytes::from_static(&[0, 255, 0, 254]))),
        ("an envelope, one byte", Snapshot::Envelope(Bytes::from_static(b"x"))),
        ("posted, 1 MiB", Snapshot::Posted(Bytes::from(vec![b'a'; 1 << 20]))),
    ] {
        let event = Event { snapshot, ..world.event(account) };
        world.record(vec![event.clone()], Vec::new()).await;
        assert_eq!(world.store.event(account, event.id).await.expect("read"), Some(event), "{row}");
    }
}

/// What was matched with an older configuration is refused with the version to match with.
pub async fn a_stale_configuration_is_refused_with_the_present_version(world: World) {
    let (account, subscription) = world.subscribed().await;
    let stale = world.version(account).await;
    world.store.put_subscription(account, subscription, object("{\"x\":1}"), false).await.expect("stored").expect("exists");
    let present = world.version(account).await;
    assert!(present > stale);
    let event = world.event(account);
    let item = |config| Record { config: Some(config), events: vec![event.clone().into()], ..record(account) };
    assert_eq!(world.store.record(vec![item(stale)]).await.expect("answered"), vec![Err(Refused::StaleConfig(present))]);
    assert_eq!(world.store.event(account, event.id).await.expect("read"), None, "nothing is half-applied");
    assert_eq!(world.store.record(vec![item(present)]).await.expect("answered"), vec![Ok(Recorded::Fresh)]);
}

/// Of two changes of one version one wins; nothing of the other is kept.
pub async fn a_stale_envelope_version_is_refused_whole(world: World) {
    let account = world.account().await;
    let row = world.envelope_row(account);
    world.put_envelope(row.clone(), None).await;
    let read = world.store.envelope(account, row.id).await.expect("read").expect("exists");
    let change = |status: &str, event: Option<Event>| Record {
        envelope: Some(EnvelopeChange {
            read: Some(read.version),
            row: crate::envelopes::EnvelopeRow { status: status.into(), ..row.clone() },
            timers: Vec::new(),
        }),
        events: event.into_iter().map(Arc::new).collect(),
        ..record(account)
    };
    let late = world.event(account);
    let answers = world.store.record(vec![change("sent", None), change("voided", Some(late.clone()))]).await.expect("answered");
    assert_eq!(answers, vec![Ok(Recorded::Fresh), Err(Refused::StaleEnvelope)]);
    let stored = world.store.envelope(account, row.id).await.expect("read").expect("exists");
    assert_eq!(stored.row.status, "sent");
    assert!(stored.version > read.version);
    assert_eq!(world.store.event(account, late.id).await.expect("read"), None);
}

/// Making an envelope that exists, and changing one that does not, are refused.
pub async fn an_envelope_is_made_once_and_changed_only_where_it_is(world: World) {
    let (account, other) = (world.account().await, world.account().await);
    let row = world.envelope_row(account);
    world.put_envelope(row.clone(), None).await;
    let item = |read, row| Record { envelope: Some(EnvelopeChange { read, row, timers: Vec::new() }), ..record(account) };
    let version = Some(EnvelopeVersion(1));
    for (name, item, refused) in [
        ("made again", item(None, row.clone()), Refused::Exists),
        ("unknown", item(version, world.envelope_row(account)), Refused::NotFound),
        (
            "of another account",
            Record { account: other, ..item(version, crate::envelopes::EnvelopeRow { account: other, ..row.clone() }) },
            Refused::NotFound,
        ),
    ] {
        assert_eq!(world.store.record(vec![item]).await.expect("answered"), vec![Err(refused)], "{name}");
    }
}

/// An item that cannot be stored is refused, its neighbours of the same and of other calls are not, and nothing of it stays.
pub async fn a_bad_item_fails_alone(world: World) {
    let (account, subscription) = world.subscribed().await;
    let known = world.event(account);
    world.record(vec![known.clone()], Vec::new()).await;
    let good = [world.event(account), world.event(account), world.event(account)];
    let half = world.event(account);
    let delivery = world.delivery(&half, subscription, 7);
    let item = |events: Vec<Event>| Record { events: events.into_iter().map(Arc::new).collect(), ..record(account) };
    // The second event of the bad item has an id that is in use: it breaks off in the middle.
    let bad = Record { events: vec![half.clone().into(), known.clone().into()], deliveries: vec![delivery.clone()], ..record(account) };
    let store = Arc::clone(&world.store);
    let neighbour = item(vec![good[2].clone()]);
    let beside = async move { store.record(vec![neighbour]).await.expect("answered") };
    let batch = world.store.record(vec![item(vec![good[0].clone()]), bad, item(vec![good[1].clone()])]);
    let (batch, beside) = futures_join(batch, beside).await;
    assert_eq!(batch.expect("answered"), vec![Ok(Recorded::Fresh), Err(Refused::Exists), Ok(Recorded::Fresh)]);
    assert_eq!(beside, vec![Ok(Recorded::Fresh)]);
    for event in &good {
        assert!(world.store.event(account, event.id).await.expect("read").is_some());
    }
    assert_eq!(world.store.event(account, half.id).await.expect("read"), None, "the first event of the bad item");
    assert!(world.store.delivery(account, delivery.id).await.expect("read").is_none());
}

/// A record for an account that does not exist, or with a part of another account, is refused.
pub async fn accounts_are_kept_apart(world: World) {
    let (account, other) = (world.account().await, world.account().await);
    let nowhere = countersign_core::id::AccountId(99);
    let item = |of, event: Event| Record { events: vec![event.into()], ..record(of) };
    let answers = world.store.record(vec![item(nowhere, world.event(nowhere)), item(account, world.event(other))]).await.expect("answered");
    assert_eq!(answers[0], Err(Refused::NotFound));
    assert!(matches!(answers[1], Err(Refused::WrongState(_))), "{:?}", answers[1]);
    let event = world.event(account);
    world.record(vec![event.clone()], Vec::new()).await;
    assert_eq!(world.store.event(other, event.id).await.expect("read"), None);
}

/// Only what may begin is recorded: a delivery that is done already is not.
pub async fn a_finished_delivery_is_not_recorded(world: World) {
    let (account, subscription) = world.subscribed().await;
    let event = world.event(account);
    let delivery = Delivery { state: DeliveryState::Delivered { at: START }, ..world.delivery(&event, subscription, 7) };
    let item = Record { events: vec![event.into()], deliveries: vec![delivery], ..record(account) };
    let answers = world.store.record(vec![item]).await.expect("answered");
    assert_eq!(answers, vec![Err(Refused::WrongState("delivered".into()))]);
}

/// The same request is answered once more, another one under its key is refused, and a key that has expired is free again.
pub async fn an_idempotency_key_covers_its_request_until_it_expires(world: World) {
    let (account, other) = (world.account().await, world.account().await);
    let answer = Bytes::from_static(b"{\"ids\":[1]}");
    let item = |of, hash: u8, seconds| {
        let now = at(seconds);
        let idempotency =
            Idempotency { key: "k-1".into(), request_sha256: [hash; 32], answer: answer.clone(), expires_at: now + super::world::LONG };
        Record { events: vec![world.event_at(of, now).into()], idempotency: Some(idempotency), ..record(of) }
    };
    let first = item(account, 1, 0);
    let event = first.events[0].id;
    for (row, item, expected) in [
        ("first", first, Ok(Recorded::Fresh)),
        ("again", item(account, 1, 1), Ok(Recorded::Repeated(answer.clone()))),
        ("another request", item(account, 2, 2), Err(Refused::IdempotencyConflict)),
        ("another account", item(other, 2, 3), Ok(Recorded::Fresh)),
        ("after its end", item(account, 2, 3_601), Ok(Recorded::Fresh)),
    ] {
        assert_eq!(world.store.record(vec![item]).await.expect("answered"), vec![expected], "{row}");
    }
    assert!(world.store.event(account, event).await.expect("read").is_some());
    assert_eq!(world.store.events(account, None, None, 10).await.expect("read").len(), 2, "the repeated ones were not recorded");
    let known = world.store.idempotent(account, "k-1", at(3_700)).await.expect("read");
    assert_eq!(known, Some(([2; 32], answer)));
    assert_eq!(world.store.idempotent(account, "k-1", at(9_000)).await.expect("read"), None, "expired");
}

/// Two items of one batch with the same key: the second is the repetition.
pub async fn a_key_covers_its_own_batch(world: World) {
    let account = world.account().await;
    let answer = Bytes::from_static(b"a");
    let item = || {
        let idempotency =
            Idempotency { key: "k".into(), request_sha256: [1; 32], answer: answer.clone(), expires_at: START + super::world::LONG };
        Record { events: vec![world.event(account).into()], idempotency: Some(idempotency), ..record(account) }
    };
    let answers = world.store.record(vec![item(), item()]).await.expect("answered");
    assert_eq!(answers, vec![Ok(Recorded::Fresh), Ok(Recorded::Repeated(answer))]);
}

/// Envelope-level subscriptions come into being with the record or not at all, and do not disturb the account's configuration.
pub async fn envelope_subscriptions_come_with_their_record(world: World) {
    let account = world.account().await;
    let version = world.version(account).await;
    let row = world.envelope_row(account);
    let ids = world.store.next_subscription_ids(2).await.expect("ids");
    let item = |id, config| Record {
        config: Some(config),
        envelope: Some(EnvelopeChange { read: None, row: row.clone(), timers: Vec::new() }),
        subscriptions: vec![(id, row.id, object("{\"level\":\"envelope\"}"))],
        ..record(account)
    };
    let refused = world.store.record(vec![item(ids[0], ConfigVersion(version.0 + 1))]).await.expect("answered");
    assert_eq!(refused, vec![Err(Refused::StaleConfig(version))]);
    assert!(world.store.subscription(ids[0]).await.expect("read").is_none());
    assert_eq!(world.store.record(vec![item(ids[1], version)]).await.expect("answered"), vec![Ok(Recorded::Fresh)]);
    let found = world.store.envelope_subscriptions(account, row.id).await.expect("read");
    assert_eq!(found.iter().map(|(id, object)| (*id, object.body.as_str())).collect::<Vec<_>>(), [(ids[1], "{\"level\":\"envelope\"}")]);
    assert_eq!(world.version(account).await, version);
    assert!(world.store.subscriptions(account).await.expect("read").1.is_empty(), "it is not an account-level one");
}

/// Many callers at once: each gets its own answer, and all of it is there.
pub async fn callers_that_arrive_together_all_land(world: World) {
    let (account, subscription) = world.subscribed().await;
    let config = world.version(account).await;
    let mut calls = tokio::task::JoinSet::new();
    let mut events = Vec::new();
    for _ in 0..300 {
        let event = world.event(account);
        let delivery = world.delivery(&event, subscription, 7);
        events.push(event.id);
        let item = Record { config: Some(config), events: vec![event.into()], deliveries: vec![delivery], ..record(account) };
        let store = Arc::clone(&world.store);
        calls.spawn(async move { store.record(vec![item]).await });
    }
    while let Some(answer) = calls.join_next().await {
        assert_eq!(answer.expect("ran").expect("answered"), vec![Ok(Recorded::Fresh)]);
    }
    let mut listed = Vec::new();
    let mut before = None;
    loop {
        let page = world.store.deliveries(account, DeliveryFilter::default(), before, 100).await.expect("read");
        listed.extend(page.deliveries.iter().map(|listed| listed.delivery.event));
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    listed.reverse();
    assert_eq!(listed, events);
}

async fn futures_join<A, B>(a: impl Future<Output = A>, b: impl Future<Output = B> + Send + 'static) -> (A, B)
where
    B: Send + 'static,
{
    let b = tokio::spawn(b);
    (a.await, b.await.expect("ran"))
}
