//! Access tokens: what is expected of one, what a verified one says, and why one is refused.
//!
//! The same expectations hold whether a token is a JWT or is asked about at the authorization server: that server vouches for a token, but
//! for whom and for what it was issued is ours to check (RFC 9068 §4, RFC 7662 §2.2).

use serde_json::{Map, Value};
use subtle::ConstantTimeEq as _;

use crate::{
    clock::UnixSeconds,
    fetch::{BoxFuture, FetchFailed},
};

/// The longest token looked at, in bytes.
pub const TOKEN_BYTES_MAX: usize = 8 * 1024;
/// The clocks of servers may differ by this much, in seconds (RFC 8725 advises no more than a few minutes; rule L-JWT-8 caps it at 60).
pub const LEEWAY_SECONDS: u64 = 60;
/// A token valid for longer than this was not meant for machines, in seconds.
const LIFETIME_SECONDS_MAX: u64 = 24 * 3_600;
/// Numbers above this are no time (the largest whole number a double holds exactly).
const NUMERIC_DATE_MAX: f64 = 9_007_199_254_740_992.0;

/// Checks an access token.
///
/// [`JwtVerifier`](crate::JwtVerifier) and [`Introspector`](crate::Introspector) are the two that come with this crate.
pub trait VerifyToken: Send + Sync + 'static {
    /// What the token says, when it is good at `now` and presented over a connection with this client certificate, if any.
    fn verify<'a>(
        &'a self,
        token: &'a str,
        certificate: Option<&'a [u8]>,
        now: UnixSeconds,
    ) -> BoxFuture<'a, Result<TokenClaims, TokenRefused>>;
}

/// What a verified token says about itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TokenClaims {
    /// `iss`: the authorization server.
    pub issuer: Option<String>,
    /// `sub`: for client credentials most often the client itself.
    pub subject: Option<String>,
    /// `client_id`, or what stands for it with servers that do not follow RFC 9068.
    pub client_id: Option<String>,
    /// `aud`: whom it is for.
    pub audience: Vec<String>,
    /// `scope`: what it permits.
    pub scope: Vec<String>,
    /// `iat`.
    pub issued_at: Option<UnixSeconds>,
    /// `exp`.
    pub expires_at: Option<UnixSeconds>,
    /// `jti`.
    pub token_id: Option<String>,
    /// Whether it is bound to the client certificate of the connection (RFC 8705 §3).
    pub certificate_bound: bool,
}

/// Why a token is refused. For our log alone: the sender is told `invalid_token` and no more (RFC 6750 §3.1).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenRefused {
    /// It is not of the form a token has.
    #[error("the token is malformed: {0}")]
    Malformed(&'static str),
    /// It is encrypted; nothing in it can be checked.
    #[error("the token is encrypted (JWE), which is not accepted")]
    Encrypted,
    /// Its algorithm is not among those configured.
    #[error("the algorithm of the token is not accepted here")]
    Algorithm,
    /// Its `typ` is not that of an access token (RFC 9068 §4), or it looks like an ID token.
    #[error("the token is not an access token (typ at+jwt)")]
    Type,
    /// It demands an extension that is not understood (RFC 7515 §4.1.11).
    #[error("the token demands the extension {0}")]
    Extension(&'static str),
    /// The server publishes no key of that id that fits the algorithm.
    #[error("the authorization server publishes no key that fits the token")]
    UnknownKey,
    /// The signature is wrong.
    #[error("the signature of the token is wrong")]
    Signature,
    /// A claim is missing or has the wrong JSON type.
    #[error("the claim {0} is missing or of the wrong type")]
    Claim(&'static str),
    /// `exp` is past.
    #[error("the token expired {seconds} s ago")]
    Expired {
        /// How long ago.
        seconds: u64,
    },
    /// `nbf` or `iat` lies ahead.
    #[error("the token is not valid yet; compare the clocks")]
    NotYet,
    /// `exp` lies more than a day behind `iat`.
    #[error("the token is valid for more than a day")]
    TooLong,
    /// `iss` is another server.
    #[error("the token is from another issuer")]
    Issuer,
    /// `aud` does not name this listener.
    #[error("the token is for another audience")]
    Audience,
    /// `client_id` is not the expected sender.
    #[error("the token was issued to another client")]
    Client,
    /// It is bound to a key or certificate that the connection does not show (RFC 8705 §3).
    #[error("the token is bound to a certificate or key that the sender has not shown")]
    Binding,
    /// The server says it is not active: unknown, expired or revoked.
    #[error("the authorization server says that the token is not active")]
    Inactive,
    /// It is good but lacks a scope. Answered with 403.
    #[error("the token lacks the scope {scope}")]
    Scope {
        /// The first missing one.
        scope: String,
    },
    /// The server cannot be asked. Answered with 503, so that the sender tries again.
    #[error("the authorization server cannot be asked: {0}")]
    Unavailable(String),
}

impl From<FetchFailed> for TokenRefused {
    fn from(failed: FetchFailed) -> Self {
        Self::Unavailable(failed.0)
    }
}

/// What a token must say to be accepted.
#[derive(Debug, Clone)]
pub struct TokenExpectations {
    pub(crate) issuer: String,
    audience: String,
    clients: Clients,
    scopes: Vec<String>,
    pub(crate) leeway: u64,
}

#[derive(Debug, Clone)]
enum Clients {
    AnyOfTheIssuer,
    Only(Vec<String>),
}

impl TokenExpectations {
    /// Tokens of `issuer` for `audience`, issued to one of `clients`: the senders that may call this listener (by `client_id` or `sub`).
    #[must_use]
    pub fn new(issuer: impl Into<String>, audience: impl Into<String>, clients: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let clients = Clients::Only(clients.into_iter().map(Into::into).collect());
        Self { issuer: issuer.into(), audience: audience.into(), clients, scopes: Vec::new(), leeway: LEEWAY_SECONDS }
    }

    /// Tokens of `issuer` for `audience`, whoever they were issued to. Any client of that server may then call the listener.
    #[must_use]
    pub fn dangerous_any_client(issuer: impl Into<String>, audience: impl Into<String>) -> Self {
        Self { clients: Clients::AnyOfTheIssuer, ..Self::new(issuer, audience, [""; 0]) }
    }

    /// Demands a scope too; may be called for several.
    #[must_use]
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.scopes.push(scope.into());
        self
    }

    /// Tolerates clocks that differ by `seconds`, at most [`LEEWAY_SECONDS`].
    #[must_use]
    pub fn leeway(mut self, seconds: u64) -> Self {
        self.leeway = seconds.min(LEEWAY_SECONDS);
        self
    }

    /// Checks what all tokens have in common. `iss` and `aud` are checked when they are there; who demands them has looked before.
    pub(crate) fn check(&self, claims: &Claims<'_>, certificate: Option<&[u8]>, now: UnixSeconds) -> Result<TokenClaims, TokenRefused> {
        let (expires_at, issued_at) = (claims.time("exp")?, claims.time("iat")?);
        let not_before = claims.time("nbf")?;
        if let Some(exp) = expires_at
            && exp.saturating_add(self.leeway) <= now
        {
            return Err(TokenRefused::Expired { seconds: now - exp });
        }
        if not_before.into_iter().chain(issued_at).any(|from| from > now.saturating_add(self.leeway)) {
            return Err(TokenRefused::NotYet);
        }
        if let (Some(exp), Some(iat)) = (expires_at, issued_at)
            && exp.saturating_sub(iat) > LIFETIME_SECONDS_MAX
        {
            return Err(TokenRefused::TooLong);
        }
        let issuer = claims.text("iss")?;
        if issuer.as_ref().is_some_and(|issuer| *issuer != self.issuer) {
            return Err(TokenRefused::Issuer);
        }
        let audience = claims.audience()?;
        if claims.has("aud") && !audience.contains(&self.audience) {
            return Err(TokenRefused::Audience);
        }
        let (subject, client_id) = (claims.text("sub")?, claims.client_id()?);
        if let Clients::Only(clients) = &self.clients
            && ![&client_id, &subject].into_iter().flatten().any(|id| clients.contains(id))
        {
            return Err(TokenRefused::Client);
        }
        let certificate_bound = claims.check_binding(certificate)?;
        let scope = claims.scope()?;
        if let Some(missing) = self.scopes.iter().find(|wanted| !scope.contains(wanted)) {
            return Err(TokenRefused::Scope { scope: missing.clone() });
        }
        Ok(TokenClaims {
            issuer,
            subject,
            client_id,
            audience,
            scope,
            issued_at,
            expires_at,
            token_id: claims.text("jti")?,
            certificate_bound,
        })
    }
}

/// The members of a token or of an introspection answer, read by type: a wrong type is never taken for absence.
pub(crate) struct Claims<'c>(pub(crate) &'c Map<String, Value>);

impl Claims<'_> {
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    pub(crate) fn require(&self, names: &[&'static str]) -> Result<(), TokenRefused> {
        names.iter().find(|name| !self.has(name)).map_or(Ok(()), |name| Err(TokenRefused::Claim(name)))
    }

    pub(crate) fn text(&self, name: &'static str) -> Result<Option<String>, TokenRefused> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(TokenRefused::Claim(name)),
        }
    }

    /// A NumericDate (RFC 7519 §2), a fraction cut off.
    fn time(&self, name: &'static str) -> Result<Option<UnixSeconds>, TokenRefused> {
        let Some(value) = self.0.get(name) else { return Ok(None) };
        let seconds = value.as_f64().filter(|seconds| (0.0..=NUMERIC_DATE_MAX).contains(seconds));
        // The range makes the cast exact.
        seconds.map(|seconds| Some(seconds as UnixSeconds)).ok_or(TokenRefused::Claim(name))
    }

    fn audience(&self) -> Result<Vec<String>, TokenRefused> {
        match self.0.get("aud") {
            None => Ok(Vec::new()),
            Some(value) => texts(value).ok_or(TokenRefused::Claim("aud")),
        }
    }

    /// `client_id`, or the names that servers without RFC 9068 use for it.
    fn client_id(&self) -> Result<Option<String>, TokenRefused> {
        ["client_id", "azp", "appid", "cid"].into_iter().find(|name| self.has(name)).map_or(Ok(None), |name| self.text(name))
    }

    /// `scope` as a list separated by spaces (RFC 8693 §4.2), or `scp` as some servers write it.
    fn scope(&self) -> Result<Vec<String>, TokenRefused> {
        match (self.0.get("scope"), self.0.get("scp")) {
            (Some(Value::String(scope)), _) | (None, Some(Value::String(scope))) => Ok(scope.split(' ').map(str::to_owned).collect()),
            (None, Some(value @ Value::Array(_))) => texts(value).ok_or(TokenRefused::Claim("scp")),
            (None, None) => Ok(Vec::new()),
            _ => Err(TokenRefused::Claim("scope")),
        }
    }

    /// Whether the token is bound to the certificate of the connection; one bound to anything else is refused (RFC 8705 §3, RFC 9449 §7).
    fn check_binding(&self, certificate: Option<&[u8]>) -> Result<bool, TokenRefused> {
        let Some(confirmation) = self.0.get("cnf") else { return Ok(false) };
        let members = confirmation.as_object().ok_or(TokenRefused::Claim("cnf"))?;
        let thumbprint = match (members.len(), members.get("x5t#S256")) {
            (1, Some(Value::String(thumbprint))) => thumbprint,
            _ => return Err(TokenRefused::Binding),
        };
        let own = certificate.map(thumbprint_of).ok_or(TokenRefused::Binding)?;
        if own.as_bytes().ct_eq(thumbprint.as_bytes()).into() { Ok(true) } else { Err(TokenRefused::Binding) }
    }
}

/// `x5t#S256` of a DER certificate: its SHA-256 in unpadded base64url (RFC 8705 §3.1).
fn thumbprint_of(certificate: &[u8]) -> String {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    use sha2::{Digest as _, Sha256};
    URL_SAFE_NO_PAD.encode(Sha256::digest(certificate))
}

/// A string or an array of strings.
fn texts(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::String(text) => Some(vec![text.clone()]),
        Value::Array(items) => items.iter().map(|item| item.as_str().map(str::to_owned)).collect(),
        _ => None,
    }
}

/// Whether the text has the characters of a bearer token (RFC 6750 §2.1) and a length worth looking at.
pub(crate) fn is_token(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    (1..=TOKEN_BYTES_MAX).contains(&text.len())
        && !body.is_empty()
        && body.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte))
}
