//! An authority that runs in the background of a test.

use std::{io, net::SocketAddr, ops::Deref};

use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};

use crate::{
    authority::Authority,
    issuer::Issuer,
    settings::{Settings, SettingsError},
};

/// An authority on a loopback port of its own, stopped when this is dropped.
#[derive(Debug)]
pub struct Running {
    authority: Authority,
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    server: JoinHandle<io::Result<()>>,
}

/// An authority could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The settings make no sense.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// No loopback port could be had.
    #[error("no port on 127.0.0.1: {0}")]
    Bind(#[from] io::Error),
}

impl Running {
    /// Starts an authority on 127.0.0.1, on a port that the system chooses. The origin of the issuer in the settings is
    /// replaced with that address; its path is kept.
    ///
    /// # Errors
    /// [`StartError`] when the settings make no sense or there is no port.
    pub async fn start(mut settings: Settings) -> Result<Self, StartError> {
        let listener = TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let issuer = Issuer::parse(&settings.issuer).and_then(|issuer| issuer.at_origin(&format!("http://{address}")));
        settings.issuer = issuer.map_err(SettingsError::from)?.as_str().to_owned();
        let authority = Authority::try_new(settings)?;
        let (stop, stopped) = oneshot::channel();
        let server = authority.clone();
        let server = tokio::spawn(async move {
            server
                .serve_until(listener, async {
                    // Also when the sender is gone.
                    let _ = stopped.await;
                })
                .await
        });
        Ok(Self { authority, address, stop: Some(stop), server })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops it and waits until requests under way are answered. From then on connections are refused.
    pub async fn stop(mut self) {
        if let Some(stop) = self.stop.take() {
            // A server that has ended by itself no longer listens for this.
            let _ = stop.send(());
        }
        let _ = (&mut self.server).await;
    }
}

impl Deref for Running {
    type Target = Authority;

    fn deref(&self) -> &Authority {
        &self.authority
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.server.abort();
    }
}
