//! The [`Store`] trait over transactions and reads: which of them does what.

use std::time::Duration;

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

use super::{
    account, action, breaker, claim, content, credential, envelope, event, hints, hold, idempotency, job, listing, node, object, retention,
    server::Server,
    settle::{self, Prepared},
    store::PostgresStore,
    subscription, timer,
    transaction::{answered, in_transaction, reading},
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
};

/// How often an action looks for candidates again when others changed all it had found.
const LOOKS_MAX: usize = 3;
/// What a row takes beside its payload, about.
const ROW_BYTES: usize = 256;

/// A write in a transaction of its own.
macro_rules! write {
    ($store:expr, $tx:ident => $work:expr) => {
        answered(in_transaction!(&$store.inner.writes, $tx => $work))
    };
}

/// A read.
macro_rules! read {
    ($store:expr, $conn:ident => $work:expr) => {
        answered(reading!($store.inner.reads, $conn => $work))
    };
}

impl PostgresStore {
    /// Tells the other nodes that something may be due.
    fn hint(&self) {
        if let Some(hints) = &self.inner.hints {
            hints.tell();
        }
    }
}

#[async_trait]
impl Store for PostgresStore {
    async fn record(&self, records: Vec<Record>) -> Result<Each<Recorded>, StoreError> {
        // What can be refused without the database takes no place in the queue.
        let checked: Vec<Result<(), Refused>> = records.iter().map(Record::check).collect();
        let sound: Vec<Record> =
            records.into_iter().zip(&checked).filter(|(_, checked)| checked.is_ok()).map(|(record, _)| record).collect();
        let rows: usize = sound.iter().map(|r| 1 + r.events.len() + r.deliveries.len() + r.subscriptions.len()).sum();
        let bytes = sound.iter().map(Record::bytes).sum::<usize>() + rows * ROW_BYTES;
        let is_hinted = sound.iter().flat_map(|record| &record.deliveries).any(hints::is_for_anybody);
        let mut answers = self.inner.recording.call(sound, bytes).await?.into_iter();
        if is_hinted {
            self.hint();
        }
        let unanswered = || StoreError::Backend("a record was not answered".into());
        checked
            .into_iter()
            .map(|checked| match checked {
                Ok(()) => answers.next().ok_or_else(unanswered),
                Err(refused) => Ok(Err(refused)),
            })
            .collect()
    }

    async fn due_listeners(&self, now: Timestamp, after: Option<ListenerId>, limit: u32) -> Result<Vec<DueListener>, StoreError> {
        read!(self, conn => claim::due_listeners(&conn, &self.inner.clock, now, after, limit))
    }

    async fn next_due(&self) -> Result<Option<Timestamp>, StoreError> {
        read!(self, conn => claim::next_due(&conn))
    }

    async fn wait_for_hint(&self) {
        match &self.inner.hints {
            Some(hints) => hints.heard().await,
            None => std::future::pending().await,
        }
    }

    async fn claim_due(&self, claim: Claim) -> Result<Vec<Claimed>, StoreError> {
        answered(self.claim_deliveries(&claim).await)
    }

    async fn settle(&self, settlements: Vec<Settlement>) -> Result<Each<()>, StoreError> {
        let prepared =
            settlements.into_iter().map(|settlement| Prepared::of(settlement, self.inner.compression)).collect::<Result<Vec<_>, _>>()?;
        let bytes = prepared.iter().map(Prepared::bytes).sum();
        self.inner.settling.call(prepared, bytes).await
    }

    async fn give_back(
        &self,
        by: Incarnation,
        deliveries: Vec<DeliveryId>,
        due_at: Timestamp,
        held: Option<Hold>,
    ) -> Result<(), StoreError> {
        let given_back = write!(self, tx => settle::give_back(&tx, by, &deliveries, due_at, held));
        if held.is_none() {
            self.hint();
        }
        given_back
    }

    async fn reroute(&self, by: Incarnation, deliveries: Vec<DeliveryId>, lane: ListenerId) -> Result<(), StoreError> {
        let rerouted = write!(self, tx => settle::reroute(&tx, by, &deliveries, lane));
        self.hint();
        rerouted
    }

    async fn release(&self, release: Release) -> Result<u32, StoreError> {
        let released = write!(self, tx => hold::release(&tx, &release));
        self.hint();
        released
    }

    async fn held_subscriptions(&self, after: Option<(SubscriptionId, Hold)>, limit: u32) -> Result<Vec<HeldSubscription>, StoreError> {
        read!(self, conn => hold::subscriptions(&conn, after, limit))
    }

    async fn register_node(&self, name: &str, incarnation_seed: u64, now: Timestamp, ttl: Duration) -> Result<NodeRow, StoreError> {
        write!(self, tx => node::register(&tx, &self.inner.clock, &self.inner.vault, name, incarnation_seed, now, ttl))
    }

    async fn renew_node(&self, incarnation: Incarnation, now: Timestamp, ttl: Duration) -> Result<Result<(), Refused>, StoreError> {
        write!(self, tx => node::renew(&tx, &self.inner.clock, incarnation, now, ttl))
    }

    async fn retire_node(&self, incarnation: Incarnation, _now: Timestamp) -> Result<(), StoreError> {
        let retired = write!(self, tx => node::retire(&tx, incarnation));
        self.hint();
        retired
    }

    async fn nodes(&self) -> Result<Vec<NodeRow>, StoreError> {
        read!(self, conn => node::all(&conn, &self.inner.clock))
    }

    async fn share_breakers(&self, changes: Vec<BreakerChange>, now: Timestamp) -> Result<Vec<OpenBreaker>, StoreError> {
        let clock = &self.inner.clock;
        if !changes.is_empty() {
            write!(self, tx => breaker::write(&tx, clock, &changes, now))?;
        }
        read!(self, conn => breaker::open(&conn, clock, now))
    }

    async fn create_account(&self, guid: AccountGuid, name: &str, now: Timestamp) -> Result<Result<Account, Refused>, StoreError> {
        write!(self, tx => account::create(&tx, guid, name, now))
    }

    async fn create_first_account(&self, guid: AccountGuid, name: &str, now: Timestamp) -> Result<Result<Account, Refused>, StoreError> {
        write!(self, tx => account::create_first(&tx, guid, name, now))
    }

    async fn update_account(&self, account: Account) -> Result<Result<(), Refused>, StoreError> {
        write!(self, tx => account::update(&tx, &account))
    }

    async fn accounts(&self) -> Result<Vec<Account>, StoreError> {
        read!(self, conn => account::all(&conn))
    }

    async fn account(&self, id: AccountId) -> Result<Option<(Account, ConfigVersion)>, StoreError> {
        read!(self, conn => account::one(&conn, id))
    }

    async fn account_by_guid(&self, guid: AccountGuid) -> Result<Option<Account>, StoreError> {
        read!(self, conn => account::by_guid(&conn, guid))
    }

    async fn config_versions(&self, accounts: Vec<AccountId>) -> Result<Vec<(AccountId, ConfigVersion)>, StoreError> {
        read!(self, conn => account::versions(&conn, &accounts))
    }

    async fn next_subscription_ids(&self, count: u32) -> Result<Vec<SubscriptionId>, StoreError> {
        let first = write!(self, tx => account::next_in_sequence(&tx, "subscription", count))?;
        Ok((first..first + i64::from(count)).map(SubscriptionId).collect())
    }

    async fn put_subscription(
        &self,
        account: AccountId,
        id: SubscriptionId,
        object: Object,
        create: bool,
    ) -> Result<Result<ConfigVersion, Refused>, StoreError> {
        write!(self, tx => subscription::put(&tx, &self.inner.vault, account, id, &object, create))
    }

    async fn put_subscription_at(
        &self,
        account: AccountId,
        id: SubscriptionId,
        object: Object,
        revision: u64,
    ) -> Result<Result<ConfigVersion, Refused>, StoreError> {
        write!(self, tx => subscription::put_at(&tx, &self.inner.vault, account, id, &object, revision))
    }

    async fn delete_subscription(
        &self,
        account: AccountId,
        id: SubscriptionId,
        now: Timestamp,
    ) -> Result<Result<ConfigVersion, Refused>, StoreError> {
        let deleted = write!(self, tx => subscription::delete(&tx, account, id, now))?;
        if deleted.is_ok() {
            answered(self.cancel_all(account, id).await)?;
        }
        Ok(deleted)
    }

    async fn subscriptions(&self, account: AccountId) -> Result<(ConfigVersion, Vec<(SubscriptionId, Object)>), StoreError> {
        read!(self, conn => subscription::of_account(&conn, &self.inner.vault, account))
    }

    async fn subscription(&self, id: SubscriptionId) -> Result<Option<(AccountId, Object)>, StoreError> {
        read!(self, conn => subscription::one(&conn, &self.inner.vault, id))
    }

    async fn envelope_subscriptions(&self, account: AccountId, envelope: EnvelopeId) -> Result<Vec<(SubscriptionId, Object)>, StoreError> {
        read!(self, conn => subscription::of_envelope(&conn, &self.inner.vault, account, envelope))
    }

    async fn put_object(&self, key: ObjectKey, object: Object, read: Option<i64>) -> Result<Result<i64, Refused>, StoreError> {
        write!(self, tx => object::put(&tx, &self.inner.vault, &key, &object, read))
    }

    async fn delete_object(&self, key: ObjectKey) -> Result<Result<(), Refused>, StoreError> {
        write!(self, tx => object::delete(&tx, &key))
    }

    async fn object(&self, key: ObjectKey) -> Result<Option<StoredObject>, StoreError> {
        read!(self, conn => object::one(&conn, &self.inner.vault, &key))
    }

    async fn objects(
        &self,
        account: AccountId,
        kind: ConfigKind,
        after: Option<String>,
        limit: u32,
    ) -> Result<Vec<StoredObject>, StoreError> {
        read!(self, conn => object::list(&conn, &self.inner.vault, account, kind, after.as_deref(), limit))
    }

    async fn find_object(&self, kind: ConfigKind, id: &str) -> Result<Option<StoredObject>, StoreError> {
        read!(self, conn => object::find(&conn, &self.inner.vault, kind, id))
    }

    async fn put_token(&self, token: StoredToken) -> Result<(), StoreError> {
        write!(self, tx => credential::put_token(&tx, &token))
    }

    async fn put_first_token(&self, token: StoredToken) -> Result<Result<(), Refused>, StoreError> {
        write!(self, tx => credential::put_first_token(&tx, &token))
    }

    async fn token(&self, sha256: [u8; 32]) -> Result<Option<StoredToken>, StoreError> {
        read!(self, conn => credential::token(&conn, &sha256))
    }

    async fn tokens(&self, account: AccountId) -> Result<Vec<StoredToken>, StoreError> {
        read!(self, conn => credential::tokens(&conn, account))
    }

    async fn delete_token(&self, account: AccountId, id: CredentialId) -> Result<Result<(), Refused>, StoreError> {
        write!(self, tx => credential::delete_token(&tx, account, id))
    }

    async fn put_ticket(&self, ticket: Ticket, now: Timestamp) -> Result<Result<(), Refused>, StoreError> {
        write!(self, tx => credential::put_ticket(&tx, &ticket, now))
    }

    async fn take_ticket(&self, kind: &str, sha256: [u8; 32], now: Timestamp) -> Result<Option<Ticket>, StoreError> {
        write!(self, tx => credential::take_ticket(&tx, kind, &sha256, now))
    }

    async fn idempotent(&self, account: AccountId, key: &str, now: Timestamp) -> Result<Option<([u8; 32], Bytes)>, StoreError> {
        read!(self, conn => idempotency::find(&conn, account, key, now))
    }

    async fn envelope(&self, account: AccountId, id: EnvelopeId) -> Result<Option<StoredEnvelope>, StoreError> {
        read!(self, conn => envelope::one(&conn, account, id))
    }

    async fn envelopes(&self, query: EnvelopeQuery) -> Result<EnvelopePage, StoreError> {
        read!(self, conn => envelope::list(&conn, &query))
    }

    async fn purge_snapshots(&self, account: AccountId, envelope: EnvelopeId) -> Result<u64, StoreError> {
        write!(self, tx => event::purge(&tx, account, envelope))
    }

    async fn put_content(&self, account: AccountId, sha256: [u8; 32], bytes: Bytes, now: Timestamp) -> Result<(), StoreError> {
        answered(self.put_content_in_chunks(account, sha256, &bytes, now).await)
    }

    async fn content(&self, account: AccountId, sha256: [u8; 32]) -> Result<Option<Bytes>, StoreError> {
        read!(self, conn => content::find(&conn, account, &sha256))
    }

    async fn sweep_contents(&self, before: Timestamp, rows_max: u32) -> Result<u64, StoreError> {
        answered(self.sweep_contents_from_last(before, usize::try_from(rows_max).unwrap_or(usize::MAX)).await)
    }

    async fn claim_timers(&self, by: Incarnation, now: Timestamp, limit: u32) -> Result<Vec<Timer>, StoreError> {
        answered(self.claim_due_timers(by, now, limit).await)
    }

    async fn finish_timers(&self, by: Incarnation, timers: Vec<TimerId>) -> Result<(), StoreError> {
        write!(self, tx => timer::finish(&tx, by, &timers))
    }

    async fn next_timer(&self) -> Result<Option<Timestamp>, StoreError> {
        read!(self, conn => timer::next(&conn))
    }

    async fn create_job(&self, job: Job) -> Result<(), StoreError> {
        write!(self, tx => job::create(&tx, &job))
    }

    async fn claim_jobs(&self, by: Incarnation, now: Timestamp, limit: u32) -> Result<Vec<Job>, StoreError> {
        answered(self.claim_running_jobs(by, now, limit).await)
    }

    async fn write_job(
        &self,
        by: Incarnation,
        id: JobId,
        state: JobState,
        progress: String,
        now: Timestamp,
    ) -> Result<Result<(), Refused>, StoreError> {
        write!(self, tx => job::write(&tx, by, id, state, &progress, now))
    }

    async fn cancel_job(&self, account: AccountId, id: JobId, now: Timestamp) -> Result<Result<(), Refused>, StoreError> {
        write!(self, tx => job::cancel(&tx, account, id, now))
    }

    async fn job(&self, account: AccountId, id: JobId) -> Result<Option<Job>, StoreError> {
        read!(self, conn => job::one(&conn, account, id))
    }

    async fn jobs(&self, account: AccountId, limit: u32) -> Result<Vec<Job>, StoreError> {
        read!(self, conn => job::list(&conn, account, limit))
    }

    async fn event(&self, account: AccountId, id: EventId) -> Result<Option<Event>, StoreError> {
        read!(self, conn => event::one(&conn, account, id))
    }

    async fn events(
        &self,
        account: AccountId,
        envelope: Option<EnvelopeId>,
        before: Option<EventId>,
        limit: u32,
    ) -> Result<Vec<Event>, StoreError> {
        read!(self, conn => event::list(&conn, account, envelope, before, limit))
    }

    async fn deliveries(
        &self,
        account: AccountId,
        filter: DeliveryFilter,
        before: Option<DeliveryId>,
        limit: u32,
    ) -> Result<DeliveryPage, StoreError> {
        read!(self, conn => listing::page(&conn, account, &filter, before, limit))
    }

    async fn delivery(&self, account: AccountId, id: DeliveryId) -> Result<Option<DeliveryDetail>, StoreError> {
        read!(self, conn => listing::one(&conn, account, id))
    }

    async fn act_on_deliveries(
        &self,
        account: AccountId,
        ids: Vec<DeliveryId>,
        action: DeliveryAction,
        now: Timestamp,
    ) -> Result<Vec<DeliveryId>, StoreError> {
        let changed = write!(self, tx => action::act(&tx, account, &ids, action, now));
        if action == DeliveryAction::Retry {
            self.hint();
        }
        changed
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
            let still = action::condition(action, now);
            let ids = read!(self, conn => listing::ids(&conn, account, &filter, &still, rows_max))?;
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
        read!(self, conn => listing::backlog(&conn, account, subscription))
    }

    async fn retain(&self, retention: Retention, now: Timestamp) -> Result<Retained, StoreError> {
        answered(self.retain_all(retention, now).await)
    }

    async fn health(&self) -> Result<Health, StoreError> {
        let inner = &self.inner;
        let server = read!(self, conn => Server::now(&conn))?;
        let mut warnings = server.warnings();
        let apart_us = inner.clock.apart_us();
        if apart_us != 0 {
            let seconds = apart_us / 1_000_000;
            warnings.push(format!("the clock of this node and that of the database are {} s apart: set them by NTP", seconds.abs()));
        }
        warnings.extend(self.days_warning());
        Ok(Health {
            backend: "postgres",
            writable: !server.takes_no_writes(),
            disk_bytes: read!(self, conn => retention::used_bytes(&conn))?,
            schema: inner.schema,
            last_commit: inner.writes.last_commit(),
            commits: inner.writes.commits(),
            warnings,
        })
    }

    async fn close(&self) {
        let inner = &self.inner;
        inner.recording.close().await;
        inner.settling.close().await;
        if let Some(hints) = &inner.hints {
            hints.close().await;
        }
        inner.writes.close().await;
        inner.reads.close().await;
    }
}
