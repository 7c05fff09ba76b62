//! Intake alone: events answered 202 a second, beside a handler that answers 202 and stores nothing, under the same load.

use anyhow::Context;
use futures_util::FutureExt as _;

use crate::{
    bench::{
        aim::{Aim, Bound},
        bare_handler,
        child::{Server, Wanted},
        course::count,
        figure,
        load::Load,
        process_figures::{cpu_seconds, memory},
        profile::{Plan, Profile},
        progress::Progress,
        quantile::{millis, quantile},
        reading::Reading,
    },
    caller::Api,
};

/// See the module.
pub(crate) static PROFILE: Profile = Profile {
    name: "intake",
    about: "Events taken in and not delivered, beside a bare axum handler that answers 202 and stores nothing",
    rounds: 5,
    in_flight: 64,
    aims: &[Aim::of_all(&figure::SHARE_OF_HANDLER, Bound::AtLeast(0.35))],
    run: |plan, progress| run(plan, progress).boxed(),
};

/// Events of a round.
const EVENTS: u64 = 40_000;

/// Who would want the events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Audience {
    /// Nobody: the event alone is recorded.
    Nobody,
    /// One subscription that is paused: a delivery is recorded with each event, and held.
    Paused,
}

async fn run(plan: Plan, progress: Progress) -> anyhow::Result<Vec<Reading>> {
    let mut readings = Vec::new();
    for round in 1..=plan.rounds {
        for (case, audience) in [("nobody subscribed", Audience::Nobody), ("a paused subscription", Audience::Paused)] {
            progress.stage(format!("{case}, round {round} of {}", plan.rounds), 2);
            readings.push(one(plan, case, audience, &progress).await?);
        }
    }
    Ok(readings)
}

async fn one(plan: Plan, case: &str, audience: Audience, progress: &Progress) -> anyhow::Result<Reading> {
    let (events, bytes) = (plan.events_or(EVENTS).max(100), plan.bytes_or(2_048));
    let (bare_rate, bare_cpu) = {
        let (address, child) = bare_handler::in_its_own_process().await?;
        let api = Api::new(format!("http://{address}"), String::new(), plan.in_flight);
        let load = Load::new(api, bare_handler::INTAKE_PATH.to_owned(), bytes);
        let pid = child.id().context("the bare handler has ended")?;
        let (rate, cpu, _) = measured(&load, pid, events, plan.in_flight).await?;
        (rate, cpu)
    };
    progress.step(1);

    let folder = tempfile::tempdir().context("a folder for the server's data")?;
    let server = Server::start(folder.path(), &[]).await?;
    server.make_keys(1).await?;
    if audience == Audience::Paused {
        // A port that was free a moment ago: nothing is sent to it.
        let nobody = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        server.subscribe(&Wanted { paused: true, ..Wanted::new("paused", format!("http://{nobody}/paused")) }).await?;
    }
    let load = Load::new(server.api.clone(), server.events_path(), bytes);
    let pid = server.pid()?;
    let (rate, cpu, mut answered) = measured(&load, pid, events, plan.in_flight).await?;
    let (_, peak) = memory(pid)?;
    server.stop().await?;
    progress.step(1);
    Ok(Reading::of(case, format!("{events} events of {bytes} bytes, {} requests in flight", plan.in_flight))
        .with(&figure::EVENTS_PER_SECOND, rate)
        .with(&figure::BARE_HANDLER_PER_SECOND, bare_rate)
        .with(&figure::SHARE_OF_HANDLER, rate / bare_rate)
        .with(&figure::INTAKE_CPU_PER_1000, cpu)
        .with(&figure::HANDLER_CPU_PER_1000, bare_cpu)
        .with(&figure::ACCEPTED_P50, millis(quantile(&mut answered, 0.5)))
        .with(&figure::ACCEPTED_P99, millis(quantile(&mut answered, 0.99)))
        .with(&figure::PEAK_MEMORY, count(peak)))
}

/// Requests a second, processor seconds of the process for 1,000 of them, and how long each took. A tenth warms it up.
async fn measured(load: &Load, pid: u32, events: u64, in_flight: usize) -> anyhow::Result<(f64, f64, Vec<std::time::Duration>)> {
    let warm = events / 10;
    load.closed(0..warm, in_flight).await?;
    let cpu_before = cpu_seconds(pid)?;
    let sending = load.closed(warm..warm + events, in_flight).await?;
    let cpu = cpu_seconds(pid)? - cpu_before;
    Ok((count(events) / sending.took().as_secs_f64(), cpu / count(events) * 1_000.0, sending.answered_after()))
}
