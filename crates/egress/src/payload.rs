//! The body of a request.

use std::{
    collections::VecDeque,
    convert::Infallible,
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// Bytes to be sent, shared and never copied: in one piece, or in segments that are sent as if they were one. The length is
/// known, so it is sent with `Content-Length` and never chunked.
#[derive(Clone)]
pub struct Payload {
    /// What is next; empty when everything has been taken.
    first: Bytes,
    rest: VecDeque<Bytes>,
    left: u64,
}

impl From<Bytes> for Payload {
    fn from(bytes: Bytes) -> Self {
        let left = bytes.len() as u64;
        Self { first: bytes, rest: VecDeque::new(), left }
    }
}

impl From<&'static str> for Payload {
    fn from(text: &'static str) -> Self {
        Bytes::from_static(text.as_bytes()).into()
    }
}

impl From<Vec<Bytes>> for Payload {
    fn from(segments: Vec<Bytes>) -> Self {
        let mut rest: VecDeque<Bytes> = segments.into_iter().filter(|segment| !segment.is_empty()).collect();
        let left = rest.iter().map(|segment| segment.len() as u64).sum();
        Self { first: rest.pop_front().unwrap_or_default(), rest, left }
    }
}

impl Payload {
    /// Bytes that are left to send.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.left
    }

    /// True when there is nothing (left) to send.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.left == 0
    }
}

impl fmt::Debug for Payload {
    /// Its length alone: bodies are not for logs, and that of a token request may hold a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Payload({} bytes)", self.left)
    }
}

impl Body for Payload {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.first.is_empty() {
            return Poll::Ready(None);
        }
        let next = self.rest.pop_front().unwrap_or_default();
        let segment = std::mem::replace(&mut self.first, next);
        self.left -= segment.len() as u64;
        Poll::Ready(Some(Ok(Frame::data(segment))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    #[tokio::test]
    async fn segments_arrive_in_order_and_count() {
        for segments in [vec![], vec![""], vec!["one"], vec!["", "a", "", "bc", "def", ""]] {
            let whole = segments.concat();
            let payload = Payload::from(segments.iter().map(|text| Bytes::from_static(text.as_bytes())).collect::<Vec<_>>());
            assert_eq!(payload.len(), whole.len() as u64);
            assert_eq!(payload.size_hint().exact(), Some(whole.len() as u64));
            assert_eq!(payload.is_end_stream(), whole.is_empty());
            let collected = payload.collect().await.expect("cannot fail").to_bytes();
            assert_eq!(collected, whole.as_bytes(), "{segments:?}");
        }
        assert_eq!(Payload::from("abc").collect().await.expect("cannot fail").to_bytes(), "abc");
    }
}
