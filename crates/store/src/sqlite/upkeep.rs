//! What is done in many small steps: large contents, cancelling for a deleted subscription, retention. Each step is a call of
//! its own to the writer, so that others get their turn in between.

use std::sync::atomic::Ordering;

use bytes::Bytes;
use countersign_core::{
    Timestamp,
    id::{AccountId, SubscriptionId},
};

use super::{call::Weight, content, credential, idempotency, job, retention, store::SqliteStore, subscription};
use crate::{
    StoreError,
    query::{Retained, Retention},
};

/// Deliveries cancelled in one transaction when their subscription was deleted.
const CANCEL_STEP_ROWS: usize = 500;
/// Jobs deleted in one call of retention: people make them one at a time, so there are never many.
const JOBS_PER_CALL: usize = 100;
/// Steps in which pages are given back to the file system in one call of retention.
const VACUUM_STEPS_MAX: usize = 64;

impl SqliteStore {
    /// Cancels what waits for a deleted subscription.
    pub(super) async fn cancel_all(&self, account: AccountId, id: SubscriptionId) -> Result<(), StoreError> {
        let step = Weight::rows(CANCEL_STEP_ROWS);
        while !self.write(step, move |tx| subscription::cancel_some(tx, account, id, CANCEL_STEP_ROWS)).await? {}
        Ok(())
    }

    /// Keeps content under its hash.
    pub(super) async fn put_content_in_chunks(
        &self,
        account: AccountId,
        sha256: [u8; 32],
        bytes: &Bytes,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        // Once more in case it was swept while it was being written, which needs a very old beginning.
        for _ in 0..2 {
            if self.put_chunks(account, sha256, bytes, now).await? {
                return Ok(());
            }
        }
        Err(StoreError::Unavailable("the content was swept while it was written; try again".into()))
    }

    async fn put_chunks(&self, account: AccountId, sha256: [u8; 32], bytes: &Bytes, now: Timestamp) -> Result<bool, StoreError> {
        let intake = |bytes| Weight { rows: 1, bytes, intake: true, patient: false };
        let length = bytes.len();
        let begun = self.write(intake(64), move |tx| content::begin(tx, account, &sha256, length, now)).await?;
        let content::Begun::Row(row) = begun else { return Ok(true) };
        for number in 0..length.div_ceil(content::CHUNK_BYTES) {
            let from = number * content::CHUNK_BYTES;
            let chunk = bytes.slice(from..(from + content::CHUNK_BYTES).min(length));
            self.write(intake(chunk.len()), move |tx| content::chunk(tx, row, number, &chunk)).await?;
        }
        self.write(intake(64), move |tx| content::end(tx, row, &sha256)).await
    }

    async fn retain_deliveries(&self, retention: Retention) -> Result<Retained, StoreError> {
        let place = &self.inner.retained_to.delivery;
        let rows_max = usize::try_from(retention.rows_max).unwrap_or(usize::MAX);
        let before = retention.before;
        let mut retained = Retained::default();
        let mut looked_at = 0;
        while looked_at < rows_max {
            let (after, step) = (place.load(Ordering::Relaxed), retention::STEP_ROWS.min(rows_max - looked_at));
            let rows = self.read(move |conn| retention::old_deliveries(conn, before, after, step)).await?;
            let Some(&last) = rows.last() else {
                place.store(i64::MIN, Ordering::Relaxed);
                return Ok(retained);
            };
            looked_at += rows.len();
            let weight = Weight::rows(rows.len() * 3);
            let (deliveries, events) = self.write(weight, move |tx| retention::delete_deliveries(tx, &rows, before)).await?;
            retained.deliveries += deliveries;
            retained.events += events;
            place.store(last, Ordering::Relaxed);
        }
        retained.more = true;
        Ok(retained)
    }

    /// Events that matched nothing, or whose deliveries went before.
    async fn retain_events(&self, retention: Retention, retained: &mut Retained) -> Result<(), StoreError> {
        let place = &self.inner.retained_to.event;
        let rows_max = usize::try_from(retention.rows_max).unwrap_or(usize::MAX);
        let before = retention.before;
        let mut looked_at = 0;
        while looked_at < rows_max {
            let (after, step) = (place.load(Ordering::Relaxed), retention::STEP_ROWS.min(rows_max - looked_at));
            let rows = self.read(move |conn| retention::old_events(conn, before, after, step)).await?;
            let Some(&last) = rows.last() else {
                place.store(i64::MIN, Ordering::Relaxed);
                return Ok(());
            };
            looked_at += rows.len();
            retained.events += self.write(Weight::rows(rows.len()), move |tx| retention::delete_events(tx, &rows)).await?;
            place.store(last, Ordering::Relaxed);
        }
        retained.more = true;
        Ok(())
    }

    async fn sweep_expired(&self, now: Timestamp, rows_max: usize) -> Result<(), StoreError> {
        self.write(Weight::rows(rows_max), move |tx| {
            idempotency::sweep(tx, now, rows_max)?;
            credential::sweep(tx, now, rows_max)
        })
        .await?;
        for (account, id) in self.read(subscription::deleted).await? {
            self.cancel_all(account, id).await?;
        }
        Ok(())
    }

    async fn give_back_pages(&self) -> Result<(), StoreError> {
        let all = self.inner.condition.is_disk_full();
        for _ in 0..VACUUM_STEPS_MAX {
            if !self.write(Weight::rows(retention::STEP_ROWS), move |tx| retention::give_back_pages(tx, all)).await? {
                break;
            }
        }
        Ok(())
    }

    /// Deletes contents that nothing refers to, going on where the last call ended.
    pub(super) async fn sweep_contents_from_last(&self, before: Timestamp, rows_max: usize) -> Result<u64, StoreError> {
        let place = &self.inner.retained_to.content;
        let after = place.load(Ordering::Relaxed);
        let rows = self.read(move |conn| content::unreferred(conn, before, after, rows_max)).await?;
        // Next time from here, or from the beginning when this was the end.
        place.store(rows.last().copied().filter(|_| rows.len() == rows_max).unwrap_or(i64::MIN), Ordering::Relaxed);
        let mut swept = 0;
        for row in rows {
            swept += u64::from(self.write(Weight::rows(64), move |tx| content::sweep_one(tx, row, before)).await?);
        }
        Ok(swept)
    }

    /// Everything that retention deletes.
    pub(super) async fn retain_all(&self, retention: Retention, now: Timestamp) -> Result<Retained, StoreError> {
        let mut retained = self.retain_deliveries(retention).await?;
        self.retain_events(retention, &mut retained).await?;
        let rows_max = usize::try_from(retention.rows_max).unwrap_or(usize::MAX);
        self.write(Weight::rows(JOBS_PER_CALL.min(rows_max)), move |tx| job::delete_old(tx, retention.before, JOBS_PER_CALL.min(rows_max)))
            .await?;
        self.sweep_expired(now, rows_max).await?;
        self.give_back_pages().await?;
        Ok(retained)
    }
}
