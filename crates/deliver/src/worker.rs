//! The loop: claim what is due into lanes with room; runners attempt and settle.
//!
//! A ring of `Lanes::due` is a hint, and so is what the store hears of other nodes. Without one the worker looks again when the next delivery is due, when a breaker may be
//! probed, or after the poll interval, whichever comes first: a lost hint costs one poll and never an event.

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
    time::Duration,
};

use countersign_core::{
    Timestamp,
    delivery::{DeliveryState, ParkReason},
    id::{IdSource, Incarnation},
    outcome::Outcome,
    retry::Jitter,
};
use countersign_store::{
    Store, StoreError,
    claim::{Claim, Claimed, SUSPECT_FROM},
    handover::HandOver,
    settle::{Next, Settlement},
};
use futures_util::FutureExt;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    Clock, Dice,
    attempt::Attempts,
    execute::{Execute, Executed},
    holds,
    lane::{Before, Item, Lane, Turn, ids},
    lanes::{LaneHandOver, Lanes, Start},
    limits::LimitsNow,
    node::{Lease, Life},
    pace::Sign,
    round::{LISTENERS_PER_QUERY, Offer, PAUSE_MIN, deaf_for, until_next},
    settings::Settings,
    settlement::{Settler, cancelled, holder, settlement},
};

/// A delivery that was in the hands of so many processes when they died is parked instead of attempted (TM-32): it has become a
/// suspect, and three more died while no other suspect of its lane was out.
const ORPHANED_MAX: u32 = SUSPECT_FROM + 3;
/// How long a delivery waits whose subscription could not be read.
const NOT_NOW: Duration = Duration::from_secs(1);

/// A running worker. Dropping it does not stop it; see [`Worker::shut_down`].
#[derive(Debug)]
pub struct Worker {
    core: Arc<Core>,
    claims: tokio::task::JoinHandle<()>,
    life: Life,
    life_task: tokio::task::JoinHandle<()>,
    settler_task: tokio::task::JoinHandle<()>,
}

/// What a round of claims came to.
struct Claims {
    /// Deliveries that were claimed.
    count: usize,
    /// How long to wait for the next round, unless something rings.
    wait: Duration,
}

/// What the runners share.
struct Core {
    store: Arc<dyn Store>,
    lanes: Arc<Lanes>,
    executor: Arc<dyn Execute>,
    settler: std::sync::Mutex<Option<Settler>>,
    settings: Settings,
    clock: Clock,
    dice: Dice,
    limits: LimitsNow,
    runners: TaskTracker,
    /// No new attempts.
    stopping: CancellationToken,
    /// The grace is over: end attempts under way, and leave what the store does not take.
    abort: CancellationToken,
    /// Ends the renewal of the lease, last of all.
    retired: CancellationToken,
    me: Weak<Core>,
}

impl std::fmt::Debug for Core {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Core").finish_non_exhaustive()
    }
}

impl Worker {
    /// Registers this node and starts to work.
    ///
    /// `settled` is told of every settlement and whether it stood, for metrics.
    ///
    /// # Errors
    /// The store's, when the node cannot be registered.
    pub async fn start(
        store: Arc<dyn Store>,
        executor: Arc<dyn Execute>,
        name: String,
        settings: Settings,
        clock: Clock,
        dice: Dice,
        settled: impl Fn(&Settlement, bool) + Send + 'static,
    ) -> Result<Self, StoreError> {
        let lanes = Arc::new(Lanes::new(settings.clone(), Arc::clone(&clock)));
        let abort = CancellationToken::new();
        let for_settler = Arc::clone(&lanes);
        let (settler, settler_task) = Settler::start(Arc::clone(&store), abort.clone(), move |settlement, stood| {
            settled(settlement, stood);
            if settlement.is_followed {
                // Not before it is written: who looks for the next earlier finds nothing.
                for_settler.due.notify_one();
            }
        });
        let core = Arc::new_cyclic(|me| Core {
            store: Arc::clone(&store),
            lanes: Arc::clone(&lanes),
            executor,
            settler: std::sync::Mutex::new(Some(settler)),
            settings: settings.clone(),
            clock: Arc::clone(&clock),
            dice: Arc::clone(&dice),
            limits: LimitsNow::new(&settings),
            runners: TaskTracker::new(),
            stopping: CancellationToken::new(),
            abort,
            retired: CancellationToken::new(),
            me: Weak::clone(me),
        });
        let starter: Weak<dyn Start> = core.me.clone();
        lanes.set_starter(starter);
        let for_lanes = Arc::clone(&lanes);
        let (life, life_task) =
            Life::begin(store, name, &settings, clock, dice, core.retired.clone(), move |life| for_lanes.open_for(life)).await?;
        let claims = tokio::spawn(Arc::clone(&core).claim_until_stopped(life.clone()));
        Ok(Self { core, claims, life, life_task, settler_task })
    }

    /// Lets held deliveries go when what held them is over, until shutdown.
    pub fn watch_holds(&self, attempts: Arc<Attempts>) {
        let core = &self.core;
        core.runners.spawn(holds::watch(attempts, Arc::clone(&core.lanes), core.stopping.clone()));
    }

    /// The way in for the server.
    #[must_use]
    pub fn hand_over(&self) -> Arc<dyn HandOver> {
        Arc::new(LaneHandOver(Arc::clone(&self.core.lanes)))
    }

    /// The lanes, for metrics and pages.
    #[must_use]
    pub fn lanes(&self) -> Arc<Lanes> {
        Arc::clone(&self.core.lanes)
    }

    /// Numbers ids after this node, from now on and when it begins another life: no two live nodes make the same id.
    pub fn number(&self, ids: Arc<IdSource>) {
        let mut life = self.life.clone();
        ids.renumber(life.number());
        let stopped = self.core.retired.clone();
        tokio::spawn(async move {
            while stopped.run_until_cancelled(life.changed()).await == Some(true) {
                ids.renumber(life.number());
            }
        });
    }

    /// The present life of this node; timers and jobs are leased to it as well.
    #[must_use]
    pub fn life(&self) -> Life {
        self.life.clone()
    }

    /// Cancelled during [`Worker::shut_down`], it ends the grace: attempts under way are cut off at once, and a store that takes no
    /// settlements is not waited for.
    #[must_use]
    pub fn cut_off(&self) -> CancellationToken {
        self.core.abort.clone()
    }

    /// Stops: no new attempts, what was not begun goes back to the store, attempts under way have the grace and are then cut off as
    /// `interrupted`, everything is settled, the node is retired. A store that does not settle is waited for until the grace is over, and
    /// a moment longer for a last try.
    pub async fn shut_down(self) {
        let core = self.core;
        let grace_over = tokio::time::Instant::now() + core.settings.grace;
        core.lanes.open_for(None);
        core.stopping.cancel();
        // The claim loop ends by itself; it does not panic.
        let _ = self.claims.await;
        for lane in core.lanes.all() {
            core.give_back_all(lane.drain()).await;
        }
        core.runners.close();
        tokio::select! {
            () = core.runners.wait() => {}
            () = tokio::time::sleep_until(grace_over) => core.abort.cancel(),
            () = core.abort.cancelled() => {}
        }
        core.runners.wait().await;
        // What runners pushed back into a lane while they ended.
        for lane in core.lanes.all() {
            core.give_back_all(lane.drain()).await;
        }
        core.settler.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        let mut settled = self.settler_task;
        tokio::select! {
            _ = &mut settled => {}
            () = tokio::time::sleep_until(grace_over) => {
                core.abort.cancel();
                let _ = settled.await;
            }
        }
        core.retired.cancel();
        let _ = self.life_task.await;
        let incarnation = self.life.incarnation();
        if let Err(error) = core.store.retire_node(incarnation, (core.clock)()).await {
            tracing::warn!(%error, "this node could not be retired; its lease runs out by itself");
        }
    }
}

impl Start for Core {
    fn start(&self, lane: &Arc<Lane>) {
        let Some(me) = self.me.upgrade() else { return };
        self.lanes.runner_started();
        self.runners.spawn(me.run(Arc::clone(lane)));
    }
}

impl Core {
    // --- runners ---

    async fn run(self: Arc<Self>, lane: Arc<Lane>) {
        let mut before = Before::Nothing;
        loop {
            let (turn, more) = lane.turn(before, (self.clock)());
            if self.lanes.breakers.note(&lane) {
                self.lanes.due.notify_one();
            }
            for _ in 0..more {
                Start::start(&*self, &lane);
            }
            match turn {
                Turn::Attempt(item) => {
                    before = Before::Attempt(self.attempt(&item).await);
                    self.lanes.let_go(&lane, &item);
                    if lane.is_hungry((self.clock)()) {
                        self.lanes.due.notify_one();
                    }
                }
                Turn::Wait(until) => {
                    tokio::select! {
                        () = tokio::time::sleep(until.since((self.clock)())) => before = Before::Wait,
                        () = self.stopping.cancelled() => {
                            self.give_back_all(lane.leave()).await;
                            break;
                        }
                    }
                }
                Turn::GiveBack(items) => {
                    self.give_back_all(items).await;
                    break;
                }
                Turn::End => break,
            }
        }
        self.lanes.runner_ended();
    }

    /// One attempt, settled. Answers what it says about the listener.
    async fn attempt(&self, item: &Item) -> Sign {
        let Some(by) = holder(&item.delivery) else {
            tracing::error!(delivery.id = %item.delivery.id, "a delivery in a lane was not leased");
            return Sign::Nothing;
        };
        if self.stopping.is_cancelled() {
            self.give_back_one(by, item, (self.clock)(), None).await;
            return Sign::Nothing;
        }
        if item.times_orphaned >= ORPHANED_MAX {
            tracing::error!(delivery.id = %item.delivery.id, "parked: it was in flight in {} processes when they died", item.times_orphaned);
            let mut written = cancelled(&item.delivery, by, (self.clock)());
            written.next = Next::Parked(ParkReason::Poison);
            self.settle(written, item).await;
            return Sign::Nothing;
        }
        // A panic stays with its delivery: the process and the lane live on.
        let executed = std::panic::AssertUnwindSafe(self.executor.execute(item, &self.abort)).catch_unwind().await;
        let now = (self.clock)();
        match executed {
            Ok(Executed::Attempted { attempt, outcome, policy }) => {
                if let Outcome::Held(hold) = outcome {
                    self.give_back_one(by, item, now, Some(hold)).await;
                } else {
                    let jitter = Jitter::from_random((self.dice)());
                    self.settle(settlement(&item.delivery, by, attempt, &outcome, &policy, now, jitter), item).await;
                }
                Sign::of(&outcome)
            }
            Ok(Executed::Unwanted) => {
                self.settle(cancelled(&item.delivery, by, now), item).await;
                Sign::Nothing
            }
            Ok(Executed::NotNow) => {
                self.give_back_one(by, item, now + NOT_NOW, None).await;
                Sign::Nothing
            }
            Ok(Executed::Elsewhere(lane)) => {
                if let Err(error) = self.store.reroute(by, vec![item.delivery.id], lane).await {
                    tracing::error!(%error, delivery.id = %item.delivery.id, "a delivery could not be moved to its lane; trying again");
                    self.lanes.disown(vec![item.delivery.id]);
                }
                self.lanes.due.notify_one();
                Sign::Nothing
            }
            Err(_) => {
                tracing::error!(delivery.id = %item.delivery.id, "an attempt panicked; the delivery is parked");
                let mut written = cancelled(&item.delivery, by, now);
                written.next = Next::Parked(ParkReason::Poison);
                self.settle(written, item).await;
                Sign::Nothing
            }
        }
    }

    async fn settle(&self, settlement: Settlement, item: &Item) {
        let settlement = Settlement { is_followed: item.is_followed(), ..settlement };
        let settler = self.settler.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
        if let Some(settler) = settler {
            settler.settle(settlement, item.stake.clone()).await;
        }
    }

    async fn give_back_one(&self, by: Incarnation, item: &Item, due_at: Timestamp, held: Option<countersign_core::delivery::Hold>) {
        if let Err(error) = self.store.give_back(by, vec![item.delivery.id], due_at, held).await {
            tracing::error!(%error, delivery.id = %item.delivery.id, "a delivery could not be given back; trying again");
            self.lanes.disown(vec![item.delivery.id]);
        }
        if item.is_followed() {
            self.lanes.due.notify_one();
        }
    }

    async fn give_back_all(&self, items: Vec<Item>) {
        // A node that had to register anew may still hold deliveries of its life before.
        let mut by_holder: HashMap<Incarnation, Vec<Item>> = HashMap::new();
        for item in items {
            if let Some(by) = holder(&item.delivery) {
                by_holder.entry(by).or_default().push(item);
            }
        }
        for (by, items) in by_holder {
            self.give_back(by, items).await;
        }
    }

    async fn give_back(&self, by: Incarnation, items: Vec<Item>) {
        if items.is_empty() {
            return;
        }
        for item in &items {
            self.lanes.free(item.bytes());
        }
        if let Err(error) = self.store.give_back(by, ids(&items), (self.clock)(), None).await {
            tracing::error!(%error, deliveries = items.len(), "deliveries could not be given back; trying again");
            self.lanes.disown(ids(&items));
        }
    }

    // --- claims ---

    async fn claim_until_stopped(self: Arc<Self>, life: Life) {
        let (mut is_hinted, mut hints_in_vain) = (false, 0_u32);
        loop {
            let now = (self.clock)();
            self.limits.look_again(&self.lanes, &*self.executor, &*self.store, now).await;
            let next_share = self.lanes.breakers.share(|| self.lanes.all(), &*self.store, now).await;
            let wait = match self.claim(&life, now).await {
                Ok(Claims { count, wait }) => {
                    hints_in_vain = if count > 0 { 0 } else { hints_in_vain.saturating_add(u32::from(is_hinted)) };
                    wait
                }
                Err(error) => {
                    tracing::error!(%error, "the store gives nothing to do; trying again");
                    self.settings.poll
                }
            };
            self.lanes.forget_idle(now);
            let wait = wait.min(next_share);
            is_hinted = false;
            tokio::select! {
                () = self.stopping.cancelled() => break,
                () = self.lanes.due.notified() => tokio::time::sleep(PAUSE_MIN).await,
                () = self.hint(deaf_for(hints_in_vain)) => {
                    is_hinted = true;
                    tokio::time::sleep(PAUSE_MIN).await;
                }
                () = tokio::time::sleep(wait.max(PAUSE_MIN)) => {}
            }
        }
    }

    /// A hint of another node, unless it comes within this time: then after it.
    async fn hint(&self, deaf_for: Duration) {
        if !deaf_for.is_zero() {
            tokio::time::sleep(deaf_for).await;
        }
        self.store.wait_for_hint().await;
    }

    /// One round over all listeners with something due.
    async fn claim(&self, life: &Life, now: Timestamp) -> Result<Claims, StoreError> {
        let lease = life.lease();
        let incarnation = lease.incarnation;
        // Given back here is what was committed by now; what commits later falls to others when this life has ended.
        let in_doubt = self.lanes.take_doubt();
        let disowned = self.lanes.take_disowned();
        if in_doubt {
            life.give_up();
        }
        if !disowned.is_empty()
            && let Err(error) = self.store.give_back(incarnation, disowned.clone(), now, None).await
        {
            self.lanes.disown(disowned);
            return Err(error);
        }
        let (mut count, mut wait) = (0, self.settings.poll);
        let mut after = None;
        loop {
            let due = self.store.due_listeners(now, after, LISTENERS_PER_QUERY).await?;
            let more = due.len() == LISTENERS_PER_QUERY as usize;
            after = due.last().map(|due| due.listener);
            let mut offer = Offer::new(now, self.lanes.bytes_free());
            for due in due {
                let lane = self.lanes.lane(due.listener);
                self.limits.tell(&lane, due.account, &*self.executor).await;
                offer.consider(lane);
            }
            wait = offer.wait(wait);
            if !offer.is_empty() {
                let claims = self.claim_into(life, &lease, offer, now).await?;
                count += claims.count;
                wait = wait.min(claims.wait);
            }
            if !more || self.stopping.is_cancelled() {
                break;
            }
        }
        Ok(Claims { count, wait: until_next(self.store.next_due().await?, now, wait) })
    }

    async fn claim_into(&self, life: &Life, lease: &Lease, mut offer: Offer, now: Timestamp) -> Result<Claims, StoreError> {
        let Some(room) = self.lanes.room_for_claim() else { return Ok(Claims { count: 0, wait: self.settings.poll }) };
        let bytes_max = room.bytes();
        let claim = Claim { by: lease.incarnation, now, lanes: offer.quotas().to_vec(), bytes_max };
        let claimed = match self.store.claim_due(claim).await {
            Ok(claimed) => claimed,
            Err(error) => {
                if matches!(error, StoreError::Unknown(_)) {
                    life.give_up();
                }
                return Err(error);
            }
        };
        drop(room);
        let count = claimed.len();
        for Claimed { delivery, event, times_orphaned } in claimed {
            debug_assert!(matches!(delivery.state, DeliveryState::Leased { .. }), "a claim leases");
            let item = Item { delivery, event, times_orphaned, stake: lease.stake.clone() };
            if let Some(lane) = offer.came(&item) {
                self.lanes.push_claimed(&lane, item);
            }
        }
        let is_more = offer.is_cut_short(bytes_max) && !self.lanes.is_short();
        Ok(Claims { count, wait: if is_more { PAUSE_MIN } else { self.settings.poll } })
    }
}
