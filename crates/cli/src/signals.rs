//! SIGINT and SIGTERM: the first asks for an orderly end, a second one for a quick end.

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Hears both signals from when it is made.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// From now on neither signal ends the process by itself.
    ///
    /// # Errors
    /// When the system lets us hear no signals.
    pub(crate) fn hear() -> anyhow::Result<Self> {
        let hear = |kind| signal(kind).context("waiting for signals");
        Ok(Self { terminate: hear(SignalKind::terminate())?, interrupt: hear(SignalKind::interrupt())? })
    }

    /// Waits for the next one.
    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Waits for SIGINT or SIGTERM.
pub(crate) async fn stopped() -> anyhow::Result<()> {
    Signals::hear()?.next().await;
    Ok(())
}
