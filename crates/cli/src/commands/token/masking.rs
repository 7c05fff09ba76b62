//! What must not be seen in an exchange, and the forms in which it can turn up there.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use countersign_core::{Secret, auth::OAuthConnection};
use countersign_egress::TokenExchange;
use http::header;
use serde_json::{Map, Value};
use url::form_urlencoded;

/// What stands in the place of a secret.
pub(super) const HIDDEN: &str = "********";

/// Form fields whose value is a credential.
const SECRET_FIELDS: [&str; 2] = ["client_secret", "client_assertion"];

/// Members of an answer that are credentials (RFC 6749 §5.1, OpenID Connect).
const SECRET_MEMBERS: [&str; 3] = ["access_token", "refresh_token", "id_token"];

/// The texts to hide.
pub(super) struct Masking {
    hidden: Vec<Secret>,
}

impl Masking {
    /// Everything secret in the exchange, in every form in which it was sent or can come back.
    pub(super) fn of(connection: &OAuthConnection, exchange: &TokenExchange) -> Self {
        let mut hidden: Vec<Secret> = Vec::new();
        let secret = connection.client_secret.expose_secret();
        if !secret.is_empty() {
            hidden.push(connection.client_secret.clone());
            hidden.push(Secret::new(form_urlencoded::byte_serialize(secret.as_bytes()).collect::<String>()));
            hidden.push(Secret::new(STANDARD.encode(secret)));
        }
        if let Some(request) = &exchange.request {
            let basic = request.headers.iter().filter(|(name, _)| name == header::AUTHORIZATION);
            hidden.extend(basic.filter_map(|(_, value)| Some(Secret::new(value.to_str().ok()?.strip_prefix("Basic ")?))));
            let fields = form_urlencoded::parse(request.body.expose_secret().as_bytes());
            hidden.extend(fields.filter(|(name, _)| SECRET_FIELDS.contains(&name.as_ref())).map(|(_, value)| Secret::new(value)));
        }
        if let Ok(token) = &exchange.result {
            hidden.push(token.access_token.clone());
        }
        hidden.retain(|secret| !secret.is_empty());
        // The longest first: a secret that holds another one is hidden whole.
        hidden.sort_by_key(|secret| std::cmp::Reverse(secret.expose_secret().len()));
        Self { hidden }
    }

    /// The text without them.
    pub(super) fn text(&self, text: &str) -> String {
        let mut shown = text.to_owned();
        for secret in &self.hidden {
            if shown.contains(secret.expose_secret()) {
                shown = shown.replace(secret.expose_secret(), HIDDEN);
            }
        }
        shown
    }

    /// A form field.
    pub(super) fn field(&self, name: &str, value: &str) -> String {
        if SECRET_FIELDS.contains(&name) { HIDDEN.to_owned() } else { self.text(value) }
    }

    /// The body of an answer: JSON with its tokens masked, or else text.
    pub(super) fn body(&self, bytes: &[u8]) -> Value {
        match serde_json::from_slice::<Map<String, Value>>(bytes) {
            Ok(members) => {
                let masked = members.into_iter().map(|(name, value)| {
                    let masked = match &value {
                        Value::String(token) if SECRET_MEMBERS.contains(&name.as_str()) => Secret::new(token.as_str()).masked().into(),
                        _ => self.value(value),
                    };
                    (self.text(&name), masked)
                });
                Value::Object(masked.collect())
            }
            Err(_) => Value::String(self.text(&String::from_utf8_lossy(bytes))),
        }
    }

    fn value(&self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.text(&text)),
            Value::Array(items) => Value::Array(items.into_iter().map(|item| self.value(item)).collect()),
            Value::Object(members) => {
                Value::Object(members.into_iter().map(|(name, value)| (self.text(&name), self.value(value))).collect())
            }
            other => other,
        }
    }
}
