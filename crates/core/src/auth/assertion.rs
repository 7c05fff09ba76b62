//! What a client assertion says (RFC 7523 §3). Signing it is `egress`'s part.

use std::time::Duration;

use serde::Serialize;

use super::{client_authentication::ClientAuthentication, connection::OAuthConnection};
use crate::time::Timestamp;

/// Longest life of an assertion: long enough for a slow exchange, too short to be of use to a finder.
pub const ASSERTION_LIFE: Duration = Duration::from_secs(60);

/// The claims of a client assertion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AssertionClaims {
    /// The client id.
    pub iss: String,
    /// The client id again.
    pub sub: String,
    /// One audience, never a list: see [`AssertionKey::audience`](super::client_authentication::AssertionKey::audience).
    pub aud: String,
    /// Seconds since the epoch.
    pub iat: i64,
    /// Seconds since the epoch, at most [`ASSERTION_LIFE`] after `iat`.
    pub exp: i64,
    /// Never used before: servers refuse a replay.
    pub jti: String,
}

/// The claims for one request; `None` when the connection authenticates otherwise. `jti` must be fresh for every
/// request, retries included.
#[must_use]
pub fn assertion_claims(connection: &OAuthConnection, now: Timestamp, jti: String) -> Option<AssertionClaims> {
    let Ok(ClientAuthentication::PrivateKeyJwt(key)) = connection.effective_authentication() else { return None };
    let audience = key.audience.as_deref().filter(|audience| !audience.is_empty()).unwrap_or(&connection.token_url);
    Some(AssertionClaims {
        iss: connection.client_id.clone(),
        sub: connection.client_id.clone(),
        aud: audience.to_owned(),
        iat: now.as_secs(),
        exp: (now + ASSERTION_LIFE).as_secs(),
        jti,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        auth::client_authentication::{AssertionKey, AssertionType},
        secret::Secret,
    };

    #[test]
    fn an_assertion_names_one_audience_and_lives_a_minute() {
        let mut connection = OAuthConnection::new("https://id.example/token", "client", "");
        let now = Timestamp::from_secs(1_700_000_000);
        assert_eq!(assertion_claims(&connection, now, "1".to_owned()), None);
        for (audience, aud) in
            [(None, "https://id.example/token"), (Some(""), "https://id.example/token"), (Some("https://id.example"), "https://id.example")]
        {
            connection.client_authentication = ClientAuthentication::PrivateKeyJwt(AssertionKey {
                private_key: Secret::new("PEM"),
                key_id: None,
                audience: audience.map(str::to_owned),
                assertion_type: AssertionType::default(),
            });
            let claims = assertion_claims(&connection, now, "n".to_owned()).expect("private_key_jwt");
            assert_eq!(
                serde_json::to_value(&claims).expect("plain data"),
                serde_json::json!({"iss": "client", "sub": "client", "aud": aud, "iat": 1_700_000_000, "exp": 1_700_000_060, "jti": "n"})
            );
        }
    }
}
