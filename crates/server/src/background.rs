//! What runs beside the requests: jobs, upkeep, and the watch over the configuration.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::FutureExt;
use tokio::task::JoinSet;

use crate::{
    App,
    api::replay::Replay,
    jobs::{self, JobKind, Life},
    restapi::connect::historical::HistoricalPublish,
    timers, upkeep,
};

/// How long a loop rests after a panic, so that a lasting fault does not fill the log.
const AFTER_PANIC: Duration = Duration::from_secs(5);

/// Starts all loops. They end after [`App::stopping`] is cancelled; wait for the set to be empty before the store is closed.
#[must_use]
pub fn start(app: &Arc<App>, life: &Life) -> JoinSet<()> {
    let mut set = JoinSet::new();
    let (by, jobs_app) = (Arc::clone(life), Arc::clone(app));
    set.spawn(kept_up("jobs", Arc::clone(app), move || jobs::run(Arc::clone(&jobs_app), Arc::clone(&by), kinds())));
    let (by, timers_app) = (Arc::clone(life), Arc::clone(app));
    set.spawn(kept_up("timers", Arc::clone(app), move || timers::run(Arc::clone(&timers_app), Arc::clone(&by))));
    let upkeep_app = Arc::clone(app);
    set.spawn(kept_up("upkeep", Arc::clone(app), move || upkeep::run(Arc::clone(&upkeep_app))));
    let config_app = Arc::clone(app);
    set.spawn(kept_up("configuration", Arc::clone(app), move || upkeep::poll_configs(Arc::clone(&config_app))));
    set
}

/// All kinds of jobs.
#[must_use]
pub fn kinds() -> Vec<Box<dyn JobKind>> {
    vec![Box::new(Replay), Box::new(HistoricalPublish)]
}

/// Runs a loop again when it panics; ends with it otherwise.
async fn kept_up<F: Future<Output = ()>>(name: &'static str, app: Arc<App>, make: impl Fn() -> F + Send) {
    while AssertUnwindSafe(make()).catch_unwind().await.is_err() {
        tracing::error!(loop_name = name, "a background loop panicked, which is a fault of Countersign; it is started again");
        tokio::select! {
            () = app.stopping.cancelled() => return,
            () = tokio::time::sleep(AFTER_PANIC) => {}
        }
    }
}
