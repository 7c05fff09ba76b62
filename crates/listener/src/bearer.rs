//! Bearer tokens (RFC 6750): what OAuth for Connect sends.

use std::{fmt, sync::Arc};

use crate::{
    certificate::PeerCertificate,
    clock::UnixSeconds,
    introspection::Introspector,
    jwt::JwtVerifier,
    token::{TokenClaims, TokenRefused, VerifyToken},
};

/// How bearer tokens are checked.
#[derive(Clone)]
pub struct BearerCheck(Arc<dyn VerifyToken>);

impl BearerCheck {
    /// Checks tokens with any verifier.
    #[must_use]
    pub fn new(verifier: impl VerifyToken) -> Self {
        Self(Arc::new(verifier))
    }

    pub(crate) async fn check(
        &self,
        token: &str,
        certificate: Option<&PeerCertificate>,
        now: UnixSeconds,
    ) -> Result<TokenClaims, TokenRefused> {
        self.0.verify(token, certificate.map(|certificate| certificate.0.as_ref()), now).await
    }
}

impl From<JwtVerifier> for BearerCheck {
    fn from(verifier: JwtVerifier) -> Self {
        Self::new(verifier)
    }
}

impl From<Introspector> for BearerCheck {
    fn from(verifier: Introspector) -> Self {
        Self::new(verifier)
    }
}

impl fmt::Debug for BearerCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BearerCheck(..)")
    }
}
