//! How long a request body may take: strangers must not hold a connection, of which there is a bounded number, by sending a byte now
//! and then.
//!
//! A sender is waited for up to [`PATIENCE`] in all, and a second longer for each [`BYTES_PER_SECOND`] that came. So an upload of many
//! megabytes over a slow line goes through, and what is sent by drips ends. Only waiting for the sender counts: a handler that takes
//! its time between two pieces, since the store is behind, costs the sender nothing.

use std::{
    fmt,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::body::Body;
use bytes::Bytes;
use http::StatusCode;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::{Instant, Sleep};

use crate::failure::Failure;

/// How long a sender is waited for in all, however little comes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// Each so many bytes make it a second more: a line slower than this (128 kbit/s) is taken for no line.
const BYTES_PER_SECOND: u64 = 16 * 1024;

/// Tells afterwards whether a body took too long.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lateness(Arc<AtomicBool>);

impl Lateness {
    /// 408, if the body was broken off because it took too long: whatever the handler made of the break.
    pub(crate) fn failure(&self) -> Option<Failure> {
        self.0.load(Ordering::Acquire).then(|| {
            Failure::new(
                StatusCode::REQUEST_TIMEOUT,
                "REQUEST_TIMEOUT",
                format!(
                    "the request body came too slowly; send it within {} s, or faster than {BYTES_PER_SECOND} bytes a second",
                    PATIENCE.as_secs()
                ),
            )
        })
    }
}

/// How long a sender is waited for that gave so many bytes, and was waited for so long already.
fn left(patience: Duration, received: u64, waited: Duration) -> Duration {
    (patience + Duration::from_secs(received / BYTES_PER_SECOND)).saturating_sub(waited)
}

/// The body with an end to its patience, which is [`PATIENCE`] outside of tests; without one where nothing is to come.
pub(crate) fn in_time(body: Body, patience: Duration) -> (Body, Option<Lateness>) {
    if body.is_end_stream() {
        return (body, None);
    }
    let lateness = Lateness::default();
    let timed = TimedBody { body, patience, received: 0, waited: Duration::ZERO, waiting: None, lateness: lateness.clone() };
    (Body::new(timed), Some(lateness))
}

struct TimedBody {
    body: Body,
    patience: Duration,
    received: u64,
    /// How long the sender was waited for before, in all.
    waited: Duration,
    /// Since when it is waited for now, and until when it is.
    waiting: Option<(Instant, Pin<Box<Sleep>>)>,
    lateness: Lateness,
}

impl HttpBody for TimedBody {
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            if let Some((since, _)) = self.waiting.take() {
                self.waited += since.elapsed();
            }
            if let Some(Ok(data)) = frame.as_ref().map(|frame| frame.as_ref().map(Frame::data_ref)) {
                self.received += data.map_or(0, Bytes::len) as u64;
            }
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let left = left(self.patience, self.received, self.waited);
        let (_, until) = self.waiting.get_or_insert_with(|| (Instant::now(), Box::pin(tokio::time::sleep(left))));
        ready!(until.as_mut().poll(context));
        self.lateness.0.store(true, Ordering::Release);
        Poll::Ready(Some(Err(Box::new(TooSlow))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The sender took too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct TooSlow;

impl fmt::Display for TooSlow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the request body came too slowly")
    }
}

impl std::error::Error for TooSlow {}

#[cfg(test)]
mod tests {
    use futures_util::{StreamExt, stream};
    use http_body_util::BodyExt;

    use super::*;

    #[test]
    fn a_slow_line_is_borne_with_and_drips_are_not() {
        let seconds = Duration::from_secs;
        for (row, received, waited, more) in [
            ("nothing came yet", 0, seconds(0), seconds(30)),
            ("a byte each second", 29, seconds(29), seconds(1)),
            ("a byte each second, too long", 30, seconds(30), seconds(0)),
            ("one that waited for longer than it may", 30, seconds(31), seconds(0)),
            ("a megabyte over a line of 32 KiB a second", 1 << 20, seconds(32), seconds(62)),
            ("50 MiB over a line of 16 KiB a second", 50 << 20, seconds(3_200), seconds(30)),
            ("a line of 12 KiB a second", 117 * 12 * 1_024, seconds(117), seconds(0)),
        ] {
            assert_eq!(left(PATIENCE, received, waited), more, "{row}");
        }
    }

    #[tokio::test]
    async fn a_body_that_drips_for_ever_is_broken_off() {
        let drips = stream::repeat(()).then(|()| async {
            tokio::time::sleep(Duration::from_millis(1)).await;
            Ok::<_, std::io::Error>(Bytes::from_static(b"x"))
        });
        let (body, lateness) = in_time(Body::from_stream(drips), Duration::from_millis(50));
        assert!(body.collect().await.is_err());
        let failure = lateness.expect("something is to come").failure();
        assert_eq!(failure.map(|failure| failure.status), Some(StatusCode::REQUEST_TIMEOUT));
    }

    #[tokio::test]
    async fn a_handler_that_takes_its_time_costs_the_sender_nothing() {
        let pieces = stream::iter(0..3).map(|_| Ok::<_, std::io::Error>(Bytes::from_static(b"there already")));
        let (mut body, lateness) = in_time(Body::from_stream(pieces), Duration::from_millis(1));
        for _ in 0..3 {
            // Not a wait for anything: the time that the handler takes.
            tokio::time::sleep(Duration::from_millis(5)).await;
            assert!(body.frame().await.expect("a piece").is_ok());
        }
        assert!(body.frame().await.is_none());
        assert_eq!(lateness.expect("something is to come").failure(), None);
    }

    #[test]
    fn nothing_is_timed_where_nothing_is_to_come() {
        assert!(in_time(Body::empty(), PATIENCE).1.is_none());
    }
}
