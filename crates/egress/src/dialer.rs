//! The one vetted dialer: name, addresses, policy, connection, TLS, in this order and in no other.
//!
//! The HTTP client asks it for a connection to a scheme, host and port. It resolves the host, vets the whole answer, dials
//! only what was vetted, and looks once more at who answered. SNI, certificate check and `Host` keep the name, so that a
//! vetted address cannot be made to speak for another host. There is no cache of names: what was vetted is what is dialled,
//! and the next connection is vetted again.

use std::{
    future::Future,
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use countersign_core::address::{TargetPolicy, VettedAddresses, vet, vet_plain_http};
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use http::Uri;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::{
    net::TcpStream,
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout, timeout_at},
};
use tokio_rustls::TlsConnector;

use crate::{
    failure::{ConnectFailure, DnsFailure, FailureCause, RequestFault, TlsFailure},
    resolve::Resolve,
    settings::Settings,
    stream::{ConnectionFacts, Stream, Transport},
};

/// Addresses of one name that are tried; all of them are vetted.
const ADDRESSES_TRIED_MAX: usize = 8;

/// The head start of an address before the next one is tried beside it (RFC 8305 §5).
const HEAD_START: Duration = Duration::from_millis(250);

/// What all dialers share.
pub(crate) struct DialerParts {
    pub(crate) resolver: Arc<dyn Resolve>,
    /// A permit for each open connection.
    pub(crate) connections: Arc<Semaphore>,
    pub(crate) dns_timeout: Duration,
    pub(crate) connect_timeout: Duration,
    pub(crate) tls_timeout: Duration,
}

/// Dials for one TLS profile under one policy. Cheap to clone, as the HTTP client does for every request.
#[derive(Clone)]
pub(crate) struct Dialer(Arc<Inner>);

struct Inner {
    parts: Arc<DialerParts>,
    policy: Arc<TargetPolicy>,
    tls: TlsConnector,
}

impl DialerParts {
    pub(crate) fn new(settings: &Settings, resolver: Arc<dyn Resolve>) -> Self {
        Self {
            resolver,
            connections: Arc::new(Semaphore::new(settings.connections_max.clamp(1, Semaphore::MAX_PERMITS))),
            dns_timeout: settings.dns_timeout,
            connect_timeout: settings.connect_timeout,
            tls_timeout: settings.tls_timeout,
        }
    }
}

impl Dialer {
    pub(crate) fn new(parts: Arc<DialerParts>, policy: Arc<TargetPolicy>, tls: Arc<ClientConfig>) -> Self {
        Self(Arc::new(Inner { parts, policy, tls: TlsConnector::from(tls) }))
    }
}

impl tower::Service<Uri> for Dialer {
    type Response = TokioIo<Stream>;
    type Error = FailureCause;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let inner = Arc::clone(&self.0);
        Box::pin(async move { inner.dial(&uri).await.map(TokioIo::new) })
    }
}

impl Inner {
    async fn dial(&self, uri: &Uri) -> Result<Stream, FailureCause> {
        let unsendable = FailureCause::Request(RequestFault::Unsendable);
        let encrypted = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(unsendable),
        };
        let host = uri.host().ok_or(unsendable.clone())?;
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let port = uri.port_u16().unwrap_or(if encrypted { 443 } else { 80 });

        let started = Instant::now();
        let addresses = self.resolve(host, port).await?;
        let vetted = if encrypted { vet(&addresses, &self.policy) } else { vet_plain_http(&addresses, &self.policy) };
        let vetted = vetted.map_err(FailureCause::Forbidden)?;
        let resolved = Instant::now();

        let (tcp, remote, permit) = self.connect(&vetted).await.map_err(FailureCause::Connect)?;
        let connected = Instant::now();

        let (transport, tls) = if encrypted {
            let name = ServerName::try_from(host.to_owned()).map_err(|_| unsendable)?;
            let handshake = timeout(self.parts.tls_timeout, self.tls.connect(name, tcp)).await;
            let stream = handshake
                .map_err(|_| FailureCause::Tls(TlsFailure::TimedOut))?
                .map_err(|error| FailureCause::Tls(TlsFailure::of_io(&error)))?;
            (Transport::Tls(Box::new(stream)), Some(connected.elapsed()))
        } else {
            (Transport::Plain(tcp), None)
        };
        let facts = ConnectionFacts::new(remote, resolved - started, connected - resolved, tls);
        Ok(Stream::new(transport, facts, permit))
    }

    async fn resolve(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, FailureCause> {
        if let Ok(address) = host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(address, port)]);
        }
        let looked_up = timeout(self.parts.dns_timeout, self.parts.resolver.resolve(host, port)).await;
        let addresses = looked_up.map_err(|_| FailureCause::Dns(DnsFailure::TimedOut))?.map_err(|error| {
            tracing::debug!(%error, host, "a name does not resolve");
            FailureCause::Dns(DnsFailure::NotFound)
        })?;
        if addresses.is_empty() { Err(FailureCause::Dns(DnsFailure::NotFound)) } else { Ok(addresses) }
    }

    async fn connect(&self, vetted: &VettedAddresses) -> Result<(TcpStream, SocketAddr, OwnedSemaphorePermit), ConnectFailure> {
        let deadline = Instant::now() + self.parts.connect_timeout;
        let permit = timeout_at(deadline, Arc::clone(&self.parts.connections).acquire_owned())
            .await
            .map_err(|_| ConnectFailure::TooMany)?
            .map_err(|_| ConnectFailure::Failed)?;
        let addresses: Vec<SocketAddr> = vetted.iter().take(ADDRESSES_TRIED_MAX).collect();
        let stream = first_to_answer(&addresses, deadline).await?;
        let remote = stream.peer_addr().map_err(|_| ConnectFailure::Failed)?;
        // Something between us and the network may have sent the connection elsewhere.
        if !vetted.contains(remote) {
            return Err(ConnectFailure::Failed);
        }
        // Requests are written in one piece; waiting for more would only delay the last segment.
        stream.set_nodelay(true).map_err(|_| ConnectFailure::Failed)?;
        Ok((stream, remote, permit))
    }
}

/// Connects to the addresses in their order, each with a [`HEAD_START`] before the next; one that fails makes room at once.
async fn first_to_answer(addresses: &[SocketAddr], deadline: Instant) -> Result<TcpStream, ConnectFailure> {
    let mut rest = addresses.iter();
    let mut trying = FuturesUnordered::new();
    let mut failure = ConnectFailure::Failed;
    loop {
        if let Some(address) = rest.next() {
            trying.push(TcpStream::connect(*address));
        }
        let until = if rest.len() > 0 { deadline.min(Instant::now() + HEAD_START) } else { deadline };
        match timeout_at(until, trying.next()).await {
            Ok(Some(Ok(stream))) => return Ok(stream),
            Ok(Some(Err(error))) => failure = report(&error),
            Ok(None) => return Err(failure),
            Err(_) if Instant::now() >= deadline => return Err(ConnectFailure::TimedOut),
            Err(_) => {}
        }
    }
}

fn report(error: &io::Error) -> ConnectFailure {
    tracing::debug!(%error, "an address does not answer");
    ConnectFailure::of_io(error)
}
