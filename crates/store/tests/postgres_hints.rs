//! Hints from node to node on PostgreSQL: heard at once, lost without harm.

use std::{sync::Arc, time::Duration};

use countersign_core::{
    Secret,
    delivery::{DeliveryState, Hold},
    id::ListenerId,
};
use countersign_store::{
    Store,
    claim::Release,
    conformance::{LONG, Made, START, World},
    postgres::{KeySource, PostgresStore, Settings},
    query::DeliveryAction,
    vault::{KEY_BYTES, VaultKey},
};
use countersign_testkit::PostgresServer;
use tokio::time::timeout;

/// Beyond this something hangs: with the poll of a worker it would not be noticed.
const PATIENCE: Duration = Duration::from_secs(60);

async fn open(server: &PostgresServer, database: &str, hints: bool) -> Arc<dyn Store> {
    let keys = KeySource::Given(vec![VaultKey::new([7; KEY_BYTES])]);
    let settings = Settings { connections: 4, hints, ..Settings::new(Secret::new(server.url(database)), keys) };
    Arc::new(PostgresStore::open(settings).await.expect("opens"))
}

async fn hear(store: &Arc<dyn Store>, row: &str) {
    assert!(timeout(PATIENCE, store.wait_for_hint()).await.is_ok(), "no hint: {row}");
}

/// A store that begins to listen rings once, since it may have missed something.
async fn listening(server: &PostgresServer, database: &str) -> Arc<dyn Store> {
    let store = open(server, database, true).await;
    hear(&store, "it listens").await;
    store
}

/// Everything that makes a delivery free for whoever has room.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_node_frees_another_one_hears_of() {
    let Some(server) = PostgresServer::start() else { return };
    server.create_database("heard", "template1");
    let (here, there) = (listening(&server, "heard").await, listening(&server, "heard").await);
    let deaf = open(&server, "heard", false).await;
    let world = World::new(Made { store: Arc::clone(&here), keep: Box::new(()) });
    let (account, subscription) = world.subscribed().await;
    let waiting = world.waiting(account, subscription, 7).await;
    hear(&there, "recorded waiting").await;
    let by = world.node().await;
    assert_eq!(world.claim_ids(by, START, 7, 1).await, [waiting.id]);
    here.give_back(by, vec![waiting.id], START, None).await.expect("given back");
    hear(&there, "given back").await;
    assert_eq!(world.claim_ids(by, START, 7, 1).await, [waiting.id]);
    here.reroute(by, vec![waiting.id], ListenerId(8)).await.expect("moved");
    hear(&there, "moved to another lane").await;
    let held = DeliveryState::Waiting { due_at: START, held: Some(Hold::Paused) };
    world.recorded_as(account, subscription, 7, held).await;
    let release = Release { subscription, held: Hold::Paused, now: START, rows_max: 10 };
    assert_eq!(here.release(release).await, Ok(1));
    hear(&there, "released").await;
    let later = START + LONG / 2;
    assert_eq!(here.act_on_deliveries(account, vec![waiting.id], DeliveryAction::Retry, later).await, Ok(vec![waiting.id]));
    hear(&there, "retried by a person").await;
    here.retire_node(by, START).await.expect("retired");
    hear(&there, "what a node held that ended").await;
    // Its own hints are no news to a node; what it does not do is no news to anybody.
    let by = world.node().await;
    world.recorded_as(account, subscription, 7, DeliveryState::Leased { by }).await;
    assert!(timeout(Duration::from_millis(200), here.wait_for_hint()).await.is_err(), "it heard itself");
    assert!(timeout(Duration::from_millis(1), deaf.wait_for_hint()).await.is_err(), "hints are switched off");
    for store in [here, there, deaf] {
        store.close().await;
    }
}

/// A connection that was cut is made again, and rings: what was told meanwhile is looked for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_listens_again_after_its_connection_broke() {
    let Some(mut server) = PostgresServer::start() else { return };
    server.create_database("again", "template1");
    let (here, there) = (listening(&server, "again").await, listening(&server, "again").await);
    let world = World::new(Made { store: Arc::clone(&here), keep: Box::new(()) });
    let (account, subscription) = world.subscribed().await;
    server.kill();
    assert!(server.resume(), "it starts again");
    hear(&there, "it listens again").await;
    world.waiting(account, subscription, 7).await;
    hear(&there, "recorded waiting").await;
    here.close().await;
    there.close().await;
}
