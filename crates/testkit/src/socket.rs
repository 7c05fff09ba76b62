//! A TCP connection that can be reset, and that can let its bytes out one small piece at a time.

use std::{
    future::Future as _,
    io,
    net::{Ipv4Addr, SocketAddr},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::Sleep,
};

/// An address on 127.0.0.1 at which nothing listens: a port that was free a moment ago.
///
/// # Panics
/// When the system has no free port.
#[must_use]
pub fn unused_address() -> SocketAddr {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("the system has a free port");
    listener.local_addr().expect("a bound socket has an address")
}

/// Bytes that leave in small pieces.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Drip {
    pub(crate) piece_bytes: usize,
    pub(crate) pause: Duration,
}

/// What shall happen to a connection, told from inside a request on it.
#[derive(Clone, Debug, Default)]
pub(crate) struct SocketControl(Arc<Mutex<Orders>>);

#[derive(Debug, Default)]
struct Orders {
    reset: bool,
    drip: Option<Drip>,
}

impl SocketControl {
    /// From now on nothing is written, and the peer sees a reset (RST) when the connection is let go.
    pub(crate) fn reset(&self) {
        self.lock().reset = true;
    }

    /// From now on bytes leave in small pieces, or as they come.
    pub(crate) fn drip(&self, drip: Option<Drip>) {
        self.lock().drip = drip;
    }

    fn lock(&self) -> MutexGuard<'_, Orders> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection under such control.
#[derive(Debug)]
pub(crate) struct Socket {
    stream: TcpStream,
    control: SocketControl,
    /// The pause before the next piece.
    pause: Option<Pin<Box<Sleep>>>,
}

impl Socket {
    /// Takes a connection under control.
    pub(crate) fn new(stream: TcpStream) -> (Self, SocketControl) {
        // Small answers should leave at once, and dripped ones in the pieces asked for.
        let _ = stream.set_nodelay(true);
        let control = SocketControl::default();
        (Self { stream, control: control.clone(), pause: None }, control)
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.control.lock().reset {
            // Closing with zero linger sends RST in place of FIN.
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, into)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let (reset, drip) = {
            let orders = self.control.lock();
            (orders.reset, orders.drip)
        };
        if reset {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        if let Some(pause) = &mut self.pause {
            if pause.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            self.pause = None;
        }
        let Some(drip) = drip else {
            return Pin::new(&mut self.stream).poll_write(cx, bytes);
        };
        let piece = &bytes[..bytes.len().min(drip.piece_bytes.max(1))];
        let written = Pin::new(&mut self.stream).poll_write(cx, piece);
        if matches!(written, Poll::Ready(Ok(_))) {
            self.pause = Some(Box::pin(tokio::time::sleep(drip.pause)));
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.control.lock().reset {
            // A shutdown would send FIN, after which the peer no longer sees a reset.
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
