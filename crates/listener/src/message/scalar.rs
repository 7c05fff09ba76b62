//! Booleans and numbers that Connect writes as text in some places, kept as they came.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

/// A whole number: `retryCount` is one, `recipientCount` and `routingOrder` are text with digits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Count {
    /// Written as a number.
    Number(u64),
    /// Written as text.
    Text(String),
}

impl Count {
    /// The number; `None` when the text is none.
    #[must_use]
    pub fn value(&self) -> Option<u64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Text(text) => text.parse().ok(),
        }
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => text.fmt(f),
        }
    }
}

/// A yes or no: in envelopes nearly always the text `"true"` or `"false"`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Flag {
    /// Written as a boolean.
    Bool(bool),
    /// Written as text.
    Text(String),
}

impl Flag {
    /// Whether it is true, in whatever case; anything that is not is false.
    #[must_use]
    pub fn is_true(&self) -> bool {
        match self {
            Self::Bool(flag) => *flag,
            Self::Text(text) => text.eq_ignore_ascii_case("true"),
        }
    }
}

/// A list; `null` is an empty one.
pub(super) fn list<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}
