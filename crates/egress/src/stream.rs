//! A connection, plain or encrypted, that counts what comes in.

use std::{
    io::{self, IoSlice},
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use hyper_util::client::legacy::connect::{Connected, Connection};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    sync::OwnedSemaphorePermit,
};
use tokio_rustls::client::TlsStream;

use crate::failure::FailureCause;

/// Most bytes read in one exchange over HTTP/1.1. A head of 32 KiB and 64 KiB of body in chunks of one byte are well below
/// it; what it stops is a stream of interim (1xx) answers, which the HTTP client reads without counting.
const EXCHANGE_READ_BYTES_MAX: usize = 512 * 1_024;

/// What is known of a connection.
#[derive(Debug)]
pub(crate) struct ConnectionFacts {
    pub(crate) remote: SocketAddr,
    pub(crate) dns: Duration,
    pub(crate) connect: Duration,
    pub(crate) tls: Option<Duration>,
    used: AtomicBool,
}

impl ConnectionFacts {
    pub(crate) fn new(remote: SocketAddr, dns: Duration, connect: Duration, tls: Option<Duration>) -> Self {
        Self { remote, dns, connect, tls, used: AtomicBool::new(false) }
    }

    /// True from the second time on.
    pub(crate) fn mark_used(&self) -> bool {
        self.used.swap(true, Ordering::Relaxed)
    }
}

/// The bytes of a connection.
pub(crate) enum Transport {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// A connection as the HTTP client takes it.
pub(crate) struct Stream {
    transport: Transport,
    facts: Arc<ConnectionFacts>,
    read_since_write: usize,
    /// Given back when the connection closes.
    _permit: OwnedSemaphorePermit,
}

impl Stream {
    pub(crate) fn new(transport: Transport, facts: ConnectionFacts, permit: OwnedSemaphorePermit) -> Self {
        Self { transport, facts: Arc::new(facts), read_since_write: 0, _permit: permit }
    }

    fn is_http2(&self) -> bool {
        match &self.transport {
            Transport::Plain(_) => false,
            Transport::Tls(stream) => stream.get_ref().1.alpn_protocol() == Some(b"h2"),
        }
    }

    /// HTTP/2 has limits of its own, and one connection carries many exchanges.
    fn count_read(&mut self, bytes: usize) -> io::Result<()> {
        self.read_since_write = self.read_since_write.saturating_add(bytes);
        if self.read_since_write > EXCHANGE_READ_BYTES_MAX && !self.is_http2() {
            return Err(io::Error::other(FailureCause::HeadTooLong));
        }
        Ok(())
    }

    fn count_write(&mut self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(1..)) = written {
            self.read_since_write = 0;
        }
        written
    }
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        let connected = Connected::new().extra(Arc::clone(&self.facts));
        if self.is_http2() { connected.negotiated_h2() } else { connected }
    }
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(match &mut self.transport {
            Transport::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Transport::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        })?;
        let read = buffer.filled().len() - before;
        Poll::Ready(self.count_read(read))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = match &mut self.transport {
            Transport::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Transport::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        };
        self.count_write(written)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let written = match &mut self.transport {
            Transport::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Transport::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
        };
        self.count_write(written)
    }

    fn is_write_vectored(&self) -> bool {
        match &self.transport {
            Transport::Plain(stream) => stream.is_write_vectored(),
            Transport::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.transport {
            Transport::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Transport::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.transport {
            Transport::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Transport::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
