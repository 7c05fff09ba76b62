//! `publish/historical`: the present state of envelopes sent to a configuration that is made for this alone.
//!
//! The configuration may hold secrets, so it is stored like every other, sealed, but switched off and in no list: nothing
//! matches it, and the job's messages are addressed to it. It stays until its deliveries are past their retention and goes with
//! a later publish. A step repeated after a crash publishes nothing twice: each envelope has an idempotency key of the job's.
//!
//! Connect says that the messages are always JSON; which message tells of an envelope it does not say. Here it is the event of
//! the envelope's present status, if the configuration names it or names none.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use axum::{Router, extract::State, routing::post};
use countersign_core::{
    account::User,
    config::ConfigKind,
    event::{EventDetail, EventName, Snapshot},
    id::{AccountId, EnvelopeId, JobId, SubscriptionId},
    subscription::{Activity, MessageShape, Subscription, Users},
};
use countersign_store::{
    StoreError,
    job::{Job, JobState},
    objects::ObjectKey,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::configuration::{self, Read};
use crate::{
    App,
    access::{Administers, Caller},
    envelopes,
    failure::Failure,
    intake::{Change, NewEvent, NewIdempotency, NotSubmitted},
    jobs::{self, JobKind, StepError, Stepped},
    restapi::wire::{Answer, Wire},
    subscription::{AD_HOC, Terms, saved},
};

/// The kind of the job.
const KIND: &str = "historical_publish";
/// Envelopes in one request.
const ENVELOPES_MAX: usize = 10_000;
/// Envelopes published in one step.
const STEP: usize = 50;

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new().route("/connect/envelopes/publish/historical", post(publish))
}

/// What the job is to do, as stored.
#[derive(Debug, Serialize, Deserialize)]
struct Spec {
    /// To whom.
    subscription: SubscriptionId,
    /// What, in order.
    envelopes: Vec<EnvelopeId>,
}

/// How far it is, as stored and shown.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Progress {
    /// Envelopes looked at.
    processed: usize,
    /// Envelopes of which a message was recorded.
    published: usize,
    /// Envelopes whose present status the configuration does not ask for.
    no_action_required: usize,
    /// Envelopes of which there is none, by error code.
    errors: BTreeMap<String, usize>,
}

async fn publish(State(app): State<Arc<App>>, caller: Caller<Administers>, wire: Wire) -> Result<Answer, Failure> {
    let envelopes = wire.texts("envelopes")?;
    if envelopes.is_empty() || envelopes.len() > ENVELOPES_MAX {
        return Err(Failure::invalid_parameter(format!("envelopes holds 1 to {ENVELOPES_MAX} ids; this one holds {}", envelopes.len())));
    }
    let not_a_guid = |text: &str| Failure::invalid_parameter(format!("envelopes holds '{}', which is not a GUID", text.escape_debug()));
    let envelopes = envelopes
        .iter()
        .map(|text| text.trim().parse().map_err(|_| not_a_guid(&text.chars().take(64).collect::<String>())))
        .collect::<Result<Vec<EnvelopeId>, Failure>>()?;
    let config = wire.object("config")?.ok_or_else(|| Failure::invalid_parameter("config is needed: it says where to and how"))?;
    let now = app.now();
    let id = app.job_id(now);
    let subscription = ad_hoc(&app, &caller, &config, id)?;
    prune(&app, &caller).await?;
    let saved = saved::create(&app, &caller.account, subscription).await?;
    let job = Job {
        id,
        account: caller.account_id(),
        kind: KIND.to_owned(),
        state: JobState::Running,
        spec: text(&Spec { subscription: saved.subscription.id, envelopes: envelopes.clone() })?,
        progress: text(&Progress::default())?,
        created_at: now,
        changed_at: now,
        leased_by: None,
    };
    jobs::create(&app, job).await?;
    let key = ObjectKey { account: caller.account_id(), kind: ConfigKind::User, id: caller.user.to_string() };
    let user: Option<User> = app.store.object(key).await?.map(|stored| stored.object.read()).transpose()?;
    Ok(Answer::created(json!({
        "applyConnectSettings": "false",
        "envelopeCount": envelopes.len().to_string(),
        "envelopeLevelErrorRollups": [],
        "envelopePublishTransactionId": id,
        "errorCount": "0",
        "fileLevelErrors": [],
        "noActionRequiredEnvelopeCount": "0",
        "processedEnvelopeCount": "0",
        "processingStatus": "processing",
        // Ours: the job with its progress, under /api/v1.
        "resultsUri": format!("/api/v1/accounts/{}/jobs/{id}", caller.account_guid()),
        "submissionDate": now.to_seven_digits(),
        "submittedByUserInfo": {
            "email": user.as_ref().map(|user| user.email.as_str()).unwrap_or_default(),
            "userId": caller.user,
            "userName": user.as_ref().map(|user| user.name.as_str()).unwrap_or_default(),
        },
        "submittedForPublishingEnvelopeCount": envelopes.len().to_string(),
    })))
}

fn text(value: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|e| StoreError::Backend(format!("serialising a job: {e}")))
}

/// The configuration as a subscription that nothing matches.
fn ad_hoc(app: &App, caller: &Caller<Administers>, config: &Wire, job: JobId) -> Result<Subscription, Failure> {
    let mut given = config.as_map().clone();
    if !config.has("name") {
        given.insert("name".to_owned(), format!("Historical publish {job}").into());
    }
    // Docusign's own example of this call uses the name that the property has in eventNotification.
    if let Some(value) = config.get("signMessageWithX509Cert") {
        given.insert("signMessageWithX509Certificate".to_owned(), value.clone());
    }
    let terms = Terms { account: &caller.account, policy: &app.settings.targets };
    let Read { mut subscription, .. } =
        configuration::read(&Wire::of(Value::Object(given))?, SubscriptionId::FIRST, None, &terms, app.now())?;
    subscription.activity = Activity::Inactive;
    subscription.paused = false;
    subscription.users = Users::All;
    subscription.shape = match subscription.shape {
        MessageShape::JsonSim | MessageShape::XmlSim | MessageShape::AsReceived => MessageShape::JsonSim,
        MessageShape::JsonAggregate | MessageShape::XmlAggregate => MessageShape::JsonAggregate,
    };
    subscription.extra = serde_json::Map::from_iter([(AD_HOC.to_owned(), job.to_string().into())]);
    Ok(subscription)
}

/// Deletes what earlier publishes have left and nothing needs any more.
async fn prune(app: &App, caller: &Caller<Administers>) -> Result<(), Failure> {
    let account = caller.account_id();
    for subscription in caller.account.subscriptions.values() {
        let Some(job) = subscription.extra.get(AD_HOC).and_then(Value::as_str) else { continue };
        if app.now().since(subscription.created_at) < app.settings.retention {
            continue;
        }
        let job: Option<JobId> = job.parse().ok();
        let job = match job {
            Some(id) => app.store.job(account, id).await?,
            None => None,
        };
        let backlog = app.store.backlog(Some(account), Some(subscription.id)).await?;
        let is_idle = backlog.waiting == 0 && backlog.held == 0 && backlog.leased == 0;
        if is_idle && job.is_none_or(|job| job.state != JobState::Running) {
            saved::delete(app, account, subscription.id).await?;
        }
    }
    Ok(())
}

/// The job.
#[derive(Debug)]
pub struct HistoricalPublish;

#[async_trait]
impl JobKind for HistoricalPublish {
    fn word(&self) -> &'static str {
        KIND
    }

    async fn step(&self, app: &App, job: &Job) -> Result<Stepped, StepError> {
        let damaged = |e: serde_json::Error| StepError::Final(format!("the job is damaged: {e}"));
        let spec: Spec = serde_json::from_str(&job.spec).map_err(damaged)?;
        let mut progress: Progress = serde_json::from_str(&job.progress).map_err(damaged)?;
        let found = app.configs.subscription(job.account, spec.subscription).await?;
        let (_, subscription) = found.ok_or_else(|| StepError::Final("its configuration was deleted".to_owned()))?;
        for envelope in spec.envelopes.iter().skip(progress.processed).take(STEP) {
            match publish_one(app, job, *envelope, &subscription).await? {
                Published::Recorded => progress.published += 1,
                Published::NotAskedFor => progress.no_action_required += 1,
                Published::NoEnvelope => *progress.errors.entry("ENVELOPE_DOES_NOT_EXIST".to_owned()).or_default() += 1,
            }
            progress.processed += 1;
        }
        let done = progress.processed >= spec.envelopes.len();
        Ok(Stepped { progress: serde_json::to_value(&progress).map_err(damaged)?, done })
    }
}

/// What became of one envelope.
enum Published {
    Recorded,
    NotAskedFor,
    NoEnvelope,
}

async fn publish_one(app: &App, job: &Job, id: EnvelopeId, subscription: &Arc<Subscription>) -> Result<Published, StepError> {
    let Some(stored) = app.store.envelope(job.account, id).await? else { return Ok(Published::NoEnvelope) };
    // What left the bin for good is gone, although its row stays.
    if stored.row.folder == envelopes::REMOVED {
        return Ok(Published::NoEnvelope);
    }
    let Some(name) = event_of(&stored.row.status) else { return Ok(Published::NotAskedFor) };
    let wanted = &subscription.events;
    let names_none = wanted.names.is_empty() && wanted.envelope.is_empty() && wanted.recipient.is_empty();
    if !names_none && !wanted.wants(&name, subscription.shape) {
        return Ok(Published::NotAskedFor);
    }
    let change = Change {
        events: vec![NewEvent {
            name,
            user: stored.row.sender,
            envelope: Some(id),
            recipient_domains: Vec::new(),
            detail: EventDetail::default(),
            snapshot: Snapshot::Envelope(stored.row.body),
        }],
        addressed_to: Some(Arc::clone(subscription)),
        idempotency: Some(NewIdempotency {
            key: format!("{}/{id}", job.id),
            request_sha256: [0; 32],
            answer: crate::intake::RememberedAnswer::Fixed(bytes::Bytes::new()),
        }),
        ..Change::default()
    };
    match submitted(app, job.account, change).await {
        Ok(()) => Ok(Published::Recorded),
        Err(failure) if failure.status.is_server_error() => Err(StepError::Later(failure.to_string())),
        Err(failure) => Err(StepError::Final(failure.to_string())),
    }
}

async fn submitted(app: &App, account: AccountId, change: Change) -> Result<(), Failure> {
    match app.submit_to_the_end(account, change).await {
        Ok(_) => Ok(()),
        Err(NotSubmitted::Failed(failure)) => Err(failure),
        Err(NotSubmitted::StaleEnvelope) => Err(Failure::conflict("the envelope has changed")),
    }
}

/// The event that tells of an envelope's status.
fn event_of(status: &str) -> Option<EventName> {
    let events = [
        ("created", EventName::ENVELOPE_CREATED),
        ("sent", EventName::ENVELOPE_SENT),
        ("delivered", EventName::ENVELOPE_DELIVERED),
        ("completed", EventName::ENVELOPE_COMPLETED),
        ("declined", EventName::ENVELOPE_DECLINED),
        ("voided", EventName::ENVELOPE_VOIDED),
        ("deleted", EventName::ENVELOPE_DELETED),
    ];
    events.into_iter().find(|(known, _)| *known == status).map(|(_, name)| name)
}
