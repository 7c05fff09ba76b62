//! The store as a value: opened with settings, closed in order.

use std::{
    fmt,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError, RwLock, atomic::AtomicI64},
    time::Duration,
};

use rusqlite::Connection;

use super::{
    checkpoint::{Checkpointer, WalGauge},
    condition::Condition,
    connection::{open_checkpointer, open_reader, open_writer, opening},
    fault::OpenError,
    files::DataDir,
    key_file, migration, node,
    reader::Readers,
    reserve::Reserve,
    transaction::Versions,
    transfer,
    vaults::CurrentVault,
    writer::{Desk, Writer},
};
use crate::{
    Compression,
    breaker::Board,
    vault::{Vault, VaultKey},
};

/// Where the keys of the vault come from.
#[derive(Clone, Debug, Default)]
pub enum KeySource {
    /// The file `secret.key` in the data directory, made at the first start.
    #[default]
    File,
    /// Given from outside, the one that seals first.
    Given(Vec<VaultKey>),
}

/// How the store runs. [`Settings::new`] has the defaults.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The data directory; made (0700) when it is missing.
    pub data_dir: PathBuf,
    /// Where the keys of the vault come from.
    pub keys: KeySource,
    /// Connections that read, 1 to 64. Default: 4.
    pub readers: usize,
    /// The time one read may take. A read that takes longer keeps the write-ahead log from starting again. Default: 5 s.
    pub read_time_max: Duration,
    /// Page cache of the writing connection, in bytes. Default: 2 MiB: it holds the right edge of each table and index and what one
    /// transaction adds to them. New rows need new pages, and a page used again while the processor's cache still has it is filled several
    /// times faster than one of many; what else is needed lies in the system's cache.
    pub writer_cache_bytes: usize,
    /// Page cache of each reading connection, in bytes. Default: 4 MiB.
    pub reader_cache_bytes: usize,
    /// Space kept on the disk so that settling goes on when it is full; 0 keeps none. It must hold what the write-ahead log grows to, so
    /// less than 32 MiB is of little use. Default: 64 MiB.
    pub reserve_bytes: u64,
    /// Whether snapshots and exchanges are compressed. Default: off.
    pub compression: Compression,
}

impl Settings {
    /// The defaults for a data directory.
    #[must_use]
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            data_dir: data_dir.into(),
            keys: KeySource::File,
            readers: 4,
            read_time_max: Duration::from_secs(5),
            writer_cache_bytes: 2 << 20,
            reader_cache_bytes: 4 << 20,
            reserve_bytes: 64 << 20,
            compression: Compression::Off,
        }
    }
}

/// The embedded store. Cheap to clone; the threads end when the last clone goes or with [`crate::Store::close`].
#[derive(Clone)]
pub struct SqliteStore {
    pub(super) inner: Arc<Inner>,
}

/// What the clones share.
pub(super) struct Inner {
    pub(super) writer: Writer,
    pub(super) readers: Readers,
    pub(super) vault: Arc<CurrentVault>,
    pub(super) condition: Arc<Condition>,
    pub(super) gauge: Arc<WalGauge>,
    pub(super) dir: DataDir,
    /// Held for reading by whoever has a connection open beside those of the threads: the directory is not given free meanwhile.
    pub(super) visitors: RwLock<()>,
    pub(super) settings: Settings,
    /// Where retention goes on looking for deliveries, events and contents.
    pub(super) retained_to: RetainedTo,
    /// What its one process would tell other nodes.
    pub(super) breakers: Mutex<Board>,
    /// One rotation at a time.
    pub(super) rotating: tokio::sync::Mutex<()>,
}

/// Places in the tables up to which retention has looked.
#[derive(Debug, Default)]
pub(super) struct RetainedTo {
    pub(super) delivery: AtomicI64,
    pub(super) event: AtomicI64,
    pub(super) content: AtomicI64,
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore").field("data_dir", &self.inner.dir.path()).finish_non_exhaustive()
    }
}

impl SqliteStore {
    /// Opens the data directory, making or migrating the database, and starts the threads. Blocks for some milliseconds, longer when
    /// a crash left a log to go through.
    ///
    /// # Errors
    /// [`OpenError`], one clear line for the person who starts the program.
    pub fn open(settings: Settings) -> Result<Self, OpenError> {
        let dir = DataDir::open(&settings.data_dir)?;
        let mut conn = open_writer(&dir, settings.writer_cache_bytes)?;
        migration::migrate(&mut conn, &dir)?;
        transfer::refuse_incomplete(&conn, &dir)?;
        node::end_all(&conn).map_err(|e| opening(&dir, &e))?;
        let vault = open_vault(&dir, &conn, &settings.keys)?;
        let gauge = Arc::new(WalGauge::default());
        gauge.watch(&mut conn).map_err(|e| opening(&dir, &e))?;

        let condition = Arc::new(Condition::default());
        let reserve = Arc::new(Mutex::new(Reserve::new(dir.reserve(), settings.reserve_bytes)));
        let failed = |e: std::io::Error| OpenError::Failed { dir: dir.path().to_owned(), reason: e.to_string() };
        let connections =
            (0..settings.readers.clamp(1, 64)).map(|_| open_reader(&dir, settings.reader_cache_bytes)).collect::<Result<Vec<_>, _>>()?;
        let readers = Readers::start(connections, settings.read_time_max).map_err(failed)?;
        let checkpointer = open_checkpointer(&dir)?;
        let checkpointer =
            Checkpointer::start(checkpointer, dir.database_sync(), Arc::clone(&gauge), Arc::clone(&reserve), Arc::clone(&condition))
                .map_err(failed)?;
        let vault = Arc::new(CurrentVault::new(vault));
        let desk = Desk {
            conn,
            vault: Arc::clone(&vault),
            condition: Arc::clone(&condition),
            reserve,
            checkpointer,
            gauge: Arc::clone(&gauge),
            versions: Versions::default(),
        };
        let writer = Writer::start(desk).map_err(failed)?;
        if let Some(kind) = dir.network_file_system() {
            tracing::warn!(file_system = kind, "the data directory is on a network file system, whose locks may not hold");
        }
        let inner = Inner {
            writer,
            readers,
            vault,
            condition,
            gauge,
            dir,
            visitors: RwLock::default(),
            settings,
            retained_to: RetainedTo::default(),
            breakers: Mutex::default(),
            rotating: tokio::sync::Mutex::new(()),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The settings it was opened with.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.inner.settings
    }
}

fn open_vault(dir: &DataDir, conn: &Connection, keys: &KeySource) -> Result<Vault, OpenError> {
    let keys = match keys {
        KeySource::File => key_file::keys_of(dir, conn)?,
        KeySource::Given(keys) => keys.clone(),
    };
    let vault = Vault::new(&keys).map_err(OpenError::BadKey)?;
    key_file::check(conn, dir, &vault)?;
    Ok(vault)
}

impl Inner {
    /// Writes what is queued, ends the threads, waits for backups and checks under way and gives the directory free. Blocks until done.
    pub(super) fn close(&self) {
        self.writer.close();
        self.readers.close();
        let _nobody = self.visitors.write().unwrap_or_else(PoisonError::into_inner);
        self.dir.release();
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.close();
    }
}
