//! The inbox: messages verified and durably stored a second, beside a bare axum handler that reads the body and answers 200. Both are
//! processes of their own under the same load, one after the other.

use std::{
    net::SocketAddr,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use bytes::Bytes;
use countersign_core::Timestamp;
use countersign_signature::{HmacKey, sign};
use futures_util::FutureExt as _;
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};

use crate::{
    bench::{
        aim::{Aim, Bound},
        bare_handler::{self, LISTENER_PATH, started},
        course::{PATIENCE, count},
        figure,
        own_process::{OwnProcess, this_program},
        payload,
        process_figures::{cpu_seconds, memory},
        profile::{Plan, Profile},
        progress::Progress,
        reading::Reading,
        sink::{Manner, Sink},
    },
    caller::{Pool, pool},
};

/// See the module.
pub(crate) static PROFILE: Profile = Profile {
    name: "listen",
    about: "The durable inbox: messages verified and stored, beside a bare axum handler that answers 200",
    rounds: 5,
    in_flight: 256,
    aims: &[Aim::of_all(&figure::SHARE_OF_HANDLER, Bound::AtLeast(0.35))],
    run: |plan, progress| run(plan, progress).boxed(),
};

/// The key that messages are signed with.
const KEY: &str = "YmVuY2gga2V5IGJlbmNoIGtleSBiZW5jaCBrZXkhIQ==";
/// Messages of a round, beside those that warm it up.
const MESSAGES: u64 = 20_000;
/// When the first message was generated: 2026-11-22T10:00:00Z.
const FIRST_GENERATED_AT: Timestamp = Timestamp::from_secs(1_795_341_600);

/// One message, ready to be sent.
struct Prepared {
    headers: HeaderMap,
    body: Bytes,
}

async fn run(plan: Plan, progress: Progress) -> anyhow::Result<Vec<Reading>> {
    let (events, bytes) = (plan.events_or(MESSAGES).max(100), plan.bytes_or(2_048));
    let warm = (events / 10).max(64);
    let messages = Arc::new(prepare(warm + events, bytes)?);
    let what = format!("{events} messages of {bytes} bytes, {} requests in flight", plan.in_flight);
    let mut readings = Vec::new();
    for round in 1..=plan.rounds {
        progress.stage(format!("the inbox, round {round} of {}", plan.rounds), 3);
        let (target, child) = bare_handler::in_its_own_process().await?;
        let (bare_rate, bare_cpu) = measured(&child, target, &messages, warm, plan.in_flight, None).await?;
        drop(child);
        progress.step(1);

        // Nothing listens there any more: all that is measured is what the sender waits for.
        let nobody = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let folder = tempfile::tempdir().context("a folder for the inbox")?;
        let (target, child) = listener(folder.path(), nobody).await?;
        let (stored_rate, stored_cpu) = measured(&child, target, &messages, warm, plan.in_flight, None).await?;
        let (_, peak) = memory(child.id().context("the listener has ended")?)?;
        drop(child);
        progress.step(1);

        let sink = Sink::start(Manner::Prompt)?;
        let folder = tempfile::tempdir().context("a folder for the inbox")?;
        let (target, child) = listener(folder.path(), sink.address).await?;
        let (passed_on_rate, _) = measured(&child, target, &messages, warm, plan.in_flight, Some(&sink)).await?;
        drop(child);
        progress.step(1);
        let reading = Reading::of("the inbox", what.clone())
            .with(&figure::VERIFIED_PER_SECOND, stored_rate)
            .with(&figure::BARE_HANDLER_PER_SECOND, bare_rate)
            .with(&figure::SHARE_OF_HANDLER, stored_rate / bare_rate)
            .with(&figure::PASSED_ON_PER_SECOND, passed_on_rate)
            .with(&figure::INTAKE_CPU_PER_1000, stored_cpu)
            .with(&figure::HANDLER_CPU_PER_1000, bare_cpu)
            .with(&figure::PEAK_MEMORY, count(peak));
        readings.push(reading);
    }
    Ok(readings)
}

/// Signed messages, each about an envelope of its own and generated a millisecond after the one before. Made before, so that the load
/// generator costs as little as it can.
fn prepare(count: u64, bytes: usize) -> anyhow::Result<Vec<Prepared>> {
    let key = HmacKey::try_new(KEY)?;
    (0..count)
        .map(|number| {
            let generated_at = FIRST_GENERATED_AT + Duration::from_millis(number);
            let body = Bytes::from(format!(
                "{{\"event\":\"envelope-completed\",\"apiVersion\":\"v2.1\",\"uri\":\"/restapi/v2.1/accounts/8b411bfe/envelopes/{number}\",\
                 \"retryCount\":0,\"configurationId\":10000001,\"generatedDateTime\":\"{}\",\"data\":{}}}",
                generated_at.to_seven_digits(),
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
    child: &OwnProcess,
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
    let counted = count(all - warm);
    Ok((counted / elapsed, cpu / counted * 1_000.0))
}

async fn post_all(
    client: &Pool,
    target: SocketAddr,
    messages: &Arc<Vec<Prepared>>,
    (from, to): (u64, u64),
    in_flight: usize,
) -> anyhow::Result<()> {
    let next = Arc::new(AtomicU64::new(from));
    let url = format!("http://{target}{LISTENER_PATH}");
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
async fn listener(folder: &Path, application: SocketAddr) -> anyhow::Result<(SocketAddr, OwnProcess)> {
    let forward = format!("http://{application}/connect");
    let mut command = this_program()?;
    command.args(["listen", "--port", "0", "--hmac-key", KEY, "--forward", &forward, "--quiet", "--log", "error", "--store"]);
    command.arg(folder.join("inbox"));
    started(command, "countersign listens on http://").await
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
}
