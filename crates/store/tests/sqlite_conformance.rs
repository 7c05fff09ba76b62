//! The suite of all backends, on SQLite.

use std::sync::Arc;

use countersign_store::{
    conformance::Made,
    sqlite::{Settings, SqliteStore},
};

async fn make() -> Made {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = Settings { reserve_bytes: 0, readers: 2, ..Settings::new(folder.path().join("data")) };
    let store = SqliteStore::open(settings).expect("opens");
    Made { store: Arc::new(store), keep: Box::new(folder) }
}

countersign_store::store_conformance!(make);
