//! Our own API, logging in, jobs and upkeep, driven in process over a store in a temp folder.
#![expect(clippy::unwrap_used, reason = "tests")]

mod account;
mod arrays;
mod bootstrap;
mod deliveries;
mod house;
mod inspector;
mod inspector_live;
mod jobs;
mod login;
mod objects;
mod openapi;
mod operations;
mod problems;
mod revisions;
mod rights;
mod tenants;
mod upkeep;
