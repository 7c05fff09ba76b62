//! Text that must not be seen: passwords, client secrets, key material.

use std::fmt;

use zeroize::Zeroizing;

/// A secret text. `Debug` and `Display` print nothing of it, it cannot be serialised, and its memory is wiped when it goes.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes the text over.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The text itself. Its name is long on purpose: every use is a place to look at.
    #[must_use]
    pub fn expose_secret(&self) -> &str {
        &self.0
    }

    /// The last four characters behind stars, for lists; stars alone when the text is shorter than 12 characters.
    #[must_use]
    pub fn masked(&self) -> String {
        let count = self.0.chars().count();
        let tail: String = if count < 12 { String::new() } else { self.0.chars().skip(count - 4).collect() };
        format!("********{tail}")
    }

    /// True when there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl<T: Into<String>> From<T> for Secret {
    fn from(text: T) -> Self {
        Self::new(text)
    }
}
