//! Attempts that are played: what each comes to is told by the test, and what is under way can be seen.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use countersign_core::{
    Timestamp,
    id::{AccountId, AttemptId, DeliveryId, IdSource, SubscriptionId},
    limits::Limits,
    listener::lane_of_its_own,
    outcome::{FailureKind, Outcome},
    retry::{RetryPolicy, RetryProfile},
};
use countersign_deliver::{
    Clock,
    execute::{Execute, Executed},
    lane::Item,
};
use countersign_store::settle::{AttemptRow, Exchange};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::house::House;

/// What an attempt comes to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Plays {
    /// An answer at once.
    Answers(u16),
    /// An answer after a time.
    Late(Duration, u16),
    /// No answer, which shows at once.
    Silence,
    /// 200, ten milliseconds after [`Played::release`] or the beginning; until then the listener hangs.
    Hangs,
    /// A panic.
    Panics,
}

/// What was seen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Journal {
    /// Attempts in the order in which they began.
    pub(crate) begun: Vec<(DeliveryId, SubscriptionId, Timestamp)>,
    /// Attempts under way, by subscription.
    pub(crate) under_way: HashMap<SubscriptionId, usize>,
    /// The most that were under way together, by subscription.
    pub(crate) most: HashMap<SubscriptionId, usize>,
    /// Deliveries with an attempt under way.
    pub(crate) open: HashSet<DeliveryId>,
    /// Deliveries of which a second attempt began while one was under way.
    pub(crate) twice: Vec<DeliveryId>,
}

type Play = Box<dyn Fn(&Item, Timestamp) -> Plays + Send + Sync>;

/// Plays attempts.
pub(crate) struct Played {
    play: Play,
    policy: RetryPolicy,
    limits: Mutex<HashMap<SubscriptionId, Limits>>,
    journal: watch::Sender<Journal>,
    released: watch::Sender<bool>,
    ids: Arc<IdSource>,
    clock: Clock,
}

impl Played {
    /// Attempts of a house, retried by this schedule; none when it is empty.
    pub(crate) fn new(house: &House, gaps: &[u64], play: impl Fn(&Item, Timestamp) -> Plays + Send + Sync + 'static) -> Arc<Self> {
        let profile = RetryProfile::Gaps(gaps.iter().map(|seconds| Duration::from_secs(*seconds)).collect());
        Arc::new(Self {
            play: Box::new(play),
            policy: RetryPolicy { profile, park_at_first_failure: false },
            limits: Mutex::default(),
            journal: watch::Sender::default(),
            released: watch::Sender::default(),
            ids: Arc::clone(&house.ids),
            clock: house.clock(),
        })
    }

    /// The subscription asks for these limits from now on.
    pub(crate) fn limit(&self, subscription: SubscriptionId, limits: Limits) {
        self.limits.lock().unwrap_or_else(PoisonError::into_inner).insert(subscription, limits);
    }

    /// Lets all answer that hang, and those that would from now on.
    pub(crate) fn release(&self) {
        self.released.send_replace(true);
    }

    pub(crate) fn journal(&self) -> Journal {
        self.journal.borrow().clone()
    }

    /// Waits until so many attempts have begun.
    pub(crate) async fn wait_for_begun(&self, count: usize) {
        let mut journal = self.journal.subscribe();
        // The sender is in self, so the channel does not close while this waits.
        let begun = journal.wait_for(|journal| journal.begun.len() >= count);
        assert!(tokio::time::timeout(Duration::from_secs(300), begun).await.is_ok(), "{count} attempts were waited for in vain");
    }

    async fn play(&self, item: &Item, stop: &CancellationToken) -> Outcome {
        let hang = async {
            let _ = self.released.subscribe().wait_for(|released| *released).await;
            tokio::time::sleep(Duration::from_millis(10)).await;
            Outcome::from_response(200, None)
        };
        let play = async {
            match (self.play)(item, (self.clock)()) {
                Plays::Answers(status) => Outcome::from_response(status, None),
                Plays::Late(after, status) => {
                    tokio::time::sleep(after).await;
                    Outcome::from_response(status, None)
                }
                Plays::Silence => Outcome::from_failure(FailureKind::Timeout),
                Plays::Hangs => hang.await,
                Plays::Panics => panic!("an attempt that panics"),
            }
        };
        tokio::select! {
            biased;
            outcome = play => outcome,
            () = stop.cancelled() => Outcome::Interrupted,
        }
    }
}

#[async_trait]
impl Execute for Played {
    async fn execute(&self, item: &Item, stop: &CancellationToken) -> Executed {
        let (delivery, started_at) = (&item.delivery, (self.clock)());
        let limits = self.limits.lock().unwrap_or_else(PoisonError::into_inner).get(&delivery.subscription).copied();
        if limits.is_some_and(|limits| limits.are_any()) && delivery.listener != lane_of_its_own(delivery.subscription) {
            return Executed::Elsewhere(lane_of_its_own(delivery.subscription));
        }
        self.journal.send_modify(|journal| {
            journal.begun.push((delivery.id, delivery.subscription, started_at));
            let under_way = journal.under_way.entry(delivery.subscription).or_default();
            *under_way += 1;
            let most = journal.most.entry(delivery.subscription).or_default();
            *most = (*most).max(*under_way);
            if !journal.open.insert(delivery.id) {
                journal.twice.push(delivery.id);
            }
        });
        let outcome = self.play(item, stop).await;
        self.journal.send_modify(|journal| {
            *journal.under_way.entry(delivery.subscription).or_default() -= 1;
            journal.open.remove(&delivery.id);
        });
        let attempt = AttemptRow {
            id: AttemptId::from_raw(self.ids.next(started_at)),
            started_at,
            elapsed_us: 1_000,
            retry_count: delivery.retry_count,
            class: outcome.class().into(),
            status: None,
            error: None,
            counted: outcome != Outcome::Interrupted,
            exchange: Exchange::default(),
            answer_head: Bytes::new(),
        };
        Executed::Attempted { attempt: Some(Arc::new(attempt)), outcome, policy: self.policy.clone() }
    }

    async fn limits(&self, _account: AccountId, subscription: SubscriptionId) -> Option<Limits> {
        Some(self.limits.lock().unwrap_or_else(PoisonError::into_inner).get(&subscription).copied().unwrap_or_default())
    }
}
