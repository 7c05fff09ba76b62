//! Filling a store straight: events, each with a delivery and the attempt that delivered it, by the calls that the server itself
//! makes, in large batches and without HTTP. The rows are those of the server, whatever the schema is.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, ensure};
use bytes::Bytes;
use countersign_core::{
    Timestamp,
    config::ConfigVersion,
    delivery::{Delivery, DeliveryState},
    event::{Event, EventDetail, EventName, Snapshot},
    id::{AccountId, AttemptId, DeliveryId, EventId, IdSource, Incarnation, ListenerId, SubscriptionId},
    subscription::MessageShape,
};
use countersign_store::{
    Store,
    record::Record,
    settle::{AttemptRow, Exchange, Next, Settlement},
};
use tokio::task::JoinSet;

use super::{child::ACCOUNT, payload, progress::Progress};
use crate::database::open_embedded;

/// Events in one call: with several under way the writer fills its transactions.
const BATCH: u64 = 1_000;
/// Batches under way: while one is written, others are made.
const BATCHES: usize = 4;
/// Over which time the attempts lie: less than retention keeps.
const SPREAD: Duration = Duration::from_secs(20 * 24 * 3_600);
/// A life that filling does not outlive.
const NODE_LIFE: Duration = Duration::from_secs(24 * 3_600);

/// Whose deliveries they are.
#[derive(Clone, Copy)]
struct Owner {
    account: AccountId,
    config: ConfigVersion,
    subscription: SubscriptionId,
    node: Incarnation,
}

/// Fills the data directory of a server that does not run and that has an account with one subscription.
///
/// # Errors
/// The store's.
pub(crate) async fn seed(data_dir: &Path, attempts: u64, bytes: usize, progress: &Progress) -> anyhow::Result<()> {
    let store: Arc<dyn Store> = Arc::new(open_embedded(data_dir).await?);
    let now = Timestamp::from_millis(i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?);
    let account = store.account_by_guid(ACCOUNT.parse().context("the account's id")?).await?.context("the server made no account")?.id;
    let (config, subscriptions) = store.subscriptions(account).await?;
    let subscription = subscriptions.first().map(|(id, _)| *id).context("there is no subscription")?;
    let node = store.register_node("bench", u64::from(std::process::id()), now, NODE_LIFE).await?;
    let owner = Owner { account, config, subscription, node: node.incarnation };
    let ids = Arc::new(IdSource::new(node.number));
    let mut under_way = JoinSet::new();
    let mut from = 0;
    while from < attempts || !under_way.is_empty() {
        if from < attempts && under_way.len() < BATCHES {
            let to = (from + BATCH).min(attempts);
            let times = (from..to).map(|number| (number, earlier(now, number, attempts))).collect();
            under_way.spawn(one_batch(Arc::clone(&store), owner, Arc::clone(&ids), times, bytes));
            from = to;
        } else if let Some(done) = under_way.join_next().await {
            progress.step(done.context("filling the store panicked")??);
        }
    }
    store.retire_node(node.incarnation, now).await?;
    store.close().await;
    Ok(())
}

/// When the `number`th of `attempts` was: evenly spread, the last one now.
fn earlier(now: Timestamp, number: u64, attempts: u64) -> Timestamp {
    let back = SPREAD.as_micros() * u128::from(attempts - number) / u128::from(attempts.max(1));
    now.minus(Duration::from_micros(u64::try_from(back).unwrap_or(0)))
}

async fn one_batch(
    store: Arc<dyn Store>,
    owner: Owner,
    ids: Arc<IdSource>,
    times: Vec<(u64, Timestamp)>,
    bytes: usize,
) -> anyhow::Result<u64> {
    let (mut events, mut deliveries, mut settlements) = (Vec::new(), Vec::new(), Vec::new());
    let name = EventName::try_new(payload::EVENT)?;
    for (number, at) in &times {
        let event = Event {
            id: EventId::from_raw(ids.next(*at)),
            account: owner.account,
            name: name.clone(),
            at: *at,
            user: None,
            envelope: None,
            detail: EventDetail::default(),
            snapshot: Snapshot::Posted(Bytes::from(payload::data(*number, bytes))),
        };
        let delivery = DeliveryId::from_raw(ids.next(*at));
        settlements.push(settlement(owner, delivery, AttemptId::from_raw(ids.next(*at)), *number, *at, bytes));
        deliveries.push(leased(owner, &event, delivery));
        events.push(Arc::new(event));
    }
    let record = Record {
        account: owner.account,
        config: Some(owner.config),
        envelope: None,
        events,
        deliveries,
        subscriptions: Vec::new(),
        idempotency: None,
    };
    for recorded in store.record(vec![record]).await? {
        recorded?;
    }
    let settled = store.settle(settlements).await?;
    ensure!(settled.iter().all(Result::is_ok), "a delivery could not be settled: {settled:?}");
    Ok(times.len() as u64)
}

fn leased(owner: Owner, event: &Event, id: DeliveryId) -> Delivery {
    Delivery {
        id,
        account: owner.account,
        event: event.id,
        subscription: owner.subscription,
        listener: ListenerId(1),
        envelope: None,
        shape: MessageShape::JsonSim,
        generated_at: event.at,
        order_key: None,
        state: DeliveryState::Leased { by: owner.node },
        attempts_made: 0,
        retry_count: 0,
        schedule_started_at: event.at,
        attempts_before_schedule: 0,
        held_total: Duration::ZERO,
        replay_of: None,
    }
}

/// What a delivery of the server leaves behind, of the usual length.
fn settlement(owner: Owner, delivery: DeliveryId, attempt: AttemptId, number: u64, at: Timestamp, bytes: usize) -> Settlement {
    let header = |name: &'static str, value: String| (name, value);
    let exchange = Exchange {
        url: "http://127.0.0.1:40000/s0".to_owned(),
        request_headers: [
            header("content-type", "application/json; charset=utf-8".to_owned()),
            header("user-agent", "countersign".to_owned()),
            header("x-countersign-delivery", delivery.to_string()),
            header("x-countersign-attempt", attempt.to_string()),
            header("x-authorization-digest", "HMACSHA256".to_owned()),
            header("x-docusign-signature-1", format!("{:043x}=", u128::from(number) * 0x9E37_79B9_7F4A_7C15)),
        ]
        .into_iter()
        .collect(),
        body_sha256: format!("{:064x}", u128::from(number) * 0xD1B5_4A32_D192_ED03),
        body_bytes: bytes as u64 + 180,
        answer_headers: [("content-length", "0"), ("date", "Sat, 28 Nov 2026 06:00:00 GMT")].into_iter().collect(),
        answer_truncated: false,
        remote: Some("127.0.0.1:40000".to_owned()),
        phases_us: vec![("first_byte".into(), 400 + number % 200)],
    };
    let attempt = AttemptRow {
        id: attempt,
        started_at: at,
        elapsed_us: 900,
        retry_count: 0,
        class: "accepted".to_owned(),
        status: Some(200),
        error: None,
        counted: true,
        exchange,
        answer_head: Bytes::new(),
    };
    Settlement {
        delivery,
        subscription: owner.subscription,
        by: owner.node,
        now: at,
        attempt: Some(Arc::new(attempt)),
        attempts_made: 1,
        retry_count: 0,
        next: Next::Delivered,
        is_followed: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_lie_evenly_and_end_just_before_now() {
        let now = Timestamp::from_secs(1_763_800_000);
        assert_eq!(earlier(now, 0, 10), now.minus(SPREAD));
        assert_eq!(earlier(now, 9, 10), now.minus(SPREAD / 10));
    }
}
