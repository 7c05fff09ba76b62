//! Logging in as the SDKs' own helpers do: `/oauth/token`, `/oauth/auth`, `/oauth/userinfo`, and under `/restapi` the calls that
//! tell a client where its accounts are (reference: 8.3, 8.4).
//!
//! An access token is an ordinary API token with an end. Three grants give one:
//!
//! - **JWT** (RFC 7523 §2.1): the application signs an assertion with the RSA key of its integration key and names a user of the
//!   account. Registering the integration key is the account's consent; a scope beyond what can be granted answers
//!   `consent_required`.
//! - **authorization code** (RFC 6749 §4.1, with RFC 7636): a code from `/oauth/auth`, taken once.
//! - **refresh token** (RFC 6749 §6): taken once; the answer brings the next one.
//!
//! `/oauth/auth` exists in development only, where consent is given at once.

use std::sync::Arc;

use axum::{
    Router,
    extract::DefaultBodyLimit,
    routing::{get, post},
};

use crate::App;

pub mod assertion;
pub mod audience;
mod client;
mod consent;
pub mod directory;
mod form;
mod grants;
mod issued;
mod refusal;
mod scope;
mod userinfo;

pub(crate) use issued::TOKEN_NAME_PREFIX;

/// A form with an assertion and its envelope; assertions end at 8 KiB.
const FORM_BYTES_MAX: usize = 16 << 10;

/// The routes below `/oauth`.
pub fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/token", post(grants::token))
        .route("/auth", get(consent::auth))
        .route("/userinfo", get(userinfo::userinfo))
        .layer(DefaultBodyLimit::max(FORM_BYTES_MAX))
}
