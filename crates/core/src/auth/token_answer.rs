//! What an authorization server's answer means (RFC 6749 §5).

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;
use serde_json::Value;
use url::form_urlencoded;

use super::{
    connection::{ContentTypeRule, OAuthConnection},
    refusal::{RefusalKind, TokenRefusal},
    token::{CachedToken, LIFE_MAX},
    words::escape_words,
};
use crate::{secret::Secret, time::Timestamp};

/// Longest answer read, in bytes.
pub const TOKEN_ANSWER_BYTES_MAX: usize = 64 * 1_024;

/// An answer as received.
#[derive(Debug, Clone, Copy)]
pub struct TokenAnswer<'a> {
    /// Status code.
    pub status: u16,
    /// `Content-Type`, when there was one that is text.
    pub content_type: Option<&'a str>,
    /// The body, or the part of it that was read.
    pub body: &'a [u8],
    /// False when there was more than was read.
    pub complete: bool,
}

/// The members that matter; all others are ignored, a `refresh_token` too (RFC 6749 §4.4.3). One that stands twice is
/// refused by the derived reader.
#[derive(Deserialize)]
struct Members {
    access_token: Option<Value>,
    token_type: Option<Value>,
    expires_in: Option<Value>,
    scope: Option<Value>,
}

/// RFC 6749 §5.2.
#[derive(Deserialize)]
struct ErrorMembers {
    error: String,
    #[serde(default)]
    error_description: Option<Value>,
}

/// The token of an answer that came at `now`. `jitter` in `[0, 1)` moves its renewal.
///
/// `expires_in` may be a number or, as some large servers write it, a text of digits. Missing, it counts as
/// [`LIFE_UNSTATED`](super::token::LIFE_UNSTATED); zero or less is refused; what is beyond [`LIFE_MAX`] is cut.
///
/// # Errors
/// [`TokenRefusal`] with the server's own words, escaped, cut and without the connection's secrets.
pub fn parse_token_answer(
    connection: &OAuthConnection,
    answer: &TokenAnswer<'_>,
    now: Timestamp,
    jitter: f64,
) -> Result<CachedToken, TokenRefusal> {
    let refused = |kind| TokenRefusal { status: answer.status, kind };
    match answer.status {
        200..=299 => success(connection, answer, now, jitter).map_err(refused),
        300..=399 => Err(refused(RefusalKind::Redirect)),
        _ => Err(refused(failure(connection, answer))),
    }
}

fn success(connection: &OAuthConnection, answer: &TokenAnswer<'_>, now: Timestamp, jitter: f64) -> Result<CachedToken, RefusalKind> {
    if !answer.complete || answer.body.len() > TOKEN_ANSWER_BYTES_MAX {
        return Err(RefusalKind::TooLong);
    }
    if connection.content_type_rule == ContentTypeRule::Json && !answer.content_type.is_some_and(is_json) {
        let content_type = answer.content_type.map_or_else(|| "no Content-Type".to_owned(), |kind| escape_words(kind, &[]));
        return Err(RefusalKind::NotJson { content_type, words: words_of(connection, answer.body) });
    }
    let malformed = |what| RefusalKind::Malformed { what };
    if !answer.body.trim_ascii_start().starts_with(b"{") {
        return Err(malformed("the answer is not a JSON object"));
    }
    let members: Members =
        serde_json::from_slice(answer.body).map_err(|_| malformed("the answer is not a JSON object with each member once"))?;
    let token = match members.access_token {
        Some(Value::String(token)) => Secret::new(token),
        Some(_) => return Err(malformed("access_token is not a text")),
        None => return Err(malformed("access_token is missing")),
    };
    match members.token_type {
        Some(Value::String(kind)) if kind.eq_ignore_ascii_case("bearer") => {}
        Some(Value::String(kind)) => return Err(RefusalKind::TokenType { token_type: escape_words(&kind, &[]) }),
        Some(_) => return Err(malformed("token_type is not a text")),
        None => return Err(malformed("token_type is missing")),
    }
    let life = match members.expires_in {
        None | Some(Value::Null) => None,
        Some(value) => Some(life(&value)?),
    };
    let granted_scope = match members.scope {
        None | Some(Value::Null) => None,
        Some(Value::String(scope)) => Some(escape_words(&scope, &[token.expose_secret()])),
        Some(_) => return Err(malformed("scope is not a text")),
    };
    let mut cached = CachedToken::try_new(token, life, now, jitter)
        .map_err(|_| malformed("access_token holds characters that a bearer token cannot have, or is longer than 12 KiB"))?;
    cached.granted_scope = granted_scope;
    Ok(cached)
}

/// Seconds, as a number or as digits, cut to [`LIFE_MAX`].
fn life(value: &Value) -> Result<Duration, RefusalKind> {
    let malformed = RefusalKind::Malformed { what: "expires_in is not a number of seconds" };
    let seconds = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(digits) if !digits.is_empty() && digits.len() <= 20 && digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            digits.parse().ok()
        }
        _ => None,
    };
    match seconds {
        Some(seconds) if !seconds.is_finite() => Err(malformed),
        Some(seconds) if seconds <= 0.0 => Err(RefusalKind::AlreadyExpired),
        Some(seconds) => Ok(Duration::from_secs_f64(seconds.min(LIFE_MAX.as_secs_f64()))),
        None => Err(malformed),
    }
}

/// The error of RFC 6749 §5.2, or the beginning of whatever was said.
fn failure(connection: &OAuthConnection, answer: &TokenAnswer<'_>) -> RefusalKind {
    let body = &answer.body[..answer.body.len().min(TOKEN_ANSWER_BYTES_MAX)];
    match serde_json::from_slice::<ErrorMembers>(body) {
        Ok(members) if !members.error.trim().is_empty() => RefusalKind::Error {
            error: escape(connection, &members.error),
            description: members
                .error_description
                .as_ref()
                .and_then(Value::as_str)
                .map(|text| escape(connection, text))
                .filter(|text| !text.is_empty()),
        },
        _ => RefusalKind::Status { words: words_of(connection, body) },
    }
}

/// The beginning of a body that should have been something else.
fn words_of(connection: &OAuthConnection, body: &[u8]) -> String {
    escape(connection, &String::from_utf8_lossy(&body[..body.len().min(4_096)]))
}

/// Hides every form in which the secret can have been sent.
fn escape(connection: &OAuthConnection, text: &str) -> String {
    let secret = connection.client_secret.expose_secret();
    if secret.is_empty() {
        return escape_words(text, &[]);
    }
    let form: String = form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    let form_id: String = form_urlencoded::byte_serialize(connection.client_id.as_bytes()).collect();
    let basic = STANDARD.encode(format!("{form_id}:{form}"));
    let basic_raw = STANDARD.encode(format!("{}:{secret}", connection.client_id));
    let base64 = STANDARD.encode(secret);
    escape_words(text, &[secret, &form, &basic, &basic_raw, &base64])
}

fn is_json(content_type: &str) -> bool {
    let kind = content_type.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
    kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::auth::token::LIFE_UNSTATED;

    const NOW: Timestamp = Timestamp::from_secs(1_700_000_000);

    fn connection() -> OAuthConnection {
        OAuthConnection::new("https://id.example/token", "client", "tr0ub&dor")
    }

    fn answer(status: u16, body: &[u8]) -> Result<CachedToken, TokenRefusal> {
        let answer = TokenAnswer { status, content_type: Some("application/json;charset=UTF-8"), body, complete: true };
        parse_token_answer(&connection(), &answer, NOW, 0.5)
    }

    #[test]
    fn usable_answers_give_a_token_with_the_right_life() {
        for (expires_in, life) in [
            ("", LIFE_UNSTATED),
            (r#","expires_in":null"#, LIFE_UNSTATED),
            (r#","expires_in":3600"#, Duration::from_secs(3_600)),
            (r#","expires_in":"3600""#, Duration::from_secs(3_600)),
            (r#","expires_in":3599.5"#, Duration::from_millis(3_599_500)),
            (r#","expires_in":1"#, Duration::from_secs(1)),
            (r#","expires_in":1e18"#, LIFE_MAX),
            (r#","expires_in":18446744073709551615"#, LIFE_MAX),
            (r#","expires_in":300,"refresh_token":"r","unknown":{"a":[1]}"#, Duration::from_secs(300)),
        ] {
            let body = format!(r#" {{"access_token":"abc","token_type":"bEaReR"{expires_in}}}"#);
            let token = answer(200, body.as_bytes()).expect(&body);
            assert_eq!(token.expires_at.since(NOW), life, "{body}");
            assert_eq!(token.access_token.expose_secret(), "abc");
        }
        let scoped = answer(200, br#"{"access_token":"abc","token_type":"Bearer","scope":"a b"}"#).expect("fine");
        assert_eq!(scoped.granted_scope.as_deref(), Some("a b"));
    }

    #[test]
    fn unusable_successes_are_refused_each_for_its_reason() {
        let malformed = |what| RefusalKind::Malformed { what };
        for (body, kind) in [
            ("", malformed("the answer is not a JSON object")),
            ("[]", malformed("the answer is not a JSON object")),
            ("\"abc\"", malformed("the answer is not a JSON object")),
            ("{", malformed("the answer is not a JSON object with each member once")),
            (
                r#"{"access_token":"a","access_token":"b","token_type":"Bearer"}"#,
                malformed("the answer is not a JSON object with each member once"),
            ),
            (
                r#"{"access_token":"a","token_type":"Bearer","expires_in":1e400}"#,
                malformed("the answer is not a JSON object with each member once"),
            ),
            (r#"{"token_type":"Bearer"}"#, malformed("access_token is missing")),
            (r#"{"access_token":7,"token_type":"Bearer"}"#, malformed("access_token is not a text")),
            (r#"{"access_token":"a"}"#, malformed("token_type is missing")),
            (r#"{"access_token":"a","token_type":["Bearer"]}"#, malformed("token_type is not a text")),
            (r#"{"access_token":"a","token_type":"DPoP"}"#, RefusalKind::TokenType { token_type: "DPoP".to_owned() }),
            (r#"{"access_token":"a","token_type":"Bearer","expires_in":0}"#, RefusalKind::AlreadyExpired),
            (r#"{"access_token":"a","token_type":"Bearer","expires_in":-1}"#, RefusalKind::AlreadyExpired),
            (r#"{"access_token":"a","token_type":"Bearer","expires_in":true}"#, malformed("expires_in is not a number of seconds")),
            (r#"{"access_token":"a","token_type":"Bearer","expires_in":"soon"}"#, malformed("expires_in is not a number of seconds")),
            (r#"{"access_token":"a","token_type":"Bearer","expires_in":"-5"}"#, malformed("expires_in is not a number of seconds")),
            (r#"{"access_token":"a","token_type":"Bearer","scope":["a"]}"#, malformed("scope is not a text")),
            (
                r#"{"access_token":"a b","token_type":"Bearer"}"#,
                malformed("access_token holds characters that a bearer token cannot have, or is longer than 12 KiB"),
            ),
            (
                r#"{"access_token":"a\r\nX: 1","token_type":"Bearer"}"#,
                malformed("access_token holds characters that a bearer token cannot have, or is longer than 12 KiB"),
            ),
        ] {
            let refusal = answer(200, body.as_bytes()).expect_err(body);
            assert_eq!(refusal, TokenRefusal { status: 200, kind }, "{body}");
            assert!(refusal.is_configuration_fault(), "{body}");
        }
    }

    #[test]
    fn errors_are_told_apart_into_faults_of_configuration_and_passing_ones() {
        for (status, body, configuration, words) in [
            (401, r#"{"error":"invalid_client"}"#, true, "the authorization server answered 401: invalid_client"),
            (
                400,
                r#"{"error":"invalid_scope","error_description":"no such scope"}"#,
                true,
                "the authorization server answered 400: invalid_scope: no such scope",
            ),
            (400, r#"{"error":"unauthorized_client"}"#, true, "the authorization server answered 400: unauthorized_client"),
            (400, r#"{"error":"unsupported_grant_type"}"#, true, "the authorization server answered 400: unsupported_grant_type"),
            (400, r#"{"error":"invalid_target"}"#, true, "the authorization server answered 400: invalid_target"),
            (400, r#"{"error":"temporarily_unavailable"}"#, false, "the authorization server answered 400: temporarily_unavailable"),
            (400, r#"{"error":"x","error_description":7}"#, true, "the authorization server answered 400: x"),
            (404, "<h1>gone</h1>", true, "the authorization server answered 404: <h1>gone</h1>"),
            (403, "", true, "the authorization server answered 403: no error was given"),
            (400, r#"{"error":{"code":7}}"#, true, r#"the authorization server answered 400: {"error":{"code":7}}"#),
            (429, r#"{"error":"invalid_client"}"#, false, "the authorization server answered 429: invalid_client"),
            (500, r#"{"error":"invalid_client"}"#, false, "the authorization server answered 500: invalid_client"),
            (503, "down", false, "the authorization server answered 503: down"),
            (307, "", true, "the authorization server answered 307: a redirect, which is never followed; set the final token URL"),
        ] {
            let refusal = answer(status, body.as_bytes()).expect_err(body);
            assert_eq!((refusal.to_string().as_str(), refusal.is_configuration_fault()), (words, configuration), "{status} {body}");
        }
    }

    #[test]
    fn an_echoed_secret_is_hidden_in_every_form() {
        for echo in ["tr0ub&dor", "tr0ub%26dor", "Y2xpZW50OnRyMHViJTI2ZG9y", "Y2xpZW50OnRyMHViJmRvcg=="] {
            let body = format!(r#"{{"error":"invalid_client","error_description":"bad credentials {echo}"}}"#);
            assert_eq!(
                answer(401, body.as_bytes()).expect_err("401").kind.to_string(),
                "invalid_client: bad credentials ********",
                "{echo}"
            );
            let page = format!("<p>{echo}</p>");
            assert_eq!(answer(500, page.as_bytes()).expect_err("500").kind.to_string(), "<p>********</p>", "{echo}");
        }
    }

    #[test]
    fn what_is_not_labelled_json_is_read_only_when_allowed() {
        let body = br#"{"access_token":"abc","token_type":"Bearer"}"#;
        for (content_type, strict) in [
            (Some("application/json"), true),
            (Some("Application/JSON; charset=utf-8"), true),
            (Some("application/vnd.x+json"), true),
            (Some("text/html"), false),
            (Some("text/plain"), false),
            (None, false),
        ] {
            let answer = TokenAnswer { status: 200, content_type, body, complete: true };
            let mut connection = connection();
            assert_eq!(parse_token_answer(&connection, &answer, NOW, 0.0).is_ok(), strict, "{content_type:?}");
            connection.content_type_rule = ContentTypeRule::Any;
            assert!(parse_token_answer(&connection, &answer, NOW, 0.0).is_ok(), "{content_type:?}");
        }
    }

    #[test]
    fn an_endless_answer_is_refused() {
        let answer = TokenAnswer { status: 200, content_type: Some("application/json"), body: b"{", complete: false };
        assert_eq!(parse_token_answer(&connection(), &answer, NOW, 0.0).expect_err("cut").kind, RefusalKind::TooLong);
    }

    proptest! {
        #[test]
        fn no_answer_makes_us_panic(status in 100_u16..600, body in proptest::collection::vec(any::<u8>(), 0..200), jitter in any::<f64>()) {
            let answer = TokenAnswer { status, content_type: Some("application/json"), body: &body, complete: true };
            let _ = parse_token_answer(&connection(), &answer, NOW, jitter);
        }
    }
}
