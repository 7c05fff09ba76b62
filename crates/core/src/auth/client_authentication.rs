//! How we prove to an authorization server who is asking (RFC 6749 §2.3).

use serde::{Deserialize, Serialize};

use crate::secret::Secret;

/// One way of client authentication. A request uses exactly one (RFC 6749 §2.3), and another is never tried unasked,
/// since that would show the secret where it is not expected and lock accounts.
///
/// The serialised names are those registered for `token_endpoint_auth_method` (RFC 7591 §2).
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(tag = "method")]
pub enum ClientAuthentication {
    /// `Authorization: Basic`, both parts form-encoded first (RFC 6749 §2.3.1).
    #[default]
    #[serde(rename = "client_secret_basic")]
    Basic,
    /// `client_id` and `client_secret` in the form body (RFC 6749 §2.3.1).
    #[serde(rename = "client_secret_post")]
    Body,
    /// A signed assertion (RFC 7523 §2.2).
    #[serde(rename = "private_key_jwt")]
    PrivateKeyJwt(AssertionKey),
    /// The client certificate of the connection's TLS identity (RFC 8705 §2), PKI or self-signed.
    #[serde(rename = "tls_client_auth", alias = "self_signed_tls_client_auth")]
    MutualTls,
}

/// The key that signs assertions, and what the authorization server expects them to say.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AssertionKey {
    /// PKCS#8 or PKCS#1 PEM of an RSA key (signs RS256), or PKCS#8 PEM of a P-256 key (ES256) or P-384 key (ES384).
    /// The algorithm follows from the key.
    #[serde(skip, default = "nothing")]
    pub private_key: Secret,
    /// `kid` of the assertion's header; `None` leaves it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_id: Option<String>,
    /// The server's issuer identifier, sent as the only `aud`. `None` sends the token URL: we dial no other place with
    /// it, so that a hostile server gains nothing that it could play elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
    /// `typ` of the assertion's header.
    #[serde(default)]
    pub assertion_type: AssertionType,
}

/// The `typ` of an assertion's header.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum AssertionType {
    /// The explicit type of the update of RFC 7523 (draft-ietf-oauth-rfc7523bis), which no other kind of token can be
    /// mistaken for.
    #[default]
    #[serde(rename = "client-authentication+jwt")]
    ClientAuthentication,
    /// For older servers that take nothing else.
    #[serde(rename = "JWT")]
    Jwt,
}

impl ClientAuthentication {
    /// The registered name (RFC 7591 §2, RFC 8705 §2.1.1).
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Basic => "client_secret_basic",
            Self::Body => "client_secret_post",
            Self::PrivateKeyJwt(_) => "private_key_jwt",
            Self::MutualTls => "tls_client_auth",
        }
    }

    /// True when the client secret is part of the request.
    #[must_use]
    pub fn uses_client_secret(&self) -> bool {
        matches!(self, Self::Basic | Self::Body)
    }
}

impl AssertionType {
    /// As it stands in the header.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ClientAuthentication => "client-authentication+jwt",
            Self::Jwt => "JWT",
        }
    }
}

fn nothing() -> Secret {
    Secret::new("")
}
