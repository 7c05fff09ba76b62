//! One file per verb.

pub(crate) mod completions;
pub(crate) mod sign;
pub(crate) mod verify;
