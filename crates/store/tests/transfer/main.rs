//! A whole store goes from one backend into a file and into another backend, and comes back.

mod interrupted;
mod refused;
mod round_trip;
mod schema;
mod support;
