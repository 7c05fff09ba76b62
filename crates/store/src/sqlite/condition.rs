//! What the writer tells others about itself.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use crate::StoreError;

/// The writer's condition, read by callers before they queue and by the health report.
#[derive(Debug, Default)]
pub(super) struct Condition {
    disk_full: AtomicBool,
    suspect: Mutex<Option<String>>,
    commit_us: AtomicU64,
    commits: AtomicU64,
    /// Makes the next commit fail as a failed fsync does.
    #[cfg(test)]
    pub(super) fail_next_commit: AtomicBool,
    /// Makes the next sync of the database beside SQLite fail.
    #[cfg(test)]
    pub(super) fail_next_sync: AtomicBool,
}

impl Condition {
    /// Why nothing more is written, if so.
    pub(super) fn suspect(&self) -> Option<String> {
        self.suspect.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The disk or the file failed: from now on nothing is written, and the log stays as it is.
    pub(super) fn distrust(&self, why: &str) {
        tracing::error!(error = %why, "the disk failed: nothing more is written until a restart");
        *self.suspect.lock().unwrap_or_else(PoisonError::into_inner) = Some(why.to_owned());
    }

    /// Why intake is refused, if so.
    pub(super) fn full(&self) -> Option<StoreError> {
        let why = || StoreError::Full("no space left on the disk; intake goes on when there is space again".into());
        self.is_disk_full().then(why)
    }

    /// True when a write found no space, until the reserve is whole again.
    pub(super) fn is_disk_full(&self) -> bool {
        self.disk_full.load(Ordering::Relaxed)
    }

    pub(super) fn set_disk_full(&self, full: bool) {
        self.disk_full.store(full, Ordering::Relaxed);
    }

    /// Time of the last commit, from begin to end.
    pub(super) fn last_commit(&self) -> Duration {
        Duration::from_micros(self.commit_us.load(Ordering::Relaxed))
    }

    /// Commits so far.
    pub(super) fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }

    /// One more commit, which took so long from begin to end.
    pub(super) fn committed_in(&self, took: Duration) {
        self.commit_us.store(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
        self.commits.fetch_add(1, Ordering::Relaxed);
    }
}
