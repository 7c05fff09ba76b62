//! The demo: a server, an authorization server and a listener in one process, and an envelope on its way through them.

pub(crate) mod receiver;
pub(crate) mod screen;
pub(crate) mod story;
