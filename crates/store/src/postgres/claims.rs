//! Claims as the trait has them: a transaction, then what belongs to it; and what becomes of a claim that was cut off.

use std::sync::Mutex;

use countersign_core::{
    Timestamp,
    id::{DeliveryId, Incarnation, JobId, TimerId},
};

use super::{
    claim,
    delivery::DeliveryRow,
    doubt::Doubt,
    fault::Fault,
    job, settle,
    store::PostgresStore,
    timer,
    transaction::{in_transaction, reading},
};
use crate::{
    claim::{Claim, Claimed},
    job::Job,
    timer::Timer,
};

/// What a claim took, noted before its commit.
struct Note<T>(Mutex<Vec<T>>);

impl<T: Clone> Note<T> {
    fn new() -> Self {
        Self(Mutex::default())
    }

    fn write(&self, taken: impl Iterator<Item = T>) {
        *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = taken.collect();
    }

    fn read(&self) -> Vec<T> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }
}

impl PostgresStore {
    /// Leases due deliveries and loads their events.
    pub(super) async fn claim_deliveries(&self, claim: &Claim) -> Result<Vec<Claimed>, Fault> {
        let inner = &self.inner;
        let _one_at_a_time = inner.claiming.lock().await;
        self.resolve_doubts().await?;
        let note = Note::new();
        let work = async |conn: &super::pool::Conn| {
            let leased = claim::lease(conn, &inner.clock, claim).await?;
            note.write(leased.iter().map(|row| row.delivery.id));
            Ok::<_, Fault>(leased)
        };
        let leased = match in_transaction!(&inner.writes, tx => work(&tx)) {
            Ok(leased) => leased,
            Err(fault) => {
                if matches!(fault, Fault::Unknown(_)) {
                    inner.doubts.add(Doubt::Deliveries(claim.by, claim.now, note.read()));
                }
                return Err(fault);
            }
        };
        if leased.is_empty() {
            return Ok(Vec::new());
        }
        self.load(claim.by, claim.now, &leased).await
    }

    /// Loads what was leased; gives it back when that fails, so that it is not stuck until the lease ends.
    async fn load(&self, by: Incarnation, now: Timestamp, leased: &[DeliveryRow]) -> Result<Vec<Claimed>, Fault> {
        let inner = &self.inner;
        match reading!(inner.reads, conn => claim::load(&conn, leased)) {
            Ok(loaded) => {
                if !loaded.lost.is_empty() {
                    let lost = &loaded.lost;
                    in_transaction!(&inner.writes, tx => claim::park_lost(&tx, by, lost, now))?;
                }
                Ok(loaded.whole)
            }
            Err(fault) => {
                let ids: Vec<DeliveryId> = leased.iter().map(|row| row.delivery.id).collect();
                let given_back = in_transaction!(&inner.writes, tx => settle::give_back(&tx, by, &ids, now, None));
                if given_back.is_err() {
                    inner.doubts.add(Doubt::Deliveries(by, now, ids));
                }
                Err(fault)
            }
        }
    }

    /// Leases due timers.
    pub(super) async fn claim_due_timers(&self, by: Incarnation, now: Timestamp, limit: u32) -> Result<Vec<Timer>, Fault> {
        let inner = &self.inner;
        let _one_at_a_time = inner.claiming.lock().await;
        self.resolve_doubts().await?;
        let note = Note::<TimerId>::new();
        let work = async |conn: &super::pool::Conn| {
            let claimed = timer::claim(conn, by, now, inner.clock.there(now), limit).await?;
            note.write(claimed.iter().map(|timer| timer.id));
            Ok::<_, Fault>(claimed)
        };
        let claimed = in_transaction!(&inner.writes, tx => work(&tx));
        if matches!(claimed, Err(Fault::Unknown(_))) {
            inner.doubts.add(Doubt::Timers(by, note.read()));
        }
        claimed
    }

    /// Leases running jobs.
    pub(super) async fn claim_running_jobs(&self, by: Incarnation, now: Timestamp, limit: u32) -> Result<Vec<Job>, Fault> {
        let inner = &self.inner;
        let _one_at_a_time = inner.claiming.lock().await;
        self.resolve_doubts().await?;
        let note = Note::<JobId>::new();
        let work = async |conn: &super::pool::Conn| {
            let claimed = job::claim(conn, by, inner.clock.there(now), limit).await?;
            note.write(claimed.iter().map(|job| job.id));
            Ok::<_, Fault>(claimed)
        };
        let claimed = in_transaction!(&inner.writes, tx => work(&tx));
        if matches!(claimed, Err(Fault::Unknown(_))) {
            inner.doubts.add(Doubt::Jobs(by, note.read()));
        }
        claimed
    }

    /// Gives back what claims that were cut off may have taken. Whoever claims waits for this.
    async fn resolve_doubts(&self) -> Result<(), Fault> {
        let inner = &self.inner;
        while let Some(doubt) = inner.doubts.first() {
            match &doubt {
                Doubt::Deliveries(by, due_at, deliveries) => {
                    in_transaction!(&inner.writes, tx => settle::give_back(&tx, *by, deliveries, *due_at, None))?;
                }
                Doubt::Timers(by, timers) => in_transaction!(&inner.writes, tx => timer::let_go(&tx, *by, timers))?,
                Doubt::Jobs(by, jobs) => in_transaction!(&inner.writes, tx => job::let_go(&tx, *by, jobs))?,
            }
            inner.doubts.settled(&doubt);
        }
        Ok(())
    }
}
