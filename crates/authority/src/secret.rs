//! A client secret, which is compared and never shown.

use std::fmt;

use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// A client secret. `Debug` prints nothing of it.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub(crate) struct Secret(String);

impl Secret {
    /// Takes the text over.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Whether `presented` is this secret. Both are hashed first, so that neither content nor length shows in the time taken.
    pub(crate) fn matches(&self, presented: &str) -> bool {
        Sha256::digest(self.0.as_bytes()).as_slice().ct_eq(Sha256::digest(presented.as_bytes()).as_slice()).into()
    }

    /// The text itself, for the one fault that repeats it to the client that knows it anyway.
    pub(crate) fn expose_secret(&self) -> &str {
        &self.0
    }

    /// True when there is nothing in it.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_matches_itself_alone() {
        let secret = Secret::new("s3cret");
        for (presented, expected) in [("s3cret", true), ("s3cre", false), ("s3cret ", false), ("S3cret", false), ("", false)] {
            assert_eq!(secret.matches(presented), expected, "{presented:?}");
        }
    }

    #[test]
    fn debug_shows_nothing_of_a_secret() {
        assert_eq!(format!("{:?}", Secret::new("s3cret")), "Secret(..)");
    }
}
