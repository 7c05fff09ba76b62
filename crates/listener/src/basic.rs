//! HTTP Basic (RFC 7617): a user name and a password that Connect sends when its configuration has them.

use std::fmt;

use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConstantTimeEq as _};

use crate::credential::BasicPair;

/// The user name and password that a sender must show.
///
/// Only their hashes are kept, and both halves are always compared, so that the time taken says nothing about which is right and how much
/// of it.
#[derive(Clone)]
pub struct BasicCheck {
    user: String,
    user_hash: [u8; 32],
    password_hash: [u8; 32],
}

/// The user name or password cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BasicRefused {
    /// An empty password protects nothing.
    #[error("the password is empty")]
    EmptyPassword,
    /// A colon ends the user name on the wire (RFC 7617 §2), and control characters are not allowed.
    #[error("the user name is empty, or has a colon or control characters in it")]
    UserName,
}

impl BasicCheck {
    /// Demands this user name and password, compared as UTF-8 bytes.
    ///
    /// # Errors
    /// [`BasicRefused`] when the password is empty or the user name cannot be sent.
    pub fn try_new(user: &str, password: &str) -> Result<Self, BasicRefused> {
        if password.is_empty() {
            return Err(BasicRefused::EmptyPassword);
        }
        if user.is_empty() || user.contains(':') || user.chars().any(char::is_control) {
            return Err(BasicRefused::UserName);
        }
        Ok(Self { user: user.into(), user_hash: hash(user.as_bytes()), password_hash: hash(password.as_bytes()) })
    }

    /// The user name.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.user
    }

    /// Whether it is this user with this password.
    pub(crate) fn fits(&self, pair: &BasicPair) -> Choice {
        hash(&pair.user).ct_eq(&self.user_hash) & hash(&pair.password).ct_eq(&self.password_hash)
    }
}

impl fmt::Debug for BasicCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BasicCheck({}, ..)", self.user)
    }
}

fn hash(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;

    #[test]
    fn l_7617_1_both_halves_must_fit() {
        let check = BasicCheck::try_new("docu", "s3cret:ü").expect("a good pair");
        let fits = |user: &str, password: &str| {
            let pair = BasicPair { user: Zeroizing::new(user.into()), password: Zeroizing::new(password.into()) };
            bool::from(check.fits(&pair))
        };
        assert!(fits("docu", "s3cret:ü"));
        for (user, password) in [("docu", ""), ("", "s3cret:ü"), ("docu", "s3cret"), ("Docu", "s3cret:ü"), ("docu:s3cret", "ü"), ("", "")]
        {
            assert!(!fits(user, password), "{user} {password}");
        }
    }

    #[test]
    fn pairs_that_protect_nothing_or_cannot_be_sent_are_refused() {
        assert_eq!(BasicCheck::try_new("docu", "").err(), Some(BasicRefused::EmptyPassword));
        for user in ["", "a:b", "a\nb"] {
            assert_eq!(BasicCheck::try_new(user, "x").err(), Some(BasicRefused::UserName), "{user:?}");
        }
        assert_eq!(format!("{:?}", BasicCheck::try_new("docu", "s3cret").expect("a good pair")), "BasicCheck(docu, ..)");
    }
}
