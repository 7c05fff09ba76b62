//! Several nodes on one store: what one learns of a listener the others hear, and what a listener gets at once is shared out.

use std::{sync::Arc, time::Duration};

use countersign_core::{
    delivery::{Delivery, DeliveryState},
    id::{ListenerId, SubscriptionId},
    subscription::Pace,
};
use countersign_deliver::{
    Settings,
    pace::{BREAKER_FAILURES, FOLLOWS},
};
use countersign_store::Store;
use countersign_testkit::FaultyStore;

use crate::support::{
    house::{House, Running, START},
    played::{Played, Plays},
};

const LANE: ListenerId = ListenerId(7);
/// Within so long all nodes know what happened to a breaker on one of them.
const NEWS: Duration = Duration::from_secs(2);

/// Brings one node a delivery by the short way; false where its lane has no place.
async fn hand_over(house: &House, to: &Running, subscription: SubscriptionId) -> bool {
    let event = house.event(10);
    let Some(slot) = to.worker.hand_over().reserve(LANE, 10) else { return false };
    let state = DeliveryState::Leased { by: slot.incarnation() };
    let delivery = Delivery { state, ..house.delivery(&event, subscription, LANE) };
    house.record(event.clone(), vec![delivery.clone()]).await;
    slot.fill(delivery, Arc::new(event));
    true
}

fn takes_fresh(node: &Running) -> bool {
    node.worker.hand_over().reserve(LANE, 10).is_some()
}

/// Feeds one node until its breaker opens, while the others have nothing to do.
async fn open_breaker(house: &House, node: &Running, executor: &Played, subscription: SubscriptionId) {
    for begun in 1..=BREAKER_FAILURES as usize {
        assert!(hand_over(house, node, subscription).await, "the breaker is closed");
        executor.wait_for_begun(begun).await;
    }
    while !is_open(node) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

fn is_open(node: &Running) -> bool {
    node.worker.lanes().views()[0].breaker_open
}

#[tokio::test(start_paused = true)]
async fn a_breaker_that_opens_and_closes_on_one_node_does_so_on_the_other() {
    let house = House::new().await;
    let subscription = house.subscribe("https://one.example/", Pace::default()).await.id;
    let back_at = START + Duration::from_secs(20);
    let play = move |_: &_, now| if now < back_at { Plays::Silence } else { Plays::Answers(200) };
    // What fails is due again long after all this.
    let (one, other) = (Played::new(&house, &[3_600], play), Played::new(&house, &[3_600], play));
    let opener = house.work(one.clone(), Settings::default()).await;
    let follower = house.work(other.clone(), Settings::default()).await;
    assert!(takes_fresh(&follower), "it has a lane, and knows nothing against the listener");

    open_breaker(&house, &opener, &one, subscription).await;
    tokio::time::sleep(NEWS).await;
    assert!(!takes_fresh(&follower), "it heard within two seconds");
    // From now on both have something to send.
    let waiting = house.waiting(subscription, LANE, 20).await;
    while house.now() < back_at {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(other.journal().begun.len(), 0, "the node that opened it probes alone");
    let probes = one.journal().begun.len() - BREAKER_FAILURES as usize;
    assert!((3..=4).contains(&probes), "after 1, 2, 4 and 8 s: {probes}");

    while is_open(&opener) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let closed_at = house.now();
    while is_open(&follower) {
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(house.now().since(closed_at) <= NEWS, "the other one hears of the answer within two seconds");
    }
    for delivery in &waiting[5..] {
        while !matches!(house.state(delivery.id).await, DeliveryState::Delivered { .. }) {
            tokio::time::sleep(Duration::from_millis(100)).await;
            assert!(house.now().since(closed_at) <= Duration::from_secs(10));
        }
    }
    opener.worker.shut_down().await;
    follower.worker.shut_down().await;
}

#[tokio::test(start_paused = true)]
async fn a_node_that_followed_probes_itself_when_the_other_is_gone() {
    let house = House::new().await;
    let subscription = house.subscribe("https://one.example/", Pace::default()).await.id;
    // A gateway's 503, after a while that is another one for each, so that no two nodes learn of it at the same instant.
    let away = |node: u64| move |_: &_, _| Plays::Late(Duration::from_millis(10 + node), 503);
    let executors: Vec<_> = (0..3).map(|node| Played::new(&house, &[3_600], away(node))).collect();
    let opener = house.work(executors[0].clone(), Settings::default()).await;
    let follower = house.work(executors[1].clone(), Settings::default()).await;
    open_breaker(&house, &opener, &executors[0], subscription).await;
    let opened_at = house.now();
    tokio::time::sleep(NEWS).await;
    opener.worker.shut_down().await;
    let gone_at = house.now();
    house.waiting(subscription, LANE, 60).await;
    // One that starts now hears before it sends anything.
    let late = house.work(executors[2].clone(), Settings::default()).await;
    executors[1].wait_for_begun(1).await;
    let after = house.now().since(gone_at);
    assert!(after <= FOLLOWS + Duration::from_secs(2), "nobody else probes: {after:?}");
    tokio::time::sleep(Duration::from_secs(60)).await;
    let begun: usize = executors.iter().map(|executor| executor.journal().begun.len()).sum();
    let probes = begun - BREAKER_FAILURES as usize;
    assert!((4..=9).contains(&probes), "one probe in each pause of {:?}, from whichever node: {probes}", house.now().since(opened_at));
    follower.worker.shut_down().await;
    late.worker.shut_down().await;
}

#[tokio::test(start_paused = true)]
async fn what_a_listener_gets_at_once_is_shared_out_over_the_nodes_that_live() {
    let house = House::new().await;
    let subscription = house.subscribe("https://one.example/", Pace::default()).await.id;
    let settings = Settings { lane_concurrency_max: 9, ..Settings::default() };
    let executor = Played::new(&house, &[], |_, _| Plays::Late(Duration::from_millis(100), 200));
    let two: Vec<_> = vec![house.work(executor.clone(), settings.clone()).await, house.work(executor.clone(), settings.clone()).await];
    // Each has counted the other.
    tokio::time::sleep(settings.renew + settings.poll).await;
    house.waiting(subscription, LANE, 300).await;
    executor.wait_for_begun(300).await;
    assert_eq!(executor.journal().most[&subscription], 10, "half of nine each, rounded up");
    let mut left = two.into_iter();
    let (stays, goes) = (left.next().expect("one"), left.next().expect("two"));
    goes.worker.shut_down().await;
    tokio::time::sleep(settings.renew + settings.poll).await;
    house.waiting(subscription, LANE, 300).await;
    while stays.worker.lanes().views()[0].limit < 9 {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    stays.worker.shut_down().await;
}

#[tokio::test(start_paused = true)]
async fn hints_of_what_nobody_may_take_do_not_keep_a_node_looking() {
    let house = House::new().await;
    let subscription = house.subscribe("https://one.example/", Pace::default()).await.id;
    let store = FaultyStore::before(house.store.real());
    let dead = ListenerId(7);
    let executor =
        Played::new(&house, &[60], move |item, _| if item.delivery.listener == dead { Plays::Silence } else { Plays::Answers(200) });
    let settings = Settings { poll: Duration::from_secs(3_600), ..Settings::default() };
    let mut running = house.work_over(Arc::clone(&store) as Arc<dyn Store>, executor, settings).await;
    house.waiting(subscription, dead, 100).await;
    store.hint();
    running.wait_for(BREAKER_FAILURES as usize).await;
    // Another node hints as often as it may, for what waits for the dead listener.
    let looks = || store.calls_of("due_listeners");
    let before = looks();
    for _ in 0..200 {
        store.hint();
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let looked = looks() - before;
    assert!(looked < 60, "{looked} looks in ten seconds");

    // What it may take is found all the same, and hints are followed again at once after it.
    for (alive, within) in [(1, Duration::from_millis(500)), (2, Duration::from_millis(100))] {
        let (began, settled) = (house.now(), running.settled().len());
        let delivery = house.waiting(subscription, ListenerId(alive), 1).await.remove(0);
        store.hint();
        running.wait_until("it is delivered", |all| all[settled..].iter().any(|(written, _)| written.delivery == delivery.id)).await;
        assert!(house.now().since(began) < within, "{alive}: {:?}", house.now().since(began));
    }
    running.worker.shut_down().await;
}

#[tokio::test(start_paused = true)]
async fn a_hint_of_another_node_is_followed_at_once() {
    let house = House::new().await;
    let subscription = house.subscribe("https://one.example/", Pace::default()).await.id;
    let store = FaultyStore::before(house.store.real());
    let executor = Played::new(&house, &[], |_, _| Plays::Answers(200));
    // Without the hint it would look again when it next shares what it knows of breakers.
    let settings = Settings { poll: Duration::from_secs(3_600), ..Settings::default() };
    let mut running = house.work_over(Arc::clone(&store) as Arc<dyn Store>, executor, settings).await;
    store.wait_for("next_due", 1).await;
    let (began, delivery) = (house.now(), house.waiting(subscription, ListenerId(7), 1).await.remove(0));
    store.hint();
    running.wait_for(1).await;
    assert!(house.now().since(began) < Duration::from_millis(100));
    assert!(matches!(house.state(delivery.id).await, DeliveryState::Delivered { .. }));
    running.worker.shut_down().await;
}
