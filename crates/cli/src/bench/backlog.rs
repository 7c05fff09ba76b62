//! Backlog: many deliveries waiting for a listener that is down. How much memory does the server take, how fast does it start?

use std::time::Duration;

use anyhow::Context;
use http::Method;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use super::{child::Server, payload, process_figures::memory};

/// Events in one request.
const PER_REQUEST: u64 = 1_000;

/// What came of it.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Figures {
    /// Deliveries waiting.
    pub(crate) waiting: u64,
    /// Peak resident memory while they were taken in, in bytes.
    pub(crate) peak_memory_bytes: u64,
    /// Resident memory of a fresh process over them, some seconds after its start, in bytes.
    pub(crate) memory_after_restart_bytes: u64,
    /// From the start of the process to the first request taken, in milliseconds.
    pub(crate) start_ms: f64,
    /// Events accepted a second, in arrays of 1,000.
    pub(crate) accepted_per_second: f64,
}

/// Fills a fresh server with `rows` waiting deliveries of `bytes` each and starts it again.
pub(crate) async fn run(rows: u64, bytes: usize) -> anyhow::Result<Figures> {
    let folder = tempfile::tempdir().context("a folder for the server's data")?;
    // A port that was free a moment ago and that nothing listens on.
    let dead = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let server = Server::start(folder.path(), &[]).await?;
    server.make_key().await?;
    server.subscribe("down", &format!("http://{dead}/down"), "envelope-completed").await?;
    let path = format!("{}/events", server.account_path);
    let bar = ProgressBar::new(rows).with_style(
        ProgressStyle::with_template("{msg} {bar:40} {human_pos}/{human_len} {per_sec} {eta}")
            .unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    bar.set_message("taking in");
    let began = std::time::Instant::now();
    let mut from = 0;
    while from < rows {
        let to = (from + PER_REQUEST).min(rows);
        let body: Vec<String> = (from..to).map(|number| payload::event(number, bytes)).collect();
        server.api.expect(Method::POST, &path, format!("[{}]", body.join(","))).await?;
        bar.inc(to - from);
        from = to;
    }
    bar.finish_and_clear();
    #[expect(clippy::cast_precision_loss, reason = "a count of events")]
    let accepted_per_second = rows as f64 / began.elapsed().as_secs_f64();
    let (_, peak_memory_bytes) = memory(server.pid()?)?;
    server.stop().await?;

    let server = Server::start(folder.path(), &[]).await?;
    let start_ms = server.started_in.as_secs_f64() * 1_000.0;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let (_, memory_after_restart_bytes) = memory(server.pid()?)?;
    server.stop().await?;
    Ok(Figures { waiting: rows, peak_memory_bytes, memory_after_restart_bytes, start_ms, accepted_per_second })
}
