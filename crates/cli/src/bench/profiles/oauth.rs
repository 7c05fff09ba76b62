//! OAuth with tokens of 60 seconds: what a token on every message costs, and whether anybody notices when it is renewed.

use std::time::Duration;

use futures_util::FutureExt as _;

use super::latency::{PER_SECOND, at_fixed_rate};
use crate::bench::{
    course::{count, run_all},
    figure,
    process_figures::memory,
    profile::{Plan, Profile},
    progress::Progress,
    reading::Reading,
    scene::{Course, Scene},
};

/// See the module.
pub(crate) static PROFILE: Profile = Profile {
    name: "oauth",
    about: "Messages with bearer tokens of 60 seconds: as fast as they go, and 200 a second over two renewals",
    rounds: 5,
    in_flight: 64,
    aims: &[],
    run: |plan, progress| run(plan, progress).boxed(),
};

const TOKEN_LIFE: Duration = Duration::from_secs(60);
/// Renewal begins at 70 to 80 % of a token's life: in this time there are two.
const WATCHED: Duration = Duration::from_secs(100);

async fn run(plan: Plan, progress: Progress) -> anyhow::Result<Vec<Reading>> {
    let course = Course { token_life: Some(TOKEN_LIFE), ..Course::new("as fast as they go") };
    let mut readings = run_all(plan, progress.clone(), &[course]).await?;
    // Once: it takes its time, and what it shows, a stall, is not a matter of medians.
    let events = plan.events_or(PER_SECOND * WATCHED.as_secs()).max(100);
    let course = Course { events, bytes: plan.bytes_or(course.bytes), name: "200 a second", ..course };
    progress.stage(format!("200 a second for {} s", events / PER_SECOND), 1);
    let scene = Scene::open(&course).await?;
    let timed = at_fixed_rate(&scene, &course).await?;
    let (_, peak) = memory(scene.server.pid()?)?;
    let tokens = scene.authority.as_ref().map_or(0, |authority| authority.stats().token_requests);
    scene.server.stop().await?;
    progress.step(1);
    let reading = Reading::of(course.name, format!("{events} events of {} bytes, {PER_SECOND} a second", course.bytes));
    readings.push(timed.tell(reading).with(&figure::TOKEN_REQUESTS, count(tokens)).with(&figure::PEAK_MEMORY, count(peak)));
    Ok(readings)
}
