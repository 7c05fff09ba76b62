//! Token revocation (RFC 7009).

use std::sync::Arc;

use axum::{extract::State as FromState, http::StatusCode, response::Response};
use serde_json::json;

use crate::{
    answer,
    oauth_error::{ErrorCode, OAuthError},
    request::AuthenticatedRequest,
    state::State,
};

/// `POST /revoke`. An unknown token is answered 200, since it is as invalid as the client wanted it (§2.2).
pub(crate) async fn revoke(
    FromState(state): FromState<Arc<State>>,
    AuthenticatedRequest { client, parameters, .. }: AuthenticatedRequest,
) -> Result<Response, OAuthError> {
    let token = parameters.one("token").ok_or_else(|| OAuthError::invalid_request("token is missing"))?;
    if state.issued.find(token).is_some_and(|issued| issued.client_id != client.id) {
        // §2.1: the request is refused and the client informed.
        return Err(OAuthError::new(ErrorCode::UnauthorizedClient, "the token was issued to another client"));
    }
    state.issued.revoke(token);
    Ok(answer::private_json(StatusCode::OK, &json!({})))
}
