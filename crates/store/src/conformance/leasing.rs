//! Rows about lives of nodes, and what becomes of leases when one ends.

use std::{collections::BTreeSet, time::Duration};

use countersign_core::{delivery::DeliveryState, id::ListenerId};

use super::world::{LONG, START, World, at, claim};
use crate::{
    Refused,
    breaker::{BreakerChange, FORGOTTEN_AFTER, OpenBreaker},
    claim::SUSPECT_FROM,
    settle::Next,
};

/// What a dead incarnation held is due, and it is counted that it was in the hands of one that died.
pub async fn what_a_dead_incarnation_held_is_claimable_and_counted(world: World) {
    let (account, subscription) = world.subscribed().await;
    let delivery = world.waiting(account, subscription, 7).await;
    let mut now = START;
    for times in 0..3 {
        let by = world.store.register_node("a node", 1, now, LONG).await.expect("stored").incarnation;
        let due = world.store.due_listeners(now, None, 10).await.expect("read");
        assert_eq!(due.len(), 1, "after {times} deaths");
        assert_eq!((due[0].listener, due[0].account, due[0].due_at), (delivery.listener, account, START));
        let claimed = world.claim(by, now, 7, 5).await;
        assert_eq!(claimed.len(), 1, "after {times} deaths");
        assert_eq!(claimed[0].times_orphaned, times);
        assert_eq!(claimed[0].delivery.state, DeliveryState::Leased { by });
        assert!(world.store.due_listeners(now, None, 10).await.expect("read").is_empty(), "its holder lives");
        now = now + LONG;
    }
    // An attempt that came to an end shows that the delivery does not kill.
    let by = world.store.register_node("a node", 2, now, LONG).await.expect("stored").incarnation;
    world.claim(by, now, 7, 5).await;
    world.settle(&delivery, by, now, Next::Waiting { due_at: now, held: None }).await;
    assert_eq!(world.claim(by, now, 7, 5).await[0].times_orphaned, 0);
}

/// Within a lane, what a dead incarnation held and what waits come in one order, under one quota.
pub async fn orphans_and_what_waits_share_order_and_quota(world: World) {
    let (account, subscription) = world.subscribed().await;
    let dead = world.store.register_node("short", 1, START, Duration::from_secs(1)).await.expect("stored").incarnation;
    let by = world.node().await;
    let first = world.recorded_as(account, subscription, 7, DeliveryState::Leased { by: dead }).await;
    let second = world.waiting(account, subscription, 7).await;
    let third = world.recorded_as(account, subscription, 7, DeliveryState::Leased { by: dead }).await;
    assert_eq!(world.claim_ids(by, at(2), 7, 2).await, [first.id, second.id]);
    assert_eq!(world.claim_ids(by, at(2), 7, 2).await, [third.id]);
}

/// What has been in the hands of too many dead is claimed one at a time in each lane, beside who is innocent: most of it was only
/// near when something else killed.
pub async fn suspects_are_claimed_one_at_a_time(world: World) {
    let (account, subscription) = world.subscribed().await;
    for lane in [7, 7, 7, 8] {
        world.waiting(account, subscription, lane).await;
    }
    let mut now = START;
    for times in 0..SUSPECT_FROM {
        let by = world.store.register_node("a node", 1, now, LONG).await.expect("stored").incarnation;
        let claimed = world.store.claim_due(claim(by, now, &[(7, 5), (8, 5)])).await.expect("claimed");
        assert_eq!(claimed.len(), 4, "after {times} deaths");
        now = now + LONG;
    }
    let innocent = world.waiting(account, subscription, 7).await;
    let by = world.store.register_node("a node", 1, now, LONG).await.expect("stored").incarnation;
    let claimed = world.store.claim_due(claim(by, now, &[(7, 5), (8, 5)])).await.expect("claimed");
    let seen: Vec<_> = claimed.iter().map(|claimed| (claimed.delivery.listener.0, claimed.times_orphaned)).collect();
    assert_eq!(seen, [(7, SUSPECT_FROM), (7, 0), (8, SUSPECT_FROM)]);
    assert_eq!(claimed[1].delivery.id, innocent.id);
    let mut out = claimed[0].delivery.clone();
    for left in [2, 1] {
        assert!(world.claim(by, now, 7, 5).await.is_empty(), "a suspect is out, {left} wait");
        world.settle(&out, by, now, Next::Delivered).await;
        let next = world.claim(by, now, 7, 5).await;
        assert_eq!(next.len(), 1, "{left} left");
        out = next[0].delivery.clone();
    }
    // An attempt that came to an end shows that the delivery does not kill.
    world.settle(&out, by, now, Next::Waiting { due_at: now, held: None }).await;
    assert_eq!(world.claim(by, now, 7, 5).await[0].times_orphaned, 0);
}

/// A life that ended well leaves its deliveries at once, and nothing is held against them.
pub async fn what_a_retired_node_held_is_claimable_at_once(world: World) {
    let (account, subscription) = world.subscribed().await;
    let (old, new) = (world.node().await, world.node().await);
    let delivery = world.recorded_as(account, subscription, 7, DeliveryState::Leased { by: old }).await;
    assert!(world.claim(new, START, 7, 5).await.is_empty());
    world.store.retire_node(old, START).await.expect("retired");
    let claimed = world.claim(new, START, 7, 5).await;
    assert_eq!((claimed[0].delivery.id, claimed[0].times_orphaned), (delivery.id, 0));
}

/// A life is renewed as long as nothing was claimed from it, even when it is late.
pub async fn a_late_life_goes_on_unless_something_was_claimed_from_it(world: World) {
    let (account, subscription) = world.subscribed().await;
    let by = world.node().await;
    let delivery = world.recorded_as(account, subscription, 7, DeliveryState::Leased { by }).await;
    let late = START + LONG + LONG;
    assert_eq!(world.store.renew_node(by, late, LONG).await.expect("answered"), Ok(()));
    let other = world.store.register_node("another", 5, late, LONG * 9).await.expect("stored").incarnation;
    assert!(world.claim(other, late, 7, 5).await.is_empty(), "it lives again");
    let later = late + LONG;
    assert_eq!(world.claim_ids(other, later, 7, 5).await, [delivery.id]);
    assert_eq!(world.store.renew_node(by, later, LONG).await.expect("answered"), Err(Refused::LeaseLost));
    assert!(world.claim(by, later, 7, 5).await.is_empty());
}

/// A life that expired and held nothing is cleared away by the next one, and cannot be renewed then.
pub async fn an_expired_life_is_cleared_away(world: World) {
    let (account, subscription) = world.subscribed().await;
    let (idle, busy) = (world.node().await, world.node().await);
    world.recorded_as(account, subscription, 7, DeliveryState::Leased { by: busy }).await;
    let late = START + LONG;
    let new = world.store.register_node("next", 9, late, LONG).await.expect("stored");
    let nodes: Vec<_> = world.store.nodes().await.expect("read").into_iter().map(|node| node.incarnation).collect();
    assert_eq!(nodes.iter().collect::<BTreeSet<_>>(), [busy, new.incarnation].iter().collect(), "the busy one still holds something");
    assert_eq!(world.store.renew_node(idle, late, LONG).await.expect("answered"), Err(Refused::LeaseLost));
    assert_eq!(world.store.renew_node(busy, late, LONG).await.expect("answered"), Ok(()));
}

/// Every life has an incarnation of its own; no two live ones share a number; numbers go round.
pub async fn lives_differ_and_live_nodes_share_no_number(world: World) {
    let mut incarnations = BTreeSet::new();
    let mut numbers = Vec::new();
    for _ in 0..5 {
        let node = world.store.register_node("a node", 1, START, LONG).await.expect("stored");
        assert_eq!((node.started_at, node.expires_at), (START, START + LONG));
        assert!(incarnations.insert(node.incarnation), "the seed and the time are the same, the life is not");
        assert!(node.number < 1_024);
        numbers.push(node.number);
        assert_eq!(world.store.nodes().await.expect("read").last(), Some(&node));
    }
    assert_eq!(numbers.iter().collect::<BTreeSet<_>>().len(), 5);
    for incarnation in incarnations {
        world.store.retire_node(incarnation, START).await.expect("retired");
    }
    assert!(world.store.nodes().await.expect("read").is_empty());
    let next = world.store.register_node("a node", 1, START, LONG).await.expect("stored");
    assert!(!numbers.contains(&next.number), "a node whose clock was set back must not repeat ids it made before");
}

fn open(listener: i64, until_s: u64, pause_s: u64) -> OpenBreaker {
    OpenBreaker { listener: ListenerId(listener), until: at(until_s), pause: Duration::from_secs(pause_s) }
}

/// What one node tells of a breaker all hear, until one of them closes it, or nobody has probed it for long.
pub async fn an_open_breaker_is_heard_of_until_it_closes_or_is_forgotten(world: World) {
    let share = async |changes: &[BreakerChange], now| world.store.share_breakers(changes.to_vec(), now).await.expect("shared");
    assert!(share(&[], START).await.is_empty());
    let (first, second) = (open(7, 1, 1), open(8, 30, 30));
    let told = share(&[BreakerChange::Opened(first), BreakerChange::Opened(second)], START).await;
    assert_eq!(told, [second, first], "what is probed last comes first");
    assert_eq!(share(&[], at(2)).await, [second, first], "also when it may be probed");
    assert_eq!(share(&[BreakerChange::Closed(second.listener), BreakerChange::Closed(ListenerId(9))], at(2)).await, [first]);
    let end = first.until + FORGOTTEN_AFTER;
    assert_eq!(share(&[], end.minus(Duration::from_secs(1))).await, [first]);
    assert!(share(&[], end).await.is_empty());
    // Forgotten means gone: a clock that is set back does not bring it back.
    assert_eq!(share(&[BreakerChange::Opened(open(9, 700, 1))], end).await, [open(9, 700, 1)]);
    assert_eq!(share(&[], START).await, [open(9, 700, 1)]);
}

/// Two nodes that open a breaker do not shorten each other's pause; once it was closed it may open for less.
pub async fn the_longest_pause_of_a_breaker_stands(world: World) {
    let share = async |change| world.store.share_breakers(vec![change], START).await.expect("shared");
    assert_eq!(share(BreakerChange::Opened(open(7, 4, 4))).await, [open(7, 4, 4)]);
    assert_eq!(share(BreakerChange::Opened(open(7, 2, 1))).await, [open(7, 4, 4)]);
    assert_eq!(share(BreakerChange::Opened(open(7, 8, 8))).await, [open(7, 8, 8)]);
    assert!(share(BreakerChange::Closed(ListenerId(7))).await.is_empty());
    assert_eq!(share(BreakerChange::Opened(open(7, 1, 1))).await, [open(7, 1, 1)]);
}
