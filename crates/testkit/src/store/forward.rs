//! Every call of the trait, passed on through the gate.

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
use countersign_store::{
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

use super::FaultyStore;

#[async_trait]
impl Store for FaultyStore {
    async fn record(&self, records: Vec<Record>) -> Result<Each<Recorded>, StoreError> {
        self.call("record", self.inner.record(records)).await
    }

    async fn due_listeners(&self, now: Timestamp, after: Option<ListenerId>, limit: u32) -> Result<Vec<DueListener>, StoreError> {
        self.call("due_listeners", self.inner.due_listeners(now, after, limit)).await
    }

    async fn next_due(&self) -> Result<Option<Timestamp>, StoreError> {
        self.call("next_due", self.inner.next_due()).await
    }

    /// No call that could fail or is counted: what comes is rung by the test, or by the real store.
    async fn wait_for_hint(&self) {
        tokio::select! {
            () = self.inner.wait_for_hint() => {}
            () = self.hint.notified() => {}
        }
    }

    async fn claim_due(&self, claim: Claim) -> Result<Vec<Claimed>, StoreError> {
        self.call("claim_due", self.inner.claim_due(claim)).await
    }

    async fn settle(&self, settlements: Vec<Settlement>) -> Result<Each<()>, StoreError> {
        self.call("settle", self.inner.settle(settlements)).await
    }

    async fn give_back(
        &self,
        by: Incarnation,
        deliveries: Vec<DeliveryId>,
        due_at: Timestamp,
        held: Option<Hold>,
    ) -> Result<(), StoreError> {
        self.call("give_back", self.inner.give_back(by, deliveries, due_at, held)).await
    }

    async fn reroute(&self, by: Incarnation, deliveries: Vec<DeliveryId>, lane: ListenerId) -> Result<(), StoreError> {
        self.call("reroute", self.inner.reroute(by, deliveries, lane)).await
    }

    async fn release(&self, release: Release) -> Result<u32, StoreError> {
        self.call("release", self.inner.release(release)).await
    }

    async fn held_subscriptions(&self, after: Option<(SubscriptionId, Hold)>, limit: u32) -> Result<Vec<HeldSubscription>, StoreError> {
        self.call("held_subscriptions", self.inner.held_subscriptions(after, limit)).await
    }

    async fn register_node(&self, name: &str, incarnation_seed: u64, now: Timestamp, ttl: Duration) -> Result<NodeRow, StoreError> {
        self.call("register_node", self.inner.register_node(name, incarnation_seed, now, ttl)).await
    }

    async fn renew_node(&self, incarnation: Incarnation, now: Timestamp, ttl: Duration) -> Result<Result<(), Refused>, StoreError> {
        self.call("renew_node", self.inner.renew_node(incarnation, now, ttl)).await
    }

    async fn retire_node(&self, incarnation: Incarnation, now: Timestamp) -> Result<(), StoreError> {
        self.call("retire_node", self.inner.retire_node(incarnation, now)).await
    }

    async fn nodes(&self) -> Result<Vec<NodeRow>, StoreError> {
        self.call("nodes", self.inner.nodes()).await
    }

    async fn share_breakers(&self, changes: Vec<BreakerChange>, now: Timestamp) -> Result<Vec<OpenBreaker>, StoreError> {
        self.call("share_breakers", self.inner.share_breakers(changes, now)).await
    }

    async fn create_account(&self, guid: AccountGuid, name: &str, now: Timestamp) -> Result<Result<Account, Refused>, StoreError> {
        self.call("create_account", self.inner.create_account(guid, name, now)).await
    }

    async fn create_first_account(&self, guid: AccountGuid, name: &str, now: Timestamp) -> Result<Result<Account, Refused>, StoreError> {
        self.call("create_first_account", self.inner.create_first_account(guid, name, now)).await
    }

    async fn update_account(&self, account: Account) -> Result<Result<(), Refused>, StoreError> {
        self.call("update_account", self.inner.update_account(account)).await
    }

    async fn accounts(&self) -> Result<Vec<Account>, StoreError> {
        self.call("accounts", self.inner.accounts()).await
    }

    async fn account(&self, id: AccountId) -> Result<Option<(Account, ConfigVersion)>, StoreError> {
        self.call("account", self.inner.account(id)).await
    }

    async fn account_by_guid(&self, guid: AccountGuid) -> Result<Option<Account>, StoreError> {
        self.call("account_by_guid", self.inner.account_by_guid(guid)).await
    }

    async fn config_versions(&self, accounts: Vec<AccountId>) -> Result<Vec<(AccountId, ConfigVersion)>, StoreError> {
        self.call("config_versions", self.inner.config_versions(accounts)).await
    }

    async fn next_subscription_ids(&self, count: u32) -> Result<Vec<SubscriptionId>, StoreError> {
        self.call("next_subscription_ids", self.inner.next_subscription_ids(count)).await
    }

    async fn put_subscription(
        &self,
        account: AccountId,
        id: SubscriptionId,
        object: Object,
        create: bool,
    ) -> Result<Result<ConfigVersion, Refused>, StoreError> {
        self.call("put_subscription", self.inner.put_subscription(account, id, object, create)).await
    }

    async fn put_subscription_at(
        &self,
        account: AccountId,
        id: SubscriptionId,
        object: Object,
        revision: u64,
    ) -> Result<Result<ConfigVersion, Refused>, StoreError> {
        self.call("put_subscription_at", self.inner.put_subscription_at(account, id, object, revision)).await
    }

    async fn delete_subscription(
        &self,
        account: AccountId,
        id: SubscriptionId,
        now: Timestamp,
    ) -> Result<Result<ConfigVersion, Refused>, StoreError> {
        self.call("delete_subscription", self.inner.delete_subscription(account, id, now)).await
    }

    async fn subscriptions(&self, account: AccountId) -> Result<(ConfigVersion, Vec<(SubscriptionId, Object)>), StoreError> {
        self.call("subscriptions", self.inner.subscriptions(account)).await
    }

    async fn subscription(&self, id: SubscriptionId) -> Result<Option<(AccountId, Object)>, StoreError> {
        self.call("subscription", self.inner.subscription(id)).await
    }

    async fn envelope_subscriptions(&self, account: AccountId, envelope: EnvelopeId) -> Result<Vec<(SubscriptionId, Object)>, StoreError> {
        self.call("envelope_subscriptions", self.inner.envelope_subscriptions(account, envelope)).await
    }

    async fn put_object(&self, key: ObjectKey, object: Object, read: Option<i64>) -> Result<Result<i64, Refused>, StoreError> {
        self.call("put_object", self.inner.put_object(key, object, read)).await
    }

    async fn delete_object(&self, key: ObjectKey) -> Result<Result<(), Refused>, StoreError> {
        self.call("delete_object", self.inner.delete_object(key)).await
    }

    async fn object(&self, key: ObjectKey) -> Result<Option<StoredObject>, StoreError> {
        self.call("object", self.inner.object(key)).await
    }

    async fn objects(
        &self,
        account: AccountId,
        kind: ConfigKind,
        after: Option<String>,
        limit: u32,
    ) -> Result<Vec<StoredObject>, StoreError> {
        self.call("objects", self.inner.objects(account, kind, after, limit)).await
    }

    async fn find_object(&self, kind: ConfigKind, id: &str) -> Result<Option<StoredObject>, StoreError> {
        self.call("find_object", self.inner.find_object(kind, id)).await
    }

    async fn put_token(&self, token: StoredToken) -> Result<(), StoreError> {
        self.call("put_token", self.inner.put_token(token)).await
    }

    async fn put_first_token(&self, token: StoredToken) -> Result<Result<(), Refused>, StoreError> {
        self.call("put_first_token", self.inner.put_first_token(token)).await
    }

    async fn token(&self, sha256: [u8; 32]) -> Result<Option<StoredToken>, StoreError> {
        self.call("token", self.inner.token(sha256)).await
    }

    async fn tokens(&self, account: AccountId) -> Result<Vec<StoredToken>, StoreError> {
        self.call("tokens", self.inner.tokens(account)).await
    }

    async fn delete_token(&self, account: AccountId, id: CredentialId) -> Result<Result<(), Refused>, StoreError> {
        self.call("delete_token", self.inner.delete_token(account, id)).await
    }

    async fn put_ticket(&self, ticket: Ticket, now: Timestamp) -> Result<Result<(), Refused>, StoreError> {
        self.call("put_ticket", self.inner.put_ticket(ticket, now)).await
    }

    async fn take_ticket(&self, kind: &str, sha256: [u8; 32], now: Timestamp) -> Result<Option<Ticket>, StoreError> {
        self.call("take_ticket", self.inner.take_ticket(kind, sha256, now)).await
    }

    async fn idempotent(&self, account: AccountId, key: &str, now: Timestamp) -> Result<Option<([u8; 32], Bytes)>, StoreError> {
        self.call("idempotent", self.inner.idempotent(account, key, now)).await
    }

    async fn envelope(&self, account: AccountId, id: EnvelopeId) -> Result<Option<StoredEnvelope>, StoreError> {
        self.call("envelope", self.inner.envelope(account, id)).await
    }

    async fn envelopes(&self, query: EnvelopeQuery) -> Result<EnvelopePage, StoreError> {
        self.call("envelopes", self.inner.envelopes(query)).await
    }

    async fn purge_snapshots(&self, account: AccountId, envelope: EnvelopeId) -> Result<u64, StoreError> {
        self.call("purge_snapshots", self.inner.purge_snapshots(account, envelope)).await
    }

    async fn put_content(&self, account: AccountId, sha256: [u8; 32], bytes: Bytes, now: Timestamp) -> Result<(), StoreError> {
        self.call("put_content", self.inner.put_content(account, sha256, bytes, now)).await
    }

    async fn content(&self, account: AccountId, sha256: [u8; 32]) -> Result<Option<Bytes>, StoreError> {
        self.call("content", self.inner.content(account, sha256)).await
    }

    async fn sweep_contents(&self, before: Timestamp, rows_max: u32) -> Result<u64, StoreError> {
        self.call("sweep_contents", self.inner.sweep_contents(before, rows_max)).await
    }

    async fn claim_timers(&self, by: Incarnation, now: Timestamp, limit: u32) -> Result<Vec<Timer>, StoreError> {
        self.call("claim_timers", self.inner.claim_timers(by, now, limit)).await
    }

    async fn finish_timers(&self, by: Incarnation, timers: Vec<TimerId>) -> Result<(), StoreError> {
        self.call("finish_timers", self.inner.finish_timers(by, timers)).await
    }

    async fn next_timer(&self) -> Result<Option<Timestamp>, StoreError> {
        self.call("next_timer", self.inner.next_timer()).await
    }

    async fn create_job(&self, job: Job) -> Result<(), StoreError> {
        self.call("create_job", self.inner.create_job(job)).await
    }

    async fn claim_jobs(&self, by: Incarnation, now: Timestamp, limit: u32) -> Result<Vec<Job>, StoreError> {
        self.call("claim_jobs", self.inner.claim_jobs(by, now, limit)).await
    }

    async fn write_job(
        &self,
        by: Incarnation,
        id: JobId,
        state: JobState,
        progress: String,
        now: Timestamp,
    ) -> Result<Result<(), Refused>, StoreError> {
        self.call("write_job", self.inner.write_job(by, id, state, progress, now)).await
    }

    async fn cancel_job(&self, account: AccountId, id: JobId, now: Timestamp) -> Result<Result<(), Refused>, StoreError> {
        self.call("cancel_job", self.inner.cancel_job(account, id, now)).await
    }

    async fn job(&self, account: AccountId, id: JobId) -> Result<Option<Job>, StoreError> {
        self.call("job", self.inner.job(account, id)).await
    }

    async fn jobs(&self, account: AccountId, limit: u32) -> Result<Vec<Job>, StoreError> {
        self.call("jobs", self.inner.jobs(account, limit)).await
    }

    async fn event(&self, account: AccountId, id: EventId) -> Result<Option<Event>, StoreError> {
        self.call("event", self.inner.event(account, id)).await
    }

    async fn events(
        &self,
        account: AccountId,
        envelope: Option<EnvelopeId>,
        before: Option<EventId>,
        limit: u32,
    ) -> Result<Vec<Event>, StoreError> {
        self.call("events", self.inner.events(account, envelope, before, limit)).await
    }

    async fn deliveries(
        &self,
        account: AccountId,
        filter: DeliveryFilter,
        before: Option<DeliveryId>,
        limit: u32,
    ) -> Result<DeliveryPage, StoreError> {
        self.call("deliveries", self.inner.deliveries(account, filter, before, limit)).await
    }

    async fn delivery(&self, account: AccountId, id: DeliveryId) -> Result<Option<DeliveryDetail>, StoreError> {
        self.call("delivery", self.inner.delivery(account, id)).await
    }

    async fn act_on_deliveries(
        &self,
        account: AccountId,
        ids: Vec<DeliveryId>,
        action: DeliveryAction,
        now: Timestamp,
    ) -> Result<Vec<DeliveryId>, StoreError> {
        self.call("act_on_deliveries", self.inner.act_on_deliveries(account, ids, action, now)).await
    }

    async fn act_on_filter(
        &self,
        account: AccountId,
        filter: DeliveryFilter,
        action: DeliveryAction,
        now: Timestamp,
        rows_max: u32,
    ) -> Result<u32, StoreError> {
        self.call("act_on_filter", self.inner.act_on_filter(account, filter, action, now, rows_max)).await
    }

    async fn backlog(&self, account: Option<AccountId>, subscription: Option<SubscriptionId>) -> Result<Backlog, StoreError> {
        self.call("backlog", self.inner.backlog(account, subscription)).await
    }

    async fn retain(&self, retention: Retention, now: Timestamp) -> Result<Retained, StoreError> {
        self.call("retain", self.inner.retain(retention, now)).await
    }

    async fn health(&self) -> Result<Health, StoreError> {
        self.call("health", self.inner.health()).await
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}
