//! Days as upkeep has them: made ahead and dropped, by whichever node comes first. What cannot be done now is done with the next
//! round; meanwhile nothing is refused and nothing is lost.

use std::sync::atomic::Ordering;

use countersign_core::Timestamp;

use super::{
    day::{Day, Partition},
    fault::Fault,
    partition::{self, Made, Needed},
    store::PostgresStore,
    transaction::{in_transaction, reading},
};

impl PostgresStore {
    /// At the start: the days from today on, by the database's clock. A start does not fail for want of one.
    pub(super) async fn begin_days(&self) {
        let begun = async {
            let inner = &self.inner;
            let now = inner.clock.now();
            // A proof that a node did not live to end must not stand when its day begins.
            for left in reading!(inner.reads, conn => partition::proofs_before(&conn, Day::of(now).plus(1)))? {
                in_transaction!(&inner.writes, tx => partition::end_proof(&tx, left))?;
            }
            self.make_days(now).await
        };
        if let Err(fault) = begun.await {
            let error = crate::StoreError::from(fault);
            tracing::warn!(%error, "the partitions of the next days could not be made; trying again with the next round of upkeep");
        }
    }

    /// Makes the partitions of today and the next days, as far as they are missing.
    pub(super) async fn make_days(&self, now: Timestamp) -> Result<(), Fault> {
        let today = Day::of(now);
        for missing in reading!(self.inner.reads, conn => partition::missing(&conn, today))? {
            self.make_day(missing, today).await?;
        }
        Ok(())
    }

    async fn make_day(&self, missing: Partition, today: Day) -> Result<(), Fault> {
        let inner = &self.inner;
        let mut made = in_transaction!(&inner.writes, tx => partition::make(&tx, missing))?;
        // Rows of today may be on their way: while they come in nothing can be proven of it.
        if made == Made::NeedsProof && missing.day > today {
            in_transaction!(&inner.writes, tx => partition::begin_proof(&tx, missing))?;
            let proven = in_transaction!(&inner.writes, tx => partition::prove(&tx, missing));
            made = match proven {
                Ok(()) => in_transaction!(&inner.writes, tx => partition::make(&tx, missing))?,
                Err(fault) => {
                    in_transaction!(&inner.writes, tx => partition::end_proof(&tx, missing))?;
                    return Err(fault);
                }
            };
        }
        if made == Made::Attached {
            tracing::debug!(partition = %missing, "made the partition of a day");
        }
        Ok(())
    }

    /// Drops the days that ended before `before`. What an unfinished delivery still needs of one is moved first; a day of which too much
    /// is needed stays.
    pub(super) async fn drop_days(&self, before: Timestamp) -> Result<(), Fault> {
        let inner = &self.inner;
        let past: Vec<Partition> =
            reading!(inner.reads, conn => partition::existing(&conn))?.into_iter().filter(|found| found.day < Day::of(before)).collect();
        let mut kept = 0;
        for day in past {
            let needed: Needed = reading!(inner.reads, conn => partition::needed(&conn, day))?;
            if !needed.is_little() {
                kept += 1;
                continue;
            }
            if in_transaction!(&inner.writes, tx => partition::drop_day(&tx, day, &needed))? {
                tracing::info!(partition = %day, moved = needed.rows, "dropped a day past retention");
            }
        }
        inner.days_kept.store(kept, Ordering::Relaxed);
        Ok(())
    }

    /// What an operator should know of days that stay, if there are any.
    pub(super) fn days_warning(&self) -> Option<String> {
        let kept = self.inner.days_kept.load(Ordering::Relaxed);
        (kept > 0).then(|| {
            format!(
                "{kept} partitions are past retention and stay, since more than {} of their rows belong to deliveries that wait; resume or \
                 delete the subscriptions that are paused or fail",
                partition::MOVED_ROWS_MAX
            )
        })
    }
}
