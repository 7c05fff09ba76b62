use std::num::NonZeroU32;

use countersign_core::{
    delivery::DeliveryState,
    event::{EventDetail, EventName, Snapshot},
    id::{EventId, Incarnation},
    subscription::MessageShape,
};

use super::*;

const NOW: Timestamp = Timestamp::from_secs(1_763_800_000);
const SUBSCRIPTION: SubscriptionId = SubscriptionId::FIRST;
const ACCOUNT: AccountId = AccountId(1);

fn after_ms(millis: u64) -> Timestamp {
    NOW + Duration::from_millis(millis)
}

fn item(n: u64) -> Item {
    let event = Event {
        id: EventId::from_raw(n),
        account: ACCOUNT,
        name: EventName::ENVELOPE_SENT,
        at: NOW,
        user: None,
        envelope: None,
        detail: EventDetail::default(),
        snapshot: Snapshot::Nothing,
    };
    let delivery = Delivery {
        id: DeliveryId::from_raw(n),
        account: ACCOUNT,
        event: event.id,
        subscription: SUBSCRIPTION,
        listener: listener::lane_of_its_own(SUBSCRIPTION),
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

fn limits(concurrency: u32, rate: u32) -> Limits {
    Limits { concurrency_max: NonZeroU32::new(concurrency), rate: NonZeroU32::new(rate).map(Rate) }
}

fn own_lane(limits: Limits) -> Lane {
    let lane = Lane::new(listener::lane_of_its_own(SUBSCRIPTION), 64, 1_024, NOW);
    lane.obey(ACCOUNT, limits);
    lane
}

/// Makes the lane as fast as it may be.
fn warm(lane: &Lane) {
    for _ in 0..100 {
        lane.lock().pace.learn(Sign::Alive, NOW);
    }
}

#[test]
fn a_lane_of_its_own_gives_no_place_before_its_limits_are_known() {
    let lane = Lane::new(listener::lane_of_its_own(SUBSCRIPTION), 64, 1_024, NOW);
    assert_eq!(lane.owner(), Some((None, SUBSCRIPTION)));
    assert!(!lane.reserve(NOW, 0, usize::MAX));
    assert_eq!(lane.room(NOW, usize::MAX), 0);
    lane.obey(ACCOUNT, limits(3, 0));
    assert_eq!(lane.owner(), Some((Some(ACCOUNT), SUBSCRIPTION)));
    assert!(lane.room(NOW, usize::MAX) > 0);
    lane.clear_backlog();
    assert!(lane.reserve(NOW, 0, usize::MAX));
    let shared = Lane::new(ListenerId(7), 64, 1_024, NOW);
    assert_eq!(shared.owner(), None);
    assert!(shared.reserve(NOW, 0, usize::MAX));
}

#[test]
fn the_concurrency_of_a_lane_ends_at_the_lower_of_both_limits() {
    for (own, limit) in [(3, 3), (64, 64), (1_000, 64)] {
        let lane = own_lane(limits(own, 0));
        warm(&lane);
        assert_eq!(lane.view(NOW).limit, limit, "{own}");
    }
    let lane = own_lane(limits(50, 0));
    warm(&lane);
    lane.obey(ACCOUNT, limits(2, 0));
    assert_eq!(lane.view(NOW).limit, 2, "a lower limit holds at once");
}

#[test]
fn a_lane_with_a_rate_holds_no_more_than_goes_out_within_a_second() {
    let lane = own_lane(limits(0, 20));
    warm(&lane);
    // A burst of two, and twenty within the second.
    assert_eq!(lane.room(NOW, usize::MAX), 22);
    for n in 0..22 {
        lane.push(item(n), false, NOW);
    }
    assert_eq!(lane.room(NOW, usize::MAX), 0);
    assert!(!lane.reserve(NOW, 0, usize::MAX), "a fresh one goes through the store");
    let slowest = own_lane(limits(0, 1));
    warm(&slowest);
    assert!(matches!(slowest.turn(Before::Nothing, NOW), (Turn::End, 0)));
    slowest.push(item(1), false, NOW);
    assert!(matches!(slowest.turn(Before::Nothing, NOW), (Turn::Attempt(_), _)));
    assert_eq!(slowest.room(NOW, usize::MAX), 1, "one may always wait, so that the lane does not run dry");
}

#[test]
fn one_runner_waits_for_the_rate_and_the_others_end() {
    let lane = own_lane(limits(8, 10));
    warm(&lane);
    for n in 0..4 {
        lane.push(item(n), false, NOW);
    }
    // Four were pushed, four runners were started.
    assert!(matches!(lane.turn(Before::Nothing, NOW), (Turn::Attempt(first), _) if first.delivery.id.raw() == 0));
    let (Turn::Wait(until), 0) = lane.turn(Before::Nothing, NOW) else { panic!("the rate is ten a second") };
    assert_eq!(until, after_ms(100));
    assert!(lane.view(NOW).throttled);
    assert!(matches!(lane.turn(Before::Nothing, NOW), (Turn::End, 0)));
    assert!(matches!(lane.turn(Before::Nothing, NOW), (Turn::End, 0)));
    assert!(matches!(lane.turn(Before::Attempt(Sign::Alive), NOW), (Turn::End, 0)), "one waits already");
    let (Turn::Attempt(second), more) = lane.turn(Before::Wait, until) else { panic!("its time has come") };
    assert_eq!((second.delivery.id.raw(), more), (1, 1), "and another one waits while this attempt is under way");
    assert!(matches!(lane.turn(Before::Nothing, until), (Turn::Wait(next), 0) if next == after_ms(200)));
    assert_eq!(lane.leave().len(), 2);
}

#[test]
fn a_lane_is_hungry_by_what_is_ahead_and_not_by_what_is_under_way() {
    let lane = own_lane(limits(0, 10));
    warm(&lane);
    lane.mark_backlogged();
    let mut now = NOW;
    for n in 0..30 {
        lane.push(item(n), false, now);
        assert!(matches!(lane.turn(Before::Nothing, now), (Turn::Attempt(_), _)), "{n}");
        now = now + Duration::from_millis(100);
    }
    // Thirty are under way at a slow listener, which is more than a second's worth; nothing is ahead.
    assert!(lane.is_hungry(now));
    assert!(lane.room(now, usize::MAX) >= 10);
}

#[test]
fn nobody_is_told_of_more_for_a_lane_that_is_down_until_it_may_be_probed() {
    let lane = own_lane(limits(0, 0));
    assert!(lane.has_more(NOW), "news");
    assert!(lane.has_more(NOW), "it may be claimed at any time");
    let mut failures = 0;
    while lane.probe_at(NOW).is_none() {
        lane.push(item(failures), false, NOW);
        lane.turn(Before::Nothing, NOW);
        lane.turn(Before::Attempt(Sign::Silent), NOW);
        failures += 1;
        assert!(failures < 100, "the breaker opens");
    }
    let probe_at = lane.probe_at(NOW).expect("it is open");
    assert!(!lane.has_more(NOW), "known, and nothing can be done about it now");
    assert!(lane.has_more(probe_at), "one may be tried");
    lane.clear_backlog();
    assert!(lane.has_more(NOW), "news again");
}
