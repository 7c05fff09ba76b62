//! The suite of all backends, on SQLite.

use std::sync::Arc;

use countersign_store::{
    Compression,
    conformance::{Made, run_all},
    sqlite::{Settings, SqliteStore},
};

async fn make() -> Made {
    made(Compression::Off)
}

fn made(compression: Compression) -> Made {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = Settings { reserve_bytes: 0, readers: 2, compression, ..Settings::new(folder.path().join("data")) };
    let store = SqliteStore::open(settings).expect("opens");
    Made { store: Arc::new(store), keep: Box::new(folder) }
}

countersign_store::store_conformance!(make);

#[test]
fn every_row_holds_when_what_is_stored_is_compressed() {
    run_all(|| std::future::ready(made(Compression::On)));
}
