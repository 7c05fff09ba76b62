//! What is done in many small steps: large contents, cancelling for a deleted subscription, retention. Each step is a
//! transaction of its own, so that nothing is locked for long and another node may go on.

use std::sync::atomic::Ordering;

use bytes::Bytes;
use countersign_core::{
    Timestamp,
    id::{AccountId, SubscriptionId},
};

use super::{
    content, credential,
    days::Proofs,
    fault::Fault,
    idempotency, job, retention,
    store::PostgresStore,
    subscription,
    transaction::{in_transaction, reading},
};
use crate::{
    StoreError,
    query::{Retained, Retention},
};

/// Deliveries cancelled in one transaction when their subscription was deleted.
const CANCEL_STEP_ROWS: usize = 500;
/// Jobs deleted in one call of retention: people make them one at a time, so there are never many.
const JOBS_PER_CALL: usize = 100;

impl PostgresStore {
    /// Cancels what waits for a deleted subscription.
    pub(super) async fn cancel_all(&self, account: AccountId, id: SubscriptionId) -> Result<(), Fault> {
        let writes = &self.inner.writes;
        while !in_transaction!(writes, tx => subscription::cancel_some(&tx, account, id, CANCEL_STEP_ROWS))? {}
        Ok(())
    }

    /// Keeps content under its hash.
    pub(super) async fn put_content_in_chunks(
        &self,
        account: AccountId,
        sha256: [u8; 32],
        bytes: &Bytes,
        now: Timestamp,
    ) -> Result<(), Fault> {
        // Once more in case it was swept while it was being written, which needs a very old beginning.
        for _ in 0..2 {
            if self.put_chunks(account, sha256, bytes, now).await? {
                return Ok(());
            }
        }
        Err(StoreError::Unavailable("the content was swept while it was written; try again".into()).into())
    }

    async fn put_chunks(&self, account: AccountId, sha256: [u8; 32], bytes: &Bytes, now: Timestamp) -> Result<bool, Fault> {
        let (writes, length) = (&self.inner.writes, bytes.len());
        let begun = in_transaction!(writes, tx => content::begin(&tx, account, &sha256, length, now))?;
        let content::Begun::Row(row) = begun else { return Ok(true) };
        for number in 0..length.div_ceil(content::CHUNK_BYTES) {
            let from = number * content::CHUNK_BYTES;
            let chunk = bytes.slice(from..(from + content::CHUNK_BYTES).min(length));
            in_transaction!(writes, tx => content::chunk(&tx, row, number, &chunk))?;
        }
        in_transaction!(writes, tx => content::end(&tx, row, &sha256))
    }

    async fn retain_deliveries(&self, retention: Retention) -> Result<Retained, Fault> {
        let inner = &self.inner;
        let place = &inner.retained_to.delivery;
        let rows_max = usize::try_from(retention.rows_max).unwrap_or(usize::MAX);
        let before = retention.before;
        let mut retained = Retained::default();
        let mut looked_at = 0;
        while looked_at < rows_max {
            let (after, step) = (place.load(Ordering::Relaxed), retention::STEP_ROWS.min(rows_max - looked_at));
            let rows = reading!(inner.reads, conn => retention::old_deliveries(&conn, before, after, step))?;
            let Some(&last) = rows.last() else {
                place.store(i64::MIN, Ordering::Relaxed);
                return Ok(retained);
            };
            looked_at += rows.len();
            let (deliveries, events) = in_transaction!(&inner.writes, tx => retention::delete_deliveries(&tx, &rows, before))?;
            retained.deliveries += deliveries;
            retained.events += events;
            place.store(last, Ordering::Relaxed);
        }
        retained.more = true;
        Ok(retained)
    }

    /// Events that matched nothing, or whose deliveries went before.
    async fn retain_events(&self, retention: Retention, retained: &mut Retained) -> Result<(), Fault> {
        let inner = &self.inner;
        let place = &inner.retained_to.event;
        let rows_max = usize::try_from(retention.rows_max).unwrap_or(usize::MAX);
        let before = retention.before;
        let mut looked_at = 0;
        while looked_at < rows_max {
            let (after, step) = (place.load(Ordering::Relaxed), retention::STEP_ROWS.min(rows_max - looked_at));
            let rows = reading!(inner.reads, conn => retention::old_events(&conn, before, after, step))?;
            let Some(&last) = rows.last() else {
                place.store(i64::MIN, Ordering::Relaxed);
                return Ok(());
            };
            looked_at += rows.len();
            retained.events += in_transaction!(&inner.writes, tx => retention::delete_events(&tx, &rows))?;
            place.store(last, Ordering::Relaxed);
        }
        retained.more = true;
        Ok(())
    }

    /// Attempts whose deliveries went before, as far as they do not go with a day.
    async fn retain_attempts(&self, retention: Retention, retained: &mut Retained) -> Result<(), Fault> {
        let inner = &self.inner;
        let place = &inner.retained_to.attempt;
        let rows_max = usize::try_from(retention.rows_max).unwrap_or(usize::MAX);
        let before = retention.before;
        let mut looked_at = 0;
        while looked_at < rows_max {
            let (after, step) = (place.load(Ordering::Relaxed), retention::STEP_ROWS.min(rows_max - looked_at));
            let rows = reading!(inner.reads, conn => retention::old_attempts(&conn, before, after, step))?;
            let Some(&last) = rows.last() else {
                place.store(i64::MIN, Ordering::Relaxed);
                return Ok(());
            };
            looked_at += rows.len();
            in_transaction!(&inner.writes, tx => retention::delete_attempts(&tx, &rows))?;
            place.store(last, Ordering::Relaxed);
        }
        retained.more = true;
        Ok(())
    }

    async fn sweep_expired(&self, now: Timestamp, rows_max: usize) -> Result<(), Fault> {
        let inner = &self.inner;
        in_transaction!(&inner.writes, tx => idempotency::sweep(&tx, now, rows_max))?;
        in_transaction!(&inner.writes, tx => credential::sweep(&tx, now, rows_max))?;
        for (account, id) in reading!(inner.reads, conn => subscription::deleted(&conn))? {
            self.cancel_all(account, id).await?;
        }
        Ok(())
    }

    /// Deletes contents that nothing refers to, going on where the last call ended.
    pub(super) async fn sweep_contents_from_last(&self, before: Timestamp, rows_max: usize) -> Result<u64, Fault> {
        let inner = &self.inner;
        let place = &inner.retained_to.content;
        let after = place.load(Ordering::Relaxed);
        let rows = reading!(inner.reads, conn => content::unreferred(&conn, before, after, rows_max))?;
        // Next time from here, or from the beginning when this was the end.
        place.store(rows.last().copied().filter(|_| rows.len() == rows_max).unwrap_or(i64::MIN), Ordering::Relaxed);
        let mut swept = 0;
        for row in rows {
            swept += u64::from(in_transaction!(&inner.writes, tx => content::sweep_one(&tx, row, before))?);
        }
        Ok(swept)
    }

    /// Everything that retention deletes.
    pub(super) async fn retain_all(&self, retention: Retention, now: Timestamp) -> Result<Retained, Fault> {
        tried(self.make_days(now, Proofs::Now).await);
        let mut retained = self.retain_deliveries(retention).await?;
        self.retain_events(retention, &mut retained).await?;
        self.retain_attempts(retention, &mut retained).await?;
        let rows_max = usize::try_from(retention.rows_max).unwrap_or(usize::MAX);
        in_transaction!(&self.inner.writes, tx => job::delete_old(&tx, retention.before, JOBS_PER_CALL.min(rows_max)))?;
        self.sweep_expired(now, rows_max).await?;
        if !retained.more {
            // Of the days that are past, nothing is left but what is needed.
            tried(self.drop_days(retention.before).await);
        }
        Ok(retained)
    }
}

/// What waited too long for a lock is tried again with the next round; retention goes on without it.
fn tried(days: Result<(), Fault>) {
    if let Err(fault) = days {
        let error = StoreError::from(fault);
        tracing::warn!(%error, "the partitions by day were not brought up to date; trying again with the next round of upkeep");
    }
}
