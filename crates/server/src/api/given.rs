//! A property of a change: not given, or given with a value or `null`.

use serde::{Deserialize, Deserializer};

/// Whether a property stands in the request. `null` clears what can be absent.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) enum Given<T> {
    /// It does not: what is stored stays.
    #[default]
    Not,
    /// It does.
    Here(Option<T>),
}

impl<T> Given<T> {
    /// The value from now on.
    pub(super) fn over(self, before: Option<T>) -> Option<T> {
        match self {
            Self::Not => before,
            Self::Here(value) => value,
        }
    }
}

/// For `#[serde(default, deserialize_with = "given")]`.
pub(super) fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Given<T>, D::Error> {
    Option::deserialize(deserializer).map(Given::Here)
}
