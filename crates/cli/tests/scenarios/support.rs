//! What the scenarios share: the running server, requests to it, and programs in other languages.

pub(crate) mod fleet;
pub(crate) mod http;
pub(crate) mod listening;
pub(crate) mod patience;
pub(crate) mod process;
pub(crate) mod script;
pub(crate) mod server;

pub(crate) use self::{
    http::{Client, Reply},
    listening::{Listening, Sender},
    patience::until,
    script::{NodeScript, node, python},
    server::Server,
};
