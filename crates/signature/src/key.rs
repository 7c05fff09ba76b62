//! The secret key of a Connect account, and the prepared state that makes signing with it cheap.
//!
//! Docusign shows a key as 44 characters of Base64, and the *text* is the key: its bytes go into the HMAC as they are and are never
//! decoded. Decoding it is the most common mistake of listener authors, so no constructor here does it.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit as _};
use sha2::Sha256;
use zeroize::{Zeroize as _, Zeroizing};

/// An HMAC-SHA256 state.
pub(crate) type HmacSha256 = Hmac<Sha256>;

/// The shortest key text taken, in bytes: anything shorter can be guessed (RFC 2104 §3 advises the hash length).
pub const KEY_BYTES_MIN: usize = 16;
/// The longest key text taken, in bytes: two blocks of SHA-256. A longer key gains nothing (RFC 2104 §3) and is most often a pasted file.
pub const KEY_BYTES_MAX: usize = 128;

/// The text cannot serve as a key. Says its length and never its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyRefused {
    /// There is no text: an HMAC with the empty key can be made by anyone.
    #[error("the hmac key is empty; copy the whole key as it was shown when it was created")]
    Empty,
    /// Shorter than [`KEY_BYTES_MIN`].
    #[error("the hmac key has {bytes} bytes, at least {KEY_BYTES_MIN} are needed; copy the whole key, with its trailing =")]
    TooShort {
        /// Length of the text.
        bytes: usize,
    },
    /// Longer than [`KEY_BYTES_MAX`].
    #[error("the hmac key has {bytes} bytes, at most {KEY_BYTES_MAX} are taken; give the key alone")]
    TooLong {
        /// Length of the text.
        bytes: usize,
    },
}

/// One secret key, ready to sign.
///
/// Holds the text as it was given and the HMAC state after the key block, so that a signature costs no key schedule. Both are wiped when
/// it goes; `Debug` shows neither.
#[derive(Clone)]
pub struct HmacKey {
    text: Zeroizing<String>,
    state: HmacSha256,
}

impl HmacKey {
    /// Takes `text` as the key, byte for byte: nothing is trimmed and nothing decoded (Connect: the key is the text as displayed).
    ///
    /// # Errors
    /// [`KeyRefused`] when the text is empty, shorter than [`KEY_BYTES_MIN`] or longer than [`KEY_BYTES_MAX`] bytes.
    pub fn try_new(text: impl Into<String>) -> Result<Self, KeyRefused> {
        let text = Zeroizing::new(text.into());
        match text.len() {
            0 => Err(KeyRefused::Empty),
            bytes if bytes < KEY_BYTES_MIN => Err(KeyRefused::TooShort { bytes }),
            bytes if bytes > KEY_BYTES_MAX => Err(KeyRefused::TooLong { bytes }),
            _ => Ok(Self { state: state_of(text.as_bytes()), text }),
        }
    }

    /// Takes `text` as the key whatever its length, for tools that check by hand what somebody else has signed: there the key is what it
    /// is, and refusing it answers no question. Whoever signs or accepts messages uses [`try_new`](Self::try_new).
    ///
    /// # Errors
    /// [`KeyRefused::Empty`] alone.
    pub fn try_new_of_any_length(text: impl Into<String>) -> Result<Self, KeyRefused> {
        let text = Zeroizing::new(text.into());
        if text.is_empty() { Err(KeyRefused::Empty) } else { Ok(Self { state: state_of(text.as_bytes()), text }) }
    }

    /// A new key from 32 random bytes of the caller: their Base64 text of 44 characters, as Docusign shows its keys.
    ///
    /// The bytes must come from the operating system's generator; this crate has no dice.
    #[must_use]
    pub fn from_random(mut random: [u8; 32]) -> Self {
        let text = Zeroizing::new(STANDARD.encode(random));
        random.zeroize();
        Self { state: state_of(text.as_bytes()), text }
    }

    /// The key itself, to store it sealed or to show it the one time after creation. Its name is long on purpose: every use is a place
    /// to look at.
    #[must_use]
    pub fn expose_text(&self) -> &str {
        &self.text
    }

    /// A copy of the prepared state, to be fed with the body.
    pub(crate) fn state(&self) -> HmacSha256 {
        self.state.clone()
    }
}

impl fmt::Debug for HmacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HmacKey(..)")
    }
}

/// The HMAC-SHA256 state after the key block, for a key of any bytes.
pub(crate) fn state_of(key: &[u8]) -> HmacSha256 {
    HmacSha256::new_from_slice(key).expect("HMAC takes a key of any length (RFC 2104 §2)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_16_to_128_bytes() {
        let refused = |bytes: usize| HmacKey::try_new("k".repeat(bytes)).err();
        assert_eq!(refused(0), Some(KeyRefused::Empty));
        assert_eq!(refused(1), Some(KeyRefused::TooShort { bytes: 1 }));
        assert_eq!(refused(15), Some(KeyRefused::TooShort { bytes: 15 }));
        assert_eq!(refused(16), None);
        assert_eq!(refused(44), None);
        assert_eq!(refused(128), None);
        assert_eq!(refused(129), Some(KeyRefused::TooLong { bytes: 129 }));
    }

    #[test]
    fn a_tool_takes_a_key_of_any_length_but_none() {
        for bytes in [1, 15, 16, 128, 129, 10_000] {
            assert!(HmacKey::try_new_of_any_length("k".repeat(bytes)).is_ok(), "{bytes}");
        }
        assert_eq!(HmacKey::try_new_of_any_length("").err(), Some(KeyRefused::Empty));
    }

    #[test]
    fn a_made_key_is_44_characters_of_base64() {
        let key = HmacKey::from_random([0xff; 32]);
        assert_eq!(key.expose_text(), "//////////////////////////////////////////8=");
        assert_eq!(key.expose_text().len(), 44);
    }

    #[test]
    fn debug_output_and_errors_show_nothing_of_the_key() {
        let key = HmacKey::try_new("a-very-secret-key-text").expect("long enough");
        assert_eq!(format!("{key:?}"), "HmacKey(..)");
        let refused = HmacKey::try_new("shortsecret").expect_err("too short");
        assert!(!format!("{refused} {refused:?}").contains("shortsecret"));
    }
}
