//! For tests only: the other side of every connection, and time that stands still.
//!
//! - [`Listener`] is an HTTP server that records what it receives and answers as told: statuses in a row, late, never,
//!   by closing, resetting, dripping, or with more than anyone should read. Over TLS with certificates of [`TestCa`].
//! - [`FaultProxy`] stands between two programs and delays, drops, resets, half-closes or swallows their bytes.
//! - [`FaultyStore`] stands before a real store and fails the n-th call, or every call of a method.
//! - [`PostgresServer`] is a PostgreSQL of its own in a temporary folder, [`PgBouncer`] a pooler before it.
//! - [`ManualClock`] moves only when told.
//! - [`broken`] has messages whose signature does not fit, each with the reason.
//!
//! Nothing here sleeps to see whether something happened: a test waits for a signal ([`Listener::wait_for`],
//! [`Listener::wait_until`]), with a bound after which it fails and says what it saw. What goes wrong in the kit itself
//! panics, since a test cannot go on without it. Time-outs run on tokio's clock, so a test that pauses it should not
//! talk to real sockets.
//!
//! ```
//! use countersign_testkit::{Answer, Listener};
//! use tokio::io::AsyncWriteExt as _;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let listener = Listener::start().await;
//! listener.answer_next([Answer::status(503).retry_after("1"), Answer::ok()]);
//!
//! let mut stream = tokio::net::TcpStream::connect(listener.address()).await.unwrap();
//! stream.write_all(b"POST /hook HTTP/1.1\r\nHost: listener\r\nContent-Length: 2\r\n\r\nhi").await.unwrap();
//!
//! let received = listener.wait_for(1).await;
//! assert_eq!((received[0].path.as_str(), &received[0].body[..]), ("/hook", &b"hi"[..]));
//! # }
//! ```

mod answer;
pub mod broken;
mod clock;
mod connection;
mod listener;
mod postgres;
mod proxy;
mod received;
mod script;
mod socket;
mod store;
mod tls;

pub use answer::Answer;
pub use clock::ManualClock;
pub use listener::{Listener, ListenerBuilder};
pub use postgres::{PgBouncer, PostgresServer};
pub use proxy::{FaultProxy, ProxyCounts, ProxyMode};
pub use received::{Counts, Received};
pub use socket::unused_address;
pub use store::{FaultyStore, StoreFault};
pub use tls::{ClientCertificates, Identity, TestCa};
