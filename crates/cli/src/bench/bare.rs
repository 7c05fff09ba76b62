//! The bare client: what a POST with an HMAC costs with nothing around it. Runs as a process of its own, so that the operating
//! system accounts for it alone: hyper-util's client, one worker thread, a fixed number in flight.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use anyhow::Context;
use bytes::Bytes;
use countersign_signature::{HmacKey, sign};
use http::{Request, header};
use http_body_util::{BodyExt, Full};
use serde::{Deserialize, Serialize};

use super::{payload, process_figures::cpu_seconds};
use crate::caller::pool;

/// What the bare client did.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Bare {
    /// POSTs a second.
    pub(crate) posts_per_second: f64,
    /// Processor seconds for 1,000 POSTs.
    pub(crate) cpu_seconds_per_1000: f64,
}

/// Posts `count` messages to the sink, on a runtime of one thread.
pub(crate) fn run(sink: SocketAddr, count: u64, bytes: usize, in_flight: usize) -> anyhow::Result<Bare> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(post_all(sink, count, bytes, in_flight))
}

async fn post_all(sink: SocketAddr, count: u64, bytes: usize, in_flight: usize) -> anyhow::Result<Bare> {
    let key = HmacKey::try_new("YmVuY2gga2V5IGJlbmNoIGtleSBiZW5jaCBrZXkhIQ==")?;
    let url = format!("http://{sink}/bare");
    let client = pool(in_flight);
    let next = Arc::new(AtomicU64::new(0));
    let mut cpu_before = cpu_seconds(std::process::id())?;
    let mut began = Instant::now();
    // The first tenth warms connections up and is not counted.
    let warm = count / 10;
    for (from, to) in [(0, warm), (warm, warm + count)] {
        next.store(from, Ordering::Relaxed);
        cpu_before = cpu_seconds(std::process::id())?;
        began = Instant::now();
        let tasks: Vec<_> = (0..in_flight)
            .map(|_| {
                let (client, key, url, next) = (client.clone(), key.clone(), url.clone(), Arc::clone(&next));
                tokio::spawn(async move {
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        if number >= to {
                            return Ok::<(), anyhow::Error>(());
                        }
                        let body = Bytes::from(payload::data(number, bytes));
                        let mut request = Request::post(&url).header(header::CONTENT_TYPE, "application/json");
                        for (name, value) in sign(std::slice::from_ref(&key), &body).iter() {
                            request = request.header(name, value);
                        }
                        let answer = client.request(request.body(Full::new(body))?).await?;
                        answer.into_body().collect().await?;
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.context("the bare client panicked")??;
        }
    }
    let elapsed = began.elapsed().as_secs_f64();
    let cpu = cpu_seconds(std::process::id())? - cpu_before;
    #[expect(clippy::cast_precision_loss, reason = "a count of posts")]
    let count = count as f64;
    Ok(Bare { posts_per_second: count / elapsed, cpu_seconds_per_1000: cpu / count * 1_000.0 })
}

/// Runs it as a process of its own against `sink`.
pub(crate) async fn in_its_own_process(sink: SocketAddr, count: u64, bytes: usize, in_flight: usize) -> anyhow::Result<Bare> {
    let output = tokio::process::Command::new(std::env::current_exe()?)
        .args(["bench", "bare-client", &sink.to_string()])
        .args(["--events", &count.to_string(), "--bytes", &bytes.to_string(), "--in-flight", &in_flight.to_string()])
        .output()
        .await
        .context("starting the bare client")?;
    anyhow::ensure!(output.status.success(), "the bare client failed: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).context("reading the bare client's figures")
}
