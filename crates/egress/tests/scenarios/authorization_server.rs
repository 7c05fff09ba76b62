//! An authorization server that gives numbered tokens, and what a test needs around it.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use countersign_core::auth::OAuthConnection;
use countersign_egress::{BoundConnection, Egress, TlsProfile, TokenObserver, TokenProbe, TokenSource};
use tokio::sync::{Mutex, Semaphore, mpsc};

use crate::server::{ManualClock, Reply, Seen, Server, answer, egress};

/// Gives `token-1`, `token-2` and so on.
pub(crate) struct AuthorizationServer {
    pub(crate) server: Server,
    /// Requests wait for a permit each, when there is a gate.
    pub(crate) gate: Arc<Semaphore>,
}

/// A token answer.
pub(crate) fn token_answer(token: &str, more: &str) -> Reply {
    answer("200 OK", &["Content-Type: application/json"], &format!(r#"{{"access_token":"{token}","token_type":"Bearer"{more}}}"#))
}

impl AuthorizationServer {
    /// Tokens for an hour, at once.
    pub(crate) async fn start() -> Self {
        Self::with(Semaphore::MAX_PERMITS, |number, _| token_answer(&format!("token-{number}"), r#","expires_in":3600"#)).await
    }

    /// As many answers as there are permits in the gate; the number of the request comes with it.
    pub(crate) async fn with(permits: usize, reply: impl Fn(usize, Seen) -> Reply + Clone + Send + Sync + 'static) -> Self {
        let gate = Arc::new(Semaphore::new(permits));
        let (waiting, count) = (Arc::clone(&gate), Arc::new(AtomicUsize::new(0)));
        let server = Server::start(move |seen| {
            let (waiting, count, reply) = (Arc::clone(&waiting), Arc::clone(&count), reply.clone());
            async move {
                let number = count.fetch_add(1, Ordering::SeqCst) + 1;
                waiting.acquire().await.unwrap().forget();
                reply(number, seen)
            }
        })
        .await;
        Self { server, gate }
    }

    pub(crate) fn connection(&self) -> OAuthConnection {
        OAuthConnection::new(self.server.url("/token"), "client", "correct horse")
    }

    pub(crate) fn bound(&self) -> BoundConnection {
        bind(self.connection())
    }

    pub(crate) fn requests(&self) -> usize {
        self.server.seen().len()
    }

    /// Waits until so many requests have been read.
    pub(crate) async fn read(&self, requests: usize) {
        while self.requests() < requests {
            tokio::task::yield_now().await;
        }
    }
}

pub(crate) fn bind(connection: OAuthConnection) -> BoundConnection {
    BoundConnection::new(Arc::new(connection), TlsProfile::plain())
}

/// A token source with a clock of its own that reports every request.
pub(crate) struct Source {
    pub(crate) tokens: TokenSource,
    pub(crate) clock: ManualClock,
    probes: Mutex<mpsc::UnboundedReceiver<TokenProbe>>,
}

struct Observer(mpsc::UnboundedSender<TokenProbe>);

impl TokenObserver for Observer {
    fn probed(&self, probe: &TokenProbe) {
        drop(self.0.send(probe.clone()));
    }
}

impl Source {
    pub(crate) fn new() -> Self {
        Self::through(egress())
    }

    pub(crate) fn through(egress: Egress) -> Self {
        let clock = ManualClock::new();
        let (sender, probes) = mpsc::unbounded_channel();
        let tokens = TokenSource::with_observer(egress, Arc::new(clock.clone()), Arc::new(Observer(sender)));
        Self { tokens, clock, probes: Mutex::new(probes) }
    }

    /// The token as it would be sent.
    pub(crate) async fn header(&self, bound: &BoundConnection) -> String {
        self.tokens.token(bound).await.expect("a token").header().to_str().unwrap().to_owned()
    }

    /// Waits for the end of a request.
    pub(crate) async fn probe(&self) -> TokenProbe {
        self.probes.lock().await.recv().await.unwrap()
    }
}
