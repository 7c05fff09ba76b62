//! The load generator: posts events and notes when each was due and when it was answered.
//!
//! A closed loop has a fixed number of callers, each of which waits for its answer: it finds out how much goes through. An open
//! loop posts at a fixed rate whatever became of the posts before, and counts from the moment at which a post was *due*: a
//! server that stalls is charged for everything that should have been posted meanwhile (coordinated omission).

use std::{
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use http::Method;

use super::payload;
use crate::caller::Api;

/// Where events are posted, and what they are.
#[derive(Clone)]
pub(crate) struct Load {
    /// The server.
    pub(crate) api: Api,
    /// The path of its events.
    pub(crate) path: String,
    /// Size of the data, in bytes.
    pub(crate) bytes: usize,
    /// Events in one request; more than one go as an array.
    pub(crate) per_request: u64,
    /// The names of the events, in turn.
    pub(crate) names: Arc<Vec<String>>,
}

/// One request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent {
    /// When it was written, or should have been.
    pub(crate) due: Instant,
    /// When its 202 had been read.
    pub(crate) answered: Instant,
}

/// What was sent.
#[derive(Debug)]
pub(crate) struct Sending {
    from: u64,
    per_request: u64,
    requests: Vec<Sent>,
}

impl Sending {
    /// The request that carried an event.
    pub(crate) fn of(&self, number: u64) -> Option<&Sent> {
        let at = number.checked_sub(self.from)? / self.per_request;
        self.requests.get(usize::try_from(at).ok()?)
    }

    /// From due to answered, of every request.
    pub(crate) fn answered_after(&self) -> Vec<Duration> {
        self.requests.iter().map(|sent| sent.answered.saturating_duration_since(sent.due)).collect()
    }

    /// From the first request to the last answer.
    pub(crate) fn took(&self) -> Duration {
        let first = self.requests.iter().map(|sent| sent.due).min();
        let last = self.requests.iter().map(|sent| sent.answered).max();
        first.zip(last).map_or(Duration::ZERO, |(first, last)| last.saturating_duration_since(first))
    }
}

impl Load {
    /// Events posted one by one, all of one name.
    pub(crate) fn new(api: Api, path: String, bytes: usize) -> Self {
        Self { api, path, bytes, per_request: 1, names: Arc::new(vec![payload::EVENT.to_owned()]) }
    }

    /// Posts events as fast as `in_flight` callers do.
    ///
    /// # Errors
    /// When a request fails or is not answered with success.
    pub(crate) async fn closed(&self, events: Range<u64>, in_flight: usize) -> anyhow::Result<Sending> {
        let next = Arc::new(AtomicU64::new(0));
        let requests = (events.end - events.start).div_ceil(self.per_request);
        let callers: Vec<_> = (0..in_flight.max(1))
            .map(|_| {
                let (load, next, events) = (self.clone(), Arc::clone(&next), events.clone());
                tokio::spawn(async move {
                    let mut sent = Vec::new();
                    loop {
                        let request = next.fetch_add(1, Ordering::Relaxed);
                        if request >= requests {
                            return Ok::<_, anyhow::Error>(sent);
                        }
                        let body = load.body(&events, request);
                        let due = Instant::now();
                        load.post(body).await?;
                        sent.push((request, Sent { due, answered: Instant::now() }));
                    }
                })
            })
            .collect();
        let mut all = Vec::with_capacity(usize::try_from(requests).unwrap_or(0));
        for caller in callers {
            all.extend(caller.await.context("a caller panicked")??);
        }
        all.sort_unstable_by_key(|(request, _)| *request);
        Ok(self.sending(&events, all.into_iter().map(|(_, sent)| sent).collect()))
    }

    /// Posts `per_second` requests a second.
    ///
    /// # Errors
    /// When a request fails or is not answered with success.
    pub(crate) async fn open(&self, events: Range<u64>, per_second: u64) -> anyhow::Result<Sending> {
        let requests = (events.end - events.start).div_ceil(self.per_request);
        let (load, of, runtime) = (self.clone(), events.clone(), tokio::runtime::Handle::current());
        // A thread of its own keeps the beat: the runtime's timers go by whole milliseconds, which would be half of what is measured.
        let beat = tokio::task::spawn_blocking(move || {
            let began = Instant::now();
            let mut posts = Vec::with_capacity(usize::try_from(requests).unwrap_or(0));
            for request in 0..requests {
                let body = load.body(&of, request);
                let due = began + Duration::from_nanos(request * 1_000_000_000 / per_second.max(1));
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
                let load = load.clone();
                posts.push(runtime.spawn(async move {
                    load.post(body).await?;
                    Ok::<_, anyhow::Error>(Sent { due, answered: Instant::now() })
                }));
            }
            posts
        });
        let mut sent = Vec::new();
        for post in beat.await.context("the beat panicked")? {
            sent.push(post.await.context("a caller panicked")??);
        }
        Ok(self.sending(&events, sent))
    }

    fn sending(&self, events: &Range<u64>, requests: Vec<Sent>) -> Sending {
        Sending { from: events.start, per_request: self.per_request, requests }
    }

    fn body(&self, events: &Range<u64>, request: u64) -> String {
        let first = events.start + request * self.per_request;
        let name = |number: u64| self.names[usize::try_from(number).unwrap_or(0) % self.names.len()].as_str();
        if self.per_request == 1 {
            return payload::event(first, self.bytes, name(first));
        }
        let last = (first + self.per_request).min(events.end);
        let array: Vec<String> = (first..last).map(|number| payload::event(number, self.bytes, name(number))).collect();
        format!("[{}]", array.join(","))
    }

    async fn post(&self, body: String) -> anyhow::Result<()> {
        let (status, answer) = self.api.call(Method::POST, &self.path, body).await?;
        if !status.is_success() {
            bail!("an event was answered {status}: {}", String::from_utf8_lossy(&answer));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_found_with_the_request_that_carried_it() {
        let at = Instant::now();
        let sent = |late| Sent { due: at, answered: at + Duration::from_millis(late) };
        let sending = Sending { from: 10, per_request: 4, requests: vec![sent(1), sent(2), sent(3)] };
        let answered = |number| sending.of(number).map(|sent| sent.answered.duration_since(at).as_millis());
        assert_eq!([9, 10, 13, 14, 21, 22].map(answered), [None, Some(1), Some(1), Some(2), Some(3), None]);
        assert_eq!(sending.took(), Duration::from_millis(3));
    }

    #[test]
    fn the_last_array_is_as_long_as_what_is_left() {
        let load = Load { per_request: 4, ..Load::new(Api::new(String::new(), String::new(), 1), String::new(), 300) };
        let lengths = [0, 1].map(|request| {
            let array: Vec<serde_json::Value> = serde_json::from_str(&load.body(&(10..16), request)).expect("an array");
            array.len()
        });
        assert_eq!(lengths, [4, 2]);
    }

    #[test]
    fn names_go_round() {
        let names = Arc::new(vec!["bench.0".to_owned(), "bench.1".to_owned()]);
        let load = Load { names, ..Load::new(Api::new(String::new(), String::new(), 1), String::new(), 300) };
        assert!(load.body(&(10..16), 1).contains("\"event\":\"bench.1\""));
    }
}
