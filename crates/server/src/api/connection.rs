//! A connection to an authorization server as `/api/v1` writes it: everything that Connect's form has, and how we
//! authenticate there. Secrets are written and never shown.

use countersign_core::{
    Secret,
    auth::{AssertionKey, AssertionType, BasicEncoding, ClientAuthentication, CustomParameters, OAuthConnection},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::given::{Given, given};
use crate::failure::Failure;

/// What is given; what is absent stays as it is.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct ConnectionForm {
    token_url: Option<String>,
    client_id: Option<String>,
    client_secret: Option<String>,
    #[serde(default, deserialize_with = "given")]
    scope: Given<String>,
    custom_parameters: Option<CustomParameters>,
    client_authentication: Option<AuthenticationForm>,
    basic_encoding: Option<BasicEncoding>,
    content_type_rule: Option<countersign_core::auth::ContentTypeRule>,
    refresh_statuses: Option<Vec<u16>>,
}

/// `method` is a name registered for `token_endpoint_auth_method` (RFC 7591 §2).
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct AuthenticationForm {
    method: Method,
    /// PEM; for `private_key_jwt`.
    private_key: Option<String>,
    key_id: Option<String>,
    audience: Option<String>,
    assertion_type: Option<AssertionType>,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum Method {
    ClientSecretBasic,
    ClientSecretPost,
    PrivateKeyJwt,
    TlsClientAuth,
    SelfSignedTlsClientAuth,
}

impl ConnectionForm {
    /// The connection, laid over the one before.
    ///
    /// # Errors
    /// 400 when what every connection needs is missing. Everything else is checked by [`crate::connection::check`].
    pub(super) fn over(self, before: Option<&OAuthConnection>) -> Result<OAuthConnection, Failure> {
        let mut connection = before.cloned().unwrap_or_else(|| OAuthConnection::new("", "", ""));
        connection.token_url = self.token_url.unwrap_or(connection.token_url);
        connection.client_id = self.client_id.unwrap_or(connection.client_id);
        if let Some(secret) = self.client_secret {
            connection.client_secret = Secret::new(secret);
        }
        if let Given::Here(scope) = self.scope {
            connection.scope = scope.filter(|scope| !scope.trim().is_empty());
        }
        connection.custom_parameters = self.custom_parameters.unwrap_or(connection.custom_parameters);
        if let Some(form) = self.client_authentication {
            connection.client_authentication = form.over(&connection.client_authentication)?;
        }
        connection.basic_encoding = self.basic_encoding.unwrap_or(connection.basic_encoding);
        connection.content_type_rule = self.content_type_rule.unwrap_or(connection.content_type_rule);
        connection.refresh_statuses = self.refresh_statuses.unwrap_or(connection.refresh_statuses);
        if connection.token_url.is_empty() || connection.client_id.is_empty() {
            return Err(Failure::invalid_parameter("a connection needs a tokenUrl and a clientId"));
        }
        Ok(connection)
    }
}

impl AuthenticationForm {
    fn over(self, before: &ClientAuthentication) -> Result<ClientAuthentication, Failure> {
        let has_key_parts = self.private_key.is_some() || self.key_id.is_some() || self.audience.is_some() || self.assertion_type.is_some();
        if has_key_parts && self.method != Method::PrivateKeyJwt {
            return Err(Failure::invalid_parameter("privateKey, keyId, audience and assertionType belong to private_key_jwt alone"));
        }
        Ok(match self.method {
            Method::ClientSecretBasic => ClientAuthentication::Basic,
            Method::ClientSecretPost => ClientAuthentication::Body,
            Method::TlsClientAuth | Method::SelfSignedTlsClientAuth => ClientAuthentication::MutualTls,
            Method::PrivateKeyJwt => {
                let before = match before {
                    ClientAuthentication::PrivateKeyJwt(key) => Some(key),
                    _ => None,
                };
                let private_key = self.private_key.map(Secret::new).or_else(|| before.map(|before| before.private_key.clone()));
                ClientAuthentication::PrivateKeyJwt(AssertionKey {
                    private_key: private_key.ok_or_else(|| Failure::invalid_parameter("private_key_jwt needs a privateKey (PEM)"))?,
                    key_id: self.key_id.or_else(|| before.and_then(|before| before.key_id.clone())),
                    audience: self.audience.or_else(|| before.and_then(|before| before.audience.clone())),
                    assertion_type: self.assertion_type.or(before.map(|before| before.assertion_type)).unwrap_or_default(),
                })
            }
        })
    }
}

/// Without its secrets.
pub(super) fn shown(connection: &OAuthConnection) -> Value {
    let mut authentication = json!({"method": connection.client_authentication.name()});
    if let ClientAuthentication::PrivateKeyJwt(key) = &connection.client_authentication {
        authentication["keyId"] = json!(key.key_id);
        authentication["audience"] = json!(key.audience);
        authentication["assertionType"] = json!(key.assertion_type);
    }
    json!({
        "tokenUrl": connection.token_url,
        "clientId": connection.client_id,
        "scope": connection.scope,
        "customParameters": connection.custom_parameters,
        "clientAuthentication": authentication,
        "basicEncoding": connection.basic_encoding,
        "contentTypeRule": connection.content_type_rule,
        "refreshStatuses": connection.refresh_statuses,
    })
}
