//! Stores of either kind, and what moves them.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use countersign_core::Secret;
use countersign_store::{
    Store,
    conformance::{Everything, Made, World},
    postgres::{self, PostgresSource, PostgresStore, PostgresTarget},
    sqlite::{self, DATABASE_FILE, SqliteSource, SqliteStore, SqliteTarget},
    transfer::{Checked, Manifest, Progress, TransferError, check, export, import},
    vault::{KEY_BYTES, Vault, VaultKey},
};

/// The key of every store here.
pub(crate) const KEY: u8 = 7;

pub(crate) fn keys(key: u8) -> Vec<VaultKey> {
    vec![VaultKey::new([key; KEY_BYTES])]
}

pub(crate) fn vault(key: u8) -> Vault {
    Vault::new(&keys(key)).expect("a key")
}

/// Where a store is.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    Embedded(PathBuf),
    Postgres(String),
}

impl Place {
    /// A data directory.
    pub(crate) fn embedded(folder: &Path, name: &str) -> Self {
        Self::Embedded(folder.join(name))
    }

    /// As an argument of another process.
    pub(crate) fn words(&self) -> String {
        match self {
            Self::Embedded(folder) => folder.display().to_string(),
            Self::Postgres(url) => url.clone(),
        }
    }

    /// Back from the argument.
    pub(crate) fn of(words: &str) -> Self {
        if words.starts_with("postgresql:") { Self::Postgres(words.to_owned()) } else { Self::Embedded(words.into()) }
    }

    fn postgres(url: &str) -> postgres::Settings {
        postgres::Settings { connections: 6, ..postgres::Settings::new(Secret::new(url), postgres::KeySource::Given(keys(KEY))) }
    }

    /// Opens the store; the words of whoever refuses.
    pub(crate) async fn try_open(&self) -> Result<Arc<dyn Store>, String> {
        match self {
            Self::Embedded(folder) => {
                let keys = sqlite::KeySource::Given(keys(KEY));
                let settings = sqlite::Settings { reserve_bytes: 0, readers: 1, keys, ..sqlite::Settings::new(folder) };
                SqliteStore::open(settings).map(|store| Arc::new(store) as _).map_err(|error| error.to_string())
            }
            Self::Postgres(url) => match PostgresStore::open(Self::postgres(url)).await {
                Ok(store) => Ok(Arc::new(store) as _),
                Err(error) => Err(error.to_string()),
            },
        }
    }

    pub(crate) async fn open(&self) -> Arc<dyn Store> {
        self.try_open().await.expect("opens")
    }

    /// A world around the opened store.
    pub(crate) async fn world(&self) -> World {
        World::new(Made { store: self.open().await, keep: Box::new(()) })
    }

    pub(crate) async fn export(&self, file: &Path) -> Result<Manifest, TransferError> {
        self.export_told(file, &mut |_| {}).await
    }

    pub(crate) async fn export_told(&self, file: &Path, told: &mut (dyn FnMut(Progress) + Send)) -> Result<Manifest, TransferError> {
        match self {
            Self::Embedded(folder) => export(&mut SqliteSource::open(folder, 0)?, file, told).await,
            Self::Postgres(url) => export(&mut PostgresSource::open(&Self::postgres(url)).await?, file, told).await,
        }
    }

    /// Checks the file with the key, and imports it.
    pub(crate) async fn import(&self, file: &Path) -> Result<u64, TransferError> {
        self.import_told(&check(file, Some(&vault(KEY)), &mut |_| {})?, &mut |_| {}).await
    }

    pub(crate) async fn import_told(&self, checked: &Checked, told: &mut (dyn FnMut(Progress) + Send)) -> Result<u64, TransferError> {
        match self {
            Self::Embedded(folder) => import(checked, &mut SqliteTarget::open(folder)?, told).await,
            Self::Postgres(url) => import(checked, &mut PostgresTarget::open(&Self::postgres(url)).await?, told).await,
        }
    }
}

/// A data directory with rows of every kind, those included that come and go.
pub(crate) async fn full_store(folder: &Path) -> (Place, Everything) {
    let place = Place::embedded(folder, "first");
    let world = place.world().await;
    let everything = world.everything().await;
    world.store.close().await;
    let conn = rusqlite::Connection::open(folder.join("first").join(DATABASE_FILE)).expect("opens");
    conn.execute("INSERT INTO deleted_subscription (id, account, at) VALUES (10000099, ?1, 5)", [everything.account.0]).expect("written");
    (place, everything)
}

/// A runtime; tests that run themselves again as a child need one of their own.
pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
}
