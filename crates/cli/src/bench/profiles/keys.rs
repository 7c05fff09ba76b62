//! HMAC with one key and with ten, as while keys are rotated.

use futures_util::FutureExt as _;

use crate::bench::{course::run_all, profile::Profile, scene::Course};

/// See the module.
pub(crate) static PROFILE: Profile = Profile {
    name: "keys",
    about: "Messages signed with 1 key and with 10",
    rounds: 5,
    in_flight: 64,
    aims: &[],
    run: |plan, progress| run_all(plan, progress, &COURSES).boxed(),
};

const COURSES: [Course; 2] = [Course::new("1 key"), Course { keys: 10, ..Course::new("10 keys") }];
