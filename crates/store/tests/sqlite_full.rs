//! A full disk, really full: the data directory lies on a file system of a few MiB that the test mounts for itself.
//!
//! Mounting needs a user namespace; where the system does not allow one, the test says so and does nothing.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use bytes::Bytes;
use countersign_core::{
    Timestamp,
    delivery::{Delivery, DeliveryState},
    event::{Event, EventDetail, EventName, Snapshot},
    id::{AccountGuid, AccountId, DeliveryId, EventId, IdSource, Incarnation, ListenerId, SubscriptionId},
    subscription::MessageShape,
};
use countersign_store::{
    Store, StoreError,
    record::{Record, Recorded},
    settle::{Next, Settlement},
    sqlite::{OpenError, Settings, SqliteStore},
};

/// Tells a run of this test binary that it is the child, and where the small file system is.
const CHILD: &str = "COUNTERSIGN_STORE_FULL_CHILD";
const NOW: Timestamp = Timestamp::from_secs(1_763_800_000);
/// The disk, and the reserve on it: more than the log grows to, as the default is.
const DISK_MIB: u64 = 72;
const RESERVE_BYTES: u64 = 24 << 20;

#[test]
fn a_full_disk_refuses_intake_settles_what_is_under_way_and_recovers() {
    if let Ok(dir) = std::env::var(CHILD) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
        runtime.block_on(fill_settle_recover(Path::new(&dir)));
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let mount = format!("mount -t tmpfs -o size={DISK_MIB}m none \"$1\" && shift && exec \"$@\"");
    let in_namespace = |program: &str, args: &[&str]| {
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--mount", "sh", "-c", &mount, "sh"]).arg(folder.path()).arg(program).args(args);
        command
    };
    if !in_namespace("true", &[]).stderr(Stdio::null()).status().is_ok_and(|status| status.success()) {
        eprintln!("SKIPPED: no user namespace in which a small file system could be mounted; the full disk is not tested here");
        return;
    }
    let program = std::env::current_exe().expect("this program");
    let test = "a_full_disk_refuses_intake_settles_what_is_under_way_and_recovers";
    let status = in_namespace(&program.to_string_lossy(), &["--exact", test, "--nocapture"]).env(CHILD, folder.path()).status();
    assert!(status.expect("starts").success());
}

async fn fill_settle_recover(disk: &Path) {
    let dir = disk.join("data");
    let settings = || Settings { reserve_bytes: RESERVE_BYTES, readers: 1, ..Settings::new(&dir) };
    let store = SqliteStore::open(settings()).expect("opens");
    let account = store.create_account(AccountGuid(uuid::Uuid::from_u128(7)), "One", NOW).await.expect("stored").expect("new").id;
    let by = store.register_node("n", 1, NOW, Duration::from_secs(3_600)).await.expect("stored").incarnation;
    let reserve = dir.join("countersign.reserve");
    wait_for("the reserve is whole", || fs::metadata(&reserve).is_ok_and(|found| found.len() == RESERVE_BYTES)).await;

    let ids = IdSource::new(1);
    let mut recorded = Vec::new();
    let (refused, error) = loop {
        let (record, delivery) = record(&ids, account, by);
        match store.record(vec![record.clone()]).await {
            Ok(answers) => {
                assert_eq!(answers, vec![Ok(Recorded::Fresh)]);
                recorded.push(delivery);
            }
            Err(error) => break (record, error),
        }
        assert!(recorded.len() < 2_000, "the disk is small");
    };
    assert!(matches!(error, StoreError::Full(_)), "{error:?}");
    let health = store.health().await.expect("read");
    assert!(!health.writable && health.warnings.iter().any(|line| line.contains("space")), "{health:?}");

    // Everything that was under way is settled, and all that was acknowledged is there.
    for delivery in &recorded {
        let settlement = Settlement {
            delivery: delivery.id,
            subscription: delivery.subscription,
            by,
            now: NOW,
            attempt: None,
            attempts_made: 1,
            retry_count: 1,
            next: Next::Delivered,
            is_followed: false,
        };
        assert_eq!(store.settle(vec![settlement]).await.expect("settling goes on"), vec![Ok(())]);
    }
    for delivery in &recorded {
        let found = store.event(account, delivery.event).await.expect("read").expect("was acknowledged");
        assert_eq!(found.snapshot.bytes().len(), 100_000);
    }

    // Room again, as when an operator enlarges the disk.
    let disk_path = disk.to_string_lossy().into_owned();
    let larger = Command::new("mount").args(["-o", "remount,size=160m", &disk_path]).status().expect("starts");
    assert!(larger.success());
    wait_for_writable(&store).await;
    assert_eq!(fs::metadata(&reserve).expect("it is whole again").len(), RESERVE_BYTES);
    assert_eq!(store.record(vec![refused]).await.expect("stored"), vec![Ok(Recorded::Fresh)]);
    assert_eq!(store.verify().await.expect("read"), Vec::<String>::new());
    store.close().await;

    // No space at all to begin with.
    let filler = disk.join("filler");
    let _ = fs::write(&filler, vec![b'x'; 170 << 20]);
    let error = SqliteStore::open(Settings { reserve_bytes: 0, ..Settings::new(disk.join("other")) }).expect_err("the disk is full");
    assert!(matches!(error, OpenError::NoSpace { .. } | OpenError::Unusable { .. }), "{error:?}");
}

/// Made beside the opening.
async fn wait_for(what: &str, reached: impl Fn() -> bool) {
    for _ in 0..3_000 {
        if reached() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{what}: not within 30 s");
}

/// The store looks for space, less and less often: after 1, 2, 4, 8 and 16 s.
async fn wait_for_writable(store: &SqliteStore) {
    for _ in 0..6_000 {
        if store.health().await.expect("read").writable {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the store does not recover within 60 s");
}

fn record(ids: &IdSource, account: AccountId, by: Incarnation) -> (Record, Delivery) {
    let event = Event {
        id: EventId::from_raw(ids.next(NOW)),
        account,
        name: EventName::ENVELOPE_SENT,
        at: NOW,
        user: None,
        envelope: None,
        detail: EventDetail::default(),
        snapshot: Snapshot::Posted(Bytes::from(vec![b'x'; 100_000])),
    };
    let delivery = Delivery {
        id: DeliveryId::from_raw(ids.next(NOW)),
        account,
        event: event.id,
        subscription: SubscriptionId::FIRST,
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
    (record, delivery)
}
