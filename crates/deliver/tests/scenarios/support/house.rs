//! A real store behind a faulty one, an account, and workers over it.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use countersign_core::{
    Timestamp,
    delivery::{Delivery, DeliveryState},
    event::{Event, EventDetail, EventName, Snapshot},
    id::{AccountGuid, AccountId, DeliveryId, EventId, IdSource, ListenerId, SubscriptionId},
    shape::MessageShape,
    subscription::{Activity, EventPattern, Pace, Proofs, Scope, Subscription, Users, WantedEvents},
};
use countersign_deliver::{Clock, Dice, Settings, Worker, execute::Execute};
use countersign_store::{
    Store,
    objects::Object,
    query::DeliveryDetail,
    record::{Record, Recorded},
    settle::Settlement,
    sqlite::{self, SqliteStore},
};
use countersign_testkit::FaultyStore;
use tokio::{sync::watch, time::Instant};

/// When every scenario begins.
pub(crate) const START: Timestamp = Timestamp::from_secs(1_763_800_000);
/// How long a scenario waits for what must happen, on tokio's clock.
const PATIENCE: Duration = Duration::from_secs(120);

/// A store with an account.
pub(crate) struct House {
    pub(crate) store: Arc<FaultyStore>,
    pub(crate) account: AccountId,
    pub(crate) ids: Arc<IdSource>,
    clock: Clock,
    _folder: tempfile::TempDir,
}

/// What was settled, as it was written, and whether it stood.
pub(crate) type Settled = Vec<(Settlement, bool)>;

/// A worker and what it has settled.
pub(crate) struct Running {
    pub(crate) worker: Worker,
    settled: watch::Receiver<Settled>,
}

impl House {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let settings = sqlite::Settings { reserve_bytes: 0, readers: 1, ..sqlite::Settings::new(folder.path()) };
        let real: Arc<dyn Store> = Arc::new(SqliteStore::open(settings).expect("opens"));
        let store = FaultyStore::before(real);
        let account = store.create_account(AccountGuid(uuid::Uuid::from_u128(7)), "One", START).await.expect("stored").expect("new").id;
        let began = Instant::now();
        let clock: Clock = Arc::new(move || START + began.elapsed());
        Self { store, account, ids: Arc::new(IdSource::new(1_000)), clock, _folder: folder }
    }

    /// The time, which goes with tokio's clock.
    pub(crate) fn now(&self) -> Timestamp {
        (self.clock)()
    }

    pub(crate) fn clock(&self) -> Clock {
        Arc::clone(&self.clock)
    }

    /// Another clock, before anything works by it.
    pub(crate) fn set_clock(&mut self, clock: Clock) {
        self.clock = clock;
    }

    /// The subscription as it is stored.
    pub(crate) async fn stored(&self, id: SubscriptionId) -> Subscription {
        self.store.subscription(id).await.expect("read").expect("exists").1.read().expect("a subscription")
    }

    /// A subscription that wants everything, and whose messages go to `url`.
    pub(crate) async fn subscribe(&self, url: &str, pace: Pace) -> Subscription {
        let id = self.store.next_subscription_ids(1).await.expect("ids")[0];
        let subscription = Subscription {
            id,
            account: self.account,
            scope: Scope::Account,
            name: "everything".into(),
            url: url.parse().expect("a URL"),
            activity: Activity::Active,
            paused: false,
            users: Users::All,
            events: WantedEvents { patterns: vec![EventPattern::try_new("*").expect("a pattern")], ..WantedEvents::default() },
            shape: MessageShape::JsonSim,
            include: BTreeSet::new(),
            proofs: Proofs::default(),
            pace,
            headers: Vec::new(),
            require_acknowledgement: true,
            log: true,
            created_at: START,
            failing_since: None,
            times_gone: 0,
            revision: 0,
            extra: serde_json::Map::new(),
        };
        self.put(&subscription, true).await;
        subscription
    }

    /// Saves a subscription.
    pub(crate) async fn put(&self, subscription: &Subscription, create: bool) {
        let object = Object::of(subscription).expect("an object");
        self.store.put_subscription(self.account, subscription.id, object, create).await.expect("stored").expect("accepted");
    }

    /// A posted event with so many bytes of data.
    pub(crate) fn event(&self, bytes: usize) -> Event {
        let now = self.now();
        Event {
            id: EventId::from_raw(self.ids.next(now)),
            account: self.account,
            name: EventName::try_new("invoice.paid").expect("a name"),
            at: now,
            user: None,
            envelope: None,
            detail: EventDetail::default(),
            snapshot: Snapshot::Posted(Bytes::from(format!("\"{}\"", "x".repeat(bytes.saturating_sub(2))))),
        }
    }

    /// A delivery of an event that waits in a lane and is due.
    pub(crate) fn delivery(&self, event: &Event, subscription: SubscriptionId, lane: ListenerId) -> Delivery {
        let now = self.now();
        Delivery {
            id: DeliveryId::from_raw(self.ids.next(now)),
            account: self.account,
            event: event.id,
            subscription,
            listener: lane,
            envelope: None,
            shape: MessageShape::JsonSim,
            generated_at: now,
            order_key: None,
            state: DeliveryState::Waiting { due_at: now, held: None },
            attempts_made: 0,
            retry_count: 0,
            schedule_started_at: now,
            attempts_before_schedule: 0,
            held_total: Duration::ZERO,
            replay_of: None,
        }
    }

    /// Records an event with its deliveries.
    pub(crate) async fn record(&self, event: Event, deliveries: Vec<Delivery>) {
        let record = Record {
            account: self.account,
            config: None,
            envelope: None,
            events: vec![event.into()],
            deliveries,
            subscriptions: Vec::new(),
            idempotency: None,
        };
        assert_eq!(self.store.record(vec![record]).await, Ok(vec![Ok(Recorded::Fresh)]));
    }

    /// Records events of ten bytes, each with a delivery that waits in a lane.
    pub(crate) async fn waiting(&self, subscription: SubscriptionId, lane: ListenerId, count: usize) -> Vec<Delivery> {
        let mut all = Vec::with_capacity(count);
        for _ in 0..count {
            let event = self.event(10);
            let delivery = self.delivery(&event, subscription, lane);
            self.record(event, vec![delivery.clone()]).await;
            all.push(delivery);
        }
        all
    }

    /// A worker over the house's store.
    pub(crate) async fn work(&self, executor: Arc<dyn Execute>, settings: Settings) -> Running {
        self.work_over(Arc::clone(&self.store) as Arc<dyn Store>, executor, settings).await
    }

    /// A worker over another way to the store. Registering is tried until it is taken, as an operator would.
    pub(crate) async fn work_over(&self, store: Arc<dyn Store>, executor: Arc<dyn Execute>, settings: Settings) -> Running {
        static DICE: AtomicU32 = AtomicU32::new(1);
        let dice: Dice = Arc::new(|| DICE.fetch_add(1, Ordering::Relaxed));
        loop {
            let (told, settled) = watch::channel(Settled::new());
            let tell = move |settlement: &Settlement, stood: bool| told.send_modify(|all| all.push((settlement.clone(), stood)));
            let (store, executor) = (Arc::clone(&store), Arc::clone(&executor));
            let started = Worker::start(store, executor, "a node".into(), settings.clone(), self.clock(), Arc::clone(&dice), tell).await;
            if let Ok(worker) = started {
                return Running { worker, settled };
            }
        }
    }

    /// A delivery as it is stored, with its attempts.
    pub(crate) async fn read(&self, id: DeliveryId) -> DeliveryDetail {
        self.store.delivery(self.account, id).await.expect("read").expect("exists")
    }

    /// The state of a delivery as it is stored.
    pub(crate) async fn state(&self, id: DeliveryId) -> DeliveryState {
        self.read(id).await.listed.delivery.state
    }
}

impl Running {
    /// What has been settled up to now.
    pub(crate) fn settled(&self) -> Settled {
        self.settled.borrow().clone()
    }

    /// Waits until what has been settled is as wanted.
    pub(crate) async fn wait_until(&mut self, what: &str, mut wanted: impl FnMut(&Settled) -> bool) {
        let found = tokio::time::timeout(PATIENCE, self.settled.wait_for(|settled| wanted(settled))).await.is_ok();
        assert!(found, "waited in vain until {what}; {} settlements were written", self.settled().len());
    }

    /// Waits for the next settlement, a second at most.
    pub(crate) async fn wait_a_second_or_for_news(&mut self) {
        let _ = tokio::time::timeout(Duration::from_secs(1), self.settled.changed()).await;
    }

    /// Waits until so many settlements were written.
    pub(crate) async fn wait_for(&mut self, count: usize) {
        self.wait_until("enough is settled", |settled| settled.iter().filter(|(_, stood)| *stood).count() >= count).await;
    }
}
