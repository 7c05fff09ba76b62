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

use super::{
    condition::Condition,
    connection::PAGE_BYTES,
    fault::{Fault, Severity},
    reserve::Reserve,
};

/// Length of the log at which it is copied back under load: long enough that a page written many times is copied once, and short enough
/// that what is written into it again is still near the processor.
const WAL_PAGES_SOFT: u32 = (4 << 20) / PAGE_BYTES;
/// Length at which it is copied back when calls come one by one. Then there is time for it; a longer log goes cold between two rounds, and
/// writing it anew takes longer than its sync.
const WAL_PAGES_QUIET: u32 = (2 << 20) / PAGE_BYTES;
/// A commit of more pages is no quiet one, alone or not: much is written at once.
const COMMIT_PAGES_QUIET: u32 = (512 << 10) / PAGE_BYTES;
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
    pub(super) fn after_tight_commit(&self, conn: &Connection, condition: &Condition) {
        if self.pages() >= WAL_PAGES_TIGHT {
            copy_back(conn, CheckpointMode::PASSIVE, condition);
        }
    }

    /// Called by the writer between two batches; `in_company`: calls come together.
    pub(super) fn after_commit(&self, conn: &Connection, condition: &Condition, checkpointer: &Checkpointer, in_company: bool) {
        let pages = self.pages();
        let before = self.before.swap(pages, Ordering::Relaxed);
        let mut stage = self.stage.load(Ordering::Acquire);
        let written = pages.checked_sub(before).unwrap_or_else(|| {
            // It has started again, so that nothing is left of it.
            self.copy_at.store(0, Ordering::Relaxed);
            if stage == REST_LEFT {
                self.stage.store(RESTING, Ordering::Release);
                stage = RESTING;
            }
            pages
        });
        let length = if in_company || written > COMMIT_PAGES_QUIET { WAL_PAGES_SOFT } else { WAL_PAGES_QUIET };
        match stage {
            RESTING if pages >= length.max(self.copy_at.load(Ordering::Relaxed)) => {
                self.stage.store(COPYING, Ordering::Release);
                checkpointer.wake();
            }
            REST_LEFT => {
                copy_back(conn, CheckpointMode::PASSIVE, condition);
                self.copy_at.store(pages + length, Ordering::Relaxed);
                self.stage.store(RESTING, Ordering::Release);
            }
            _ => {}
        }
    }

    /// Copies all back and cuts the log's file, when nobody reads from it. Called by the writer alone, in a pause.
    pub(super) fn truncate(&self, conn: &Connection, condition: &Condition) {
        let wait = |time| {
            if let Err(error) = conn.busy_timeout(time) {
                tracing::warn!(%error, "the time to wait for a lock cannot be set");
            }
        };
        wait(NO_WAIT);
        if copy_back(conn, CheckpointMode::TRUNCATE, condition) {
            self.pages.store(0, Ordering::Relaxed);
        }
        wait(super::connection::BUSY_WAIT);
    }
}

/// Copies the log back, as far as nobody reads from it; false when it could not. Where the disk fails, the log may be the only good copy of
/// what was copied from it, and the system may not say so a second time: then the store is suspect, and its log is left alone until a restart.
fn copy_back(conn: &Connection, mode: CheckpointMode, condition: &Condition) -> bool {
    if condition.suspect().is_some() {
        return false;
    }
    let Err(error) = conn.wal_checkpoint_v2(None::<&str>, mode) else { return true };
    match Fault::from(error) {
        fault if fault.severity() == Severity::Suspect => condition.distrust(&fault.to_string()),
        // There will be another commit, or another pause.
        fault if fault.severity() == Severity::Busy => {}
        fault => tracing::warn!(error = %fault, "the log could not be copied back"),
    }
    false
}

/// The thread that copies the bulk, ended and waited for when this goes. It also makes the reserve at start, so that opening does not wait for it.
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
                copy_back(&conn, CheckpointMode::PASSIVE, &condition);
                // SQLite trusts its own sync alone, which finds less to do after this one.
                let synced = sync();
                #[cfg(test)]
                let synced = if condition.fail_next_sync.swap(false, Ordering::Relaxed) { Err(io::Error::other("a test")) } else { synced };
                if let Err(error) = synced {
                    condition.distrust(&error.to_string());
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

impl Drop for Checkpointer {
    fn drop(&mut self) {
        self.close();
    }
}
