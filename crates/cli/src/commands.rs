//! One file per verb.

pub(crate) mod authority;
pub(crate) mod bench;
pub(crate) mod completions;
pub(crate) mod demo;
pub(crate) mod serve;
pub(crate) mod sign;
pub(crate) mod token;
pub(crate) mod trigger;
pub(crate) mod verify;
