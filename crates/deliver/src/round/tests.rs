use countersign_core::{
    delivery::{Delivery, DeliveryState},
    event::{Event, EventDetail, EventName, Snapshot},
    id::{AccountId, DeliveryId, EventId, Incarnation, SubscriptionId},
    shape::MessageShape,
};

use super::*;
use crate::{
    lane::Before,
    node::Stake,
    pace::{BREAKER_FAILURES, Sign},
};

const NOW: Timestamp = Timestamp::from_secs(1_763_800_000);
const POLL: Duration = Duration::from_secs(1);

fn item(listener: ListenerId, bytes: usize) -> Item {
    let event = Event {
        id: EventId::from_raw(1),
        account: AccountId(1),
        name: EventName::ENVELOPE_SENT,
        at: NOW,
        user: None,
        envelope: None,
        detail: EventDetail::default(),
        snapshot: Snapshot::Posted(vec![0; bytes].into()),
    };
    let delivery = Delivery {
        id: DeliveryId::from_raw(1),
        account: AccountId(1),
        event: event.id,
        subscription: SubscriptionId::FIRST,
        listener,
        envelope: None,
        shape: MessageShape::JsonSim,
        generated_at: NOW,
        order_key: None,
        state: DeliveryState::Leased { by: Incarnation::from_raw(7) },
        attempts_made: 0,
        retry_count: 0,
        schedule_started_at: NOW,
        attempts_before_schedule: 0,
        held_total: Duration::ZERO,
        replay_of: None,
    };
    Item { delivery, event: Arc::new(event), times_orphaned: 0, stake: Stake::default() }
}

fn lane(listener: i64) -> Arc<Lane> {
    Arc::new(Lane::new(ListenerId(listener), 64, 1_024, NOW))
}

#[test]
fn hints_that_bring_nothing_are_let_be_for_longer_and_longer() {
    let millis: Vec<u128> = [0, 1, 2, 3, 4, 5, u32::MAX].map(|in_vain| deaf_for(in_vain).as_millis()).into();
    assert_eq!(millis, [0, 50, 100, 200, 400, 400, 400]);
}

#[test]
fn a_lane_that_got_less_than_its_quota_has_nothing_more_in_the_store() {
    let (full, short) = (lane(1), lane(2));
    let mut offer = Offer::new(NOW, usize::MAX);
    offer.consider(Arc::clone(&full));
    offer.consider(Arc::clone(&short));
    assert!(full.view(NOW).backlogged && short.view(NOW).backlogged);
    let quotas: Vec<(i64, u32)> = offer.quotas().iter().map(|quota| (quota.listener.0, quota.count)).collect();
    assert_eq!(quotas, [(1, 16), (2, 16)]);
    for _ in 0..16 {
        assert!(offer.came(&item(full.listener, 10)).is_some());
    }
    assert!(offer.came(&item(ListenerId(3), 10)).is_none(), "a lane that was not offered");
    assert!(!offer.is_cut_short(1_000));
    assert!(full.view(NOW).backlogged && !short.view(NOW).backlogged);
}

#[test]
fn a_claim_that_the_bytes_ended_says_nothing_about_the_store() {
    let lane = lane(1);
    let mut offer = Offer::new(NOW, usize::MAX);
    offer.consider(Arc::clone(&lane));
    assert!(offer.came(&item(lane.listener, 1_000)).is_some());
    assert!(offer.is_cut_short(1_000), "what is left is asked for at once");
    assert!(lane.view(NOW).backlogged);
}

#[test]
fn a_lane_whose_breaker_is_open_is_offered_nothing_until_it_may_be_probed() {
    let lane = lane(1);
    for nth in 0..BREAKER_FAILURES {
        lane.push(item(lane.listener, 1), false, NOW);
        let before = if nth == 0 { Before::Nothing } else { Before::Attempt(Sign::Silent) };
        let _ = lane.turn(before, NOW);
    }
    let _ = lane.turn(Before::Attempt(Sign::Silent), NOW);
    let mut offer = Offer::new(NOW, usize::MAX);
    offer.consider(Arc::clone(&lane));
    assert!(offer.is_empty());
    let probe_at = lane.probe_at(NOW).expect("an open breaker");
    assert_eq!(offer.wait(Duration::from_secs(60)), probe_at.since(NOW));
    let mut offer = Offer::new(probe_at, usize::MAX);
    offer.consider(lane);
    assert_eq!(offer.quotas().iter().map(|quota| quota.count).sum::<u32>(), 1, "one attempt probes");
}

#[test]
fn the_next_round_is_when_something_comes_due_unless_it_is_due_already() {
    let after = |millis| NOW + Duration::from_millis(millis);
    for (next_due, millis) in [(None, 1_000), (Some(after(250)), 250), (Some(after(5_000)), 1_000), (Some(NOW), 1_000)] {
        assert_eq!(until_next(next_due, NOW, POLL), Duration::from_millis(millis), "{next_due:?}");
    }
}
