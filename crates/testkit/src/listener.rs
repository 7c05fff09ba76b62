//! A listener under the control of a test.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use rustls::ServerConfig;
use tokio::{
    net::TcpListener,
    task::{JoinHandle, JoinSet},
};
use tokio_rustls::TlsAcceptor;

use crate::{
    answer::Answer,
    connection::{self, Bodies, Serving},
    received::{Counts, Received},
    script::Script,
    tls::{ClientCertificates, Identity},
};

/// How long a test waits for a signal before it fails: far beyond what any of them takes on a busy machine, and short
/// enough that a test which waits in vain does not hold up the whole run.
const PATIENCE: Duration = Duration::from_secs(30);

/// Connections served at once; further ones wait in the system's queue.
const CONNECTIONS_MAX: usize = 4_096;

/// An HTTP server on 127.0.0.1 that records what it receives and answers as told: 200 unless told otherwise. It and all its
/// connections end when this is dropped.
#[derive(Debug)]
pub struct Listener {
    address: SocketAddr,
    scheme: &'static str,
    serving: Arc<Serving>,
    accepting: JoinHandle<()>,
}

/// A listener before it starts.
#[derive(Debug)]
pub struct ListenerBuilder {
    address: SocketAddr,
    tls: Option<ServerConfig>,
    bodies: Bodies,
}

impl Listener {
    /// Starts a listener with plain HTTP/1.1 and HTTP/2 on a port that the system chooses.
    ///
    /// # Panics
    /// When there is no port.
    pub async fn start() -> Self {
        Self::builder().start().await
    }

    /// A listener with other properties.
    #[must_use]
    pub fn builder() -> ListenerBuilder {
        ListenerBuilder { address: (Ipv4Addr::LOCALHOST, 0).into(), tls: None, bodies: Bodies::Read }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address of a path, which begins with a slash: `http://127.0.0.1:34567/hook`.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("{}://{}{path}", self.scheme, self.address)
    }

    /// Answers everything for which nothing is laid up with this.
    pub fn answer(&self, answer: Answer) {
        self.answer_with(move |_| answer.clone());
    }

    /// Answers everything for which nothing is laid up with what this computes.
    pub fn answer_with(&self, answering: impl Fn(&Received) -> Answer + Send + Sync + 'static) {
        self.serving.script.answer_with(answering);
    }

    /// Lays up answers for the next requests, in order, behind those that are laid up already.
    pub fn answer_next(&self, answers: impl IntoIterator<Item = Answer>) {
        self.serving.script.answer_next(answers);
    }

    /// Lays up statuses for the next requests, in order.
    pub fn status_next(&self, statuses: impl IntoIterator<Item = u16>) {
        self.answer_next(statuses.into_iter().map(Answer::status));
    }

    /// Lets every answer go that is held now. Every request that [`Listener::wait_for`] has shown is held already.
    pub fn release(&self) {
        self.serving.script.release();
    }

    /// Waits until `count` requests have arrived with their bodies, and gives the first `count` that are kept.
    ///
    /// # Panics
    /// After 30 seconds, with what has arrived.
    pub async fn wait_for(&self, count: usize) -> Vec<Received> {
        self.wait_until(|counts| counts.requests >= count as u64).await;
        let mut requests = self.requests();
        requests.truncate(count);
        requests
    }

    /// Waits until the counts are as wanted, and gives them.
    ///
    /// # Panics
    /// After 30 seconds, with the counts and the requests that have arrived.
    pub async fn wait_until(&self, wanted: impl FnMut(&Counts) -> bool) -> Counts {
        if tokio::time::timeout(PATIENCE, self.serving.script.wait_until(wanted)).await.is_err() {
            let seen: Vec<String> = self.requests().iter().map(|request| format!("{} {}", request.method, request.path)).collect();
            panic!("the listener waited {PATIENCE:?} in vain; it saw {:?} and these requests: {seen:?}", self.counts());
        }
        self.counts()
    }

    /// The requests that have arrived, oldest first; the last ten thousand, and 256 MiB of bodies.
    #[must_use]
    pub fn requests(&self) -> Vec<Received> {
        self.serving.script.requests()
    }

    /// The numbers as they are now.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.serving.script.counts()
    }

    /// Forgets all requests and laid-up answers; the next request is number 1.
    pub fn clear(&self) {
        self.serving.script.clear();
    }

    /// Stops listening and ends all connections. From then on connections are refused, until a new listener starts
    /// [`ListenerBuilder::at`] the same address.
    pub async fn stop(mut self) -> SocketAddr {
        self.accepting.abort();
        // The task ends as cancelled; what matters is that its socket is closed by then.
        let _ = (&mut self.accepting).await;
        self.address
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl ListenerBuilder {
    /// At this address, for example that of a listener that was stopped.
    #[must_use]
    pub fn at(mut self, address: SocketAddr) -> Self {
        self.address = address;
        self
    }

    /// With TLS and this certificate; HTTP/2 and HTTP/1.1 are offered by ALPN.
    #[must_use]
    pub fn tls(self, identity: &Identity, clients: ClientCertificates<'_>) -> Self {
        self.tls_config(identity.server_config(clients, &[b"h2", b"http/1.1"]))
    }

    /// With any TLS.
    #[must_use]
    pub fn tls_config(mut self, config: ServerConfig) -> Self {
        self.tls = Some(config);
        self
    }

    /// Leaves request bodies in the sender's buffers: requests are recorded without a body, as incomplete.
    #[must_use]
    pub fn leave_bodies_unread(mut self) -> Self {
        self.bodies = Bodies::LeftUnread;
        self
    }

    /// Starts it.
    ///
    /// # Panics
    /// When the address cannot be had.
    pub async fn start(self) -> Listener {
        let socket = match TcpListener::bind(self.address).await {
            Ok(socket) => socket,
            Err(error) => panic!("no listener at {}: {error}", self.address),
        };
        let address = socket.local_addr().expect("a bound socket has an address");
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let tls = self.tls.map(|config| TlsAcceptor::from(Arc::new(config)));
        let serving = Arc::new(Serving { script: Script::new(), bodies: self.bodies });
        let accepting = tokio::spawn(accept(socket, tls, Arc::clone(&serving)));
        Listener { address, scheme, serving, accepting }
    }
}

/// Accepts connections for ever; their tasks end with this one.
async fn accept(socket: TcpListener, tls: Option<TlsAcceptor>, serving: Arc<Serving>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = socket.accept(), if connections.len() < CONNECTIONS_MAX => {
                // A connection that ended before it was accepted is nobody's loss.
                if let Ok((stream, peer)) = accepted {
                    connections.spawn(connection::serve(Arc::clone(&serving), tls.clone(), stream, peer));
                }
            }
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
        }
    }
}
