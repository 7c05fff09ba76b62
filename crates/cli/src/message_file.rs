//! A message as people save it: headers as lines, a whole request, or the `curl` command that a browser or tool copies.
//!
//! Nothing here reads a file or knows a command: bytes go in, a message or the reason why not comes out.

mod curl;
mod head;
mod request;
mod shell;
mod unreadable;

pub(crate) use curl::Data;
pub(crate) use head::{HEAD_BYTES_MAX, Headers, headers};
pub(crate) use unreadable::Unreadable;

/// A whole message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Saved {
    pub(crate) headers: Headers,
    /// The pieces of the body, one behind the other. Those of a request are one; a `curl` command may name files.
    pub(crate) body: Vec<Data>,
}

/// Reads a request as it was captured, or the `curl` command that sends it.
pub(crate) fn whole(bytes: &[u8]) -> Result<Saved, Unreadable> {
    if curl::is_command(bytes) { curl::read(bytes) } else { request::read(bytes) }
}
