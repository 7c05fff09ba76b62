//! Saved requests and copied `curl` commands, as `countersign verify` reads them: any bytes are read or refused, and nothing is made up.

#![no_main]
#![allow(dead_code, unused_imports)]

// The parsers belong to a program and not to a library, so their files are taken in here.
#[path = "../../crates/cli/src/message_file"]
mod message_file {
    pub(crate) mod curl;
    pub(crate) mod head;
    pub(crate) mod request;
    pub(crate) mod shell;
    pub(crate) mod unreadable;

    use self::{curl::Data, head::Headers, unreadable::Unreadable};

    #[derive(Debug, Clone, PartialEq, Eq)]
    pub(crate) struct Saved {
        pub(crate) headers: Headers,
        pub(crate) body: Vec<Data>,
    }

    /// Reads the input as each of both; the program looks at it first to see which it is.
    pub(crate) fn both(input: &[u8]) -> [Result<Saved, Unreadable>; 2] {
        [request::read(input), curl::read(input)]
    }
}

use libfuzzer_sys::fuzz_target;
use message_file::{Saved, both, curl::Data, head};

fuzz_target!(|input: &[u8]| {
    if let Ok(headers) = head::headers(input) {
        let bytes: usize = headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        assert!(bytes <= input.len() && bytes <= head::HEAD_BYTES_MAX, "headers have no bytes that did not come");
    }
    for read in both(input) {
        match read {
            Ok(Saved { body, .. }) => assert!(bytes_of(&body) <= 3 * input.len() + 8, "a body is not longer than what it is read from"),
            Err(reason) => assert!(!reason.to_string().is_empty()),
        }
    }
});

/// One byte of `$'..'` can stand for a replacement character of three.
fn bytes_of(body: &[Data]) -> usize {
    let bytes = |data: &Data| match data {
        Data::Bytes(bytes) => bytes.len(),
        Data::File { path, .. } => path.len(),
    };
    body.iter().map(bytes).sum()
}
