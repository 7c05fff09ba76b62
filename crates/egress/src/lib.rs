//! The only way out.
//!
//! Every request that Countersign makes on an account's behalf goes through one [`Egress`]: messages to listeners, token
//! requests to authorization servers, test buttons. Its dialer resolves a name, puts *every* address of the answer before
//! the address policy ([`countersign_core::address`]), and dials nothing but what was vetted. TLS is verified with the
//! system's roots plus the account's own CAs; a client certificate belongs to a [`TlsProfile`] and never to the process, and
//! connections of different profiles are never shared.
//!
//! What it refuses to do: follow a redirect, use a proxy from the environment, inflate an answer, read an answer without
//! end, skip the verification of a certificate, send a message without the token that it needs.
//!
//! - [`Egress::send`] makes one exchange: a [`Request`] becomes an [`Answer`] or a typed [`SendFailure`]. Nothing is repeated.
//! - [`TokenSource`] gets and keeps access tokens (RFC 6749 §4.4): one request at a time for each connection, renewed ahead
//!   of their end, asked for again when a listener refuses one, and with pauses while a server gives none.
//!
//! ```
//! use countersign_core::address::TargetPolicy;
//! use countersign_egress::{Egress, FailureCause, Request, Roots, Settings, Target};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! let egress = Egress::new(Settings::default(), TargetPolicy::default(), &Roots::System)?;
//! let target = Target::try_new(&"https://127.0.0.1/connect".parse()?)?;
//! let failure = egress.send(Request::post(target, "{}")).await.expect_err("loopback is not a permitted target");
//! assert!(matches!(failure.cause, FailureCause::Forbidden(_)));
//! # Ok(())
//! # })
//! # }
//! ```

mod answer;
mod client;
mod clock;
mod dialer;
mod failure;
mod payload;
mod request;
mod resolve;
mod settings;
mod stream;
mod tls;
mod token_source;

pub use answer::{Answer, BodyEnd, Timings};
pub use client::Egress;
pub use clock::{Clock, SystemClock};
pub use failure::{ConnectFailure, DnsFailure, FailureCause, RequestFault, SendFailure, TimeoutKind, TlsFailure};
pub use payload::Payload;
pub use request::{Limits, NotATarget, Purpose, Request, Target};
pub use resolve::{Resolve, Resolved, SystemResolver};
pub use settings::Settings;
pub use tls::{ClientIdentity, ProfileFault, Roots, RootsFault, TlsIdentity, TlsProfile};
pub use token_source::{
    BoundConnection, Renewal, Token, TokenExchange, TokenFailure, TokenFailureCause, TokenObserver, TokenProbe, TokenSource, TokenState,
};
