//! Isolation: a healthy listener alone, and the same one beside a listener that takes every request and never answers.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use http::Method;
use serde::Serialize;

use super::{
    child::Server,
    payload,
    quantile::{millis, quantile},
    sink::{Manner, Sink},
};

/// Events a second to each listener: well below what the server can do, so that waiting is all that is measured.
const PER_SECOND: u64 = 200;
/// A run that gets nothing for so long is given up.
const PATIENCE: Duration = Duration::from_secs(30);

/// What came of it.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Figures {
    /// Accept to received of the healthy listener alone, 99 of 100, in milliseconds.
    pub(crate) alone_p99_ms: f64,
    /// The same beside a hanging one.
    pub(crate) beside_hanging_p99_ms: f64,
    /// One over the other.
    pub(crate) ratio: f64,
    /// Events sent to the hanging listener meanwhile.
    pub(crate) sent_to_hanging: u64,
    /// Requests that the hanging listener held at the end.
    pub(crate) held_by_hanging: u64,
}

/// Pairs of runs: the machine's own moods fall on both sides, and the median leaves the odd one out.
const PAIRS: usize = 5;

/// Runs with fresh servers, in turn alone and beside, `events` each; the figures are medians.
pub(crate) async fn run(events: u64) -> anyhow::Result<Figures> {
    let (mut all_alone, mut all_beside) = (Vec::new(), Vec::new());
    let (mut sent_to_hanging, mut held_by_hanging) = (0, 0);
    for _ in 0..PAIRS {
        let (alone, ..) = one(events, false).await?;
        let (beside, sent, held) = one(events, true).await?;
        all_alone.push(alone);
        all_beside.push(beside);
        sent_to_hanging += sent;
        held_by_hanging += held;
    }
    let (alone, beside) = (quantile(&mut all_alone, 0.5), quantile(&mut all_beside, 0.5));
    Ok(Figures {
        alone_p99_ms: millis(alone),
        beside_hanging_p99_ms: millis(beside),
        ratio: beside.as_secs_f64() / alone.as_secs_f64().max(f64::EPSILON),
        sent_to_hanging,
        held_by_hanging,
    })
}

async fn one(events: u64, with_hanging: bool) -> anyhow::Result<(Duration, u64, u64)> {
    let folder = tempfile::tempdir().context("a folder for the server's data")?;
    let healthy = Sink::start(Manner::Prompt)?;
    let hanging = Sink::start(Manner::Hangs)?;
    let server = Server::start(folder.path(), &["--delivery-timeout", "5s"]).await?;
    server.make_key().await?;
    server.subscribe("healthy", &format!("http://{}/healthy", healthy.address), "envelope-completed").await?;
    if with_hanging {
        server.subscribe("hanging", &format!("http://{}/hanging", hanging.address), "envelope-completed").await?;
    }
    let warm = PER_SECOND;
    let path = format!("{}/events", server.account_path);
    let mut sent: Vec<(u64, Instant)> = Vec::new();
    let mut tick = tokio::time::interval(Duration::from_micros(1_000_000 / PER_SECOND));
    let mut calls = tokio::task::JoinSet::new();
    for number in 0..warm + events {
        tick.tick().await;
        let (api, path) = (server.api.clone(), path.clone());
        let at = Instant::now();
        if number >= warm {
            sent.push((number, at));
        }
        calls.spawn(async move { api.expect(Method::POST, &path, payload::event(number, 2_048)).await });
        while let Some(done) = calls.try_join_next() {
            done.context("a caller panicked")??;
        }
    }
    while let Some(done) = calls.join_next().await {
        done.context("a caller panicked")??;
    }
    if !healthy.wait_for(warm + events, PATIENCE).await {
        bail!("{} of {} messages arrived at the healthy listener", healthy.received(), warm + events);
    }
    let arrivals: std::collections::HashMap<u64, Instant> = healthy.arrivals().into_iter().collect();
    let mut latencies: Vec<Duration> =
        sent.iter().filter_map(|(number, at)| arrivals.get(number).map(|arrived| arrived.saturating_duration_since(*at))).collect();
    let held = hanging.received();
    server.stop().await?;
    Ok((quantile(&mut latencies, 0.99), if with_hanging { warm + events } else { 0 }, held))
}
