//! `countersign listen`: a listener that verifies, shows, forwards, and with a store loses nothing.
//!
//! 1. [`receiver`] takes a request, has the listener kit check it ([`checks`]), and answers.
//! 2. What passed is answered as told, forwarded at once ([`forwarding`]), or recorded by the [`inbox`], whose worker forwards it.
//! 3. Each [`arrival`] goes to the [`outlet`]: lines, JSON, or the [`screen`]; the [`tally`] counts it.
//! 4. At the end what is under way may end, until somebody is in a hurry ([`ending`]).

pub(crate) mod arrival;
pub(crate) mod carried;
pub(crate) mod checks;
pub(crate) mod ending;
pub(crate) mod forwarding;
pub(crate) mod gist;
pub(crate) mod inbox;
pub(crate) mod outlet;
pub(crate) mod proxied;
pub(crate) mod receiver;
pub(crate) mod screen;
pub(crate) mod script;
pub(crate) mod tally;
pub(crate) mod tee;
pub(crate) mod told;
pub(crate) mod watched;
