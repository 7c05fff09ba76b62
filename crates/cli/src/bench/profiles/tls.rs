//! TLS on kept connections, and with a handshake for every message.

use futures_util::FutureExt as _;

use crate::bench::{
    course::run_all,
    profile::Profile,
    scene::{Course, Transport},
    sink::Connections,
};

/// See the module.
pub(crate) static PROFILE: Profile = Profile {
    name: "tls",
    about: "Messages over TLS on kept connections, and over a new connection each",
    rounds: 5,
    in_flight: 64,
    aims: &[],
    run: |plan, progress| run_all(plan, progress, &COURSES).boxed(),
};

const COURSES: [Course; 2] = [
    Course { transport: Transport::Tls(Connections::Kept), ..Course::new("kept connections") },
    Course { events: 3_000, transport: Transport::Tls(Connections::OfOneRequest), ..Course::new("a connection each") },
];
