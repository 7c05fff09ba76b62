//! The [`Store`] trait over the writer and the readers: which of them does what, and in which steps.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use countersign_core::{
    Timestamp,
    account::Account,
    config::{ConfigKind, ConfigVersion},
    delivery::Hold,
    event::Event,
    id::{AccountGuid, AccountId, CredentialId, DeliveryId, EnvelopeId, EventId, Incarnation, JobId, ListenerId, SubscriptionId, TimerId},
};
use rusqlite::Connection;

use super::{
    account, action, call::Weight, claim, content, credential, delivery::DeliveryRow, envelope, event, fault::Fault, hold, idempotency,
    job, listing, migration, node, object, record, retention, settle, store::SqliteStore, subscription, timer, transaction::Tx,
};
use crate::{
    Refused, Store, StoreError,
    breaker::{BreakerChange, OpenBreaker},
    claim::{Claim, Claimed, DueListener, HeldSubscription, Release},
    envelopes::{EnvelopePage, EnvelopeQuery, StoredEnvelope},
    job::{Job, JobState},
    objects::{Object, ObjectKey, StoredObject, StoredToken, Ticket},
    query::{Backlog, DeliveryAction, DeliveryDetail, DeliveryFilter, DeliveryPage, Health, NodeRow, Retained, Retention},
    record::{Record, Recorded},
    settle::Settlement,
    store::Each,
    timer::Timer,
    vault::Vault,
};

/// How often an action looks for candidates again when others changed all it had found.
const LOOKS_MAX: usize = 3;

impl SqliteStore {
    pub(super) async fn write<T, F>(&self, weight: Weight, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnMut(&Tx<'_>) -> Result<T, Fault> + Send + 'static,
    {
        self.inner.writer.call(weight, work).await
    }

    pub(super) async fn read<T, F>(&self, read: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    {
        self.inner.readers.call(read).await
    }

    async fn read_sealed<T, F>(&self, read: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Fn(&Connection, &Vault) -> Result<T, Fault> + Send + 'static,
    {
        let vault = Arc::clone(&self.inner.vault);
        self.read(move |conn| match read(conn, &vault.now()) {
            // A rotation may have begun between the look at the vault and the look at the rows.
            Err(Fault::Store(StoreError::Sealed(_))) => read(conn, &vault.now()),
            done => done,
        })
        .await
    }

    /// Loads what was leased; gives it back when that fails, so that it is not stuck until the lease ends.
    async fn load(&self, by: Incarnation, now: Timestamp, leased: Vec<DeliveryRow>) -> Result<Vec<Claimed>, StoreError> {
        let ids: Vec<DeliveryId> = leased.iter().map(|row| row.delivery.id).collect();
        match self.read(move |conn| claim::load(conn, leased)).await {
            Ok(loaded) => {
                if !loaded.lost.is_empty() {
                    let lost = loaded.lost;
                    self.write(Weight::rows(lost.len()), move |tx| claim::park_lost(tx, by, &lost, now)).await?;
                }
                Ok(loaded.whole)
            }
            Err(error) => {
                self.give_back(by, ids, now, None).await?;
                Err(error)
            }
        }
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn record(&self, records: Vec<Record>) -> Result<Each<Recorded>, StoreError> {
        let prepared = record::prepare(records, self.inner.settings.compression)?;
        self.write(record::weight(&prepared), move |tx| record::record(tx, &prepared)).await
    }

    async fn due_listeners(&self, now: Timestamp, after: Option<ListenerId>, limit: u32) -> Result<Vec<DueListener>, StoreError> {
        self.read(move |conn| claim::due_listeners(conn, now, after, limit)).await
    }

    async fn next_due(&self) -> Result<Option<Timestamp>, StoreError> {
        self.read(|conn| claim::next_due(conn, None)).await
    }

    async fn claim_due(&self, claim: Claim) -> Result<Vec<Claimed>, StoreError> {
        let (by, now) = (claim.by, claim.now);
        let rows = claim.lanes.iter().map(|lane| lane.count as usize).sum::<usize>().min(1_024);
        let leased = self.write(Weight::rows(rows), move |tx| claim::lease(tx, &claim)).await?;
        if leased.is_empty() {
            return Ok(Vec::new());
        }
        self.load(by, now, leased).await
    }

    async fn settle(&self, settlements: Vec<Settlement>) -> Result<Each<()>, StoreError> {
        let prepared = settle::prepare(settlements, self.inner.settings.compression)?;
        self.write(settle::weight(&prepared), move |tx| settle::settle(tx, &prepared)).await
    }

    async fn give_back(
        &self,
        by: Incarnation,
        deliveries: Vec<DeliveryId>,
        due_at: Timestamp,
        held: Option<Hold>,
    ) -> Result<(), StoreError> {
        self.write(Weight::rows(deliveries.len()), move |tx| settle::give_back(tx, by, &deliveries, due_at, held)).await
    }

    async fn reroute(&self, by: Incarnation, deliveries: Vec<DeliveryId>, lane: ListenerId) -> Result<(), StoreError> {
        self.write(Weight::rows(deliveries.len()), move |tx| settle::reroute(tx, by, &deliveries, lane)).await
    }

    async fn release(&self, release: Release) -> Result<u32, StoreError> {
        self.write(Weight::rows(release.rows_max as usize), move |tx| hold::release(tx, &release)).await
    }

    async fn held_subscriptions(&self, after: Option<(SubscriptionId, Hold)>, limit: u32) -> Result<Vec<HeldSubscription>, StoreError> {
        self.read(move |conn| hold::subscriptions(conn, after, limit)).await
    }

    async fn register_node(&self, name: &str, incarnation_seed: u64, now: Timestamp, ttl: Duration) -> Result<NodeRow, StoreError> {
        let name = name.to_owned();
        self.write(Weight::SMALL, move |tx| node::register(tx, &name, incarnation_seed, now, ttl)).await
    }

    async fn renew_node(&self, incarnation: Incarnation, now: Timestamp, ttl: Duration) -> Result<Result<(), Refused>, StoreError> {
        self.write(Weight::SMALL, move |tx| node::renew(tx, incarnation, now, ttl)).await
    }

    async fn retire_node(&self, incarnation: Incarnation, _now: Timestamp) -> Result<(), StoreError> {
        self.write(Weight::SMALL, move |tx| node::retire(tx, incarnation)).await
    }

    async fn nodes(&self) -> Result<Vec<NodeRow>, StoreError> {
        self.read(node::all).await
    }

    async fn share_breakers(&self, changes: Vec<BreakerChange>, now: Timestamp) -> Result<Vec<OpenBreaker>, StoreError> {
        Ok(self.inner.breakers.lock().unwrap_or_else(std::sync::PoisonError::into_inner).share(changes, now))
    }

    async fn create_account(&self, guid: AccountGuid, name: &str, now: Timestamp) -> Result<Result<Account, Refused>, StoreError> {
        let name = name.to_owned();
        self.write(Weight::SMALL, move |tx| account::create(tx, guid, &name, now)).await
    }

    async fn create_first_account(&self, guid: AccountGuid, name: &str, now: Timestamp) -> Result<Result<Account, Refused>, StoreError> {
        let name = name.to_owned();
        self.write(Weight::SMALL, move |tx| account::create_first(tx, guid, &name, now)).await
    }

    async fn update_account(&self, account: Account) -> Result<Result<(), Refused>, StoreError> {
        self.write(Weight::SMALL, move |tx| account::update(tx, &account)).await
    }

    async fn accounts(&self) -> Result<Vec<Account>, StoreError> {
        self.read(account::all).await
    }

    async fn account(&self, id: AccountId) -> Result<Option<(Account, ConfigVersion)>, StoreError> {
        self.read(move |conn| account::one(conn, id)).await
    }

    async fn account_by_guid(&self, guid: AccountGuid) -> Result<Option<Account>, StoreError> {
        self.read(move |conn| account::by_guid(conn, guid)).await
    }

    async fn config_versions(&self, accounts: Vec<AccountId>) -> Result<Vec<(AccountId, ConfigVersion)>, StoreError> {
        self.read(move |conn| account::versions(conn, &accounts)).await
    }

    async fn next_subscription_ids(&self, count: u32) -> Result<Vec<SubscriptionId>, StoreError> {
        let first = self.write(Weight::SMALL, move |tx| account::next_in_sequence(tx, "subscription", count)).await?;
        Ok((first..first + i64::from(count)).map(SubscriptionId).collect())
    }

    async fn put_subscription(
        &self,
        account: AccountId,
        id: SubscriptionId,
        object: Object,
        create: bool,
    ) -> Result<Result<ConfigVersion, Refused>, StoreError> {
        self.write(Weight::SMALL, move |tx| subscription::put(tx, account, id, &object, create)).await
    }

    async fn put_subscription_at(
        &self,
        account: AccountId,
        id: SubscriptionId,
        object: Object,
        revision: u64,
    ) -> Result<Result<ConfigVersion, Refused>, StoreError> {
        self.write(Weight::SMALL, move |tx| subscription::put_at(tx, account, id, &object, revision)).await
    }

    async fn delete_subscription(
        &self,
        account: AccountId,
        id: SubscriptionId,
        now: Timestamp,
    ) -> Result<Result<ConfigVersion, Refused>, StoreError> {
        let deleted = self.write(Weight::SMALL, move |tx| subscription::delete(tx, account, id, now)).await?;
        if deleted.is_ok() {
            self.cancel_all(account, id).await?;
        }
        Ok(deleted)
    }

    async fn subscriptions(&self, account: AccountId) -> Result<(ConfigVersion, Vec<(SubscriptionId, Object)>), StoreError> {
        self.read_sealed(move |conn, vault| subscription::of_account(conn, vault, account)).await
    }

    async fn subscription(&self, id: SubscriptionId) -> Result<Option<(AccountId, Object)>, StoreError> {
        self.read_sealed(move |conn, vault| subscription::one(conn, vault, id)).await
    }

    async fn envelope_subscriptions(&self, account: AccountId, envelope: EnvelopeId) -> Result<Vec<(SubscriptionId, Object)>, StoreError> {
        self.read_sealed(move |conn, vault| subscription::of_envelope(conn, vault, account, envelope)).await
    }

    async fn put_object(&self, key: ObjectKey, object: Object, read: Option<i64>) -> Result<Result<i64, Refused>, StoreError> {
        self.write(Weight::SMALL, move |tx| object::put(tx, &key, &object, read)).await
    }

    async fn delete_object(&self, key: ObjectKey) -> Result<Result<(), Refused>, StoreError> {
        self.write(Weight::SMALL, move |tx| object::delete(tx, &key)).await
    }

    async fn object(&self, key: ObjectKey) -> Result<Option<StoredObject>, StoreError> {
        self.read_sealed(move |conn, vault| object::one(conn, vault, &key)).await
    }

    async fn objects(
        &self,
        account: AccountId,
        kind: ConfigKind,
        after: Option<String>,
        limit: u32,
    ) -> Result<Vec<StoredObject>, StoreError> {
        self.read_sealed(move |conn, vault| object::list(conn, vault, account, kind, after.as_deref(), limit)).await
    }

    async fn find_object(&self, kind: ConfigKind, id: &str) -> Result<Option<StoredObject>, StoreError> {
        let id = id.to_owned();
        self.read_sealed(move |conn, vault| object::find(conn, vault, kind, &id)).await
    }

    async fn put_token(&self, token: StoredToken) -> Result<(), StoreError> {
        self.write(Weight::SMALL, move |tx| credential::put_token(tx, &token)).await
    }

    async fn put_first_token(&self, token: StoredToken) -> Result<Result<(), Refused>, StoreError> {
        self.write(Weight::SMALL, move |tx| credential::put_first_token(tx, &token)).await
    }

    async fn token(&self, sha256: [u8; 32]) -> Result<Option<StoredToken>, StoreError> {
        self.read(move |conn| credential::token(conn, &sha256)).await
    }

    async fn tokens(&self, account: AccountId) -> Result<Vec<StoredToken>, StoreError> {
        self.read(move |conn| credential::tokens(conn, account)).await
    }

    async fn delete_token(&self, account: AccountId, id: CredentialId) -> Result<Result<(), Refused>, StoreError> {
        self.write(Weight::SMALL, move |tx| credential::delete_token(tx, account, id)).await
    }

    async fn put_ticket(&self, ticket: Ticket, now: Timestamp) -> Result<Result<(), Refused>, StoreError> {
        self.write(Weight::SMALL, move |tx| credential::put_ticket(tx, &ticket, now)).await
    }

    async fn take_ticket(&self, kind: &str, sha256: [u8; 32], now: Timestamp) -> Result<Option<Ticket>, StoreError> {
        let kind = kind.to_owned();
        self.write(Weight::SMALL, move |tx| credential::take_ticket(tx, &kind, &sha256, now)).await
    }

    async fn idempotent(&self, account: AccountId, key: &str, now: Timestamp) -> Result<Option<([u8; 32], Bytes)>, StoreError> {
        let key = key.to_owned();
        self.read(move |conn| idempotency::find(conn, account, &key, now)).await
    }

    async fn envelope(&self, account: AccountId, id: EnvelopeId) -> Result<Option<StoredEnvelope>, StoreError> {
        self.read(move |conn| envelope::one(conn, account, id)).await
    }

    async fn envelopes(&self, query: EnvelopeQuery) -> Result<EnvelopePage, StoreError> {
        self.read(move |conn| envelope::list(conn, &query)).await
    }

    async fn purge_snapshots(&self, account: AccountId, envelope: EnvelopeId) -> Result<u64, StoreError> {
        self.write(Weight::SMALL, move |tx| event::purge(tx, account, envelope)).await
    }

    async fn put_content(&self, account: AccountId, sha256: [u8; 32], bytes: Bytes, now: Timestamp) -> Result<(), StoreError> {
        self.put_content_in_chunks(account, sha256, &bytes, now).await
    }

    async fn content(&self, account: AccountId, sha256: [u8; 32]) -> Result<Option<Bytes>, StoreError> {
        self.read(move |conn| content::find(conn, account, &sha256)).await
    }

    async fn sweep_contents(&self, before: Timestamp, rows_max: u32) -> Result<u64, StoreError> {
        self.sweep_contents_from_last(before, usize::try_from(rows_max).unwrap_or(usize::MAX)).await
    }

    async fn claim_timers(&self, by: Incarnation, now: Timestamp, limit: u32) -> Result<Vec<Timer>, StoreError> {
        self.write(Weight::rows(limit as usize), move |tx| timer::claim(tx, by, now, limit)).await
    }

    async fn finish_timers(&self, by: Incarnation, timers: Vec<TimerId>) -> Result<(), StoreError> {
        self.write(Weight::rows(timers.len()), move |tx| timer::finish(tx, by, &timers)).await
    }

    async fn next_timer(&self) -> Result<Option<Timestamp>, StoreError> {
        self.read(timer::next).await
    }

    async fn create_job(&self, job: Job) -> Result<(), StoreError> {
        self.write(Weight::SMALL, move |tx| job::create(tx, &job)).await
    }

    async fn claim_jobs(&self, by: Incarnation, now: Timestamp, limit: u32) -> Result<Vec<Job>, StoreError> {
        self.write(Weight::rows(limit as usize), move |tx| job::claim(tx, by, now, limit)).await
    }

    async fn write_job(
        &self,
        by: Incarnation,
        id: JobId,
        state: JobState,
        progress: String,
        now: Timestamp,
    ) -> Result<Result<(), Refused>, StoreError> {
        self.write(Weight::SMALL, move |tx| job::write(tx, by, id, state, &progress, now)).await
    }

    async fn cancel_job(&self, account: AccountId, id: JobId, now: Timestamp) -> Result<Result<(), Refused>, StoreError> {
        self.write(Weight::SMALL, move |tx| job::cancel(tx, account, id, now)).await
    }

    async fn job(&self, account: AccountId, id: JobId) -> Result<Option<Job>, StoreError> {
        self.read(move |conn| job::one(conn, account, id)).await
    }

    async fn jobs(&self, account: AccountId, limit: u32) -> Result<Vec<Job>, StoreError> {
        self.read(move |conn| job::list(conn, account, limit)).await
    }

    async fn event(&self, account: AccountId, id: EventId) -> Result<Option<Event>, StoreError> {
        self.read(move |conn| event::one(conn, account, id)).await
    }

    async fn events(
        &self,
        account: AccountId,
        envelope: Option<EnvelopeId>,
        before: Option<EventId>,
        limit: u32,
    ) -> Result<Vec<Event>, StoreError> {
        self.read(move |conn| event::list(conn, account, envelope, before, limit)).await
    }

    async fn deliveries(
        &self,
        account: AccountId,
        filter: DeliveryFilter,
        before: Option<DeliveryId>,
        limit: u32,
    ) -> Result<DeliveryPage, StoreError> {
        self.read(move |conn| listing::page(conn, account, &filter, before, limit)).await
    }

    async fn delivery(&self, account: AccountId, id: DeliveryId) -> Result<Option<DeliveryDetail>, StoreError> {
        self.read(move |conn| listing::one(conn, account, id)).await
    }

    async fn act_on_deliveries(
        &self,
        account: AccountId,
        ids: Vec<DeliveryId>,
        action: DeliveryAction,
        now: Timestamp,
    ) -> Result<Vec<DeliveryId>, StoreError> {
        self.write(Weight::rows(ids.len()), move |tx| action::act(tx, account, &ids, action, now)).await
    }

    async fn act_on_filter(
        &self,
        account: AccountId,
        filter: DeliveryFilter,
        action: DeliveryAction,
        now: Timestamp,
        rows_max: u32,
    ) -> Result<u32, StoreError> {
        let rows_max = rows_max.clamp(1, u32::try_from(action::IDS_MAX).unwrap_or(1));
        for _ in 0..LOOKS_MAX {
            let filter = filter.clone();
            let still = action::condition(action, now);
            let ids = self.read(move |conn| listing::ids(conn, account, &filter, &still, rows_max)).await?;
            if ids.is_empty() {
                return Ok(0);
            }
            let changed = self.act_on_deliveries(account, ids, action, now).await?;
            if !changed.is_empty() {
                return Ok(u32::try_from(changed.len()).unwrap_or(u32::MAX));
            }
        }
        Ok(0)
    }

    async fn backlog(&self, account: Option<AccountId>, subscription: Option<SubscriptionId>) -> Result<Backlog, StoreError> {
        self.read(move |conn| listing::backlog(conn, account, subscription)).await
    }

    async fn retain(&self, retention: Retention, now: Timestamp) -> Result<Retained, StoreError> {
        self.retain_all(retention, now).await
    }

    async fn health(&self) -> Result<Health, StoreError> {
        let inner = &self.inner;
        let suspect = inner.condition.suspect();
        let full = inner.condition.full();
        let mut warnings: Vec<String> = suspect.iter().map(|why| StoreError::Suspect(why.clone()).to_string()).collect();
        warnings.extend(full.iter().map(StoreError::to_string));
        if inner.gauge.is_long() {
            warnings.push("the write-ahead log is long: something reads from the database without end".into());
        }
        if let Some(kind) = inner.dir.network_file_system() {
            warnings.push(format!("the data directory is on a network file system ({kind}), whose locks may not hold"));
        }
        Ok(Health {
            backend: "sqlite",
            writable: suspect.is_none() && full.is_none(),
            disk_bytes: inner.dir.bytes_beside_database() + self.read(retention::used_bytes).await?,
            schema: migration::SCHEMA,
            last_commit: inner.condition.last_commit(),
            commits: inner.condition.commits(),
            warnings,
        })
    }

    async fn close(&self) {
        let inner = Arc::clone(&self.inner);
        if tokio::task::spawn_blocking(move || inner.close()).await.is_err() {
            tracing::error!("closing the store panicked");
        }
    }
}
