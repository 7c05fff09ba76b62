//! From names to addresses.

use std::{future::Future, io, net::SocketAddr, pin::Pin, sync::Arc};

use tokio::sync::Semaphore;

/// The addresses of a name, to come.
pub type Resolved<'a> = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'a>>;

/// Looks names up. What it answers is vetted, all of it, before anything is dialled; it is asked anew for every connection.
pub trait Resolve: Send + Sync + 'static {
    /// The addresses of `host`, with `port` put into them.
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> Resolved<'a>;
}

/// The resolver of the operating system, so that the operator's hosts file and name servers count.
#[derive(Debug, Clone)]
pub struct SystemResolver {
    lookups: Arc<Semaphore>,
}

impl SystemResolver {
    /// At most `lookups_max` names at the same time: each look-up occupies a thread until the system gives up on it.
    #[must_use]
    pub fn new(lookups_max: usize) -> Self {
        Self { lookups: Arc::new(Semaphore::new(lookups_max.clamp(1, Semaphore::MAX_PERMITS))) }
    }
}

impl Resolve for SystemResolver {
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> Resolved<'a> {
        Box::pin(async move {
            let permit = Arc::clone(&self.lookups).acquire_owned().await.map_err(io::Error::other)?;
            let host = host.to_owned();
            // In a task of its own: a caller that stops waiting does not stop the thread, so the permit must not go either.
            let lookup = tokio::spawn(async move {
                let found = tokio::net::lookup_host((host.as_str(), port)).await.map(Iterator::collect);
                drop(permit);
                found
            });
            lookup.await.map_err(io::Error::other)?
        })
    }
}
