//! One file per verb.

pub(crate) mod bench;
pub(crate) mod completions;
pub(crate) mod demo;
pub(crate) mod serve;
pub(crate) mod sign;
pub(crate) mod verify;
