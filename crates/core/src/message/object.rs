//! JSON objects as Connect writes them: keys in a given order, every scalar a string, dates in one of two forms.

use serde_json::{Map, Value};

use crate::time::Timestamp;

/// How dates are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DateStyle {
    /// `2022-09-22T15:19:24.5Z`, as inside messages.
    ShortFraction,
    /// `2020-08-13T22:01:19.9600000Z`, as in REST answers.
    SevenDigits,
}

/// An object in the making.
pub(super) struct Object {
    map: Map<String, Value>,
    dates: DateStyle,
}

impl Object {
    pub(super) fn new(dates: DateStyle) -> Self {
        Self { map: Map::new(), dates }
    }

    pub(super) fn value(&mut self, key: &str, value: impl Into<Value>) {
        self.map.insert(key.to_owned(), value.into());
    }

    pub(super) fn text(&mut self, key: &str, text: impl Into<String>) {
        self.value(key, text.into());
    }

    pub(super) fn text_opt(&mut self, key: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.text(key, text);
        }
    }

    pub(super) fn flag(&mut self, key: &str, flag: bool) {
        self.text(key, if flag { "true" } else { "false" });
    }

    pub(super) fn number(&mut self, key: &str, number: impl Into<u64>) {
        self.text(key, number.into().to_string());
    }

    pub(super) fn date(&mut self, key: &str, at: Option<Timestamp>) {
        if let Some(at) = at {
            self.text(
                key,
                match self.dates {
                    DateStyle::ShortFraction => at.to_short_fraction(),
                    DateStyle::SevenDigits => at.to_seven_digits(),
                },
            );
        }
    }

    /// What the caller gave under this key, or what Connect shows when nothing was given.
    pub(super) fn echo(&mut self, extra: &Map<String, Value>, key: &str, otherwise: &str) {
        let value = extra.get(key).map_or_else(|| otherwise.into(), as_connect_writes);
        self.value(key, value);
    }

    /// What the caller gave under this key, if anything.
    pub(super) fn echo_opt(&mut self, extra: &Map<String, Value>, key: &str) {
        if let Some(value) = extra.get(key) {
            self.value(key, as_connect_writes(value));
        }
    }

    /// Everything else the caller gave, but for these keys.
    pub(super) fn echo_rest(&mut self, extra: &Map<String, Value>, but: &[&str]) {
        for (key, value) in extra {
            if !self.map.contains_key(key) && !but.contains(&key.as_str()) {
                self.value(key, as_connect_writes(value));
            }
        }
    }

    pub(super) fn finish(self) -> Map<String, Value> {
        self.map
    }
}

impl From<Object> for Value {
    fn from(object: Object) -> Self {
        Self::Object(object.map)
    }
}

/// Scalars are strings on the wire, whatever a client sent.
fn as_connect_writes(value: &Value) -> Value {
    match value {
        Value::Bool(flag) => flag.to_string().into(),
        Value::Number(number) => number.to_string().into(),
        other => other.clone(),
    }
}
