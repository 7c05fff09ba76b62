//! The kit's doubles, seen from the other end of real sockets.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

mod http2;
mod listener;
mod proxy;
mod tls;
mod wire;
