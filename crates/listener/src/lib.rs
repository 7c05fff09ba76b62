//! Receive Docusign Connect webhooks and let nothing through that does not prove where it came from.
//!
//! A [`Listener`] is a set of checks; its [`layer`](Listener::layer) stands in front of any tower service, an axum router for one. It reads
//! the raw body up to a limit and checks, each when configured and all fail closed:
//!
//! - the client certificate ([`ClientCertificateCheck`]), shown on the connection or named by a [`TrustedProxy`];
//! - the `Authorization` header: HTTP Basic ([`BasicCheck`]) or a bearer token, as a JWT with the published keys of its server
//!   ([`JwtVerifier`]) or by asking that server ([`Introspector`]);
//! - the HMAC signatures over the raw body, Connect's own and those of Standard Webhooks;
//! - the account header; and that a message is handed on once ([`ReplayGuard`]).
//!
//! What passes reaches the application byte for byte, with the [`Verdict`] in the extensions of the request; [`VerifiedMessage`] brings both
//! to a handler, and reads what the [`message`] says. What does not is answered as
//! the RFCs say: 401 with a challenge, 403, 413, or 503 when the authorization server is down and the sender shall try again. The reason
//! goes to the log and never to the sender.
//!
//! There is no HTTP client and no store in here: both come through small traits ([`Fetch`], [`ReplayGuard`]). The crate refuses to build a
//! listener that checks nothing.
//!
//! ```
//! use axum::{Extension, Router, body::Bytes, routing::post};
//! use countersign_listener::{BasicCheck, Listener, Verdict};
//! use countersign_signature::HmacKey;
//!
//! async fn receive(Extension(verdict): Extension<Verdict>, body: Bytes) {
//!     println!("{} bytes, signed with key {:?}", body.len(), verdict.hmac.passed().map(|found| found.key));
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let listener = Listener::builder()
//!     .hmac([HmacKey::try_new("bDjUQ7TJ0VyrYfEPSLvQpJTqYBhhzVnHbkvQvKzUvKM=")?])
//!     .basic(BasicCheck::try_new("connect", "a long password")?)
//!     .build()?;
//! let app: Router = Router::new().route("/webhook", post(receive)).layer(listener.layer());
//! # Ok(())
//! # }
//! ```

/// The examples of the README, run as tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;

mod algorithm;
mod answer;
mod basic;
mod bearer;
mod body;
mod builder;
mod certificate;
mod clock;
mod credential;
mod discovery;
mod fetch;
mod hmac;
mod introspection;
mod jwks;
mod jwt;
mod jwt_form;
mod layer;
mod listener;
pub mod message;
mod proxy;
mod refusal;
mod replay;
mod strict_json;
mod token;
mod verdict;
mod verified;

pub use algorithm::JwtAlgorithm;
pub use answer::DUPLICATE_HEADER;
pub use basic::{BasicCheck, BasicRefused};
pub use bearer::BearerCheck;
pub use builder::{BODIES_BYTES_MAX, BODY_BYTES_MAX, BODY_TIMEOUT, ListenerBuilder, ListenerRefused};
pub use certificate::{AcceptedCertificate, CertificateRefused, CertificateSource, ClientCertificateCheck, NotADnsName, PeerCertificate};
pub use clock::{Clock, UnixSeconds};
pub use discovery::{IssuerRefused, METADATA_BYTES_MAX, MetadataLocation};
pub use fetch::{BoxFuture, Fetch, FetchFailed};
pub use introspection::{CredentialsRefused, Introspector};
pub use ipnet::IpNet;
pub use jwks::{JWKS_AGE_SECONDS, JWKS_BYTES_MAX, JWKS_KEYS_MAX, Jwks};
pub use jwt::JwtVerifier;
pub use layer::{ListenerLayer, ListenerService};
pub use listener::Listener;
pub use proxy::{PeerAddress, TrustedProxy};
pub use refusal::Refusal;
pub use replay::{GuardFailed, Handled, MemoryReplayGuard, REPLAY_WINDOW_SECONDS, ReplayGuard, ReplayKey, Seen};
pub use token::{LEEWAY_SECONDS, TOKEN_BYTES_MAX, TokenClaims, TokenExpectations, TokenRefused, VerifyToken};
pub use verdict::{Authorized, Checked, Freshness, Verdict};
pub use verified::{NotVerified, VerifiedMessage};
