//! A client as it stands in a file, and what makes it a [`Client`].

use std::time::Duration;

use jsonwebtoken::jwk::JwkSet;
use serde::{Deserialize, Deserializer, de::Error as _};

use crate::{
    assertion_key::{key_of_pem, keys_of_set},
    client::{Authentication, Client, ClientError, TokenFormat},
    client_certificate::{PkiClient, SelfSignedClient},
    secret::Secret,
};

/// A client as it stands in a file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Registration {
    client_id: String,
    #[serde(default)]
    token_endpoint_auth_method: Method,
    client_secret: Option<Secret>,
    jwks: Option<JwkSet>,
    public_key_pem: Option<String>,
    certificate_pem: Option<String>,
    tls_client_ca_pem: Option<String>,
    tls_client_auth_san_dns: Option<String>,
    tls_client_auth_san_ip: Option<String>,
    #[serde(default)]
    tls_client_certificate_bound_access_tokens: bool,
    #[serde(default)]
    scope: String,
    #[serde(default)]
    audiences: Vec<String>,
    #[serde(default)]
    access_token_format: TokenFormat,
    token_lifetime_s: Option<u64>,
    #[serde(default)]
    resource_server: bool,
}

/// `token_endpoint_auth_method` (RFC 7591 §2, RFC 8705 §2.1.1, §2.2.1).
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Method {
    #[default]
    ClientSecretBasic,
    ClientSecretPost,
    ClientSecretJwt,
    PrivateKeyJwt,
    TlsClientAuth,
    SelfSignedTlsClientAuth,
}

impl<'de> Deserialize<'de> for Client {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Registration::deserialize(from)?.into_client().map_err(D::Error::custom)
    }
}

impl Registration {
    fn into_client(mut self) -> Result<Client, ClientError> {
        let authentication = self.authentication()?;
        if let Some(name) = self.left_over() {
            let method = authentication.name();
            return Err(ClientError::LeftOver { client: self.client_id, method, name });
        }
        let mut client = Client::with(self.client_id, authentication);
        client.scopes = self.scope.split(' ').filter(|scope| !scope.is_empty()).map(str::to_owned).collect();
        client.audiences = self.audiences;
        client.format = self.access_token_format;
        client.token_lifetime = self.token_lifetime_s.map(Duration::from_secs);
        client.resource_server = self.resource_server;
        client.certificate_bound_tokens = self.tls_client_certificate_bound_access_tokens;
        client.check()?;
        Ok(client)
    }

    /// Takes out what the method needs; what is left over then belongs to another method.
    fn authentication(&mut self) -> Result<Authentication, ClientError> {
        let id = self.client_id.clone();
        let lacks = |method, needs| ClientError::Credential { client: id.clone(), method, needs };
        let mut secret = |method| self.client_secret.take().ok_or_else(|| lacks(method, "a client_secret"));
        Ok(match self.token_endpoint_auth_method {
            Method::ClientSecretBasic => Authentication::SecretBasic(secret("client_secret_basic")?),
            Method::ClientSecretPost => Authentication::SecretPost(secret("client_secret_post")?),
            Method::ClientSecretJwt => Authentication::SecretJwt(secret("client_secret_jwt")?),
            Method::PrivateKeyJwt => {
                let keys = match (self.jwks.take(), self.public_key_pem.take()) {
                    (Some(set), None) => keys_of_set(&set),
                    (None, Some(pem)) => key_of_pem(&pem).map(|key| vec![key]),
                    _ => return Err(lacks("private_key_jwt", "either jwks or public_key_pem")),
                };
                Authentication::try_keys(&id, keys)?
            }
            Method::TlsClientAuth => {
                let ca = self.tls_client_ca_pem.take().ok_or_else(|| lacks("tls_client_auth", "tls_client_ca_pem"))?;
                let name = match (self.tls_client_auth_san_dns.take(), self.tls_client_auth_san_ip.take()) {
                    (Some(name), None) | (None, Some(name)) => name,
                    _ => return Err(lacks("tls_client_auth", "either tls_client_auth_san_dns or tls_client_auth_san_ip")),
                };
                let accepted = PkiClient::try_new(&ca, &name).map_err(|reason| ClientError::Certificates { client: id.clone(), reason })?;
                Authentication::TlsPki(accepted)
            }
            Method::SelfSignedTlsClientAuth => {
                let accepted = match (self.jwks.take(), self.certificate_pem.take()) {
                    (Some(set), None) => SelfSignedClient::try_from_jwks(&set),
                    (None, Some(pem)) => SelfSignedClient::try_from_pem(&pem),
                    _ => return Err(lacks("self_signed_tls_client_auth", "either jwks with x5c or certificate_pem")),
                };
                Authentication::TlsSelfSigned(accepted.map_err(|reason| ClientError::Certificates { client: id.clone(), reason })?)
            }
        })
    }

    fn left_over(&self) -> Option<&'static str> {
        let given = [
            (self.client_secret.is_some(), "client_secret"),
            (self.jwks.is_some(), "jwks"),
            (self.public_key_pem.is_some(), "public_key_pem"),
            (self.certificate_pem.is_some(), "certificate_pem"),
            (self.tls_client_ca_pem.is_some(), "tls_client_ca_pem"),
            (self.tls_client_auth_san_dns.is_some(), "tls_client_auth_san_dns"),
            (self.tls_client_auth_san_ip.is_some(), "tls_client_auth_san_ip"),
        ];
        given.into_iter().find(|(is_given, _)| *is_given).map(|(_, name)| name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::TokenFormat;

    #[test]
    fn a_client_is_read_from_toml() {
        let client: Client = toml::from_str(
            r#"
            client_id = "sender"
            client_secret = "s3cret"
            token_endpoint_auth_method = "client_secret_post"
            scope = "notify read"
            audiences = ["https://listener.example/"]
            access_token_format = "opaque"
            token_lifetime_s = 600
            resource_server = true
            "#,
        )
        .expect("a complete client");
        assert_eq!(client.id(), "sender");
        assert_eq!(client.authentication.name(), "client_secret_post");
        assert_eq!(client.scopes.iter().collect::<Vec<_>>(), ["notify", "read"]);
        assert_eq!(client.audiences, ["https://listener.example/"]);
        assert_eq!(client.format, TokenFormat::Opaque);
        assert_eq!(client.token_lifetime, Some(Duration::from_secs(600)));
        assert!(client.resource_server);
        assert!(!format!("{client:?}").contains("s3cret"));
    }

    #[test]
    fn a_client_that_makes_no_sense_is_refused_with_the_reason() {
        let rows = [
            ("an unknown name", r#"{"client_id":"a","client_secret":"s","colour":"red"}"#, "unknown field `colour`"),
            ("no id", r#"{"client_id":"","client_secret":"s"}"#, "is empty or has control characters"),
            ("no secret", r#"{"client_id":"a"}"#, "needs a client_secret for client_secret_basic"),
            ("an empty secret", r#"{"client_id":"a","client_secret":""}"#, "needs a client_secret"),
            (
                "a secret and keys",
                r#"{"client_id":"a","client_secret":"s","jwks":{"keys":[]}}"#,
                "jwks has no meaning with client_secret_basic",
            ),
            ("no key", r#"{"client_id":"a","token_endpoint_auth_method":"private_key_jwt"}"#, "either jwks or public_key_pem"),
            (
                "a secret for private_key_jwt",
                r#"{"client_id":"a","client_secret":"s","token_endpoint_auth_method":"private_key_jwt"}"#,
                "needs either jwks or public_key_pem",
            ),
            ("an empty key set", r#"{"client_id":"a","token_endpoint_auth_method":"private_key_jwt","jwks":{"keys":[]}}"#, "there is none"),
            (
                "a symmetric key",
                r#"{"client_id":"a","token_endpoint_auth_method":"private_key_jwt","jwks":{"keys":[{"kty":"oct","k":"AAAA"}]}}"#,
                "symmetric",
            ),
            (
                "a PEM of something else",
                r#"{"client_id":"a","token_endpoint_auth_method":"private_key_jwt","public_key_pem":"nothing"}"#,
                "not a public key",
            ),
            (
                "a short secret for an HMAC",
                r#"{"client_id":"a","client_secret":"s","token_endpoint_auth_method":"client_secret_jwt"}"#,
                "at least 32 bytes",
            ),
            (
                "no CA",
                r#"{"client_id":"a","token_endpoint_auth_method":"tls_client_auth","tls_client_auth_san_dns":"a.test"}"#,
                "needs tls_client_ca_pem",
            ),
            (
                "a CA that is none",
                r#"{"client_id":"a","token_endpoint_auth_method":"tls_client_auth","tls_client_auth_san_dns":"a.test","tls_client_ca_pem":"x"}"#,
                "no certificate in PEM",
            ),
            (
                "no certificate",
                r#"{"client_id":"a","token_endpoint_auth_method":"self_signed_tls_client_auth","jwks":{"keys":[]}}"#,
                "no x5c",
            ),
            ("a scope with a quote", r#"{"client_id":"a","client_secret":"s","scope":"a\"b"}"#, "does not allow"),
            ("no lifetime", r#"{"client_id":"a","client_secret":"s","token_lifetime_s":0}"#, "must be 1 to 86400"),
            ("a lifetime over a day", r#"{"client_id":"a","client_secret":"s","token_lifetime_s":86401}"#, "must be 1 to 86400"),
        ];
        for (row, json, expected) in rows {
            let error = serde_json::from_str::<Client>(json).expect_err(row).to_string();
            assert!(error.contains(expected), "{row}: {error}");
        }
    }
}
