//! JSON answers.

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::Response,
};
use serde::Serialize;

/// A JSON answer that anyone may keep: metadata, keys.
pub(crate) fn json(status: StatusCode, value: &impl Serialize) -> Response {
    let (status, body) = match serde_json::to_vec(value) {
        Ok(body) => (status, body),
        // Only values with text keys are ever given; this arm keeps a mistake from becoming a panic.
        Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, Vec::new()),
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// A JSON answer that nobody may keep (RFC 6749 §5.1: `Cache-Control: no-store` and, for old proxies, `Pragma: no-cache`).
pub(crate) fn private_json(status: StatusCode, value: &impl Serialize) -> Response {
    let mut response = json(status, value);
    forbid_storing(&mut response);
    response
}

/// Adds the headers of RFC 6749 §5.1 that keep an answer out of every cache.
pub(crate) fn forbid_storing(response: &mut Response) {
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response.headers_mut().insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
}
