//! What a bin answers: a status, headers, a body, late, never, or a reset.

use std::time::Duration;

use axum::{body::Body, response::Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};

use crate::failure::Failure;

/// Longest delay of an answer. A sender gives up after 100 s (Connect).
pub const DELAY_MAX: Duration = Duration::from_secs(120);
/// How long a connection is held that gets no answer.
pub const HANG_MAX: Duration = Duration::from_secs(600);
/// Longest body of an answer, in bytes.
const BODY_BYTES_MAX: usize = 64 * 1024;
/// Headers of an answer.
const HEADERS_MAX: usize = 20;
/// Longest value of a header, in bytes.
const VALUE_BYTES_MAX: usize = 4 * 1024;

/// Headers that frame a message, act on the whole origin, or are set here.
const BARRED: [&str; 17] = [
    "connection",
    "content-length",
    "content-encoding",
    "transfer-encoding",
    "upgrade",
    "trailer",
    "te",
    "keep-alive",
    "proxy-connection",
    "set-cookie",
    "set-cookie2",
    "clear-site-data",
    "strict-transport-security",
    "alt-svc",
    "service-worker-allowed",
    "content-security-policy",
    "x-content-type-options",
];

/// What a bin does with a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Behaviour {
    /// Answers.
    #[default]
    Answer,
    /// Never answers, and lets go of the connection after ten minutes.
    Hang,
    /// Resets the connection; over HTTP/2 and through a proxy in front, ends it without an answer.
    Reset,
}

/// What a bin answers.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Reply {
    /// 200 to 599.
    pub status: u16,
    /// Names and values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
    /// How long it waits first, in milliseconds.
    pub delay_ms: u64,
    /// What it does after that.
    pub behaviour: Behaviour,
}

impl Default for Reply {
    fn default() -> Self {
        Self { status: 200, headers: Vec::new(), body: String::new(), delay_ms: 0, behaviour: Behaviour::Answer }
    }
}

impl Reply {
    /// Checks what types cannot say.
    ///
    /// # Errors
    /// 400 with the fault.
    pub fn check(&self) -> Result<(), Failure> {
        let refused = |words: String| Err(Failure::invalid_parameter(words));
        if !(200..=599).contains(&self.status) {
            return refused(format!("answer.status must be 200 to 599, not {}", self.status));
        }
        if self.body.len() > BODY_BYTES_MAX {
            return refused(format!("answer.body must have at most {BODY_BYTES_MAX} bytes"));
        }
        if Duration::from_millis(self.delay_ms) > DELAY_MAX {
            return refused(format!("answer.delayMs must be at most {}", DELAY_MAX.as_millis()));
        }
        if self.headers.len() > HEADERS_MAX {
            return refused(format!("answer.headers must have at most {HEADERS_MAX} members"));
        }
        for (name, value) in &self.headers {
            let usable = name.parse::<HeaderName>().is_ok_and(|name| !BARRED.contains(&name.as_str()));
            if !usable {
                return refused(format!("answer.headers: '{}' cannot be set", name.escape_default().take(100).collect::<String>()));
            }
            if value.len() > VALUE_BYTES_MAX || HeaderValue::from_str(value).is_err() {
                return refused(format!("answer.headers: the value of '{name}' is not visible text of at most {VALUE_BYTES_MAX} bytes"));
            }
        }
        Ok(())
    }

    /// The answer. The body is given by whoever sent to the bin or configured it, in the origin of the pages: whatever its type, a browser
    /// that shows it runs nothing of it and gives it no access to anything.
    #[must_use]
    pub fn response(&self) -> Response {
        let mut response = Response::new(Body::from(Bytes::copy_from_slice(self.body.as_bytes())));
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::OK);
        let headers = response.headers_mut();
        for (name, value) in &self.headers {
            if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value)) {
                headers.append(name, value);
            }
        }
        if !headers.contains_key(header::CONTENT_TYPE) && !self.body.is_empty() {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        }
        confine(headers);
        response
    }
}

/// Keeps an answer from acting in the origin it comes from.
pub(crate) fn confine(headers: &mut HeaderMap) {
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; sandbox; frame-ancestors 'none'"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_cannot_be_given_is_refused_when_it_is_saved() {
        let with = |name: &str, value: &str| Reply { headers: vec![(name.into(), value.into())], ..Reply::default() };
        let rows = [
            ("a good one", with("X-Team", "a"), true),
            ("a redirect", Reply { status: 302, ..with("Location", "https://elsewhere.example/") }, true),
            ("an informational status", Reply { status: 101, ..Reply::default() }, false),
            ("a status beyond", Reply { status: 600, ..Reply::default() }, false),
            ("a long body", Reply { body: "x".repeat(BODY_BYTES_MAX + 1), ..Reply::default() }, false),
            ("a long delay", Reply { delay_ms: 120_001, ..Reply::default() }, false),
            ("a cookie", with("Set-Cookie", "a=b"), false),
            ("a length", with("content-length", "3"), false),
            ("a policy", with("Content-Security-Policy", "default-src *"), false),
            ("a broken name", with("a b", "c"), false),
            ("a line break", with("X-Team", "a\r\nSet-Cookie: b"), false),
            ("many headers", Reply { headers: vec![("X-A".into(), "b".into()); HEADERS_MAX + 1], ..Reply::default() }, false),
        ];
        for (row, reply, fits) in rows {
            assert_eq!(reply.check().is_ok(), fits, "{row}");
        }
    }

    #[test]
    fn a_page_in_an_answer_runs_nothing() {
        let reply = Reply {
            headers: vec![("Content-Type".into(), "text/html".into())],
            body: "<script>alert(1)</script>".into(),
            ..Reply::default()
        };
        let response = reply.response();
        assert!(response.headers()["content-security-policy"].to_str().is_ok_and(|policy| policy.contains("sandbox")));
        assert_eq!(response.headers()["x-content-type-options"], "nosniff");
    }
}
