//! Why an authorization server's answer gives no token.

use std::fmt;

/// The answer of an authorization server from which no token can be taken. Its words are escaped, cut and free of the
/// connection's secrets, so that they can be shown to the account administrator.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the authorization server answered {status}: {kind}")]
pub struct TokenRefusal {
    /// Status of the answer.
    pub status: u16,
    /// What is wrong with it.
    pub kind: RefusalKind,
}

/// What is wrong with a token answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RefusalKind {
    /// An error answer of RFC 6749 §5.2.
    Error {
        /// `error`, such as `invalid_client`.
        error: String,
        /// `error_description`, when there is one.
        description: Option<String>,
    },
    /// A status of failure without such an error.
    Status {
        /// The beginning of the body.
        words: String,
    },
    /// 3xx: never followed (RFC 9700 §4.9.1).
    Redirect,
    /// A success whose `Content-Type` is not JSON.
    NotJson {
        /// `Content-Type` as received, or `no Content-Type`.
        content_type: String,
        /// The beginning of the body.
        words: String,
    },
    /// A success that is not an object of RFC 6749 §5.1.
    Malformed {
        /// What is missing or of the wrong type.
        what: &'static str,
    },
    /// A `token_type` that we cannot use (RFC 6749 §7.1).
    TokenType {
        /// As received.
        token_type: String,
    },
    /// `expires_in` is zero or less.
    AlreadyExpired,
    /// Longer than is read.
    TooLong,
}

impl TokenRefusal {
    /// True when asking again soon is pointless, as somebody has to change a configuration here or there first: probes
    /// then slow down. False for what passes by itself.
    #[must_use]
    pub fn is_configuration_fault(&self) -> bool {
        // The status outranks the body: a proxy in front of a server that is down may send any body.
        if self.status >= 500 || matches!(self.status, 408 | 425 | 429) {
            return false;
        }
        match &self.kind {
            RefusalKind::Error { error, .. } => !matches!(error.as_str(), "server_error" | "temporarily_unavailable" | "slow_down"),
            _ => true,
        }
    }

    /// The `error` code of RFC 6749 §5.2, when there is one.
    #[must_use]
    pub fn error_code(&self) -> Option<&str> {
        match &self.kind {
            RefusalKind::Error { error, .. } => Some(error),
            _ => None,
        }
    }
}

impl fmt::Display for RefusalKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Error { error, description: Some(description) } => write!(f, "{error}: {description}"),
            Self::Error { error, description: None } => f.write_str(error),
            Self::Status { words } if words.is_empty() => f.write_str("no error was given"),
            Self::Status { words } => f.write_str(words),
            Self::Redirect => f.write_str("a redirect, which is never followed; set the final token URL"),
            Self::NotJson { content_type, words } => write!(f, "not JSON but {content_type}: {words}"),
            Self::Malformed { what } => f.write_str(what),
            Self::TokenType { token_type } => write!(f, "the token type '{token_type}' is not Bearer"),
            Self::AlreadyExpired => f.write_str("the token had already expired when it was issued (expires_in is not above zero)"),
            Self::TooLong => f.write_str("the answer is longer than 64 KiB"),
        }
    }
}
