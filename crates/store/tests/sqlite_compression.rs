//! Compression is turned on and off at any time: whatever was stored is read, and takes a fraction of the space meanwhile.

use std::{path::Path, sync::Arc, time::Duration};

use bytes::Bytes;
use countersign_core::{
    Timestamp,
    config::ConfigVersion,
    delivery::{Delivery, DeliveryState},
    event::{Event, EventDetail, EventName, Snapshot},
    id::{AccountGuid, AccountId, AttemptId, DeliveryId, EventId, IdSource, Incarnation, ListenerId, SubscriptionId},
    subscription::MessageShape,
};
use countersign_store::{
    Compression, Store,
    objects::Object,
    record::Record,
    settle::{AttemptRow, Exchange, Next, Settlement},
    sqlite::{DATABASE_FILE, Settings, SqliteStore},
};

const NOW: Timestamp = Timestamp::from_secs(1_763_800_000);

/// Who the deliveries belong to.
#[derive(Clone, Copy)]
struct Owner {
    account: AccountId,
    config: ConfigVersion,
    subscription: SubscriptionId,
}

fn open(folder: &Path, compression: Compression) -> SqliteStore {
    SqliteStore::open(Settings { reserve_bytes: 0, readers: 1, compression, ..Settings::new(folder) }).expect("opens")
}

async fn owner(store: &SqliteStore) -> Owner {
    let account = store.create_account(AccountGuid(uuid::Uuid::from_u128(7)), "One", NOW).await.expect("stored").expect("new").id;
    let subscription = store.next_subscription_ids(1).await.expect("ids")[0];
    let object = Object { body: "{}".into(), secrets: countersign_core::config::Secrets::new(), contents: Vec::new() };
    let config = store.put_subscription(account, subscription, object, true).await.expect("stored").expect("new");
    Owner { account, config, subscription }
}

fn body(number: usize) -> Bytes {
    let signer = format!("{{\"recipientId\":\"{number}\",\"status\":\"completed\",\"email\":\"anna@example.com\"}},");
    Bytes::from(format!("[{}0]", signer.repeat(30)))
}

fn exchange(number: usize) -> Exchange {
    Exchange {
        url: format!("https://hooks.example.com/{number}"),
        request_headers: [("content-type", "application/json; charset=utf-8")].into_iter().collect(),
        body_sha256: format!("{number:064x}"),
        ..Exchange::default()
    }
}

/// Records one event and settles its delivery, by a node of this life.
async fn delivered(store: &SqliteStore, owner: Owner, ids: &IdSource, number: usize) -> (EventId, DeliveryId) {
    let by = store.register_node("a node", number as u64 + 1, NOW, Duration::from_secs(60)).await.expect("registered").incarnation;
    let event = Event {
        id: EventId::from_raw(ids.next(NOW)),
        account: owner.account,
        name: EventName::try_new("invoice.paid").expect("a name"),
        at: NOW,
        user: None,
        envelope: None,
        detail: EventDetail::default(),
        snapshot: Snapshot::Posted(body(number)),
    };
    let delivery = leased(owner, &event, DeliveryId::from_raw(ids.next(NOW)), by);
    let (event_id, delivery_id) = (event.id, delivery.id);
    let record = Record {
        account: owner.account,
        config: Some(owner.config),
        envelope: None,
        events: vec![event.into()],
        deliveries: vec![delivery],
        subscriptions: Vec::new(),
        idempotency: None,
    };
    assert!(store.record(vec![record]).await.expect("stored")[0].is_ok());
    let attempt = AttemptRow {
        id: AttemptId::from_raw(ids.next(NOW)),
        started_at: NOW,
        elapsed_us: 900,
        retry_count: 0,
        class: "accepted".into(),
        status: Some(200),
        error: None,
        counted: true,
        exchange: exchange(number),
        answer_head: Bytes::new(),
    };
    let settlement = Settlement {
        delivery: delivery_id,
        subscription: owner.subscription,
        by,
        now: NOW,
        attempt: Some(Arc::new(attempt)),
        attempts_made: 1,
        retry_count: 0,
        next: Next::Delivered,
        is_followed: false,
    };
    assert_eq!(store.settle(vec![settlement]).await.expect("stored"), vec![Ok(())]);
    (event_id, delivery_id)
}

fn leased(owner: Owner, event: &Event, id: DeliveryId, by: Incarnation) -> Delivery {
    Delivery {
        id,
        account: owner.account,
        event: event.id,
        subscription: owner.subscription,
        listener: ListenerId(7),
        envelope: None,
        shape: MessageShape::JsonSim,
        generated_at: NOW,
        order_key: None,
        state: DeliveryState::Leased { by },
        attempts_made: 0,
        retry_count: 0,
        schedule_started_at: NOW,
        attempts_before_schedule: 0,
        held_total: Duration::ZERO,
        replay_of: None,
    }
}

async fn expect_readable(store: &SqliteStore, owner: Owner, number: usize, (event, delivery): (EventId, DeliveryId)) {
    let event = store.event(owner.account, event).await.expect("read").expect("is there");
    assert_eq!(event.snapshot, Snapshot::Posted(body(number)), "event {number}");
    let detail = store.delivery(owner.account, delivery).await.expect("read").expect("is there");
    assert_eq!(detail.attempts[0].exchange, exchange(number), "attempt {number}");
}

/// Length of a snapshot and of an exchange as they lie in the file.
fn stored_lengths(folder: &Path, (event, delivery): (EventId, DeliveryId)) -> (i64, i64) {
    let conn = rusqlite::Connection::open(folder.join(DATABASE_FILE)).expect("opens");
    let sql = "SELECT length(e.snapshot), (SELECT length(exchange) FROM attempt WHERE delivery = ?2) FROM event e WHERE e.id = ?1";
    let ids = [event.raw().cast_signed(), delivery.raw().cast_signed()];
    conn.query_row(sql, ids, |row| Ok((row.get(0)?, row.get(1)?))).expect("is there")
}

#[tokio::test]
async fn what_was_stored_with_it_and_without_it_is_read_either_way() {
    let folder = tempfile::tempdir().expect("a folder");
    let ids = IdSource::new(1);
    let store = open(folder.path(), Compression::Off);
    let owner = owner(&store).await;
    let mut all = vec![delivered(&store, owner, &ids, 0).await];
    store.close().await;
    for (number, compression) in [(1, Compression::On), (2, Compression::Off), (3, Compression::On)] {
        let store = open(folder.path(), compression);
        all.push(delivered(&store, owner, &ids, number).await);
        for (number, stored) in all.iter().enumerate() {
            expect_readable(&store, owner, number, *stored).await;
        }
        store.close().await;
    }
    let lengths: Vec<(i64, i64)> = all.iter().map(|stored| stored_lengths(folder.path(), *stored)).collect();
    assert_eq!((lengths[0], lengths[1]), (lengths[2], lengths[3]));
    let ((body, exchange), (packed_body, packed_exchange)) = (lengths[0], lengths[1]);
    assert!(packed_body * 3 < body && packed_exchange * 2 < exchange, "{lengths:?}");
}

#[tokio::test]
async fn a_compressed_payload_that_was_damaged_is_named_and_not_shown() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path(), Compression::On);
    let owner = owner(&store).await;
    let (event, delivery) = delivered(&store, owner, &IdSource::new(1), 0).await;
    store.close().await;
    let conn = rusqlite::Connection::open(folder.path().join(DATABASE_FILE)).expect("opens");
    assert_eq!(conn.execute("UPDATE event SET snapshot = substr(snapshot, 1, length(snapshot) - 1)", []), Ok(1));
    assert_eq!(conn.execute("UPDATE attempt SET exchange = substr(exchange, 1, length(exchange) - 9)", []), Ok(1));
    drop(conn);
    let store = open(folder.path(), Compression::On);
    let error = store.event(owner.account, event).await.expect_err("damaged");
    assert!(error.to_string().contains(&format!("the snapshot of event {event}")), "{error}");
    let error = store.delivery(owner.account, delivery).await.expect_err("damaged");
    assert!(error.to_string().contains("attempt att_"), "{error}");
}
