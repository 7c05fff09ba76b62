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

/// Days from today from which a proof may be begun: the whole of tomorrow lies between, so that it has ended, or is ended by others, long
/// before rows of its day come. A day that begins sooner has its rows in the default partition.
const PROVEN_FROM: i64 = 2;

/// Whether what has to be read beforehand is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Proofs {
    /// At once, however long it takes.
    Now,
    /// Not now: the day is left out.
    Later,
}

impl PostgresStore {
    /// At the start: the days from today on, by the database's clock, as far as they need no proof, which may take an hour. A start does not
    /// fail for want of one.
    pub(super) async fn begin_days(&self) {
        let now = self.inner.clock.now();
        if let Err(fault) = self.make_days(now, Proofs::Later).await {
            let error = crate::StoreError::from(fault);
            tracing::warn!(%error, "the partitions of the next days could not be made; trying again with the next round of upkeep");
        }
    }

    /// Makes the partitions of today and the next days, as far as they are missing.
    pub(super) async fn make_days(&self, now: Timestamp, proofs: Proofs) -> Result<(), Fault> {
        let inner = &self.inner;
        let today = Day::of(now);
        // A proof refuses rows of its day. One that a node did not live to end, or does not end soon, must not stand when its day begins,
        // by whichever clock.
        for left in reading!(inner.reads, conn => partition::proofs_before(&conn, today.plus(PROVEN_FROM)))? {
            in_transaction!(&inner.writes, tx => partition::end_proof(&tx, left))?;
        }
        for missing in reading!(inner.reads, conn => partition::missing(&conn, today))? {
            let proofs = if missing.day < today.plus(PROVEN_FROM) { Proofs::Later } else { proofs };
            self.make_day(missing, proofs).await?;
        }
        Ok(())
    }

    async fn make_day(&self, missing: Partition, proofs: Proofs) -> Result<(), Fault> {
        let inner = &self.inner;
        let mut made = in_transaction!(&inner.writes, tx => partition::make(&tx, missing))?;
        if made == Made::NeedsProof && proofs == Proofs::Now {
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
