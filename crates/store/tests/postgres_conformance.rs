//! The suite of all backends, on PostgreSQL: straight, and through a pooler in transaction mode.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use countersign_core::Secret;
use countersign_store::{
    Compression,
    conformance::{Made, run_all},
    postgres::{KeySource, PostgresStore, Settings},
    vault::{KEY_BYTES, VaultKey},
};
use countersign_testkit::{PgBouncer, PostgresServer};

#[test]
fn every_promise_holds_on_postgresql() {
    let Some(server) = PostgresServer::start() else { return };
    every_promise_holds(&server, Compression::Off, |database| server.url(database));
}

#[test]
fn every_promise_holds_behind_a_transaction_pooler() {
    let Some(server) = PostgresServer::start() else { return };
    let Some(pooler) = PgBouncer::start(&server) else { return };
    // What is compressed goes another way as well, so that one run sees to both.
    every_promise_holds(&server, Compression::On, |database| pooler.url(database));
}

fn every_promise_holds(server: &PostgresServer, compression: Compression, url: impl Fn(&str) -> String + Sync) {
    // Each row gets a copy of a database that was migrated once.
    server.create_database("prepared", "template1");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async { open(server.url("prepared"), compression).await.store.close().await });
    // What is left of its connections goes with it: nobody may be connected to a database that is copied.
    drop(runtime);
    let number = AtomicU32::new(0);
    run_all(|| {
        let database = format!("row_{}", number.fetch_add(1, Ordering::Relaxed));
        server.create_database(&database, "prepared");
        open(url(&database), compression)
    });
}

async fn open(url: String, compression: Compression) -> Made {
    let keys = KeySource::Given(vec![VaultKey::new([7; KEY_BYTES])]);
    let settings = Settings { connections: 6, hints: false, compression, ..Settings::new(Secret::new(url), keys) };
    let store = PostgresStore::open(settings).await.expect("opens");
    Made { store: Arc::new(store), keep: Box::new(()) }
}
