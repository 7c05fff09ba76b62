//! Bodies of 2 KiB, 10 KiB and 1 MiB.

use futures_util::FutureExt as _;

use crate::bench::{course::run_all, profile::Profile, scene::Course};

/// See the module.
pub(crate) static PROFILE: Profile = Profile {
    name: "bodies",
    about: "Events of 2 KiB, 10 KiB and 1 MiB",
    rounds: 5,
    in_flight: 64,
    aims: &[],
    run: |plan, progress| run_all(plan, progress, &COURSES).boxed(),
};

const COURSES: [Course; 3] = [
    Course::new("2 KiB"),
    Course { events: 10_000, bytes: 10 << 10, ..Course::new("10 KiB") },
    // The largest that intake takes by default.
    Course { events: 500, bytes: 1 << 20, ..Course::new("1 MiB") },
];
