//! The inbox: messages verified and durably stored a second, beside a bare axum handler that reads the body and answers 200. Both are
//! processes of their own under the same load, one after the other, several times; the medians count.

use std::{
    net::SocketAddr,
    path::Path,
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use axum::{Router, http::StatusCode, routing::post};
use bytes::Bytes;
use countersign_signature::{HmacKey, sign};
use http::{HeaderMap, HeaderName, HeaderValue, Request, header};
use http_body_util::{BodyExt, Full};
use serde::Serialize;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

use super::{
    payload,
    process_figures::cpu_seconds,
    sink::{Manner, Sink},
};
use crate::caller::{Pool, pool};

/// The key that messages are signed with.
const KEY: &str = "YmVuY2gga2V5IGJlbmNoIGtleSBiZW5jaCBrZXkhIQ==";
/// How long a start may take.
const START_MAX: Duration = Duration::from_secs(60);
/// A run that gets nothing for so long is given up.
const PATIENCE: Duration = Duration::from_secs(30);

/// How it is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// Messages in a run, beside those that warm it up.
    pub(crate) messages: u64,
    /// Size of their data, in bytes.
    pub(crate) bytes: usize,
    /// Requests at once.
    pub(crate) in_flight: usize,
    /// Runs of each.
    pub(crate) runs: usize,
}

/// What came of it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Figures {
    /// Messages in each run.
    pub(crate) messages: u64,
    /// Messages verified and on stable storage a second while the application is down: the median.
    pub(crate) stored_per_second: f64,
    /// Requests answered a second by the bare handler: the median.
    pub(crate) bare_per_second: f64,
    /// The one over the other.
    pub(crate) share_of_bare: f64,
    /// Messages verified, stored and taken by a prompt application a second: the median.
    pub(crate) passed_on_per_second: f64,
    /// Processor seconds of the listener for 1,000 messages, while the application is down: the median.
    pub(crate) cpu_seconds_per_1000: f64,
    /// Processor seconds of the bare handler for 1,000 requests: the median.
    pub(crate) bare_cpu_seconds_per_1000: f64,
    /// All runs of the three: per second.
    pub(crate) runs: Runs,
}

/// Every run, in order.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Runs {
    /// Of the listener whose application is down.
    pub(crate) stored: Vec<f64>,
    /// Of the bare handler.
    pub(crate) bare: Vec<f64>,
    /// Of the listener whose application takes everything.
    pub(crate) passed_on: Vec<f64>,
}

/// One message, ready to be sent.
struct Prepared {
    headers: HeaderMap,
    body: Bytes,
}

/// Measures.
pub(crate) async fn run(plan: Plan) -> anyhow::Result<Figures> {
    let warm = (plan.messages / 10).max(64);
    let messages = Arc::new(prepare(warm + plan.messages, plan.bytes)?);
    let (mut runs, mut cpu, mut bare_cpu) = (Runs::default(), Vec::new(), Vec::new());
    for _ in 0..plan.runs.max(1) {
        let (target, child) = bare_listener().await?;
        let (rate, took) = measured(&child, target, &messages, warm, plan.in_flight, None).await?;
        runs.bare.push(rate);
        bare_cpu.push(took);
        drop(child);

        // Nothing listens there any more: all that is measured is what the sender waits for.
        let nobody = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let folder = tempfile::tempdir().context("a folder for the inbox")?;
        let (target, child) = listener(folder.path(), nobody).await?;
        let (rate, took) = measured(&child, target, &messages, warm, plan.in_flight, None).await?;
        runs.stored.push(rate);
        cpu.push(took);
        drop(child);

        let sink = Sink::start(Manner::Prompt)?;
        let folder = tempfile::tempdir().context("a folder for the inbox")?;
        let (target, child) = listener(folder.path(), sink.address).await?;
        let (rate, _) = measured(&child, target, &messages, warm, plan.in_flight, Some(&sink)).await?;
        runs.passed_on.push(rate);
    }
    let (stored_per_second, bare_per_second) = (median(&runs.stored), median(&runs.bare));
    Ok(Figures {
        messages: plan.messages,
        stored_per_second,
        bare_per_second,
        share_of_bare: stored_per_second / bare_per_second,
        passed_on_per_second: median(&runs.passed_on),
        cpu_seconds_per_1000: median(&cpu),
        bare_cpu_seconds_per_1000: median(&bare_cpu),
        runs,
    })
}

/// Signed messages, each about an envelope of its own. Made before, so that the load generator costs as little as it can.
fn prepare(count: u64, bytes: usize) -> anyhow::Result<Vec<Prepared>> {
    let key = HmacKey::try_new(KEY)?;
    (0..count)
        .map(|number| {
            let body = Bytes::from(format!(
                "{{\"event\":\"envelope-completed\",\"apiVersion\":\"v2.1\",\"uri\":\"/restapi/v2.1/accounts/8b411bfe/envelopes/{number}\",\
                 \"retryCount\":0,\"configurationId\":10000001,\"generatedDateTime\":\"2026-11-22T10:00:00.0000000Z\",\"data\":{}}}",
                payload::data(number, bytes)
            ));
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
            for (name, value) in sign(std::slice::from_ref(&key), &body).iter() {
                headers.insert(HeaderName::from_bytes(name.as_bytes())?, HeaderValue::from_str(value)?);
            }
            Ok(Prepared { headers, body })
        })
        .collect()
}

/// Requests a second and processor seconds for 1,000 of them. With a sink the time runs until the last has arrived there.
async fn measured(
    child: &Child,
    target: SocketAddr,
    messages: &Arc<Vec<Prepared>>,
    warm: u64,
    in_flight: usize,
    sink: Option<&Sink>,
) -> anyhow::Result<(f64, f64)> {
    let pid = child.id().context("the process that is measured has ended")?;
    let client = pool(in_flight);
    let all = messages.len() as u64;
    post_all(&client, target, messages, (0, warm), in_flight).await?;
    if let Some(sink) = sink
        && !sink.wait_for(warm, PATIENCE).await
    {
        bail!("{} of {warm} messages were passed on and then nothing", sink.received());
    }
    let (cpu_before, began) = (cpu_seconds(pid)?, Instant::now());
    post_all(&client, target, messages, (warm, all), in_flight).await?;
    if let Some(sink) = sink
        && !sink.wait_for(all, PATIENCE).await
    {
        bail!("{} of {all} messages were passed on and then nothing", sink.received());
    }
    let elapsed = began.elapsed().as_secs_f64();
    let cpu = cpu_seconds(pid)? - cpu_before;
    #[expect(clippy::cast_precision_loss, reason = "a count of messages")]
    let count = (all - warm) as f64;
    Ok((count / elapsed, cpu / count * 1_000.0))
}

async fn post_all(
    client: &Pool,
    target: SocketAddr,
    messages: &Arc<Vec<Prepared>>,
    (from, to): (u64, u64),
    in_flight: usize,
) -> anyhow::Result<()> {
    let next = Arc::new(AtomicU64::new(from));
    let url = format!("http://{target}/connect");
    let tasks: Vec<_> = (0..in_flight)
        .map(|_| {
            let (client, next, messages, url) = (client.clone(), Arc::clone(&next), Arc::clone(messages), url.clone());
            tokio::spawn(async move {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(message) = usize::try_from(number).ok().filter(|_| number < to).and_then(|at| messages.get(at)) else {
                        return Ok::<(), anyhow::Error>(());
                    };
                    let mut request = Request::post(&url).body(Full::new(message.body.clone()))?;
                    request.headers_mut().clone_from(&message.headers);
                    let answer = client.request(request).await?;
                    if answer.status() != StatusCode::OK {
                        bail!("a message was answered {}", answer.status());
                    }
                    answer.into_body().collect().await?;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.context("a sender panicked")??;
    }
    Ok(())
}

/// `countersign listen` with a store in `folder`.
async fn listener(folder: &Path, application: SocketAddr) -> anyhow::Result<(SocketAddr, Child)> {
    let forward = format!("http://{application}/connect");
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["listen", "--port", "0", "--hmac-key", KEY, "--forward", &forward, "--quiet", "--log", "error", "--store"]);
    command.arg(folder.join("inbox"));
    started(command, "countersign listens on http://").await
}

/// The bare handler.
async fn bare_listener() -> anyhow::Result<(SocketAddr, Child)> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["bench", "bare-listener"]);
    started(command, "listens on ").await
}

async fn started(mut command: Command, beginning: &str) -> anyhow::Result<(SocketAddr, Child)> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true).spawn().context("starting what is measured")?;
    let mut lines = BufReader::new(child.stdout.take().context("its output")?).lines();
    let address = tokio::time::timeout(START_MAX, async {
        while let Some(line) = lines.next_line().await? {
            if let Some(address) = line.strip_prefix(beginning) {
                return Ok(address.parse()?);
            }
        }
        bail!("what is measured ended before it listened")
    })
    .await
    .context("what is measured did not start in time")??;
    // Read on, so that the pipe never fills.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    Ok((address, child))
}

/// Serves the bare handler until it is killed.
pub(crate) async fn serve_bare() -> anyhow::Result<()> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.context("the bare handler finds no free port")?;
    crate::output::line(&format!("listens on {}", listener.local_addr()?))?;
    let app = Router::new().route("/connect", post(async |_body: Bytes| StatusCode::OK));
    use axum::serve::ListenerExt as _;
    let listener = listener.tap_io(|stream| {
        // As the listener beside it does.
        let _ = stream.set_nodelay(true);
    });
    Ok(axum::serve(listener, app).await?)
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use countersign_signature::verify;

    use super::*;

    #[test]
    fn what_is_sent_is_signed_and_each_message_is_another() {
        let messages = prepare(3, 512).expect("messages");
        let key = HmacKey::try_new(KEY).expect("a key");
        for message in &messages {
            let headers = message.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
            assert!(verify(std::slice::from_ref(&key), headers, &message.body).is_ok());
        }
        assert_ne!(
            countersign_listener::ReplayKey::of_body(&messages[0].body),
            countersign_listener::ReplayKey::of_body(&messages[1].body)
        );
    }

    #[test]
    fn the_median_is_the_middle_one() {
        assert_eq!((median(&[3.0, 1.0, 2.0]), median(&[])), (2.0, 0.0));
    }
}
