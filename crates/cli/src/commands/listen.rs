//! `listen`: a listener in a terminal, as a filter in front of an application, or as its durable inbox.

use std::{
    io::IsTerminal as _,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use anyhow::Context as _;
use axum::Router;
use clap::Args;
use countersign_core::retry::RetryProfile;
use countersign_server::{health, serving};
use countersign_store::sqlite::OpenError;
use tokio::{net::TcpListener, sync::Semaphore, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::{
    database::make_private,
    dev_tls::{self, ClientCertificates},
    input::duration,
    listen::{
        checks::{self, CheckArgs, Checks, Replays},
        ending::Ending,
        forwarding::{Forward, Forwarder},
        inbox::{Inbox, InboxPlan},
        outlet::{Outflow, Outlet, Pressure, Style},
        receiver::{After, Receiver, router},
        screen,
        script::{Script, Statuses},
        tally::Tally,
        tee::Budget,
    },
    logging::{self, LogFormat},
    misuse::Misuse,
    output,
    settings::ranges,
    signals::Signals,
    span::Span,
};

/// Where the CA of `--tls` lies when there is no store.
const TLS_FOLDER: &str = "countersign-data";

/// Receive messages, verify them, show them, and pass them on; with --store, lose none.
///
/// In a terminal it shows a live list, elsewhere a line for each arrival, or with --json an object. What a check refuses is answered as
/// the RFCs say. What passes is answered 200, with --forward once the application took it, with --store once it is on stable storage.
#[derive(Debug, Args)]
pub(crate) struct Listen {
    /// Port to listen on; 0 takes a free one
    #[arg(long, value_name = "PORT", default_value_t = 3000)]
    port: u16,
    /// Address to listen on
    #[arg(long, value_name = "ADDRESS", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    bind: IpAddr,
    /// Serve https; without --tls-cert with a certificate of its own CA for localhost
    #[arg(long)]
    tls: bool,
    /// Certificate chain (PEM)
    #[arg(long, value_name = "FILE", requires_all = ["tls", "tls_key"])]
    tls_cert: Option<PathBuf>,
    /// Its private key (PEM)
    #[arg(long, value_name = "FILE", requires_all = ["tls", "tls_cert"])]
    tls_key: Option<PathBuf>,
    /// Demand a client certificate of one of the CAs in this PEM file
    #[arg(long, value_name = "FILE", requires = "tls")]
    require_client_cert: Option<PathBuf>,
    #[command(flatten)]
    checks: CheckArgs,
    #[command(flatten)]
    forwarding: Forwarding,
    /// Answer accepted messages with these statuses in turn, the last one from then on, such as 500,200
    #[arg(long, value_name = "STATUSES", conflicts_with = "store", help_heading = "Trying out a sender")]
    respond: Option<Statuses>,
    /// Hold the answer to an accepted message back for this long
    #[arg(long, value_name = "DURATION", conflicts_with = "store", value_parser = duration, help_heading = "Trying out a sender")]
    delay: Option<Duration>,
    /// Print JSON: one object a line for each arrival, each attempt of the inbox, and the summary
    #[arg(long, help_heading = "Output")]
    json: bool,
    /// Print no arrivals, only where it listens and the summary
    #[arg(long, conflicts_with = "json", help_heading = "Output")]
    quiet: bool,
    /// A log level, or a list such as info,countersign_deliver=debug
    #[arg(long, value_name = "FILTER", env = "COUNTERSIGN_LOG", help_heading = "Output")]
    log: Option<String>,
    /// text or json
    #[arg(long, value_name = "FORMAT", env = "COUNTERSIGN_LOG_FORMAT", help_heading = "Output")]
    log_format: Option<LogFormat>,
}

/// Where messages go.
#[derive(Debug, Args)]
#[command(next_help_heading = "Forwarding")]
struct Forwarding {
    /// Pass what was accepted on to this URL; with patterns before it only those events, such as 'envelope-*=URL'; may be repeated
    #[arg(long, value_name = "[PATTERNS=]URL")]
    forward: Vec<Forward>,
    /// How long the application may take for its answer [default: 30s, with --store 100s]
    #[arg(long, value_name = "DURATION", value_parser = duration, requires = "forward")]
    forward_timeout: Option<Duration>,
    /// Keep messages in this directory until the application has taken them
    #[arg(long, value_name = "DIR", requires = "forward")]
    store: Option<PathBuf>,
    /// Pass messages of one envelope on one at a time, in the order in which they came
    #[arg(long, requires = "store")]
    ordered: bool,
    /// When failed attempts are repeated: docusign, daily, or gaps such as 1s,2s,4s [default: often for a day, then for two weeks]
    #[arg(long, value_name = "SCHEDULE", requires = "store")]
    retry_schedule: Option<String>,
    /// How long messages are kept once they were passed on [default: 30d]
    #[arg(long, value_name = "DURATION", requires = "store")]
    retention: Option<Span>,
    /// Disk space the store may take, in MiB; then senders are answered 507 [default: no budget]
    #[arg(long, value_name = "MIB", requires = "store")]
    disk_budget_mib: Option<u64>,
    /// Serve health and metrics here instead of on the main port
    #[arg(long, value_name = "ADDRESS", requires = "store")]
    admin_listen: Option<SocketAddr>,
}

impl Forwarding {
    /// Refuses what would keep nothing, or refuse everything, as `serve` does.
    fn check(&self) -> anyhow::Result<()> {
        ranges::within("--retention", self.retention, &ranges::RETENTION, ranges::RETENTION_WORDS)?;
        ranges::within("--disk-budget-mib", self.disk_budget_mib, &ranges::DISK_BUDGET_MIB, ranges::DISK_BUDGET_WORDS)
    }
}

/// How arrivals are told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Manner {
    Screen,
    Written(Style),
    Quiet,
}

/// Listens until it is told to stop.
pub(crate) async fn run(given: Listen) -> anyhow::Result<ExitCode> {
    let manner = given.manner();
    if manner != Manner::Screen {
        // Lines of a log would run across the screen.
        logging::start(Some(given.log.as_deref().unwrap_or("warn")), given.log_format)?;
    }
    let replays = if given.forwarding.store.is_some() { Replays::ByTheStore } else { Replays::InMemory };
    let certificates =
        if given.require_client_cert.is_some() { checks::ClientCertificates::Demanded } else { checks::ClientCertificates::NotAsked };
    given.forwarding.check()?;
    let checks = given.checks.checks(replays, certificates)?;
    let listener = given.listener().await?;
    let address = listener.local_addr()?;
    let (tls, ca) = given.tls_config()?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    let origin = format!("{scheme}://{address}");

    let (outlet, outflow) = given.outlet(manner);
    let tally = Arc::new(Tally::default());
    let (after, inbox) = given.after(outlet.clone(), &tally).await?;
    let title = format!("countersign listens on {origin}");
    let mut about = about(&checks, ca.as_deref());
    let receiver = Arc::new(Receiver {
        checks,
        after,
        script: Script::new(given.respond.clone(), given.delay),
        outlet,
        tally: Arc::clone(&tally),
        explains: matches!(manner, Manner::Screen | Manner::Written(Style::Json)) || inbox.is_none(),
        budget: Arc::new(Budget::default()),
        explaining: Semaphore::new(1),
        arrivals: AtomicU64::new(0),
        clock: countersign_server::clock::system(),
    });

    // What serves ends first, then what tells, then the inbox.
    let serving = CancellationToken::new();
    let mut served: Vec<JoinHandle<()>> = Vec::new();
    let mut routes = router(&receiver);
    if let Some(inbox) = &inbox {
        let operations: Router = health::routes().with_state(Arc::clone(&inbox.app));
        match given.forwarding.admin_listen {
            None => routes = Router::new().fallback_service(router(&receiver)).merge(operations),
            Some(admin) => {
                let admin = TcpListener::bind(admin).await.with_context(|| format!("--admin-listen: {admin} cannot be listened on"))?;
                about.push(format!("health and metrics on http://{}", admin.local_addr()?));
                served.push(tokio::spawn(serving::serve(admin, operations, None, serving.clone())));
            }
        }
    }
    served.push(tokio::spawn(serving::serve(listener, routes, tls, serving.clone())));

    let mut signals = Signals::hear()?;
    let told = tell(manner, outflow, &receiver, &title, &about, &origin, &mut signals).await;
    drop(receiver);
    let ending = Ending { serving, served, inbox };
    ending.end(signals.next()).await?;
    if let Some(writer) = told? {
        // It ends with the last request; one that outlived its grace is not waited for.
        let _ = tokio::time::timeout(WRITER_GRACE, tokio::task::spawn_blocking(move || writer.join())).await;
    }
    match manner {
        Manner::Written(Style::Json) => output::tell(&output::json_on_one_line(&tally.object())?),
        _ => output::tell(&tally.words()),
    }
    Ok(ExitCode::SUCCESS)
}

/// Tells of arrivals until somebody wants the end. Gives back the thread that may still write.
async fn tell(
    manner: Manner,
    outflow: Outflow,
    receiver: &Arc<Receiver>,
    title: &str,
    about: &[String],
    origin: &str,
    signals: &mut Signals,
) -> anyhow::Result<Option<std::thread::JoinHandle<()>>> {
    let stop = CancellationToken::new();
    if manner == Manner::Screen {
        let title = format!("{title}  {}", about.join("; "));
        let shown = screen::run(outflow, receiver, title, origin, &stop);
        tokio::pin!(shown);
        tokio::select! {
            shown = &mut shown => return shown.map(|()| None),
            () = signals.next() => stop.cancel(),
        }
        return shown.await.map(|()| None);
    }
    // It listens as well when nobody reads that.
    if manner == Manner::Written(Style::Json) {
        let listening = serde_json::json!({"type": "listening", "url": origin, "checks": receiver.checks.words});
        output::tell(&output::json_on_one_line(&listening)?);
    } else {
        output::tell(title);
        about.iter().for_each(|line| output::tell(line));
    }
    let writer = match manner {
        Manner::Written(style) => Some(outflow.write(style, stop.clone())),
        _ => None,
    };
    tokio::select! {
        () = signals.next() => {}
        // An inbox goes on when nobody reads its lines; a listener without one is there to be read.
        () = stop.cancelled(), if !matches!(receiver.after, After::Store(_)) => {
            output::note("countersign: nobody reads the output any more, so listen ends; with --store, or --quiet, it goes on");
        }
    }
    Ok(writer)
}

/// What is checked, loud where nothing is, and which CA to trust.
fn about(checks: &Checks, ca: Option<&Path>) -> Vec<String> {
    let mut about = vec![match &checks.listener {
        Some(_) => format!("checks: {}", checks.words),
        None => format!("WARNING: {}", checks.words),
    }];
    about.extend(ca.map(|ca| format!("CA of the certificate: {}", ca.display())));
    about
}

impl Listen {
    fn manner(&self) -> Manner {
        match (self.json, self.quiet) {
            (true, _) => Manner::Written(Style::Json),
            (_, true) => Manner::Quiet,
            _ if std::io::stdout().is_terminal() && std::io::stdin().is_terminal() => Manner::Screen,
            _ => Manner::Written(Style::Lines),
        }
    }

    fn outlet(&self, manner: Manner) -> (Outlet, Outflow) {
        let pressure = if self.forwarding.store.is_some() || manner == Manner::Screen { Pressure::Leave } else { Pressure::Wait };
        let (outlet, outflow) = Outlet::new(pressure);
        (if manner == Manner::Quiet { Outlet::silent() } else { outlet }, outflow)
    }

    async fn listener(&self) -> anyhow::Result<TcpListener> {
        let address = SocketAddr::new(self.bind, self.port);
        TcpListener::bind(address).await.with_context(|| format!("{address} cannot be listened on; choose another port with --port"))
    }

    /// The TLS settings, and where the CA lies when it is our own.
    fn tls_config(&self) -> anyhow::Result<(Option<Arc<rustls::ServerConfig>>, Option<PathBuf>)> {
        if !self.tls {
            return Ok((None, None));
        }
        let clients = match &self.require_client_cert {
            Some(ca) => ClientCertificates::Required(ca.clone()),
            None => ClientCertificates::NotAsked,
        };
        if let (Some(certificate), Some(key)) = (&self.tls_cert, &self.tls_key) {
            return Ok((Some(dev_tls::listener_from_files(certificate, key, &clients)?), None));
        }
        let folder = self.forwarding.store.clone().unwrap_or_else(|| TLS_FOLDER.into());
        make_private(&folder).with_context(|| format!("making {}", folder.display()))?;
        let (config, ca) = dev_tls::listener_config(&folder, &clients)?;
        Ok((Some(config), Some(ca)))
    }

    /// What follows the checks, and the inbox if there is one.
    async fn after(&self, outlet: Outlet, tally: &Arc<Tally>) -> anyhow::Result<(After, Option<Arc<Inbox>>)> {
        let forwarding = &self.forwarding;
        let Some(folder) = &forwarding.store else {
            if forwarding.forward.is_empty() {
                return Ok((After::Answer, None));
            }
            let timeout = forwarding.forward_timeout.unwrap_or(FORWARD_TIMEOUT);
            return Ok((After::Forward(Forwarder::try_new(&forwarding.forward, timeout)?), None));
        };
        let retry = match &forwarding.retry_schedule {
            None => None,
            Some(text) => Some(RetryProfile::parse(text).map_err(|refused| Misuse::error(format!("--retry-schedule: {refused}")))?),
        };
        let plan = InboxPlan {
            folder: folder.clone(),
            forwards: forwarding.forward.clone(),
            ordered: forwarding.ordered,
            retry,
            timeout: forwarding.forward_timeout.unwrap_or(STORED_FORWARD_TIMEOUT),
            retention: forwarding.retention.map(|span| span.0),
            disk_bytes_max: forwarding.disk_budget_mib.map(|mib| mib.saturating_mul(1 << 20)),
            operations_apart: forwarding.admin_listen.is_some(),
        };
        let inbox = Inbox::open(&plan, outlet, tally).await.map_err(|error| match error.downcast_ref() {
            Some(OpenError::InUse { dir }) => anyhow::anyhow!(
                "the inbox {} is in use by another countersign process; stop that one, or name another directory with --store",
                dir.display()
            ),
            _ => error,
        });
        let inbox = Arc::new(inbox?);
        Ok((After::Store(Arc::clone(&inbox)), Some(inbox)))
    }
}

/// How long what is to be told may take to be written at the end.
const WRITER_GRACE: Duration = Duration::from_secs(2);
/// The sender waits meanwhile; Connect does for 100 s.
const FORWARD_TIMEOUT: Duration = Duration::from_secs(30);
/// Nobody waits: as the sender's own attempts.
const STORED_FORWARD_TIMEOUT: Duration = Duration::from_secs(100);
