//! Waiting for what nobody announces: a state that another process shows when it is asked.

use std::time::Duration;

/// Between two looks.
const GLANCE: Duration = Duration::from_millis(20);
/// Longest wait: far beyond what any of them takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Looks again until there is something to see, and gives it.
pub(crate) async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let looking = async {
        loop {
            if let Some(seen) = look().await {
                return seen;
            }
            tokio::time::sleep(GLANCE).await;
        }
    };
    tokio::time::timeout(PATIENCE, looking).await.unwrap_or_else(|_| panic!("waited in vain for {what}"))
}
