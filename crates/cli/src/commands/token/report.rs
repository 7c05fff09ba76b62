//! The exchange, for people and for programs.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use countersign_core::{
    Timestamp,
    auth::{CachedToken, OAuthConnection},
};
use countersign_egress::{Answer, TokenExchange};
use http::header;
use serde_json::{Map, Value, json};
use url::form_urlencoded;

use super::masking::{HIDDEN, Masking};
use crate::{
    outbound::Outbound,
    output::{Paint, Tone, cut, escape},
    wire,
};

/// Longest part of a body shown to people, in characters.
const BODY_CHARS_MAX: usize = 4_000;

/// An exchange, ready to be shown.
pub(super) struct Shown<'a> {
    connection: &'a OAuthConnection,
    exchange: &'a TokenExchange,
    masking: Masking,
}

impl<'a> Shown<'a> {
    pub(super) fn new(connection: &'a OAuthConnection, exchange: &'a TokenExchange) -> Self {
        Self { connection, exchange, masking: Masking::of(connection, exchange) }
    }

    /// `{"request", "answer", "token", "error"}`; what did not happen is null.
    pub(super) fn for_programs(&self) -> Value {
        let request = self.exchange.request.as_ref().map(|_| {
            let pairs = |pairs: Vec<(String, String)>| pairs.into_iter().map(|(name, value)| (name, value.into())).collect::<Map<_, _>>();
            json!({"method": "POST", "url": self.connection.token_url, "headers": pairs(self.headers()), "form": pairs(self.form())})
        });
        let answer = self.exchange.answer.as_ref().map(|answer| {
            let headers: Map<String, Value> =
                wire::headers(&answer.headers).into_iter().map(|(name, value)| (name, self.masking.text(&value).into())).collect();
            json!({
                "status": answer.status,
                "headers": headers,
                "body": self.masking.body(&answer.body_head),
                "remote": answer.remote.to_string(),
                "timings": wire::timings(&answer.timings),
            })
        });
        let token = self.exchange.result.as_ref().ok().map(|token| {
            json!({
                "expiresInSeconds": token.expires_at.since(token.obtained_at).as_secs(),
                "expiresAt": token.expires_at.to_seven_digits(),
                "renewedFrom": token.refresh_at.to_seven_digits(),
                "grantedScope": token.granted_scope,
                "jwt": decoded(token).map(|(header, claims)| json!({"header": header, "claims": claims})),
            })
        });
        let error = self.exchange.result.as_ref().err().map(ToString::to_string);
        json!({"request": request, "answer": answer, "token": token, "error": error})
    }

    /// Request, answer and what it means, one under the other.
    pub(super) fn for_people(&self, paint: Paint) -> String {
        let mut text = String::new();
        if self.exchange.request.is_some() {
            text.push_str(&format!("{} {}\n", paint.paint(Tone::Strong, "POST"), escape(&self.connection.token_url)));
            for (name, value) in self.headers() {
                text.push_str(&format!("  {} {}\n", paint.paint(Tone::Dim, &format!("{name}:")), escape(&value)));
            }
            for (name, value) in self.form() {
                text.push_str(&format!("  {}{}\n", paint.paint(Tone::Dim, &format!("{}=", escape(&name))), escape(&value)));
            }
            text.push('\n');
        }
        if let Some(answer) = &self.exchange.answer {
            text.push_str(&self.answer(answer, paint));
            text.push('\n');
        }
        match &self.exchange.result {
            Ok(token) => text.push_str(&self.token(token, paint)),
            Err(cause) => text.push_str(&format!("{}: {}\n", paint.paint(Tone::Bad, "no token"), escape(&cause.to_string()))),
        }
        if let Some(refusal) = Outbound::server_refusal(&self.connection.token_url) {
            text.push_str(&format!("{}: a server without --dev refuses this token URL: {refusal}\n", paint.paint(Tone::Odd, "note")));
        }
        text
    }

    fn answer(&self, answer: &Answer, paint: Paint) -> String {
        let mut text = wire::status_line(answer, paint);
        for (name, value) in wire::headers(&answer.headers) {
            let value = self.masking.text(&value);
            text.push_str(&format!("  {} {}\n", paint.paint(Tone::Dim, &format!("{name}:")), escape(&value)));
        }
        match self.masking.body(&answer.body_head) {
            Value::Object(members) => {
                for (name, value) in members {
                    text.push_str(&format!("  {} {}\n", paint.paint(Tone::Dim, &format!("{}:", escape(&name))), cell(&value)));
                }
            }
            other => {
                let body = other.as_str().unwrap_or_default();
                if !body.is_empty() {
                    text.push_str(&format!("  {}\n", escape(&cut(body, BODY_CHARS_MAX))));
                }
            }
        }
        text
    }

    fn token(&self, token: &CachedToken, paint: Paint) -> String {
        let life = token.expires_at.since(token.obtained_at);
        let mut text = format!(
            "{}: good for {} s, until {}; renewed from {} on\n",
            paint.paint(Tone::Good, "token"),
            life.as_secs(),
            token.expires_at.to_short_fraction(),
            token.refresh_at.to_short_fraction(),
        );
        if let Some(granted) = token.other_scope_than(self.connection.asked_scope()) {
            text.push_str(&format!(
                "{}: the scope granted is not the one asked for: {}\n",
                paint.paint(Tone::Odd, "note"),
                escape(granted)
            ));
        }
        match decoded(token) {
            None => text.push_str("  it is no JWT: a listener asks the server about it (RFC 7662)\n"),
            Some((header, claims)) => {
                for (part, members) in [("header", header), ("claims", claims)] {
                    text.push_str(&format!("  {}\n", paint.paint(Tone::Strong, part)));
                    for (name, value) in members {
                        text.push_str(&format!(
                            "    {} {}{}\n",
                            paint.paint(Tone::Dim, &escape(&name)),
                            cell(&value),
                            time_of(&name, &value)
                        ));
                    }
                }
            }
        }
        text
    }

    fn headers(&self) -> Vec<(String, String)> {
        let Some(request) = &self.exchange.request else { return Vec::new() };
        let shown = request.headers.iter().map(|(name, value)| {
            let value = if name == header::AUTHORIZATION {
                let scheme = value.to_str().ok().and_then(|value| value.split(' ').next()).unwrap_or_default();
                format!("{scheme} {HIDDEN}")
            } else {
                String::from_utf8_lossy(value.as_bytes()).into_owned()
            };
            (wire::title_case(name.as_str()), value)
        });
        shown.collect()
    }

    fn form(&self) -> Vec<(String, String)> {
        let Some(request) = &self.exchange.request else { return Vec::new() };
        let fields = form_urlencoded::parse(request.body.expose_secret().as_bytes());
        fields.map(|(name, value)| (name.to_string(), self.masking.field(&name, &value))).collect()
    }
}

/// A value on one line: texts without quotes, everything else as JSON.
fn cell(value: &Value) -> String {
    match value {
        Value::String(text) => escape(text).into_owned(),
        other => escape(&other.to_string()).into_owned(),
    }
}

/// What a NumericDate (RFC 7519 §2) means.
fn time_of(name: &str, value: &Value) -> String {
    match (name, value.as_i64()) {
        ("exp" | "iat" | "nbf" | "auth_time", Some(seconds)) => format!(" ({})", Timestamp::from_secs(seconds).to_short_fraction()),
        _ => String::new(),
    }
}

/// Header and claims of a token that is a JWS in compact form (RFC 7515 §3.1). Only read, never verified: the server has just
/// given it to us.
fn decoded(token: &CachedToken) -> Option<(Map<String, Value>, Map<String, Value>)> {
    let mut parts = token.access_token.expose_secret().split('.');
    let (header, claims) = (parts.next()?, parts.next()?);
    parts.next().filter(|_| parts.next().is_none())?;
    let read = |part: &str| serde_json::from_slice::<Map<String, Value>>(&URL_SAFE_NO_PAD.decode(part).ok()?).ok();
    Some((read(header)?, read(claims)?))
}
