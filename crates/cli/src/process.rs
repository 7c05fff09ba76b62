//! One process: store, worker, API, pages, timers and jobs, wired together and taken down in order.

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, bail};
use axum::Router;
use countersign_authority::{Authority, Settings as AuthoritySettings};
use countersign_core::{
    Secret,
    address::{PlainHttp, TargetPolicy},
    id::IdSource,
    retry::RetryProfile,
};
use countersign_deliver::{
    Worker,
    attempt::{Attempts, Parts},
    metrics::LaneFigures,
};
use countersign_egress::{Egress, Roots, SystemClock, TokenSource};
use countersign_server::{
    App, background,
    bootstrap::{Bootstrapped, FirstStart, bootstrap},
    documents::Reader,
    router, serving,
};
use countersign_store::cache::ConfigCache;
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    client_certificates,
    database::{data_dir, open_store},
    dev_tls,
    press::Apart,
    settings::ServeSettings,
};

/// Where the development authorization server is mounted (design: the outside contract).
const DEV_AUTHORITY_PATH: &str = "/dev/authority";
/// The address when none is given.
const LISTEN_DEFAULT: &str = "127.0.0.1:8400";

/// What a process does.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Role {
    /// Everything.
    #[default]
    Serve,
    /// Everything but the API and the pages.
    Work,
}

/// What a process is to be.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plan {
    /// Merged settings.
    pub(crate) settings: ServeSettings,
    /// What it does.
    pub(crate) role: Role,
    /// Development mode.
    pub(crate) dev: bool,
    /// `COUNTERSIGN_ACCOUNT_ID`.
    pub(crate) account: Option<String>,
    /// `COUNTERSIGN_API_TOKEN`.
    pub(crate) token: Option<Secret>,
    /// Clients of the development authorization server.
    pub(crate) dev_clients: Vec<countersign_authority::Client>,
}

impl Plan {
    /// What an empty store is given.
    fn first_start(&self) -> anyhow::Result<FirstStart> {
        let guid = |text: &str| text.parse().with_context(|| format!("COUNTERSIGN_ACCOUNT_ID '{text}' is not a GUID"));
        let asked =
            FirstStart { account: self.account.as_deref().map(guid).transpose()?, token: self.token.clone(), ..FirstStart::default() };
        asked.check().context("COUNTERSIGN_API_TOKEN")?;
        Ok(asked)
    }
}

/// A running process.
pub(crate) struct Process {
    /// What handlers share.
    pub(crate) app: Arc<App>,
    /// The account and, at the first start, its token. A worker alone makes none.
    pub(crate) first: Option<Bootstrapped>,
    /// Where it serves https in development, and where its CA lies.
    pub(crate) dev_tls: Option<(SocketAddr, PathBuf)>,
    /// Where its data is.
    pub(crate) data_dir: PathBuf,
    /// The development authorization server.
    pub(crate) authority: Option<Authority>,
    grace: Duration,
    worker: Worker,
    tasks: TaskTracker,
    loops: JoinSet<()>,
    stop: CancellationToken,
}

impl Process {
    /// Starts everything; answers once requests are taken.
    ///
    /// # Errors
    /// One clause that names what does not work and what to do.
    pub(crate) async fn start(plan: Plan) -> anyhow::Result<Self> {
        let settings = &plan.settings;
        let listen: SocketAddr = match settings.listen {
            Some(listen) => listen,
            None => LISTEN_DEFAULT.parse().context("the default address")?,
        };
        if plan.dev && !listen.ip().is_loopback() {
            bail!("--dev permits unencrypted and unchecked targets and refuses to listen beyond loopback; {listen} is not loopback");
        }
        // What can be told from the settings alone comes before any port is taken or any data made.
        let policy = policy(settings, plan.dev)?;
        let worker_settings = worker_settings(settings)?;
        let asked = plan.first_start()?;
        let grace = worker_settings.grace;
        let tls = match (&settings.tls_cert, &settings.tls_key) {
            (Some(certificate), Some(key)) => Some(dev_tls::from_files(certificate, key)?),
            (None, None) => None,
            _ => bail!("tls-cert and tls-key go together; only one of them is set"),
        };
        // The port before the data: a second start must not touch the first one's.
        let listener = match plan.role {
            Role::Serve => Some(bind(listen, "listen").await?),
            Role::Work => None,
        };
        let address = listener.as_ref().map_or(Ok(listen), TcpListener::local_addr)?;
        let data_dir = data_dir(settings).to_owned();
        let (store, clock) = open_store(settings).await?;
        let public_url = settings.public_url.clone().unwrap_or_else(|| {
            let scheme = if settings.tls_cert.is_some() { "https" } else { "http" };
            format!("{scheme}://{address}")
        });
        let public_url = public_url.trim_end_matches('/').to_owned();

        let dice: countersign_deliver::Dice = Arc::new(random_u32);
        let egress_settings = countersign_egress::Settings {
            total_timeout: worker_settings.delivery_timeout,
            answer_kept_bytes: worker_settings.answer_bytes_kept,
            pool_idle_per_host: worker_settings.lane_concurrency_max as usize,
            ..countersign_egress::Settings::default()
        };
        let egress = Egress::new(egress_settings, policy.clone(), &Roots::System).context("outbound connections")?;
        let token_source = TokenSource::new(egress.clone(), Arc::new(SystemClock));
        let ids = Arc::new(IdSource::new(0));
        let configs = Arc::new(ConfigCache::new(Arc::clone(&store)));
        let attempts = Arc::new(Attempts::new(Parts {
            store: Arc::clone(&store),
            configs: Arc::clone(&configs),
            egress: egress.clone(),
            tokens: token_source.clone(),
            ids: Arc::clone(&ids),
            clock: Arc::clone(&clock),
            settings: worker_settings.clone(),
        }));
        let worker_metrics = countersign_deliver::metrics::Metrics::default();
        let counted = worker_metrics.clone();
        let worker = Worker::start(
            Arc::clone(&store),
            Arc::clone(&attempts) as Arc<dyn countersign_deliver::execute::Execute>,
            format!("{}/{}", host_name(), std::process::id()),
            worker_settings,
            Arc::clone(&clock),
            dice,
            move |settlement, stood| counted.settled(settlement, stood),
        )
        .await
        .context("the worker does not start")?;
        worker.number(Arc::clone(&ids));
        worker.watch_holds(attempts);

        let first = match plan.role {
            Role::Serve => Some(bootstrap(&*store, &ids, &asked, clock()).await?),
            Role::Work => None,
        };

        let server_settings = server_settings(settings, plan.dev, &public_url, policy);
        let app = Arc::new(App {
            configs: Arc::clone(&configs),
            hand_over: worker.hand_over(),
            token_source: Some(token_source),
            egress: Some(egress.clone()),
            reader: Reader::new(Arc::new(Apart::try_new().context("this program cannot find itself")?)),
            ..App::new(Arc::clone(&store), Arc::clone(&ids), clock, server_settings)
        });
        let lanes = worker.lanes();
        app.metrics.register(|registry| {
            worker_metrics.register(registry);
            registry.register_collector(Box::new(LaneFigures(lanes)));
        });

        let stop = app.stopping.clone();
        let tasks = TaskTracker::new();
        let mut whole = router::router(&app);
        let authority = if plan.dev { Some(dev_authority(&public_url, &plan.dev_clients)?) } else { None };
        if let Some(authority) = &authority {
            let mounted = Router::new().nest(DEV_AUTHORITY_PATH, authority.router()).merge(authority.well_known());
            whole = whole.merge(client_certificates::told(mounted));
        }
        if let Some(admin) = settings.admin_listen {
            let listener = bind(admin, "admin-listen").await?;
            tasks.spawn(serving::serve(listener, router::operations(&app), None, stop.clone()));
        }
        let dev_tls = if plan.dev {
            let (config, ca) = dev_tls::server_config(&data_dir)?;
            let listener = bind(SocketAddr::new(address.ip(), next_port(listen, address)), "the https port of --dev").await?;
            let address = listener.local_addr()?;
            tasks.spawn(serving::serve(listener, whole.clone(), Some(config), stop.clone()));
            Some((address, ca))
        } else {
            None
        };
        if let Some(listener) = listener {
            tasks.spawn(serving::serve(listener, whole, tls, stop.clone()));
        }
        let life = worker.life();
        let loops = background::start(&app, &(Arc::new(move || life.incarnation()) as _));
        Ok(Self { app, first, dev_tls, data_dir, authority, grace, worker, tasks, loops, stop })
    }

    /// The address as a URL.
    pub(crate) fn url(&self) -> String {
        self.app.settings.public_url.clone()
    }

    /// How long attempts in flight may go on once it is taken down.
    pub(crate) fn grace(&self) -> Duration {
        self.grace
    }

    /// Takes it down: not ready, no new requests, attempts in flight end or are cut off after the grace, the store is closed last. Once
    /// `hurry` is over nothing under way is waited for any more: requests are dropped and attempts cut off. They are recorded, if the
    /// store takes it: it is asked once more.
    pub(crate) async fn shut_down(self, hurry: impl Future<Output = ()>) {
        let (requests, attempts) = (CancellationToken::new(), self.worker.cut_off());
        let down = self.take_down(requests.clone());
        tokio::pin!(down);
        tokio::select! {
            () = &mut down => return,
            () = hurry => {
                tracing::warn!("stopping at once: attempts in flight are cut off, and are due again at the next start");
                requests.cancel();
                attempts.cancel();
            }
        }
        down.await;
    }

    async fn take_down(mut self, requests_cut_off: CancellationToken) {
        self.stop.cancel();
        while self.loops.join_next().await.is_some() {}
        self.tasks.close();
        tokio::select! {
            () = self.tasks.wait() => {}
            () = requests_cut_off.cancelled() => {}
        }
        self.worker.shut_down().await;
        self.app.store.close().await;
    }
}

async fn bind(address: SocketAddr, what: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| match error.kind() {
        std::io::ErrorKind::AddrInUse => {
            anyhow::anyhow!(
                "{what}: port {} of {} is in use; stop what listens there, or choose another with --listen",
                address.port(),
                address.ip()
            )
        }
        _ => anyhow::anyhow!("{what}: {address} cannot be listened on: {error}"),
    })
}

/// The https port of `--dev`: the one after the main port; any free one where the main port was chosen by the system.
fn next_port(asked: SocketAddr, given: SocketAddr) -> u16 {
    if asked.port() == 0 { 0 } else { given.port().checked_add(1).unwrap_or(0) }
}

fn policy(settings: &ServeSettings, dev: bool) -> anyhow::Result<TargetPolicy> {
    let mut policy = if dev { TargetPolicy::dev() } else { TargetPolicy::default() };
    for text in settings.allow_private_targets.iter().flat_map(|list| list.split(',')).map(str::trim).filter(|text| !text.is_empty()) {
        let network = text
            .parse()
            .or_else(|_| text.parse::<std::net::IpAddr>().map(Into::into))
            .map_err(|_| anyhow::anyhow!("allow-private-targets: '{text}' is not an address range; write it like 10.0.0.0/8"))?;
        policy.allow_networks.push(network);
    }
    if settings.allow_plain_http == Some(true) {
        policy.plain_http = PlainHttp::Anywhere;
    }
    Ok(policy)
}

fn worker_settings(settings: &ServeSettings) -> anyhow::Result<countersign_deliver::Settings> {
    let default = countersign_deliver::Settings::default();
    let retry = match &settings.retry_schedule {
        Some(text) => RetryProfile::parse(text).map_err(|error| anyhow::anyhow!("retry-schedule: {error}"))?,
        None => default.retry.clone(),
    };
    Ok(countersign_deliver::Settings {
        delivery_timeout: settings.delivery_timeout.map_or(default.delivery_timeout, |span| span.0),
        retry,
        honour_acknowledgement_off: settings.honour_acknowledgement_off.unwrap_or(default.honour_acknowledgement_off),
        lane_concurrency_max: settings.lane_concurrency.unwrap_or(default.lane_concurrency_max).max(1),
        bytes_in_memory_max: settings.memory_mib.map_or(default.bytes_in_memory_max, |mib| mib.saturating_mul(1 << 20)),
        grace: settings.grace.map_or(default.grace, |span| span.0),
        ..default
    })
}

fn server_settings(settings: &ServeSettings, dev: bool, public_url: &str, targets: TargetPolicy) -> countersign_server::Settings {
    let default = countersign_server::Settings::default();
    countersign_server::Settings {
        public_url: public_url.to_owned(),
        dev,
        targets,
        event_bytes_max: settings.event_bytes_max.unwrap_or(default.event_bytes_max),
        envelope_bytes_max: settings.envelope_bytes_max.unwrap_or(default.envelope_bytes_max),
        retention: settings.retention.map_or(default.retention, |span| span.0),
        bin_life: match settings.bin_retention {
            Some(span) => Some(span.0).filter(|life| !life.is_zero()),
            None => default.bin_life,
        },
        disk_bytes_max: settings.disk_budget_mib.map(|mib| mib.saturating_mul(1 << 20)).or(default.disk_bytes_max),
        operations_apart: settings.admin_listen.is_some(),
        ..default
    }
}

fn dev_authority(public_url: &str, clients: &[countersign_authority::Client]) -> anyhow::Result<Authority> {
    let mut settings = AuthoritySettings::new(format!("{public_url}{DEV_AUTHORITY_PATH}"));
    settings.control_endpoints = true;
    for client in clients {
        settings = settings.client(client.clone());
    }
    Authority::try_new(settings).context("the development authorization server")
}

/// The machine's name, for telling nodes apart.
pub(crate) fn host_name() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname").map_or_else(|_| "localhost".to_owned(), |name| name.trim().to_owned())
}

/// Dice of the worker.
pub(crate) fn random_u32() -> u32 {
    // Jitter needs no secrecy; where the system gives no random bytes the clock's are as good.
    getrandom::u32().unwrap_or_else(|_| SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.subsec_nanos()))
}
