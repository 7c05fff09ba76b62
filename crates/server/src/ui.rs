//! Pages for people, rendered here and without a script where that will do.

pub mod signing;
