//! Envelopes over the Docusign-compatible API, our own action call and the signing page, driven in process over a store in a temp
//! folder.
#![expect(clippy::unwrap_used, reason = "tests")]

mod correction;
mod creation;
mod documents;
mod drawing;
mod endings;
mod events;
mod house;
mod life;
mod particulars;
mod polling;
mod queries;
mod recipients;
mod refusals;
mod signing;
mod templates;
mod tenants;
mod timers;
