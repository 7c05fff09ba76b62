//! A node that cannot renew its lease is dead to the others: they take over what it held, and what it still settles is refused.

use std::{sync::Arc, time::Duration};

use countersign_core::{delivery::DeliveryState, id::ListenerId, subscription::Pace};
use countersign_deliver::Settings;
use countersign_store::Store;
use countersign_testkit::{FaultyStore, StoreFault};

use crate::support::{
    house::House,
    played::{Played, Plays},
};

#[tokio::test(start_paused = true)]
async fn a_dead_nodes_deliveries_are_taken_over_and_its_late_results_are_refused() {
    let house = House::new().await;
    let subscription = house.subscribe("https://one.example/", Pace::default()).await.id;
    let delivery = house.waiting(subscription, ListenerId(7), 1).await.remove(0);
    let settings = Settings::default();

    // Cut off from the store but for what it began.
    let cut_off = FaultyStore::before(house.store.real());
    let lost = Played::new(&house, &[], |_, _| Plays::Hangs);
    let mut dead = house.work_over(Arc::clone(&cut_off) as Arc<dyn Store>, lost.clone(), settings.clone()).await;
    lost.wait_for_begun(1).await;
    for method in ["renew_node", "register_node", "claim_due", "due_listeners"] {
        cut_off.fail_all(method, StoreFault::NotMade);
    }
    let cut_off_at = house.now();

    let heir = Played::new(&house, &[], |_, _| Plays::Answers(200));
    let mut alive = house.work(heir.clone(), settings.clone()).await;
    alive.wait_for(1).await;
    let taken_after = house.now().since(cut_off_at);
    assert!(taken_after >= settings.lease - settings.renew, "not while the lease lived: {taken_after:?}");
    assert!(taken_after <= settings.lease + settings.poll * 2, "and at once when it had run out: {taken_after:?}");
    assert!(dead.worker.hand_over().reserve(ListenerId(7), 10).is_none(), "who cannot renew gives no place");

    lost.release();
    dead.wait_until("the late result is answered", |settled| settled.len() == 1).await;
    assert!(!dead.settled()[0].1, "it is refused");
    let read = house.read(delivery.id).await;
    assert!(matches!(read.listed.delivery.state, DeliveryState::Delivered { .. }));
    assert_eq!(read.attempts.len(), 1, "the heir's result stands alone");

    // With the store in reach again it goes on as another life.
    let before = dead.worker.life().incarnation();
    cut_off.mend();
    alive.worker.shut_down().await;
    let next = house.waiting(subscription, ListenerId(7), 1).await.remove(0);
    dead.wait_until("it works again", |settled| settled.len() == 2).await;
    assert!(matches!(house.state(next.id).await, DeliveryState::Delivered { .. }));
    assert_ne!(dead.worker.life().incarnation(), before);
    dead.worker.shut_down().await;
}

#[tokio::test(start_paused = true)]
async fn what_a_killed_node_held_is_due_when_its_lease_ends() {
    let house = House::new().await;
    let subscription = house.subscribe("https://one.example/", Pace::default()).await.id;
    let event = house.event(10);
    // Leased to a life that nobody renews.
    let killed = house.store.register_node("killed", 5, house.now(), Duration::from_secs(30)).await.expect("registered").incarnation;
    let mut delivery = house.delivery(&event, subscription, ListenerId(7));
    delivery.state = DeliveryState::Leased { by: killed };
    house.record(event, vec![delivery.clone()]).await;
    let executor = Played::new(&house, &[], |_, _| Plays::Answers(200));
    let mut running = house.work(executor, Settings::default()).await;
    running.wait_for(1).await;
    let after = house.now().since(delivery.generated_at);
    assert!(after >= Duration::from_secs(30) && after <= Duration::from_secs(32), "{after:?}");
    running.worker.shut_down().await;
}
