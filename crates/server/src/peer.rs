//! What a connection knows about who is at its other end, and how it is torn down: both in the extensions of each request.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use rustls_pki_types::CertificateDer;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

/// What TLS knows about a connection. A request without it came unencrypted.
#[derive(Clone, Debug)]
pub struct TlsFacts {
    /// Such as `TLSv1_3`.
    pub version: String,
    /// Such as `TLS13_AES_256_GCM_SHA384`.
    pub cipher: String,
    /// What both agreed to speak (RFC 7301), such as `h2`.
    pub alpn: Option<String>,
    /// The name that the client asked for (RFC 6066 §3).
    pub server_name: Option<String>,
    /// What the client showed, its own certificate first; empty when it showed none. It holds the key of the first one; who vouches
    /// for it has not been checked.
    pub certificates: Arc<[CertificateDer<'static>]>,
}

impl TlsFacts {
    /// Of a connection whose handshake is done.
    #[must_use]
    pub fn of(connection: &rustls::ServerConnection) -> Self {
        let text = |name: Option<String>| name.unwrap_or_else(|| "unknown".to_owned());
        Self {
            version: text(connection.protocol_version().map(|version| format!("{version:?}"))),
            cipher: text(connection.negotiated_cipher_suite().map(|suite| format!("{:?}", suite.suite()))),
            alpn: connection.alpn_protocol().map(|name| String::from_utf8_lossy(name).into_owned()),
            server_name: connection.server_name().map(str::to_owned),
            certificates: connection.peer_certificates().unwrap_or_default().iter().cloned().collect(),
        }
    }
}

/// Asks for the connection of a request to be reset: HTTP itself has no word for it.
#[derive(Clone, Debug, Default)]
pub struct ResetHandle(Arc<AtomicBool>);

impl ResetHandle {
    /// From now on nothing is written, and the peer sees a reset (RST) when the server lets go of the connection.
    pub fn reset(&self) {
        self.0.store(true, Ordering::Release);
    }

    fn is_reset(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// A connection that can be reset.
#[derive(Debug)]
pub(crate) struct Resettable {
    stream: TcpStream,
    handle: ResetHandle,
}

impl Resettable {
    pub(crate) fn new(stream: TcpStream) -> (Self, ResetHandle) {
        let handle = ResetHandle::default();
        (Self { stream, handle: handle.clone() }, handle)
    }
}

impl Drop for Resettable {
    fn drop(&mut self) {
        if self.handle.is_reset() {
            // Closing with zero linger sends RST in place of FIN. Should it fail, the peer sees an early end instead.
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Resettable {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, into)
    }
}

impl AsyncWrite for Resettable {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.handle.is_reset() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, pieces: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        if self.handle.is_reset() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        Pin::new(&mut self.stream).poll_write_vectored(cx, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.handle.is_reset() {
            // A shutdown would send FIN, after which the peer no longer sees a reset.
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
