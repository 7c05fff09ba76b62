//! The end of `listen`: requests under way are answered first, then the inbox's attempts may end. Both may take as long as the graces of
//! server and worker go; whoever does not want to wait that long asks a second time.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::inbox::Inbox;
use crate::output;

/// How long the end may take until it is said what is waited for.
const SILENCE: Duration = Duration::from_secs(1);

/// What runs beside the telling, to be ended.
pub(crate) struct Ending {
    /// Ends what serves.
    pub(crate) serving: CancellationToken,
    /// What serves.
    pub(crate) served: Vec<JoinHandle<()>>,
    /// The inbox, if there is one.
    pub(crate) inbox: Option<Arc<Inbox>>,
}

impl Ending {
    /// Ends it. Once `hurry` is over nothing under way is waited for any more: requests are dropped, and attempts cut off and recorded as
    /// interrupted, which makes them due at the next start.
    ///
    /// # Errors
    /// When what serves panicked.
    pub(crate) async fn end(self, hurry: impl Future<Output = ()>) -> anyhow::Result<()> {
        let requests = CancellationToken::new();
        let attempts = self.inbox.as_ref().and_then(|inbox| inbox.cut_off());
        let ended = self.take_down(requests.clone());
        tokio::pin!(ended, hurry);
        tokio::select! {
            ended = &mut ended => return ended,
            () = &mut hurry => {}
            () = tokio::time::sleep(SILENCE) => {
                output::note("stopping: what is under way may end; press Ctrl-C again, or send SIGTERM again, to cut it off");
                tokio::select! {
                    ended = &mut ended => return ended,
                    () = &mut hurry => {}
                }
            }
        }
        output::note("stopping at once: what is under way is cut off");
        requests.cancel();
        if let Some(attempts) = attempts {
            attempts.cancel();
        }
        ended.await
    }

    async fn take_down(self, requests_cut_off: CancellationToken) -> anyhow::Result<()> {
        self.serving.cancel();
        for served in self.served {
            tokio::select! {
                served = served => served.context("serving panicked")?,
                () = requests_cut_off.cancelled() => {}
            }
        }
        if let Some(inbox) = self.inbox {
            inbox.close().await;
        }
        Ok(())
    }
}
