//! The durable inbox: the sender's own store and worker behind the listener.
//!
//! An arrival is an event of the one account of the store, its body the event's snapshot; each forward URL is a subscription that sends it
//! [as received](countersign_core::shape::MessageShape::AsReceived). The sender of a message gets its 200 when event and deliveries are on
//! stable storage, in one transaction with the key that recognises the message when it comes again. From there on it is a delivery like
//! any other: retried, in order where asked, kept over crashes.

mod noticed;
mod plan;

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context as _, bail};
use bytes::Bytes;
use countersign_core::{
    account::Account,
    event::{EventDetail, Snapshot},
    id::{AccountGuid, EventId, IdSource},
    retry::RetryProfile,
};
use countersign_deliver::{
    Worker,
    attempt::{Attempts, Parts},
    metrics::LaneFigures,
};
use countersign_egress::{Egress, Roots, SystemClock, TokenSource};
use countersign_listener::{REPLAY_WINDOW_SECONDS, ReplayKey};
use countersign_server::{
    App, background,
    failure::Failure,
    hex,
    intake::{Change, NewEvent, NewIdempotency, NotSubmitted, RememberedAnswer, Submitted},
};
use countersign_store::{
    Store,
    cache::ConfigCache,
    query::{DeliveryAction, DeliveryFilter},
};
use futures_util::FutureExt as _;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use self::noticed::Noticed;
use super::{forwarding::Forward, gist::Gist, outlet::Outlet, tally::Tally};
use crate::{
    database::open_embedded,
    outbound::operator_policy,
    process::{host_name, random_u32},
};

/// The name of the account that a store of an inbox has.
const ACCOUNT_NAME: &str = "inbox";
/// An inbox never gives an application up: it is not for us to disable what the operator named.
const NEVER: Duration = Duration::from_secs(100 * 365 * 86_400);
/// Failed deliveries let go in one step.
const ROWS_PER_STEP: u32 = 500;

/// How an inbox is to be.
#[derive(Clone, Debug)]
pub(crate) struct InboxPlan {
    /// Where its store lies.
    pub(crate) folder: PathBuf,
    /// Where messages go.
    pub(crate) forwards: Vec<Forward>,
    /// Messages of one envelope go one at a time, in order.
    pub(crate) ordered: bool,
    /// When failed attempts are repeated; `None` is the inbox's own schedule.
    pub(crate) retry: Option<RetryProfile>,
    /// How long an attempt may take.
    pub(crate) timeout: Duration,
    /// How long what was forwarded is kept.
    pub(crate) retention: Option<Duration>,
    /// How much room the store may take, in bytes.
    pub(crate) disk_bytes_max: Option<u64>,
    /// Health and metrics have an address of their own.
    pub(crate) operations_apart: bool,
}

/// A running inbox.
pub(crate) struct Inbox {
    /// What the server's handlers share: intake, metrics, health.
    pub(crate) app: Arc<App>,
    account: Account,
    ordered: bool,
    /// Taken by whoever ends it.
    running: Mutex<Option<(Worker, JoinSet<()>)>>,
}

/// Where a message is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stored {
    /// The event, also of a message that came before.
    pub(crate) event: EventId,
    /// It was recorded just now.
    pub(crate) is_new: bool,
}

impl Inbox {
    /// Opens the store, makes what is missing in it, and starts the worker.
    ///
    /// # Errors
    /// One clause that names what does not work.
    pub(crate) async fn open(plan: &InboxPlan, outlet: Outlet, tally: &Arc<Tally>) -> anyhow::Result<Self> {
        let store: Arc<dyn Store> = Arc::new(open_embedded(&plan.folder).await?);
        let clock = countersign_server::clock::system();
        let account = account(&*store, clock()).await?;
        plan::apply(&*store, &account, plan, clock()).await?;

        let worker_settings = countersign_deliver::Settings {
            delivery_timeout: plan.timeout,
            disable_after: NEVER,
            ..countersign_deliver::Settings::default()
        };
        let egress_settings = countersign_egress::Settings {
            total_timeout: plan.timeout,
            answer_kept_bytes: worker_settings.answer_bytes_kept,
            pool_idle_per_host: worker_settings.lane_concurrency_max as usize,
            ..countersign_egress::Settings::default()
        };
        let egress = Egress::new(egress_settings, operator_policy(), &Roots::System).context("outbound connections")?;
        let ids = Arc::new(IdSource::new(0));
        let configs = Arc::new(ConfigCache::new(Arc::clone(&store)));
        let attempts = Arc::new(Attempts::new(Parts {
            store: Arc::clone(&store),
            configs: Arc::clone(&configs),
            egress: egress.clone(),
            tokens: TokenSource::new(egress, Arc::new(SystemClock)),
            ids: Arc::clone(&ids),
            clock: Arc::clone(&clock),
            settings: worker_settings.clone(),
        }));
        let metrics = countersign_deliver::metrics::Metrics::default();
        let counted = metrics.clone();
        let worker = Worker::start(
            Arc::clone(&store),
            Arc::new(Noticed::new(Arc::clone(&attempts), outlet, Arc::clone(tally))),
            format!("{}/{}", host_name(), std::process::id()),
            worker_settings,
            Arc::clone(&clock),
            Arc::new(random_u32),
            move |settlement, stood| counted.settled(settlement, stood),
        )
        .await
        .context("the worker does not start")?;
        worker.number(Arc::clone(&ids));
        worker.watch_holds(attempts);

        let settings = countersign_server::Settings {
            idempotency_life: Duration::from_secs(REPLAY_WINDOW_SECONDS),
            disk_bytes_max: plan.disk_bytes_max,
            operations_apart: plan.operations_apart,
            ..countersign_server::Settings::default()
        };
        let retention = plan.retention.unwrap_or(settings.retention);
        let settings = countersign_server::Settings { retention, ..settings };
        let app = Arc::new(App { configs, hand_over: worker.hand_over(), ..App::new(store, ids, clock, settings) });
        let lanes = worker.lanes();
        app.metrics.register(|registry| {
            metrics.register(registry);
            registry.register_collector(Box::new(LaneFigures(lanes)));
            tally.register(registry);
        });
        let life = worker.life();
        let loops = background::start(&app, &(Arc::new(move || life.incarnation()) as _));
        Ok(Self { app, account, ordered: plan.ordered, running: Mutex::new(Some((worker, loops))) })
    }

    /// Records a message unless it was recorded before. When this answers `Ok` it is on stable storage.
    ///
    /// # Errors
    /// What to answer: 503 or 507 with a time after which to come back while the store does not take it.
    pub(crate) fn record(
        &self,
        gist: Gist,
        key: ReplayKey,
        carried: Vec<(String, String)>,
        body: Bytes,
    ) -> impl Future<Output = Result<Stored, Failure>> + Send + use<> {
        // A hash alone would put each message on another page of the index. What a message is recognised by covers when it was
        // generated, so that may stand in front: messages of one time lie side by side, and so do their repetitions.
        let time = gist.generated_at.as_deref().unwrap_or_default();
        let idempotency = NewIdempotency {
            key: format!("arrival:{time}:{}", hex::encode(key.as_bytes())),
            request_sha256: *key.as_bytes(),
            answer: RememberedAnswer::OfIds(first_id),
        };
        self.submit(gist, carried, body, Some(idempotency))
    }

    /// Records a message once more, as something new: a person wants it forwarded again.
    ///
    /// # Errors
    /// As [`Inbox::record`].
    pub(crate) fn record_again(
        &self,
        gist: Gist,
        carried: Vec<(String, String)>,
        body: Bytes,
    ) -> impl Future<Output = Result<Stored, Failure>> + Send + use<> {
        self.submit(gist, carried, body, None)
    }

    fn submit(
        &self,
        gist: Gist,
        carried: Vec<(String, String)>,
        body: Bytes,
        idempotency: Option<NewIdempotency>,
    ) -> impl Future<Output = Result<Stored, Failure>> + Send + use<> {
        let event = NewEvent {
            name: gist.event,
            user: None,
            // Needed for the order alone, and dear: ids of envelopes are random, so that each would enter the index at a page of its own.
            envelope: gist.envelope.filter(|_| self.ordered),
            recipient_domains: Vec::new(),
            detail: EventDetail { received_headers: carried, ..EventDetail::default() },
            snapshot: Snapshot::Posted(body),
        };
        let change = Change { events: vec![event], idempotency, ..Change::default() };
        let unknown = || Failure::new(http::StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL_ERROR", "the store named no event");
        self.app.submit(self.account.id, change).map(move |submitted| match submitted {
            Ok(Submitted::Fresh { events }) => Ok(Stored { event: events.first().copied().ok_or_else(unknown)?, is_new: true }),
            Ok(Submitted::Repeated(answer)) => {
                let event = std::str::from_utf8(&answer).ok().and_then(|text| text.parse().ok());
                Ok(Stored { event: event.ok_or_else(unknown)?, is_new: false })
            }
            Err(NotSubmitted::Failed(failure)) => Err(failure),
            Err(NotSubmitted::StaleEnvelope) => Err(unknown()),
        })
    }

    /// Cuts off attempts under way, once it is being closed; `None` when it is closed already.
    pub(crate) fn cut_off(&self) -> Option<CancellationToken> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(|(worker, _)| worker.cut_off())
    }

    /// Ends it: attempts under way may end, everything is settled, the store is closed last.
    pub(crate) async fn close(&self) {
        self.app.stopping.cancel();
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((worker, mut loops)) = running {
            while loops.join_next().await.is_some() {}
            worker.shut_down().await;
        }
        self.app.store.close().await;
    }
}

/// The one account; a store with several belongs to a server.
async fn account(store: &dyn Store, now: countersign_core::Timestamp) -> anyhow::Result<Account> {
    let accounts = store.accounts().await?;
    match accounts.as_slice() {
        [] => match store.create_account(AccountGuid(uuid::Uuid::new_v4()), ACCOUNT_NAME, now).await? {
            Ok(account) => Ok(account),
            Err(refused) => bail!("the inbox's account cannot be made: {refused}"),
        },
        [one] if one.name == ACCOUNT_NAME => Ok(one.clone()),
        _ => bail!("the directory holds the data of a server; give --store a directory of its own"),
    }
}

/// Attempts at once what has failed, given up or not: whoever starts the inbox anew has mended what was broken. What took processes down
/// with it stays where it is.
async fn let_go(store: &dyn Store, account: &Account, now: countersign_core::Timestamp) -> anyhow::Result<()> {
    let filter = DeliveryFilter { failures: true, ..DeliveryFilter::default() };
    let mut before = None;
    loop {
        let page = store.deliveries(account.id, filter.clone(), before, ROWS_PER_STEP).await?;
        let failed: Vec<_> =
            page.deliveries.iter().filter(|listed| is_worth_another_try(&listed.delivery)).map(|l| l.delivery.id).collect();
        if !failed.is_empty() {
            let again = store.act_on_deliveries(account.id, failed, DeliveryAction::Retry, now).await?;
            tracing::info!(deliveries = again.len(), "what has failed is attempted again");
        }
        match page.next {
            Some(next) => before = Some(next),
            None => return Ok(()),
        }
    }
}

fn is_worth_another_try(delivery: &countersign_core::delivery::Delivery) -> bool {
    use countersign_core::delivery::{DeliveryState, ParkReason};
    !matches!(delivery.state, DeliveryState::Parked { reason: ParkReason::Poison | ParkReason::Unrenderable, .. })
}

fn first_id(ids: &[EventId]) -> Bytes {
    ids.first().map(ToString::to_string).unwrap_or_default().into()
}
