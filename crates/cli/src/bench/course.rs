//! Running a course: a closed loop of callers posts events, each is delivered to its subscriptions, and the bare client does the
//! same POSTs to the same sink afterwards.

use std::time::{Duration, Instant};

use anyhow::bail;

use super::{
    bare, figure,
    load::{Load, Sending},
    process_figures::{cpu_seconds, memory},
    profile::Plan,
    progress::Progress,
    quantile::{millis, quantile},
    reading::Reading,
    scene::{Course, Scene},
    sink::Sink,
};

/// A run that gets nothing for so long is given up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Runs every course in every round, round by round: the machine's moods fall on all of them.
pub(crate) async fn run_all(plan: Plan, progress: Progress, courses: &[Course]) -> anyhow::Result<Vec<Reading>> {
    let mut readings = Vec::new();
    let first = courses.first().map_or(1, |course| course.events);
    for round in 1..=plan.rounds {
        for course in courses {
            // What is asked for is meant for the first; the others take as much more or less as they do anyway.
            let events = plan.events.map_or(course.events, |asked| asked.saturating_mul(course.events) / first).max(100);
            let asked = Course { events, bytes: plan.bytes_or(course.bytes), ..*course };
            progress.stage(format!("{}, round {round} of {}", course.name, plan.rounds), asked.deliveries());
            readings.push(run(&asked, plan.in_flight, &progress).await?);
        }
    }
    Ok(readings)
}

/// What it is, for people.
pub(crate) fn what(course: &Course, in_flight: usize) -> String {
    let array = if course.per_request > 1 { format!(" in arrays of {}", course.per_request) } else { String::new() };
    format!("{} events of {} bytes{array}, {in_flight} requests in flight", course.events, course.bytes)
}

/// One run with a fresh server.
async fn run(course: &Course, in_flight: usize, progress: &Progress) -> anyhow::Result<Reading> {
    let scene = Scene::open(course).await?;
    let load = scene.load(course);
    let warm = (course.events / 10).max(64);
    let callers = in_flight.min(usize::try_from(course.events.div_ceil(course.per_request)).unwrap_or(in_flight));
    delivered(&load, &scene.sink, 0..warm, callers, course.fan_out).await?;
    scene.sink.clear();

    let (server, pid) = (&scene.server, scene.server.pid()?);
    let (disk_before, commits_before) = (server.disk_bytes_at_rest().await?, server.commits().await?);
    let (cpu_before, began) = (cpu_seconds(pid)?, Instant::now());
    let sending = delivered(&load, &scene.sink, warm..warm + course.events, callers, course.fan_out).await?;
    let cpu = cpu_seconds(pid)? - cpu_before;
    let arrivals = scene.sink.arrivals();
    let last = arrivals.iter().map(|(_, at)| *at).max().unwrap_or(began);
    // The last settlements are written after the last arrival.
    let disk = server.disk_bytes_at_rest().await?.saturating_sub(disk_before);
    let commits = server.commits().await?.saturating_sub(commits_before);
    let (_, peak) = memory(pid)?;
    let tokens = scene.authority.as_ref().map(|authority| authority.stats().token_requests);
    progress.reached(course.deliveries());

    let errand = scene.errand(course, in_flight);
    // The server ends first: its upkeep is not the bare client's affair.
    let Scene { server, sink, authority, .. } = scene;
    server.stop().await?;
    sink.clear();
    let bare = bare::in_its_own_process(&errand).await?;
    drop(authority);

    let mut answered = sending.answered_after();
    let mut received: Vec<Duration> =
        arrivals.iter().filter_map(|(number, at)| sending.of(*number).map(|sent| at.saturating_duration_since(sent.due))).collect();
    let deliveries = count(course.deliveries());
    let rate = deliveries / last.saturating_duration_since(began).as_secs_f64();
    let cpu_per_1000 = cpu / deliveries * 1_000.0;
    let mut reading = Reading::of(course.name, what(course, in_flight))
        .with(&figure::DELIVERIES_PER_SECOND, rate)
        .with(&figure::BARE_PER_SECOND, bare.posts_per_second)
        .with(&figure::RATE_OF_BARE, rate / bare.posts_per_second)
        .with(&figure::CPU_PER_1000, cpu_per_1000)
        .with(&figure::BARE_CPU_PER_1000, bare.cpu_seconds_per_1000)
        .with(&figure::CPU_OF_BARE, cpu_per_1000 / bare.cpu_seconds_per_1000)
        .with(&figure::ACCEPTED_P50, millis(quantile(&mut answered, 0.5)))
        .with(&figure::ACCEPTED_P99, millis(quantile(&mut answered, 0.99)))
        .with(&figure::RECEIVED_P50, millis(quantile(&mut received, 0.5)))
        .with(&figure::RECEIVED_P99, millis(quantile(&mut received, 0.99)))
        .with(&figure::COMMITS_PER_EVENT, count(commits) / count(course.events))
        .with(&figure::DISK_PER_EVENT, count(disk) / count(course.events))
        .with(&figure::PEAK_MEMORY, count(peak));
    if let Some(tokens) = tokens {
        reading = reading.with(&figure::TOKEN_REQUESTS, count(tokens));
    }
    Ok(reading)
}

/// Posts events and waits until all their deliveries have arrived.
///
/// # Errors
/// When a post fails, or nothing more arrives.
pub(crate) async fn delivered(
    load: &Load,
    sink: &Sink,
    events: std::ops::Range<u64>,
    callers: usize,
    fan_out: u64,
) -> anyhow::Result<Sending> {
    let expected = (events.end - events.start) * fan_out;
    let sending = load.closed(events, callers).await?;
    if !sink.wait_for(expected, PATIENCE).await {
        bail!("{} of {expected} messages arrived and then nothing for {} seconds", sink.received(), PATIENCE.as_secs());
    }
    Ok(sending)
}

/// A count as a figure.
#[expect(clippy::cast_precision_loss, reason = "a figure to read")]
pub(crate) fn count(number: u64) -> f64 {
    number as f64
}
