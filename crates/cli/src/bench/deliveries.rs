//! Deliveries: events posted by a closed loop of callers, each delivered to `fan_out` subscriptions, signed and durable.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use http::Method;
use serde::Serialize;

use super::{
    bare::{self, Bare},
    child::Server,
    payload,
    process_figures::{cpu_seconds, memory},
    quantile::{millis, quantile},
    sink::{Manner, Sink},
};

/// A run that gets nothing for so long is given up.
const PATIENCE: Duration = Duration::from_secs(30);

/// How a run is made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// Events posted and counted.
    pub(crate) events: u64,
    /// Size of `data`, in bytes.
    pub(crate) bytes: usize,
    /// Requests at once.
    pub(crate) in_flight: usize,
    /// Subscriptions that want each event.
    pub(crate) fan_out: u64,
}

/// What came of it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Figures {
    /// Subscriptions that wanted each event.
    pub(crate) fan_out: u64,
    /// Events posted.
    pub(crate) events: u64,
    /// Deliveries a second, from the first request to the last arrival.
    pub(crate) deliveries_per_second: f64,
    /// Milliseconds from the request being written to its message arriving at the sink.
    pub(crate) accept_to_received_p50_ms: f64,
    /// The same, 99 of 100.
    pub(crate) accept_to_received_p99_ms: f64,
    /// Milliseconds from the request being written to its 202.
    pub(crate) accepted_p50_ms: f64,
    /// The same, 99 of 100.
    pub(crate) accepted_p99_ms: f64,
    /// Processor seconds of the server for 1,000 deliveries, intake included.
    pub(crate) cpu_seconds_per_1000: f64,
    /// Peak resident memory of the server, in bytes.
    pub(crate) peak_memory_bytes: u64,
    /// Bytes on disk for one event with its deliveries and attempts.
    pub(crate) disk_bytes_per_event: u64,
    /// The bare client in the same run.
    pub(crate) bare: Bare,
    /// Deliveries a second over the bare client's POSTs a second.
    pub(crate) rate_of_bare: f64,
    /// Processor time of a delivery over that of a bare POST.
    pub(crate) cpu_of_bare: f64,
}

/// One run with a fresh server.
pub(crate) async fn run(plan: Plan) -> anyhow::Result<Figures> {
    let folder = tempfile::tempdir().context("a folder for the server's data")?;
    let sink = Sink::start(Manner::Prompt)?;
    let server = Server::start(folder.path(), &[]).await?;
    server.make_key().await?;
    for number in 0..plan.fan_out {
        server.subscribe(&format!("bench {number}"), &format!("http://{}/s{number}", sink.address), "envelope-completed").await?;
    }
    let warm = (plan.events / 10).max(64);
    post(&server, &sink, plan, 0, warm).await?;
    sink.clear();
    let pid = server.pid()?;
    let disk_before = server.disk_bytes();
    let cpu_before = cpu_seconds(pid)?;
    let began = Instant::now();
    let (sent, mut accepted) = post(&server, &sink, plan, warm, warm + plan.events).await?;
    let cpu = cpu_seconds(pid)? - cpu_before;
    let disk = server.disk_bytes().saturating_sub(disk_before);
    let arrivals = sink.arrivals();
    let last = arrivals.iter().map(|(_, at)| *at).max().unwrap_or(began);
    let mut latencies: Vec<Duration> =
        arrivals.iter().filter_map(|(number, at)| sent.get(number).map(|sent| at.saturating_duration_since(*sent))).collect();
    let (_, peak_memory_bytes) = memory(pid)?;
    server.stop().await?;

    sink.clear();
    let posts = (plan.events * plan.fan_out).max(10_000);
    let bare = bare::in_its_own_process(sink.address, posts, plan.bytes, plan.in_flight).await?;
    #[expect(clippy::cast_precision_loss, reason = "a count of deliveries")]
    let deliveries = (plan.events * plan.fan_out) as f64;
    let deliveries_per_second = deliveries / last.saturating_duration_since(began).as_secs_f64();
    let cpu_seconds_per_1000 = cpu / deliveries * 1_000.0;
    Ok(Figures {
        fan_out: plan.fan_out,
        events: plan.events,
        deliveries_per_second,
        accept_to_received_p50_ms: millis(quantile(&mut latencies, 0.5)),
        accept_to_received_p99_ms: millis(quantile(&mut latencies, 0.99)),
        accepted_p50_ms: millis(quantile(&mut accepted, 0.5)),
        accepted_p99_ms: millis(quantile(&mut accepted, 0.99)),
        cpu_seconds_per_1000,
        peak_memory_bytes,
        disk_bytes_per_event: disk / plan.events.max(1),
        bare,
        rate_of_bare: deliveries_per_second / bare.posts_per_second,
        cpu_of_bare: cpu_seconds_per_1000 / bare.cpu_seconds_per_1000,
    })
}

/// When each event was sent, and how long each answer took.
type Sent = (HashMap<u64, Instant>, Vec<Duration>);

/// Posts events `from..to` and waits until all their deliveries have arrived.
async fn post(server: &Server, sink: &Sink, plan: Plan, from: u64, to: u64) -> anyhow::Result<Sent> {
    let next = Arc::new(AtomicU64::new(from));
    let sent = Arc::new(Mutex::new((HashMap::new(), Vec::new())));
    let path = format!("{}/events", server.account_path);
    let tasks: Vec<_> = (0..plan.in_flight)
        .map(|_| {
            let (api, path, next, sent) = (server.api.clone(), path.clone(), Arc::clone(&next), Arc::clone(&sent));
            tokio::spawn(async move {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= to {
                        return Ok::<(), anyhow::Error>(());
                    }
                    let body = payload::event(number, plan.bytes);
                    let at = Instant::now();
                    let (status, answer) = api.call(Method::POST, &path, body).await?;
                    if !status.is_success() {
                        bail!("an event was answered {status}: {}", String::from_utf8_lossy(&answer));
                    }
                    let took = at.elapsed();
                    let mut sent = sent.lock().unwrap_or_else(PoisonError::into_inner);
                    sent.0.insert(number, at);
                    sent.1.push(took);
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.context("a caller panicked")??;
    }
    let expected = (to - from) * plan.fan_out;
    if !sink.wait_for(expected, PATIENCE).await {
        bail!("{} of {expected} messages arrived and then nothing for {} seconds", sink.received(), PATIENCE.as_secs());
    }
    Ok(std::mem::take(&mut *sent.lock().unwrap_or_else(PoisonError::into_inner)))
}
