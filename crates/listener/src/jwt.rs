//! Access tokens as JWTs: RFC 9068 over RFC 7519, with the cautions of RFC 8725.
//!
//! The order is fixed: form, type, algorithm, key, signature, claims. What the token says about how to verify it is only ever compared
//! with what is configured: algorithms are a list of ours that cannot name `none` or an HMAC, keys come from the configured server alone.

use crate::{
    algorithm::JwtAlgorithm,
    clock::UnixSeconds,
    fetch::BoxFuture,
    jwks::Jwks,
    jwt_form::JwtForm,
    token::{Claims, TokenClaims, TokenExpectations, TokenRefused, VerifyToken},
};

/// How strictly a token must follow RFC 9068.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Profile {
    Rfc9068,
    PlainJwt,
}

/// Verifies JWT access tokens with the published keys of one authorization server.
#[derive(Debug)]
pub struct JwtVerifier {
    keys: Jwks,
    expectations: TokenExpectations,
    algorithms: Vec<JwtAlgorithm>,
    profile: Profile,
}

impl JwtVerifier {
    /// Tokens that meet `expectations` and are signed with one of `keys`, by one of [`JwtAlgorithm::DEFAULT`].
    #[must_use]
    pub fn new(keys: Jwks, expectations: TokenExpectations) -> Self {
        Self { keys, expectations, algorithms: JwtAlgorithm::DEFAULT.to_vec(), profile: Profile::Rfc9068 }
    }

    /// Accepts these algorithms and no others.
    #[must_use]
    pub fn algorithms(mut self, algorithms: impl IntoIterator<Item = JwtAlgorithm>) -> Self {
        self.algorithms = algorithms.into_iter().collect();
        self
    }

    /// Accepts `typ: JWT` or none beside `at+jwt`, and tokens without `jti`, `sub` and `client_id`: for servers that do not follow
    /// RFC 9068. What looks like an ID token is still refused.
    #[must_use]
    pub fn accept_plain_jwt(mut self) -> Self {
        self.profile = Profile::PlainJwt;
        self
    }

    async fn check(&self, token: &str, certificate: Option<&[u8]>, now: UnixSeconds) -> Result<TokenClaims, TokenRefused> {
        let form = JwtForm::read(token)?;
        self.check_type(&form)?;
        let algorithm = self.algorithms.iter().copied().find(|known| known.name() == form.algorithm).ok_or(TokenRefused::Algorithm)?;
        let key = self.keys.key(form.key_id.as_deref(), algorithm, now).await?;
        let fits = jsonwebtoken::crypto::verify(form.signature, form.signed.as_bytes(), &key, algorithm.in_library());
        if !matches!(fits, Ok(true)) {
            return Err(TokenRefused::Signature);
        }
        let claims = Claims(&form.claims);
        claims.require(&["exp", "iat", "iss", "aud"])?;
        if self.profile == Profile::Rfc9068 {
            claims.require(&["sub", "client_id", "jti"])?;
        }
        self.expectations.check(&claims, certificate, now)
    }

    /// RFC 9068 §4: the type tells an access token from the other JWTs of the same server (§5).
    fn check_type(&self, form: &JwtForm<'_>) -> Result<(), TokenRefused> {
        let kind = form.kind.as_deref().map(str::to_ascii_lowercase);
        let is_id_token = ["nonce", "at_hash", "c_hash", "s_hash"].iter().any(|claim| form.claims.contains_key(*claim));
        match (kind.as_deref(), self.profile) {
            (Some("at+jwt" | "application/at+jwt"), _) => Ok(()),
            (Some("jwt") | None, Profile::PlainJwt) if !is_id_token => Ok(()),
            _ => Err(TokenRefused::Type),
        }
    }
}

impl VerifyToken for JwtVerifier {
    fn verify<'a>(
        &'a self,
        token: &'a str,
        certificate: Option<&'a [u8]>,
        now: UnixSeconds,
    ) -> BoxFuture<'a, Result<TokenClaims, TokenRefused>> {
        Box::pin(self.check(token, certificate, now))
    }
}
