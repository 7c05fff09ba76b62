//! Clients: who may ask for tokens, how they prove who they are, and what they get.

use std::{collections::BTreeSet, time::Duration};

use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, jwk::JwkSet};
use serde::Deserialize;

use crate::secret::Secret;

/// Longest life of an access token. Listeners refuse more than a day (a token that lives longer is a password).
pub(crate) const TOKEN_LIFETIME_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// Assertion keys of one client: two of a rotation, and room for a mistake.
const ASSERTION_KEYS_MAX: usize = 16;

/// A registered client.
///
/// Read from a file, its names are those of RFC 7591 §2 where that has one; unknown names are refused:
///
/// ```toml
/// client_id = "sender"
/// client_secret = "s3cret"
/// token_endpoint_auth_method = "client_secret_basic" # or client_secret_post, or private_key_jwt with jwks or public_key_pem
/// scope = "notify read"
/// audiences = ["https://listener.example/"]          # the first is the default; none: any audience is granted
/// access_token_format = "jwt"                        # or opaque
/// token_lifetime_s = 600                             # 1 to 86400; default: the server's
/// resource_server = false                            # true: may introspect the tokens of its audiences
/// ```
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "Registration")]
pub struct Client {
    pub(crate) id: String,
    pub(crate) authentication: Authentication,
    pub(crate) scopes: BTreeSet<String>,
    pub(crate) audiences: Vec<String>,
    pub(crate) format: TokenFormat,
    pub(crate) token_lifetime: Option<Duration>,
    pub(crate) resource_server: bool,
}

/// The one way in which a client may prove who it is (AS-6749-6).
#[derive(Clone, Debug)]
pub(crate) enum Authentication {
    /// `client_secret_basic`: RFC 6749 §2.3.1, in the `Authorization` header.
    SecretBasic(Secret),
    /// `client_secret_post`: RFC 6749 §2.3.1, in the body.
    SecretPost(Secret),
    /// `private_key_jwt`: RFC 7523 §2.2.
    PrivateKeyJwt(Vec<AssertionKey>),
}

impl Authentication {
    /// The name in the registry of RFC 7591 §2.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::SecretBasic(_) => "client_secret_basic",
            Self::SecretPost(_) => "client_secret_post",
            Self::PrivateKeyJwt(_) => "private_key_jwt",
        }
    }
}

/// A public key that verifies a client's assertions.
#[derive(Clone, Debug)]
pub(crate) struct AssertionKey {
    pub(crate) kid: Option<String>,
    /// What the key may verify: the `alg` of its JWK, or else everything of its family.
    pub(crate) algorithms: Vec<Algorithm>,
    pub(crate) key: DecodingKey,
}

/// What an access token looks like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenFormat {
    /// A signed JWT (RFC 9068), which a listener verifies with the published keys.
    #[default]
    Jwt,
    /// Random text, which only introspection (RFC 7662) can explain.
    Opaque,
}

/// A client cannot be registered as described.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// The id is empty or has control characters.
    #[error("client_id '{0}' is empty or has control characters")]
    Id(String),
    /// A method by secret has no secret, or `private_key_jwt` has one.
    #[error("client '{client}' needs {needs} for {method}")]
    Credential {
        /// The client's id.
        client: String,
        /// The method it is registered for.
        method: &'static str,
        /// What the method needs.
        needs: &'static str,
    },
    /// A key for assertions is unreadable, symmetric or of an unknown kind.
    #[error("client '{client}': assertion keys: {reason}")]
    AssertionKeys {
        /// The client's id.
        client: String,
        /// What is wrong with them.
        reason: String,
    },
    /// A scope has characters that RFC 6749 §3.3 does not allow.
    #[error("client '{client}': scope '{scope}' has characters that RFC 6749 section 3.3 does not allow")]
    Scope {
        /// The client's id.
        client: String,
        /// The scope.
        scope: String,
    },
    /// A token lifetime outside 1 s to 24 h.
    #[error("client '{client}': token_lifetime_s must be 1 to 86400")]
    TokenLifetime {
        /// The client's id.
        client: String,
    },
}

impl Client {
    /// A client that sends its id and secret in the `Authorization` header (`client_secret_basic`, the default of RFC 7591).
    #[must_use]
    pub fn with_secret_basic(id: impl Into<String>, secret: impl Into<String>) -> Self {
        Self::with(id.into(), Authentication::SecretBasic(Secret::new(secret)))
    }

    /// A client that sends its id and secret in the body (`client_secret_post`).
    #[must_use]
    pub fn with_secret_post(id: impl Into<String>, secret: impl Into<String>) -> Self {
        Self::with(id.into(), Authentication::SecretPost(Secret::new(secret)))
    }

    /// A client that signs assertions (`private_key_jwt`), verified by the public keys of a JWK set (RFC 7517 §5).
    ///
    /// # Errors
    /// [`ClientError::AssertionKeys`] when the text is not such a set, or a key in it is symmetric or of an unknown kind.
    pub fn try_with_jwks(id: impl Into<String>, jwks: &str) -> Result<Self, ClientError> {
        let id = id.into();
        let keys = serde_json::from_str(jwks).map_err(|error| error.to_string()).and_then(|set| keys_of_set(&set));
        Self::with_keys(id, keys)
    }

    /// A client that signs assertions (`private_key_jwt`), verified by one public key in PEM (RSA, EC or Ed25519).
    ///
    /// # Errors
    /// [`ClientError::AssertionKeys`] when the text is not such a key.
    pub fn try_with_public_key_pem(id: impl Into<String>, pem: &str) -> Result<Self, ClientError> {
        Self::with_keys(id.into(), key_of_pem(pem).map(|key| vec![key]))
    }

    /// With these scopes in place of none. A request without `scope` gets all of them.
    #[must_use]
    pub fn scopes<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.scopes = scopes.into_iter().map(Into::into).collect();
        self
    }

    /// With these audiences: the first is what a request without `audience` and `resource` gets, others are refused.
    /// With none (the default), any audience is granted on request.
    #[must_use]
    pub fn audiences<S: Into<String>>(mut self, audiences: impl IntoIterator<Item = S>) -> Self {
        self.audiences = audiences.into_iter().map(Into::into).collect();
        self
    }

    /// With opaque tokens in place of JWTs.
    #[must_use]
    pub fn opaque_tokens(mut self) -> Self {
        self.format = TokenFormat::Opaque;
        self
    }

    /// With its own token lifetime, 1 s to 24 h, in place of the server's.
    #[must_use]
    pub fn token_lifetime(mut self, lifetime: Duration) -> Self {
        self.token_lifetime = Some(lifetime);
        self
    }

    /// As a resource server: it may introspect every token of its audiences (of any audience when it has none). Other
    /// clients learn about their own tokens only.
    #[must_use]
    pub fn resource_server(mut self) -> Self {
        self.resource_server = true;
        self
    }

    /// The client's id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Checks what the constructors take on trust.
    pub(crate) fn check(&self) -> Result<(), ClientError> {
        let client = || self.id.clone();
        if self.id.is_empty() || self.id.chars().any(char::is_control) {
            return Err(ClientError::Id(self.id.clone()));
        }
        match &self.authentication {
            Authentication::SecretBasic(secret) | Authentication::SecretPost(secret) if secret.is_empty() => {
                return Err(ClientError::Credential { client: client(), method: self.authentication.name(), needs: "a client_secret" });
            }
            _ => {}
        }
        if let Some(scope) = self.scopes.iter().find(|scope| !is_scope(scope)) {
            return Err(ClientError::Scope { client: client(), scope: scope.clone() });
        }
        if self.token_lifetime.is_some_and(|lifetime| !is_token_lifetime(lifetime)) {
            return Err(ClientError::TokenLifetime { client: client() });
        }
        Ok(())
    }

    fn with(id: String, authentication: Authentication) -> Self {
        Self {
            id,
            authentication,
            scopes: BTreeSet::new(),
            audiences: Vec::new(),
            format: TokenFormat::Jwt,
            token_lifetime: None,
            resource_server: false,
        }
    }

    fn with_keys(id: String, keys: Result<Vec<AssertionKey>, String>) -> Result<Self, ClientError> {
        match keys {
            Ok(keys) if keys.is_empty() => Err(ClientError::AssertionKeys { client: id, reason: "there is none".into() }),
            Ok(keys) if keys.len() > ASSERTION_KEYS_MAX => {
                Err(ClientError::AssertionKeys { client: id, reason: format!("more than {ASSERTION_KEYS_MAX}") })
            }
            Ok(keys) => Ok(Self::with(id, Authentication::PrivateKeyJwt(keys))),
            Err(reason) => Err(ClientError::AssertionKeys { client: id, reason }),
        }
    }
}

/// RFC 6749 §3.3: printable ASCII without space, quote and backslash.
pub(crate) fn is_scope(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| matches!(c, '!'..='~') && c != '"' && c != '\\')
}

/// 1 s to 24 h; NumericDates have no fractions here, so anything under a second would be an expired token.
pub(crate) fn is_token_lifetime(lifetime: Duration) -> bool {
    lifetime >= Duration::from_secs(1) && lifetime <= TOKEN_LIFETIME_MAX
}

/// A client as it stands in a file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Registration {
    client_id: String,
    client_secret: Option<Secret>,
    token_endpoint_auth_method: Option<Method>,
    jwks: Option<JwkSet>,
    public_key_pem: Option<String>,
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

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Method {
    ClientSecretBasic,
    ClientSecretPost,
    PrivateKeyJwt,
}

impl TryFrom<Registration> for Client {
    type Error = ClientError;

    fn try_from(from: Registration) -> Result<Self, ClientError> {
        let id = from.client_id;
        let lacks = |id: String, method, needs| Err(ClientError::Credential { client: id, method, needs });
        let has_keys = from.jwks.is_some() || from.public_key_pem.is_some();
        let mut client = match (from.token_endpoint_auth_method.unwrap_or(Method::ClientSecretBasic), from.client_secret) {
            (Method::ClientSecretBasic | Method::ClientSecretPost, _) if has_keys => {
                return lacks(id, "a method by secret", "no assertion keys");
            }
            (Method::ClientSecretBasic, Some(secret)) => Self::with(id, Authentication::SecretBasic(secret)),
            (Method::ClientSecretPost, Some(secret)) => Self::with(id, Authentication::SecretPost(secret)),
            (Method::ClientSecretBasic, None) => return lacks(id, "client_secret_basic", "a client_secret"),
            (Method::ClientSecretPost, None) => return lacks(id, "client_secret_post", "a client_secret"),
            (Method::PrivateKeyJwt, Some(_)) => return lacks(id, "private_key_jwt", "no client_secret"),
            (Method::PrivateKeyJwt, None) => match (from.jwks, from.public_key_pem) {
                (Some(set), None) => Self::with_keys(id, keys_of_set(&set))?,
                (None, Some(pem)) => Self::try_with_public_key_pem(id, &pem)?,
                _ => return lacks(id, "private_key_jwt", "either jwks or public_key_pem"),
            },
        };
        client.scopes = from.scope.split(' ').filter(|scope| !scope.is_empty()).map(str::to_owned).collect();
        client.audiences = from.audiences;
        client.format = from.access_token_format;
        client.token_lifetime = from.token_lifetime_s.map(Duration::from_secs);
        client.resource_server = from.resource_server;
        client.check()?;
        Ok(client)
    }
}

fn keys_of_set(set: &JwkSet) -> Result<Vec<AssertionKey>, String> {
    set.keys
        .iter()
        .map(|jwk| {
            let key = DecodingKey::from_jwk(jwk).map_err(|error| error.to_string())?;
            let family = asymmetric(&key)?;
            let algorithms = match jwk.common.key_algorithm {
                // The two enumerations share their names; one that is no signature algorithm (RSA-OAEP) verifies nothing.
                Some(named) => family.into_iter().filter(|algorithm| format!("{algorithm:?}") == named.to_string()).collect(),
                None => family,
            };
            Ok(AssertionKey { kid: jwk.common.key_id.clone(), algorithms, key })
        })
        .collect()
}

fn key_of_pem(pem: &str) -> Result<AssertionKey, String> {
    let pem = pem.as_bytes();
    let key = DecodingKey::from_rsa_pem(pem)
        .or_else(|_| DecodingKey::from_ec_pem(pem))
        .or_else(|_| DecodingKey::from_ed_pem(pem))
        .map_err(|_| "this is not a public key of RSA, EC or Ed25519 in PEM".to_owned())?;
    Ok(AssertionKey { kid: None, algorithms: asymmetric(&key)?, key })
}

/// The algorithms of a key's family. HMAC is refused: whoever reads the registration could sign with it.
fn asymmetric(key: &DecodingKey) -> Result<Vec<Algorithm>, String> {
    match key.family() {
        AlgorithmFamily::Hmac => Err("a symmetric key cannot verify private_key_jwt".into()),
        family => Ok(family.algorithms().to_vec()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            ("a secret and keys", r#"{"client_id":"a","client_secret":"s","jwks":{"keys":[]}}"#, "needs no assertion keys"),
            ("no key", r#"{"client_id":"a","token_endpoint_auth_method":"private_key_jwt"}"#, "either jwks or public_key_pem"),
            (
                "a secret for private_key_jwt",
                r#"{"client_id":"a","client_secret":"s","token_endpoint_auth_method":"private_key_jwt"}"#,
                "needs no client_secret",
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
