//! The writer: one thread that owns the writing connection and merges what all callers brought into one transaction.
//!
//! While one commit waits for the disk, the next batch gathers in the queue; a lone caller waits for its own fsync and nothing
//! else. Callers in company wait a little longer, see [`Company`]. Nobody is answered before the commit.
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
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::{
    checkpoint::{Checkpointer, WalGauge},
    condition::Condition,
    fault::{Fault, Severity},
    reserve::Reserve,
    transaction::{Care, Tx, Versions},
    vaults::CurrentVault,
};
use crate::StoreError;

/// Rows in one transaction: enough to fill a commit under load, few enough that a commit stays within milliseconds.
const BATCH_ROWS_MAX: usize = 2_048;
/// Bytes in one transaction, for the same reason.
const BATCH_BYTES_MAX: usize = 4 << 20;
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

/// A batch of so many calls has been company for the next one.
const COMPANY_CALLS: usize = 6;
/// So many together are enough: what a commit costs is little beside what they cost.
const COMPANY_ENOUGH: usize = 64;
/// The longest wait for company.
const COMPANY_WAIT_MAX: Duration = Duration::from_millis(2);

/// What a call brings, so that batches stay bounded.
#[derive(Clone, Copy, Debug)]
pub(super) struct Weight {
    /// Rows written, about.
    pub(super) rows: usize,
    /// Bytes written, about.
    pub(super) bytes: usize,
    /// Refused when the store is full; everything else goes on from the reserve.
    pub(super) intake: bool,
}

impl Weight {
    /// A few rows of configuration or upkeep.
    pub(super) const SMALL: Self = Self { rows: 4, bytes: 1_024, intake: false };

    /// So many rows, none of them large.
    pub(super) fn rows(rows: usize) -> Self {
        Self { rows, bytes: rows * 256, intake: false }
    }
}

/// One caller's work inside the shared transaction. It may be run again after a rollback.
trait Call: Send {
    fn weight(&self) -> Weight;
    fn run(&mut self, tx: &Tx<'_>) -> Result<(), Fault>;
    /// Keeps an error as this call's answer, its neighbours unharmed.
    fn refuse(&mut self, error: StoreError);
    fn answer(&mut self, committed: Result<(), StoreError>);
}

struct Work<T, F> {
    work: F,
    weight: Weight,
    done: Option<Result<T, StoreError>>,
    reply: Option<oneshot::Sender<Result<T, StoreError>>>,
    _place: OwnedSemaphorePermit,
}

impl<T: Send, F: FnMut(&Tx<'_>) -> Result<T, Fault> + Send> Call for Work<T, F> {
    fn weight(&self) -> Weight {
        self.weight
    }

    fn run(&mut self, tx: &Tx<'_>) -> Result<(), Fault> {
        self.done = Some(Ok((self.work)(tx)?));
        Ok(())
    }

    fn refuse(&mut self, error: StoreError) {
        self.done = Some(Err(error));
    }

    fn answer(&mut self, committed: Result<(), StoreError>) {
        let done = self.done.take().unwrap_or_else(|| Err(StoreError::Backend("a call was not run".into())));
        if let Some(reply) = self.reply.take() {
            // The caller may have gone away; what was committed stays.
            let _ = reply.send(committed.and(done));
        }
    }
}

enum Message {
    Call(Box<dyn Call>),
    Close,
}

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
        let (reply, answer) = oneshot::channel();
        let call = Box::new(Work { work, weight, done: None, reply: Some(reply), _place: place });
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
        let mut company = Company::default();
        loop {
            let batch = match calls.recv_timeout(PAUSE) {
                Ok(Message::Call(first)) => company.gather(first, calls),
                Ok(Message::Close) | Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    self.idle();
                    self.look_for_space(&mut search);
                    continue;
                }
            };
            let (calls_now, began) = (batch.calls.len(), Instant::now());
            self.write(batch.calls);
            company.was(calls_now, began.elapsed());
            if self.condition.is_disk_full() {
                self.gauge.after_tight_commit(&self.conn);
            } else {
                self.gauge.after_commit(&self.conn, &self.checkpointer);
            }
            self.look_for_space(&mut search);
            if batch.closing {
                break;
            }
        }
        self.checkpointer.close();
        if self.condition.suspect().is_none() {
            self.gauge.truncate(&self.conn);
        }
    }

    /// Nothing was asked for a while.
    fn idle(&self) {
        if self.gauge.pages() > 0 && self.condition.suspect().is_none() {
            self.gauge.truncate(&self.conn);
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
                // All are answered before any is dropped: freeing what they brought takes longer than waking who waits.
                for call in &mut calls {
                    call.answer(Ok(()));
                }
                return;
            };
            match fault.severity() {
                Severity::Item if care == Care::Swift => care = Care::Guarded,
                Severity::Full if !self.condition.is_disk_full() => self.fill_up(),
                Severity::Suspect => self.distrust(&fault),
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
        self.gauge.truncate(&self.conn);
    }

    fn distrust(&self, fault: &Fault) {
        let why = match fault {
            Fault::Sql(error) => error.to_string(),
            Fault::Store(error) => error.to_string(),
        };
        tracing::error!(error = %why, "writing failed: nothing more is written until a restart");
        self.condition.set_suspect(why);
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

struct Batch {
    calls: Vec<Box<dyn Call>>,
    rows: usize,
    bytes: usize,
    closing: bool,
}

impl Batch {
    fn of(first: Box<dyn Call>) -> Self {
        let mut batch = Self { calls: Vec::new(), rows: 0, bytes: 0, closing: false };
        batch.push(first);
        batch
    }

    fn push(&mut self, call: Box<dyn Call>) {
        self.rows += call.weight().rows;
        self.bytes += call.weight().bytes;
        self.calls.push(call);
    }

    fn is_full(&self) -> bool {
        self.closing || self.rows >= BATCH_ROWS_MAX || self.bytes >= BATCH_BYTES_MAX
    }

    /// Takes what is queued by now, up to the bounds of a batch.
    fn fill(&mut self, queue: &Receiver<Message>) {
        while !self.is_full() {
            match queue.try_recv() {
                Ok(Message::Call(call)) => self.push(call),
                Ok(Message::Close) => self.closing = true,
                Err(_) => break,
            }
        }
    }
}

/// How many came together lately. A commit costs the pages it touches, nearly the same for ten events as for forty: at the right edge of
/// each table and index the same page is written again. So where many come at once and the last of them are on their way back with what
/// follows, the writer waits for as long as the last commit took and commits them together. Whoever comes alone waits for nobody.
#[derive(Default)]
struct Company {
    /// Calls in the batch before.
    before: usize,
    /// How long it took.
    took: Duration,
}

impl Company {
    fn gather(&self, first: Box<dyn Call>, queue: &Receiver<Message>) -> Batch {
        let mut batch = Batch::of(first);
        batch.fill(queue);
        let is_enough = batch.calls.len() >= COMPANY_ENOUGH.min(2 * self.before) || batch.is_full();
        if self.before >= COMPANY_CALLS && !is_enough {
            std::thread::sleep(self.took.min(COMPANY_WAIT_MAX));
            batch.fill(queue);
        }
        batch
    }

    fn was(&mut self, calls: usize, took: Duration) {
        (self.before, self.took) = (calls, took);
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
