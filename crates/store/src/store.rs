//! The [`Store`] trait.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use countersign_core::{
    Timestamp,
    account::Account,
    config::{ConfigKind, ConfigVersion},
    delivery::Hold,
    event::Event,
    id::{AccountGuid, AccountId, CredentialId, DeliveryId, EnvelopeId, EventId, Incarnation, JobId, SubscriptionId, TimerId},
};

use crate::{
    Refused, StoreError,
    breaker::{BreakerChange, OpenBreaker},
    claim::{Claim, Claimed, DueListener, HeldSubscription, Release},
    envelopes::{EnvelopePage, EnvelopeQuery, StoredEnvelope},
    job::{Job, JobState},
    objects::{Object, ObjectKey, StoredObject, StoredToken, Ticket},
    query::{Backlog, DeliveryAction, DeliveryDetail, DeliveryFilter, DeliveryPage, Health, NodeRow, Retained, Retention},
    record::{Record, Recorded},
    settle::Settlement,
    timer::Timer,
};

/// A batch's answers, one per item in order.
pub type Each<T> = Vec<Result<T, Refused>>;

/// Everything Countersign keeps. All methods may be called from any task and any number of processes (as far as the backend allows);
/// an `Ok` of a writing method means stable storage.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    // --- the path of an event ---

    /// Records changes; see [`Record`]. Calls that arrive together share one fsync; a bad item fails alone.
    async fn record(&self, records: Vec<Record>) -> Result<Each<Recorded>, StoreError>;

    /// Listeners with something due at `now`, in order of id after `after`, at most `limit`. Cheap with any number of rows.
    async fn due_listeners(
        &self,
        now: Timestamp,
        after: Option<countersign_core::id::ListenerId>,
        limit: u32,
    ) -> Result<Vec<DueListener>, StoreError>;

    /// The earliest due time of anything waiting (not held), so that a worker knows when to look again.
    async fn next_due(&self) -> Result<Option<Timestamp>, StoreError>;

    /// Waits for a hint that another process made a delivery free for whoever has room. A hint may get lost, or come for nothing: whoever waits
    /// looks by itself from time to time. One caller at a time is woken. A store of one process never hints.
    async fn wait_for_hint(&self) {
        std::future::pending().await
    }

    /// Leases due deliveries of the lanes named, oldest due first within a lane; those of dead incarnations included. Of deliveries that
    /// share an order key only the first unfinished one is given.
    async fn claim_due(&self, claim: Claim) -> Result<Vec<Claimed>, StoreError>;

    /// Settles leased deliveries; see [`Settlement`].
    async fn settle(&self, settlements: Vec<Settlement>) -> Result<Each<()>, StoreError>;

    /// Gives leased deliveries back as they were, due at `due_at`, with an optional hold; no attempt is written. Lost leases are passed over.
    async fn give_back(
        &self,
        by: Incarnation,
        deliveries: Vec<DeliveryId>,
        due_at: Timestamp,
        held: Option<Hold>,
    ) -> Result<(), StoreError>;

    /// Gives leased deliveries back as they were, due when they were due, to wait for another lane. Lost leases are passed over.
    async fn reroute(&self, by: Incarnation, deliveries: Vec<DeliveryId>, lane: countersign_core::id::ListenerId)
    -> Result<(), StoreError>;

    /// Lets held deliveries go; answers how many rows were released.
    async fn release(&self, release: Release) -> Result<u32, StoreError>;

    /// Subscriptions with held deliveries, each with one of its reasons, in order of (subscription, reason) after `after`, at most `limit`.
    /// Cheap with any number of held rows: whoever resumes a subscription need not remember it.
    async fn held_subscriptions(&self, after: Option<(SubscriptionId, Hold)>, limit: u32) -> Result<Vec<HeldSubscription>, StoreError>;

    // --- nodes ---

    /// Registers a life of a node for `ttl` and gives it a free number. Expired rows of others with nothing leased are cleared away.
    async fn register_node(&self, name: &str, incarnation_seed: u64, now: Timestamp, ttl: Duration) -> Result<NodeRow, StoreError>;

    /// Extends it; [`Refused::LeaseLost`] when it had expired and was cleared or claimed from.
    async fn renew_node(&self, incarnation: Incarnation, now: Timestamp, ttl: Duration) -> Result<Result<(), Refused>, StoreError>;

    /// Ends it: whatever it still leases is claimable at once.
    async fn retire_node(&self, incarnation: Incarnation, now: Timestamp) -> Result<(), StoreError>;

    /// All nodes known.
    async fn nodes(&self) -> Result<Vec<NodeRow>, StoreError>;

    /// Tells the other nodes what became of breakers of this one, at most one change for each listener, and hears which are open
    /// anywhere; see [`crate::breaker`]. At most [`crate::breaker::OPEN_MAX`], those that may be probed last first.
    async fn share_breakers(&self, changes: Vec<BreakerChange>, now: Timestamp) -> Result<Vec<OpenBreaker>, StoreError>;

    // --- accounts and their configuration ---

    /// Makes an account; its id is given by the store, from 10000001.
    async fn create_account(&self, guid: AccountGuid, name: &str, now: Timestamp) -> Result<Result<Account, Refused>, StoreError>;

    /// As [`Store::create_account`] while there is no account at all; [`Refused::Exists`] once there is any. So of nodes that start on an empty
    /// store at the same time one makes the account.
    async fn create_first_account(&self, guid: AccountGuid, name: &str, now: Timestamp) -> Result<Result<Account, Refused>, StoreError>;

    /// Overwrites the account's own record (name, domains, time zone); raises the version.
    async fn update_account(&self, account: Account) -> Result<Result<(), Refused>, StoreError>;

    /// All accounts, by id.
    async fn accounts(&self) -> Result<Vec<Account>, StoreError>;

    /// One account and its configuration's version.
    async fn account(&self, id: AccountId) -> Result<Option<(Account, ConfigVersion)>, StoreError>;

    /// Finds an account by its GUID.
    async fn account_by_guid(&self, guid: AccountGuid) -> Result<Option<Account>, StoreError>;

    /// The present versions of these accounts (a cache asks this to see whether it is stale).
    async fn config_versions(&self, accounts: Vec<AccountId>) -> Result<Vec<(AccountId, ConfigVersion)>, StoreError>;

    /// Fresh subscription ids from the sequence.
    async fn next_subscription_ids(&self, count: u32) -> Result<Vec<SubscriptionId>, StoreError>;

    /// Writes an account-level subscription; `create` refuses an existing one, otherwise a missing one is refused. Raises the version.
    async fn put_subscription(
        &self,
        account: AccountId,
        id: SubscriptionId,
        object: Object,
        create: bool,
    ) -> Result<Result<ConfigVersion, Refused>, StoreError>;

    /// Overwrites a subscription of either level whose stored body still has this `revision` (0 where it has none);
    /// [`Refused::WrongState`] when it has another by now. Raises the version.
    async fn put_subscription_at(
        &self,
        account: AccountId,
        id: SubscriptionId,
        object: Object,
        revision: u64,
    ) -> Result<Result<ConfigVersion, Refused>, StoreError>;

    /// Deletes a subscription and cancels what waits for it (leased ones end with their attempt). Raises the version.
    async fn delete_subscription(
        &self,
        account: AccountId,
        id: SubscriptionId,
        now: Timestamp,
    ) -> Result<Result<ConfigVersion, Refused>, StoreError>;

    /// Account-level subscriptions with the version they belong to, read as one.
    async fn subscriptions(&self, account: AccountId) -> Result<(ConfigVersion, Vec<(SubscriptionId, Object)>), StoreError>;

    /// One subscription of either level, of any account.
    async fn subscription(&self, id: SubscriptionId) -> Result<Option<(AccountId, Object)>, StoreError>;

    /// The subscriptions of one envelope.
    async fn envelope_subscriptions(&self, account: AccountId, envelope: EnvelopeId) -> Result<Vec<(SubscriptionId, Object)>, StoreError>;

    /// Writes an object. `read` is the revision that was read: `None` overwrites or creates, `Some(0)` only creates. Raises the account's
    /// version when the kind is hot ([`ConfigKind::is_hot`]).
    async fn put_object(&self, key: ObjectKey, object: Object, read: Option<i64>) -> Result<Result<i64, Refused>, StoreError>;

    /// Deletes an object.
    async fn delete_object(&self, key: ObjectKey) -> Result<Result<(), Refused>, StoreError>;

    /// One object.
    async fn object(&self, key: ObjectKey) -> Result<Option<StoredObject>, StoreError>;

    /// Objects of a kind, by id after `after`, at most `limit`.
    async fn objects(
        &self,
        account: AccountId,
        kind: ConfigKind,
        after: Option<String>,
        limit: u32,
    ) -> Result<Vec<StoredObject>, StoreError>;

    /// Finds an object of any account by its id, for kinds whose ids are GUIDs (integration keys, users).
    async fn find_object(&self, kind: ConfigKind, id: &str) -> Result<Option<StoredObject>, StoreError>;

    // --- credentials of the API ---

    /// Keeps a token.
    async fn put_token(&self, token: StoredToken) -> Result<(), StoreError>;

    /// Keeps a token of an account that has none; [`Refused::Exists`] when it has one.
    async fn put_first_token(&self, token: StoredToken) -> Result<Result<(), Refused>, StoreError>;

    /// Finds a token by its hash, expired ones included.
    async fn token(&self, sha256: [u8; 32]) -> Result<Option<StoredToken>, StoreError>;

    /// The account's tokens, newest first, at most 1,000.
    async fn tokens(&self, account: AccountId) -> Result<Vec<StoredToken>, StoreError>;

    /// Revokes a token.
    async fn delete_token(&self, account: AccountId, id: CredentialId) -> Result<Result<(), Refused>, StoreError>;

    /// Keeps a ticket; [`Refused::Exists`] when one with its hash lives.
    async fn put_ticket(&self, ticket: Ticket, now: Timestamp) -> Result<Result<(), Refused>, StoreError>;

    /// Takes a live ticket of a kind: only one caller gets it.
    async fn take_ticket(&self, kind: &str, sha256: [u8; 32], now: Timestamp) -> Result<Option<Ticket>, StoreError>;

    /// The remembered answer of an idempotency key, with the hash of its request.
    async fn idempotent(&self, account: AccountId, key: &str, now: Timestamp) -> Result<Option<([u8; 32], Bytes)>, StoreError>;

    // --- envelopes and contents ---

    /// One envelope.
    async fn envelope(&self, account: AccountId, id: EnvelopeId) -> Result<Option<StoredEnvelope>, StoreError>;

    /// A list of envelopes.
    async fn envelopes(&self, query: EnvelopeQuery) -> Result<EnvelopePage, StoreError>;

    /// Removes the snapshots of an envelope's events (purge): their deliveries that have not been sent become unrenderable.
    async fn purge_snapshots(&self, account: AccountId, envelope: EnvelopeId) -> Result<u64, StoreError>;

    /// Keeps content under its SHA-256, in chunks; once for any number of users. Done before the `record` that refers to it.
    async fn put_content(&self, account: AccountId, sha256: [u8; 32], bytes: Bytes, now: Timestamp) -> Result<(), StoreError>;

    /// Content by its SHA-256; verified against it, [`StoreError::Damaged`] when it does not fit.
    async fn content(&self, account: AccountId, sha256: [u8; 32]) -> Result<Option<Bytes>, StoreError>;

    /// Deletes content that no envelope row or template refers to and that is older than `before`; answers how many.
    async fn sweep_contents(&self, before: Timestamp, rows_max: u32) -> Result<u64, StoreError>;

    // --- timers and jobs ---

    /// Leases due timers.
    async fn claim_timers(&self, by: Incarnation, now: Timestamp, limit: u32) -> Result<Vec<Timer>, StoreError>;

    /// Forgets timers that were done (a `record` that set new timers of the envelope has replaced them already).
    async fn finish_timers(&self, by: Incarnation, timers: Vec<TimerId>) -> Result<(), StoreError>;

    /// When the next timer is due.
    async fn next_timer(&self) -> Result<Option<Timestamp>, StoreError>;

    /// Keeps a new job.
    async fn create_job(&self, job: Job) -> Result<(), StoreError>;

    /// Leases running jobs that nobody living holds.
    async fn claim_jobs(&self, by: Incarnation, now: Timestamp, limit: u32) -> Result<Vec<Job>, StoreError>;

    /// Writes a job's progress and state; [`Refused::LeaseLost`] when another holds it, [`Refused::WrongState`] when it was cancelled.
    async fn write_job(
        &self,
        by: Incarnation,
        id: JobId,
        state: JobState,
        progress: String,
        now: Timestamp,
    ) -> Result<Result<(), Refused>, StoreError>;

    /// Stops a running job.
    async fn cancel_job(&self, account: AccountId, id: JobId, now: Timestamp) -> Result<Result<(), Refused>, StoreError>;

    /// One job.
    async fn job(&self, account: AccountId, id: JobId) -> Result<Option<Job>, StoreError>;

    /// The account's jobs, newest first.
    async fn jobs(&self, account: AccountId, limit: u32) -> Result<Vec<Job>, StoreError>;

    // --- reading deliveries ---

    /// One event with its snapshot.
    async fn event(&self, account: AccountId, id: EventId) -> Result<Option<Event>, StoreError>;

    /// The account's events, newest first, before `before`, optionally of one envelope; snapshots are left empty.
    async fn events(
        &self,
        account: AccountId,
        envelope: Option<EnvelopeId>,
        before: Option<EventId>,
        limit: u32,
    ) -> Result<Vec<Event>, StoreError>;

    /// A page of deliveries, newest first.
    async fn deliveries(
        &self,
        account: AccountId,
        filter: DeliveryFilter,
        before: Option<DeliveryId>,
        limit: u32,
    ) -> Result<DeliveryPage, StoreError>;

    /// One delivery with its attempts.
    async fn delivery(&self, account: AccountId, id: DeliveryId) -> Result<Option<DeliveryDetail>, StoreError>;

    /// Acts on deliveries by id, at most 1,000; answers which were changed.
    async fn act_on_deliveries(
        &self,
        account: AccountId,
        ids: Vec<DeliveryId>,
        action: DeliveryAction,
        now: Timestamp,
    ) -> Result<Vec<DeliveryId>, StoreError>;

    /// Acts on all deliveries that fit a filter, oldest first, at most `rows_max` in one call; answers how many were changed (0 means done).
    async fn act_on_filter(
        &self,
        account: AccountId,
        filter: DeliveryFilter,
        action: DeliveryAction,
        now: Timestamp,
        rows_max: u32,
    ) -> Result<u32, StoreError>;

    /// How much waits, of one account, one of its subscriptions, or all.
    async fn backlog(&self, account: Option<AccountId>, subscription: Option<SubscriptionId>) -> Result<Backlog, StoreError>;

    // --- upkeep ---

    /// Deletes what retention allows, in small steps: deliveries, events, jobs; also expired tickets, tokens and idempotency keys.
    async fn retain(&self, retention: Retention, now: Timestamp) -> Result<Retained, StoreError>;

    /// The store's own health.
    async fn health(&self) -> Result<Health, StoreError>;

    /// Ends the writer after what is queued; later calls answer [`StoreError::Unavailable`].
    async fn close(&self);
}
