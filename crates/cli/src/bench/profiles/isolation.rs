//! Isolation: healthy listeners while all are healthy, and the same ones beside a listener that takes every request and never
//! answers. Events come at a fixed rate well below what the server can do, so that waiting is all that is measured.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, bail};
use futures_util::FutureExt as _;

use super::latency::{PER_SECOND, received_after};
use crate::bench::{
    aim::{Aim, Bound},
    child::{Server, Wanted},
    course::{PATIENCE, count},
    figure,
    load::Load,
    payload,
    profile::{Plan, Profile},
    progress::Progress,
    quantile::{millis, quantile},
    reading::Reading,
    sink::{Manner, Sink, Terms},
};

/// See the module.
pub(crate) static PROFILE: Profile = Profile {
    name: "isolation",
    about: "Healthy listeners beside one that never answers: one beside it, and 99 of 100",
    rounds: 5,
    in_flight: 64,
    aims: &[Aim::of_all(&figure::ISOLATION, Bound::AtMost(1.5))],
    run: |plan, progress| run(plan, progress).boxed(),
};

/// Who listens.
#[derive(Clone, Copy, Debug)]
struct Town {
    case: &'static str,
    /// Listeners, the one that may hang among them.
    listeners: u64,
    /// Each event goes to one listener in turn; otherwise each goes to all.
    in_turn: bool,
}

const TOWNS: [Town; 2] =
    [Town { case: "1 beside it", listeners: 2, in_turn: false }, Town { case: "99 of 100", listeners: 100, in_turn: true }];

/// What the last of the listeners does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Last {
    /// As the others.
    Healthy,
    /// It takes every request and never answers.
    Hangs,
}

/// One run: the healthy listeners' p99, what was meant for the one that hangs, and what it held.
struct Run {
    p99: Duration,
    sent_to_last: u64,
    held: u64,
}

async fn run(plan: Plan, progress: Progress) -> anyhow::Result<Vec<Reading>> {
    let (events, bytes) = (plan.events_or(4_000).max(100), plan.bytes_or(2_048));
    let mut readings = Vec::new();
    for round in 1..=plan.rounds {
        for town in TOWNS {
            progress.stage(format!("{}, round {round} of {}", town.case, plan.rounds), 2);
            let alone = one(town, events, bytes, Last::Healthy).await?;
            progress.step(1);
            let beside = one(town, events, bytes, Last::Hangs).await?;
            progress.step(1);
            let reading = Reading::of(town.case, format!("{events} events of {bytes} bytes, {PER_SECOND} a second"))
                .with(&figure::ALONE_P99, millis(alone.p99))
                .with(&figure::BESIDE_P99, millis(beside.p99))
                .with(&figure::ISOLATION, beside.p99.as_secs_f64() / alone.p99.as_secs_f64().max(f64::EPSILON))
                .with(&figure::TO_HANGING, count(beside.sent_to_last))
                .with(&figure::HELD_BY_HANGING, count(beside.held));
            readings.push(reading);
        }
    }
    Ok(readings)
}

async fn one(town: Town, events: u64, bytes: usize, last: Last) -> anyhow::Result<Run> {
    let folder = tempfile::tempdir().context("a folder for the server's data")?;
    let manner = |number| if number + 1 == town.listeners && last == Last::Hangs { Manner::Hangs } else { Manner::Prompt };
    let listener = || std::net::TcpListener::bind("127.0.0.1:0").context("a sink cannot listen");
    let wanted = (0..town.listeners).map(|number| Ok((Terms::plain(manner(number)), listener()?))).collect::<anyhow::Result<Vec<_>>>()?;
    let sinks = Sink::start_all(wanted)?;
    let server = Server::start(folder.path(), &["--delivery-timeout", "5s"]).await?;
    server.make_keys(1).await?;
    let name = |number: u64| if town.in_turn { format!("bench.{number}") } else { payload::EVENT.to_owned() };
    for (number, sink) in (0..).zip(&sinks) {
        // Where each event goes to all, what is compared is the first listener with nobody beside it.
        if !town.in_turn && last == Last::Healthy && number > 0 {
            break;
        }
        let url = format!("http://{}/listener", sink.address);
        server.subscribe(&Wanted { event: name(number), ..Wanted::new(format!("listener {number}"), url) }).await?;
    }
    let names = if town.in_turn { (0..town.listeners).map(name).collect() } else { vec![name(0)] };
    let load = Load { names: Arc::new(names), ..Load::new(server.api.clone(), server.events_path(), bytes) };
    // The first second warms up and is not counted.
    load.open(0..PER_SECOND, PER_SECOND).await?;
    let sending = load.open(PER_SECOND..PER_SECOND + events, PER_SECOND).await?;

    let all = PER_SECOND + events;
    let meant_for = |number: u64| if town.in_turn { all / town.listeners + u64::from(number < all % town.listeners) } else { all };
    let mut received = Vec::new();
    for (number, sink) in (0..).zip(&sinks).take(sinks.len() - 1) {
        if !sink.wait_for(meant_for(number), PATIENCE).await {
            bail!("{} of {} messages arrived at healthy listener {number}", sink.received(), meant_for(number));
        }
        received.extend(received_after(&sending, &sink.arrivals()).0);
    }
    let held = sinks.last().map_or(0, Sink::received);
    server.stop().await?;
    Ok(Run { p99: quantile(&mut received, 0.99), sent_to_last: meant_for(town.listeners - 1), held })
}
