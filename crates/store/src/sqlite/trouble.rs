//! Tests of what the store does in trouble, where they need a hand inside it.

use std::{path::Path, sync::atomic::Ordering, time::Duration};

use bytes::Bytes;
use countersign_core::{
    Timestamp,
    delivery::{Delivery, DeliveryState, ParkReason},
    event::{Event, EventDetail, EventName, Snapshot},
    id::{AccountGuid, AccountId, DeliveryId, EventId, IdSource, Incarnation, ListenerId, SubscriptionId},
    subscription::MessageShape,
};

use super::{
    call::Weight,
    files::DATABASE_FILE,
    store::{Settings, SqliteStore},
    subscription,
};
use crate::{
    Store, StoreError,
    claim::{Claim, LaneQuota},
    objects::Object,
    query::Retention,
    record::{Record, Recorded},
    settle::{Next, Settlement},
};

const NOW: Timestamp = Timestamp::from_secs(1_763_800_000);

struct Bench {
    store: SqliteStore,
    ids: IdSource,
    account: AccountId,
    subscription: SubscriptionId,
    by: Incarnation,
    folder: tempfile::TempDir,
}

fn settings(dir: &Path) -> Settings {
    Settings { reserve_bytes: 0, readers: 1, ..Settings::new(dir) }
}

impl Bench {
    async fn new(change: impl FnOnce(Settings) -> Settings) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let store = SqliteStore::open(change(settings(folder.path()))).expect("opens");
        let guid = AccountGuid(uuid::Uuid::from_u128(7));
        let account = store.create_account(guid, "One", NOW).await.expect("stored").expect("new").id;
        let subscription = store.next_subscription_ids(1).await.expect("ids")[0];
        let object = Object { body: "{}".into(), secrets: countersign_core::config::Secrets::new(), contents: Vec::new() };
        store.put_subscription(account, subscription, object, true).await.expect("stored").expect("new");
        let by = store.register_node("n", 1, NOW, Duration::from_secs(3_600)).await.expect("stored").incarnation;
        Self { store, ids: IdSource::new(1), account, subscription, by, folder }
    }

    fn record(&self, bytes: usize, state: DeliveryState) -> (Record, Delivery) {
        let event = Event {
            id: EventId::from_raw(self.ids.next(NOW)),
            account: self.account,
            name: EventName::ENVELOPE_SENT,
            at: NOW,
            user: None,
            envelope: None,
            detail: EventDetail::default(),
            snapshot: Snapshot::Posted(Bytes::from(vec![b'x'; bytes])),
        };
        let delivery = Delivery {
            id: DeliveryId::from_raw(self.ids.next(NOW)),
            account: self.account,
            event: event.id,
            subscription: self.subscription,
            listener: ListenerId(7),
            envelope: None,
            shape: MessageShape::JsonSim,
            generated_at: NOW,
            order_key: None,
            state,
            attempts_made: 0,
            retry_count: 0,
            schedule_started_at: NOW,
            attempts_before_schedule: 0,
            held_total: Duration::ZERO,
            replay_of: None,
        };
        let record = Record {
            account: self.account,
            config: None,
            envelope: None,
            events: vec![event.into()],
            deliveries: vec![delivery.clone()],
            subscriptions: Vec::new(),
            idempotency: None,
        };
        (record, delivery)
    }

    async fn recorded(&self, bytes: usize, state: DeliveryState) -> Delivery {
        let (record, delivery) = self.record(bytes, state);
        assert_eq!(self.store.record(vec![record]).await, Ok(vec![Ok(Recorded::Fresh)]));
        delivery
    }

    fn delivered(&self, delivery: &Delivery) -> Settlement {
        Settlement {
            delivery: delivery.id,
            subscription: self.subscription,
            by: self.by,
            now: NOW,
            attempt: None,
            attempts_made: 1,
            retry_count: 1,
            next: Next::Delivered,
            is_followed: false,
        }
    }

    fn waiting() -> DeliveryState {
        DeliveryState::Waiting { due_at: NOW, held: None }
    }
}

#[tokio::test]
async fn after_a_failed_fsync_nothing_more_is_acknowledged() {
    let bench = Bench::new(|settings| settings).await;
    let before = bench.recorded(100, Bench::waiting()).await;
    bench.store.inner.condition.fail_next_commit.store(true, Ordering::Relaxed);
    let (record, lost) = bench.record(100, Bench::waiting());
    let error = bench.store.record(vec![record.clone()]).await.expect_err("the commit failed");
    assert!(matches!(error, StoreError::Suspect(_)), "{error:?}");
    // The disk would answer again; it is not asked.
    let error = bench.store.record(vec![record]).await.expect_err("suspect");
    assert!(matches!(error, StoreError::Suspect(_)), "{error:?}");
    let error = bench.store.settle(vec![bench.delivered(&before)]).await.expect_err("suspect");
    assert!(matches!(error, StoreError::Suspect(_)), "{error:?}");
    let health = bench.store.health().await.expect("read");
    assert!(!health.writable && health.warnings.iter().any(|line| line.contains("restart")), "{health:?}");
    // Reading goes on, and what was not acknowledged is not there.
    assert!(bench.store.delivery(bench.account, before.id).await.expect("read").is_some());
    assert!(bench.store.delivery(bench.account, lost.id).await.expect("read").is_none());
    bench.store.close().await;
    let store = SqliteStore::open(settings(bench.folder.path())).expect("a restart recovers");
    assert!(store.delivery(bench.account, before.id).await.expect("read").is_some());
}

/// What the thread beside the writer copied may be lost then, and the log has the only copy of it.
#[tokio::test]
async fn after_a_failed_sync_of_the_database_the_log_keeps_what_was_acknowledged() {
    let bench = Bench::new(|settings| settings).await;
    bench.store.inner.condition.fail_next_sync.store(true, Ordering::Relaxed);
    let mut acknowledged = Vec::new();
    let error = loop {
        let (record, delivery) = bench.record(64 << 10, Bench::waiting());
        match bench.store.record(vec![record]).await {
            Ok(_) => acknowledged.push(delivery.id),
            Err(error) => break error,
        }
        assert!(acknowledged.len() < 2_000, "the log was never copied back");
    };
    assert!(matches!(error, StoreError::Suspect(_)), "{error:?}");
    let log = bench.folder.path().join(format!("{DATABASE_FILE}-wal"));
    let length = || std::fs::metadata(&log).expect("exists").len();
    let kept = length();
    assert!(kept > 1 << 20, "{kept} bytes of log");
    bench.store.close().await;
    assert_eq!(length(), kept, "a pause or an end does not cut it");
    let store = SqliteStore::open(settings(bench.folder.path())).expect("a restart recovers");
    for id in acknowledged {
        assert!(store.delivery(bench.account, id).await.expect("read").is_some());
    }
}

#[tokio::test]
async fn a_panic_in_one_write_harms_no_other() {
    let bench = Bench::new(|settings| settings).await;
    let (record, delivery) = bench.record(100, Bench::waiting());
    let panics = bench.store.inner.writer.call(Weight::SMALL, |tx| -> Result<(), super::fault::Fault> {
        tx.conn.execute("INSERT INTO fact (name, value) VALUES ('half', x'00')", [])?;
        panic!("a fault of ours")
    });
    let (panicked, recorded) = tokio::join!(panics, bench.store.record(vec![record]));
    assert_eq!(panicked, Err(StoreError::Backend("a write panicked".into())));
    assert_eq!(recorded, Ok(vec![Ok(Recorded::Fresh)]));
    assert!(bench.store.delivery(bench.account, delivery.id).await.expect("read").is_some());
    let half = bench
        .store
        .inner
        .readers
        .call(|conn| Ok(conn.query_row("SELECT count(*) FROM fact WHERE name = 'half'", [], |row| row.get::<_, i64>(0))?));
    assert_eq!(half.await, Ok(0), "what it had written is gone");
}

#[tokio::test]
async fn a_read_that_takes_too_long_is_broken_off() {
    let bench = Bench::new(|settings| Settings { read_time_max: Duration::from_millis(20), ..settings }).await;
    let endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
    let error = bench.store.inner.readers.call(|conn| Ok(conn.query_row(endless, [], |row| row.get::<_, i64>(0))?)).await;
    assert_eq!(error, Err(StoreError::Unavailable("the query took too long; narrow it".into())));
    assert!(bench.store.account(bench.account).await.expect("the reader goes on").is_some());
}

#[tokio::test]
async fn a_panic_in_one_read_harms_no_other() {
    let bench = Bench::new(|settings| settings).await;
    let panicked = bench.store.inner.readers.call(|_| -> Result<(), super::fault::Fault> { panic!("a fault of ours") }).await;
    assert_eq!(panicked, Err(StoreError::Backend("a read panicked".into())));
    assert!(bench.store.account(bench.account).await.expect("the reader goes on").is_some());
}

/// A flipped bit in a payload: the record is named, and what would have shown it is parked instead of sent.
#[tokio::test]
async fn a_damaged_payload_is_named_and_never_handed_out() {
    let bench = Bench::new(|settings| settings).await;
    let damaged = bench.recorded(3_000, Bench::waiting()).await;
    let whole = bench.recorded(3_000, Bench::waiting()).await;
    bench.store.close().await;
    let conn = rusqlite::Connection::open(bench.folder.path().join(DATABASE_FILE)).expect("opens");
    let flip = "UPDATE event SET snapshot = CAST(replace(CAST(snapshot AS TEXT), 'xxxxxxxxxxxx', 'xxxxxxxxxxxy') AS BLOB) WHERE id = ?1";
    assert_eq!(conn.execute(flip, [damaged.event.raw().cast_signed()]), Ok(1));
    drop(conn);

    let store = SqliteStore::open(settings(bench.folder.path())).expect("opens");
    let error = store.event(bench.account, damaged.event).await.expect_err("damaged");
    assert_eq!(error, StoreError::Damaged(format!("the snapshot of event {}", damaged.event)));
    // A store that was opened again is another life of the node.
    let by = store.register_node("again", 2, NOW, Duration::from_secs(30)).await.expect("registered").incarnation;
    let lanes = vec![LaneQuota { listener: ListenerId(7), count: 10 }];
    let claimed = store.claim_due(Claim { by, now: NOW, lanes, bytes_max: usize::MAX }).await.expect("claimed");
    assert_eq!(claimed.iter().map(|claimed| claimed.delivery.id).collect::<Vec<_>>(), [whole.id]);
    let parked = store.delivery(bench.account, damaged.id).await.expect("read").expect("exists").listed.delivery.state;
    assert_eq!(parked, DeliveryState::Parked { reason: ParkReason::Unrenderable, at: NOW });
}

/// Deleted pages go back to the file system, so that a disk that was full is not full for ever.
#[tokio::test]
async fn retention_gives_space_back_to_the_file_system() {
    let bench = Bench::new(|settings| settings).await;
    let mut leased = Vec::new();
    for _ in 0..40 {
        leased.push(bench.recorded(1 << 20, DeliveryState::Leased { by: bench.by }).await);
    }
    let settlements = leased.iter().map(|delivery| bench.delivered(delivery)).collect();
    bench.store.settle(settlements).await.expect("settled");
    let later = NOW + Duration::from_secs(1);
    let before = bench.store.health().await.expect("read").disk_bytes;
    bench.store.retain(Retention { before: later, rows_max: 20 }, later).await.expect("retained");
    let half = bench.store.health().await.expect("read").disk_bytes;
    assert!(before - half > 15 << 20, "half of 40 MiB were deleted, which shows: {before} bytes, then {half}");
    bench.store.retain(Retention { before: later, rows_max: 100 }, later).await.expect("retained");
    bench.store.close().await;
    let left = std::fs::metadata(bench.folder.path().join(DATABASE_FILE)).expect("exists").len();
    assert!(left < 20 << 20, "{left} bytes of 40 MiB are left");
}

/// Continuous writing with a thread copying beside it: the log starts again instead of growing with what is written.
#[tokio::test]
async fn the_log_stays_short_while_much_is_written() {
    let bench = Bench::new(|settings| settings).await;
    // The larger ones make commits longer than the log may become where calls come one by one.
    for (count, bytes) in [(80, 1 << 20), (120, 3 << 20)] {
        let mut longest = 0;
        for _ in 0..count {
            bench.recorded(bytes, Bench::waiting()).await;
            longest = longest.max(bench.store.inner.gauge.pages());
        }
        assert!(u64::from(longest) * 16_384 < 64 << 20, "{longest} pages for {count} times {bytes} bytes written");
    }
}

/// Calls that come one by one have their log copied back long before it is as long as it may become under load.
#[tokio::test]
async fn the_log_is_shorter_where_calls_come_one_by_one() {
    let bench = Bench::new(|settings| settings).await;
    let mut longest = 0;
    for _ in 0..400 {
        bench.recorded(64 << 10, Bench::waiting()).await;
        longest = longest.max(bench.store.inner.gauge.pages());
    }
    assert!(u64::from(longest) * 16_384 < 16 << 20, "{longest} pages for 25 MiB written");
}

/// A crash between deleting a subscription and cancelling what waits for it: the next upkeep goes on with it.
#[tokio::test]
async fn cancelling_for_a_deleted_subscription_goes_on_after_a_crash() {
    let bench = Bench::new(|settings| settings).await;
    let waiting = bench.recorded(100, Bench::waiting()).await;
    let (account, id) = (bench.account, bench.subscription);
    let deleted = bench.store.inner.writer.call(Weight::SMALL, move |tx| subscription::delete(tx, account, id, NOW)).await;
    assert!(deleted.expect("stored").is_ok());
    bench.store.close().await;
    let store = SqliteStore::open(settings(bench.folder.path())).expect("opens");
    let later = NOW + Duration::from_secs(60);
    store.retain(Retention { before: NOW, rows_max: 100 }, later).await.expect("retained");
    let state = store.delivery(account, waiting.id).await.expect("read").expect("exists").listed.delivery.state;
    assert_eq!(state, DeliveryState::Cancelled { at: NOW });
}
