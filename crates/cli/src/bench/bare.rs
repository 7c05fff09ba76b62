//! The bare client: what a POST with an HMAC costs with nothing around it. Runs as a process of its own, so that the operating
//! system accounts for it alone: hyper-util's client, one worker thread, a fixed number in flight.

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use anyhow::Context;
use bytes::Bytes;
use clap::Args;
use countersign_signature::{HmacKey, sign};
use http::{Request, header};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, connect::Connect},
    rt::TokioExecutor,
};
use serde::{Deserialize, Serialize};

use super::{bare_tls::Connector, own_process::this_program, payload, process_figures::cpu_seconds};
use crate::caller::pool;

/// What the bare client is asked to do; the arguments of the process.
#[derive(Args, Clone, Debug)]
pub(crate) struct Errand {
    /// The sink
    pub(crate) sink: SocketAddr,
    /// Messages to post
    #[arg(long)]
    pub(crate) posts: u64,
    /// Size of their bodies
    #[arg(long)]
    pub(crate) body_bytes: usize,
    /// Requests at once
    #[arg(long)]
    pub(crate) at_once: usize,
    /// Keys that sign each
    #[arg(long)]
    pub(crate) keys: usize,
    /// Post over TLS and trust this CA
    #[arg(long)]
    pub(crate) ca: Option<PathBuf>,
    /// Send a bearer token of so many bytes
    #[arg(long)]
    pub(crate) bearer_bytes: Option<usize>,
}

/// What the bare client did.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Bare {
    /// POSTs a second.
    pub(crate) posts_per_second: f64,
    /// Processor seconds for 1,000 POSTs.
    pub(crate) cpu_seconds_per_1000: f64,
}

/// Posts, on a runtime of one thread.
pub(crate) fn run(errand: &Errand) -> anyhow::Result<Bare> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        match &errand.ca {
            None => post_all(errand, pool(errand.at_once), "http").await,
            Some(ca) => {
                let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(errand.at_once).build(Connector::trusting(ca)?);
                post_all(errand, client, "https").await
            }
        }
    })
}

async fn post_all<C>(errand: &Errand, client: Client<C, Full<Bytes>>, scheme: &str) -> anyhow::Result<Bare>
where
    C: Connect + Clone + Send + Sync + 'static,
{
    let key = |number: usize| HmacKey::try_new(format!("YmVuY2gga2V5IGJlbmNoIGtleSBiZW5jaCBrZXkh{number:04}"));
    let keys = Arc::new((0..errand.keys).map(key).collect::<Result<Vec<_>, _>>()?);
    let url = format!("{scheme}://{}/bare", errand.sink);
    let bearer = errand.bearer_bytes.map(|bytes| format!("Bearer {}", "t".repeat(bytes)));
    let next = Arc::new(AtomicU64::new(0));
    let mut cpu_before = cpu_seconds(std::process::id())?;
    let mut began = Instant::now();
    // The first tenth warms connections up and is not counted.
    let warm = errand.posts / 10;
    for (from, to) in [(0, warm), (warm, warm + errand.posts)] {
        next.store(from, Ordering::Relaxed);
        cpu_before = cpu_seconds(std::process::id())?;
        began = Instant::now();
        let tasks: Vec<_> = (0..errand.at_once)
            .map(|_| {
                let (client, keys, url, next) = (client.clone(), Arc::clone(&keys), url.clone(), Arc::clone(&next));
                let (bearer, bytes) = (bearer.clone(), errand.body_bytes);
                tokio::spawn(async move {
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        if number >= to {
                            return Ok::<(), anyhow::Error>(());
                        }
                        let body = Bytes::from(payload::data(number, bytes));
                        let mut request = Request::post(&url).header(header::CONTENT_TYPE, "application/json");
                        if let Some(bearer) = &bearer {
                            request = request.header(header::AUTHORIZATION, bearer);
                        }
                        for (name, value) in sign(&keys, &body).iter() {
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
    let count = errand.posts as f64;
    Ok(Bare { posts_per_second: count / elapsed, cpu_seconds_per_1000: cpu / count * 1_000.0 })
}

/// Runs it as a process of its own.
pub(crate) async fn in_its_own_process(errand: &Errand) -> anyhow::Result<Bare> {
    let mut command = this_program()?;
    command.args(["bench", "bare-client", &errand.sink.to_string(), "--posts", &errand.posts.to_string()]);
    command.args(["--body-bytes", &errand.body_bytes.to_string(), "--at-once", &errand.at_once.to_string()]);
    command.args(["--keys", &errand.keys.to_string()]);
    if let Some(ca) = &errand.ca {
        command.arg("--ca").arg(ca);
    }
    if let Some(bytes) = errand.bearer_bytes {
        command.args(["--bearer-bytes", &bytes.to_string()]);
    }
    let output = command.output().await.context("starting the bare client")?;
    anyhow::ensure!(output.status.success(), "the bare client failed: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).context("reading the bare client's figures")
}
