//! A subscription that only fails: what the account is told, and when it is disabled, paused, and well again.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use countersign_core::{
    Timestamp,
    id::SubscriptionId,
    retry::RetryProfile,
    subscription::{Activity, EventPattern, Pace, Subscription, WantedEvents},
};
use countersign_deliver::{Clock, Settings};
use countersign_store::{
    Store,
    query::{DeliveryAction, DeliveryFilter},
};
use countersign_testkit::{Answer, Listener};
use serde_json::Value;

use crate::support::{
    house::{House, Running, START, Settled},
    wire,
};

const DAY: Duration = Duration::from_secs(24 * 3600);
/// What is attempted together is under way together: the answers come this much later.
const LATE: Duration = Duration::from_millis(300);

/// A house whose days pass when told.
struct Story {
    house: House,
    /// Days added to the clock, in microseconds.
    ahead: Arc<AtomicI64>,
    failing: Subscription,
    /// Another one of the same listener, which works.
    working: Subscription,
    bad: Listener,
    good: Listener,
    running: Running,
}

impl Story {
    /// A subscription whose listener is down, and one that hears of news.
    async fn begin(bad: Answer) -> Self {
        let mut house = House::new().await;
        let ahead = Arc::new(AtomicI64::new(0));
        let (base, moved) = (house.clock(), Arc::clone(&ahead));
        let clock: Clock = Arc::new(move || Timestamp::from_micros(base().as_micros() + moved.load(Ordering::SeqCst)));
        house.set_clock(clock);
        let (listener, good) = (Listener::start().await, Listener::start().await);
        // Repeated only when a person asks.
        let pace = Pace { retry: Some(RetryProfile::Gaps(vec![DAY * 365; 90])), ..Pace::default() };
        // It wants everything, news included.
        let failing = house.subscribe(&listener.url("/bad"), pace).await;
        let mut news = house.subscribe(&good.url("/news"), Pace::default()).await;
        news.events =
            WantedEvents { patterns: vec![EventPattern::try_new("countersign.*").expect("a pattern")], ..WantedEvents::default() };
        house.put(&news, false).await;
        let mut working = house.subscribe(&listener.url("/fine"), Pace::default()).await;
        working.events = WantedEvents::default();
        house.put(&working, false).await;
        let running = work(&house).await;
        let story = Self { house, ahead, failing, working, bad: listener, good, running };
        story.answer(bad);
        story
    }

    /// What the listener answers from now on, a little late.
    fn answer(&self, answer: Answer) {
        let late = answer.delay(LATE);
        self.bad.answer_with(move |request| if request.path == "/fine" { Answer::ok() } else { late.clone() });
    }

    /// With some answers the lane grows, so that what comes next is under way together. It forgets that as the days pass.
    async fn warm_up(&mut self) {
        self.attempted(self.working.id, 6).await;
    }

    /// First attempts of so many deliveries.
    async fn attempted(&mut self, id: SubscriptionId, count: usize) {
        let before = settled_of(&self.running.settled(), id);
        let lane = self.failing.lane(None);
        self.house.waiting(id, lane, count).await;
        self.running.worker.hand_over().wake(lane);
        self.running.wait_until("they are attempted", |settled| settled_of(settled, id) >= before + count).await;
    }

    fn pass(&self, time: Duration) {
        self.ahead.fetch_add(i64::try_from(time.as_micros()).expect("a time"), Ordering::SeqCst);
    }

    /// One more attempt of everything that has failed, all at once.
    async fn attempt(&mut self) {
        self.warm_up().await;
        let id = self.failing.id;
        let failures = DeliveryFilter { failures: true, subscription: Some(id), ..DeliveryFilter::default() };
        let before = settled_of(&self.running.settled(), id);
        let changed = self.house.store.act_on_filter(self.house.account, failures, DeliveryAction::Retry, self.house.now(), 100).await;
        let changed = changed.expect("done") as usize;
        assert!(changed > 0, "something has failed");
        self.running.worker.hand_over().wake(self.failing.lane(None));
        self.running.wait_until("all are attempted again", |settled| settled_of(settled, id) >= before + changed).await;
    }

    /// First attempts of some deliveries, all at once.
    async fn deliver(&mut self, count: usize) {
        self.warm_up().await;
        self.attempted(self.failing.id, count).await;
    }

    async fn news(&self, count: usize) -> Vec<Value> {
        let received = self.good.wait_for(count).await;
        received.iter().map(|received| serde_json::from_slice(&received.body).expect("JSON")).collect()
    }

    /// Names of the account's events about the subscription, oldest first.
    async fn told(&self) -> Vec<String> {
        let events = self.house.store.events(self.house.account, None, None, 1_000).await.expect("read");
        let about = events.iter().rev().filter(|event| event.detail.about == Some(self.failing.id));
        about.map(|event| event.name.as_str().strip_prefix("countersign.subscription-").expect("ours").to_owned()).collect()
    }

    async fn stored(&self) -> Subscription {
        self.house.stored(self.failing.id).await
    }
}

fn settled_of(settled: &Settled, id: SubscriptionId) -> usize {
    settled.iter().filter(|(settlement, _)| settlement.subscription == id).count()
}

/// A worker that renews its lease so often that days may pass.
async fn work(house: &House) -> Running {
    let settings = Settings { renew: Duration::from_millis(20), poll: Duration::from_millis(50), ..Settings::default() };
    house.work(wire::attempts(house, &settings), settings).await
}

#[tokio::test]
async fn the_account_hears_once_after_seven_and_twelve_days_and_at_the_end() {
    let mut story = Story::begin(Answer::status(500)).await;
    // Several, so that attempts race at each stage.
    story.deliver(4).await;
    story.pass(Duration::from_secs(11 * 60));
    story.attempt().await;
    let since = story.stored().await.failing_since.expect("it is written down");
    assert!(since.since(START) < DAY);
    for (days, told) in
        [(6, &[][..]), (8, &["failing"]), (9, &["failing"]), (13, &["failing", "failing"]), (15, &["failing", "failing", "disabled"])]
    {
        let now = story.house.now();
        story.pass((since + DAY * days).since(now));
        story.attempt().await;
        assert_eq!(story.told().await, told, "after {days} days");
        assert_eq!(matches!(story.stored().await.activity, Activity::Disabled { .. }), days == 15, "after {days} days");
    }
    let news = story.news(3).await;
    assert_eq!(news[0]["event"], "countersign.subscription-failing");
    assert_eq!((&news[0]["data"]["days"], &news[1]["data"]["days"], &news[2]["data"]["days"]), (&8.into(), &13.into(), &15.into()));
    assert_eq!(news[2]["event"], "countersign.subscription-disabled");
    assert!(news.iter().all(|news| news["data"]["subscriptionId"] == story.failing.id.to_string()), "{news:?}");
    assert!(news[0]["data"]["nextStep"].as_str().is_some_and(|next| next.starts_with("it is disabled at")), "{news:?}");
    // It wants everything and does not hear of itself.
    assert!(story.bad.requests().iter().all(|request| !String::from_utf8_lossy(&request.body).contains("countersign.subscription")));
    story.running.worker.shut_down().await;
}

#[tokio::test]
async fn a_listener_that_is_gone_is_told_of_once_each_time() {
    let mut story = Story::begin(Answer::status(410)).await;
    story.deliver(4).await;
    assert_eq!(story.told().await, ["paused"]);
    let stored = story.stored().await;
    assert_eq!((stored.paused, stored.times_gone), (true, 1));
    // A person resumes it, and it is still gone.
    story.house.put(&Subscription { paused: false, ..stored }, false).await;
    story.running.worker.shut_down().await;
    story.running = work(&story.house).await;
    story.deliver(1).await;
    assert_eq!(story.told().await, ["paused", "paused"]);
    let news = story.news(2).await;
    assert!(news.iter().all(|news| news["event"] == "countersign.subscription-paused"), "{news:?}");
    story.running.worker.shut_down().await;
}

#[tokio::test]
async fn a_recovery_is_told_when_the_failure_was() {
    let mut story = Story::begin(Answer::status(500)).await;
    story.deliver(2).await;
    story.pass(Duration::from_secs(11 * 60));
    story.attempt().await;
    story.pass(DAY * 8);
    story.attempt().await;
    story.answer(Answer::ok());
    story.attempt().await;
    assert_eq!(story.told().await, ["failing", "recovered"]);
    assert_eq!(story.stored().await.failing_since, None);
    let news = story.news(2).await;
    assert_eq!(news[1]["event"], "countersign.subscription-recovered");

    // A short failure is nobody's business.
    story.answer(Answer::status(500));
    story.deliver(1).await;
    story.pass(DAY);
    story.attempt().await;
    assert!(story.stored().await.failing_since.is_some());
    story.answer(Answer::ok());
    story.attempt().await;
    assert_eq!(story.told().await, ["failing", "recovered"]);
    story.running.worker.shut_down().await;
}
