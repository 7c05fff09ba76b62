//! Which deliveries are meant: the same words as query parameters of a list and as the JSON filter of a replay.

use std::collections::BTreeMap;

use countersign_core::{
    Timestamp,
    event::EventName,
    id::{EventId, SubscriptionId},
};
use countersign_store::query::DeliveryFilter;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::failure::Failure;

/// States of a delivery.
const STATES: [&str; 5] = ["waiting", "leased", "delivered", "parked", "cancelled"];
/// Outcome classes of an attempt (core::outcome).
const CLASSES: [&str; 15] = [
    "accepted",
    "http_3xx",
    "http_4xx",
    "http_5xx",
    "http_other",
    "forbidden_address",
    "dns",
    "connect",
    "tls",
    "timeout",
    "closed",
    "bad_answer",
    "misconfigured",
    "unrenderable",
    "interrupted",
];
/// What may be named.
const NAMES: [&str; 8] = ["state", "failures", "subscription", "envelope", "event", "class", "from", "to"];

/// A filter as it was asked for: each name with its text, checked. Kept like this in a job.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct FilterText(BTreeMap<String, String>);

impl FilterText {
    /// Of query parameters.
    ///
    /// # Errors
    /// 400 for an unknown or repeated name, or a value that cannot be.
    pub(super) fn of_pairs(pairs: impl IntoIterator<Item = (String, String)>) -> Result<Self, Failure> {
        let mut texts = BTreeMap::new();
        for (name, value) in pairs {
            if texts.insert(name.clone(), value).is_some() {
                return Err(Failure::invalid_parameter(format!("{name} is given twice; separate several values by commas")));
            }
        }
        let text = Self(texts);
        text.filter()?;
        Ok(text)
    }

    /// Of a JSON object: text, numbers and booleans stand for themselves, a list for its members.
    ///
    /// # Errors
    /// 400 as above.
    pub(super) fn of_json(object: &Map<String, Value>) -> Result<Self, Failure> {
        let scalar = |name: &str, value: &Value| match value {
            Value::String(text) => Ok(text.clone()),
            Value::Number(number) => Ok(number.to_string()),
            Value::Bool(flag) => Ok(flag.to_string()),
            _ => Err(Failure::invalid_parameter(format!("filter.{name} must be text, a number, or a list of such"))),
        };
        let mut pairs = Vec::with_capacity(object.len());
        for (name, value) in object {
            let text = match value {
                Value::Null => continue,
                Value::Array(items) => items.iter().map(|item| scalar(name, item)).collect::<Result<Vec<_>, _>>()?.join(","),
                other => scalar(name, other)?,
            };
            pairs.push((name.clone(), text));
        }
        Self::of_pairs(pairs)
    }

    /// What the store is asked.
    ///
    /// # Errors
    /// 400 for an unknown name or a value that cannot be.
    pub(crate) fn filter(&self) -> Result<DeliveryFilter, Failure> {
        let mut filter = DeliveryFilter::default();
        for (name, text) in &self.0 {
            let wrong = |what: &str| Failure::invalid_parameter(format!("{name} is '{}'; it must be {what}", cut(text)));
            match name.as_str() {
                "state" => filter.states = words(text, &STATES).ok_or_else(|| wrong(&format!("one or more of {}", STATES.join(", "))))?,
                "failures" => filter.failures = text.parse().map_err(|_| wrong("true or false"))?,
                "subscription" => {
                    filter.subscription = Some(SubscriptionId(text.parse().map_err(|_| wrong("a subscription's number"))?));
                }
                "envelope" => filter.envelope = Some(text.parse().map_err(|_| wrong("an envelope's GUID"))?),
                "event" => match text.parse::<EventId>() {
                    Ok(id) => filter.event = Some(id),
                    Err(_) => {
                        let name = EventName::try_new(text).map_err(|_| wrong("an event's id or name"))?;
                        filter.event_name = Some(name);
                    }
                },
                "class" => match words(text, &CLASSES).as_deref() {
                    Some([class]) => filter.class = Some((*class).to_owned()),
                    _ => return Err(wrong(&format!("one of {}", CLASSES.join(", ")))),
                },
                "from" => filter.from = Some(date(text).ok_or_else(|| wrong("a date such as 2025-11-01T10:00:00Z"))?),
                "to" => filter.to = Some(date(text).ok_or_else(|| wrong("a date such as 2025-11-01T10:00:00Z"))?),
                _ => {
                    return Err(Failure::invalid_parameter(format!("there is no filter '{}'; use {}", cut(name), NAMES.join(", "))));
                }
            }
        }
        Ok(filter)
    }
}

fn date(text: &str) -> Option<Timestamp> {
    Timestamp::parse_generous(text).ok()
}

fn words(text: &str, known: &[&'static str]) -> Option<Vec<&'static str>> {
    let found: Option<Vec<_>> = text.split(',').map(|word| known.iter().copied().find(|known| *known == word.trim())).collect();
    found.filter(|words| !words.is_empty())
}

fn cut(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(100).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(value: Value) -> Result<DeliveryFilter, Failure> {
        FilterText::of_json(value.as_object().expect("an object"))?.filter()
    }

    #[test]
    fn every_filter_reads_as_text_and_as_json() {
        let filter = of(json!({
            "state": ["parked", "waiting"],
            "failures": true,
            "subscription": 10_000_001,
            "envelope": "93be49ab-0000-4000-8000-000000000001",
            "event": "envelope-completed",
            "class": "http_5xx",
            "from": "2025-11-01",
            "to": "2025-11-02T10:00:00Z",
        }))
        .expect("a filter");
        assert_eq!(filter.states, ["parked", "waiting"]);
        assert!(filter.failures);
        assert_eq!(filter.subscription, Some(SubscriptionId(10_000_001)));
        assert_eq!(filter.event_name, Some(EventName::ENVELOPE_COMPLETED));
        assert_eq!(filter.class.as_deref(), Some("http_5xx"));
        assert!(filter.from < filter.to);
        let event = EventId::from_raw(77);
        assert_eq!(of(json!({"event": event.to_string()})).expect("a filter").event, Some(event));
        assert_eq!(of(json!({"subscription": "10000001"})).expect("a filter").subscription, Some(SubscriptionId(10_000_001)));
    }

    #[test]
    fn what_cannot_be_filtered_is_refused_by_name() {
        for (value, named) in [
            (json!({"state": "sent"}), "state"),
            (json!({"state": ""}), "state"),
            (json!({"failures": "maybe"}), "failures"),
            (json!({"subscription": "ten"}), "subscription"),
            (json!({"envelope": "x"}), "envelope"),
            (json!({"event": "no such name!"}), "event"),
            (json!({"class": "bad"}), "class"),
            (json!({"class": "dns,tls"}), "class"),
            (json!({"from": "yesterday"}), "from"),
            (json!({"to": {}}), "to"),
            (json!({"colour": "red"}), "colour"),
        ] {
            let failure = of(value.clone()).expect_err("refused");
            assert!(failure.message.contains(named), "{value}: {failure}");
        }
        let twice = FilterText::of_pairs([("state".to_owned(), "parked".to_owned()), ("state".to_owned(), "waiting".to_owned())]);
        assert!(twice.is_err(), "a repeated parameter");
    }

    #[test]
    fn every_class_of_an_outcome_can_be_filtered() {
        use countersign_core::outcome::{FailureKind, Outcome};
        let mut classes: Vec<&str> = [100, 200, 300, 400, 500].map(|status| Outcome::from_response(status, None).class()).to_vec();
        classes.push(Outcome::Interrupted.class());
        classes.extend(
            ["forbidden_address", "dns", "connect", "tls", "timeout", "closed", "bad_answer", "misconfigured", "unrenderable"]
                .map(|word| FailureKind::from_stored(word).map_or("", FailureKind::as_str)),
        );
        for class in classes {
            assert!(CLASSES.contains(&class), "{class}");
        }
    }
}
