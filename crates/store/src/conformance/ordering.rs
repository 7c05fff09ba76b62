//! Rows about order keys: one at a time, in order.

use std::time::Duration;

use countersign_core::delivery::{DeliveryState, Hold, ParkReason};

use super::world::{LONG, START, World, at};
use crate::{
    claim::Release,
    query::DeliveryAction,
    settle::{Next, Settlement},
};

/// The next one comes when the one before is delivered, and a retry keeps the others back.
pub async fn deliveries_of_one_key_go_one_at_a_time(world: World) {
    let (account, subscription) = world.subscribed().await;
    let by = world.node().await;
    let mut chain = Vec::new();
    for _ in 0..3 {
        chain.push(world.ordered(account, subscription, 7, 42).await);
    }
    let apart = world.ordered(account, subscription, 7, 43).await;
    let free = world.waiting(account, subscription, 7).await;
    assert_eq!(world.claim_ids(by, START, 7, 10).await, [chain[0].id, apart.id, free.id]);
    assert!(world.claim(by, START, 7, 10).await.is_empty(), "the first is under way");
    world.settle(&chain[0], by, START, Next::Waiting { due_at: at(30), held: None }).await;
    assert!(world.claim(by, at(29), 7, 10).await.is_empty(), "the first waits for its retry");
    assert!(world.store.due_listeners(at(29), None, 10).await.expect("read").is_empty(), "no listener is due for what may not go");
    assert_eq!(world.store.next_due().await.expect("read"), Some(at(30)));
    assert_eq!(world.claim_ids(by, at(30), 7, 10).await, [chain[0].id]);
    world.settle(&chain[0], by, at(30), Next::Delivered).await;
    assert_eq!(world.claim_ids(by, at(30), 7, 10).await, [chain[1].id]);
    world.settle(&chain[1], by, at(30), Next::Delivered).await;
    let later = world.ordered(account, subscription, 7, 42).await;
    assert_eq!(world.claim_ids(by, at(30), 7, 10).await, [chain[2].id]);
    world.settle(&chain[2], by, at(30), Next::Delivered).await;
    assert_eq!(world.claim_ids(by, at(30), 7, 10).await, [later.id]);
}

/// Whatever ends the first one lets the next one go.
pub async fn whatever_ends_the_head_releases_its_successor(world: World) {
    let (account, subscription) = world.subscribed().await;
    let by = world.node().await;
    for (key, row) in [(1, "parked"), (2, "cancelled by a person"), (3, "cancelled by its settlement"), (4, "given back")] {
        let head = world.ordered(account, subscription, key, key).await;
        let next = world.ordered(account, subscription, key, key).await;
        if row == "cancelled by a person" {
            let changed = world.store.act_on_deliveries(account, vec![head.id], DeliveryAction::Cancel, START).await.expect("done");
            assert_eq!(changed, [head.id], "{row}");
        } else {
            assert_eq!(world.claim_ids(by, START, key, 10).await, [head.id], "{row}");
            match row {
                "parked" => world.settle(&head, by, START, Next::Parked(ParkReason::Exhausted)).await,
                "given back" => {
                    world.store.give_back(by, vec![head.id], START, None).await.expect("given back");
                    assert_eq!(world.claim_ids(by, START, key, 10).await, [head.id], "{row}: it is still the first");
                    world.settle(&head, by, START, Next::Delivered).await;
                }
                _ => world.settle(&head, by, START, Next::Cancelled).await,
            }
        }
        assert_eq!(world.claim_ids(by, START, key, 10).await, [next.id], "{row}");
    }
}

/// While the first is held, the others wait behind it.
pub async fn a_held_head_keeps_its_successors_back(world: World) {
    let (account, subscription) = world.subscribed().await;
    let by = world.node().await;
    let head = world.ordered(account, subscription, 7, 42).await;
    let next = world.ordered(account, subscription, 7, 42).await;
    world.claim(by, START, 7, 10).await;
    let held = Next::Waiting { due_at: START, held: Some(Hold::NoToken) };
    let settlement = Settlement { attempt: None, ..world.settlement(&head, by, START, held) };
    assert_eq!(world.store.settle(vec![settlement]).await.expect("stored"), vec![Ok(())]);
    assert!(world.claim(by, at(60), 7, 10).await.is_empty());
    let release = Release { subscription, held: Hold::NoToken, now: at(60), rows_max: 10 };
    assert_eq!(world.store.release(release).await.expect("released"), 1);
    assert_eq!(world.claim_ids(by, at(60), 7, 10).await, [head.id]);
    world.settle(&head, by, at(60), Next::Delivered).await;
    assert_eq!(world.claim_ids(by, at(60), 7, 10).await, [next.id]);
}

/// A parked delivery that is asked for again comes before its successors, but not beside the one that is under way.
pub async fn a_retried_head_waits_for_the_one_under_way_and_then_goes_first(world: World) {
    let (account, subscription) = world.subscribed().await;
    let by = world.node().await;
    let mut chain = Vec::new();
    for _ in 0..3 {
        chain.push(world.ordered(account, subscription, 7, 42).await);
    }
    world.claim(by, START, 7, 10).await;
    world.settle(&chain[0], by, START, Next::Parked(ParkReason::Exhausted)).await;
    assert_eq!(world.claim_ids(by, START, 7, 10).await, [chain[1].id]);
    let changed = world.store.act_on_deliveries(account, vec![chain[0].id], DeliveryAction::Retry, at(1)).await.expect("done");
    assert_eq!(changed, [chain[0].id]);
    assert!(world.claim(by, at(2), 7, 10).await.is_empty(), "the second is under way");
    world.settle(&chain[1], by, at(2), Next::Waiting { due_at: at(2), held: None }).await;
    assert_eq!(world.claim_ids(by, at(2), 7, 10).await, [chain[0].id]);
    world.settle(&chain[0], by, at(2), Next::Delivered).await;
    assert_eq!(world.claim_ids(by, at(2), 7, 10).await, [chain[1].id]);
    world.settle(&chain[1], by, at(2), Next::Delivered).await;
    assert_eq!(world.claim_ids(by, at(2), 7, 10).await, [chain[2].id]);
}

/// When the holder of the first dies, the first is due again and its successors are not.
pub async fn an_orphaned_head_goes_before_its_successors(world: World) {
    let (account, subscription) = world.subscribed().await;
    let dying = world.store.register_node("dying", 1, START, Duration::from_secs(5)).await.expect("stored").incarnation;
    let head = world.ordered(account, subscription, 7, 42).await;
    let next = world.ordered(account, subscription, 7, 42).await;
    assert_eq!(world.claim_ids(dying, START, 7, 10).await, [head.id]);
    let by = world.store.register_node("next", 2, at(10), LONG).await.expect("stored").incarnation;
    assert_eq!(world.claim_ids(by, at(10), 7, 10).await, [head.id]);
    world.settle(&head, by, at(10), Next::Delivered).await;
    assert_eq!(world.claim_ids(by, at(10), 7, 10).await, [next.id]);
    assert_eq!(world.state(&head).await, DeliveryState::Delivered { at: at(10) });
}
