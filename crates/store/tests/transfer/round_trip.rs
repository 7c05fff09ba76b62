//! Embedded, to PostgreSQL, and back: the same by count and hash, and still a store.

use std::{
    path::Path,
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;
use countersign_core::{
    Timestamp,
    delivery::{DeliveryState, Hold},
    event::{Event, Snapshot},
    id::{AccountGuid, AccountId, SubscriptionId},
};
use countersign_store::{
    conformance::{Everything, LANE, LONG, START, World, at},
    record::{Record, Recorded},
    transfer::{Manifest, Progress, TABLES, check},
};
use countersign_testkit::PostgresServer;
use sha2::{Digest as _, Sha256};

use super::support::{KEY, Place, full_store, runtime, vault};

/// Events beside those of every kind, unless `COUNTERSIGN_TEST_EVENTS` says otherwise.
const EVENTS: usize = 100_000;
/// Events in one record.
const EVENTS_PER_RECORD: usize = 500;

#[test]
fn a_store_that_went_to_postgresql_and_back_is_the_same() {
    let Some(server) = PostgresServer::start() else { return };
    server.create_database("moved", "template1");
    runtime().block_on(async {
        let events = std::env::var("COUNTERSIGN_TEST_EVENTS").map_or(EVENTS, |text| text.parse().expect("a number"));
        let folder = tempfile::tempdir().expect("a folder");
        let (first, everything) = full_store(folder.path()).await;
        add_events(&first, &everything, events).await;
        let [a, b, c] = ["a", "b", "c"].map(|name| folder.path().join(name));

        let mut timed = Timed::default();
        let manifest = first.export(&a).await.expect("exported");
        timed.step("exported from the embedded store");
        for (table, sum) in TABLES.iter().zip(&manifest.tables) {
            assert!(sum.rows > 0, "the test has no row of {}", table.name);
        }
        assert!(manifest.tables.iter().any(|sum| sum.name == "event" && sum.rows >= events as u64));
        let second = Place::Postgres(server.url("moved"));
        assert!(broken_off_and_resumed(&second, &a).await > 0);
        timed.step("imported into PostgreSQL in two goes and compared");
        assert_eq!(second.export(&b).await.expect("exported"), manifest);
        timed.step("exported from PostgreSQL");
        assert!(same(&a, &b), "the same data makes the same file");
        let third = Place::embedded(folder.path(), "third");
        assert!(broken_off_and_resumed(&third, &b).await > 0);
        timed.step("imported into the embedded store in two goes and compared");
        assert_eq!(third.export(&c).await.expect("exported"), manifest);
        assert!(same(&a, &c));
        println!("{} rows, {} bytes: {}", manifest.rows(), std::fs::metadata(&a).expect("there").len(), timed.steps.join(", "));

        for place in [second, third] {
            goes_on(&place, &everything, manifest.rows()).await;
        }
    });
}

/// Imports half of a file, then the rest; answers how much had been imported before.
async fn broken_off_and_resumed(place: &Place, file: &Path) -> u64 {
    let checked = check(file, Some(&vault(KEY)), &mut |_| {}).expect("whole");
    let broken_off = tokio::spawn({
        let place = place.clone();
        async move { place.import_told(&checked, &mut |progress| assert!(progress.done < progress.total / 2, "broken off")).await }
    });
    assert!(broken_off.await.is_err(), "it panicked");
    place.import(file).await.expect("goes on")
}

/// What was in the store is there and does what it did: leases are gone, what waited is claimed, what was numbered goes on.
async fn goes_on(place: &Place, everything: &Everything, rows: u64) {
    let Everything { account, subscription, .. } = *everything;
    let world = place.world().await;
    let store = &world.store;
    let leased = DeliveryState::Waiting { due_at: everything.leased.generated_at, held: None };
    assert_eq!(world.state(&everything.leased).await, leased, "{place:?}: what was leased is due when it was due");
    assert_eq!(world.state(&everything.held).await, DeliveryState::Waiting { due_at: at(3), held: Some(Hold::Paused) });
    let delivered = world.read(&everything.delivered).await;
    assert_eq!((delivered.attempts.len(), delivered.listed.delivery.state), (2, DeliveryState::Delivered { at: at(2) }));
    let event = store.event(account, everything.event.id).await.expect("read").expect("there");
    assert_eq!(event, everything.event, "byte for byte");
    let (_, object) = store.subscription(subscription).await.expect("read").expect("there");
    assert_eq!(object.secrets["basicPassword"].expose_secret(), "correct horse");
    let content = store.content(account, everything.content).await.expect("it fits its hash").expect("there");
    assert_eq!(<[u8; 32]>::from(Sha256::digest(&content)), everything.content);
    let stored = store.envelope(account, everything.envelope.id).await.expect("read").expect("there");
    assert_eq!(stored.row.contents, everything.envelope.contents);
    assert!(store.nodes().await.expect("read").is_empty(), "lives of nodes are not carried");

    let by = store.register_node("next", 1, START, LONG).await.expect("registered").incarnation;
    let due: Vec<_> = world.claim_ids(by, at(5), LANE, 100).await;
    assert!(due.contains(&everything.leased.id) && due.contains(&everything.waiting.id) && !due.contains(&everything.held.id), "{due:?}");
    assert_eq!(store.claim_timers(by, at(10), 9).await.expect("claimed").len(), 1, "the timer that was leased");
    assert_eq!(store.claim_jobs(by, START, 9).await.expect("claimed").len(), 2);

    // New ones come behind those that were imported.
    let guid = AccountGuid(uuid::Uuid::from_u128(rows.into()));
    let made = store.create_account(guid, "New", START).await.expect("stored").expect("new");
    assert_eq!(made.id, AccountId(account.0 + 2), "two accounts were there");
    assert!(store.next_subscription_ids(1).await.expect("ids")[0] > subscription);
    world
        .put_envelope(
            countersign_store::envelopes::EnvelopeRow { id: countersign_core::id::EnvelopeId(guid.0), ..everything.envelope.clone() },
            None,
        )
        .await;
    let further = Bytes::from_static(b"a further document");
    let hash = Sha256::digest(&further).into();
    store.put_content(account, hash, further.clone(), START).await.expect("stored");
    assert_eq!(store.content(account, hash).await, Ok(Some(further)));
    store.close().await;
}

async fn add_events(place: &Place, everything: &Everything, events: usize) {
    let world = place.world().await;
    for from in (0..events).step_by(EVENTS_PER_RECORD) {
        let count = EVENTS_PER_RECORD.min(events - from);
        let record = some_events(&world, everything.account, everything.subscription, count);
        assert_eq!(world.store.record(vec![record]).await.expect("stored"), vec![Ok(Recorded::Fresh)]);
    }
    world.store.close().await;
}

fn some_events(world: &World, account: AccountId, subscription: SubscriptionId, count: usize) -> Record {
    let now: Timestamp = START + Duration::from_secs(60);
    let events: Vec<Arc<Event>> = (0..count)
        .map(|number| {
            let text = format!("{{\"number\":{number},\"text\":\"{}\"}}", "0123456789".repeat(20));
            Arc::new(Event { snapshot: Snapshot::Posted(text.into()), ..world.event_at(account, now) })
        })
        .collect();
    let deliveries = events.iter().map(|event| world.delivery(event, subscription, 99)).collect();
    Record { account, config: None, envelope: None, events, deliveries, subscriptions: Vec::new(), idempotency: None }
}

/// What each step took.
struct Timed {
    since: Instant,
    steps: Vec<String>,
}

impl Default for Timed {
    fn default() -> Self {
        Self { since: Instant::now(), steps: Vec::new() }
    }
}

impl Timed {
    fn step(&mut self, what: &str) {
        self.steps.push(format!("{what} in {:.1?}", self.since.elapsed()));
        self.since = Instant::now();
    }
}

fn same(one: &Path, other: &Path) -> bool {
    std::fs::read(one).expect("read") == std::fs::read(other).expect("read")
}

/// A file is whole without any store, and without the key.
#[test]
fn a_file_is_checked_alone() {
    runtime().block_on(async {
        let folder = tempfile::tempdir().expect("a folder");
        let (first, _) = full_store(folder.path()).await;
        let file = folder.path().join("a");
        let manifest = first.export(&file).await.expect("exported");
        let mut told = Vec::new();
        let checked = check(&file, None, &mut |progress| told.push(progress.done)).expect("whole");
        assert_eq!((checked.manifest(), checked.bytes()), (&manifest, std::fs::metadata(&file).expect("there").len()));
        assert!(told.is_sorted() && told.last() == Some(&checked.bytes()), "{told:?}");
        assert!(check(&file, Some(&vault(KEY)), &mut |_| {}).is_ok());
    });
}

/// A store that is in use is read as of one moment: what comes while it is read is not in the file.
#[test]
fn an_export_shows_one_moment_of_a_store_in_use() {
    let server = PostgresServer::start();
    let folder = tempfile::tempdir().expect("a folder");
    let mut places = vec![Place::embedded(folder.path(), "used")];
    if let Some(server) = &server {
        server.create_database("used", "template1");
        places.push(Place::Postgres(server.url("used")));
    }
    for (number, place) in places.into_iter().enumerate() {
        let (asked, ask) = mpsc::channel();
        let (tell, told) = mpsc::channel();
        let writer = thread::spawn({
            let place = place.clone();
            move || runtime().block_on(write_when_asked(&place, &ask, &tell))
        });
        told.recv().expect("the first event is there");
        let (file, later) = (folder.path().join(format!("{number}.export")), folder.path().join(format!("{number}.later")));
        let mut write_another = move |_: Progress| {
            // Before any further row is read, another event is committed.
            asked.send(()).expect("it writes");
            told.recv().expect("it has written");
        };
        let manifest = runtime().block_on(place.export_told(&file, &mut write_another));
        drop(write_another);
        writer.join().expect("no panic");
        let rows = |manifest: &Manifest, name: &str| manifest.tables.iter().find(|sum| sum.name == name).expect("a table").rows;
        let manifest = manifest.expect("exported");
        assert_eq!((rows(&manifest, "event"), rows(&manifest, "delivery")), (1, 1), "{place:?}");
        let manifest = runtime().block_on(place.export(&later)).expect("exported");
        assert!(rows(&manifest, "event") > 3, "{place:?}");
    }
}

/// Writes one event, and one more each time it is asked.
async fn write_when_asked(place: &Place, ask: &mpsc::Receiver<()>, tell: &mpsc::Sender<()>) {
    let world = place.world().await;
    let (account, subscription) = world.subscribed().await;
    loop {
        world.waiting(account, subscription, LANE).await;
        tell.send(()).expect("it waits");
        if ask.recv().is_err() {
            break;
        }
    }
    world.store.close().await;
}
