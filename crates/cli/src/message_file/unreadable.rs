//! Why a saved message cannot be read.

use std::fmt;

/// What is wrong with a saved message, as one clause that ends with what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// A request without the empty line that ends its head.
    NoBody,
    /// A line of the head, counted from 1, that is no header.
    NoHeader(usize),
    /// More head than this many bytes.
    HeadTooLong(usize),
    /// A quote of a command is not closed.
    OpenQuote,
    /// A command that a shell would put values into.
    Expansion,
    /// A command for another shell than those that quote like bash.
    OtherShell,
    /// An option whose value is a name and no header.
    HeaderOption,
    /// An option that makes a body in a way that cannot be repeated.
    Unrepeatable(&'static str),
    /// The text is not UTF-8.
    NotText,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoBody => f.write_str("there is no empty line between head and body; save the request as it came, head first"),
            Self::NoHeader(line) => write!(f, "line {line} is not a header like 'Name: value'"),
            Self::HeadTooLong(max) => write!(f, "the headers are longer than {max} bytes; give the head alone"),
            Self::OpenQuote => f.write_str("a quote of the curl command is not closed; copy the whole command"),
            Self::Expansion => f.write_str("the curl command has a $ that a shell would put a value in for; write the value in its place"),
            Self::OtherShell => f.write_str("the curl command is for Windows; copy it as cURL (bash), or give headers and body as files"),
            Self::HeaderOption => f.write_str("-H of the curl command names a file; give the headers with --headers"),
            Self::Unrepeatable(option) => {
                write!(f, "{option} of the curl command makes a body that cannot be known from it; capture the request instead")
            }
            Self::NotText => f.write_str("the curl command is not UTF-8 text"),
        }
    }
}

impl std::error::Error for Unreadable {}
