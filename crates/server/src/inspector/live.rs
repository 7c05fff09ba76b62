//! The live stream of a bin, by server-sent events (WHATWG HTML §9.2).
//!
//! Each arrival is an event `arrival` with the arrival's id and its line of the list. A client that comes back with `Last-Event-ID` gets
//! what it missed, as far as it is still kept. A client too slow to follow is told by an event `gap` how many it missed.

use std::{collections::VecDeque, convert::Infallible, sync::Arc, time::Duration};

use axum::response::{
    IntoResponse, Response, Sse,
    sse::{Event, KeepAlive},
};
use countersign_core::id::ArrivalId;
use futures_util::stream;
use http::{HeaderValue, StatusCode};
use tokio::sync::{
    OwnedSemaphorePermit,
    broadcast::{Receiver, error::RecvError},
};
use tokio_util::sync::CancellationToken;

use super::{bin::BinId, memory::Line};
use crate::{failure::Failure, inspector::Inspector};

/// A comment is sent so often, so that proxies do not take the stream for dead.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How long a client waits before it comes back.
const RETRY: Duration = Duration::from_secs(2);

struct Following {
    missed: VecDeque<Line>,
    live: Receiver<Line>,
    last: Option<ArrivalId>,
    stopping: CancellationToken,
    begun: bool,
    _place: OwnedSemaphorePermit,
}

/// The stream from now on, or from after an arrival that the client has seen.
///
/// # Errors
/// 503 when there are too many streams.
pub fn stream(inspector: &Inspector, bin: &BinId, after: Option<ArrivalId>, stopping: CancellationToken) -> Result<Response, Failure> {
    let place = Arc::clone(&inspector.streams).try_acquire_owned().map_err(|_| {
        let mut failure = Failure::new(StatusCode::SERVICE_UNAVAILABLE, "TOO_MANY_STREAMS", "too many live streams are open; close one");
        failure.retry_after = Some(5);
        failure
    })?;
    let (missed, live) = inspector.memory.follow(bin, after, (inspector.clock)());
    let following = Following { missed: missed.into(), live, last: after, stopping, begun: false, _place: place };
    let events = stream::unfold(following, |mut following| async move {
        let event = following.next().await?;
        Some((Ok::<_, Infallible>(event), following))
    });
    let mut response = Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response();
    // nginx would collect the events.
    response.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

impl Following {
    /// The next event; `None` when the bin is gone or the process stops.
    async fn next(&mut self) -> Option<Event> {
        if !self.begun {
            // The head of the answer is only sent with its first bytes.
            self.begun = true;
            return Some(Event::default().retry(RETRY).comment("live"));
        }
        if let Some(line) = self.missed.pop_front() {
            self.last = Some(line.id);
            return Some(arrival(&line));
        }
        loop {
            let line = tokio::select! {
                line = self.live.recv() => line,
                () = self.stopping.cancelled() => return None,
            };
            match line {
                // What was read from the memory already.
                Ok(line) if self.last.is_some_and(|last| line.id <= last) => {}
                Ok(line) => {
                    self.last = Some(line.id);
                    return Some(arrival(&line));
                }
                Err(RecvError::Lagged(missed)) => return Some(Event::default().event("gap").data(format!("{{\"missed\":{missed}}}"))),
                Err(RecvError::Closed) => return None,
            }
        }
    }
}

fn arrival(line: &Line) -> Event {
    Event::default().event("arrival").id(line.id.to_string()).data(&*line.text)
}
