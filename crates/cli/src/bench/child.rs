//! The server as a child process, in a data directory of its own.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use http::Method;
use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

use crate::caller::Api;

/// The token given to the child.
const TOKEN: &str = "bench-token-bench-token-bench-token";
/// The account given to the child.
const ACCOUNT: &str = "00000000-0000-4000-8000-00000000be7c";
/// How long a start may take.
const START_MAX: Duration = Duration::from_secs(60);

/// A running server.
pub(crate) struct Server {
    child: Child,
    /// Its API.
    pub(crate) api: Api,
    /// Where its API of the account begins.
    pub(crate) account_path: String,
    /// From the start of the process to the first request taken.
    pub(crate) started_in: Duration,
    data_dir: PathBuf,
}

impl Server {
    /// Starts this very program with `serve --dev` on a free port.
    pub(crate) async fn start(data_dir: &Path, further: &[&str]) -> anyhow::Result<Self> {
        let began = Instant::now();
        let mut child = Command::new(std::env::current_exe()?)
            .args(["serve", "--dev", "--listen", "127.0.0.1:0", "--log", "warn", "--data-dir"])
            .arg(data_dir)
            .args(further)
            .env("COUNTERSIGN_API_TOKEN", TOKEN)
            .env("COUNTERSIGN_ACCOUNT_ID", ACCOUNT)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("starting the server")?;
        let stdout = child.stdout.take().context("the server's output")?;
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

    /// Makes a signing key.
    pub(crate) async fn make_key(&self) -> anyhow::Result<()> {
        self.api.expect(Method::POST, &format!("/restapi/v2.1/accounts/{ACCOUNT}/connect/secret"), "{}").await?;
        Ok(())
    }

    /// Makes a subscription to an event, signed.
    pub(crate) async fn subscribe(&self, name: &str, url: &str, event: &str) -> anyhow::Result<()> {
        let body = json!({
            "name": name, "configurationType": "custom", "urlToPublishTo": url, "allowEnvelopePublish": "true", "allUsers": "true",
            "includeHMAC": "true", "deliveryMode": "SIM", "eventData": {"version": "restv2.1"}, "events": [event],
        });
        self.api.expect(Method::POST, &format!("/restapi/v2.1/accounts/{ACCOUNT}/connect"), body.to_string()).await?;
        Ok(())
    }

    /// Bytes of all files in its data directory.
    pub(crate) fn disk_bytes(&self) -> u64 {
        let Ok(entries) = std::fs::read_dir(&self.data_dir) else { return 0 };
        entries
            .flatten()
            .filter(|entry| entry.file_name().to_string_lossy().contains(".db"))
            .filter_map(|entry| entry.metadata().ok())
            .map(|metadata| metadata.len())
            .sum()
    }

    /// Ends it as an operator would, and waits.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        if let Some(pid) = self.child.id() {
            Command::new("kill").arg(pid.to_string()).status().await.context("ending the server")?;
        }
        tokio::time::timeout(Duration::from_secs(60), self.child.wait()).await.context("the server did not end in time")??;
        Ok(())
    }
}
