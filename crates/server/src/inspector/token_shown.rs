//! What a bearer token says of itself, whoever signed it: for looking at, never for trusting.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::arrival::Arrival;

/// Longest token that is opened, in bytes.
const TOKEN_BYTES_MAX: usize = 8 * 1024;

/// `{"header", "claims"}` of the JWT in the `Authorization` header, read and not verified; `null` when there is none.
#[must_use]
pub fn shown(arrival: &Arrival) -> Value {
    let Some(value) = arrival.header_values("authorization").next() else { return Value::Null };
    let Some((scheme, token)) = std::str::from_utf8(value).ok().and_then(|value| value.split_once(' ')) else { return Value::Null };
    let token = token.trim();
    if !scheme.eq_ignore_ascii_case("bearer") || token.len() > TOKEN_BYTES_MAX {
        return Value::Null;
    }
    let mut segments = token.split('.');
    let (Some(header), Some(claims), Some(_), None) = (segments.next(), segments.next(), segments.next(), segments.next()) else {
        return Value::Null;
    };
    match (object(header), object(claims)) {
        (Some(header), Some(claims)) => json!({"header": header, "claims": claims}),
        _ => Value::Null,
    }
}

fn object(segment: &str) -> Option<Value> {
    let bytes = URL_SAFE_NO_PAD.decode(segment).ok()?;
    serde_json::from_slice::<Value>(&bytes).ok().filter(Value::is_object)
}
