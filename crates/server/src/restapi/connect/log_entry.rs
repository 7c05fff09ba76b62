//! `connectLog`: a delivery as Connect's logs and failures show it.

use std::{collections::HashMap, sync::Arc};

use countersign_core::{
    config::AccountConfig,
    delivery::{DeliveryState, Hold},
    envelope::Envelope,
    event::{Event, Snapshot},
    id::EventId,
    subscription::Subscription,
};
use countersign_store::query::ListedDelivery;
use serde_json::{Value, json};

use crate::{App, connection, failure::Failure};

/// Which list an entry stands in; the two name it by different properties.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum List {
    /// `/connect/logs`
    Logs,
    /// `/connect/failures`
    Failures,
}

/// Makes entries; remembers the events it has read, since one event often has several deliveries.
pub(super) struct Entries<'a> {
    app: &'a App,
    account: &'a AccountConfig,
    told: HashMap<EventId, Told>,
}

/// What an entry tells of the envelope, as it was when the event happened.
#[derive(Clone, Debug, Default)]
struct Told {
    email: String,
    user_name: String,
    subject: String,
    status: String,
}

impl<'a> Entries<'a> {
    pub(super) fn new(app: &'a App, account: &'a AccountConfig) -> Self {
        Self { app, account, told: HashMap::new() }
    }

    /// The subscription of a delivery; `None` when it was deleted.
    pub(super) async fn subscription(&self, listed: &ListedDelivery) -> Result<Option<Arc<Subscription>>, Failure> {
        let found = self.app.configs.subscription(self.account.id(), listed.delivery.subscription).await?;
        Ok(found.map(|(_, subscription)| subscription))
    }

    /// The entry of a delivery.
    ///
    /// # Errors
    /// The store's.
    pub(super) async fn entry(
        &mut self,
        listed: &ListedDelivery,
        subscription: Option<&Subscription>,
        list: List,
    ) -> Result<Value, Failure> {
        let delivery = &listed.delivery;
        let told = self.told(delivery.event).await?;
        let id = delivery.id.to_string();
        let envelope = delivery.envelope.map(|envelope| envelope.to_string()).unwrap_or_default();
        let mut entry = json!({
            "accountId": self.account.account.guid,
            "configUrl": subscription.map(|subscription| subscription.url.as_str()).unwrap_or_default(),
            "connectId": delivery.subscription.to_string(),
            "created": delivery.id.made_at().to_seven_digits(),
            "email": told.email,
            "envelopeId": envelope,
            "error": self.error(listed, subscription),
            "event": listed.event_name,
            "lastTry": listed.last_attempt_at.map(|at| at.to_seven_digits()).unwrap_or_default(),
            "retryCount": delivery.retry_count.saturating_sub(1).to_string(),
            "status": told.status,
            "subject": told.subject,
            "userName": told.user_name,
        });
        match list {
            List::Logs => {
                entry["logUri"] = format!("/connect/logs/{id}").into();
                entry["logId"] = id.into();
            }
            List::Failures => {
                entry["failureUri"] = format!("/connect/failures/{id}").into();
                entry["failureId"] = id.into();
            }
        }
        if !envelope.is_empty() {
            entry["retryUri"] = format!("/connect/envelopes/{envelope}/retry_queue").into();
        }
        Ok(entry)
    }

    /// Why it has not arrived, in words for people; empty when it has.
    fn error(&self, listed: &ListedDelivery, subscription: Option<&Subscription>) -> String {
        let last = || listed.last_error.clone().unwrap_or_default();
        match listed.delivery.state {
            DeliveryState::Delivered { .. } => String::new(),
            // The text that Connect writes (reference: 7.2).
            DeliveryState::Waiting { held: Some(Hold::Paused), .. } => {
                "This event was skipped due to the configuration being paused.".to_owned()
            }
            DeliveryState::Waiting { held: Some(Hold::Disabled), .. } => {
                "held: the configuration was disabled by the system; activate it to send what waits".to_owned()
            }
            DeliveryState::Waiting { held: Some(Hold::NoToken), .. } => {
                let words = subscription.and_then(|subscription| connection::last_refusal(self.app, self.account, subscription));
                words.or_else(|| listed.last_error.clone()).unwrap_or_else(|| "held: there is no access token".to_owned())
            }
            DeliveryState::Waiting { held: None, .. } | DeliveryState::Leased { .. } => last(),
            DeliveryState::Parked { reason, .. } if last().is_empty() => format!("given up: {}", reason.as_str()),
            DeliveryState::Parked { reason, .. } => format!("given up: {}; {}", reason.as_str(), last()),
            DeliveryState::Cancelled { .. } if last().is_empty() => "cancelled".to_owned(),
            DeliveryState::Cancelled { .. } => format!("cancelled; {}", last()),
        }
    }

    async fn told(&mut self, id: EventId) -> Result<Told, Failure> {
        if let Some(told) = self.told.get(&id) {
            return Ok(told.clone());
        }
        let event = self.app.store.event(self.account.id(), id).await?;
        let told = event.as_ref().map(Told::of).unwrap_or_default();
        self.told.insert(id, told.clone());
        Ok(told)
    }
}

impl Told {
    /// Nothing when the event is not about an envelope, or its snapshot was purged.
    fn of(event: &Event) -> Self {
        let Snapshot::Envelope(bytes) = &event.snapshot else { return Self::default() };
        let Ok(envelope) = serde_json::from_slice::<Envelope>(bytes) else { return Self::default() };
        let status = envelope.status.as_str();
        let (head, tail) = status.split_at(1);
        Self {
            email: envelope.sender.person.email,
            user_name: envelope.sender.person.name,
            subject: envelope.subject,
            status: format!("{}{tail}", head.to_ascii_uppercase()),
        }
    }
}
