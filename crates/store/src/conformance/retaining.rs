//! Rows about retention, health and the end.

use bytes::Bytes;
use countersign_core::{
    delivery::{Delivery, DeliveryState, Hold, ParkReason},
    event::{Event, Snapshot},
};

use super::world::{LONG, START, World, at, held, record, waiting_until};
use crate::{
    StoreError,
    job::{Job, JobState},
    objects::Ticket,
    query::{DeliveryFilter, Retained, Retention},
    record::{Idempotency, Record, Recorded},
    settle::Next,
};

/// Finished and old goes, with events and attempts; what is unfinished or young stays, however old.
pub async fn what_is_finished_and_old_goes_and_nothing_else(world: World) {
    let (account, subscription) = world.subscribed().await;
    let by = world.node().await;
    let leased = || DeliveryState::Leased { by };
    let mut rows = Vec::new();
    for (row, state, next, stays) in [
        ("delivered", leased(), Some(Next::Delivered), false),
        ("parked", leased(), Some(Next::Parked(ParkReason::Gone)), false),
        ("cancelled", leased(), Some(Next::Cancelled), false),
        ("waiting", waiting_until(START), None, true),
        ("retrying", leased(), Some(Next::Waiting { due_at: at(9), held: None }), true),
        ("held", held(START, Hold::Paused), None, true),
        ("leased", leased(), None, true),
    ] {
        let delivery = world.recorded_as(account, subscription, 7, state).await;
        if let Some(next) = next {
            world.settle(&delivery, by, START, next).await;
        }
        rows.push((row, delivery, stays));
    }
    let unmatched = world.event(account);
    world.record(vec![unmatched.clone()], Vec::new()).await;
    let young = Event { at: at(100), ..world.event_at(account, at(100)) };
    let young_delivery = Delivery { state: leased(), ..world.delivery(&young, subscription, 7) };
    world.record(vec![young.clone()], vec![young_delivery.clone()]).await;
    world.settle(&young_delivery, by, at(101), Next::Delivered).await;

    let retention = Retention { before: at(100), rows_max: 100 };
    let retained = world.store.retain(retention, at(200)).await.expect("retained");
    assert_eq!(retained, Retained { deliveries: 3, events: 4, more: false });
    for (row, delivery, stays) in &rows {
        let found = world.store.delivery(account, delivery.id).await.expect("read");
        assert_eq!(found.is_some(), *stays, "{row}");
        assert_eq!(world.store.event(account, delivery.event).await.expect("read").is_some(), *stays, "{row}: its event");
    }
    assert!(world.store.event(account, unmatched.id).await.expect("read").is_none());
    assert_eq!(world.read(&young_delivery).await.attempts.len(), 1);
    let again = world.store.retain(retention, at(200)).await.expect("retained");
    assert_eq!(again, Retained::default());
    // What was unfinished goes once it is finished.
    world.settle(&rows[6].1, by, at(150), Next::Delivered).await;
    let last = world.store.retain(retention, at(200)).await.expect("retained");
    assert_eq!(last, Retained { deliveries: 1, events: 1, more: false });
}

/// Jobs that are over go when they were last written before retention began; those that run stay, however old.
pub async fn jobs_that_are_over_and_old_go(world: World) {
    let account = world.account().await;
    let by = world.node().await;
    let mut jobs = Vec::new();
    for (row, end, stays) in [
        ("finished", Some((JobState::Finished, at(10))), false),
        ("failed", Some((JobState::Failed, at(10))), false),
        ("finished late", Some((JobState::Finished, at(150))), true),
        ("running", None, true),
    ] {
        let job = Job {
            id: world.job_id(),
            account,
            kind: "replay".into(),
            state: JobState::Running,
            spec: "{}".into(),
            progress: "{}".into(),
            created_at: START,
            changed_at: START,
            leased_by: None,
        };
        world.store.create_job(job.clone()).await.expect("stored");
        assert_eq!(world.store.claim_jobs(by, START, 10).await.expect("claimed").len(), 1, "{row}");
        if let Some((state, when)) = end {
            world.store.write_job(by, job.id, state, "{}".into(), when).await.expect("stored").expect("its holder");
        }
        jobs.push((row, job.id, stays));
    }
    world.store.retain(Retention { before: at(100), rows_max: 100 }, at(200)).await.expect("retained");
    for (row, id, stays) in jobs {
        assert_eq!(world.store.job(account, id).await.expect("read").is_some(), stays, "{row}");
    }
}

/// Small steps: no more than asked for, and the answer tells whether more remains.
pub async fn retention_goes_in_small_steps(world: World) {
    let (account, subscription) = world.subscribed().await;
    let by = world.node().await;
    // Old and unfinished, in front of everything: must not keep the rest from going.
    let first = world.waiting(account, subscription, 7).await;
    for _ in 0..10 {
        let delivery = world.recorded_as(account, subscription, 7, DeliveryState::Leased { by }).await;
        world.settle(&delivery, by, START, Next::Delivered).await;
    }
    let mut deleted = Vec::new();
    loop {
        let retained = world.store.retain(Retention { before: at(1), rows_max: 4 }, at(1)).await.expect("retained");
        deleted.push(retained.deliveries);
        assert!(deleted.len() < 20, "it comes to an end");
        if !retained.more {
            break;
        }
    }
    assert!(deleted.iter().all(|count| *count <= 4), "{deleted:?}");
    assert_eq!(deleted.iter().sum::<u64>(), 10);
    assert_eq!(world.listed(account, DeliveryFilter::default()).await, [first.id]);
}

/// An event whose snapshot others share goes last, and an event goes when its last delivery does.
pub async fn a_shared_snapshot_stays_as_long_as_anything_shows_it(world: World) {
    let (account, subscription) = world.subscribed().await;
    let by = world.node().await;
    let shared = Bytes::from(vec![5; 3_000]);
    let events: Vec<Event> = (0..3).map(|_| Event { snapshot: Snapshot::Envelope(shared.clone()), ..world.event(account) }).collect();
    let leased = |event: &Event| Delivery { state: DeliveryState::Leased { by }, ..world.delivery(event, subscription, 7) };
    let first = [leased(&events[0]), leased(&events[0])];
    let last = world.delivery(&events[2], subscription, 7);
    world.record(events.clone(), [&first[..], std::slice::from_ref(&last)].concat()).await;
    world.settle(&first[0], by, START, Next::Delivered).await;
    let retain = async || world.store.retain(Retention { before: at(1), rows_max: 100 }, at(1)).await.expect("retained");
    let exist = async || {
        let mut exist = Vec::new();
        for event in &events {
            exist.push(world.store.event(account, event.id).await.expect("read").is_some());
        }
        exist
    };
    assert_eq!(retain().await.deliveries, 1);
    assert_eq!(exist().await, [true, false, true], "the second matched nothing; the first has another delivery");
    world.settle(&first[1], by, START, Next::Delivered).await;
    assert_eq!(retain().await.deliveries, 1);
    let claimed = world.claim(by, START, 7, 10).await;
    assert_eq!(*claimed[0].event, events[2], "the last still shows the snapshot that was stored with the first");
    world.settle(&last, by, START, Next::Delivered).await;
    while retain().await != Retained::default() {}
    assert_eq!(exist().await, [false; 3]);
}

/// What has expired is swept with the rest.
pub async fn what_has_expired_is_swept(world: World) {
    let account = world.account().await;
    let ticket = Ticket { sha256: [1; 32], kind: "code".into(), body: "{}".into(), expires_at: at(5) };
    world.store.put_ticket(ticket.clone(), START).await.expect("stored").expect("new");
    let idempotency = Idempotency { key: "k".into(), request_sha256: [1; 32], answer: Bytes::new(), expires_at: at(5) };
    let item = Record { idempotency: Some(idempotency), events: vec![world.event(account).into()], ..record(account) };
    assert_eq!(world.store.record(vec![item]).await.expect("stored"), vec![Ok(Recorded::Fresh)]);
    let retention = Retention { before: START, rows_max: 100 };
    world.store.retain(retention, at(4)).await.expect("retained");
    assert!(world.store.idempotent(account, "k", START).await.expect("read").is_some(), "not yet");
    world.store.retain(retention, at(5)).await.expect("retained");
    assert!(world.store.idempotent(account, "k", START).await.expect("read").is_none());
    assert_eq!(world.store.take_ticket("code", [1; 32], START).await.expect("answered"), None);
}

/// A healthy store says so.
pub async fn a_healthy_store_says_so(world: World) {
    let (account, subscription) = world.subscribed().await;
    world.waiting(account, subscription, 7).await;
    let health = world.store.health().await.expect("read");
    assert!(health.writable);
    assert!(health.disk_bytes > 0 && health.schema >= 1 && !health.backend.is_empty());
    assert!(health.last_commit > std::time::Duration::ZERO && health.last_commit < LONG);
    world.waiting(account, subscription, 7).await;
    assert!(world.store.health().await.expect("read").commits > health.commits, "a record is a commit more");
}

/// After the end nothing is taken, and what was taken before it is there.
pub async fn a_closed_store_takes_nothing(world: World) {
    let account = world.account().await;
    let event = world.event(account);
    world.record(vec![event.clone()], Vec::new()).await;
    world.store.close().await;
    world.store.close().await;
    let item = Record { events: vec![world.event(account).into()], ..record(account) };
    let written = world.store.record(vec![item]).await;
    assert!(matches!(written, Err(StoreError::Unavailable(_))), "{written:?}");
    let read = world.store.event(account, event.id).await;
    assert!(matches!(read, Err(StoreError::Unavailable(_))), "{read:?}");
}
