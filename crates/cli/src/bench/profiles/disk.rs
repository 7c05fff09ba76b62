//! What an event takes on disk with its delivery and its attempt, as it is and compressed, and what compressing costs.

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
    name: "disk",
    about: "Bytes on disk for an event with its delivery and attempt, as it is and compressed",
    rounds: 5,
    in_flight: 64,
    aims: &[
        Aim::of("as it is", &figure::DISK_PER_EVENT, Bound::AtMost(3_500.0)),
        Aim::of("compressed", &figure::DISK_PER_EVENT, Bound::AtMost(1_500.0)),
    ],
    run: |plan, progress| run_all(plan, progress, &COURSES).boxed(),
};

const COURSES: [Course; 2] = [Course::new("as it is"), Course { compression: true, ..Course::new("compressed") }];
