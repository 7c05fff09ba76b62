//! What time does to envelopes: expiry, its warning, reminders, purging, removal from the bin, the end of a lock.
//!
//! Timers are leased like deliveries, so that any node may do one and only one does. What goes off is put to the envelope as an
//! action; the envelope says whether it is due, so that a timer which fires late, twice or in vain changes nothing.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use countersign_core::{
    Timestamp,
    envelope::{Action, Actor, Command, Envelope, EnvelopeStatus, Purge, Source, TimerKind},
    id::Incarnation,
};
use countersign_store::{StoreError, timer::Timer};

use crate::{App, envelopes, failure::Failure, jobs::Life};

/// Timers leased at once; each is one transaction.
const CLAIMED_MAX: usize = 64;
/// How often it is looked when nothing is known to be due: another node's timers, and those of requests just now.
const POLL_MAX: Duration = Duration::from_secs(5);
/// After a failure of the store, and the least time between two looks.
const PAUSE_MIN: Duration = Duration::from_millis(200);

/// Does what is due until the process stops. Dropped in the middle, it leaves its timers to the next life of this node.
pub async fn run(app: Arc<App>, life: Life) {
    let mut held = VecDeque::new();
    while !app.stopping.is_cancelled() {
        let done = match round(&app, life(), &mut held).await {
            Ok(done) => done,
            Err(error) => {
                tracing::warn!(%error, "timers cannot be read; trying again");
                0
            }
        };
        if done < CLAIMED_MAX {
            let pause = pause(&app).await;
            tokio::select! {
                () = app.stopping.cancelled() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }
}

async fn pause(app: &App) -> Duration {
    match app.store.next_timer().await {
        Ok(Some(due_at)) => due_at.since(app.now()).clamp(PAUSE_MIN, POLL_MAX),
        Ok(None) | Err(_) => POLL_MAX,
    }
}

/// Claims what is due and does it; answers how many timers were done. `held` keeps what could not be done or forgotten for now: it stays
/// leased to this life, or to an earlier one of this node as long as that lasts, and nobody else would come back to it.
///
/// # Errors
/// The store's, when nothing could be claimed or forgotten.
pub async fn round(app: &Arc<App>, by: Incarnation, held: &mut VecDeque<Timer>) -> Result<usize, StoreError> {
    let room = CLAIMED_MAX.saturating_sub(held.len());
    if room > 0 {
        let claimed = claim(app, by, room).await?;
        // An earlier life had ended, and with it the lease of what is claimed again.
        held.retain(|timer| claimed.iter().all(|again| again.id != timer.id));
        held.extend(claimed);
    }
    let mut finished: HashMap<Incarnation, Vec<Timer>> = HashMap::new();
    let mut again = VecDeque::new();
    for timer in held.drain(..) {
        match go_off(app, &timer).await {
            Ok(()) => finished.entry(timer.leased_by).or_default().push(timer),
            Err(failure) if failure.status.is_client_error() && failure.status != http::StatusCode::CONFLICT => {
                // The envelope has moved on, or is gone: nothing is due any more.
                tracing::debug!(timer = %timer.id, envelope = %timer.envelope, kind = timer.kind, %failure, "a timer went off in vain");
                finished.entry(timer.leased_by).or_default().push(timer);
            }
            Err(failure) => {
                tracing::warn!(timer = %timer.id, envelope = %timer.envelope, kind = timer.kind, %failure, "a timer could not be done; trying again");
                again.push_back(timer);
            }
        }
    }
    *held = again;
    let mut forgotten = Ok(0);
    for (by, timers) in finished {
        match app.store.finish_timers(by, timers.iter().map(|timer| timer.id).collect()).await {
            Ok(()) => forgotten = forgotten.map(|count| count + timers.len()),
            // They go off once more then, in vain, and are forgotten after that.
            Err(error) => {
                held.extend(timers);
                forgotten = Err(error);
            }
        }
    }
    forgotten
}

async fn claim(app: &App, by: Incarnation, room: usize) -> Result<Vec<Timer>, StoreError> {
    let claimed = app.store.claim_timers(by, app.now(), u32::try_from(room).unwrap_or(u32::MAX)).await;
    if matches!(claimed, Err(StoreError::Unknown(_))) {
        app.hand_over.doubt();
    }
    claimed
}

async fn go_off(app: &Arc<App>, timer: &Timer) -> Result<(), Failure> {
    let Some(kind) = TimerKind::from_word(&timer.kind) else {
        return Err(Failure::invalid_parameter(format!("'{}' is no kind of timer", timer.kind)));
    };
    let account = app.configs.account(timer.account).await?;
    let account = account.ok_or_else(|| Failure::not_found("ACCOUNT_NOT_FOUND", "the account does not exist"))?;
    let action: Action = kind.action();
    match kind {
        TimerKind::Purge => {
            purge_snapshots(app, timer, |envelope, now| {
                matches!(envelope.purge, Purge::Queued { .. }) && envelope.purge.due_at().is_some_and(|due_at| due_at <= now)
            })
            .await?
        }
        TimerKind::Remove => purge_snapshots(app, timer, |envelope, _| envelope.status == EnvelopeStatus::Deleted).await?,
        TimerKind::Expire | TimerKind::ExpireWarning | TimerKind::Remind | TimerKind::LockEnd => {}
    }
    let by = Actor { source: Source::System, ..Actor::default() };
    envelopes::change(app, &account, timer.envelope, |_| Ok(vec![Command::from(action.clone()).by(by.clone())])).await?;
    Ok(())
}

/// The snapshots of the envelope's events hold what is to be purged; they go first, so that a crash between leaves the timer and not
/// the data.
async fn purge_snapshots(app: &App, timer: &Timer, is_due: impl Fn(&Envelope, Timestamp) -> bool + Send) -> Result<(), Failure> {
    let (_, envelope) = envelopes::find(app, timer.account, timer.envelope).await?;
    if is_due(&envelope, app.now()) {
        app.store.purge_snapshots(timer.account, timer.envelope).await?;
    }
    Ok(())
}
