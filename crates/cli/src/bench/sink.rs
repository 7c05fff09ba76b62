//! Where messages arrive: a bare HTTP/1.1 server on a thread of its own that notes when each came.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::Context;
use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::watch,
};
use tokio_rustls::TlsAcceptor;

use super::payload::number_in;

/// How a sink answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// 200 at once.
    Prompt,
    /// Takes the request and never answers.
    Hangs,
}

/// How long a sink keeps a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Connections {
    /// As long as the client does.
    Kept,
    /// For one request.
    OfOneRequest,
}

/// How a sink is.
#[derive(Clone)]
pub(crate) struct Terms {
    /// How it answers.
    pub(crate) manner: Manner,
    /// How long it keeps a connection.
    pub(crate) connections: Connections,
    /// With TLS.
    pub(crate) tls: Option<Arc<rustls::ServerConfig>>,
}

impl Terms {
    /// In clear, kept connections.
    pub(crate) fn plain(manner: Manner) -> Self {
        Self { manner, connections: Connections::Kept, tls: None }
    }
}

/// A sink. It lives as long as the process.
#[derive(Clone)]
pub(crate) struct Sink {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    count: watch::Receiver<u64>,
}

struct Shared {
    arrivals: Mutex<Vec<(u64, Instant)>>,
    received: AtomicU64,
    count: watch::Sender<u64>,
}

impl Sink {
    /// Starts a sink on a free loopback port: in clear, kept connections.
    pub(crate) fn start(manner: Manner) -> anyhow::Result<Self> {
        Self::start_on(Terms::plain(manner), std::net::TcpListener::bind("127.0.0.1:0").context("the sink cannot listen")?)
    }

    /// Starts one on a port that was taken before.
    pub(crate) fn start_on(terms: Terms, listener: std::net::TcpListener) -> anyhow::Result<Self> {
        let mut sinks = Self::start_all(vec![(terms, listener)])?;
        sinks.pop().context("no sink")
    }

    /// Starts several on one thread.
    pub(crate) fn start_all(wanted: Vec<(Terms, std::net::TcpListener)>) -> anyhow::Result<Vec<Self>> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (mut sinks, mut loops) = (Vec::new(), Vec::new());
        for (terms, listener) in wanted {
            listener.set_nonblocking(true)?;
            let address = listener.local_addr()?;
            let (sender, count) = watch::channel(0);
            let shared = Arc::new(Shared { arrivals: Mutex::default(), received: AtomicU64::new(0), count: sender });
            loops.push((terms, listener, Arc::clone(&shared)));
            sinks.push(Self { address, shared, count });
        }
        std::thread::Builder::new().name("sink".into()).spawn(move || {
            runtime.block_on(async move {
                let mut running = tokio::task::JoinSet::new();
                for (terms, listener, shared) in loops {
                    running.spawn(run(listener, shared, terms));
                }
                while running.join_next().await.is_some() {}
            });
        })?;
        Ok(sinks)
    }

    /// How many have arrived.
    pub(crate) fn received(&self) -> u64 {
        self.shared.received.load(Ordering::Acquire)
    }

    /// Forgets what has arrived.
    pub(crate) fn clear(&self) {
        self.lock_arrivals().clear();
        self.shared.received.store(0, Ordering::Release);
        self.shared.count.send_replace(0);
    }

    /// Takes the arrivals: number and time.
    pub(crate) fn arrivals(&self) -> Vec<(u64, Instant)> {
        std::mem::take(&mut self.lock_arrivals())
    }

    fn lock_arrivals(&self) -> std::sync::MutexGuard<'_, Vec<(u64, Instant)>> {
        self.shared.arrivals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until `count` have arrived; false when nothing came for `patience`.
    pub(crate) async fn wait_for(&self, count: u64, patience: Duration) -> bool {
        let mut watched = self.count.clone();
        let mut seen = self.received();
        while seen < count {
            let more = tokio::time::timeout(patience, watched.wait_for(|now| *now > seen)).await;
            if !matches!(more, Ok(Ok(_))) {
                return self.received() >= count;
            }
            seen = self.received();
        }
        true
    }
}

async fn run(listener: std::net::TcpListener, shared: Arc<Shared>, terms: Terms) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
    let acceptor = terms.tls.clone().map(TlsAcceptor::from);
    while let Ok((stream, _)) = listener.accept().await {
        let _ = stream.set_nodelay(true);
        let (shared, manner, connections) = (Arc::clone(&shared), terms.manner, terms.connections);
        match acceptor.clone() {
            None => {
                tokio::spawn(serve(stream, shared, manner, connections));
            }
            Some(acceptor) => {
                tokio::spawn(async move {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        serve(stream, shared, manner, connections).await;
                    }
                });
            }
        }
    }
}

async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    shared: Arc<Shared>,
    manner: Manner,
    connections: Connections,
) {
    let service = service_fn(move |request| answer(request, Arc::clone(&shared), manner));
    let kept = connections == Connections::Kept;
    // A connection that breaks is the client's affair.
    let _ = http1::Builder::new().keep_alive(kept).serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(request: http::Request<Incoming>, shared: Arc<Shared>, manner: Manner) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let arrived = Instant::now();
    let body = request.into_body().collect().await?.to_bytes();
    if let Some(number) = number_in(&body) {
        shared.arrivals.lock().unwrap_or_else(PoisonError::into_inner).push((number, arrived));
    }
    let received = shared.received.fetch_add(1, Ordering::AcqRel) + 1;
    shared.count.send_replace(received);
    if manner == Manner::Hangs {
        std::future::pending::<()>().await;
    }
    let mut response = Response::new(Full::new(Bytes::new()));
    *response.status_mut() = StatusCode::OK;
    Ok(response)
}
