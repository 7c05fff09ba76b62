//! HTTP: the Docusign-compatible REST API, our own API, pages, timers and jobs.
//!
//! A request comes in through [`router`], is authenticated by [`access`], becomes a change of an account, and goes
//! through [`intake`], the one place where events are matched, recorded and handed over. Docusign's names live in `restapi`
//! and nowhere else here.

pub mod access;
pub mod account_oauth;
pub mod api;
pub mod app;
pub mod background;
pub mod bootstrap;
pub mod clock;
pub mod connection;
pub mod documents;
pub mod envelopes;
pub mod failure;
mod front;
pub mod health;
pub mod hex;
mod idempotency;
pub mod inspection;
pub mod inspector;
pub mod intake;
pub mod jobs;
mod layers;
pub mod login;
pub mod metrics;
pub mod openapi;
pub mod origin;
pub mod peer;
pub mod problems;
pub mod restapi;
pub mod router;
pub mod rsa_key;
pub mod sent_body;
pub mod serving;
pub mod settings;
pub mod signing_keys;
pub mod subscription;
pub mod templates;
mod timed_body;
pub mod timers;
mod to_the_end;
pub mod token_cache;
pub mod token_text;
pub mod ui;
pub mod upkeep;

pub use app::App;
pub use settings::Settings;
