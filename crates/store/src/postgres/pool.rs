//! Connections: a bounded number, made when they are needed, given up when they broke.
//!
//! A connection is used for one transaction or one read at a time and keeps nothing between them: no session settings, no
//! prepared statements, no temporary tables. So a transaction pooler may stand between.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_postgres::{Client, Config, Connection, Row, Socket};

use super::{
    fault::{Fault, Severity},
    tls::{Session, Tls},
    value::Param,
};
use crate::StoreError;

/// How long a caller waits for a connection before it is told to come back.
const QUEUE_WAIT_MAX: Duration = Duration::from_secs(5);

/// What TLS, the start-up messages and authentication may take together, beyond the sockets of all hosts: a server that accepts and
/// then says nothing (frozen, or behind a balancer without a server) is as bad as one that is away.
const HANDSHAKE_TIME_MAX: Duration = Duration::from_secs(5);

/// How connections are made.
#[derive(Clone)]
pub(super) struct Connector {
    pub(super) config: Config,
    pub(super) tls: Tls,
}

impl Connector {
    /// A new connection; what drives it ends with it.
    pub(super) async fn connect(&self) -> Result<Client, Fault> {
        let (client, connection) = self.begin().await?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(error = %super::fault::words(&error), "a connection to the database ended");
            }
        });
        Ok(client)
    }

    /// A new connection that the caller drives. The driver bounds the wait for each host's socket and nothing after it, so that the whole is
    /// bounded here.
    pub(super) async fn begin(&self) -> Result<(Client, Connection<Socket, Session<Socket>>), Fault> {
        match tokio::time::timeout(self.time_max(), self.config.connect(self.tls.clone())).await {
            Ok(connected) => Ok(connected?),
            Err(_) => Err(StoreError::Unavailable("the database accepts no new connection in time; try again later".into()).into()),
        }
    }

    fn time_max(&self) -> Duration {
        let hosts = u32::try_from(self.config.get_hosts().len()).unwrap_or(u32::MAX).max(1);
        let socket = self.config.get_connect_timeout().copied().unwrap_or(HANDSHAKE_TIME_MAX);
        socket.saturating_mul(hosts).saturating_add(HANDSHAKE_TIME_MAX)
    }

    /// Asks the server to end the statement that runs on a connection. When the request gets lost, the statement ends by itself.
    fn cancel(&self, client: &Client) {
        let Ok(runtime) = Handle::try_current() else { return };
        let (token, tls, time_max) = (client.cancel_token(), self.tls.clone(), self.time_max());
        runtime.spawn(async move { tokio::time::timeout(time_max, token.cancel_query(tls)).await });
    }
}

/// The connections of one kind of use.
pub(super) struct Pool {
    connector: Connector,
    /// The time one statement may take.
    statement_time_max: Duration,
    idle: Mutex<Vec<Client>>,
    places: Arc<Semaphore>,
    size: u32,
    /// Time of the last commit, from begin to end.
    last_commit_us: AtomicU64,
    /// Commits so far.
    commits: AtomicU64,
}

impl Pool {
    pub(super) fn new(connector: Connector, size: usize, statement_time_max: Duration) -> Arc<Self> {
        let size = u32::try_from(size).unwrap_or(1).max(1);
        let places = Arc::new(Semaphore::new(size as usize));
        let (last_commit_us, commits) = (AtomicU64::new(0), AtomicU64::new(0));
        Arc::new(Self { connector, statement_time_max, idle: Mutex::default(), places, size, last_commit_us, commits })
    }

    /// A connection, as soon as one is free.
    pub(super) async fn take(self: &Arc<Self>) -> Result<Conn, Fault> {
        let place = match tokio::time::timeout(QUEUE_WAIT_MAX, Arc::clone(&self.places).acquire_owned()).await {
            Ok(Ok(place)) => place,
            Ok(Err(_)) => return Err(gone().into()),
            Err(_) => return Err(StoreError::Unavailable("too many calls wait for the database; try again later".into()).into()),
        };
        let client = match self.an_idle_one() {
            Some(client) => client,
            None => self.connector.connect().await?,
        };
        Ok(Conn {
            client: Some(client),
            pool: Arc::clone(self),
            of_no_use: AtomicBool::new(false),
            running: AtomicU32::new(0),
            _place: place,
        })
    }

    fn an_idle_one(&self) -> Option<Client> {
        let mut idle = self.lock_idle();
        while let Some(client) = idle.pop() {
            if !client.is_closed() {
                return Some(client);
            }
        }
        None
    }

    /// Waits until all connections are free, then closes them; from the call on none is given out.
    pub(super) async fn close(&self) {
        let all = self.places.acquire_many(self.size).await;
        self.places.close();
        drop(all);
        self.lock_idle().clear();
    }

    /// Time of the last commit, from begin to end; zero when there was none.
    pub(super) fn last_commit(&self) -> Duration {
        Duration::from_micros(self.last_commit_us.load(Ordering::Relaxed))
    }

    /// Commits of transactions so far.
    pub(super) fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }

    fn lock_idle(&self) -> std::sync::MutexGuard<'_, Vec<Client>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a closed store answers.
pub(super) fn gone() -> StoreError {
    StoreError::Unavailable("the store is shutting down".into())
}

/// A connection in use. It goes back when it is dropped, unless a transaction is open on it, or a statement was left behind, because it
/// took too long or because whoever waited for it went away: that one is cancelled.
pub(super) struct Conn {
    client: Option<Client>,
    pool: Arc<Pool>,
    of_no_use: AtomicBool,
    /// Statements whose end was not heard of.
    running: AtomicU32,
    _place: OwnedSemaphorePermit,
}

impl Conn {
    /// The rows of a statement.
    pub(super) async fn rows(&self, sql: &str, values: &[Param<'_>]) -> Result<Vec<Row>, Fault> {
        self.timed(self.pool.statement_time_max, async { Ok(self.client()?.query_typed(sql, values).await?) }).await
    }

    /// The first row of a statement.
    pub(super) async fn first(&self, sql: &str, values: &[Param<'_>]) -> Result<Option<Row>, Fault> {
        Ok(self.rows(sql, values).await?.into_iter().next())
    }

    /// The only row of a statement that always has one.
    pub(super) async fn only(&self, sql: &str, values: &[Param<'_>]) -> Result<Row, Fault> {
        self.first(sql, values).await?.ok_or_else(|| Fault::damaged("a row that is always there is missing"))
    }

    /// How many rows a statement changed.
    pub(super) async fn execute(&self, sql: &str, values: &[Param<'_>]) -> Result<u64, Fault> {
        self.timed(self.pool.statement_time_max, async { Ok(self.client()?.execute_typed(sql, values).await?) }).await
    }

    /// Statements without parameters, one after the other.
    pub(super) async fn run(&self, sql: &str) -> Result<(), Fault> {
        self.run_within(sql, self.pool.statement_time_max).await
    }

    /// As [`Conn::run`], with a time of its own for all of them together.
    pub(super) async fn run_within(&self, sql: &str, time_max: Duration) -> Result<(), Fault> {
        self.timed(time_max, async { Ok(self.client()?.batch_execute(sql).await?) }).await
    }

    fn client(&self) -> Result<&Client, Fault> {
        self.client.as_ref().ok_or_else(|| gone().into())
    }

    /// A statement that does not end in time is left behind.
    async fn timed<T>(&self, time_max: Duration, statement: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
        self.running.fetch_add(1, Ordering::Relaxed);
        // Whoever waits may go away here; then it counts as running for good.
        let Ok(done) = tokio::time::timeout(time_max, statement).await else { return Err(Fault::Late) };
        self.running.fetch_sub(1, Ordering::Relaxed);
        if done.as_ref().is_err_and(|fault| fault.severity() == Severity::Lost) {
            self.give_up();
        }
        done
    }

    /// A statement may still run on it, so that nothing else can.
    pub(super) fn is_left_behind(&self) -> bool {
        self.running.load(Ordering::Relaxed) > 0
    }

    /// Not to be used again, whatever happens next.
    pub(super) fn give_up(&self) {
        self.of_no_use.store(true, Ordering::Relaxed);
    }

    /// Fit for another use.
    pub(super) fn is_clean_again(&self) {
        self.of_no_use.store(false, Ordering::Relaxed);
    }

    /// A transaction on it was committed, which took so long in all.
    pub(super) fn committed_in(&self, took: Duration) {
        self.is_clean_again();
        self.pool.last_commit_us.store(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
        self.pool.commits.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for Conn {
    fn drop(&mut self) {
        let Some(client) = self.client.take() else { return };
        if self.is_left_behind() {
            self.pool.connector.cancel(&client);
        } else if !self.of_no_use.load(Ordering::Relaxed) && !client.is_closed() {
            self.pool.lock_idle().push(client);
        }
    }
}
