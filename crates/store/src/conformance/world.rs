//! What rows work with: a fresh store, ids, a clock that only moves when told, and makers of the usual values.

use std::{
    any::Any,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use countersign_core::{
    Timestamp,
    config::ConfigVersion,
    delivery::{Delivery, DeliveryState, Hold},
    event::{Event, EventDetail, EventName, Snapshot},
    id::{
        AccountGuid, AccountId, AttemptId, CredentialId, DeliveryId, EnvelopeId, EventId, IdSource, Incarnation, JobId, ListenerId,
        SubscriptionId, TimerId,
    },
    subscription::MessageShape,
};

use crate::{
    Store,
    claim::{Claim, Claimed, LaneQuota},
    envelopes::EnvelopeRow,
    objects::Object,
    query::{DeliveryDetail, DeliveryFilter},
    record::{EnvelopeChange, EnvelopeVersion, Record, Recorded},
    settle::{AttemptRow, Exchange, Next, Settlement},
};

/// The time at which every row begins.
pub const START: Timestamp = Timestamp::from_secs(1_763_800_000);
/// A life long enough for every row.
pub const LONG: Duration = Duration::from_secs(3_600);

/// What a backend's test makes for each row: an empty store, and whatever must live as long as it does.
pub struct Made {
    /// The store, empty.
    pub store: Arc<dyn Store>,
    /// A temporary folder, a server, ...
    pub keep: Box<dyn Any + Send>,
}

impl fmt::Debug for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Made").finish_non_exhaustive()
    }
}

/// A fresh store and makers of the usual values.
pub struct World {
    /// The store.
    pub store: Arc<dyn Store>,
    ids: IdSource,
    guids: AtomicU64,
    _keep: Box<dyn Any + Send>,
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World").finish_non_exhaustive()
    }
}

/// `seconds` after [`START`].
#[must_use]
pub fn at(seconds: u64) -> Timestamp {
    START + Duration::from_secs(seconds)
}

impl World {
    /// Around a fresh store.
    #[must_use]
    pub fn new(made: Made) -> Self {
        Self { store: made.store, ids: IdSource::new(1), guids: AtomicU64::new(1), _keep: made.keep }
    }

    fn raw(&self, now: Timestamp) -> u64 {
        self.ids.next(now)
    }

    fn guid(&self) -> uuid::Uuid {
        uuid::Uuid::from_u64_pair(0x00c0_ffee_0000_4000, 0x8000_0000_0000_0000 | self.guids.fetch_add(1, Ordering::Relaxed))
    }

    /// A new account.
    pub async fn account(&self) -> AccountId {
        let account = self.store.create_account(AccountGuid(self.guid()), "An account", START).await.expect("stored");
        account.expect("a new GUID").id
    }

    /// A new account-level subscription.
    pub async fn subscription(&self, account: AccountId) -> SubscriptionId {
        let id = self.store.next_subscription_ids(1).await.expect("ids")[0];
        self.store.put_subscription(account, id, object("{}"), true).await.expect("stored").expect("is new");
        id
    }

    /// An account with one subscription.
    pub async fn subscribed(&self) -> (AccountId, SubscriptionId) {
        let account = self.account().await;
        (account, self.subscription(account).await)
    }

    /// A node that lives for [`LONG`] from [`START`] on.
    pub async fn node(&self) -> Incarnation {
        self.store.register_node("a node", self.guids.fetch_add(1, Ordering::Relaxed), START, LONG).await.expect("stored").incarnation
    }

    /// The account's configuration version.
    pub async fn version(&self, account: AccountId) -> ConfigVersion {
        self.store.account(account).await.expect("read").expect("exists").1
    }

    /// An envelope's id.
    pub fn envelope_id(&self) -> EnvelopeId {
        EnvelopeId(self.guid())
    }

    /// A user's id.
    pub fn user_id(&self) -> countersign_core::id::UserId {
        countersign_core::id::UserId(self.guid())
    }

    /// A credential's id.
    pub fn credential_id(&self) -> CredentialId {
        CredentialId::from_raw(self.raw(START))
    }

    /// A timer's id.
    pub fn timer_id(&self) -> TimerId {
        TimerId::from_raw(self.raw(START))
    }

    /// A job's id.
    pub fn job_id(&self) -> JobId {
        JobId::from_raw(self.raw(START))
    }

    /// An event posted at [`START`].
    pub fn event(&self, account: AccountId) -> Event {
        self.event_at(account, START)
    }

    /// An event posted at a time.
    pub fn event_at(&self, account: AccountId, now: Timestamp) -> Event {
        Event {
            id: EventId::from_raw(self.raw(now)),
            account,
            name: EventName::try_new("invoice.paid").expect("a name"),
            at: now,
            user: None,
            envelope: None,
            detail: EventDetail::default(),
            snapshot: Snapshot::Posted(Bytes::from_static(br#"{"amount":1}"#)),
        }
    }

    /// A delivery of an event that waits and is due with it.
    pub fn delivery(&self, event: &Event, subscription: SubscriptionId, listener: i64) -> Delivery {
        Delivery {
            id: DeliveryId::from_raw(self.raw(event.at)),
            account: event.account,
            event: event.id,
            subscription,
            listener: ListenerId(listener),
            envelope: event.envelope,
            shape: MessageShape::JsonSim,
            generated_at: event.at,
            order_key: None,
            state: DeliveryState::Waiting { due_at: event.at, held: None },
            attempts_made: 0,
            retry_count: 0,
            schedule_started_at: event.at,
            attempts_before_schedule: 0,
            held_total: Duration::ZERO,
            replay_of: None,
        }
    }

    /// Records events and deliveries and expects both to be taken.
    pub async fn record(&self, events: Vec<Event>, deliveries: Vec<Delivery>) {
        let account = events.first().map(|event| event.account).or(deliveries.first().map(|d| d.account)).expect("something to record");
        let record = Record { events: events.into_iter().map(Arc::new).collect(), deliveries, ..record(account) };
        assert_eq!(self.store.record(vec![record]).await.expect("stored"), vec![Ok(Recorded::Fresh)]);
    }

    /// Records one event with one waiting delivery, both of [`START`].
    pub async fn waiting(&self, account: AccountId, subscription: SubscriptionId, listener: i64) -> Delivery {
        let event = self.event(account);
        let delivery = self.delivery(&event, subscription, listener);
        self.record(vec![event], vec![delivery.clone()]).await;
        delivery
    }

    /// Records one event with one delivery in this state.
    pub async fn recorded_as(&self, account: AccountId, subscription: SubscriptionId, listener: i64, state: DeliveryState) -> Delivery {
        let event = self.event(account);
        let delivery = Delivery { state, ..self.delivery(&event, subscription, listener) };
        self.record(vec![event], vec![delivery.clone()]).await;
        delivery
    }

    /// Records a waiting delivery under an order key.
    pub async fn ordered(&self, account: AccountId, subscription: SubscriptionId, listener: i64, key: i64) -> Delivery {
        let event = self.event(account);
        let delivery = Delivery { order_key: Some(key), ..self.delivery(&event, subscription, listener) };
        self.record(vec![event], vec![delivery.clone()]).await;
        delivery
    }

    /// Claims up to `count` of one lane.
    pub async fn claim(&self, by: Incarnation, now: Timestamp, listener: i64, count: u32) -> Vec<Claimed> {
        self.store.claim_due(claim(by, now, &[(listener, count)])).await.expect("claimed")
    }

    /// Claims one lane and answers the ids.
    pub async fn claim_ids(&self, by: Incarnation, now: Timestamp, listener: i64, count: u32) -> Vec<DeliveryId> {
        self.claim(by, now, listener, count).await.into_iter().map(|claimed| claimed.delivery.id).collect()
    }

    /// An attempt that began at a time.
    pub fn attempt(&self, started_at: Timestamp, class: &str, status: Option<u16>) -> AttemptRow {
        AttemptRow {
            id: AttemptId::from_raw(self.raw(started_at)),
            started_at,
            elapsed_us: 1_234,
            retry_count: 0,
            class: class.to_owned(),
            status,
            error: (class != "accepted").then(|| format!("it was {class}")),
            counted: true,
            exchange: Exchange {
                url: "https://listener.example/hook".into(),
                request_headers: [("content-type", "application/json")].into_iter().collect(),
                body_sha256: "00".repeat(32),
                body_bytes: 12,
                ..Exchange::default()
            },
            answer_head: Bytes::from_static(b"ok"),
        }
    }

    /// A settlement of a first attempt that was answered 200, or failed, as `next` says.
    pub fn settlement(&self, delivery: &Delivery, by: Incarnation, now: Timestamp, next: Next) -> Settlement {
        let attempt = match next {
            Next::Delivered => self.attempt(now, "accepted", Some(200)),
            _ => self.attempt(now, "http_5xx", Some(503)),
        };
        Settlement {
            delivery: delivery.id,
            subscription: delivery.subscription,
            by,
            now,
            attempt: Some(Arc::new(attempt)),
            attempts_made: delivery.attempts_made + 1,
            retry_count: delivery.retry_count + 1,
            next,
            is_followed: false,
        }
    }

    /// Settles one delivery and expects it to be taken.
    pub async fn settle(&self, delivery: &Delivery, by: Incarnation, now: Timestamp, next: Next) {
        let settlement = self.settlement(delivery, by, now, next);
        assert_eq!(self.store.settle(vec![settlement]).await.expect("stored"), vec![Ok(())]);
    }

    /// A delivery as it is stored.
    pub async fn read(&self, delivery: &Delivery) -> DeliveryDetail {
        self.store.delivery(delivery.account, delivery.id).await.expect("read").expect("exists")
    }

    /// The state of a delivery as it is stored.
    pub async fn state(&self, delivery: &Delivery) -> DeliveryState {
        self.read(delivery).await.listed.delivery.state
    }

    /// The ids of a list's first page.
    pub async fn listed(&self, account: AccountId, filter: DeliveryFilter) -> Vec<DeliveryId> {
        let page = self.store.deliveries(account, filter, None, 100).await.expect("read");
        page.deliveries.into_iter().map(|listed| listed.delivery.id).collect()
    }

    /// A new envelope's row.
    pub fn envelope_row(&self, account: AccountId) -> EnvelopeRow {
        EnvelopeRow {
            id: self.envelope_id(),
            account,
            status: "created".into(),
            sender: None,
            created_at: START,
            sent_at: None,
            completed_at: None,
            status_changed_at: START,
            changed_at: START,
            expires_at: None,
            subject: "Please sign".into(),
            folder: "draft".into(),
            transaction_id: None,
            search_text: "please sign\nann example\n".into(),
            custom_fields: String::new(),
            contents: Vec::new(),
            body: Bytes::from_static(b"{\"status\":\"created\"}"),
        }
    }

    /// Stores an envelope and expects it to be taken.
    pub async fn put_envelope(&self, row: EnvelopeRow, read: Option<EnvelopeVersion>) {
        let record = Record { envelope: Some(EnvelopeChange { read, row: row.clone(), timers: Vec::new() }), ..record(row.account) };
        assert_eq!(self.store.record(vec![record]).await.expect("stored"), vec![Ok(Recorded::Fresh)]);
    }
}

/// A record of nothing, to be filled.
pub(super) fn record(account: AccountId) -> Record {
    Record {
        account,
        config: None,
        envelope: None,
        events: Vec::new(),
        deliveries: Vec::new(),
        subscriptions: Vec::new(),
        idempotency: None,
    }
}

/// An object without secrets.
pub(super) fn object(body: &str) -> Object {
    Object { body: body.to_owned(), secrets: countersign_core::config::Secrets::new(), contents: Vec::new() }
}

/// A claim of some lanes without a limit on bytes.
pub(super) fn claim(by: Incarnation, now: Timestamp, lanes: &[(i64, u32)]) -> Claim {
    let lanes = lanes.iter().map(|&(listener, count)| LaneQuota { listener: ListenerId(listener), count }).collect();
    Claim { by, now, lanes, bytes_max: usize::MAX }
}

/// Waiting, not held.
pub(super) fn waiting_until(due_at: Timestamp) -> DeliveryState {
    DeliveryState::Waiting { due_at, held: None }
}

/// Waiting and held.
pub(super) fn held(due_at: Timestamp, hold: Hold) -> DeliveryState {
    DeliveryState::Waiting { due_at, held: Some(hold) }
}
