//! Serving: connections in, plain or TLS, bounded in number and in patience, and ended gracefully.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, extract::ConnectInfo};
use bytes::Bytes;
use hyper::service::Service as _;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{
        conn::auto,
        graceful::{GracefulShutdown, Watcher},
    },
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::peer::{ResetHandle, Resettable, TlsFacts};

/// Connections open at once on one address; further ones wait in the kernel's queue.
const CONNECTIONS_MAX: usize = 10_000;
/// How long a client may take to send the head of a request (slow drips of headers hold a connection no longer).
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a TLS handshake may take.
const TLS_TIMEOUT: Duration = Duration::from_secs(10);
/// How long requests under way may go on after `stop`.
const GRACE: Duration = Duration::from_secs(30);
/// How long to wait after the operating system gave no connection (out of descriptors).
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The certificate that the other side showed in the handshake and that was accepted, in DER. It is in the extensions of every request
/// of such a connection.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ShownCertificate(pub Bytes);

/// Serves until `stop`, then lets requests under way end.
pub async fn serve(listener: TcpListener, router: Router, tls: Option<Arc<rustls::ServerConfig>>, stop: CancellationToken) {
    serve_at_most(CONNECTIONS_MAX, listener, router, tls, stop).await;
}

async fn serve_at_most(
    connections_max: usize,
    listener: TcpListener,
    router: Router,
    tls: Option<Arc<rustls::ServerConfig>>,
    stop: CancellationToken,
) {
    let acceptor = tls.map(TlsAcceptor::from);
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(connections_max));
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = accept(&listener, &places) => accepted,
        };
        let (place, stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                if is_of_the_listener(&error) {
                    tracing::warn!(%error, "no connection could be accepted; trying again");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
                continue;
            }
        };
        // Without it small answers wait for the acknowledgement of the last one.
        let _ = stream.set_nodelay(true);
        let (router, acceptor, watcher) = (router.clone(), acceptor.clone(), graceful.watcher());
        let (stream, reset) = Resettable::new(stream);
        tokio::spawn(async move {
            let facts = |tls| Facts { peer, reset, tls };
            match acceptor {
                None => converse(stream, facts(None), router, watcher).await,
                Some(acceptor) => {
                    if let Some(stream) = handshake(acceptor, stream).await {
                        let tls = TlsFacts::of(stream.get_ref().1);
                        converse(stream, facts(Some(tls)), router, watcher).await;
                    }
                }
            }
            drop(place);
        });
    }
    drop(listener);
    // Idle connections end at once, the others after the request they are in.
    let _ = tokio::time::timeout(GRACE, graceful.shutdown()).await;
}

/// The next connection, once there is a place for it.
async fn accept(listener: &TcpListener, places: &Arc<Semaphore>) -> io::Result<(OwnedSemaphorePermit, TcpStream, SocketAddr)> {
    let place = Arc::clone(places).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    Ok((place, stream, peer))
}

async fn handshake(acceptor: TlsAcceptor, stream: Resettable) -> Option<tokio_rustls::server::TlsStream<Resettable>> {
    match tokio::time::timeout(TLS_TIMEOUT, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => Some(stream),
        Ok(Err(error)) => {
            tracing::debug!(%error, "a TLS handshake failed");
            None
        }
        Err(_) => None,
    }
}

/// What the requests of a connection may ask about it.
struct Facts {
    peer: SocketAddr,
    reset: ResetHandle,
    tls: Option<TlsFacts>,
}

async fn converse<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(stream: S, facts: Facts, router: Router, watcher: Watcher) {
    let router = TowerToHyperService::new(router);
    // Handlers that keep who did something from where ask for it.
    let service = hyper::service::service_fn(move |mut request| {
        let extensions = request.extensions_mut();
        extensions.insert(ConnectInfo(facts.peer));
        extensions.insert(facts.reset.clone());
        if let Some(tls) = &facts.tls {
            extensions.insert(tls.clone());
            if let Some(leaf) = tls.certificates.first() {
                extensions.insert(ShownCertificate(Bytes::copy_from_slice(leaf)));
            }
        }
        router.call(request)
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
    builder.http2().timer(TokioTimer::new()).max_concurrent_streams(256);
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service).into_owned();
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(%error, "a connection ended in an error");
    }
}

/// True for what concerns the listener itself, and not the one connection that was about to be.
fn is_of_the_listener(error: &io::Error) -> bool {
    !matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    /// Ends well before the grace, which idle connections do not need.
    const PATIENCE: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn a_stop_is_heard_while_every_place_is_taken() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, router) = (CancellationToken::new(), Router::new().route("/", get(|| async { "here" })));
        let server = tokio::spawn(serve_at_most(1, listener, router, None, stop.clone()));
        // Has its answer and stays, as clients do that keep their connections.
        let mut idle = TcpStream::connect(address).await.unwrap();
        idle.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        let mut answer = [0; 12];
        idle.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200");
        stop.cancel();
        tokio::time::timeout(PATIENCE, server).await.expect("it ends").unwrap();
    }
}
