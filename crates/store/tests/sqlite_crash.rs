//! What was acknowledged survives the process, and a torn log never brings it down.
//!
//! `kill -9` proves safety against crashes of the process alone: the page cache of the operating system survives it. That
//! commits reach the disk rests on `synchronous = FULL`, which is checked when the store opens.

use std::{
    fs::{self, OpenOptions},
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use countersign_core::{
    Timestamp,
    delivery::{Delivery, DeliveryState},
    event::{Event, EventDetail, EventName, Snapshot},
    id::{AccountGuid, AccountId, DeliveryId, EventId, IdSource, ListenerId, SubscriptionId},
    subscription::MessageShape,
};
use countersign_store::{
    Store,
    record::{Record, Recorded},
    sqlite::{DATABASE_FILE, Settings, SqliteStore},
};

/// Tells a run of this test binary that it is the child.
const CHILD: &str = "COUNTERSIGN_STORE_CRASH_CHILD";
/// Kills in one run of the test.
const KILLS: u64 = 6;
/// Callers in the child.
const CALLERS: usize = 16;

fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    Timestamp::from_micros(i64::try_from(since.as_micros()).expect("before the year 294,000"))
}

fn settings(dir: &Path) -> Settings {
    Settings { reserve_bytes: 0, readers: 1, ..Settings::new(dir) }
}

fn record(ids: &IdSource, account: AccountId) -> (EventId, Record) {
    let at = now();
    let event = Event {
        id: EventId::from_raw(ids.next(at)),
        account,
        name: EventName::ENVELOPE_SENT,
        at,
        user: None,
        envelope: None,
        detail: EventDetail::default(),
        snapshot: Snapshot::Posted(Bytes::from(vec![b'x'; 2_048])),
    };
    let delivery = Delivery {
        id: DeliveryId::from_raw(ids.next(at)),
        account,
        event: event.id,
        subscription: SubscriptionId::FIRST,
        listener: ListenerId(7),
        envelope: None,
        shape: MessageShape::JsonSim,
        generated_at: at,
        order_key: None,
        state: DeliveryState::Waiting { due_at: at, held: None },
        attempts_made: 0,
        retry_count: 0,
        schedule_started_at: at,
        attempts_before_schedule: 0,
        held_total: Duration::ZERO,
        replay_of: None,
    };
    let id = event.id;
    let record = Record {
        account,
        config: None,
        envelope: None,
        events: vec![event.into()],
        deliveries: vec![delivery],
        subscriptions: Vec::new(),
        idempotency: None,
    };
    (id, record)
}

async fn account(store: &SqliteStore) -> AccountId {
    let guid = AccountGuid(uuid::Uuid::from_u128(7));
    match store.account_by_guid(guid).await.expect("read") {
        Some(account) => account.id,
        None => store.create_account(guid, "One", now()).await.expect("stored").expect("new").id,
    }
}

/// Records as fast as it can; appends each id to the file once it is acknowledged. Never ends by itself.
async fn record_forever(dir: &Path) {
    let store = Arc::new(SqliteStore::open(settings(&dir.join("data"))).expect("opens"));
    let account = account(&store).await;
    let node = store.register_node("child", u64::from(std::process::id()), now(), Duration::from_secs(60)).await.expect("stored");
    let ids = Arc::new(IdSource::new(node.number));
    let acknowledged = Arc::new(OpenOptions::new().append(true).create(true).open(dir.join("acknowledged")).expect("opens"));
    println!("ready");
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..CALLERS {
        let (store, ids, acknowledged) = (Arc::clone(&store), Arc::clone(&ids), Arc::clone(&acknowledged));
        callers.spawn(async move {
            loop {
                let (id, record) = record(&ids, account);
                assert_eq!(store.record(vec![record]).await.expect("stored"), vec![Ok(Recorded::Fresh)]);
                // One write of one line: it is in the file whole or not at all, whenever the process dies.
                (&*acknowledged).write_all(format!("{}\n", id.raw()).as_bytes()).expect("written");
            }
        });
    }
    callers.join_all().await;
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
}

#[test]
fn an_acknowledged_event_survives_a_killed_process() {
    if let Ok(dir) = std::env::var(CHILD) {
        runtime().block_on(record_forever(Path::new(&dir)));
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    for kill in 0..KILLS {
        let mut child = Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", "an_acknowledged_event_survives_a_killed_process", "--nocapture"])
            .env(CHILD, folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .expect("starts");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        assert!(lines.any(|line| line.is_ok_and(|line| line.ends_with("ready"))), "the child got going");
        // Spread over starts, commits and checkpoints: wait for so many acknowledgements, a different number each time.
        let wanted = 40 + kill * 211;
        let path = folder.path().join("acknowledged");
        let before = count_lines(&path);
        while count_lines(&path) < before + wanted {
            std::thread::yield_now();
        }
        child.kill().expect("killed");
        child.wait().expect("ended");
        runtime().block_on(check(folder.path()));
    }
}

fn count_lines(path: &Path) -> u64 {
    fs::read(path).map_or(0, |content| content.iter().filter(|byte| **byte == b'\n').count() as u64)
}

/// Everything acknowledged is there with its payload and its delivery, and the database is sound.
async fn check(folder: &Path) {
    let store = SqliteStore::open(settings(&folder.join("data"))).expect("opens after the kill");
    let account = account(&store).await;
    let mut missing = Vec::new();
    for line in fs::read_to_string(folder.join("acknowledged")).expect("read").lines() {
        let id = EventId::from_raw(line.parse().expect("a number"));
        match store.event(account, id).await.expect("read") {
            Some(event) => assert_eq!(event.snapshot.bytes().len(), 2_048),
            None => missing.push(id),
        }
    }
    assert!(missing.is_empty(), "acknowledged and gone: {missing:?}");
    assert_eq!(store.verify().await.expect("read"), Vec::<String>::new());
    store.close().await;
}

#[test]
fn a_torn_log_costs_only_what_it_held() {
    let folder = tempfile::tempdir().expect("a folder");
    let origin = folder.path().join("origin");
    let (settled, torn) = runtime().block_on(async {
        let ids = IdSource::new(1);
        let store = SqliteStore::open(settings(&origin)).expect("opens");
        let account = account(&store).await;
        let mut settled = Vec::new();
        for _ in 0..20 {
            let (id, record) = record(&ids, account);
            store.record(vec![record]).await.expect("stored")[0].as_ref().expect("taken");
            settled.push(id);
        }
        // Closing copies the log back: these are in the database itself.
        store.close().await;
        drop(store);
        let store = SqliteStore::open(settings(&origin)).expect("opens");
        let mut torn = Vec::new();
        for _ in 0..10 {
            let (id, record) = record(&ids, account);
            store.record(vec![record]).await.expect("stored")[0].as_ref().expect("taken");
            torn.push(id);
        }
        // Copied while the store is open, as a power cut would leave it.
        copy(&origin, &folder.path().join("cut"));
        (settled, torn)
    });
    let log = format!("{DATABASE_FILE}-wal");
    let whole = fs::metadata(folder.path().join("cut").join(&log)).expect("a log").len();
    assert!(whole > 10 * 16_384);
    // The header, inside and at the ends of frames, and everything.
    let mut lengths = vec![0, 1, 31, 32, 33, 100, 16_439, 16_440, 16_441, whole - 1, whole];
    lengths.extend((1..20).map(|part| whole * part / 20));
    let mut most = 0;
    for length in lengths {
        let dir = folder.path().join(format!("torn-{length}"));
        copy(&folder.path().join("cut"), &dir);
        OpenOptions::new().write(true).open(dir.join(&log)).expect("opens").set_len(length).expect("cut");
        most = most.max(runtime().block_on(survivors(&dir, &settled, &torn, length)));
    }
    assert_eq!(most, torn.len(), "the whole log brings back all of it");
}

/// How many of what the log held are there; a prefix of them, since commits are in order.
async fn survivors(dir: &Path, settled: &[EventId], torn: &[EventId], length: u64) -> usize {
    let store = SqliteStore::open(settings(dir)).unwrap_or_else(|error| panic!("log of {length} bytes: {error}"));
    let account = account(&store).await;
    for id in settled {
        assert!(store.event(account, *id).await.expect("read").is_some(), "log of {length} bytes: {id} was in the database");
    }
    let mut there = Vec::new();
    for id in torn {
        there.push(store.event(account, *id).await.expect("read").is_some());
    }
    let count = there.iter().take_while(|there| **there).count();
    assert!(there[count..].iter().all(|there| !there), "log of {length} bytes: a gap in {there:?}");
    assert_eq!(store.verify().await.expect("read"), Vec::<String>::new(), "log of {length} bytes");
    let (_, record) = record(&IdSource::new(2), account);
    assert_eq!(store.record(vec![record]).await.expect("stored"), vec![Ok(Recorded::Fresh)], "log of {length} bytes");
    store.close().await;
    count
}

/// Copies a data directory without its lock and its shared memory.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("made");
    for entry in fs::read_dir(from).expect("read") {
        let entry = entry.expect("read");
        let name = entry.file_name();
        if name.to_string_lossy().ends_with("-shm") || name.to_string_lossy().ends_with(".lock") {
            continue;
        }
        fs::copy(entry.path(), to.join(name)).expect("copied");
    }
}
