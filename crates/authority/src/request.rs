//! A form request with its client, as the token, introspection and revocation endpoints take it.

use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::{FromRequest, Request},
    http::{HeaderMap, StatusCode, header},
};

use crate::{client::Client, client_certificate::PeerCertificates, form::Parameters, oauth_error::OAuthError, state::State};

/// Parameters that must not stand in an address, where every log on the way keeps them (RFC 6749 §2.3.1, RFC 7662 §4).
const NEVER_IN_ADDRESS: [&str; 4] = ["client_secret", "client_assertion", "token", "access_token"];

/// The readable parameters of a request, and the client that proved to have sent it.
#[derive(Debug)]
pub(crate) struct AuthenticatedRequest {
    pub(crate) client: Arc<Client>,
    pub(crate) parameters: Parameters,
    /// What the client showed on its connection, whether it authenticates by it or not.
    pub(crate) certificates: Option<PeerCertificates>,
}

impl FromRequest<Arc<State>> for AuthenticatedRequest {
    type Rejection = OAuthError;

    async fn from_request(request: Request, state: &Arc<State>) -> Result<Self, OAuthError> {
        check_content_type(request.headers())?;
        check_query(request.uri().query().unwrap_or_default())?;
        let headers = request.headers().clone();
        let certificates = request.extensions().get::<PeerCertificates>().cloned();
        let body = Bytes::from_request(request, state).await.map_err(|rejection| {
            let status = rejection.status();
            let status = if status == StatusCode::PAYLOAD_TOO_LARGE { status } else { StatusCode::BAD_REQUEST };
            OAuthError::invalid_request("the body is too long or broke off").with_status(status)
        })?;
        let parameters = Parameters::parse(&body).map_err(|error| OAuthError::invalid_request(error.to_string()))?;
        let client = state.authenticator.authenticate(&headers, &parameters, certificates.as_ref(), state.clock.now_s())?;
        Ok(Self { client, parameters, certificates })
    }
}

/// RFC 6749 §3.2: the body is `application/x-www-form-urlencoded`, so that JSON is a mistake worth saying.
fn check_content_type(headers: &HeaderMap) -> Result<(), OAuthError> {
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    let essence = match (types.next(), types.next()) {
        (Some(one), None) => one.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim(),
        _ => "",
    };
    if essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        Ok(())
    } else {
        Err(OAuthError::invalid_request("Content-Type must be application/x-www-form-urlencoded"))
    }
}

fn check_query(query: &str) -> Result<(), OAuthError> {
    let named = |pair: &str| pair.split('=').next().unwrap_or_default().to_owned();
    match query.split('&').map(named).find(|name| NEVER_IN_ADDRESS.contains(&name.as_str())) {
        Some(name) => Err(OAuthError::invalid_request(format!("parameter {name} stands in the address; send it in the body"))),
        None => Ok(()),
    }
}
