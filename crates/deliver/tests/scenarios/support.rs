//! A house with a store and an account, a worker over it, and attempts that are played.

pub(crate) mod house;
pub(crate) mod played;
pub(crate) mod wire;
