//! The body of a request on its way to the checks: what they read is kept for showing, and all bodies together stay within a budget.

use std::{
    fmt,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};

/// Bytes of bodies in memory over all requests: eight of the largest. Beyond that senders are told to come back, since strangers must
/// not choose how much memory is used.
const BODIES_BYTES_MAX: usize = 256 << 20;

/// How much of the budget is used.
#[derive(Debug, Default)]
pub(crate) struct Budget {
    used: AtomicUsize,
}

/// What was read of one body so far; gives its bytes back to the budget when dropped.
#[derive(Debug)]
pub(crate) struct Kept {
    budget: Arc<Budget>,
    chunks: Mutex<Vec<Bytes>>,
    bytes: AtomicUsize,
    over_budget: AtomicBool,
}

impl Kept {
    /// Nothing yet.
    pub(crate) fn new(budget: &Arc<Budget>) -> Arc<Self> {
        Arc::new(Self {
            budget: Arc::clone(budget),
            chunks: Mutex::default(),
            bytes: AtomicUsize::new(0),
            over_budget: AtomicBool::new(false),
        })
    }

    /// What was read, in one piece.
    pub(crate) fn whole(&self) -> Bytes {
        let chunks = self.chunks.lock().unwrap_or_else(PoisonError::into_inner);
        match chunks.as_slice() {
            [] => Bytes::new(),
            [one] => one.clone(),
            many => {
                let mut whole = BytesMut::with_capacity(many.iter().map(Bytes::len).sum());
                many.iter().for_each(|chunk| whole.extend_from_slice(chunk));
                whole.freeze()
            }
        }
    }

    /// Whether the body was broken off because too much is in memory.
    pub(crate) fn is_over_budget(&self) -> bool {
        self.over_budget.load(Ordering::Relaxed)
    }

    fn take(&self, chunk: &Bytes) -> Result<(), OverBudget> {
        self.bytes.fetch_add(chunk.len(), Ordering::Relaxed);
        if self.budget.used.fetch_add(chunk.len(), Ordering::Relaxed) + chunk.len() > BODIES_BYTES_MAX {
            self.over_budget.store(true, Ordering::Relaxed);
            return Err(OverBudget);
        }
        self.chunks.lock().unwrap_or_else(PoisonError::into_inner).push(chunk.clone());
        Ok(())
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(*self.bytes.get_mut(), Ordering::Relaxed);
    }
}

/// Too many bytes of bodies are in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct OverBudget;

impl fmt::Display for OverBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "more than {BODIES_BYTES_MAX} bytes of bodies are in memory")
    }
}

impl std::error::Error for OverBudget {}

/// A body whose chunks are kept as they pass. Each is copied: it is a part of what the connection reads into, which would stay in memory for
/// as long as the message is, several times its length, while the connection takes new memory for the next request.
pub(crate) struct Tee {
    body: axum::body::Body,
    kept: Arc<Kept>,
}

impl Tee {
    /// Keeps what is read of `body` in `kept`.
    pub(crate) fn new(body: axum::body::Body, kept: Arc<Kept>) -> Self {
        Self { body, kept }
    }
}

impl Body for Tee {
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        polled.map(|frame| {
            frame.map(|frame| {
                let frame = frame?.map_data(|chunk| Bytes::copy_from_slice(&chunk));
                if let Some(chunk) = frame.data_ref() {
                    self.kept.take(chunk)?;
                }
                Ok(frame)
            })
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    #[tokio::test]
    async fn what_passes_is_kept_and_given_back_to_the_budget() {
        let budget = Arc::new(Budget::default());
        let kept = Kept::new(&budget);
        let read = Tee::new(axum::body::Body::from("a message"), Arc::clone(&kept)).collect().await.expect("it is read").to_bytes();
        assert_eq!((&read[..], &kept.whole()[..]), (&b"a message"[..], &b"a message"[..]));
        assert_eq!(budget.used.load(Ordering::Relaxed), 9);
        drop(kept);
        assert_eq!(budget.used.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn a_body_beyond_the_budget_is_broken_off() {
        let budget = Arc::new(Budget { used: AtomicUsize::new(BODIES_BYTES_MAX - 3) });
        let kept = Kept::new(&budget);
        assert!(Tee::new(axum::body::Body::from("long"), Arc::clone(&kept)).collect().await.is_err());
        assert!(kept.is_over_budget() && kept.whole().is_empty());
        drop(kept);
        assert_eq!(budget.used.load(Ordering::Relaxed), BODIES_BYTES_MAX - 3);
    }
}
