//! The server as a child process, in a data directory of its own.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use http::Method;
use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command,
};

use super::{
    own_process::{OwnProcess, this_program},
    payload,
};
use crate::caller::Api;

/// The token given to the child.
const TOKEN: &str = "bench-token-bench-token-bench-token";
/// The account given to the child.
pub(crate) const ACCOUNT: &str = "00000000-0000-4000-8000-00000000be7c";
/// How long a start may take.
const START_MAX: Duration = Duration::from_secs(60);
/// How long an end may take: what is under way is waited for.
const END_MAX: Duration = Duration::from_secs(60);
/// How long the write-ahead log may take to be copied back once nothing is written any more.
const REST_MAX: Duration = Duration::from_secs(15);
/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// A running server.
pub(crate) struct Server {
    child: OwnProcess,
    /// Its API.
    pub(crate) api: Api,
    /// Where its API of the account begins.
    pub(crate) account_path: String,
    /// From the start of the process to the first request taken.
    pub(crate) started_in: Duration,
    data_dir: PathBuf,
}

/// A subscription to be made: signed, in Connect's JSON.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    /// Its name.
    pub(crate) name: String,
    /// Where its messages go.
    pub(crate) url: String,
    /// The event it wants.
    pub(crate) event: String,
    /// With the account's OAuth connection.
    pub(crate) oauth: bool,
    /// Its deliveries are held.
    pub(crate) paused: bool,
}

impl Wanted {
    /// For the event of most profiles.
    pub(crate) fn new(name: impl Into<String>, url: impl Into<String>) -> Self {
        Self { name: name.into(), url: url.into(), event: payload::EVENT.to_owned(), oauth: false, paused: false }
    }
}

impl Server {
    /// Starts this very program with `serve --dev` on a free port.
    pub(crate) async fn start(data_dir: &Path, further: &[&str]) -> anyhow::Result<Self> {
        let began = Instant::now();
        let mut command = this_program()?;
        command
            .args(["serve", "--dev", "--listen", "127.0.0.1:0", "--log", "warn", "--data-dir"])
            .arg(data_dir)
            .args(further)
            .env("COUNTERSIGN_API_TOKEN", TOKEN)
            .env("COUNTERSIGN_ACCOUNT_ID", ACCOUNT);
        let (child, stdout) = OwnProcess::start(command).context("starting the server")?;
        let mut lines = BufReader::new(stdout).lines();
        let base = tokio::time::timeout(START_MAX, async {
            while let Some(line) = lines.next_line().await? {
                if let Some(url) = line.strip_prefix("countersign listens on ") {
                    return Ok(url.to_owned());
                }
            }
            bail!("the server ended before it listened")
        })
        .await
        .context("the server did not start in time")??;
        // Read on, so that the pipe never fills.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let api = Api::new(base, TOKEN.to_owned(), 128);
        loop {
            if api.call(Method::GET, "/readyz", "").await.is_ok_and(|(status, _)| status.is_success()) {
                break;
            }
            if began.elapsed() > START_MAX {
                bail!("the server was not ready in time");
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let started_in = began.elapsed();
        Ok(Self { child, api, account_path: format!("/api/v1/accounts/{ACCOUNT}"), started_in, data_dir: data_dir.to_owned() })
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> anyhow::Result<u32> {
        self.child.id().context("the server has ended")
    }

    /// The path of the account's events.
    pub(crate) fn events_path(&self) -> String {
        format!("{}/events", self.account_path)
    }

    /// Makes signing keys.
    pub(crate) async fn make_keys(&self, count: usize) -> anyhow::Result<()> {
        for _ in 0..count {
            self.api.expect(Method::POST, &format!("/restapi/v2.1/accounts/{ACCOUNT}/connect/secret"), "{}").await?;
        }
        Ok(())
    }

    /// Trusts a further CA (PEM) for the account.
    pub(crate) async fn trust(&self, ca_pem: &str) -> anyhow::Result<()> {
        let body = json!({"name": "bench", "ca": ca_pem}).to_string();
        self.api.expect(Method::POST, &format!("{}/certificates", self.account_path), body).await?;
        Ok(())
    }

    /// Connects the account to an authorization server.
    pub(crate) async fn connect(&self, token_url: &str, client_id: &str, client_secret: &str) -> anyhow::Result<()> {
        let body = json!({"tokenUrl": token_url, "clientId": client_id, "clientSecret": client_secret}).to_string();
        self.api.expect(Method::PUT, &format!("{}/oauth", self.account_path), body).await?;
        Ok(())
    }

    /// Makes a subscription.
    pub(crate) async fn subscribe(&self, wanted: &Wanted) -> anyhow::Result<()> {
        let body = json!({
            "name": wanted.name, "url": wanted.url, "events": [wanted.event], "hmac": true, "paused": wanted.paused,
            "oauth": if wanted.oauth { "account" } else { "off" },
        });
        self.api.expect(Method::POST, &format!("{}/subscriptions", self.account_path), body.to_string()).await?;
        Ok(())
    }

    /// Commits of its store so far.
    pub(crate) async fn commits(&self) -> anyhow::Result<u64> {
        let nodes = self.api.expect(Method::GET, "/api/v1/nodes", "").await?;
        nodes["store"]["commits"].as_u64().context("the server does not say how often it committed")
    }

    /// Bytes of its database once the write-ahead log has been copied back, which the server does in the first pause.
    ///
    /// # Errors
    /// When there is no pause.
    pub(crate) async fn disk_bytes_at_rest(&self) -> anyhow::Result<u64> {
        let size = |name: &str| std::fs::metadata(self.data_dir.join(name)).map_or(0, |metadata| metadata.len());
        let began = Instant::now();
        while size("countersign.db-wal") > 0 {
            if began.elapsed() > REST_MAX {
                bail!("the server's log was not copied back within {} s", REST_MAX.as_secs());
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(size("countersign.db"))
    }

    /// Ends it as an operator would, and waits.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        if let Some(pid) = self.child.id() {
            Command::new("kill").arg(pid.to_string()).status().await.context("ending the server")?;
        }
        tokio::time::timeout(END_MAX, self.child.wait()).await.context("the server did not end in time")??;
        Ok(())
    }
}
