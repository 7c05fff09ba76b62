//! Latency at a fixed rate: an open loop of 200 events a second, each counted from the moment at which it was due.
//!
//! The 202 waits for the disk, so it is set beside what the disk takes for one page at the same rate, half of that measured before
//! the run and half after it. *Accept to received* counts from the request being due, with all that the load generator adds, to
//! the head of the message being read by the sink: an upper bound of what the server takes.

use std::{path::Path, time::Duration};

use futures_util::FutureExt as _;

use crate::bench::{
    aim::{Aim, Bound},
    course::{PATIENCE, count},
    figure, fsync,
    load::Sending,
    process_figures::{cpu_seconds, memory},
    profile::{Plan, Profile},
    progress::Progress,
    quantile::{millis, quantile},
    reading::Reading,
    scene::{Course, Scene},
};

/// See the module.
pub(crate) static PROFILE: Profile = Profile {
    name: "latency",
    about: "200 events a second whatever the answers: the 202 beside the disk's fsync, and accept to received",
    rounds: 5,
    in_flight: 64,
    aims: &[
        Aim::of_all(&figure::ACCEPTED_OVER_FSYNC_P50, Bound::AtMost(1.2)),
        Aim::of_all(&figure::ACCEPTED_OVER_FSYNC_P99, Bound::AtMost(3.0)),
        Aim::of_all(&figure::RECEIVED_P50, Bound::AtMost(1.0)),
        Aim::of_all(&figure::RECEIVED_P99, Bound::AtMost(3.0)),
    ],
    run: |plan, progress| run(plan, progress).boxed(),
};

/// Events a second.
pub(crate) const PER_SECOND: u64 = 200;
/// Pages brought to the disk, before and after a run each.
const PROBES: u32 = 500;

async fn run(plan: Plan, progress: Progress) -> anyhow::Result<Vec<Reading>> {
    let folder = tempfile::tempdir()?;
    let mut readings = Vec::new();
    for round in 1..=plan.rounds {
        progress.stage(format!("200 a second, round {round} of {}", plan.rounds), 3);
        readings.push(one(plan, folder.path(), &progress).await?);
    }
    Ok(readings)
}

async fn one(plan: Plan, folder: &Path, progress: &Progress) -> anyhow::Result<Reading> {
    let course = Course { events: plan.events_or(4_000).max(100), bytes: plan.bytes_or(2_048), ..Course::new("200 a second") };
    let mut disk = fsync::probe(folder, PROBES, u32::try_from(PER_SECOND).unwrap_or(u32::MAX)).await?;
    progress.step(1);
    let scene = Scene::open(&course).await?;
    let timed = at_fixed_rate(&scene, &course).await?;
    let (_, peak) = memory(scene.server.pid()?)?;
    scene.server.stop().await?;
    progress.step(1);
    disk.extend(fsync::probe(folder, PROBES, u32::try_from(PER_SECOND).unwrap_or(u32::MAX)).await?);
    progress.step(1);

    let (fsync_p50, fsync_p99) = (millis(quantile(&mut disk, 0.5)), millis(quantile(&mut disk, 0.99)));
    let reading = Reading::of(course.name, format!("{} events of {} bytes, {PER_SECOND} a second", course.events, course.bytes));
    let reading = timed.tell(reading).with(&figure::FSYNC_P50, fsync_p50).with(&figure::FSYNC_P99, fsync_p99);
    let over = |accepted, fsync: f64| reading.value(accepted).unwrap_or(f64::NAN) - fsync;
    let (over_p50, over_p99) = (over(&figure::ACCEPTED_P50, fsync_p50), over(&figure::ACCEPTED_P99, fsync_p99));
    Ok(reading
        .with(&figure::ACCEPTED_OVER_FSYNC_P50, over_p50)
        .with(&figure::ACCEPTED_OVER_FSYNC_P99, over_p99)
        .with(&figure::PEAK_MEMORY, count(peak)))
}

/// How long what was sent at a fixed rate took.
pub(crate) struct Timed {
    accepted: Vec<Duration>,
    received: Vec<Duration>,
    after_202: Vec<Duration>,
    cpu_per_1000: f64,
}

impl Timed {
    /// Adds its figures.
    pub(crate) fn tell(mut self, reading: Reading) -> Reading {
        let mut at = |times: fn(&mut Self) -> &mut Vec<Duration>, share| millis(quantile(times(&mut self), share));
        reading
            .with(&figure::ACCEPTED_P50, at(|timed| &mut timed.accepted, 0.5))
            .with(&figure::ACCEPTED_P99, at(|timed| &mut timed.accepted, 0.99))
            .with(&figure::RECEIVED_P50, at(|timed| &mut timed.received, 0.5))
            .with(&figure::RECEIVED_P99, at(|timed| &mut timed.received, 0.99))
            .with(&figure::AFTER_202_P50, at(|timed| &mut timed.after_202, 0.5))
            .with(&figure::AFTER_202_P99, at(|timed| &mut timed.after_202, 0.99))
            .with(&figure::CPU_PER_1000, self.cpu_per_1000)
    }
}

/// Posts the events of a course at [`PER_SECOND`], after a second of warming up.
///
/// # Errors
/// When a post fails, or a message does not arrive.
pub(crate) async fn at_fixed_rate(scene: &Scene, course: &Course) -> anyhow::Result<Timed> {
    let load = scene.load(course);
    load.open(0..PER_SECOND, PER_SECOND).await?;
    arrived(scene, PER_SECOND).await?;
    scene.sink.clear();
    let pid = scene.server.pid()?;
    let cpu_before = cpu_seconds(pid)?;
    let sending = load.open(PER_SECOND..PER_SECOND + course.events, PER_SECOND).await?;
    arrived(scene, course.events).await?;
    let cpu = cpu_seconds(pid)? - cpu_before;
    let (received, after_202) = received_after(&sending, &scene.sink.arrivals());
    Ok(Timed { accepted: sending.answered_after(), received, after_202, cpu_per_1000: cpu / count(course.events) * 1_000.0 })
}

/// Waits until so many have arrived.
async fn arrived(scene: &Scene, expected: u64) -> anyhow::Result<()> {
    let all = scene.sink.wait_for(expected, PATIENCE).await;
    anyhow::ensure!(all, "{} of {expected} messages arrived and then nothing for {} seconds", scene.sink.received(), PATIENCE.as_secs());
    Ok(())
}

/// From due and from answered to received.
pub(crate) fn received_after(sending: &Sending, arrivals: &[(u64, std::time::Instant)]) -> (Vec<Duration>, Vec<Duration>) {
    arrivals
        .iter()
        .filter_map(|(number, at)| Some((sending.of(*number)?, at)))
        .map(|(sent, at)| (at.saturating_duration_since(sent.due), at.saturating_duration_since(sent.answered)))
        .unzip()
}
