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
use tokio::sync::watch;

use super::payload::number_in;

/// How a sink answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// 200 at once.
    Prompt,
    /// Takes the request and never answers.
    Hangs,
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
    /// Starts a sink on a free loopback port.
    pub(crate) fn start(manner: Manner) -> anyhow::Result<Self> {
        let (sender, count) = watch::channel(0);
        let shared = Arc::new(Shared { arrivals: Mutex::default(), received: AtomicU64::new(0), count: sender });
        let listener = std::net::TcpListener::bind("127.0.0.1:0").context("the sink cannot listen")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let for_thread = Arc::clone(&shared);
        std::thread::Builder::new().name("sink".into()).spawn(move || runtime.block_on(run(listener, for_thread, manner)))?;
        Ok(Self { address, shared, count })
    }

    /// How many have arrived.
    pub(crate) fn received(&self) -> u64 {
        self.shared.received.load(Ordering::Acquire)
    }

    /// Forgets what has arrived.
    pub(crate) fn clear(&self) {
        self.shared.arrivals.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.shared.received.store(0, Ordering::Release);
        self.shared.count.send_replace(0);
    }

    /// Takes the arrivals: number and time.
    pub(crate) fn arrivals(&self) -> Vec<(u64, Instant)> {
        std::mem::take(&mut self.shared.arrivals.lock().unwrap_or_else(PoisonError::into_inner))
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

async fn run(listener: std::net::TcpListener, shared: Arc<Shared>, manner: Manner) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
    while let Ok((stream, _)) = listener.accept().await {
        let _ = stream.set_nodelay(true);
        let shared = Arc::clone(&shared);
        let service = service_fn(move |request| answer(request, Arc::clone(&shared), manner));
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
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
