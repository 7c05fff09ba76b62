//! A file that is being written, and what becomes of it when somebody wants the end: it is removed, so that nobody takes it for whole.

use std::path::Path;

use countersign_store::part;
use tokio::task::JoinHandle;

use crate::{output, signals::Signals};

/// Watches for SIGINT and SIGTERM until it is dropped.
pub(crate) struct Unfinished(JoinHandle<()>);

impl Unfinished {
    /// From now on either signal removes what is written of `file`, and ends the process with the exit code that shells have for it.
    ///
    /// # Errors
    /// When the system lets us hear no signals.
    pub(crate) fn watch(file: &Path) -> anyhow::Result<Self> {
        let mut signals = Signals::hear()?;
        let file = file.to_owned();
        Ok(Self(tokio::spawn(async move {
            let code = signals.exit_code().await;
            part::remove(&file);
            output::note(&format!("countersign: interrupted; nothing is left of {}", file.display()));
            // The thread that writes cannot be asked to stop; what it writes from here on has no name any more.
            std::process::exit(code.into());
        })))
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        self.0.abort();
    }
}
