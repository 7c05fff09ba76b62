//! The rules of a listener, each tested under its own id.

mod body_and_answers;
mod certificates;
mod discovery;
mod introspection;
mod jwks;
mod jwt;
mod messages;
mod support;
