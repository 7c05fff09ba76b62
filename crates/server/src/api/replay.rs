//! Replay: deliveries sent again, one at once or any number as a durable job.
//!
//! What waits or was given up keeps its id and is attempted again with a raised `retryCount` (Connect: `retry_queue`). What was
//! delivered is sent by a new delivery that names the old one. What is under way, was cancelled, or whose subscription is
//! gone or switched off is passed over and counted.
//!
//! The job looks back from the moment it was asked for, newest first; what is recorded later is never part of it. A step
//! repeated after a crash does nothing twice, whatever became of its deliveries meanwhile: new ones are recorded under an
//! idempotency key made of the job and the page, and what was retried since the job began is not touched again.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use async_trait::async_trait;
use axum::{Json, Router, extract::State, routing::post};
use countersign_core::{
    Timestamp,
    config::ConfigVersion,
    delivery::{Delivery, DeliveryState},
    id::{AccountId, DeliveryId, ListenerId},
    subscription::Activity,
};
use countersign_store::{
    Refused, StoreError,
    job::{Job, JobState},
    query::{DeliveryAction, ListedDelivery},
    record::{Idempotency, Record, Recorded},
};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::{
    App,
    access::{Caller, Writes},
    api::{delivery_filter::FilterText, jobs::shown, strict::StrictJson},
    failure::Failure,
    jobs::{self, JobKind, StepError, Stepped},
    subscription::is_listed,
};

/// The kind of the job.
const KIND: &str = "replay";
/// Deliveries looked at in one step: small enough that a cancelled job ends within moments.
const STEP: u32 = 200;
/// Pages counted in a dry run before it says "at least".
const DRY_RUN_PAGES_MAX: u32 = 100;
/// Deliveries in one page of a dry run.
const DRY_RUN_PAGE: u32 = 1_000;
/// The least by which one time is after another.
const MARK_STEP: Duration = Duration::from_micros(1);

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new().route("/deliveries/replay", post(replay))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Asked {
    /// Which; to mean all, an empty object must be given.
    filter: Map<String, Value>,
    /// Count only.
    #[serde(default)]
    dry_run: bool,
}

/// What the job is to do, as stored.
#[derive(Debug, Serialize, Deserialize)]
struct Spec {
    filter: FilterText,
}

/// How far it is, as stored and shown.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Progress {
    /// The last delivery looked at; the next step goes on before it.
    cursor: Option<DeliveryId>,
    #[serde(flatten)]
    counts: Counts,
}

/// Of deliveries, what became of them or would.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Counts {
    /// Attempted again under their own id.
    pub(super) retried: u64,
    /// Sent by a new delivery.
    pub(super) replayed: u64,
    /// Passed over.
    pub(super) skipped: u64,
}

/// What is to be done with a delivery.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Way {
    Retry,
    Anew,
    Skip,
}

/// `since`: what was asked for again after this time is not asked for once more, also when it was delivered or given up meanwhile.
fn way(delivery: &Delivery, since: Option<Timestamp>) -> Way {
    if since.is_some_and(|since| delivery.schedule_started_at > since) {
        return Way::Skip;
    }
    match delivery.state {
        DeliveryState::Waiting { .. } | DeliveryState::Parked { .. } => Way::Retry,
        DeliveryState::Delivered { .. } => Way::Anew,
        DeliveryState::Leased { .. } | DeliveryState::Cancelled { .. } => Way::Skip,
    }
}

async fn replay(
    State(app): State<Arc<App>>,
    caller: Caller<Writes>,
    StrictJson(asked): StrictJson<Asked>,
) -> Result<(StatusCode, Json<Value>), Failure> {
    let filter = FilterText::of_json(&asked.filter)?;
    let now = app.now();
    let id = app.job_id(now);
    if asked.dry_run {
        return Ok((StatusCode::OK, Json(dry_run(&app, caller.account_id(), &filter, DeliveryId::from_raw(id.raw()), now).await?)));
    }
    let job = Job {
        id,
        account: caller.account_id(),
        kind: KIND.to_owned(),
        state: JobState::Running,
        spec: text(&Spec { filter })?,
        progress: text(&Progress::default())?,
        created_at: now,
        changed_at: now,
        leased_by: None,
    };
    let body = shown(&job);
    jobs::create(&app, job).await?;
    Ok((StatusCode::ACCEPTED, Json(body)))
}

fn text(value: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|e| StoreError::Backend(format!("serialising a job: {e}")))
}

/// What a job would do now. Whether a subscription is still there is not looked up: those passed over for that are counted as replayed.
async fn dry_run(app: &App, account: AccountId, filter: &FilterText, before: DeliveryId, now: Timestamp) -> Result<Value, Failure> {
    let filter = filter.filter()?;
    let mut counts = Counts::default();
    let mut before = Some(before);
    for _ in 0..DRY_RUN_PAGES_MAX {
        let page = app.store.deliveries(account, filter.clone(), before, DRY_RUN_PAGE).await?;
        for listed in &page.deliveries {
            match way(&listed.delivery, Some(now)) {
                Way::Retry => counts.retried += 1,
                Way::Anew => counts.replayed += 1,
                Way::Skip => counts.skipped += 1,
            }
        }
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    Ok(json!({
        "dryRun": true,
        "retried": counts.retried,
        "replayed": counts.replayed,
        "skipped": counts.skipped,
        // False: there are more, and counting on would cost more than it tells.
        "complete": before.is_none(),
    }))
}

/// The job.
#[derive(Debug)]
pub struct Replay;

#[async_trait]
impl JobKind for Replay {
    fn word(&self) -> &'static str {
        KIND
    }

    async fn step(&self, app: &App, job: &Job) -> Result<Stepped, StepError> {
        let damaged = |e: serde_json::Error| StepError::Final(format!("the job is damaged: {e}"));
        let spec: Spec = serde_json::from_str(&job.spec).map_err(damaged)?;
        let mut progress: Progress = serde_json::from_str(&job.progress).map_err(damaged)?;
        let filter = spec.filter.filter().map_err(|failure| StepError::Final(failure.message))?;
        let before = progress.cursor.unwrap_or(DeliveryId::from_raw(job.id.raw()));
        let page = app.store.deliveries(job.account, filter, Some(before), STEP).await?;
        if let Some(last) = page.deliveries.last() {
            progress.cursor = Some(last.delivery.id);
        }
        let key = format!("{}/{before}", job.id);
        let counts = again(app, job.account, &page.deliveries, Some(job.created_at), &key).await?;
        progress.counts.retried += counts.retried;
        progress.counts.replayed += counts.replayed;
        progress.counts.skipped += counts.skipped;
        let done = page.next.is_none();
        Ok(Stepped { progress: serde_json::to_value(&progress).map_err(damaged)?, done })
    }
}

/// Sends these once more. `key` names this very call: a repetition of it makes no second set of new deliveries, whatever the first
/// one chose. What was asked for again after `since` is passed over; `None` passes nothing over for that.
///
/// # Errors
/// The store's, and [`StoreError::Unavailable`] when subscriptions changed under it. New deliveries recorded before the error stay.
pub(super) async fn again(
    app: &App,
    account: AccountId,
    deliveries: &[ListedDelivery],
    since: Option<Timestamp>,
    key: &str,
) -> Result<Counts, StoreError> {
    let now = app.now();
    // Read before the subscriptions are: what changes after this is refused.
    let version = app.configs.account(account).await?.map(|config| config.version);
    let mut retry = Vec::new();
    let mut anew = Vec::new();
    let mut listeners: BTreeSet<ListenerId> = BTreeSet::new();
    for ListedDelivery { delivery, .. } in deliveries {
        match way(delivery, since) {
            Way::Retry => {
                listeners.insert(delivery.listener);
                retry.push(delivery.id);
            }
            Way::Anew => {
                if let Some(new) = replayed(app, delivery, now).await? {
                    listeners.insert(new.listener);
                    anew.push(new);
                }
            }
            Way::Skip => {}
        }
    }
    let mut counts = Counts::default();
    // First what may be refused, so that a refusal leaves nothing half done.
    if !anew.is_empty() {
        counts.replayed = record_once(app, account, version, anew, key).await?;
    }
    if !retry.is_empty() {
        // This time marks them as asked for again. The clock of the node that took the job may be ahead of this one's.
        let mark = since.map_or(now, |since| now.max(since + MARK_STEP));
        counts.retried = app.store.act_on_deliveries(account, retry, DeliveryAction::Retry, mark).await?.len() as u64;
    }
    counts.skipped = (deliveries.len() as u64).saturating_sub(counts.retried + counts.replayed);
    for listener in listeners {
        app.hand_over.wake(listener);
    }
    Ok(counts)
}

/// Records new deliveries unless a call of this key has. Answers how many the key stands for.
async fn record_once(
    app: &App,
    account: AccountId,
    config: Option<ConfigVersion>,
    anew: Vec<Delivery>,
    key: &str,
) -> Result<u64, StoreError> {
    let count = anew.len() as u64;
    let record = Record {
        account,
        // A subscription that was deleted or switched off since must not get deliveries that nobody would ever cancel.
        config,
        envelope: None,
        events: Vec::new(),
        deliveries: anew,
        subscriptions: Vec::new(),
        idempotency: Some(Idempotency {
            key: key.to_owned(),
            // The same for every repetition: which deliveries are to be sent anew may have changed since the first one.
            request_sha256: [0; 32],
            answer: bytes::Bytes::copy_from_slice(&count.to_be_bytes()),
            expires_at: app.now() + app.settings.idempotency_life,
        }),
    };
    match app.store.record(vec![record]).await?.pop() {
        Some(Ok(Recorded::Fresh)) => Ok(count),
        // The step was done before the process died, only its progress was not written.
        Some(Ok(Recorded::Repeated(answer))) => Ok(<[u8; 8]>::try_from(&answer[..]).map_or(count, u64::from_be_bytes)),
        Some(Err(Refused::StaleConfig(_))) => {
            app.configs.invalidate(account);
            Err(StoreError::Unavailable("the subscriptions of the account have changed meanwhile; try again".into()))
        }
        Some(Err(refused)) => Err(StoreError::Backend(format!("a replay was refused: {refused}"))),
        None => Err(StoreError::Backend("no answer for a record".into())),
    }
}

/// A new delivery of the same event to the same subscription, by its present address; `None` when nobody listens there any more,
/// because the subscription was deleted or a person has switched it off.
///
/// Its message is generated now: a listener that knows messages by their signed content (event, envelope, recipient and
/// `generatedDateTime`, the one identity Connect gives) must not take what a person asked to have again for a duplicate.
async fn replayed(app: &App, old: &Delivery, now: Timestamp) -> Result<Option<Delivery>, StoreError> {
    let Some((config, subscription)) = app.configs.subscription(old.account, old.subscription).await? else { return Ok(None) };
    // Those of single publishes are never switched on; their messages are addressed to them.
    if subscription.activity == Activity::Inactive && is_listed(&subscription) {
        return Ok(None);
    }
    Ok(Some(Delivery {
        id: app.delivery_id(now),
        listener: subscription.lane(config.identity()),
        generated_at: now,
        state: DeliveryState::Waiting { due_at: now, held: subscription.hold() },
        attempts_made: 0,
        retry_count: 0,
        schedule_started_at: now,
        attempts_before_schedule: 0,
        held_total: Duration::ZERO,
        replay_of: Some(old.id),
        ..old.clone()
    }))
}
