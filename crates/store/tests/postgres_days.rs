//! Partitions by day on PostgreSQL: made ahead, dropped when their time is over, and nothing lost that somebody still waits for.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use countersign_core::{
    Secret, Timestamp,
    delivery::{Delivery, DeliveryState, Hold},
    event::{Event, Snapshot},
    id::AccountId,
};
use countersign_store::{
    Store,
    claim::Release,
    conformance::{LONG, Made, START, World},
    postgres::{KeySource, PostgresStore, Settings},
    query::{DeliveryFilter, Retention},
    settle::Next,
    vault::{KEY_BYTES, VaultKey},
};
use countersign_testkit::PostgresServer;

/// The day of [`START`].
const FIRST_DAY: &str = "20251122";
const DAY: Duration = Duration::from_secs(24 * 3_600);

async fn open(server: &PostgresServer, database: &str) -> Arc<dyn Store> {
    let keys = KeySource::Given(vec![VaultKey::new([7; KEY_BYTES])]);
    let settings = Settings { connections: 6, ..Settings::new(Secret::new(server.url(database)), keys) };
    Arc::new(PostgresStore::open(settings).await.expect("opens"))
}

fn world(store: &Arc<dyn Store>) -> World {
    World::new(Made { store: Arc::clone(store), keep: Box::new(()) })
}

/// A round of upkeep at a time, with a month of retention.
async fn upkeep(store: &Arc<dyn Store>, now: Timestamp) {
    let retention = Retention { before: now.minus(30 * DAY), rows_max: 500 };
    while store.retain(retention, now).await.expect("retained").more {}
}

/// The partitions of a table, without its name before them.
fn partitions(server: &PostgresServer, database: &str, table: &str) -> Vec<String> {
    let sql = format!(
        "SELECT replace(c.relname, '{table}_', '') FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
         WHERE i.inhparent = '{table}'::regclass ORDER BY 1"
    );
    server.ask(database, &sql)
}

fn count(server: &PostgresServer, database: &str, table: &str) -> String {
    server.ask(database, &format!("SELECT count(*) FROM {table}")).remove(0)
}

/// Whoever starts first makes them, whoever has upkeep first makes the next ones; two at once are in nobody's way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn days_are_made_ahead_by_whichever_node_comes_first() {
    let Some(server) = PostgresServer::start() else { return };
    server.create_database("ahead", "template1");
    let (first, second) = tokio::join!(open(&server, "ahead"), open(&server, "ahead"));
    let wanted = server.ask(
        "ahead",
        "SELECT to_char((now() AT TIME ZONE 'UTC')::date + days, 'YYYYMMDD') FROM generate_series(0, 3) days UNION ALL SELECT 'other'",
    );
    for table in ["event", "attempt"] {
        assert_eq!(partitions(&server, "ahead", table), wanted, "{table}");
    }
    // A week in which no node ran.
    tokio::join!(upkeep(&first, START), upkeep(&second, START));
    for table in ["event", "attempt"] {
        let made = partitions(&server, "ahead", table);
        assert_eq!(made[..4], ["20251122", "20251123", "20251124", "20251125"], "{table}");
        assert_eq!(made.len(), wanted.len() + 4, "{table}");
    }
    assert_eq!(partitions(&server, "ahead", "delivery"), ["other"], "claims look through one table");
    first.close().await;
    second.close().await;
}

/// A month later the day goes as a whole. What is unfinished is delivered all the same, from the event as it was and with its log.
#[tokio::test]
async fn a_day_that_is_over_goes_and_what_waits_is_delivered() {
    let Some(server) = PostgresServer::start() else { return };
    server.create_database("over", "template1");
    let store = open(&server, "over").await;
    upkeep(&store, START).await;
    let world = world(&store);
    let (account, subscription) = world.subscribed().await;
    let by = world.node().await;
    for _ in 0..20 {
        let delivery = world.recorded_as(account, subscription, 7, DeliveryState::Leased { by }).await;
        world.settle(&delivery, by, START, Next::Delivered).await;
    }
    world.record(vec![world.event(account)], Vec::new()).await;
    let waiting = world.waiting(account, subscription, 7).await;
    let retrying = world.recorded_as(account, subscription, 7, DeliveryState::Leased { by }).await;
    world.settle(&retrying, by, START, Next::Waiting { due_at: START + 35 * DAY, held: None }).await;
    let paused = DeliveryState::Waiting { due_at: START, held: Some(Hold::Paused) };
    let held = world.recorded_as(account, subscription, 7, paused).await;
    let sharers = sharing_a_snapshot(&world, account);
    let last = world.delivery(&sharers[2], subscription, 8);
    world.record(sharers.clone(), vec![last.clone()]).await;
    assert_eq!(count(&server, "over", &format!("event_{FIRST_DAY}")).as_str(), "27");
    assert_eq!(count(&server, "over", &format!("attempt_{FIRST_DAY}")).as_str(), "21");
    assert_eq!(count(&server, "over", "event_other").as_str(), "0");

    upkeep(&store, START + 40 * DAY).await;
    for table in ["event", "attempt"] {
        let left = partitions(&server, "over", table);
        assert!(!left.iter().any(|day| day.as_str() == FIRST_DAY), "{table}: {left:?}");
    }
    // Moved: one event each, and beside the last one the event that holds its snapshot; the only attempt of the one that is retried.
    assert_eq!(count(&server, "over", "event_other").as_str(), "5");
    assert_eq!(count(&server, "over", "attempt_other").as_str(), "1");
    assert_eq!(world.read(&retrying).await.attempts.len(), 1);
    let mut listed = world.listed(account, DeliveryFilter::default()).await;
    listed.sort_unstable();
    assert_eq!(listed, [waiting.id, retrying.id, held.id, last.id]);

    let later = START + 40 * DAY;
    let by = store.register_node("later", 99, later, LONG).await.expect("registered").incarnation;
    let release = Release { subscription, held: Hold::Paused, now: later, rows_max: 10 };
    assert_eq!(store.release(release).await, Ok(1), "what is held waits for whoever holds it");
    let mut claimed = world.claim(by, later, 7, 10).await;
    claimed.extend(world.claim(by, later, 8, 10).await);
    assert_eq!(claimed.len(), 4);
    for claimed in &claimed {
        let bytes: &[u8] = if claimed.delivery.id == last.id { &[5; 3_000] } else { br#"{"amount":1}"# };
        assert_eq!(claimed.event.snapshot.bytes()[..], *bytes, "{}", claimed.delivery.id);
        world.settle(&claimed.delivery, by, later, Next::Delivered).await;
    }
    // Once they are delivered they go as well.
    upkeep(&store, later).await;
    upkeep(&store, later).await;
    for table in ["event_other", "attempt_other", "delivery"] {
        assert_eq!(count(&server, "over", table).as_str(), "0", "{table}");
    }
    store.close().await;
}

fn sharing_a_snapshot(world: &World, account: AccountId) -> Vec<Event> {
    let shared = Bytes::from(vec![5; 3_000]);
    (0..3).map(|_| Event { snapshot: Snapshot::Envelope(shared.clone()), ..world.event(account) }).collect()
}

/// A listener that is paused for months must not make upkeep hold everybody up once a day: such a day stays, and health says why.
#[tokio::test]
async fn a_day_of_which_too_much_is_needed_stays_until_less_is() {
    let Some(server) = PostgresServer::start() else { return };
    server.create_database("needed", "template1");
    let store = open(&server, "needed").await;
    upkeep(&store, START).await;
    let world = world(&store);
    let (account, subscription) = world.subscribed().await;
    let delivery = world.waiting(account, subscription, 7).await;
    // As many again as a day may have, copied from the one.
    let others = "INSERT INTO event (id, account, at, bytes, checksum, kind, codec, name, detail, snapshot)
            SELECT e.id + number, account, at, bytes, checksum, kind, codec, name, detail, snapshot FROM event e, generate_series(1, 5000) number;
        INSERT INTO delivery SELECT (d).* FROM (
            SELECT jsonb_populate_record(d, jsonb_build_object('id', d.id + number, 'event', d.event + number)) AS d
            FROM delivery d, generate_series(1, 5000) number) copies";
    let _ = server.ask("needed", others);
    let later = START + 40 * DAY;
    upkeep(&store, later).await;
    assert!(partitions(&server, "needed", "event").iter().any(|day| day.as_str() == FIRST_DAY), "it stays");
    let warnings = store.health().await.expect("read").warnings;
    assert!(warnings.iter().any(|line| line.contains("past retention and stay")), "{warnings:?}");
    assert_eq!(world.state(&delivery).await, delivery.state);
    let _ = server.ask("needed", &format!("UPDATE delivery SET state = 2 WHERE id <> {}", delivery.id.raw()));
    upkeep(&store, later).await;
    assert!(!partitions(&server, "needed", "event").iter().any(|day| day.as_str() == FIRST_DAY), "it goes");
    let warnings = store.health().await.expect("read").warnings;
    assert!(!warnings.iter().any(|line| line.contains("past retention")), "{warnings:?}");
    assert_eq!(count(&server, "needed", "event_other").as_str(), "1");
    store.close().await;
}

/// What came in while its day had no partition stays where it is, is deleted one by one, and keeps no other day from being made.
#[tokio::test]
async fn rows_without_a_day_are_kept_and_deleted_all_the_same() {
    let Some(server) = PostgresServer::start() else { return };
    server.create_database("without", "template1");
    let store = open(&server, "without").await;
    let world = world(&store);
    let (account, subscription) = world.subscribed().await;
    let by = world.node().await;
    let finished = world.recorded_as(account, subscription, 7, DeliveryState::Leased { by }).await;
    world.settle(&finished, by, START, Next::Delivered).await;
    let waiting = world.waiting(account, subscription, 7).await;
    upkeep(&store, START).await;
    let made = partitions(&server, "without", "event");
    assert_eq!(made[..3], ["20251123", "20251124", "20251125"], "not the day whose rows are in the default partition");
    upkeep(&store, START + 40 * DAY).await;
    assert_eq!(world.listed(account, DeliveryFilter::default()).await, [waiting.id]);
    assert_eq!((count(&server, "without", "event").as_str(), count(&server, "without", "attempt").as_str()), ("1", "0"));
    store.close().await;
}

/// A database that had much before there were partitions: days ahead are made, in nobody's way, and no proof stands when its day begins.
#[tokio::test]
async fn a_large_default_partition_is_read_before_a_day_is_made() {
    let Some(server) = PostgresServer::start() else { return };
    server.create_database("large", "template1");
    let store = open(&server, "large").await;
    // 72 MB, of the days before.
    let many = format!(
        "INSERT INTO event (id, account, at, bytes, checksum, kind, codec, name, snapshot)
         SELECT number, 1, 0, 1900, 0, 1, 0, 'x', decode(repeat('ab', 1900), 'hex') FROM generate_series(1, 38000) number;
         ALTER TABLE event_other ADD CONSTRAINT without_event_{FIRST_DAY} CHECK (id < 0) NOT VALID;
         ALTER TABLE event_other ADD CONSTRAINT without_event_20251123 CHECK (id < 0) NOT VALID"
    );
    let _ = server.ask("large", &many);
    upkeep(&store, START).await;
    let made = partitions(&server, "large", "event");
    assert_eq!(made[..2], ["20251124", "20251125"], "not today, and not tomorrow, which may begin before its proof has ended");
    assert_eq!(partitions(&server, "large", "attempt")[0], FIRST_DAY);
    // Nodes that did not live to end a proof left two.
    let left = "SELECT conname FROM pg_constraint WHERE contype = 'c' AND conrelid = 'event_other'::regclass";
    assert_eq!(server.ask("large", left), Vec::<String>::new());
    let world = world(&store);
    let account = world.account().await;
    for at in [START, START + DAY] {
        world.record(vec![world.event_at(account, at)], Vec::new()).await;
    }
    store.close().await;
    // A start does not wait for a proof: what needs one is left to upkeep.
    let day = server.ask("large", "SELECT to_char((now() AT TIME ZONE 'UTC')::date + 2, 'YYYYMMDD')").remove(0);
    let _ = server.ask("large", &format!("DROP TABLE event_{day}"));
    open(&server, "large").await.close().await;
    assert!(!partitions(&server, "large", "event").contains(&day));
}

/// Whoever reads the table for long (a dump) keeps a day from going, and nobody waits for either of the two.
#[tokio::test]
async fn a_day_that_is_being_read_goes_later() {
    let Some(server) = PostgresServer::start() else { return };
    server.create_database("read", "template1");
    let store = open(&server, "read").await;
    upkeep(&store, START).await;
    let world = world(&store);
    let (account, subscription) = world.subscribed().await;
    let (reader, driver) = tokio_postgres::connect(&server.url("read"), tokio_postgres::NoTls).await.expect("connects");
    tokio::spawn(driver);
    reader.batch_execute("BEGIN; SELECT 1 FROM event LIMIT 1").await.expect("reads");
    let later = START + 40 * DAY;
    upkeep(&store, later).await;
    assert!(partitions(&server, "read", "event").iter().any(|day| day.as_str() == FIRST_DAY));
    let event = world.event_at(account, later);
    let delivery: Delivery = world.delivery(&event, subscription, 7);
    world.record(vec![event], vec![delivery]).await;
    reader.batch_execute("COMMIT").await.expect("ends");
    upkeep(&store, later).await;
    assert!(!partitions(&server, "read", "event").iter().any(|day| day.as_str() == FIRST_DAY));
    store.close().await;
}
