//! Basic credentials (RFC 7617).

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::HeaderValue;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::secret::Secret;

/// Longest user name or password, in bytes; the header they make stays far below what servers accept (8 KiB).
pub const BASIC_PART_BYTES_MAX: usize = 1_024;

/// User name and password as the account administrator typed them. Serialised without the password.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct BasicCredentials {
    /// May be empty; never holds a colon or a control character.
    pub user: String,
    /// May be empty and may hold colons.
    #[serde(skip, default = "nothing")]
    pub password: Secret,
}

/// Why credentials cannot be put into a header. The account administrator is at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BasicFault {
    /// RFC 7617 §2: the colon separates the user name from the password.
    #[error("a user name for Basic authentication cannot hold a colon")]
    ColonInUser,
    /// RFC 7617 §2: no control characters in either part.
    #[error("the {part} for Basic authentication holds a control character")]
    ControlCharacter {
        /// `user name` or `password`.
        part: &'static str,
    },
    /// Longer than [`BASIC_PART_BYTES_MAX`].
    #[error("the {part} for Basic authentication is longer than {BASIC_PART_BYTES_MAX} bytes")]
    TooLong {
        /// `user name` or `password`.
        part: &'static str,
    },
}

impl BasicCredentials {
    /// Takes both parts after checking them (RFC 7617 §2).
    ///
    /// # Errors
    /// [`BasicFault`] when a header cannot be made from them.
    pub fn try_new(user: impl Into<String>, password: impl Into<Secret>) -> Result<Self, BasicFault> {
        let credentials = Self { user: user.into(), password: password.into() };
        credentials.check()?;
        Ok(credentials)
    }

    /// Checks credentials that were read from elsewhere.
    ///
    /// # Errors
    /// [`BasicFault`] when a header cannot be made from them.
    pub fn check(&self) -> Result<(), BasicFault> {
        if self.user.contains(':') {
            return Err(BasicFault::ColonInUser);
        }
        for (part, text) in [("user name", self.user.as_str()), ("password", self.password.expose_secret())] {
            if text.len() > BASIC_PART_BYTES_MAX {
                return Err(BasicFault::TooLong { part });
            }
            if text.chars().any(char::is_control) {
                return Err(BasicFault::ControlCharacter { part });
            }
        }
        Ok(())
    }

    /// The value of the `Authorization` header, in UTF-8 (RFC 7617 §2.1), marked sensitive.
    ///
    /// # Errors
    /// [`BasicFault`] when a header cannot be made from the two parts.
    pub fn header(&self) -> Result<HeaderValue, BasicFault> {
        self.check()?;
        Ok(basic_header(&self.user, self.password.expose_secret()))
    }

    /// The secret parts by name, for the store to seal.
    #[must_use]
    pub fn secrets(&self) -> Vec<(&'static str, Secret)> {
        vec![("password", self.password.clone())]
    }

    /// Puts a secret part back; false when there is none of that name.
    pub fn set_secret(&mut self, name: &str, secret: Secret) -> bool {
        let known = name == "password";
        if known {
            self.password = secret;
        }
        known
    }
}

/// `Basic base64(user:password)`, marked sensitive. The caller has made sure that `user` holds no colon.
pub(crate) fn basic_header(user: &str, password: &str) -> HeaderValue {
    let pair = Zeroizing::new(format!("{user}:{password}"));
    let text = Zeroizing::new(format!("Basic {}", STANDARD.encode(pair.as_bytes())));
    let mut value = HeaderValue::from_str(&text).expect("Base64 holds only characters that a header may hold");
    value.set_sensitive(true);
    value
}

fn nothing() -> Secret {
    Secret::new("")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_is_that_of_the_rfc() {
        for (user, password, header) in [
            ("Aladdin", "open sesame", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
            ("test", "123\u{a3}", "Basic dGVzdDoxMjPCow=="),
            ("", "", "Basic Og=="),
            ("u", "a:b", "Basic dTphOmI="),
        ] {
            let value = BasicCredentials::try_new(user, password).and_then(|c| c.header()).expect("these are fine");
            assert_eq!(value.to_str().expect("ASCII"), header, "{user}");
            assert!(value.is_sensitive());
        }
    }

    #[test]
    fn what_no_header_can_carry_is_refused() {
        for (user, password, fault) in [
            ("a:b", "x", BasicFault::ColonInUser),
            ("a\nb", "x", BasicFault::ControlCharacter { part: "user name" }),
            ("a", "x\r", BasicFault::ControlCharacter { part: "password" }),
            ("a", "x\0", BasicFault::ControlCharacter { part: "password" }),
            ("a", "x\u{85}", BasicFault::ControlCharacter { part: "password" }),
            ("a", &"x".repeat(1_025), BasicFault::TooLong { part: "password" }),
        ] {
            assert_eq!(BasicCredentials::try_new(user, password).err(), Some(fault), "{user:?} {password:?}");
        }
    }

    #[test]
    fn the_password_is_neither_serialised_nor_printed() {
        let credentials = BasicCredentials::try_new("anna", "hunter2hunter2").expect("fine");
        assert_eq!(serde_json::to_string(&credentials).expect("plain data"), r#"{"user":"anna"}"#);
        assert!(!format!("{credentials:?}").contains("hunter2"));
        let mut back: BasicCredentials = serde_json::from_str(r#"{"user":"anna"}"#).expect("plain data");
        for (name, secret) in credentials.secrets() {
            assert!(back.set_secret(name, secret));
        }
        assert!(!back.set_secret("other", Secret::new("x")));
        assert_eq!(back.header(), credentials.header());
    }
}
