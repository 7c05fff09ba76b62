//! PostgreSQL in trouble: away, crashed, unsafe, of another key; and several nodes that reach for the same rows.

use std::{collections::HashSet, sync::Arc, time::Duration};

use countersign_core::{
    Secret, Timestamp,
    config::ConfigVersion,
    delivery::{Delivery, DeliveryState},
};
use countersign_store::{
    Refused, Store, StoreError,
    claim::{Claim, LaneQuota},
    conformance::{LONG, Made, START, World},
    postgres::{KeySource, OpenError, PostgresStore, Settings},
    record::{Record, Recorded},
    settle::Next,
    vault::{KEY_BYTES, VaultKey},
};
use countersign_testkit::PostgresServer;

fn settings(server: &PostgresServer, database: &str, key: u8) -> Settings {
    let keys = KeySource::Given(vec![VaultKey::new([key; KEY_BYTES])]);
    Settings { connections: 6, ..Settings::new(Secret::new(server.url(database)), keys) }
}

async fn open(server: &PostgresServer, database: &str) -> Arc<dyn Store> {
    Arc::new(PostgresStore::open(settings(server, database, 7)).await.expect("opens"))
}

fn world(store: &Arc<dyn Store>) -> World {
    World::new(Made { store: Arc::clone(store), keep: Box::new(()) })
}

/// What was acknowledged is there after a crash of the server; while it is away the store says so, and it goes on by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_of_the_server_loses_nothing_and_the_store_goes_on() {
    let Some(mut server) = PostgresServer::start() else { return };
    server.create_database("crash", "template1");
    let store = open(&server, "crash").await;
    let world = world(&store);
    let (account, subscription) = world.subscribed().await;
    let by = world.node().await;
    let mut kept = Vec::new();
    for _ in 0..20 {
        kept.push(world.recorded_as(account, subscription, 7, DeliveryState::Leased { by }).await);
    }
    server.kill();
    let refused = store.accounts().await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    let settlement = world.settlement(&kept[0], by, START, Next::Delivered);
    let refused = store.settle(vec![settlement.clone()]).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    assert!(server.resume(), "it starts again");
    // Nothing was half-applied, so that the same settlement is taken now.
    assert_eq!(store.settle(vec![settlement]).await, Ok(vec![Ok(())]));
    assert_eq!(world.state(&kept[0]).await, DeliveryState::Delivered { at: START });
    for delivery in &kept[1..] {
        assert_eq!(world.state(delivery).await, DeliveryState::Leased { by });
    }
    assert!(store.health().await.expect("it is back").writable);
    store.close().await;
}

/// A server that accepts connections and says nothing, as one that is frozen does: neither a start nor a caller waits for good.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_accepts_and_says_nothing_is_unavailable_in_time() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let at = silent.local_addr().expect("bound");
    tokio::spawn(async move {
        let mut kept = Vec::new();
        while let Ok((stream, _)) = silent.accept().await {
            kept.push(stream);
        }
    });
    let url = format!("postgresql://u@{at}/d?connect_timeout=1");
    let keys = KeySource::Given(vec![VaultKey::new([7; KEY_BYTES])]);
    let opening = PostgresStore::open(Settings::new(Secret::new(url), keys));
    let refused = tokio::time::timeout(Duration::from_secs(60), opening).await.expect("it does not wait for good").err();
    assert!(matches!(refused, Some(OpenError::Unreachable { .. })), "{refused:?}");
}

/// Whoever waits for a read may go away, as a request whose client hung up does: the read does not go on without them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_that_nobody_waits_for_any_more_is_cancelled() {
    let Some(server) = PostgresServer::start() else { return };
    server.create_database("gone", "template1");
    let store = open(&server, "gone").await;
    let (client, driver) = tokio_postgres::connect(&server.url("gone"), tokio_postgres::NoTls).await.expect("connects");
    tokio::spawn(driver);
    client.batch_execute("BEGIN; LOCK TABLE account IN ACCESS EXCLUSIVE MODE").await.expect("locked");
    let reads_waiting = async |count: &str| {
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%account%'";
        for _ in 0..200 {
            if server.ask("postgres", sql) == [count] {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        false
    };
    let read = tokio::spawn({
        let store = Arc::clone(&store);
        async move { store.accounts().await }
    });
    assert!(reads_waiting("1").await);
    read.abort();
    assert!(reads_waiting("0").await, "it was cancelled, while what it waited for is still locked");
    client.batch_execute("ROLLBACK").await.expect("unlocked");
    assert_eq!(store.accounts().await, Ok(Vec::new()), "and the store goes on");
    store.close().await;
}

/// Two nodes that claim from the same lanes at the same time never get the same delivery, and together they get all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_claim_at_the_same_time_share_without_overlap() {
    const DELIVERIES: usize = 600;
    let Some(server) = PostgresServer::start() else { return };
    server.create_database("shared", "template1");
    let (first, second) = (open(&server, "shared").await, open(&server, "shared").await);
    let world = world(&first);
    let (account, subscription) = world.subscribed().await;
    let event = world.event(account);
    let deliveries = (0..DELIVERIES).map(|number| world.delivery(&event, subscription, (number % 3) as i64)).collect();
    world.record(vec![event], deliveries).await;
    let claims = [&first, &second].map(|store| {
        let store = Arc::clone(store);
        tokio::spawn(async move {
            let by = store.register_node("claims", 1, START, LONG).await.expect("registered").incarnation;
            let mut mine = Vec::new();
            loop {
                let lanes = (0..3).map(|listener| LaneQuota { listener: countersign_core::id::ListenerId(listener), count: 7 }).collect();
                let claimed = store.claim_due(Claim { by, now: START, lanes, bytes_max: usize::MAX }).await.expect("claimed");
                if claimed.is_empty() && store.due_listeners(START, None, 10).await.expect("read").is_empty() {
                    return mine;
                }
                mine.extend(claimed.into_iter().map(|claimed| claimed.delivery.id));
            }
        })
    });
    let mut all = Vec::new();
    for claim in claims {
        all.extend(claim.await.expect("it does not panic"));
    }
    let different: HashSet<_> = all.iter().collect();
    assert_eq!((all.len(), different.len()), (DELIVERIES, DELIVERIES));
    first.close().await;
    second.close().await;
}

/// Changes of one envelope, of one ordered lane and of the configuration from two nodes at once: all of them end, none in a deadlock.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_write_the_same_rows_do_not_block_each_other_for_good() {
    let Some(server) = PostgresServer::start() else { return };
    server.create_database("busy", "template1");
    let (first, second) = (open(&server, "busy").await, open(&server, "busy").await);
    let worlds = [world(&first), world(&second)];
    let (account, subscription) = worlds[0].subscribed().await;
    let work = async |world: &World, number: u64| {
        let by = world.node().await;
        for round in 0..40 {
            // The worlds make ids from the same numbers; times keep them apart.
            let event = world.event_at(account, START + Duration::from_secs(2 * round + number));
            let delivery = Delivery { order_key: Some(42), ..world.delivery(&event, subscription, 7) };
            world.record(vec![event], vec![delivery]).await;
            for claimed in world.claim(by, START + LONG / 2, 7, 3).await {
                world.settle(&claimed.delivery, by, START, Next::Delivered).await;
            }
            if round % 10 == 0 {
                world.subscription(account).await;
            }
        }
    };
    tokio::join!(work(&worlds[0], 0), work(&worlds[1], 1));
    let by = worlds[0].node().await;
    loop {
        let left = worlds[0].claim(by, START + LONG / 2, 7, 10).await;
        if left.is_empty() {
            break;
        }
        for claimed in left {
            worlds[0].settle(&claimed.delivery, by, START, Next::Delivered).await;
        }
    }
    assert_eq!(server.ask("busy", "SELECT count(*), count(*) FILTER (WHERE state = 2) FROM delivery"), ["80|80"]);
    first.close().await;
    second.close().await;
}

/// Another key, a server that does not wait for its disk, and a database that is not there are refused in one line.
#[tokio::test]
async fn what_cannot_work_is_refused_at_the_start() {
    let Some(server) = PostgresServer::start() else { return };
    server.create_database("checked", "template1");
    open(&server, "checked").await.close().await;
    let refused = PostgresStore::open(settings(&server, "checked", 8)).await.err();
    assert!(matches!(refused, Some(OpenError::WrongKey(_))), "{refused:?}");
    let refused = PostgresStore::open(settings(&server, "elsewhere", 7)).await.err();
    assert!(matches!(refused, Some(OpenError::Denied { .. })), "{refused:?}");
    for (copy, newer) in
        [("other", "UPDATE schema_migrations SET checksum = 'x'"), ("newer", "UPDATE schema_migrations SET oldest_program = 1000")]
    {
        server.create_database(copy, "template1");
        open(&server, copy).await.close().await;
        let _ = server.ask(copy, newer);
        let refused = PostgresStore::open(settings(&server, copy, 7)).await.err();
        assert!(matches!(refused, Some(OpenError::OtherMigration { .. } | OpenError::NewerSchema { .. })), "{newer}: {refused:?}");
    }
    let _ = server.ask("postgres", "ALTER DATABASE checked SET synchronous_commit = off");
    let refused = PostgresStore::open(settings(&server, "checked", 7)).await.err();
    assert_eq!(refused, Some(OpenError::Unsafe { setting: "synchronous_commit", value: "off".into() }));
    let away =
        Settings::new(Secret::new(format!("postgresql://u@{}/d", countersign_testkit::unused_address())), settings(&server, "x", 7).keys);
    let refused = PostgresStore::open(away).await.err();
    assert!(matches!(refused, Some(OpenError::Unreachable { .. })), "{refused:?}");
}

/// A text that the database cannot hold does not spoil what comes with it.
#[tokio::test]
async fn a_nul_character_in_a_text_is_no_fault() {
    let Some(server) = PostgresServer::start() else { return };
    server.create_database("nul", "template1");
    let store = open(&server, "nul").await;
    let world = world(&store);
    let account = world.account().await;
    let row =
        countersign_store::envelopes::EnvelopeRow { subject: "a\0b".into(), search_text: "a\0b".into(), ..world.envelope_row(account) };
    world.put_envelope(row.clone(), None).await;
    let read = store.envelope(account, row.id).await.expect("read").expect("exists");
    assert_eq!((read.row.subject.as_str(), read.row.body), ("a\u{fffd}b", row.body));
    assert_eq!(store.idempotent(account, "k\0", Timestamp::default()).await, Ok(None));
    store.close().await;
}

/// A record waits for a change of the configuration that is committing, and is matched again with what that brought.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_that_waited_for_a_change_is_refused_with_the_new_version() {
    let Some(server) = PostgresServer::start() else { return };
    server.create_database("waits", "template1");
    let store = open(&server, "waits").await;
    let world = world(&store);
    let (account, subscription) = world.subscribed().await;
    let version = world.version(account).await;
    let (client, driver) = tokio_postgres::connect(&server.url("waits"), tokio_postgres::NoTls).await.expect("connects");
    tokio::spawn(driver);
    let change = format!(
        "BEGIN; SELECT pg_advisory_xact_lock(1, hashint8({0})); UPDATE account SET config_version = config_version + 1 WHERE id = {0}",
        account.0
    );
    client.batch_execute(&change).await.expect("a change that has not committed yet");
    let event = world.event(account);
    let delivery = world.delivery(&event, subscription, 7);
    let record = Record {
        account,
        config: Some(version),
        envelope: None,
        events: vec![event.into()],
        deliveries: vec![delivery],
        subscriptions: Vec::new(),
        idempotency: None,
    };
    let recording = tokio::spawn({
        let (store, record) = (Arc::clone(&store), record.clone());
        async move { store.record(vec![record]).await }
    });
    while server.ask("waits", "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted") != ["1"] {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    client.batch_execute("COMMIT").await.expect("committed");
    let now = ConfigVersion(version.0 + 1);
    assert_eq!(recording.await.expect("it does not panic"), Ok(vec![Err(Refused::StaleConfig(now))]));
    assert_eq!(server.ask("waits", "SELECT count(*) FROM event"), ["0"]);
    assert_eq!(store.record(vec![Record { config: Some(now), ..record }]).await, Ok(vec![Ok(Recorded::Fresh)]));
    store.close().await;
}

/// Servers that would lose what was accepted, or may: refused, or said in health, and never silent.
#[tokio::test]
async fn a_server_that_is_not_true_is_refused_or_told_of() {
    let Some(server) = PostgresServer::start() else { return };
    server.create_database("sound", "template1");
    let store = open(&server, "sound").await;
    assert_eq!(store.health().await.expect("read").warnings, Vec::<String>::new());
    for setting in ["fsync", "synchronous_commit"] {
        server.set(setting, "off");
        let refused = PostgresStore::open(settings(&server, "sound", 7)).await.err();
        assert_eq!(refused, Some(OpenError::Unsafe { setting, value: "off".into() }));
        // One that runs already goes on, and says so.
        assert!(warns(&store, "does not wait for the disk").await, "{setting}");
        server.set(setting, "on");
    }
    server.set("full_page_writes", "off");
    let torn = open(&server, "sound").await;
    assert!(warns(&torn, "full_page_writes").await);
    store.close().await;
    torn.close().await;
}

/// A standby takes no writes: it is refused as long as it is one. Health on the primary says what a failover to it may lose.
#[tokio::test]
async fn a_standby_is_told_of_and_refused_until_it_is_promoted() {
    let Some(primary) = PostgresServer::start() else { return };
    primary.create_database("stands", "template1");
    let store = open(&primary, "stands").await;
    let standby = primary.standby();
    while !warns(&store, "none of them synchronous").await {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let refused = PostgresStore::open(settings(&standby, "stands", 7)).await.err();
    assert!(matches!(refused, Some(OpenError::ReadOnly { .. })), "{refused:?}");
    store.close().await;
    assert_eq!(standby.ask("postgres", "SELECT pg_promote()"), ["t"]);
    let promoted = open(&standby, "stands").await;
    assert!(promoted.health().await.expect("read").writable);
    promoted.close().await;
}

async fn warns(store: &Arc<dyn Store>, word: &str) -> bool {
    store.health().await.expect("read").warnings.iter().any(|line| line.contains(word))
}
