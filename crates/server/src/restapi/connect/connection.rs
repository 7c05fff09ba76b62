//! `connectOAuthConfig`: how a connection to an authorization server is written, for the account's own
//! (`connect/oauth`) and for one configuration's (`oAuthConfiguration`).

use countersign_core::{
    Secret,
    auth::{CustomParameters, OAuthConnection},
};
use serde_json::{Map, Value, json};

use crate::{failure::Failure, restapi::wire::Wire};

/// Properties without which there is no connection.
const REQUIRED: [&str; 3] = ["authorizationServerUrl", "clientId", "clientSecret"];

/// Reads a connection. With `before`, a body that holds every property a connection must have is a whole one and takes the other's place:
/// a scope or custom parameters that are absent from it are gone. One that lacks some of them is a change, and what is absent stays as it
/// is. (Connect "updates the configuration to the definition values provided" and says of none of them that it has to be there.) A secret
/// that comes back as it was shown (masked) stays in either case, and so does what this form has no name for.
///
/// # Errors
/// 400 naming the property that is missing or of the wrong kind. Everything else is checked by [`crate::connection::check`].
pub(super) fn read(wire: &Wire, before: Option<&OAuthConnection>) -> Result<OAuthConnection, Failure> {
    let text = |name: &str| wire.text(name);
    let mut connection = before.cloned().unwrap_or_else(|| OAuthConnection::new("", "", ""));
    if REQUIRED.iter().all(|name| wire.has(name)) {
        connection.scope = None;
        connection.custom_parameters = CustomParameters::default();
    }
    if let Some(url) = text("authorizationServerUrl")? {
        connection.token_url = url;
    }
    if let Some(client_id) = text("clientId")? {
        connection.client_id = client_id;
    }
    if let Some(secret) = text("clientSecret")?
        && before.is_none_or(|before| secret != before.client_secret.masked())
    {
        connection.client_secret = Secret::new(secret);
    }
    if let Some(scope) = text("scope")? {
        connection.scope = (!scope.trim().is_empty()).then_some(scope);
    }
    if let Some(parameters) = custom_parameters(wire)? {
        connection.custom_parameters = parameters;
    }
    for (name, value) in [("authorizationServerUrl", &connection.token_url), ("clientId", &connection.client_id)] {
        if value.is_empty() {
            return Err(Failure::invalid_parameter(format!("{name} is needed")));
        }
    }
    Ok(connection)
}

/// `customParameters`: a map of texts; older SDKs have it as one text, which may hold a JSON object or `name=value&...`.
fn custom_parameters(wire: &Wire) -> Result<Option<CustomParameters>, Failure> {
    let not_a_map = || Failure::invalid_parameter("customParameters must map names to texts");
    let map = match wire.get("customParameters") {
        None => return Ok(None),
        Some(Value::Object(map)) => map.clone(),
        Some(Value::String(text)) if text.trim().is_empty() => Map::new(),
        Some(Value::String(text)) if text.trim_start().starts_with('{') => serde_json::from_str(text).map_err(|_| not_a_map())?,
        Some(Value::String(text)) => {
            return Ok(Some(CustomParameters::new(url::form_urlencoded::parse(text.as_bytes()).into_owned())));
        }
        Some(_) => return Err(not_a_map()),
    };
    let pairs = map
        .into_iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(name, value)| match value {
            Value::String(text) => Ok((name, text)),
            Value::Bool(_) | Value::Number(_) => Ok((name, value.to_string())),
            _ => Err(not_a_map()),
        })
        .collect::<Result<Vec<_>, Failure>>()?;
    Ok(Some(CustomParameters::new(pairs)))
}

/// The connection as it is shown: its secret masked.
pub(super) fn shown(connection: &OAuthConnection) -> Value {
    let parameters: Map<String, Value> =
        connection.custom_parameters.iter().map(|(name, value)| (name.to_owned(), Value::String(value.to_owned()))).collect();
    json!({
        "authorizationServerUrl": connection.token_url,
        "clientId": connection.client_id,
        "clientSecret": if connection.client_secret.is_empty() { String::new() } else { connection.client_secret.masked() },
        "customParameters": parameters,
        "scope": connection.scope.as_deref().unwrap_or(""),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(value: Value) -> Wire {
        Wire::of(value).expect("an object")
    }

    #[test]
    fn custom_parameters_are_read_in_all_forms_that_sdks_send() {
        for (value, pairs) in [
            (json!({"audience": "https://a.example/", "n": 1}), vec![("audience", "https://a.example/"), ("n", "1")]),
            (json!(r#"{"audience":"a"}"#), vec![("audience", "a")]),
            (json!("audience=a%20b&resource=urn:x"), vec![("audience", "a b"), ("resource", "urn:x")]),
            (json!(""), vec![]),
        ] {
            let read = custom_parameters(&wire(json!({"CustomParameters": value}))).expect("readable").expect("given");
            assert_eq!(read.iter().collect::<Vec<_>>(), pairs, "{value}");
        }
        assert_eq!(custom_parameters(&wire(json!({}))), Ok(None));
        for value in [json!([1]), json!({"a": {}}), json!("{broken")] {
            assert!(custom_parameters(&wire(json!({"customParameters": value}))).is_err(), "{value}");
        }
    }

    #[test]
    fn a_secret_that_comes_back_masked_stays() {
        let before = read(
            &wire(json!({"authorizationServerUrl": "https://id.example/t", "clientId": "c", "clientSecret": "0123456789abcdef"})),
            None,
        )
        .expect("complete");
        let masked = shown(&before);
        assert_eq!(masked["clientSecret"], "********cdef");
        let after = read(&wire(masked), Some(&before)).expect("complete");
        assert_eq!(after.client_secret.expose_secret(), "0123456789abcdef");
        let rotated = read(&wire(json!({"clientSecret": "another-secret"})), Some(&before)).expect("complete");
        assert_eq!((rotated.client_secret.expose_secret(), rotated.client_id.as_str()), ("another-secret", "c"));
        assert!(read(&wire(json!({"clientId": "c"})), None).is_err(), "no token URL");
    }

    #[test]
    fn a_whole_connection_replaces_the_one_before_and_a_part_of_one_changes_it() {
        let whole = json!({"authorizationServerUrl": "https://id.example/t", "clientId": "c", "clientSecret": "0123456789abcdef"});
        let with = |further: Value| {
            let mut value = whole.clone();
            value.as_object_mut().expect("an object").extend(further.as_object().expect("an object").clone());
            wire(value)
        };
        let mut before = read(&with(json!({"scope": "notify", "customParameters": {"audience": "a"}})), None).expect("complete");
        before.basic_encoding = countersign_core::auth::BasicEncoding::Raw;
        let masked = before.client_secret.masked();
        for (row, sent, scope, audience) in [
            ("whole", with(json!({})), None, None),
            ("whole, its secret masked", with(json!({"clientSecret": masked})), None, None),
            ("whole, with a scope", with(json!({"scope": "other"})), Some("other"), None),
            ("whole, with parameters", with(json!({"customParameters": {"audience": "b"}})), None, Some("b")),
            ("a part", wire(json!({"clientSecret": "another-secret"})), Some("notify"), Some("a")),
            ("a part, without parameters", wire(json!({"customParameters": {}})), Some("notify"), None),
            ("nothing", wire(json!({})), Some("notify"), Some("a")),
        ] {
            let after = read(&sent, Some(&before)).expect(row);
            let parameters: Vec<_> = after.custom_parameters.iter().map(|(_, value)| value).collect();
            assert_eq!((after.scope.as_deref(), parameters), (scope, audience.into_iter().collect()), "{row}");
            assert_eq!(after.basic_encoding, before.basic_encoding, "{row}: it has no name here");
            assert!(!after.client_secret.is_empty(), "{row}");
        }
    }
}
