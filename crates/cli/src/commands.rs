//! One file per verb.

pub(crate) mod account;
pub(crate) mod authority;
pub(crate) mod backup;
pub(crate) mod bench;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod deliveries;
pub(crate) mod demo;
pub(crate) mod doctor;
pub(crate) mod envelope;
pub(crate) mod export;
pub(crate) mod import;
pub(crate) mod keys;
pub(crate) mod listen;
pub(crate) mod migrate;
pub(crate) mod nodes;
pub(crate) mod replay;
pub(crate) mod restore;
pub(crate) mod rotate_secret_key;
pub(crate) mod serve;
pub(crate) mod sign;
pub(crate) mod token;
pub(crate) mod trigger;
pub(crate) mod verify;
pub(crate) mod work;
