//! The rules of a listener, each tested under its own id.

mod attacks;
mod body_and_answers;
mod certificates;
mod discovery;
mod hmac;
mod introspection;
mod jwks;
mod jwt;
mod messages;
mod rows;
mod support;
