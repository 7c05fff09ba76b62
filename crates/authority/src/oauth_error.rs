//! Refusals in the words of RFC 6749 §5.2.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;

use crate::answer;

/// Characters of a description. Descriptions name what a client sent, which may be long.
const DESCRIPTION_CHARS_MAX: usize = 200;

/// The `error` member of a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ErrorCode {
    /// RFC 6749 §5.2: repeated, missing or unreadable parameters, two authentications.
    InvalidRequest,
    /// RFC 6749 §5.2: client authentication failed.
    InvalidClient,
    /// RFC 6749 §5.2: a grant other than client credentials.
    UnsupportedGrantType,
    /// RFC 6749 §5.2: the client may not do this.
    UnauthorizedClient,
    /// RFC 6749 §5.2: a scope that the client is not registered for.
    InvalidScope,
    /// RFC 8707 §2: a resource that is malformed or not the client's.
    InvalidTarget,
    /// RFC 6749 §4.1.2.1, borrowed: the server cannot do it now.
    TemporarilyUnavailable,
    /// RFC 6749 §4.1.2.1, borrowed: the fault is ours.
    ServerError,
}

/// A refusal with its status, its code and a sentence for the person who reads the log.
#[derive(Debug)]
pub(crate) struct OAuthError {
    status: StatusCode,
    code: ErrorCode,
    description: String,
}

impl OAuthError {
    /// With the status that goes with the code.
    pub(crate) fn new(code: ErrorCode, description: impl Into<String>) -> Self {
        let status = match code {
            ErrorCode::InvalidClient => StatusCode::UNAUTHORIZED,
            ErrorCode::TemporarilyUnavailable => StatusCode::SERVICE_UNAVAILABLE,
            ErrorCode::ServerError => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::BAD_REQUEST,
        };
        Self { status, code, description: description.into() }
    }

    /// A malformed request.
    pub(crate) fn invalid_request(description: impl Into<String>) -> Self {
        Self::new(ErrorCode::InvalidRequest, description)
    }

    /// Failed client authentication.
    pub(crate) fn invalid_client(description: impl Into<String>) -> Self {
        Self::new(ErrorCode::InvalidClient, description)
    }

    /// The same refusal with another status.
    pub(crate) fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    #[cfg(test)]
    pub(crate) fn code(&self) -> ErrorCode {
        self.code
    }
}

impl ErrorCode {
    fn name(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::InvalidScope => "invalid_scope",
            Self::InvalidTarget => "invalid_target",
            Self::TemporarilyUnavailable => "temporarily_unavailable",
            Self::ServerError => "server_error",
        }
    }
}

impl IntoResponse for OAuthError {
    fn into_response(self) -> Response {
        let body = json!({ "error": self.code.name(), "error_description": printable(&self.description) });
        let mut response = answer::private_json(self.status, &body);
        if self.code == ErrorCode::InvalidClient {
            // RFC 6749 §5.2 asks for a challenge in the scheme the client used; RFC 9110 §15.5.2 for one with every 401.
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(r#"Basic realm="authorization server", charset="UTF-8""#));
        }
        response
    }
}

/// RFC 6749 §5.2 allows printable ASCII without quote and backslash in a description.
fn printable(text: &str) -> String {
    text.chars().take(DESCRIPTION_CHARS_MAX).map(|c| if matches!(c, ' '..='~') && c != '"' && c != '\\' { c } else { '?' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_holds_only_the_characters_that_the_standard_allows() {
        assert_eq!(printable("scope 'a\"b\\c\r\nd\u{fc}' is unknown"), "scope 'a?b?c??d?' is unknown");
        assert_eq!(printable(&"x".repeat(1_000)).len(), DESCRIPTION_CHARS_MAX);
    }
}
