//! Backlog: many deliveries waiting for a listener that is down. How much memory does the server take, how fast does it start, and
//! how fast does it deliver them once the listener is back?

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use futures_util::FutureExt as _;

use crate::bench::{
    aim::{Aim, Bound},
    child::{Server, Wanted},
    course::{PATIENCE, count, run_all},
    figure,
    load::Load,
    process_figures::memory,
    profile::{Plan, Profile},
    progress::Progress,
    reading::Reading,
    scene::Course,
    sink::{Manner, Sink, Terms},
};

/// See the module.
pub(crate) static PROFILE: Profile = Profile {
    name: "backlog",
    about: "1,000,000 deliveries waiting for a listener that is down, then drained: memory, start and rate",
    rounds: 1,
    in_flight: 64,
    aims: &[
        Aim::of_all(&figure::FILLING_MEMORY, Bound::AtMost(150e6)),
        Aim::of_all(&figure::PEAK_MEMORY, Bound::AtMost(150e6)),
        Aim::of_all(&figure::START, Bound::AtMost(500.0)),
        Aim::of_all(&figure::DRAIN_OF_DIRECT, Bound::AtLeast(0.7)),
    ],
    run: |plan, progress| run(plan, progress).boxed(),
};

/// Events in one request.
const PER_REQUEST: u64 = 1_000;
/// How long a fresh process is left alone before its memory is looked at.
const SETTLED: Duration = Duration::from_secs(5);
/// How often the drain is looked at.
const LOOK: Duration = Duration::from_millis(200);

async fn run(plan: Plan, progress: Progress) -> anyhow::Result<Vec<Reading>> {
    let (rows, bytes) = (plan.events_or(1_000_000).max(1_000), plan.bytes_or(2_048));
    let mut readings = Vec::new();
    for round in 1..=plan.rounds {
        // The direct rate of the same run, to set the drain beside.
        let course = Course { bytes, ..Course::new("direct") };
        let direct = run_all(Plan { events: None, rounds: 1, ..plan }, progress.clone(), &[course]).await?;
        let direct = direct.first().and_then(|reading| reading.value(&figure::DELIVERIES_PER_SECOND)).context("no direct rate")?;
        progress.stage(format!("taking in, round {round} of {}", plan.rounds), rows);
        readings.push(one(rows, bytes, direct, &progress).await?);
    }
    Ok(readings)
}

/// Fills a fresh server, starts it again, and lets it drain.
async fn one(rows: u64, bytes: usize, direct: f64, progress: &Progress) -> anyhow::Result<Reading> {
    let folder = tempfile::tempdir().context("a folder for the server's data")?;
    // A port that was free a moment ago and that nothing listens on.
    let dead = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let server = Server::start(folder.path(), &[]).await?;
    server.make_keys(1).await?;
    server.subscribe(&Wanted::new("down", format!("http://{dead}/down"))).await?;
    let load = Load { per_request: PER_REQUEST, ..Load::new(server.api.clone(), server.events_path(), bytes) };
    let began = Instant::now();
    let mut from = 0;
    while from < rows {
        let to = (from + PER_REQUEST).min(rows);
        load.closed(from..to, 1).await?;
        progress.step(to - from);
        from = to;
    }
    let accepted_per_second = count(rows) / began.elapsed().as_secs_f64();
    let (_, filling_memory) = memory(server.pid()?)?;
    server.stop().await?;

    let server = Server::start(folder.path(), &[]).await?;
    let start = server.started_in;
    tokio::time::sleep(SETTLED).await;
    let (_, started_memory) = memory(server.pid()?)?;
    server.stop().await?;

    // Now the listener is there. Another start, so that no breaker has to find out first.
    progress.stage("draining", rows);
    let sink = Sink::start_on(Terms::plain(Manner::Prompt), std::net::TcpListener::bind(dead).context("the listener's port is taken")?)?;
    let server = Server::start(folder.path(), &[]).await?;
    drained(&sink, enough(rows), progress).await?;
    let (_, peak) = memory(server.pid()?)?;
    server.stop().await?;
    let mut arrivals: Vec<Instant> = sink.arrivals().into_iter().map(|(_, at)| at).collect();
    arrivals.sort_unstable();
    let drained_per_second = rate(&arrivals, enough(rows));
    Ok(Reading::of(format!("{rows} waiting"), format!("{bytes} bytes each, posted in arrays of {PER_REQUEST}"))
        .with(&figure::WAITING, count(rows))
        .with(&figure::EVENTS_PER_SECOND, accepted_per_second)
        .with(&figure::FILLING_MEMORY, count(filling_memory))
        .with(&figure::START, start.as_secs_f64() * 1_000.0)
        .with(&figure::STARTED_MEMORY, count(started_memory))
        .with(&figure::DRAINED_PER_SECOND, drained_per_second)
        .with(&figure::DELIVERIES_PER_SECOND, direct)
        .with(&figure::DRAIN_OF_DIRECT, drained_per_second / direct)
        .with(&figure::PEAK_MEMORY, count(peak)))
}

/// 99 of 100: those few that were attempted while the listener was down come when their retry is due, which says nothing about the
/// server's speed.
fn enough(rows: u64) -> u64 {
    rows - rows / 100
}

async fn drained(sink: &Sink, enough: u64, progress: &Progress) -> anyhow::Result<()> {
    let (mut seen, mut since) = (0, Instant::now());
    loop {
        let received = sink.received();
        progress.reached(received);
        if received >= enough {
            return Ok(());
        }
        if received > seen {
            (seen, since) = (received, Instant::now());
        } else if since.elapsed() > PATIENCE {
            bail!("{received} of {enough} messages arrived and then nothing for {} seconds", PATIENCE.as_secs());
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Arrivals a second from the first to the `enough`th, both counted.
fn rate(arrivals: &[Instant], enough: u64) -> f64 {
    let last = usize::try_from(enough).ok().and_then(|enough| arrivals.get(enough.saturating_sub(1)));
    arrivals.first().zip(last).map_or(0.0, |(first, last)| count(enough) / last.saturating_duration_since(*first).as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_hundredth_does_not_count() {
        assert_eq!([1_000, 1_050, 1_000_000].map(enough), [990, 1_040, 990_000]);
        let began = Instant::now();
        let arrivals: Vec<Instant> = (0..1_000).map(|ms| began + Duration::from_millis(if ms < 990 { ms } else { ms * 100 })).collect();
        assert!((rate(&arrivals, 990) - 990.0 / 0.989).abs() < 0.01);
    }
}
