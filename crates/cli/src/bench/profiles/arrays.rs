//! Events in arrays of 100: one request, one transaction.

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
    name: "arrays",
    about: "Events posted in arrays of 100, each delivered to one subscription",
    rounds: 5,
    in_flight: 64,
    aims: &[Aim::of_all(&figure::RATE_OF_BARE, Bound::AtLeast(0.35)), Aim::of_all(&figure::CPU_OF_BARE, Bound::AtMost(3.0))],
    run: |plan, progress| run_all(plan, progress, &COURSES).boxed(),
};

const COURSES: [Course; 1] = [Course { events: 40_000, per_request: 100, ..Course::new("arrays of 100") }];
