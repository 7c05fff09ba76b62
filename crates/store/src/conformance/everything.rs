//! A store with rows of every kind, for tests that move or copy all of it.

use bytes::Bytes;
use countersign_core::{
    Secret,
    account::{ApiToken, Right},
    config::{ConfigKind, Secrets},
    delivery::{Delivery, DeliveryState, Hold, ParkReason},
    event::{Event, EventDetail, Snapshot},
    id::{AccountId, Incarnation, SubscriptionId},
};
use sha2::{Digest as _, Sha256};

use super::world::{START, World, at, object, record, waiting_until};
use crate::{
    envelopes::EnvelopeRow,
    job::{Job, JobState},
    objects::{Object, ObjectKey, StoredToken, Ticket},
    record::{EnvelopeChange, Idempotency, Record, Recorded},
    settle::Next,
    timer::NewTimer,
};

/// The lane of all deliveries that [`World::everything`] makes.
pub const LANE: i64 = 7;
/// Length of the largest content, in bytes: of three chunks.
const CONTENT_BYTES: u32 = 2_500_000;

/// Some of what [`World::everything`] made, to be looked for elsewhere.
#[derive(Clone, Debug)]
pub struct Everything {
    /// The first account.
    pub account: AccountId,
    /// Its account-level subscription, whose secret `basicPassword` is `correct horse`.
    pub subscription: SubscriptionId,
    /// Leased to a node that lives.
    pub leased: Delivery,
    /// Waiting and due.
    pub waiting: Delivery,
    /// Held.
    pub held: Delivery,
    /// Delivered at the second attempt.
    pub delivered: Delivery,
    /// Its event, whose snapshot is bytes of every value.
    pub event: Event,
    /// The envelope.
    pub envelope: EnvelopeRow,
    /// A content that it refers to.
    pub content: [u8; 32],
    /// The node that holds leases of a delivery, a timer and a job.
    pub node: Incarnation,
}

impl World {
    /// Makes at least one row of every kind, with values at their borders. (A subscription that was deleted, with deliveries that are yet
    /// to be cancelled, is there for moments only.)
    pub async fn everything(&self) -> Everything {
        let (account, subscription) = self.subscribed().await;
        let other = self.account().await;
        let node = self.node().await;
        let secrets = |text: &str| Secrets::from([("basicPassword".to_owned(), Secret::new(text))]);
        let with_secret = |text: &str| Object { secrets: secrets(text), ..object(r#"{"name":"Zo\u00eb"}"#) };
        self.store.put_subscription(account, subscription, with_secret("correct horse"), false).await.expect("stored").expect("exists");
        for (of, kind, id) in
            [(account, ConfigKind::SigningKey, "b"), (account, ConfigKind::SigningKey, "B"), (other, ConfigKind::User, "Zo\u{eb}")]
        {
            let key = ObjectKey { account: of, kind, id: id.to_owned() };
            self.store.put_object(key, with_secret("battery"), None).await.expect("stored").expect("new");
        }
        self.credentials(account).await;

        let content = self.content(account, (0..CONTENT_BYTES).map(|number| (number % 251) as u8).collect()).await;
        self.content(other, Vec::new()).await;
        let envelope = EnvelopeRow {
            sender: Some(self.user_id()),
            sent_at: Some(at(1)),
            expires_at: Some(at(99)),
            transaction_id: Some("transaction".into()),
            subject: "Bitte unterschreiben \u{2713}".into(),
            contents: vec![content],
            ..self.envelope_row(account)
        };
        self.envelope(&envelope).await;
        let template = ObjectKey { account, kind: ConfigKind::Template, id: "t".into() };
        self.store.put_object(template, Object { contents: vec![content], ..object("{}") }, None).await.expect("stored").expect("new");
        assert_eq!(self.store.claim_timers(node, at(10), 1).await.expect("claimed").len(), 1);
        for number in 0..2 {
            let job = Job {
                id: self.job_id(),
                account,
                kind: "replay".into(),
                state: JobState::Running,
                spec: "{}".into(),
                progress: format!("{{\"done\":{number}}}"),
                created_at: START,
                changed_at: START,
                leased_by: None,
            };
            self.store.create_job(job).await.expect("stored");
        }
        assert_eq!(self.store.claim_jobs(node, START, 1).await.expect("claimed").len(), 1);

        let event = Event {
            user: Some(self.user_id()),
            envelope: Some(envelope.id),
            detail: EventDetail { uri: Some("/a".into()), ..EventDetail::default() },
            snapshot: Snapshot::Posted((0..=255).collect::<Vec<u8>>().into()),
            ..self.event(account)
        };
        let delivered = self.delivery(&event, subscription, LANE);
        self.record(vec![event.clone()], vec![delivered.clone()]).await;
        self.delivered_at_the_second_attempt(&delivered, node).await;
        self.shared_snapshots(account, subscription).await;
        let leased = self.recorded_as(account, subscription, LANE, DeliveryState::Leased { by: node }).await;
        let held_state = DeliveryState::Waiting { due_at: at(3), held: Some(Hold::Paused) };
        let held = self.recorded_as(account, subscription, LANE, held_state).await;
        for key in [i64::MIN, i64::MAX, i64::MAX] {
            self.ordered(account, subscription, LANE, key).await;
        }
        for next in [Next::Parked(ParkReason::Gone), Next::Cancelled] {
            let ended = self.recorded_as(account, subscription, LANE, DeliveryState::Leased { by: node }).await;
            self.settle(&ended, node, at(4), next).await;
        }
        let waiting = self.waiting(account, subscription, LANE).await;
        Everything { account, subscription, leased, waiting, held, delivered, event, envelope, content, node }
    }

    async fn credentials(&self, account: AccountId) {
        for (number, expires_at) in [(1, None), (255, Some(at(5)))] {
            let token = ApiToken {
                id: self.credential_id(),
                account,
                user: self.user_id(),
                name: format!("token {number}"),
                right: Right::Write,
                hint: "abcd".into(),
                created_at: START,
                expires_at,
            };
            self.store.put_token(StoredToken { sha256: [number; 32], token }).await.expect("stored");
        }
        let ticket = Ticket { sha256: [9; 32], kind: "signing".into(), body: "{}".into(), expires_at: at(10) };
        self.store.put_ticket(ticket, START).await.expect("stored").expect("new");
        for key in ["A", "a", "\u{1f511}"] {
            let idempotency =
                Idempotency { key: key.into(), request_sha256: [3; 32], answer: Bytes::from_static(b"\0\xff"), expires_at: at(9) };
            let item = Record { idempotency: Some(idempotency), ..record(account) };
            assert_eq!(self.store.record(vec![item]).await.expect("stored"), vec![Ok(Recorded::Fresh)]);
        }
    }

    async fn content(&self, account: AccountId, bytes: Vec<u8>) -> [u8; 32] {
        let hash: [u8; 32] = Sha256::digest(&bytes).into();
        self.store.put_content(account, hash, bytes.into(), START).await.expect("stored");
        hash
    }

    async fn envelope(&self, row: &EnvelopeRow) {
        let id = self.store.next_subscription_ids(1).await.expect("ids")[0];
        let timers = [("expire", 10), ("remind", 20)]
            .map(|(kind, seconds)| NewTimer { id: self.timer_id(), kind: kind.to_owned(), due_at: at(seconds) })
            .to_vec();
        let item = Record {
            envelope: Some(EnvelopeChange { read: None, row: row.clone(), timers }),
            subscriptions: vec![(id, row.id, object("{}"))],
            ..record(row.account)
        };
        assert_eq!(self.store.record(vec![item]).await.expect("stored"), vec![Ok(Recorded::Fresh)]);
    }

    /// Two events with one snapshot between them, and one with none.
    async fn shared_snapshots(&self, account: AccountId, subscription: SubscriptionId) {
        let snapshot = Snapshot::Envelope(Bytes::from_static(b"{\"status\":\"sent\"}"));
        let [first, second] = [0, 1].map(|_| Event { snapshot: snapshot.clone(), ..self.event(account) });
        let without = Event { snapshot: Snapshot::Nothing, ..self.event(account) };
        let deliveries = [&first, &second].map(|event| self.delivery(event, subscription, LANE)).to_vec();
        self.record(vec![first, second, without], deliveries).await;
    }

    async fn delivered_at_the_second_attempt(&self, delivery: &Delivery, node: Incarnation) {
        let claimed = self.claim(node, START, LANE, 1).await.remove(0).delivery;
        assert_eq!(claimed.id, delivery.id);
        let again = self.settlement(&claimed, node, at(1), Next::Waiting { due_at: START, held: None });
        assert_eq!(self.store.settle(vec![again]).await.expect("stored"), vec![Ok(())]);
        assert_eq!(self.state(delivery).await, waiting_until(START));
        let claimed = self.claim(node, START, LANE, 1).await.remove(0).delivery;
        self.settle(&claimed, node, at(2), Next::Delivered).await;
    }
}
