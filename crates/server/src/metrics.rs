//! What is counted, in OpenMetrics: requests, events, the backlog and the store's health. The worker registers its own
//! beside them through [`Metrics::register`]. No account and no URL is ever a label: both are without bound.

use std::{
    fmt,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use countersign_core::Timestamp;
use countersign_store::{
    Store, StoreError,
    query::{Backlog, Health},
};
use http::StatusCode;
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram, info::Info},
    registry::{Registry, Unit},
};

/// How old figures read from the store may be: a scraper in a loop costs no more than this.
const STORE_FIGURES_AGE_MAX: Duration = Duration::from_secs(5);
/// Request times from 1 ms to 100 s: below lies noise, above lies our own time-out.
const REQUEST_SECONDS: [f64; 11] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 10.0, 100.0];

/// Labels of a request.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RequestLabels {
    /// `restapi`, `api`, `oauth`, ...
    surface: &'static str,
    /// `2xx`, `4xx`, ...
    status: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct SurfaceLabel {
    surface: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct StateLabel {
    state: &'static str,
}

type Seconds = Gauge<f64, std::sync::atomic::AtomicU64>;

/// The process's figures. Cheap to count into from any task.
pub struct Metrics {
    registry: Mutex<Registry>,
    requests: Family<RequestLabels, Counter>,
    request_seconds: Family<SurfaceLabel, Histogram, fn() -> Histogram>,
    events: Counter,
    deliveries_recorded: Counter,
    tokens_issued: Counter,
    backlog: Family<StateLabel, Gauge>,
    oldest_due: Seconds,
    store_up: Gauge,
    store_writable: Gauge,
    store_warnings: Gauge,
    store_disk: Gauge,
    store_last_commit: Seconds,
    store_commits: Counter,
    storage_full: Gauge,
    /// When the store's figures were read; the lock makes concurrent scrapes wait for one reading.
    store_read_at: tokio::sync::Mutex<Option<Timestamp>>,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("countersign");
        let request_histogram: fn() -> Histogram = || Histogram::new(REQUEST_SECONDS);
        let metrics = Self {
            registry: Mutex::default(),
            requests: Family::default(),
            request_seconds: Family::new_with_constructor(request_histogram),
            events: Counter::default(),
            deliveries_recorded: Counter::default(),
            tokens_issued: Counter::default(),
            backlog: Family::default(),
            oldest_due: Seconds::default(),
            store_up: Gauge::default(),
            store_writable: Gauge::default(),
            store_warnings: Gauge::default(),
            store_disk: Gauge::default(),
            store_last_commit: Seconds::default(),
            store_commits: Counter::default(),
            storage_full: Gauge::default(),
            store_read_at: tokio::sync::Mutex::default(),
        };
        registry.register("build", "The running version", Info::new([("version", env!("CARGO_PKG_VERSION"))]));
        registry.register("requests", "Requests answered, by surface and status class", metrics.requests.clone());
        registry.register_with_unit(
            "request",
            "Time from the request's head to the answer's head",
            Unit::Seconds,
            metrics.request_seconds.clone(),
        );
        registry.register("events", "Events recorded on stable storage", metrics.events.clone());
        registry.register("deliveries_recorded", "Deliveries recorded with events", metrics.deliveries_recorded.clone());
        registry.register("tokens_issued", "Access tokens issued by /oauth/token", metrics.tokens_issued.clone());
        registry.register("deliveries", "Unfinished and given-up deliveries now, by state", metrics.backlog.clone());
        registry.register_with_unit(
            "oldest_due",
            "Time since the earliest due delivery that is not held was due; 0 when nothing is overdue",
            Unit::Seconds,
            metrics.oldest_due.clone(),
        );
        registry.register("store_up", "1 while the store answers", metrics.store_up.clone());
        registry.register("store_writable", "1 while the store takes writes", metrics.store_writable.clone());
        registry.register("store_warnings", "What the store wants an operator to know, counted", metrics.store_warnings.clone());
        registry.register_with_unit("store_disk", "Size of the store on disk", Unit::Bytes, metrics.store_disk.clone());
        registry.register_with_unit(
            "store_last_commit",
            "Time of the last commit on stable storage",
            Unit::Seconds,
            metrics.store_last_commit.clone(),
        );
        registry.register("store_commits", "Commits of this process, each of which waited for the disk", metrics.store_commits.clone());
        registry.register("storage_full", "1 while the disk budget is spent and events are refused", metrics.storage_full.clone());
        Self { registry: Mutex::new(registry), ..metrics }
    }
}

impl Metrics {
    /// Lets others add their figures to `/metrics`, under the prefix `countersign_`.
    pub fn register(&self, with: impl FnOnce(&mut Registry)) {
        with(&mut self.registry.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// One request was answered.
    pub(crate) fn request(&self, surface: &'static str, status: StatusCode, took: Duration) {
        self.requests.get_or_create(&RequestLabels { surface, status: status_class(status) }).inc();
        self.request_seconds.get_or_create(&SurfaceLabel { surface }).observe(took.as_secs_f64());
    }

    /// Events and their deliveries are on stable storage.
    pub(crate) fn recorded(&self, events: usize, deliveries: usize) {
        self.events.inc_by(events as u64);
        self.deliveries_recorded.inc_by(deliveries as u64);
    }

    /// An access token was issued.
    pub(crate) fn token_issued(&self) {
        self.tokens_issued.inc();
    }

    /// The text of `/metrics`.
    pub(crate) async fn scrape(&self, store: &dyn Store, storage_full: bool, now: Timestamp) -> String {
        self.read_store(store, now).await;
        self.storage_full.set(i64::from(storage_full));
        let mut text = String::new();
        let registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        // Writing into a string fails only when an encoder does, which leaves the text cut; a scraper refuses it for want of its end mark.
        let _ = encode(&mut text, &registry);
        text
    }

    async fn read_store(&self, store: &dyn Store, now: Timestamp) {
        let mut read_at = self.store_read_at.lock().await;
        if read_at.is_some_and(|at| now >= at && now.since(at) < STORE_FIGURES_AGE_MAX) {
            return;
        }
        *read_at = Some(now);
        match figures(store).await {
            Ok((backlog, health)) => {
                for (state, count) in
                    [("waiting", backlog.waiting), ("held", backlog.held), ("leased", backlog.leased), ("parked", backlog.parked)]
                {
                    self.backlog.get_or_create(&StateLabel { state }).set(whole(count));
                }
                self.oldest_due.set(backlog.oldest_due.map_or(0.0, |due| now.since(due).as_secs_f64()));
                self.store_up.set(1);
                self.store_writable.set(i64::from(health.writable));
                self.store_warnings.set(whole(health.warnings.len() as u64));
                self.store_disk.set(whole(health.disk_bytes));
                self.store_last_commit.set(health.last_commit.as_secs_f64());
                self.store_commits.inc_by(health.commits.saturating_sub(self.store_commits.get()));
            }
            Err(error) => {
                tracing::warn!(%error, "the store gave no figures for /metrics");
                self.store_up.set(0);
                self.store_writable.set(0);
            }
        }
    }
}

async fn figures(store: &dyn Store) -> Result<(Backlog, Health), StoreError> {
    Ok((store.backlog(None, None).await?, store.health().await?))
}

fn whole(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn status_class(status: StatusCode) -> &'static str {
    match status.as_u16() {
        100..=199 => "1xx",
        200..=299 => "2xx",
        300..=399 => "3xx",
        400..=499 => "4xx",
        _ => "5xx",
    }
}
