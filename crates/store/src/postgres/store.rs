//! The store as a value: opened with settings, closed in order.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU32},
    },
    time::Duration,
};

use countersign_core::{Secret, Timestamp};
use tokio::sync::Mutex;
use tokio_postgres::{Client, error::SqlState};

use super::{
    address::Address,
    batch::Batcher,
    clock::{DatabaseClock, TIME},
    doubt::Doubts,
    fault::{Fault, OpenError, words},
    hints::Hints,
    importing,
    keys::{KeySource, open_vault},
    migration::{self, Migrated},
    pool::{Connector, Pool},
    server::Server,
    tls::Tls,
    writers::{Recording, Settling},
};
use crate::{Compression, StoreError, vault::Vault};

/// How the store runs. [`Settings::new`] has the defaults.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `postgresql://user@host:5432/database`, several hosts with commas; see the guide on scaling.
    pub url: Secret,
    /// The password, over one in the URL.
    pub password: Option<Secret>,
    /// Authorities (PEM) that the server's certificate may come from, instead of those of the system.
    pub ca: Option<Vec<u8>>,
    /// Where the keys of the vault come from.
    pub keys: KeySource,
    /// Connections of this node, 4 to 256. Default: 10.
    pub connections: usize,
    /// Whether this node tells the others at once of what is due, and hears them, on a connection of its own. Off behind a transaction
    /// pooler. Default: true.
    pub hints: bool,
    /// The time one statement may take. Default: 10 s.
    pub statement_time_max: Duration,
    /// Whether exchanges are compressed; the server compresses snapshots by itself. Default: off.
    pub compression: Compression,
}

impl Settings {
    /// The defaults for a database and a source of keys.
    #[must_use]
    pub fn new(url: Secret, keys: KeySource) -> Self {
        let (statement_time_max, compression) = (Duration::from_secs(10), Compression::Off);
        Self { url, password: None, ca: None, keys, connections: 10, hints: true, statement_time_max, compression }
    }
}

/// The store on PostgreSQL. Cheap to clone; its connections end with [`crate::Store::close`].
#[derive(Clone)]
pub struct PostgresStore {
    pub(super) inner: Arc<Inner>,
}

/// What the clones share.
pub(super) struct Inner {
    /// For whatever writes: recording and settling never wait behind a list.
    pub(super) writes: Arc<Pool>,
    /// For whatever only reads.
    pub(super) reads: Arc<Pool>,
    pub(super) recording: Batcher<Recording>,
    pub(super) settling: Batcher<Settling>,
    pub(super) vault: Arc<Vault>,
    pub(super) clock: Arc<DatabaseClock>,
    pub(super) doubts: Doubts,
    /// One claim of deliveries, timers or jobs at a time, so that no doubt is overtaken.
    pub(super) claiming: Mutex<()>,
    /// Where retention goes on looking for deliveries, attempts, events and contents.
    pub(super) retained_to: RetainedTo,
    /// None where they are switched off.
    pub(super) hints: Option<Arc<Hints>>,
    /// Partitions past retention that stay for what is still needed of them.
    pub(super) days_kept: AtomicU32,
    /// The newest schema the database has.
    pub(super) schema: u32,
    pub(super) compression: Compression,
    shown: String,
}

/// Places in the tables up to which retention has looked.
#[derive(Debug, Default)]
pub(super) struct RetainedTo {
    pub(super) delivery: AtomicI64,
    pub(super) attempt: AtomicI64,
    pub(super) event: AtomicI64,
    pub(super) content: AtomicI64,
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore").field("at", &self.inner.shown).finish_non_exhaustive()
    }
}

impl PostgresStore {
    /// Connects, checks the server, makes or migrates the tables and checks the key.
    ///
    /// # Errors
    /// [`OpenError`], one clear line for the person who starts the program.
    pub async fn open(settings: Settings) -> Result<Self, OpenError> {
        let (address, connector) = connector(&settings)?;
        let client = connect(&connector, &address.shown).await?;
        let server = Server::of(&client).await?;
        server.check(&address.shown)?;
        for warning in server.warnings() {
            tracing::warn!(database = %address.shown, "{warning}");
        }
        let clock = Arc::new(DatabaseClock::default());
        let asked = clock.asks();
        clock.heard(time_there(&client).await?, asked);
        let migrated = migration::migrate(&client).await?;
        importing::refuse_incomplete(&client).await?;
        let vault = Arc::new(open_vault(&client, &settings.keys).await?);
        drop(client);

        let connections = settings.connections.clamp(4, 256);
        let writers = connections.div_ceil(2) + 1;
        let writes = Pool::new(connector.clone(), writers, settings.statement_time_max);
        let reads = Pool::new(connector.clone(), connections - writers, settings.statement_time_max);
        let hints = settings.hints.then(|| Hints::start(connector, Arc::clone(&reads)));
        // What is left of the writing connections serves claims, renewals and configuration.
        let recording = Arc::new(Recording { pool: Arc::clone(&writes), vault: Arc::clone(&vault) });
        let recording = Batcher::start(recording, writers.div_ceil(3));
        let settling = Batcher::start(Arc::new(Settling { pool: Arc::clone(&writes) }), writers / 3);
        let inner = Inner {
            writes,
            reads,
            recording,
            settling,
            vault,
            clock,
            doubts: Doubts::default(),
            claiming: Mutex::new(()),
            retained_to: RetainedTo::default(),
            hints,
            days_kept: AtomicU32::new(0),
            schema: migrated.schema,
            compression: settings.compression,
            shown: address.shown,
        };
        let store = Self { inner: Arc::new(inner) };
        store.begin_days().await;
        Ok(store)
    }

    /// Makes or migrates the tables, and does nothing else.
    ///
    /// # Errors
    /// [`OpenError`], one clear line for the person who starts the program.
    pub async fn migrate(settings: &Settings) -> Result<Migrated, OpenError> {
        let (address, connector) = connector(settings)?;
        let client = connect(&connector, &address.shown).await?;
        Server::of(&client).await?.check(&address.shown)?;
        let migrated = migration::migrate(&client).await?;
        importing::refuse_incomplete(&client).await?;
        Ok(migrated)
    }

    /// The clock of the database, for the whole process: nodes whose own clocks differ agree on it. From now on times that callers
    /// pass are taken to be of this clock.
    pub fn clock(&self) -> impl Fn() -> Timestamp + Send + Sync + 'static {
        let clock = Arc::clone(&self.inner.clock);
        clock.follow();
        move || clock.now()
    }

    /// Where the database is: hosts and ports, for people.
    #[must_use]
    pub fn shown(&self) -> &str {
        &self.inner.shown
    }
}

async fn time_there(client: &Client) -> Result<i64, OpenError> {
    let failed = |error: tokio_postgres::Error| OpenError::Failed(words(&error));
    let rows = client.query_typed(TIME, &[]).await.map_err(failed)?;
    let row = rows.first().ok_or_else(|| OpenError::Failed("it does not say what time it is".into()))?;
    row.try_get(0).map_err(failed)
}

pub(super) fn connector(settings: &Settings) -> Result<(Address, Connector), OpenError> {
    let address = Address::read(&settings.url, settings.password.as_ref())?;
    let tls = Tls::new(settings.ca.as_deref())?;
    let connector = Connector { config: address.config.clone(), tls };
    Ok((address, connector))
}

pub(super) async fn connect(connector: &Connector, at: &str) -> Result<Client, OpenError> {
    connector.connect().await.map_err(|fault| {
        let at = at.to_owned();
        let error = match fault {
            Fault::Sql(error) => error,
            other => return OpenError::Unreachable { at, reason: StoreError::from(other).to_string() },
        };
        let reason = words(&error);
        match error.code() {
            Some(code) if *code == SqlState::CANNOT_CONNECT_NOW || code.code().starts_with("53") => OpenError::Unreachable { at, reason },
            Some(_) => OpenError::Denied { at, reason },
            None => OpenError::Unreachable { at, reason },
        }
    })
}
