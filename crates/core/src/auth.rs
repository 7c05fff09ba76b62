//! How a message proves to the listener that it comes from us: one file per scheme.
//!
//! A request has one `Authorization` header. It carries Basic credentials ([`basic`]) or a bearer token that the
//! account's own authorization server issued for the client credentials grant ([`connection`], [`token`]). HMAC signatures
//! and client certificates go beside it and are not decided here. When both are set up the token is sent, and saving
//! such a subscription warns: [`Authorization::choose`] is the one place that says so.
//!
//! Everything that can be decided without a network lives here: what a connection may hold, what the token request
//! says, what the answer means, when a token is used and when it is fetched again. The exchange itself is `egress`.

pub mod assertion;
pub mod basic;
pub mod client_authentication;
pub mod connection;
pub mod custom_parameters;
pub mod refusal;
pub mod token;
pub mod token_answer;
pub mod token_request;
pub mod words;

pub use assertion::{AssertionClaims, assertion_claims};
pub use basic::{BasicCredentials, BasicFault};
pub use client_authentication::{AssertionKey, AssertionType, ClientAuthentication};
pub use connection::{BasicEncoding, ConnectionFault, ContentKey, ContentTypeRule, OAuthConnection};
pub use custom_parameters::{CustomParameters, ParameterFault};
pub use refusal::{RefusalKind, TokenRefusal};
pub use token::{CachedToken, TokenStep, token_step};
pub use token_answer::{TokenAnswer, parse_token_answer};
pub use token_request::{TokenRequest, token_request};

/// What the `Authorization` header of a delivery is made from.
#[derive(Debug, Clone, Copy)]
pub enum Authorization<'a> {
    /// No header.
    None,
    /// RFC 7617.
    Basic(&'a BasicCredentials),
    /// RFC 6750, with a token from this connection. Nothing is sent without one.
    Bearer(&'a OAuthConnection),
}

impl<'a> Authorization<'a> {
    /// OAuth is sent when both are set up, since there is one header (Connect: OAuth and Basic exclude each other).
    #[must_use]
    pub fn choose(basic: Option<&'a BasicCredentials>, oauth: Option<&'a OAuthConnection>) -> Self {
        match (basic, oauth) {
            (_, Some(connection)) => Self::Bearer(connection),
            (Some(credentials), None) => Self::Basic(credentials),
            (None, None) => Self::None,
        }
    }
}
