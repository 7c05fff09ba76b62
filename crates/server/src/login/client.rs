//! The application that asks: found by its integration key, proved by its secret.

use base64::{Engine, engine::general_purpose::STANDARD};
use countersign_core::{
    account::{IntegrationKey, User},
    config::ConfigKind,
    id::{AccountId, UserId},
};
use countersign_store::objects::ObjectKey;
use http::{HeaderMap, header};
use subtle::ConstantTimeEq;

use super::{form::Form, refusal::Refusal};
use crate::{App, hex, token_text};

/// The integration key of any account by its client id.
pub(super) async fn find(app: &App, client_id: &str) -> Result<Option<IntegrationKey>, Refusal> {
    // Ids are GUIDs, stored in their one canonical form.
    let Ok(client_id) = client_id.parse::<uuid::Uuid>() else { return Ok(None) };
    let found = app.store.find_object(ConfigKind::IntegrationKey, &client_id.to_string()).await?;
    found.map(|stored| stored.object.read().map_err(Refusal::from)).transpose()
}

/// A user of the account.
pub(super) async fn user(app: &App, account: AccountId, id: UserId) -> Result<Option<User>, Refusal> {
    let key = ObjectKey { account, kind: ConfigKind::User, id: id.to_string() };
    let found = app.store.object(key).await?;
    found.map(|stored| stored.object.read().map_err(Refusal::from)).transpose()
}

/// How an application proved who it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Proof {
    /// By its secret.
    Secret,
    /// Not at all: a public client, which must bring a code verifier (RFC 7636).
    None,
}

/// The application of a token request: by `Authorization: Basic` (Connect: authorization-code grant) or by `client_id` and
/// `client_secret` in the form, never both (RFC 6749 §2.3).
pub(super) async fn authenticate(app: &App, headers: &HeaderMap, form: &Form) -> Result<(IntegrationKey, Proof), Refusal> {
    let (client_id, secret) = match (headers.get(header::AUTHORIZATION), form.get("client_secret")) {
        (Some(_), Some(_)) => return Err(Refusal::invalid_request("send the client secret in one place")),
        (Some(value), None) => {
            let (id, secret) = basic(value.to_str().unwrap_or_default()).ok_or_else(Refusal::invalid_client)?;
            if form.get("client_id").is_some_and(|named| !named.eq_ignore_ascii_case(&id)) {
                return Err(Refusal::invalid_request("client_id differs from the one in the Authorization header"));
            }
            (id, Some(secret))
        }
        (None, secret) => (form.get("client_id").ok_or_else(Refusal::invalid_client)?.to_owned(), secret.map(str::to_owned)),
    };
    let client = find(app, &client_id).await?.ok_or_else(Refusal::invalid_client)?;
    match (&client.secret_sha256, secret) {
        (Some(kept), Some(given)) => {
            let given = hex::encode(&token_text::sha256(&given));
            if bool::from(kept.as_bytes().ct_eq(given.as_bytes())) { Ok((client, Proof::Secret)) } else { Err(Refusal::invalid_client()) }
        }
        (None, None) => Ok((client, Proof::None)),
        _ => Err(Refusal::invalid_client()),
    }
}

fn basic(value: &str) -> Option<(String, String)> {
    let (scheme, credentials) = value.trim().split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(credentials.trim()).ok()?).ok()?;
    let (id, secret) = decoded.split_once(':')?;
    // RFC 6749 §2.3.1 has both form-encoded; our ids and secrets hold nothing that the encoding changes, unless a client
    // escapes more than it must.
    Some((form_decoded(id), form_decoded(secret)))
}

fn form_decoded(text: &str) -> String {
    url::form_urlencoded::parse(text.as_bytes()).next().map(|(name, _)| name.into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn basic_credentials_are_read_in_both_spellings() {
        let header = |text: &str| format!("Basic {}", STANDARD.encode(text));
        assert_eq!(basic(&header("id:css_a-b")), Some(("id".into(), "css_a-b".into())));
        assert_eq!(basic(&header("id:css%5Fa%2Db")), Some(("id".into(), "css_a-b".into())));
        for value in ["", "Basic", "Basic !", "Bearer aWQ6c2VjcmV0", &header("no colon")] {
            assert_eq!(basic(value), None, "{value}");
        }
    }
}
