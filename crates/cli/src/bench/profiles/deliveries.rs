//! Deliveries at fan-out 1, 10 and 100.

use futures_util::FutureExt as _;

use crate::bench::{
    aim::{Aim, Bound},
    course::run_all,
    figure,
    profile::Profile,
    scene::Course,
};

/// See the module.
pub(crate) static PROFILE: Profile = Profile {
    name: "deliveries",
    about: "Events posted one by one, each delivered to 1, 10 and 100 subscriptions",
    rounds: 5,
    in_flight: 64,
    aims: &[
        Aim::of("fan-out 1", &figure::RATE_OF_BARE, Bound::AtLeast(0.25)),
        Aim::of("fan-out 1", &figure::CPU_OF_BARE, Bound::AtMost(4.0)),
        Aim::of("fan-out 1", &figure::COMMITS_PER_EVENT, Bound::AtMost(0.1)),
        Aim::of("fan-out 1", &figure::DISK_PER_EVENT, Bound::AtMost(3_500.0)),
        Aim::of("fan-out 10", &figure::RATE_OF_BARE, Bound::AtLeast(0.4)),
        Aim::of("fan-out 10", &figure::CPU_OF_BARE, Bound::AtMost(2.2)),
        Aim::of("fan-out 10", &figure::PEAK_MEMORY, Bound::AtMost(96e6)),
    ],
    run: |plan, progress| run_all(plan, progress, &COURSES).boxed(),
};

/// Fewer events where each makes more deliveries.
const COURSES: [Course; 3] = [
    Course::new("fan-out 1"),
    Course { events: 5_000, fan_out: 10, ..Course::new("fan-out 10") },
    Course { events: 1_000, fan_out: 100, ..Course::new("fan-out 100") },
];
