//! Rows about `settle` and `give_back`.

use std::sync::Arc;

use bytes::Bytes;
use countersign_core::{
    delivery::{DeliveryState, Hold, ParkReason},
    id::{DeliveryId, ListenerId},
};

use super::world::{LONG, START, World, at, held, waiting_until};
use crate::{
    Refused,
    settle::{AttemptRow, Exchange, Next, Settlement},
};

/// Every outcome leads to its state, with the attempt beside it.
pub async fn each_outcome_leads_to_its_state(world: World) {
    let (account, subscription) = world.subscribed().await;
    let by = world.node().await;
    let parked = |reason| (Next::Parked(reason), DeliveryState::Parked { reason, at: at(1) });
    for (row, (next, state)) in [
        ("delivered", (Next::Delivered, DeliveryState::Delivered { at: at(1) })),
        ("again", (Next::Waiting { due_at: at(30), held: None }, waiting_until(at(30)))),
        ("held", (Next::Waiting { due_at: at(1), held: Some(Hold::NoToken) }, held(at(1), Hold::NoToken))),
        ("exhausted", parked(ParkReason::Exhausted)),
        ("gone", parked(ParkReason::Gone)),
        ("not acknowledged", parked(ParkReason::NotAcknowledged)),
        ("unrenderable", parked(ParkReason::Unrenderable)),
        ("poison", parked(ParkReason::Poison)),
        ("unwanted", (Next::Cancelled, DeliveryState::Cancelled { at: at(1) })),
    ] {
        let delivery = world.recorded_as(account, subscription, 7, DeliveryState::Leased { by }).await;
        let settlement = world.settlement(&delivery, by, at(1), next);
        assert_eq!(world.store.settle(vec![settlement.clone()]).await.expect("stored"), vec![Ok(())], "{row}");
        let read = world.read(&delivery).await;
        assert_eq!(read.listed.delivery.state, state, "{row}");
        assert_eq!((read.listed.delivery.attempts_made, read.listed.delivery.retry_count), (1, 1), "{row}");
        assert_eq!(read.attempts, settlement.attempt.into_iter().map(Arc::unwrap_or_clone).collect::<Vec<_>>(), "{row}");
    }
}

/// An attempt reads back value for value, and lists show the last one.
pub async fn attempts_read_back_oldest_first(world: World) {
    let (account, subscription) = world.subscribed().await;
    let by = world.node().await;
    let mut delivery = world.waiting(account, subscription, 7).await;
    let mut attempts = Vec::new();
    for round in 0..5_u32 {
        let now = at(u64::from(round) * 10);
        assert_eq!(world.claim_ids(by, now, 7, 1).await, [delivery.id], "round {round}");
        let attempt = AttemptRow {
            elapsed_us: u64::from(round) << 40,
            retry_count: round,
            error: (round % 2 == 0).then(|| "connection refused".to_owned()),
            counted: round % 2 == 1,
            exchange: Exchange {
                url: format!("https://listener.example/{round}"),
                request_headers: [("a", "1"), ("a", "2")].into_iter().collect(),
                answer_headers: [("content-type", "text/plain")].into_iter().collect(),
                answer_truncated: true,
                remote: Some("192.0.2.1:443".into()),
                phases_us: vec![("dns".into(), 5)],
                ..Exchange::default()
            },
            answer_head: Bytes::from(vec![round as u8; 4_096]),
            ..world.attempt(now, "timeout", None)
        };
        attempts.push(attempt.clone());
        let next = Next::Waiting { due_at: now, held: None };
        let settlement = Settlement { attempt: Some(Arc::new(attempt)), ..world.settlement(&delivery, by, now, next) };
        delivery.attempts_made = settlement.attempts_made;
        delivery.retry_count = settlement.retry_count;
        assert_eq!(world.store.settle(vec![settlement]).await.expect("stored"), vec![Ok(())]);
    }
    let read = world.read(&delivery).await;
    assert_eq!(read.attempts, attempts);
    let last = &attempts[4];
    let listed = &read.listed;
    assert_eq!(
        (listed.last_attempt_at, listed.last_class.as_deref(), listed.last_status, listed.last_error.as_deref()),
        (Some(last.started_at), Some("timeout"), None, Some("connection refused"))
    );
}

/// A settlement without an exchange writes no attempt and keeps the earlier ones.
pub async fn a_settlement_without_an_exchange_writes_no_attempt(world: World) {
    let (account, subscription) = world.subscribed().await;
    let by = world.node().await;
    let delivery = world.recorded_as(account, subscription, 7, DeliveryState::Leased { by }).await;
    world.settle(&delivery, by, START, Next::Waiting { due_at: START, held: None }).await;
    world.claim(by, START, 7, 1).await;
    let next = Next::Waiting { due_at: at(1), held: Some(Hold::NoToken) };
    let settlement = Settlement { attempt: None, ..world.settlement(&delivery, by, at(1), next) };
    assert_eq!(world.store.settle(vec![settlement]).await.expect("stored"), vec![Ok(())]);
    let read = world.read(&delivery).await;
    assert_eq!(read.attempts.len(), 1);
    assert_eq!(read.listed.held_since, Some(at(1)));
}

/// Who lost the lease may not settle; what the new holder settled stands.
pub async fn a_lost_lease_is_refused(world: World) {
    let (account, subscription) = world.subscribed().await;
    let old = world.node().await;
    let delivery = world.recorded_as(account, subscription, 7, DeliveryState::Leased { by: old }).await;
    let late = START + LONG;
    let new = world.store.register_node("another", 77, late, LONG).await.expect("stored").incarnation;
    assert_eq!(world.claim_ids(new, late, 7, 1).await, [delivery.id]);
    let refused = world.settlement(&delivery, old, late, Next::Delivered);
    assert_eq!(world.store.settle(vec![refused.clone()]).await.expect("answered"), vec![Err(Refused::LeaseLost)]);
    assert_eq!(world.state(&delivery).await, DeliveryState::Leased { by: new });
    world.settle(&delivery, new, late, Next::Parked(ParkReason::Exhausted)).await;
    assert_eq!(world.store.settle(vec![refused]).await.expect("answered"), vec![Err(Refused::LeaseLost)]);
    let read = world.read(&delivery).await;
    assert_eq!(read.listed.delivery.state, DeliveryState::Parked { reason: ParkReason::Exhausted, at: late });
    assert_eq!(read.attempts.len(), 1, "the refused attempts were not written");
}

/// An unknown delivery is refused, and so is another's attempt; neighbours in the batch are not. The same settlement once more is none.
pub async fn a_bad_settlement_fails_alone(world: World) {
    let (account, subscription) = world.subscribed().await;
    let by = world.node().await;
    let mut leased = Vec::new();
    for _ in 0..3 {
        leased.push(world.recorded_as(account, subscription, 7, DeliveryState::Leased { by }).await);
    }
    let first = world.settlement(&leased[0], by, START, Next::Delivered);
    let unknown = Settlement { delivery: DeliveryId::from_raw(1), ..first.clone() };
    // An attempt id that is in use breaks a constraint in the middle of the item.
    let clash = Settlement { attempt: first.attempt.clone(), ..world.settlement(&leased[1], by, START, Next::Delivered) };
    let last = world.settlement(&leased[2], by, START, Next::Delivered);
    let answers = world.store.settle(vec![first.clone(), unknown, clash, first, last]).await.expect("answered");
    assert_eq!(answers, vec![Ok(()), Err(Refused::NotFound), Err(Refused::Exists), Ok(()), Ok(())]);
    assert_eq!(world.state(&leased[1]).await, DeliveryState::Leased { by });
    assert_eq!(world.state(&leased[2]).await, DeliveryState::Delivered { at: START });
}

/// Whoever did not hear that its settlement was written gives it again: it stands as it was written, whatever came of the delivery since.
pub async fn a_settlement_given_again_stands(world: World) {
    let (account, subscription) = world.subscribed().await;
    let by = world.node().await;
    for next in [Next::Delivered, Next::Parked(ParkReason::Exhausted), Next::Waiting { due_at: START, held: None }] {
        let delivery = world.recorded_as(account, subscription, 7, DeliveryState::Leased { by }).await;
        let settlement = world.settlement(&delivery, by, START, next);
        assert_eq!(world.store.settle(vec![settlement.clone()]).await.expect("answered"), vec![Ok(())]);
        let written = world.state(&delivery).await;
        assert_eq!(world.store.settle(vec![settlement.clone()]).await.expect("answered"), vec![Ok(())], "{next:?}");
        assert_eq!(world.state(&delivery).await, written, "{next:?}");
        // Out again, to the same node: that attempt does not end this one.
        let leased = world.claim_ids(by, START, 7, 1).await;
        let state = if leased.is_empty() { written } else { DeliveryState::Leased { by } };
        assert_eq!(world.store.settle(vec![settlement]).await.expect("answered"), vec![Ok(())], "{next:?}");
        assert_eq!(world.state(&delivery).await, state, "{next:?}");
        assert_eq!(world.read(&delivery).await.attempts.len(), 1, "{next:?}");
    }
}

/// Given back: as it was, due when told, without an attempt; lost leases are passed over.
pub async fn what_is_given_back_is_as_it_was(world: World) {
    let (account, subscription) = world.subscribed().await;
    let (by, other) = (world.node().await, world.node().await);
    let mine = world.recorded_as(account, subscription, 7, DeliveryState::Leased { by }).await;
    let theirs = world.recorded_as(account, subscription, 7, DeliveryState::Leased { by: other }).await;
    let done = world.recorded_as(account, subscription, 7, DeliveryState::Leased { by }).await;
    world.settle(&done, by, START, Next::Delivered).await;
    let all = vec![mine.id, theirs.id, done.id, DeliveryId::from_raw(1)];
    world.store.give_back(by, all, at(9), None).await.expect("given back");
    let read = world.read(&mine).await;
    assert_eq!(read.listed.delivery, countersign_core::delivery::Delivery { state: waiting_until(at(9)), ..mine.clone() });
    assert!(read.attempts.is_empty());
    assert_eq!(world.state(&theirs).await, DeliveryState::Leased { by: other });
    assert_eq!(world.state(&done).await, DeliveryState::Delivered { at: START });
    assert_eq!(world.claim_ids(by, at(9), 7, 5).await, [mine.id]);
    world.store.give_back(by, vec![mine.id], at(9), Some(Hold::Paused)).await.expect("given back");
    assert_eq!(world.state(&mine).await, held(at(9), Hold::Paused));
}

/// Moved to another lane: waiting there, due when it was, in its place by time; lost leases are passed over. Lanes of one subscription
/// alone have negative names.
pub async fn what_is_rerouted_waits_in_its_new_lane(world: World) {
    let (account, subscription) = world.subscribed().await;
    let (by, other) = (world.node().await, world.node().await);
    let own = -subscription.0;
    let first = world.recorded_as(account, subscription, 7, waiting_until(at(1))).await;
    let later = world.recorded_as(account, subscription, own, waiting_until(at(2))).await;
    let theirs = world.recorded_as(account, subscription, 7, DeliveryState::Leased { by: other }).await;
    assert_eq!(world.claim_ids(by, at(5), 7, 5).await, [first.id]);
    let all = vec![first.id, theirs.id, DeliveryId::from_raw(1)];
    world.store.reroute(by, all, ListenerId(own)).await.expect("rerouted");
    let read = world.read(&first).await;
    assert_eq!(read.listed.delivery, countersign_core::delivery::Delivery { listener: ListenerId(own), ..first.clone() });
    assert!(read.attempts.is_empty());
    assert_eq!(world.state(&theirs).await, DeliveryState::Leased { by: other });
    assert!(world.claim(by, at(5), 7, 5).await.is_empty(), "nothing is left in the old lane");
    let due = world.store.due_listeners(at(5), None, 5).await.expect("read");
    assert_eq!(due.iter().map(|due| (due.listener, due.due_at)).collect::<Vec<_>>(), [(ListenerId(own), at(1))]);
    assert_eq!(world.store.next_due().await.expect("read"), Some(at(1)));
    assert_eq!(world.claim_ids(by, at(5), own, 5).await, [first.id, later.id]);
    world.store.delete_subscription(account, subscription, at(6)).await.expect("stored").expect("existed");
    world.store.reroute(by, vec![first.id], ListenerId(7)).await.expect("rerouted");
    assert!(matches!(world.state(&first).await, DeliveryState::Cancelled { .. }), "nobody wants it any more");
}

/// A delivery that would wait for a subscription that was deleted meanwhile is cancelled instead.
pub async fn nothing_waits_for_a_deleted_subscription(world: World) {
    let (account, subscription) = world.subscribed().await;
    let by = world.node().await;
    let mut leased = Vec::new();
    for _ in 0..3 {
        leased.push(world.recorded_as(account, subscription, 7, DeliveryState::Leased { by }).await);
    }
    world.store.delete_subscription(account, subscription, at(1)).await.expect("stored").expect("existed");
    assert_eq!(world.state(&leased[0]).await, DeliveryState::Leased { by }, "it ends with its attempt");
    world.settle(&leased[0], by, at(2), Next::Waiting { due_at: at(30), held: None }).await;
    world.settle(&leased[1], by, at(2), Next::Delivered).await;
    world.store.give_back(by, vec![leased[2].id], at(2), None).await.expect("given back");
    assert_eq!(world.state(&leased[0]).await, DeliveryState::Cancelled { at: at(2) });
    assert_eq!(world.state(&leased[1]).await, DeliveryState::Delivered { at: at(2) });
    assert_eq!(world.state(&leased[2]).await, DeliveryState::Cancelled { at: at(2) });
}
