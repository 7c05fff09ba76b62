//! Clients: who may ask for tokens, how they prove who they are, and what they get.

use std::{collections::BTreeSet, time::Duration};

use serde::Deserialize;

use crate::{
    assertion_key::{AssertionKey, key_of_pem, keys_of_set},
    client_certificate::{PkiClient, SelfSignedClient},
    secret::Secret,
};

/// Longest life of an access token. Listeners refuse more than a day (a token that lives longer is a password).
pub(crate) const TOKEN_LIFETIME_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// Shortest secret of `client_secret_jwt`: the size of the hash (RFC 7518 §3.2).
const HMAC_SECRET_BYTES_MIN: usize = 32;

/// Assertion keys of one client: two of a rotation, and room for a mistake.
const ASSERTION_KEYS_MAX: usize = 16;

/// A registered client.
///
/// Read from a file, its names are those of RFC 7591 §2 where that has one; unknown names are refused:
///
/// ```toml
/// client_id = "sender"
/// client_secret = "s3cret"
/// token_endpoint_auth_method = "client_secret_basic" # the default; the others below
/// scope = "notify read"
/// audiences = ["https://listener.example/"]          # the first is the default; none: any audience is granted
/// access_token_format = "jwt"                        # or opaque
/// token_lifetime_s = 600                             # 1 to 86400; default: the server's
/// resource_server = false                            # true: may introspect the tokens of its audiences
/// tls_client_certificate_bound_access_tokens = false # true: tokens are bound to the client's certificate (RFC 8705 §3)
/// ```
///
/// | `token_endpoint_auth_method` | what it needs |
/// | --- | --- |
/// | `client_secret_basic`, `client_secret_post` | `client_secret` |
/// | `client_secret_jwt` | `client_secret` of at least 32 bytes |
/// | `private_key_jwt` | `jwks` or `public_key_pem` |
/// | `tls_client_auth` | `tls_client_ca_pem`, and `tls_client_auth_san_dns` or `tls_client_auth_san_ip` |
/// | `self_signed_tls_client_auth` | `jwks` with `x5c`, or `certificate_pem` |
#[derive(Clone, Debug)]
pub struct Client {
    pub(crate) id: String,
    pub(crate) authentication: Authentication,
    pub(crate) scopes: BTreeSet<String>,
    pub(crate) audiences: Vec<String>,
    pub(crate) format: TokenFormat,
    pub(crate) token_lifetime: Option<Duration>,
    pub(crate) resource_server: bool,
    pub(crate) certificate_bound_tokens: bool,
}

/// The one way in which a client may prove who it is (AS-6749-6).
#[derive(Clone, Debug)]
pub(crate) enum Authentication {
    /// `client_secret_basic`: RFC 6749 §2.3.1, in the `Authorization` header.
    SecretBasic(Secret),
    /// `client_secret_post`: RFC 6749 §2.3.1, in the body.
    SecretPost(Secret),
    /// `client_secret_jwt`: RFC 7523 §2.2, with the secret as the key of an HMAC.
    SecretJwt(Secret),
    /// `private_key_jwt`: RFC 7523 §2.2.
    PrivateKeyJwt(Vec<AssertionKey>),
    /// `tls_client_auth`: RFC 8705 §2.1.
    TlsPki(PkiClient),
    /// `self_signed_tls_client_auth`: RFC 8705 §2.2.
    TlsSelfSigned(SelfSignedClient),
}

impl Authentication {
    /// The name in the registry of RFC 7591 §2.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::SecretBasic(_) => "client_secret_basic",
            Self::SecretPost(_) => "client_secret_post",
            Self::SecretJwt(_) => "client_secret_jwt",
            Self::PrivateKeyJwt(_) => "private_key_jwt",
            Self::TlsPki(_) => "tls_client_auth",
            Self::TlsSelfSigned(_) => "self_signed_tls_client_auth",
        }
    }

    /// `private_key_jwt` with these keys, or why they cannot be used.
    pub(crate) fn try_keys(client: &str, keys: Result<Vec<AssertionKey>, String>) -> Result<Self, ClientError> {
        let refused = |reason| Err(ClientError::AssertionKeys { client: client.to_owned(), reason });
        match keys {
            Ok(keys) if keys.is_empty() => refused("there is none".into()),
            Ok(keys) if keys.len() > ASSERTION_KEYS_MAX => refused(format!("more than {ASSERTION_KEYS_MAX}")),
            Ok(keys) => Ok(Self::PrivateKeyJwt(keys)),
            Err(reason) => refused(reason),
        }
    }
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
    /// The method lacks what it checks.
    #[error("client '{client}' needs {needs} for {method}")]
    Credential {
        /// The client's id.
        client: String,
        /// The method it is registered for.
        method: &'static str,
        /// What the method needs.
        needs: &'static str,
    },
    /// Something that belongs to another method than the one it is registered for.
    #[error("client '{client}': {name} has no meaning with {method}; leave it out or change token_endpoint_auth_method")]
    LeftOver {
        /// The client's id.
        client: String,
        /// The method it is registered for.
        method: &'static str,
        /// What it does not need.
        name: &'static str,
    },
    /// The certificates that authenticate it cannot be used.
    #[error("client '{client}': certificates: {reason}")]
    Certificates {
        /// The client's id.
        client: String,
        /// What is wrong with them.
        reason: String,
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
        let authentication = Authentication::try_keys(&id, keys)?;
        Ok(Self::with(id, authentication))
    }

    /// A client that signs assertions (`private_key_jwt`), verified by one public key in PEM (RSA, EC or Ed25519).
    ///
    /// # Errors
    /// [`ClientError::AssertionKeys`] when the text is not such a key.
    pub fn try_with_public_key_pem(id: impl Into<String>, pem: &str) -> Result<Self, ClientError> {
        let id = id.into();
        let authentication = Authentication::try_keys(&id, key_of_pem(pem).map(|key| vec![key]))?;
        Ok(Self::with(id, authentication))
    }

    /// A client that signs assertions with its secret (`client_secret_jwt`), which must have at least 32 bytes.
    #[must_use]
    pub fn with_secret_jwt(id: impl Into<String>, secret: impl Into<String>) -> Self {
        Self::with(id.into(), Authentication::SecretJwt(Secret::new(secret)))
    }

    /// A client that shows a certificate of one of these CAs (PEM) for this DNS name or IP address (`tls_client_auth`).
    ///
    /// # Errors
    /// [`ClientError::Certificates`] when there is no CA in the text, or the name is none.
    pub fn try_with_certificate_of(id: impl Into<String>, ca_pem: &str, name: &str) -> Result<Self, ClientError> {
        let id = id.into();
        let accepted = PkiClient::try_new(ca_pem, name).map_err(|reason| ClientError::Certificates { client: id.clone(), reason })?;
        Ok(Self::with(id, Authentication::TlsPki(accepted)))
    }

    /// A client that shows this very certificate (PEM; `self_signed_tls_client_auth`). Several may be given, for a rotation.
    ///
    /// # Errors
    /// [`ClientError::Certificates`] when there is no certificate in the text.
    pub fn try_with_self_signed(id: impl Into<String>, certificate_pem: &str) -> Result<Self, ClientError> {
        let id = id.into();
        let accepted =
            SelfSignedClient::try_from_pem(certificate_pem).map_err(|reason| ClientError::Certificates { client: id.clone(), reason })?;
        Ok(Self::with(id, Authentication::TlsSelfSigned(accepted)))
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

    /// With tokens bound to the certificate that the client shows when it asks (RFC 8705 §3): without one it gets none.
    #[must_use]
    pub fn certificate_bound_tokens(mut self) -> Self {
        self.certificate_bound_tokens = true;
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
            Authentication::SecretJwt(secret) if secret.expose_secret().len() < HMAC_SECRET_BYTES_MIN => {
                let needs = "a client_secret of at least 32 bytes";
                return Err(ClientError::Credential { client: client(), method: self.authentication.name(), needs });
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

    pub(crate) fn with(id: String, authentication: Authentication) -> Self {
        Self {
            id,
            authentication,
            scopes: BTreeSet::new(),
            audiences: Vec::new(),
            format: TokenFormat::Jwt,
            token_lifetime: None,
            resource_server: false,
            certificate_bound_tokens: false,
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
