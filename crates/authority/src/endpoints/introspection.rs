//! Token introspection (RFC 7662).
//!
//! It demands authentication (§2.1). An unknown, expired, revoked or foreign token is `{"active":false}` and nothing
//! more (§2.2), so that nobody learns about tokens that are not meant for him.

use std::sync::Arc;

use axum::{extract::State as FromState, http::StatusCode, response::Response};
use serde_json::{Value, json};

use super::token::audience_value;
use crate::{answer, client::Client, issued::IssuedToken, oauth_error::OAuthError, request::AuthenticatedRequest, state::State};

/// `POST /introspect`.
pub(crate) async fn introspect(
    FromState(state): FromState<Arc<State>>,
    AuthenticatedRequest { client, parameters, .. }: AuthenticatedRequest,
) -> Result<Response, OAuthError> {
    // token_type_hint is only a hint (§2.1); there is one kind of token here.
    let token = parameters.one("token").ok_or_else(|| OAuthError::invalid_request("token is missing"))?;
    let body = match state.issued.find(token) {
        Some(issued) if issued.is_active(state.clock.now_s()) && may_see(&client, &issued) => describe(&issued, state.issuer.as_str()),
        _ => json!({ "active": false }),
    };
    Ok(answer::private_json(StatusCode::OK, &body))
}

/// A client sees its own tokens; a resource server those of its audiences, or all when it has none.
fn may_see(client: &Client, issued: &IssuedToken) -> bool {
    let its_audience = client.audiences.is_empty() || issued.audience.iter().any(|audience| client.audiences.contains(audience));
    issued.client_id == client.id || (client.resource_server && its_audience)
}

fn describe(issued: &IssuedToken, issuer: &str) -> Value {
    let mut body = json!({
        "active": true,
        "client_id": issued.client_id,
        "token_type": "Bearer",
        "exp": issued.expires_at_s,
        "iat": issued.issued_at_s,
        "sub": issued.client_id,
        "aud": audience_value(&issued.audience),
        "iss": issuer,
        "jti": issued.jti,
    });
    if let Some(scope) = &issued.scope {
        body["scope"] = Value::from(scope.as_str());
    }
    if let Some(thumbprint) = &issued.certificate {
        // RFC 8705 §3.2.
        body["cnf"] = json!({ "x5t#S256": thumbprint });
    }
    body
}
