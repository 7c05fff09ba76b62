//! Refusals in the form of RFC 6749 §5.2.

use axum::response::{IntoResponse, Response};
use countersign_store::StoreError;
use http::{HeaderValue, StatusCode, header};
use serde_json::json;

use crate::{failure::Failure, token_text::NoRandomness};

/// `{"error": ..., "error_description": ...}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    status: StatusCode,
    error: &'static str,
    description: String,
}

impl Refusal {
    fn new(status: StatusCode, error: &'static str, description: impl Into<String>) -> Self {
        Self { status, error, description: description.into() }
    }

    /// The request itself is wrong.
    pub(crate) fn invalid_request(description: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", description)
    }

    /// The assertion, code or refresh token does not count. Docusign's descriptions are single words such as `issuer_not_found`.
    pub(crate) fn invalid_grant(description: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_grant", description)
    }

    /// The user has not agreed to what the application asks for.
    pub(crate) fn consent_required(description: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "consent_required", description)
    }

    /// Another grant than ours.
    pub(crate) fn unsupported_grant_type(grant: &str) -> Self {
        let shown: String = grant.chars().filter(|c| !c.is_control()).take(100).collect();
        Self::new(StatusCode::BAD_REQUEST, "unsupported_grant_type", format!("the grant '{shown}' is not supported"))
    }

    /// The scope lacks what a token of this API needs.
    pub(crate) fn invalid_scope(description: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_scope", description)
    }

    /// The application did not prove who it is. One text for every cause.
    pub(crate) fn invalid_client() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "invalid_client", "the integration key is not known or its secret is wrong")
    }

    /// Consent pages exist in development only.
    pub(crate) fn no_consent_page() -> Self {
        Self::new(
            StatusCode::NOT_IMPLEMENTED,
            "unsupported_response_type",
            "consent is given in development mode only; use the JWT grant or an API token",
        )
    }
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        let error = match failure.status {
            StatusCode::UNAUTHORIZED => "invalid_token",
            status if status.is_client_error() => "invalid_request",
            StatusCode::SERVICE_UNAVAILABLE => "temporarily_unavailable",
            _ => "server_error",
        };
        Self::new(failure.status, error, failure.message)
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Failure::from(error).into()
    }
}

impl From<NoRandomness> for Refusal {
    fn from(error: NoRandomness) -> Self {
        tracing::error!(%error, "no token could be made");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", "no token can be made now")
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = json!({"error": self.error, "error_description": self.description}).to_string();
        let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
        let mut response = (self.status, headers, body).into_response();
        // RFC 6749 §5.2 and RFC 6750 §3 ask for the scheme that would have been right.
        let scheme = match self.error {
            "invalid_client" => Some("Basic realm=\"countersign\""),
            "invalid_token" => Some("Bearer realm=\"countersign\", error=\"invalid_token\""),
            _ => None,
        };
        if let Some(scheme) = scheme {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(scheme));
        }
        response
    }
}
