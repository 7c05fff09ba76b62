//! Upkeep: retention, the disk budget, and contents that nothing refers to any more.
//!
//! Deleting goes in small steps with pauses between them, so that nobody waits long for the writer. What is unfinished is never
//! deleted. When the disk budget is nearly spent, finished deliveries go before their time, oldest first; when it is spent and
//! nothing may be deleted any more, the intake is closed until there is room again.

use std::{sync::Arc, time::Duration};

use countersign_store::{StoreError, query::Retention};
use tokio::time::Instant;

use crate::App;

/// How often it is looked for what may go.
const ROUND: Duration = Duration::from_secs(60);
/// Deliveries deleted in one transaction.
const STEP_ROWS: u32 = 500;
/// Between two steps, for everybody else.
const STEP_PAUSE: Duration = Duration::from_millis(20);
/// Contents younger than this may belong to a change that is being recorded.
const CONTENT_AGE_MIN: Duration = Duration::from_secs(24 * 3600);
/// How often the disk budget is looked at: what comes in meanwhile is small beside the tenth that is kept free.
const BUDGET_ROUND: Duration = Duration::from_secs(5);
/// From this part of the disk budget on, finished deliveries go before their time.
const BUDGET_FROM: f64 = 0.9;
/// Deleting goes on until this part of the budget is used, so that it is not at the brink all the time.
const BUDGET_UNTIL: f64 = 0.85;
/// How often the configuration cache asks whether another process changed something.
const CONFIG_POLL: Duration = Duration::from_secs(2);

/// What one round did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Round {
    /// Deliveries deleted because their time was over.
    pub expired: u64,
    /// Deliveries deleted before their time, for room.
    pub for_room: u64,
    /// Contents deleted.
    pub contents: u64,
}

/// Rounds until the process stops.
pub async fn run(app: Arc<App>) {
    let mut next_round = Instant::now();
    while !app.stopping.is_cancelled() {
        let done = if Instant::now() >= next_round {
            next_round = Instant::now() + ROUND;
            round(&app).await
        } else {
            make_room(&app).await.map(|for_room| Round { for_room, ..Round::default() })
        };
        match done {
            Ok(done) if done != Round::default() => {
                tracing::info!(expired = done.expired, for_room = done.for_room, contents = done.contents, "upkeep deleted");
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "upkeep did not finish its round; it goes on with the next"),
        }
        pause(&app, BUDGET_ROUND).await;
    }
}

/// One round: everything that may go now goes.
///
/// # Errors
/// The store's; what was deleted stays deleted.
pub async fn round(app: &App) -> Result<Round, StoreError> {
    let mut done = Round::default();
    let before = app.now().minus(app.settings.retention);
    while !app.stopping.is_cancelled() {
        let step = app.store.retain(Retention { before, rows_max: STEP_ROWS }, app.now()).await?;
        done.expired += step.deliveries;
        if !step.more {
            break;
        }
        pause(app, STEP_PAUSE).await;
    }
    let old = app.now().minus(CONTENT_AGE_MIN);
    while !app.stopping.is_cancelled() {
        let swept = app.store.sweep_contents(old, STEP_ROWS).await?;
        done.contents += swept;
        if swept < u64::from(STEP_ROWS) {
            break;
        }
        pause(app, STEP_PAUSE).await;
    }
    done.for_room = make_room(app).await?;
    Ok(done)
}

/// Keeps to the disk budget, if there is one.
async fn make_room(app: &App) -> Result<u64, StoreError> {
    let Some(bytes_max) = app.settings.disk_bytes_max else { return Ok(0) };
    let mut used = app.store.health().await?.disk_bytes;
    let mut deleted = 0;
    if used > part(bytes_max, BUDGET_FROM) {
        while used > part(bytes_max, BUDGET_UNTIL) && !app.stopping.is_cancelled() {
            let step = app.store.retain(Retention { before: app.now(), rows_max: STEP_ROWS }, app.now()).await?;
            deleted += step.deliveries;
            used = app.store.health().await?.disk_bytes;
            if !step.more {
                break;
            }
            pause(app, STEP_PAUSE).await;
        }
    }
    let full = used >= bytes_max;
    if full != app.is_storage_full() {
        if full {
            tracing::error!(used, bytes_max, "the disk budget is spent and nothing may be deleted: events are refused with 507");
        } else {
            tracing::info!(used, bytes_max, "there is room again: events are taken");
        }
        app.set_storage_full(full);
    }
    Ok(deleted)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "a part of a size on disk, rounded as it may be"
)]
fn part(bytes_max: u64, part: f64) -> u64 {
    (bytes_max as f64 * part) as u64
}

/// Keeps the configuration cache in step with what other processes write. A miss costs a second matching, never a wrong one.
pub async fn poll_configs(app: Arc<App>) {
    while !app.stopping.is_cancelled() {
        if let Err(error) = app.configs.poll().await {
            tracing::warn!(%error, "the configuration cache cannot be compared with the store");
        }
        pause(&app, CONFIG_POLL).await;
    }
}

async fn pause(app: &App, time: Duration) {
    tokio::select! {
        () = app.stopping.cancelled() => {}
        () = tokio::time::sleep(time) => {}
    }
}
