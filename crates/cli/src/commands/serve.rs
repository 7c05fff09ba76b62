//! `serve`: API, pages and worker in one process.

use std::{io::IsTerminal, path::PathBuf, process::ExitCode};

use clap::Args;
use countersign_core::Secret;

use crate::{
    dev_tls::write_private,
    logging, output,
    process::{Plan, Process, Role},
    settings::{self, ServeSettings},
    signals::Signals,
};

/// Client id at the development authorization server.
const DEV_CLIENT: &str = "countersign-dev";
/// Its secret.
const DEV_CLIENT_SECRET: &str = "countersign-dev-secret";

/// API, pages and worker in one process.
#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// For development: http and loopback targets, an authorization server at /dev/authority, https on the next port; loopback only
    #[arg(long)]
    dev: bool,
    /// Read settings from this file (default: countersign.toml, if it is there)
    #[arg(long, env = "COUNTERSIGN_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    settings: ServeSettings,
}

/// Serves until it is told to stop.
pub(crate) async fn run(given: Serve) -> anyhow::Result<ExitCode> {
    let settings = settings::merge(given.config.as_deref(), given.settings)?;
    logging::start(settings.log.as_deref(), settings.log_format)?;
    let plan = Plan {
        settings,
        role: Role::Serve,
        dev: given.dev,
        account: std::env::var("COUNTERSIGN_ACCOUNT_ID").ok().filter(|text| !text.is_empty()),
        token: std::env::var("COUNTERSIGN_API_TOKEN").ok().filter(|text| !text.is_empty()).map(Secret::new),
        dev_clients: if given.dev { vec![dev_client()] } else { Vec::new() },
    };
    let process = Process::start(plan).await?;
    say(&process)?;
    tracing::info!(url = %process.url(), "serving");
    stop_when_told(process).await
}

/// Waits for the end that somebody wants, and says how long it may take: a listener that hangs holds it up.
pub(super) async fn stop_when_told(process: Process) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::hear()?;
    signals.next().await;
    let grace_s = process.grace().as_secs();
    tracing::info!(
        "stopping: no new requests; attempts in flight may go on for up to {grace_s} s; press Ctrl-C again, or send SIGTERM again, to cut them off"
    );
    process.shut_down(signals.next()).await;
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}

/// The client that the development authorization server knows: it may have tokens for any audience, and ask about them. Everybody may
/// know its secret: it opens nothing but what the same server, on loopback, hands out.
fn dev_client() -> countersign_authority::Client {
    countersign_authority::Client::with_secret_basic(DEV_CLIENT, DEV_CLIENT_SECRET).resource_server()
}

/// Says where it is, and at the first start how to get in. It serves as well when nobody reads that.
fn say(process: &Process) -> anyhow::Result<()> {
    let Some(first) = &process.first else { return Ok(()) };
    let account = first.account.guid;
    output::tell(&format!("countersign listens on {}", process.url()));
    if let Some((address, ca)) = &process.dev_tls {
        output::tell(&format!("https for development on https://{address} (CA: {})", ca.display()));
    }
    if let Some(authority) = &process.authority {
        output::tell(&format!(
            "development authorization server at {} (client {DEV_CLIENT}, secret {DEV_CLIENT_SECRET})",
            authority.issuer()
        ));
    }
    output::tell(&format!("account {account}"));
    if let Some(token) = &first.new_token {
        if std::io::stdout().is_terminal() {
            output::tell(&format!("API token {} (shown once)", token.expose_secret()));
        } else {
            let path = process.data_dir.join("first-token");
            write_private(&path, format!("{}\n", token.expose_secret()).as_bytes())?;
            output::tell(&format!("API token written to {}", path.display()));
        }
    }
    Ok(())
}
