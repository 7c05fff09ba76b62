//! What a listener answers.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use http_body::{Body, Frame, SizeHint};

use crate::socket::Drip;

/// One piece of a huge answer; the memory it takes at a time.
const HUGE_PIECE: &[u8] = &[b'a'; 64 * 1024];

/// An answer, and the manner in which it comes. Built up: `Answer::status(503).retry_after("120").delay(...)`.
#[derive(Clone, Debug)]
pub struct Answer {
    pub(crate) delay: Option<Duration>,
    pub(crate) held: bool,
    pub(crate) drip: Option<Drip>,
    pub(crate) ending: Ending,
    status: StatusCode,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: AnswerBody,
}

/// How the exchange ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// With the answer.
    Answered,
    /// The connection is closed without an answer.
    Closed,
    /// The connection is reset without an answer.
    Reset,
}

impl Answer {
    /// 200 without a body.
    #[must_use]
    pub fn ok() -> Self {
        Self::status(200)
    }

    /// This status without a body.
    ///
    /// # Panics
    /// When it is not a status (100 to 999).
    #[must_use]
    pub fn status(status: u16) -> Self {
        Self {
            delay: None,
            held: false,
            drip: None,
            ending: Ending::Answered,
            status: StatusCode::from_u16(status).expect("a status is 100 to 999"),
            headers: Vec::new(),
            body: AnswerBody::Whole(Bytes::new()),
        }
    }

    /// 200 with this JSON.
    #[must_use]
    pub fn json(value: &serde_json::Value) -> Self {
        Self::ok().header("content-type", "application/json").body(value.to_string())
    }

    /// A redirect with this status to this address.
    ///
    /// # Panics
    /// When the address cannot stand in a header.
    #[must_use]
    pub fn redirect(status: u16, to: &str) -> Self {
        Self::status(status).header("location", to)
    }

    /// 200, but only after [`crate::Listener::release`]: until then the client waits.
    #[must_use]
    pub fn hang() -> Self {
        Self::ok().held()
    }

    /// No answer: the request is read and the connection closed (on HTTP/2 the stream alone).
    #[must_use]
    pub fn close() -> Self {
        Self { ending: Ending::Closed, ..Self::ok() }
    }

    /// No answer: the request is read and the connection reset (RST).
    #[must_use]
    pub fn reset() -> Self {
        Self { ending: Ending::Reset, ..Self::ok() }
    }

    /// With one more header field.
    ///
    /// # Panics
    /// When name or value cannot stand in a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let name = HeaderName::try_from(name).expect("a header name");
        self.headers.push((name, HeaderValue::try_from(value).expect("a header value")));
        self
    }

    /// With `Retry-After`, in seconds or as a date (RFC 9110 §10.2.3), or as nonsense.
    ///
    /// # Panics
    /// When the value cannot stand in a header.
    #[must_use]
    pub fn retry_after(self, value: &str) -> Self {
        self.header("retry-after", value)
    }

    /// With this body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = AnswerBody::Whole(body.into());
        self
    }

    /// With a body of this many bytes, made while it is sent: more than anyone should read.
    #[must_use]
    pub fn huge(mut self, bytes: u64) -> Self {
        self.body = AnswerBody::Huge { left: bytes };
        self
    }

    /// Announces the body with its length, sends only this many bytes of it and closes the connection.
    ///
    /// # Panics
    /// When the answer has no body of at least this length.
    #[must_use]
    pub fn cut_after(mut self, bytes: usize) -> Self {
        let AnswerBody::Whole(whole) = &self.body else { panic!("only a whole body can be cut") };
        assert!(bytes < whole.len(), "a body of {} bytes cannot be cut after {bytes}", whole.len());
        let announced = HeaderValue::from(whole.len());
        self.body = AnswerBody::Cut { first: whole.slice(..bytes), step: CutStep::Send };
        self.headers.push((header::CONTENT_LENGTH, announced));
        self
    }

    /// Only after this time.
    #[must_use]
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = Some(delay);
        self
    }

    /// Only after [`crate::Listener::release`].
    #[must_use]
    pub fn held(mut self) -> Self {
        self.held = true;
        self
    }

    /// In pieces of this many bytes, head included, with a pause after each.
    #[must_use]
    pub fn drip(mut self, piece_bytes: usize, pause: Duration) -> Self {
        self.drip = Some(Drip { piece_bytes, pause });
        self
    }

    /// The answer as HTTP, when there is one.
    pub(crate) fn into_response(self) -> Response<AnswerBody> {
        let mut response = Response::new(self.body);
        *response.status_mut() = self.status;
        for (name, value) in self.headers {
            response.headers_mut().append(name, value);
        }
        response
    }
}

/// The body of an answer.
#[derive(Clone, Debug)]
pub(crate) enum AnswerBody {
    Whole(Bytes),
    Huge { left: u64 },
    Cut { first: Bytes, step: CutStep },
}

/// Where a cut body is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum CutStep {
    Send,
    /// Once without data, so that the server sends what it has.
    Flush,
    Fail,
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        match &mut *self {
            Self::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Self::Huge { left: 0 } => Poll::Ready(None),
            Self::Huge { left } => {
                let piece = usize::try_from(*left).map_or(HUGE_PIECE, |left| &HUGE_PIECE[..left.min(HUGE_PIECE.len())]);
                *left -= piece.len() as u64;
                Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(piece)))))
            }
            Self::Cut { first, step } => match step {
                CutStep::Send => {
                    *step = CutStep::Flush;
                    Poll::Ready(Some(Ok(Frame::data(first.clone()))))
                }
                CutStep::Flush => {
                    *step = CutStep::Fail;
                    cx.waker().wake_by_ref();
                    Poll::Pending
                }
                CutStep::Fail => Poll::Ready(Some(Err(io::ErrorKind::ConnectionAborted.into()))),
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(bytes) if bytes.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Huge { .. } | Self::Cut { .. } => SizeHint::default(),
        }
    }
}

/// The error of a request that gets no answer.
#[derive(Debug)]
pub(crate) struct NoAnswer;

impl std::fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("no answer was wanted")
    }
}

impl std::error::Error for NoAnswer {}
