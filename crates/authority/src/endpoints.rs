//! The endpoints, one file per standard.

pub(crate) mod control;
pub(crate) mod discovery;
pub(crate) mod introspection;
pub(crate) mod revocation;
pub(crate) mod token;
