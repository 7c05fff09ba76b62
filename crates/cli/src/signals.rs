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

/// Exit code of a command that SIGINT ended, as shells have it: 128 and the number of the signal.
const BY_INTERRUPT: u8 = 128 + 2;
/// Of one that SIGTERM ended.
const BY_TERMINATE: u8 = 128 + 15;

impl Signals {
    /// Waits for the next one and gives the exit code of a command that ends for it.
    pub(crate) async fn exit_code(&mut self) -> u8 {
        tokio::select! {
            _ = self.terminate.recv() => BY_TERMINATE,
            _ = self.interrupt.recv() => BY_INTERRUPT,
        }
    }
}

/// Waits for SIGINT or SIGTERM.
pub(crate) async fn stopped() -> anyhow::Result<()> {
    Signals::hear()?.next().await;
    Ok(())
}
