//! A small OAuth 2.0 authorization server for development and tests.
//!
//! It issues access tokens for the one grant that machines use among themselves, client credentials (RFC 6749 §4.4), and
//! gives a listener every way to check them: signed JWTs (RFC 9068) with published, rotating keys, or opaque tokens with
//! introspection (RFC 7662). Revocation (RFC 7009) and metadata (RFC 8414) are there too. Clients prove who they are by
//! `client_secret_basic`, `client_secret_post`, `client_secret_jwt` or `private_key_jwt` (RFC 7523), or by the certificate of a TLS
//! connection (RFC 8705), each by the one it is registered for. And it fails on request, in each of the ways in which real servers
//! have failed: see [`Fault`].
//!
//! It refuses to be more than that: no users, no consent pages, nothing is kept over a restart. It is strict where
//! real servers are strict, so that a client which works with it works elsewhere; it is not hardened for the internet.
//!
//! ```
//! use countersign_authority::{Client, Fault, Running, Settings};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let settings = Settings::new("http://127.0.0.1").client(Client::with_secret_basic("sender", "s3cret").scopes(["notify"]));
//! let authority = Running::start(settings).await?;
//! println!("get tokens from {}", authority.token_endpoint());
//!
//! authority.faults().times(Fault::ServerError, 2); // the next two requests get 500
//! assert_eq!(authority.stats().token_requests, 0);
//! # Ok(())
//! # }
//! ```
//!
//! A server of another crate mounts it below its own address: `Router::new().nest("/dev/authority", authority.router())
//! .merge(authority.well_known())`, with an issuer that ends in `/dev/authority`.

mod answer;
mod assertion;
mod assertion_key;
mod authentication;
mod authority;
mod client;
mod client_certificate;
mod clock;
mod connection;
mod endpoints;
mod fault;
mod fault_answer;
mod form;
mod grant;
mod issued;
mod issuer;
mod key;
mod oauth_error;
mod registration;
mod request;
mod routes;
mod running;
mod secret;
mod settings;
mod state;
mod stats;

pub use authority::Authority;
pub use client::{Client, ClientError, TokenFormat};
pub use client_certificate::PeerCertificates;
pub use clock::Clock;
pub use fault::{ActiveFault, Endpoint, Fault, FaultError, Faults, Uses};
pub use issuer::IssuerError;
pub use key::{KeyError, SigningAlgorithm};
pub use running::{Running, StartError};
pub use settings::{AssertionAudience, Settings, SettingsError};
pub use stats::Stats;
