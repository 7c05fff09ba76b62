//! Intake: the one place where events are matched, recorded and handed over.
//!
//! 1. **match**: a verdict per subscription, with the account's configuration as of now.
//! 2. **reserve**: a slot in the lane of each match that may go out at once.
//! 3. **record**: one transaction; refused when the configuration or the envelope changed since they were read.
//! 4. **hand over**: after the commit, and only then, slots are filled and the caller is answered.
//!
//! A stale configuration is read and matched again here; a stale envelope goes back to the caller, who must apply the
//! action to what the envelope is by now.

use std::{panic::AssertUnwindSafe, sync::Arc};

use countersign_core::{
    Timestamp,
    config::AccountConfig,
    delivery::{Delivery, DeliveryState},
    event::{Event, EventDetail, EventName, Snapshot},
    fan_out,
    id::{AccountId, EnvelopeId, EventId, UserId},
    matching::{Occasion, wants},
    subscription::Subscription,
};
use countersign_store::{
    Refused, StoreError,
    handover::Slot,
    objects::Object,
    record::{EnvelopeChange, Idempotency, Record, Recorded},
};
use futures_util::FutureExt as _;

use crate::{App, failure::Failure, to_the_end::ToTheEnd};

/// How often a change is matched again before the caller is told to come back; a configuration that changes this often within one
/// request is being rewritten by a script.
const MATCHES_MAX: usize = 8;

/// Deliveries made of posted events in one transaction: several times what one event can make, and little enough that others do not
/// wait long for the writer. Changes of envelopes are not bounded by it: they cannot be sent in parts.
const DELIVERIES_MAX: usize = 50_000;

/// Something that happened, before it has an id.
#[derive(Clone, Debug)]
pub struct NewEvent {
    /// What.
    pub name: EventName,
    /// The sender, or who posted it.
    pub user: Option<UserId>,
    /// The envelope concerned.
    pub envelope: Option<EnvelopeId>,
    /// Lower-case domains of the recipients that are assigned to the account, for Recipient Connect.
    pub recipient_domains: Vec<String>,
    /// What the message says beside the snapshot.
    pub detail: EventDetail,
    /// The state it left behind; clones of one `Bytes` are stored once.
    pub snapshot: Snapshot,
}

/// A change of an account.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// The envelope's new state.
    pub envelope: Option<EnvelopeChange>,
    /// What happened, in order.
    pub events: Vec<NewEvent>,
    /// Envelope-level subscriptions that hear of it: those stored with the envelope, and new ones.
    pub heard_by: Vec<Arc<Subscription>>,
    /// Which of them are new and are stored with this change.
    pub new_subscriptions: Vec<Arc<Subscription>>,
    /// The events go to this subscription alone, whatever it asks for (test events, historical publish).
    pub addressed_to: Option<Arc<Subscription>>,
    /// Remember the answer.
    pub idempotency: Option<NewIdempotency>,
}

/// An idempotency key and what to remember under it.
#[derive(Clone, Debug)]
pub struct NewIdempotency {
    /// The caller's key.
    pub key: String,
    /// SHA-256 of the request.
    pub request_sha256: [u8; 32],
    /// The answer.
    pub answer: RememberedAnswer,
}

/// The answer that is repeated for the same request.
#[derive(Clone, Debug)]
pub enum RememberedAnswer {
    /// Made of the ids given to the events.
    OfIds(fn(&[EventId]) -> bytes::Bytes),
    /// Known before.
    Fixed(bytes::Bytes),
}

impl RememberedAnswer {
    fn bytes(&self, ids: &[EventId]) -> bytes::Bytes {
        match self {
            Self::OfIds(make) => make(ids),
            Self::Fixed(bytes) => bytes.clone(),
        }
    }
}

/// What became of a change.
#[derive(Clone, Debug)]
pub enum Submitted {
    /// On stable storage.
    Fresh {
        /// Ids of the events, in order.
        events: Vec<EventId>,
    },
    /// The same request was answered before; this was the answer.
    Repeated(bytes::Bytes),
}

/// Why a change was not recorded.
#[derive(Debug)]
pub enum NotSubmitted {
    /// The envelope changed since it was read: read it, apply the action again.
    StaleEnvelope,
    /// Final.
    Failed(Failure),
}

impl<T: Into<Failure>> From<T> for NotSubmitted {
    fn from(failure: T) -> Self {
        Self::Failed(failure.into())
    }
}

impl App {
    /// Matches, records and hands over a change of an account.
    ///
    /// Runs to its end even when the caller goes away in the middle: a delivery that was recorded as leased to this node must
    /// reach its lane.
    ///
    /// # Errors
    /// [`NotSubmitted::StaleEnvelope`] when the envelope must be read again; otherwise the failure to answer with. Nothing is half-applied.
    pub fn submit(
        self: &Arc<Self>,
        account: AccountId,
        change: Change,
    ) -> impl Future<Output = Result<Submitted, NotSubmitted>> + Send + use<> {
        let app = Arc::clone(self);
        // Boxed before it is awaited: what waits for it does not carry the change a second time.
        let submitting = ToTheEnd::new(AssertUnwindSafe(async move { app.submit_to_the_end(account, change).await }).catch_unwind());
        submitting.map(|done| {
            done.unwrap_or_else(|_| {
                tracing::error!("intake panicked");
                Err(Failure::new(http::StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL_ERROR", "the request failed; the log says why").into())
            })
        })
    }

    /// [`App::submit`] for loops that are not dropped in the middle while the process lives.
    ///
    /// # Errors
    /// As there.
    pub(crate) async fn submit_to_the_end(&self, account: AccountId, change: Change) -> Result<Submitted, NotSubmitted> {
        if self.is_storage_full() {
            return Err(Failure::from(StoreError::Full("the disk budget is spent".into())).into());
        }
        let now = self.now();
        let Change { envelope, events, heard_by, new_subscriptions, addressed_to, idempotency } = change;
        let happened: Vec<Happened> = events.into_iter().map(|event| event.happened(self.event_id(now), account, now)).collect();
        let ids: Vec<EventId> = happened.iter().map(|happened| happened.event.id).collect();
        let idempotency = idempotency.map(|new| Idempotency {
            answer: new.answer.bytes(&ids),
            key: new.key,
            request_sha256: new.request_sha256,
            expires_at: now + self.settings.idempotency_life,
        });
        let mut subscriptions = Vec::with_capacity(new_subscriptions.len());
        for subscription in &new_subscriptions {
            if let countersign_core::subscription::Scope::Envelope(envelope) = subscription.scope {
                subscriptions.push((subscription.id, envelope, Object::of(&**subscription)?));
            }
        }

        for _ in 0..MATCHES_MAX {
            let config = self
                .configs
                .account(account)
                .await?
                .ok_or_else(|| Failure::not_found("ACCOUNT_NOT_FOUND", "the account does not exist"))?;
            let audience = Audience { config: &config, heard_by: &heard_by, addressed_to: addressed_to.as_deref() };
            if envelope.is_none() && happened.len() > 1 && audience.wants_more_than(&happened, DELIVERIES_MAX) {
                return Err(too_many().into());
            }
            let matched = self.match_all(&audience, &happened, now);
            let record = Record {
                account,
                config: (!happened.is_empty()).then_some(config.version),
                envelope: envelope.clone(),
                events: happened.iter().map(|happened| Arc::clone(&happened.event)).collect(),
                deliveries: matched.iter().map(|m| m.delivery.clone()).collect(),
                subscriptions: subscriptions.clone(),
                idempotency: idempotency.clone(),
            };
            let mut answers = match self.store.record(vec![record]).await {
                Ok(answers) => answers,
                Err(error) => {
                    let leased: Vec<_> = matched.iter().filter(|m| m.slot.is_some()).map(|m| m.delivery.id).collect();
                    if matches!(error, StoreError::Unknown(_)) && !leased.is_empty() {
                        // The rows must not stay leased to a lane that never gets them.
                        self.hand_over.disown(leased);
                    }
                    return Err(error.into());
                }
            };
            match answers.pop() {
                Some(Ok(Recorded::Fresh)) => {
                    self.metrics.recorded(ids.len(), matched.len());
                    for Matched { delivery, event, slot } in matched {
                        match slot {
                            Some(slot) => slot.fill(delivery, event),
                            None => self.hand_over.wake(delivery.listener),
                        }
                    }
                    return Ok(Submitted::Fresh { events: ids });
                }
                Some(Ok(Recorded::Repeated(answer))) => return Ok(Submitted::Repeated(answer)),
                Some(Err(Refused::StaleConfig(_))) => self.configs.invalidate(account),
                Some(Err(Refused::StaleEnvelope)) => return Err(NotSubmitted::StaleEnvelope),
                Some(Err(refused)) => return Err(refused.into()),
                None => return Err(Failure::from(StoreError::Backend("no answer for a record".into())).into()),
            }
        }
        Err(Refused::StaleConfig(countersign_core::config::ConfigVersion(0)).into())
    }

    fn match_all(&self, audience: &Audience<'_>, happened: &[Happened], now: Timestamp) -> Vec<Matched> {
        let config = audience.config;
        if let Some(subscription) = audience.addressed_to {
            return happened.iter().map(|happened| self.matched(config, subscription, &happened.event, now)).collect();
        }
        let mut matched = Vec::new();
        for subscription in audience.subscriptions() {
            let mut wanted = happened.iter().filter(|happened| happened.is_wanted_by(subscription));
            if subscription.shape.aggregates() {
                // One message for all events of the change, showing the state committed with it.
                if let Some(happened) = wanted.next_back() {
                    matched.push(self.matched(config, subscription, &happened.event, now));
                }
            } else {
                for happened in wanted.by_ref() {
                    matched.push(self.matched(config, subscription, &happened.event, now));
                }
            }
        }
        matched
    }

    fn matched(&self, config: &AccountConfig, subscription: &Subscription, event: &Arc<Event>, now: Timestamp) -> Matched {
        let held = subscription.hold();
        let slot = match held {
            None if !subscription.pace.ordered => {
                self.hand_over.reserve(subscription.lane(config.identity()), event.snapshot.bytes().len())
            }
            _ => None,
        };
        let state = match &slot {
            Some(slot) => DeliveryState::Leased { by: slot.incarnation() },
            None => DeliveryState::Waiting { due_at: now, held },
        };
        let delivery = fan_out::delivery(self.delivery_id(now), event, subscription, config.identity(), state, now);
        Matched { delivery, event: Arc::clone(event), slot }
    }
}

impl NewEvent {
    fn happened(self, id: EventId, account: AccountId, at: Timestamp) -> Happened {
        let Self { name, user, envelope, recipient_domains, detail, snapshot } = self;
        Happened { event: Arc::new(Event { id, account, name, at, user, envelope, detail, snapshot }), recipient_domains }
    }
}

/// An event with what decides who hears of it.
struct Happened {
    event: Arc<Event>,
    recipient_domains: Vec<String>,
}

impl Happened {
    fn is_wanted_by(&self, subscription: &Subscription) -> bool {
        let Event { name, user, envelope, detail, .. } = &*self.event;
        let recipient_domains = &self.recipient_domains;
        let occasion = Occasion { name, user: *user, envelope: *envelope, recipient_domains, about: detail.about };
        wants(&occasion, subscription).is_ok()
    }
}

/// Who may hear of a change.
struct Audience<'a> {
    config: &'a AccountConfig,
    heard_by: &'a [Arc<Subscription>],
    addressed_to: Option<&'a Subscription>,
}

impl Audience<'_> {
    fn subscriptions(&self) -> impl Iterator<Item = &Arc<Subscription>> {
        self.config.subscriptions.values().chain(self.heard_by)
    }

    /// Counts before anything is made of it.
    fn wants_more_than(&self, happened: &[Happened], max: usize) -> bool {
        if happened.len() * (self.config.subscriptions.len() + self.heard_by.len()) <= max {
            return false;
        }
        let wanted =
            self.subscriptions().flat_map(|subscription| happened.iter().filter(move |happened| happened.is_wanted_by(subscription)));
        wanted.take(max + 1).count() > max
    }
}

fn too_many() -> Failure {
    let message = format!("these events make more than {DELIVERIES_MAX} deliveries together; send fewer of them in one request");
    Failure::new(http::StatusCode::PAYLOAD_TOO_LARGE, "REQUEST_TOO_LARGE", message)
}

struct Matched {
    delivery: Delivery,
    event: Arc<Event>,
    slot: Option<Box<dyn Slot>>,
}
