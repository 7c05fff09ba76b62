//! Connections to authorization servers being saved: what is checked, and the one token request that tells whether they
//! work. The same for the account's own connection and for one subscription's.

use std::sync::Arc;

use countersign_core::{
    address::{TargetPolicy, check_target_url},
    auth::{ClientAuthentication, OAuthConnection},
    config::{AccountConfig, ClientCertificate},
    subscription::{OAuthUse, Subscription},
};
use countersign_egress::{BoundConnection, ClientIdentity, ProfileFault, TlsProfile};
use http::StatusCode;

use crate::{App, failure::Failure};

/// What came of asking for a token at once.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Trial {
    /// There is a token.
    Verified,
    /// The authorization server could not be asked; why, in words for people.
    Unverified(String),
}

/// Everything about a connection that can be checked without a network.
///
/// # Errors
/// 400 with the fault.
pub fn check(connection: &OAuthConnection, policy: &TargetPolicy) -> Result<(), Failure> {
    connection.check().map_err(|fault| Failure::invalid_parameter(fault.to_string()))?;
    check_target_url(&connection.token_url, &policy.for_tokens())
        .map_err(|fault| Failure::invalid_parameter(format!("the token URL cannot be used: {fault}")))?;
    Ok(())
}

/// Asks for a token at once (Connect: saving a connection requests an access token). The account's newest certificate is shown where the
/// connection authenticates with one (RFC 8705 §2).
///
/// # Errors
/// 400 with the authorization server's own words when it refuses, so that nothing is saved that cannot work. What passes by
/// itself (out of reach, overloaded) is no error but [`Trial::Unverified`].
pub async fn try_out(app: &App, account: &AccountConfig, connection: &OAuthConnection) -> Result<Trial, Failure> {
    let Some(source) = &app.token_source else {
        return Ok(Trial::Unverified("this process does not ask authorization servers".to_owned()));
    };
    let shows_certificate = matches!(connection.effective_authentication(), Ok(ClientAuthentication::MutualTls));
    let identity = account.certificates.last().filter(|_| shows_certificate);
    let profile = tls_profile(account, identity.map(|certificate| &**certificate))
        .map_err(|fault| Failure::invalid_parameter(format!("the account's certificates cannot be used: {fault}")))?;
    match source.fetch(&BoundConnection::new(Arc::new(connection.clone()), profile)).await {
        Ok(_) => Ok(Trial::Verified),
        Err(failure) if failure.cause.is_configuration_fault() => {
            Err(Failure::new(StatusCode::BAD_REQUEST, "AUTHORIZATION_SERVER_REFUSED", format!("{}; nothing was saved", failure.cause)))
        }
        Err(failure) => Ok(Trial::Unverified(failure.cause.to_string())),
    }
}

/// Why there was no token for a subscription when it was last asked for, in the authorization server's own words, as far as this process
/// knows.
#[must_use]
pub fn last_refusal(app: &App, account: &AccountConfig, subscription: &Subscription) -> Option<String> {
    let source = app.token_source.as_ref()?;
    let connection = match &subscription.proofs.oauth {
        OAuthUse::Off => return None,
        OAuthUse::Account => match &account.oauth {
            Some(oauth) => &oauth.connection,
            None => return Some("the account has no OAuth connection; save one under connect/oauth".to_owned()),
        },
        OAuthUse::Own(connection) => connection,
    };
    let identity = account.token_identity(subscription, connection).and_then(|id| account.certificate(id));
    let profile = tls_profile(account, identity.map(|certificate| &**certificate)).ok()?;
    let state = source.state(&BoundConnection::new(Arc::new(connection.clone()), profile).key())?;
    state.last_failure.map(|failure| failure.to_string())
}

/// Who we are to the authorization server, and whom we trust: the account's extra CAs.
pub(crate) fn tls_profile(account: &AccountConfig, identity: Option<&ClientCertificate>) -> Result<Arc<TlsProfile>, ProfileFault> {
    let identity = identity.map(|certificate| ClientIdentity { chain_pem: &certificate.chain_pem, key_pem: &certificate.key_pem });
    let anchors: Vec<&str> = account.trust_anchors.iter().map(|anchor| anchor.certificates_pem.as_str()).collect();
    TlsProfile::try_new(identity, &anchors)
}
