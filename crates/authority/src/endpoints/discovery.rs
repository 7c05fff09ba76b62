//! Metadata (RFC 8414) and published keys (RFC 7517 §5).

use std::{collections::BTreeSet, sync::Arc};

use axum::{extract::State as FromState, http::StatusCode, response::Response};
use serde_json::json;

use crate::{
    answer,
    issuer::{INTROSPECTION, JWKS, REVOCATION, TOKEN},
    state::State,
};

/// Methods of client authentication, by their names in RFC 7591 §2.
const AUTHENTICATION_METHODS: [&str; 6] =
    ["client_secret_basic", "client_secret_post", "client_secret_jwt", "private_key_jwt", "tls_client_auth", "self_signed_tls_client_auth"];

/// Algorithms of client assertions: all that the library verifies; the symmetric ones for `client_secret_jwt` alone.
const ASSERTION_ALGORITHMS: [&str; 12] =
    ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA", "HS256", "HS384", "HS512"];

/// `GET /.well-known/oauth-authorization-server` and `GET /.well-known/openid-configuration`.
pub(crate) async fn metadata(FromState(state): FromState<Arc<State>>) -> Response {
    let scopes: BTreeSet<&str> = state.authenticator.clients().flat_map(|client| client.scopes.iter().map(String::as_str)).collect();
    let issuer = &state.issuer;
    let body = json!({
        "issuer": issuer.as_str(),
        "token_endpoint": issuer.endpoint(TOKEN),
        "jwks_uri": issuer.endpoint(JWKS),
        "introspection_endpoint": issuer.endpoint(INTROSPECTION),
        "revocation_endpoint": issuer.endpoint(REVOCATION),
        "grant_types_supported": ["client_credentials"],
        // §2 requires the member; the one grant here needs no authorization endpoint and so no response type.
        "response_types_supported": [],
        "scopes_supported": scopes,
        "token_endpoint_auth_methods_supported": AUTHENTICATION_METHODS,
        "token_endpoint_auth_signing_alg_values_supported": ASSERTION_ALGORITHMS,
        "introspection_endpoint_auth_methods_supported": AUTHENTICATION_METHODS,
        "introspection_endpoint_auth_signing_alg_values_supported": ASSERTION_ALGORITHMS,
        // RFC 8705 §3.3.
        "tls_client_certificate_bound_access_tokens": true,
        "revocation_endpoint_auth_methods_supported": AUTHENTICATION_METHODS,
        "revocation_endpoint_auth_signing_alg_values_supported": ASSERTION_ALGORITHMS,
    });
    answer::json(StatusCode::OK, &body)
}

/// `GET /jwks`.
pub(crate) async fn jwks(FromState(state): FromState<Arc<State>>) -> Response {
    answer::json(StatusCode::OK, &json!({ "keys": state.keys.published() }))
}
