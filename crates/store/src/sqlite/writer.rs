//! The writer: one thread that owns the writing connection and merges what all callers brought into one transaction.
//!
//! While one commit waits for the disk, the next batch gathers in the queue; a lone caller waits for its own fsync and nothing
//! else. Callers in company wait a little longer, see [`Gathering`]. Nobody is answered before the commit.
//!
//! What happens on a failure:
//! - an item breaks a constraint: the batch is run again with a savepoint for each item, and that item alone is refused;
//! - no space: the reserve is given up, intake is refused as full, the rest is run again;
//! - the disk or the file fails (an fsync above all): the writer is *suspect* and takes nothing more until a restart. After
//!   a failed fsync the kernel may have dropped the pages it could not write, so that a second fsync that succeeds proves
//!   nothing.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use rusqlite::Connection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{
    batch::Gathering,
    call::{self, Call, Committed, Message, Weight},
    checkpoint::{Checkpointer, WalGauge},
    condition::Condition,
    fault::{Fault, Severity},
    reserve::Reserve,
    transaction::{Care, Tx, Versions},
    vaults::CurrentVault,
};
use crate::StoreError;

/// What may wait in the queue, in units of [`UNIT_BYTES`]: 64 MiB of payload, or 16,384 small calls.
const QUEUE_UNITS: u32 = 16_384;
/// The least a call takes of the queue.
const UNIT_BYTES: usize = 4 << 10;
/// How long a caller waits for a place in the queue before it is told to come back.
const QUEUE_WAIT_MAX: Duration = Duration::from_secs(5);
/// How long a pause must be to count as idle, and how soon a full disk is tried again at first.
const PAUSE: Duration = Duration::from_secs(1);
/// How long at most a full disk is left alone.
const SEARCH_WAIT_MAX: Duration = Duration::from_secs(16);

/// The writer as its callers see it.
pub(super) struct Writer {
    queue: Sender<Message>,
    places: Arc<Semaphore>,
    condition: Arc<Condition>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    /// Starts the thread.
    pub(super) fn start(desk: Desk) -> std::io::Result<Self> {
        let (queue, calls) = mpsc::channel();
        let condition = Arc::clone(&desk.condition);
        let thread = std::thread::Builder::new().name("store-writer".into()).spawn(move || desk.run(&calls))?;
        Ok(Self { queue, places: Arc::new(Semaphore::new(QUEUE_UNITS as usize)), condition, thread: Mutex::new(Some(thread)) })
    }

    /// Runs work in a shared transaction; answers when it is on stable storage. The work may be run more than once, the last run
    /// counts. It goes on when the caller goes away.
    pub(super) async fn call<T, F>(&self, weight: Weight, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnMut(&Tx<'_>) -> Result<T, Fault> + Send + 'static,
    {
        if weight.intake
            && let Some(full) = self.condition.full()
        {
            return Err(full);
        }
        let place = self.place(weight.bytes).await?;
        let (call, answer) = call::call(weight, work, place);
        self.queue.send(Message::Call(call)).map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }

    async fn place(&self, bytes: usize) -> Result<OwnedSemaphorePermit, StoreError> {
        let units = u32::try_from(bytes / UNIT_BYTES + 1).unwrap_or(QUEUE_UNITS).min(QUEUE_UNITS);
        if let Ok(place) = Arc::clone(&self.places).try_acquire_many_owned(units) {
            return Ok(place);
        }
        match tokio::time::timeout(QUEUE_WAIT_MAX, Arc::clone(&self.places).acquire_many_owned(units)).await {
            Ok(Ok(place)) => Ok(place),
            Ok(Err(_)) => Err(gone()),
            Err(_) => Err(StoreError::Unavailable("too much is queued for the disk; try again later".into())),
        }
    }

    /// Lets what is queued be written, then ends the thread. Blocks until it has.
    pub(super) fn close(&self) {
        self.places.close();
        let _ = self.queue.send(Message::Close);
        if let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take()
            && thread.join().is_err()
        {
            tracing::error!("the writer had panicked");
        }
    }
}

fn gone() -> StoreError {
    StoreError::Unavailable("the store is shutting down".into())
}

/// What the thread works with.
pub(super) struct Desk {
    pub(super) conn: Connection,
    pub(super) vault: Arc<CurrentVault>,
    pub(super) condition: Arc<Condition>,
    pub(super) reserve: Arc<Mutex<Reserve>>,
    pub(super) checkpointer: Checkpointer,
    pub(super) gauge: Arc<WalGauge>,
    pub(super) versions: Versions,
}

impl Desk {
    fn run(mut self, calls: &Receiver<Message>) {
        let mut search = SpaceSearch::default();
        let mut gathering = Gathering::default();
        loop {
            let batch = match calls.recv_timeout(PAUSE) {
                Ok(Message::Call(first)) => gathering.batch(first, calls),
                Ok(Message::Close) | Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    self.idle();
                    self.look_for_space(&mut search);
                    continue;
                }
            };
            let (calls_now, began) = (batch.calls.len(), Instant::now());
            self.write(batch.calls);
            gathering.was(calls_now, began.elapsed());
            if self.condition.is_disk_full() {
                self.gauge.after_tight_commit(&self.conn, &self.condition);
            } else {
                self.gauge.after_commit(&self.conn, &self.condition, &self.checkpointer, gathering.is_company());
            }
            self.look_for_space(&mut search);
            if batch.closing {
                break;
            }
        }
        self.checkpointer.close();
        self.gauge.truncate(&self.conn, &self.condition);
    }

    /// Nothing was asked for a while.
    fn idle(&self) {
        if self.gauge.pages() > 0 {
            self.gauge.truncate(&self.conn, &self.condition);
        }
    }

    /// After the disk was full: whether the reserve can be made whole again. Looking means writing, hence less and less often.
    fn look_for_space(&self, search: &mut SpaceSearch) {
        if !self.condition.is_disk_full() {
            *search = SpaceSearch::default();
            return;
        }
        let since = *search.last.get_or_insert_with(Instant::now);
        if since.elapsed() < search.wait {
            return;
        }
        match self.lock_reserve().regain() {
            Ok(true) => {
                self.condition.set_disk_full(false);
                tracing::info!("there is space again: intake goes on");
            }
            Ok(false) => {}
            Err(error) => tracing::warn!(%error, "the reserve file cannot be written"),
        }
        *search = SpaceSearch { last: Some(Instant::now()), wait: (search.wait * 2).min(SEARCH_WAIT_MAX) };
    }

    fn write(&mut self, mut calls: Vec<Box<dyn Call>>) {
        let mut care = Care::Swift;
        loop {
            if let Some(why) = self.condition.suspect() {
                return fail(calls, &StoreError::Suspect(why));
            }
            if let Some(full) = self.condition.full() {
                let (intake, rest): (Vec<_>, Vec<_>) = calls.into_iter().partition(|call| call.weight().intake);
                fail(intake, &full);
                calls = rest;
            }
            if calls.is_empty() {
                return;
            }
            let Err(fault) = self.transact(&mut calls, care) else {
                return Committed(calls).answer();
            };
            match fault.severity() {
                Severity::Item if care == Care::Swift => care = Care::Guarded,
                Severity::Full if !self.condition.is_disk_full() => self.fill_up(),
                Severity::Suspect => self.condition.distrust(&fault.to_string()),
                Severity::Item | Severity::Full | Severity::Busy | Severity::TooSlow => {
                    return fail(calls, &StoreError::from(fault));
                }
            }
        }
    }

    fn transact(&self, calls: &mut [Box<dyn Call>], care: Care) -> Result<(), Fault> {
        let began = Instant::now();
        self.conn.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        let done = self.run_all(calls, care).and_then(|()| self.commit());
        match done {
            Ok(()) => self.condition.committed_in(began.elapsed()),
            Err(_) => {
                self.versions.clear();
                // SQLite has ended the transaction by itself after the graver errors.
                if !self.conn.is_autocommit()
                    && let Err(error) = self.conn.execute_batch("ROLLBACK")
                {
                    tracing::error!(%error, "a transaction could not be rolled back");
                }
            }
        }
        done
    }

    fn run_all(&self, calls: &mut [Box<dyn Call>], care: Care) -> Result<(), Fault> {
        let vault = self.vault.now();
        let tx = Tx::new(&self.conn, &vault, &self.versions, care);
        for call in calls {
            match care {
                Care::Swift => run_one(&mut **call, &tx)?,
                Care::Guarded => match tx.guarded(|| run_one(&mut **call, &tx))? {
                    Ok(()) => {}
                    Err(fault) if fault.severity() == Severity::Item => call.refuse(fault.into()),
                    Err(fault) => return Err(fault),
                },
            }
        }
        Ok(())
    }

    fn commit(&self) -> Result<(), Fault> {
        #[cfg(test)]
        if self.condition.fail_next_commit.swap(false, std::sync::atomic::Ordering::Relaxed) {
            let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_IOERR_FSYNC);
            return Err(rusqlite::Error::SqliteFailure(code, None).into());
        }
        self.conn.prepare_cached("COMMIT")?.execute([])?;
        Ok(())
    }

    fn fill_up(&self) {
        tracing::error!("no space left on the disk: intake is refused, what is under way is settled from the reserve");
        self.condition.set_disk_full(true);
        if let Err(error) = self.lock_reserve().give_up() {
            tracing::error!(%error, "the reserve file cannot be deleted");
        }
        // Most of the log is copies of pages that have their place in the database.
        self.gauge.truncate(&self.conn, &self.condition);
    }

    fn lock_reserve(&self) -> std::sync::MutexGuard<'_, Reserve> {
        self.reserve.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// When the disk was last looked at, and how long to wait before the next look.
struct SpaceSearch {
    last: Option<Instant>,
    wait: Duration,
}

impl Default for SpaceSearch {
    fn default() -> Self {
        Self { last: None, wait: PAUSE }
    }
}

/// A panic is a fault of ours; it must not take the writer with it.
fn run_one(call: &mut dyn Call, tx: &Tx<'_>) -> Result<(), Fault> {
    catch_unwind(AssertUnwindSafe(|| call.run(tx))).unwrap_or_else(|_| {
        tracing::error!("a write panicked");
        Err(Fault::Store(StoreError::Backend("a write panicked".into())))
    })
}

fn fail(mut calls: Vec<Box<dyn Call>>, error: &StoreError) {
    for call in &mut calls {
        call.answer(Err(error.clone()));
    }
}
