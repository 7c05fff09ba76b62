//! What goes wrong in a request, said once and rendered in the form of the surface it came in by: Docusign's
//! `errorCode` and `message` under `/restapi`, `application/problem+json` (RFC 9457) elsewhere.

use axum::{
    body::Body,
    extract::rejection::BytesRejection,
    response::{IntoResponse, Response},
};
use countersign_store::{Refused, StoreError};
use http::{HeaderValue, StatusCode, header};
use serde_json::json;

/// A refused request. Handlers return it; [`as_docusign`] and [`as_problem`] render it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{status} {code}: {message}")]
pub struct Failure {
    /// 4xx or 5xx.
    pub status: StatusCode,
    /// Docusign's code (reference: 8.5), such as `INVALID_REQUEST_PARAMETER`. The stable code under `/api` is its lower-case form with hyphens.
    pub code: &'static str,
    /// One clause that names the thing and the value, and what to do.
    pub message: String,
    /// `Retry-After`, in seconds.
    pub retry_after: Option<u32>,
}

impl Failure {
    /// Any failure.
    #[must_use]
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), retry_after: None }
    }

    /// 400: a parameter, property or combination of them cannot be.
    #[must_use]
    pub fn invalid_parameter(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "INVALID_REQUEST_PARAMETER", message)
    }

    /// 400: the body is not what the endpoint takes.
    #[must_use]
    pub fn invalid_body(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "INVALID_REQUEST_BODY", message)
    }

    /// 401: no token, or one that does not count.
    #[must_use]
    pub fn unauthorized(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "AUTHORIZATION_INVALID_TOKEN", message)
    }

    /// 403: the token does not go that far.
    #[must_use]
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "USER_LACKS_PERMISSIONS", message)
    }

    /// 404 with a code of the thing looked for.
    #[must_use]
    pub fn not_found(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, message)
    }

    /// 501: out of scope, and said so.
    #[must_use]
    pub fn not_implemented(what: &str) -> Self {
        Self::new(StatusCode::NOT_IMPLEMENTED, "NOT_IMPLEMENTED", format!("Countersign does not have {what}"))
    }

    /// 413.
    #[must_use]
    pub fn too_large(what: &str, bytes_max: usize) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "REQUEST_TOO_LARGE", format!("{what} is larger than {bytes_max} bytes"))
    }

    /// 409: changed under our hands; reading again and repeating helps.
    #[must_use]
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "CONFLICT", message)
    }

    /// The stable code under `/api`.
    #[must_use]
    pub fn problem_code(&self) -> String {
        self.code.to_ascii_lowercase().replace('_', "-")
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let (status, code, retry_after) = match &error {
            StoreError::Full(_) => (StatusCode::INSUFFICIENT_STORAGE, "STORAGE_FULL", Some(30)),
            StoreError::Unavailable(_) | StoreError::Unknown(_) | StoreError::Suspect(_) => {
                (StatusCode::SERVICE_UNAVAILABLE, "STORE_UNAVAILABLE", Some(1))
            }
            StoreError::Damaged(_) | StoreError::Sealed(_) | StoreError::Backend(_) => {
                tracing::error!(%error, "the store failed a request");
                (StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL_ERROR", None)
            }
        };
        let message =
            if status == StatusCode::INTERNAL_SERVER_ERROR { "the store failed; the log says why".to_owned() } else { error.to_string() };
        Self { status, code, message, retry_after }
    }
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::NotFound => Self::not_found("NOT_FOUND", "there is no such object in the account"),
            Refused::Exists => Self::new(StatusCode::CONFLICT, "ALREADY_EXISTS", refused.to_string()),
            Refused::IdempotencyConflict => Self::new(StatusCode::UNPROCESSABLE_ENTITY, "IDEMPOTENCY_KEY_REUSED", refused.to_string()),
            Refused::WrongState(_) => Self::new(StatusCode::CONFLICT, "WRONG_STATE", refused.to_string()),
            Refused::TooLarge(_) => Self::new(StatusCode::PAYLOAD_TOO_LARGE, "REQUEST_TOO_LARGE", refused.to_string()),
            Refused::StaleConfig(_) | Refused::StaleEnvelope | Refused::LeaseLost => {
                let mut failure = Self::new(StatusCode::SERVICE_UNAVAILABLE, "TOO_MANY_CHANGES", format!("{refused}; try again"));
                failure.retry_after = Some(1);
                failure
            }
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// A body that could not be read whole: over the limit, or cut off.
pub(crate) fn refused_body(rejection: BytesRejection) -> Failure {
    match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            Failure::new(StatusCode::PAYLOAD_TOO_LARGE, "REQUEST_TOO_LARGE", "the request body is larger than the endpoint takes")
        }
        _ => Failure::invalid_body("the request body could not be read whole"),
    }
}

/// Renders failures as Docusign does: `{"errorCode": "...", "message": "..."}`.
pub fn as_docusign(response: Response) -> Response {
    render(response, |failure| (json!({"errorCode": failure.code, "message": failure.message}).to_string(), "application/json"))
}

/// Renders failures as problem documents (RFC 9457).
pub fn as_problem(response: Response) -> Response {
    render(response, |failure| {
        let code = failure.problem_code();
        let title = failure.status.canonical_reason().unwrap_or("Error");
        let body = json!({
            "type": format!("/docs/problems/{code}"),
            "title": title,
            "status": failure.status.as_u16(),
            "code": code,
            "detail": failure.message,
        });
        (body.to_string(), "application/problem+json")
    })
}

/// Renders failures as RFC 6749 §5.2 does; what the grants refuse has this form already.
pub fn as_oauth(response: Response) -> Response {
    render(response, |failure| {
        let error = if failure.status.is_server_error() { "server_error" } else { "invalid_request" };
        (json!({"error": error, "error_description": failure.message}).to_string(), "application/json")
    })
}

fn render(response: Response, body_of: impl Fn(&Failure) -> (String, &'static str)) -> Response {
    let (mut parts, body) = response.into_parts();
    let failure = match parts.extensions.remove::<Failure>() {
        Some(failure) => failure,
        // What the framework itself refused (wrong method, unknown path, body over the limit) has no failure yet.
        None if parts.status.is_client_error() && !parts.headers.contains_key(header::CONTENT_TYPE)
            || parts.status == StatusCode::PAYLOAD_TOO_LARGE =>
        {
            framework_failure(parts.status)
        }
        None => return Response::from_parts(parts, body),
    };
    let (text, content_type) = body_of(&failure);
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    parts.headers.remove(header::CONTENT_LENGTH);
    if failure.status == StatusCode::UNAUTHORIZED {
        parts.headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"countersign\""));
    }
    if let Some(seconds) = failure.retry_after {
        parts.headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    Response::from_parts(parts, Body::from(text))
}

fn framework_failure(status: StatusCode) -> Failure {
    let (code, message) = match status {
        StatusCode::NOT_FOUND => ("RESOURCE_NOT_FOUND", "there is nothing at this path"),
        StatusCode::METHOD_NOT_ALLOWED => ("METHOD_NOT_ALLOWED", "the path does not take this method"),
        StatusCode::PAYLOAD_TOO_LARGE => ("REQUEST_TOO_LARGE", "the request body is larger than the endpoint takes"),
        _ => ("INVALID_REQUEST_PARAMETER", "the request cannot be read"),
    };
    Failure::new(status, code, message)
}
