//! History: what a delivery costs with few attempts stored, and with ten million. The store is filled straight, without HTTP.

use anyhow::Context;
use futures_util::FutureExt as _;
use tempfile::TempDir;

use crate::bench::{
    aim::{Aim, Bound},
    child::{Server, Wanted},
    course::{count, delivered},
    figure,
    load::Load,
    process_figures::{cpu_seconds, memory},
    profile::{Plan, Profile},
    progress::Progress,
    reading::Reading,
    seed::seed,
    sink::{Manner, Sink},
};

/// See the module.
pub(crate) static PROFILE: Profile = Profile {
    name: "history",
    about: "The cost of a delivery with 10,000,000 attempts stored, beside that with 10,000",
    rounds: 5,
    in_flight: 64,
    aims: &[Aim::of_all(&figure::CPU_OF_FEW, Bound::AtMost(1.2))],
    run: |plan, progress| run(plan, progress).boxed(),
};

/// Few attempts.
const FEW: u64 = 10_000;
/// Size of an event's data: small, so that ten million fit on a disk.
const BYTES: usize = 256;
/// Events of a round.
const EVENTS: u64 = 20_000;

/// A data directory with attempts in it, and the sink that its subscription names.
struct Stored {
    folder: TempDir,
    sink: Sink,
    attempts: u64,
}

async fn run(plan: Plan, progress: Progress) -> anyhow::Result<Vec<Reading>> {
    let mut stores = Vec::new();
    for attempts in [FEW.min(plan.attempts), plan.attempts] {
        progress.stage(format!("storing {attempts} attempts"), attempts);
        stores.push(stored(attempts, plan.bytes_or(BYTES), &progress).await?);
    }
    let mut readings = Vec::new();
    for round in 1..=plan.rounds {
        let mut few = None;
        for store in &stores {
            progress.stage(format!("with {} stored, round {round} of {}", store.attempts, plan.rounds), 1);
            let reading = one(plan, store).await?;
            let cpu = reading.value(&figure::CPU_PER_1000).unwrap_or(f64::NAN);
            readings.push(match few {
                None => reading,
                Some(few) => reading.with(&figure::CPU_OF_FEW, cpu / few),
            });
            few = few.or(Some(cpu));
            progress.step(1);
        }
    }
    Ok(readings)
}

async fn stored(attempts: u64, bytes: usize, progress: &Progress) -> anyhow::Result<Stored> {
    let folder = tempfile::tempdir().context("a folder for the server's data")?;
    let sink = Sink::start(Manner::Prompt)?;
    let server = Server::start(folder.path(), &[]).await?;
    server.make_keys(1).await?;
    server.subscribe(&Wanted::new("bench", format!("http://{}/s0", sink.address))).await?;
    server.stop().await?;
    seed(folder.path(), attempts, bytes, progress).await?;
    Ok(Stored { folder, sink, attempts })
}

async fn one(plan: Plan, store: &Stored) -> anyhow::Result<Reading> {
    let (events, bytes) = (plan.events_or(EVENTS).max(100), plan.bytes_or(BYTES));
    let server = Server::start(store.folder.path(), &[]).await?;
    let load = Load::new(server.api.clone(), server.events_path(), bytes);
    let warm = (events / 10).max(64);
    store.sink.clear();
    delivered(&load, &store.sink, 0..warm, plan.in_flight, 1).await?;
    store.sink.clear();
    let pid = server.pid()?;
    let cpu_before = cpu_seconds(pid)?;
    let sending = delivered(&load, &store.sink, warm..warm + events, plan.in_flight, 1).await?;
    let cpu = cpu_seconds(pid)? - cpu_before;
    let (_, peak) = memory(pid)?;
    let disk = server.disk_bytes_at_rest().await?;
    let start = server.started_in;
    server.stop().await?;
    Ok(Reading::of(
        format!("{} stored", store.attempts),
        format!("{events} events of {bytes} bytes, {} requests in flight", plan.in_flight),
    )
    .with(&figure::STORED_ATTEMPTS, count(store.attempts))
    .with(&figure::DELIVERIES_PER_SECOND, count(events) / sending.took().as_secs_f64())
    .with(&figure::CPU_PER_1000, cpu / count(events) * 1_000.0)
    .with(&figure::START, start.as_secs_f64() * 1_000.0)
    .with(&figure::DISK_PER_EVENT, count(disk) / count(store.attempts + events))
    .with(&figure::PEAK_MEMORY, count(peak)))
}
