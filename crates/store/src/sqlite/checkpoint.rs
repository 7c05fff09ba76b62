//! Checkpoints: the write-ahead log is copied back into the database beside the writer, not by it.
//!
//! SQLite's automatic checkpoint stalls the commit that crosses the limit. Here a thread of its own copies the bulk (`PASSIVE`)
//! while commits go on. Those commits leave a rest behind; the writer copies it between two batches, after which the log
//! starts again from its beginning. SQLite syncs the database only when all of the log is in it, and then everything at once: with
//! the rest, in the writer's time. So the thread syncs the bulk itself before it leaves the rest. When nothing is written for a
//! while, the log's file is cut to nothing.

use std::{
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU8, AtomicU32, Ordering},
        mpsc::{self, SyncSender},
    },
    thread::JoinHandle,
    time::Duration,
};

use rusqlite::{Connection, wal::CheckpointMode};

use super::{condition::Condition, connection::PAGE_BYTES, reserve::Reserve};

/// Length of the log at which it is copied back under load: long enough that a page written many times is copied once.
const WAL_PAGES_SOFT: u32 = (16 << 20) / PAGE_BYTES;
/// Length at which it is copied back when calls come one by one. Then there is time for it, and what is written into the log again is
/// still near the processor: a log as long as above goes cold between two rounds, and writing it anew takes longer than its sync.
const WAL_PAGES_QUIET: u32 = (2 << 20) / PAGE_BYTES;
/// Length at which it is copied back while the disk is full.
const WAL_PAGES_TIGHT: u32 = (1 << 20) / PAGE_BYTES;
/// Length at which an operator should know: something reads for so long that the log cannot start again.
const WAL_PAGES_LONG: u32 = (512 << 20) / PAGE_BYTES;
/// How long the writer waits for a reader when it cuts the log: not at all, there will be another pause.
const NO_WAIT: Duration = Duration::ZERO;

/// Nothing is under way.
const RESTING: u8 = 0;
/// The thread copies the bulk.
const COPYING: u8 = 1;
/// The bulk was copied: the writer should copy the rest.
const REST_LEFT: u8 = 2;

/// How long the log is, and how far its copying.
#[derive(Debug, Default)]
pub(super) struct WalGauge {
    pages: AtomicU32,
    /// How long it was at the commit before.
    before: AtomicU32,
    stage: AtomicU8,
    /// The least length at which to copy next, when a long read kept the log from starting again: copying at every commit would gain
    /// nothing.
    copy_at: AtomicU32,
}

impl WalGauge {
    /// Pages in the log, whether copied back or not.
    pub(super) fn pages(&self) -> u32 {
        self.pages.load(Ordering::Relaxed)
    }

    /// True when the log is so long that something must be wrong.
    pub(super) fn is_long(&self) -> bool {
        self.pages() > WAL_PAGES_LONG
    }

    /// Watches the commits of a connection.
    pub(super) fn watch(self: &Arc<Self>, conn: &mut Connection) -> rusqlite::Result<()> {
        let gauge = Arc::clone(self);
        conn.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, pages: std::ffi::c_int| {
            gauge.pages.store(u32::try_from(pages).unwrap_or(0), Ordering::Relaxed);
            Ok(())
        }))
    }

    /// Called by the writer between two batches while the disk is full: the log is kept short, since it lives on the reserve.
    pub(super) fn after_tight_commit(&self, conn: &Connection) {
        if self.pages() >= WAL_PAGES_TIGHT
            && let Err(error) = conn.wal_checkpoint_v2(None::<&str>, CheckpointMode::PASSIVE)
        {
            tracing::warn!(%error, "the log could not be copied back");
        }
    }

    /// Called by the writer between two batches; `is_busy`: calls come in company.
    pub(super) fn after_commit(&self, conn: &Connection, checkpointer: &Checkpointer, is_busy: bool) {
        let pages = self.pages();
        let mut stage = self.stage.load(Ordering::Acquire);
        if pages < self.before.swap(pages, Ordering::Relaxed) {
            // It has started again, so that nothing is left of it.
            self.copy_at.store(0, Ordering::Relaxed);
            if stage == REST_LEFT {
                self.stage.store(RESTING, Ordering::Release);
                stage = RESTING;
            }
        }
        let length = if is_busy { WAL_PAGES_SOFT } else { WAL_PAGES_QUIET };
        match stage {
            RESTING if pages >= length.max(self.copy_at.load(Ordering::Relaxed)) => {
                self.stage.store(COPYING, Ordering::Release);
                checkpointer.wake();
            }
            REST_LEFT => {
                if let Err(error) = conn.wal_checkpoint_v2(None::<&str>, CheckpointMode::PASSIVE) {
                    tracing::warn!(%error, "the rest of the log could not be copied back");
                }
                self.copy_at.store(pages + length, Ordering::Relaxed);
                self.stage.store(RESTING, Ordering::Release);
            }
            _ => {}
        }
    }

    /// Copies all back and cuts the log's file, when nobody reads from it. Called by the writer alone, in a pause.
    pub(super) fn truncate(&self, conn: &Connection) {
        let wait = |time| conn.busy_timeout(time);
        let done = wait(NO_WAIT).and_then(|()| conn.wal_checkpoint_v2(None::<&str>, CheckpointMode::TRUNCATE));
        if let Err(error) = wait(super::connection::BUSY_WAIT) {
            tracing::warn!(%error, "the time to wait for a lock cannot be set");
        }
        match done {
            Ok(_) => self.pages.store(0, Ordering::Relaxed),
            Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy) => {}
            Err(error) => tracing::warn!(%error, "the log could not be cut"),
        }
    }
}

/// The thread that copies the bulk. It also makes the reserve at start, so that opening does not wait for it.
pub(super) struct Checkpointer {
    wake: Mutex<Option<SyncSender<()>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Checkpointer {
    /// Starts the thread.
    pub(super) fn start(
        conn: Connection,
        sync: impl Fn() -> io::Result<()> + Send + 'static,
        gauge: Arc<WalGauge>,
        reserve: Arc<Mutex<Reserve>>,
        condition: Arc<Condition>,
    ) -> io::Result<Self> {
        let (wake, woken) = mpsc::sync_channel(1);
        let thread = std::thread::Builder::new().name("store-checkpoint".into()).spawn(move || {
            match reserve.lock().unwrap_or_else(PoisonError::into_inner).keep() {
                Ok(true) => {}
                Ok(false) => {
                    tracing::error!("no space for the reserve file: intake is refused until there is");
                    condition.set_disk_full(true);
                }
                Err(error) => tracing::warn!(%error, "the reserve file cannot be written"),
            }
            while woken.recv().is_ok() {
                if let Err(error) = conn.wal_checkpoint_v2(None::<&str>, CheckpointMode::PASSIVE) {
                    tracing::warn!(%error, "the log could not be copied back");
                }
                // SQLite trusts its own sync, which finds less to do. But where this one fails the system may have dropped what it could not
                // write and say nothing of it a second time: the log, which is the only copy then, must not start again.
                if let Err(error) = sync() {
                    tracing::error!(%error, "the database could not be synced: nothing more is written until a restart");
                    condition.set_suspect(error.to_string());
                    continue;
                }
                gauge.stage.store(REST_LEFT, Ordering::Release);
            }
        })?;
        Ok(Self { wake: Mutex::new(Some(wake)), thread: Mutex::new(Some(thread)) })
    }

    fn wake(&self) {
        if let Some(wake) = &*self.wake.lock().unwrap_or_else(PoisonError::into_inner) {
            // A full channel means that it is awake already.
            let _ = wake.try_send(());
        }
    }

    /// Ends the thread and waits for it.
    pub(super) fn close(&self) {
        self.wake.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take()
            && thread.join().is_err()
        {
            tracing::error!("the checkpoint thread had panicked");
        }
    }
}
