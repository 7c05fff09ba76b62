//! A store that fails: whichever call it is, and whether it was made or not, every delivery ends and none stays in nobody's hands.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use countersign_core::{
    delivery::{Delivery, DeliveryState},
    id::ListenerId,
    limits::{Limits, Rate},
    subscription::Pace,
};
use countersign_deliver::Settings;
use countersign_store::Store;
use countersign_testkit::StoreFault;

use crate::support::{
    house::House,
    played::{Played, Plays},
};

const LANES: [ListenerId; 2] = [ListenerId(1), ListenerId(2)];

/// One run with the `nth` call failing; answers whether there was such a call.
async fn run(nth: u64, fault: StoreFault) -> bool {
    let house = House::new().await;
    let subscription = house.subscribe("https://one.example/", Pace::default()).await.id;
    // The first attempt of every other one fails and is repeated after a second.
    let executor = Played::new(&house, &[1, 1, 1], |item, _| {
        let again = item.delivery.id.raw() % 2 == 0 && item.delivery.attempts_made == 0;
        Plays::Answers(if again { 503 } else { 200 })
    });
    let mut all: Vec<Delivery> = Vec::new();
    for lane in LANES {
        all.extend(house.waiting(subscription, lane, 3).await);
    }
    // What was recorded before a limit was set, and moves to a lane of its own.
    let limited = house.subscribe("https://one.example/limited", Pace::default()).await.id;
    executor.limit(limited, Limits { concurrency_max: None, rate: NonZeroU32::new(50).map(Rate) });
    all.extend(house.waiting(limited, LANES[1], 2).await);
    let before = house.store.calls();
    house.store.fail_nth(nth, fault);
    let settings = Settings { lease: Duration::from_secs(30), renew: Duration::from_secs(10), ..Settings::default() };
    let mut running = house.work(executor, settings).await;
    // One more that comes by the short way.
    let event = Arc::new(house.event(10));
    if let Some(slot) = running.worker.hand_over().reserve(LANES[0], 10) {
        let mut delivery = house.delivery(&event, subscription, LANES[0]);
        delivery.state = DeliveryState::Leased { by: slot.incarnation() };
        let record = countersign_store::record::Record {
            account: house.account,
            config: None,
            envelope: None,
            events: vec![Arc::clone(&event)],
            deliveries: vec![delivery.clone()],
            subscriptions: Vec::new(),
            idempotency: None,
        };
        match house.store.record(vec![record]).await {
            Ok(_) => {
                slot.fill(delivery.clone(), event);
                all.push(delivery);
            }
            Err(_) => {
                running.worker.hand_over().disown(vec![delivery.id]);
                if house.store.real().delivery(house.account, delivery.id).await.expect("read").is_some() {
                    all.push(delivery);
                }
            }
        }
    }
    let expected: Vec<_> = all.iter().map(|delivery| delivery.id).collect();
    let mut waits = 0;
    loop {
        let mut left = Vec::new();
        for id in &expected {
            let state = house.store.real().delivery(house.account, *id).await.expect("read").expect("exists").listed.delivery.state;
            if !matches!(state, DeliveryState::Delivered { .. }) {
                left.push((*id, state));
            }
        }
        if left.is_empty() {
            break;
        }
        waits += 1;
        assert!(waits < 120, "call {nth} failed ({fault:?}) and these are left after two minutes: {left:?}");
        running.wait_a_second_or_for_news().await;
    }
    running.worker.shut_down().await;
    let was_made = house.store.calls() >= before + nth;
    house.store.mend();
    for id in &expected {
        let read = house.read(*id).await;
        let counted = read.attempts.iter().filter(|attempt| attempt.counted).count();
        assert_eq!(read.listed.delivery.attempts_made as usize, counted, "every attempt is written once: {read:?}");
    }
    let backlog = house.store.backlog(None, None).await.expect("read");
    assert_eq!((backlog.leased, backlog.waiting), (0, 0), "call {nth} failed ({fault:?})");
    was_made
}

/// The answer of a record got lost, and its commit is seen only after what was known of it had been given back.
#[tokio::test(start_paused = true)]
async fn what_commits_after_its_answer_was_lost_is_sent_while_the_node_lives() {
    let house = House::new().await;
    let subscription = house.subscribe("https://one.example/", Pace::default()).await.id;
    let executor = Played::new(&house, &[], |_, _| Plays::Answers(200));
    let mut running = house.work(executor, Settings::default()).await;
    let (event, hand_over) = (house.event(10), running.worker.hand_over());
    let slot = hand_over.reserve(LANES[0], 10).expect("nothing is under way");
    let state = DeliveryState::Leased { by: slot.incarnation() };
    let delivery = Delivery { state, ..house.delivery(&event, subscription, LANES[0]) };
    drop(slot);
    hand_over.disown(vec![delivery.id]);
    house.store.wait_for("give_back", 1).await;
    house.record(event, vec![delivery.clone()]).await;
    for _ in 0..120 {
        if matches!(house.state(delivery.id).await, DeliveryState::Delivered { .. }) {
            break;
        }
        running.wait_a_second_or_for_news().await;
    }
    assert!(matches!(house.state(delivery.id).await, DeliveryState::Delivered { .. }), "{:?}", house.state(delivery.id).await);
    running.worker.shut_down().await;
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_failed_for_certain_begins_no_other_life() {
    let house = House::new().await;
    let subscription = house.subscribe("https://one.example/", Pace::default()).await.id;
    house.store.fail_all("claim_due", StoreFault::NotMade);
    let executor = Played::new(&house, &[], |_, _| Plays::Answers(200));
    let mut running = house.work(executor, Settings::default()).await;
    let life = running.worker.life().incarnation();
    house.waiting(subscription, LANES[0], 1).await;
    house.store.wait_for("claim_due", 3).await;
    // Whatever it might have begun is looked after by then.
    house.store.wait_for("renew_node", 2).await;
    house.store.mend();
    running.wait_for(1).await;
    assert_eq!(running.worker.life().incarnation(), life);
    assert_eq!(house.store.calls_of("register_node"), 1);
    running.worker.shut_down().await;
}

#[tokio::test(start_paused = true)]
async fn whichever_call_fails_every_delivery_ends() {
    let mut nth = 1;
    while run(nth, StoreFault::NotMade).await {
        nth += 1;
    }
    assert!(nth > 10, "a run makes more calls than {nth}");
}

#[tokio::test(start_paused = true)]
async fn whichever_answer_is_lost_every_delivery_ends() {
    let mut nth = 1;
    while run(nth, StoreFault::AnswerLost).await {
        nth += 1;
    }
    assert!(nth > 10, "a run makes more calls than {nth}");
}
