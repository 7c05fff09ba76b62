//! From what an attempt came to, to what is written: a pure step, and the task that writes in batches.
//!
//! While the store takes nothing the task tries again, for as long as it takes: the leases keep the rows this node's. Only at
//! shutdown there is an end to it: once the grace is over each settlement has one try, and after the first that fails the rest
//! are left. They count as never made, and what they settled is attempted again when the leases are over.

use std::{sync::Arc, time::Duration};

use countersign_core::{
    Timestamp,
    delivery::{Delivery, DeliveryState},
    id::Incarnation,
    outcome::Outcome,
    retry::{Jitter, NextStep, Progress, RetryPolicy, next_step},
};
use countersign_store::{
    Refused, Store,
    settle::{AttemptRow, Next, Settlement},
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::node::Stake;

/// Settlements written in one call.
const BATCH_MAX: usize = 512;
/// Settlements waiting for the store; runners wait beyond that.
const QUEUE_MAX: usize = 4_096;
/// How long to wait after the store failed, at first and at most.
const STORE_PAUSE_MIN: Duration = Duration::from_millis(100);
const STORE_PAUSE_MAX: Duration = Duration::from_secs(5);
/// How long the last try may take, once there is no time left: a disk or a network that hangs gives no answer at all.
const LAST_TRY: Duration = Duration::from_secs(5);

/// What is written of an attempt.
#[must_use]
pub fn settlement(
    delivery: &Delivery,
    by: Incarnation,
    attempt: Option<Arc<AttemptRow>>,
    outcome: &Outcome,
    policy: &RetryPolicy,
    now: Timestamp,
    jitter: Jitter,
) -> Settlement {
    let counts = !matches!(outcome, Outcome::Held(_) | Outcome::Interrupted);
    let attempts_made = delivery.attempts_made.saturating_add(u32::from(counts));
    let progress = Progress {
        attempts_made: attempts_made.saturating_sub(delivery.attempts_before_schedule),
        started_at: delivery.schedule_started_at,
        held_total: delivery.held_total,
    };
    let step = next_step(policy, progress, outcome, now, jitter);
    let next = match step {
        NextStep::Delivered => Next::Delivered,
        NextStep::RetryAt(due_at) => Next::Waiting { due_at, held: None },
        NextStep::Again => Next::Waiting { due_at: now, held: None },
        NextStep::Hold(hold) => Next::Waiting { due_at: now, held: Some(hold) },
        NextStep::Park(reason) => Next::Parked(reason),
    };
    Settlement {
        delivery: delivery.id,
        subscription: delivery.subscription,
        by,
        now,
        // A body went out with this retryCount: the next one has the next, whatever came of it.
        retry_count: delivery.retry_count.saturating_add(u32::from(counts)),
        attempt,
        attempts_made,
        next,
        is_followed: false,
    }
}

/// What is written of a delivery whose subscription is gone.
#[must_use]
pub fn cancelled(delivery: &Delivery, by: Incarnation, now: Timestamp) -> Settlement {
    Settlement {
        delivery: delivery.id,
        subscription: delivery.subscription,
        by,
        now,
        attempt: None,
        attempts_made: delivery.attempts_made,
        retry_count: delivery.retry_count,
        next: Next::Cancelled,
        is_followed: false,
    }
}

/// The incarnation that holds a delivery in memory; `None` would be a fault of ours.
#[must_use]
pub fn holder(delivery: &Delivery) -> Option<Incarnation> {
    match delivery.state {
        DeliveryState::Leased { by } => Some(by),
        _ => None,
    }
}

/// A handle to the settling task.
#[derive(Clone, Debug)]
pub struct Settler(mpsc::Sender<(Settlement, Stake)>);

impl Settler {
    /// Starts the settling task; it ends when the last handle is dropped and everything is written. Once `hurry` is cancelled it ends
    /// as well when the store does not take what is left.
    #[must_use]
    pub fn start(
        store: Arc<dyn Store>,
        hurry: CancellationToken,
        settled: impl Fn(&Settlement, bool) + Send + 'static,
    ) -> (Self, tokio::task::JoinHandle<()>) {
        let (sender, receiver) = mpsc::channel(QUEUE_MAX);
        (Self(sender), tokio::spawn(run(store, receiver, hurry, settled)))
    }

    /// Queues a settlement; waits while the store is behind. The life that settles is kept alive until it is written.
    pub async fn settle(&self, settlement: Settlement, stake: Stake) {
        // A closed queue: the store took nothing until the end, and that was logged.
        let _ = self.0.send((settlement, stake)).await;
    }
}

async fn run(
    store: Arc<dyn Store>,
    mut queue: mpsc::Receiver<(Settlement, Stake)>,
    hurry: CancellationToken,
    settled: impl Fn(&Settlement, bool),
) {
    let mut received = Vec::with_capacity(BATCH_MAX);
    while queue.recv_many(&mut received, BATCH_MAX).await > 0 {
        let (batch, stakes): (Vec<Settlement>, Vec<Stake>) = received.drain(..).unzip();
        match taken(&*store, &batch, &hurry).await {
            Some(answers) => {
                for (settlement, answer) in batch.iter().zip(&answers) {
                    tell(settlement, answer, &settled);
                }
            }
            None => {
                // Runners that wait for room in the queue go on, and add nothing.
                queue.close();
                let left = batch.len() + std::iter::from_fn(|| queue.try_recv().ok()).count();
                tracing::error!(
                    settlements = left,
                    "the store took no settlements until the end; these attempts are made again when the lease of this node is over"
                );
                return;
            }
        }
        drop(stakes);
    }
}

/// What the store answers to a batch, asked until it does. `None`: it did not, and there is no time left.
async fn taken(store: &dyn Store, batch: &[Settlement], hurry: &CancellationToken) -> Option<Vec<Result<(), Refused>>> {
    let mut pause = STORE_PAUSE_MIN;
    loop {
        let is_last = hurry.is_cancelled();
        let answered = tokio::select! {
            answered = store.settle(batch.to_vec()) => answered,
            () = last_try_over(hurry) => return None,
        };
        match answered {
            Ok(answers) => return Some(answers),
            Err(error) if is_last => {
                tracing::error!(%error, settlements = batch.len(), "the store does not settle");
                return None;
            }
            Err(error) => {
                // The lease keeps the rows ours; nothing is lost by waiting, and an attempt made is not forgotten.
                tracing::error!(%error, settlements = batch.len(), "the store does not settle; trying again");
                let _ = tokio::time::timeout(pause, hurry.cancelled()).await;
                pause = (pause * 2).min(STORE_PAUSE_MAX);
            }
        }
    }
}

async fn last_try_over(hurry: &CancellationToken) {
    hurry.cancelled().await;
    tokio::time::sleep(LAST_TRY).await;
}

fn tell(settlement: &Settlement, answer: &Result<(), Refused>, settled: &impl Fn(&Settlement, bool)) {
    match answer {
        Ok(()) => settled(settlement, true),
        Err(Refused::LeaseLost) => {
            tracing::warn!(delivery.id = %settlement.delivery, "another node has taken the delivery over; its result stands");
            settled(settlement, false);
        }
        Err(refused) => {
            tracing::error!(delivery.id = %settlement.delivery, %refused, "a settlement was refused");
            settled(settlement, false);
        }
    }
}

#[cfg(test)]
mod tests {
    use countersign_core::{
        delivery::{Hold, ParkReason},
        id::{AccountId, DeliveryId, EventId, ListenerId, SubscriptionId},
        outcome::FailureKind,
        retry::RetryProfile,
        subscription::MessageShape,
    };

    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_763_800_000);
    const ME: Incarnation = Incarnation::from_raw(7);

    fn delivery(attempts_made: u32, attempts_before_schedule: u32) -> Delivery {
        Delivery {
            id: DeliveryId::from_raw(1),
            account: AccountId(1),
            event: EventId::from_raw(1),
            subscription: SubscriptionId(10_000_001),
            listener: ListenerId(1),
            envelope: None,
            shape: MessageShape::JsonSim,
            generated_at: NOW,
            order_key: None,
            state: DeliveryState::Leased { by: ME },
            attempts_made,
            retry_count: attempts_made,
            schedule_started_at: NOW,
            attempts_before_schedule,
            held_total: Duration::ZERO,
            replay_of: None,
        }
    }

    #[test]
    fn each_outcome_is_written_as_its_next_step() {
        let gaps = RetryPolicy { profile: RetryProfile::parse("1s,2s").expect("gaps"), park_at_first_failure: false };
        let failed = Outcome::Failed(FailureKind::Timeout);
        let again_in = |s| Next::Waiting { due_at: NOW + Duration::from_secs(s), held: None };
        for (row, before, schedule, outcome, next, attempts) in [
            ("accepted", 0, 0, Outcome::Accepted { status: 200 }, Next::Delivered, 1),
            ("first failure", 0, 0, failed, again_in(1), 1),
            ("second failure", 1, 0, failed, again_in(2), 2),
            ("third failure", 2, 0, failed, Next::Parked(ParkReason::Exhausted), 3),
            ("a person asked again: the schedule starts anew", 3, 3, failed, again_in(1), 4),
            ("no token", 1, 0, Outcome::Held(Hold::NoToken), Next::Waiting { due_at: NOW, held: Some(Hold::NoToken) }, 1),
            ("shutdown", 1, 0, Outcome::Interrupted, Next::Waiting { due_at: NOW, held: None }, 1),
        ] {
            let written = settlement(&delivery(before, schedule), ME, None, &outcome, &gaps, NOW, Jitter::NONE);
            assert_eq!(written.next, next, "{row}");
            assert_eq!(written.attempts_made, attempts, "{row}");
            assert_eq!(written.retry_count, attempts, "{row}");
        }
    }
}
