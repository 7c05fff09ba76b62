//! The bare handler: what an HTTP request costs with nothing behind it. An axum application that reads the body and answers;
//! a process of its own, so that the operating system accounts for it alone.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context, bail};
use axum::{Router, http::StatusCode, routing::post};
use bytes::Bytes;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command,
};

use super::own_process::{OwnProcess, this_program};

/// How long a start may take.
const START_MAX: Duration = Duration::from_secs(60);
/// Answers 200, as a listener does.
pub(crate) const LISTENER_PATH: &str = "/connect";
/// Answers 202, as an intake does.
pub(crate) const INTAKE_PATH: &str = "/events";

/// Serves until it is killed.
pub(crate) async fn serve() -> anyhow::Result<()> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.context("the bare handler finds no free port")?;
    crate::output::line(&format!("listens on {}", listener.local_addr()?))?;
    let app = Router::new()
        .route(LISTENER_PATH, post(async |_body: Bytes| StatusCode::OK))
        .route(INTAKE_PATH, post(async |_body: Bytes| StatusCode::ACCEPTED))
        .layer(axum::extract::DefaultBodyLimit::disable());
    use axum::serve::ListenerExt as _;
    let listener = listener.tap_io(|stream| {
        // As what is measured beside it does.
        let _ = stream.set_nodelay(true);
    });
    Ok(axum::serve(listener, app).await?)
}

/// Starts it as a process of its own.
pub(crate) async fn in_its_own_process() -> anyhow::Result<(SocketAddr, OwnProcess)> {
    let mut command = this_program()?;
    command.args(["bench", "bare-handler"]);
    started(command, "listens on ").await
}

/// Starts a process that says where it listens in a line that begins so.
pub(crate) async fn started(command: Command, beginning: &str) -> anyhow::Result<(SocketAddr, OwnProcess)> {
    let (child, stdout) = OwnProcess::start(command).context("starting what is measured")?;
    let mut lines = BufReader::new(stdout).lines();
    let address = tokio::time::timeout(START_MAX, async {
        while let Some(line) = lines.next_line().await? {
            if let Some(address) = line.strip_prefix(beginning) {
                return Ok(address.parse()?);
            }
        }
        bail!("what is measured ended before it listened")
    })
    .await
    .context("what is measured did not start in time")??;
    // Read on, so that the pipe never fills.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    Ok((address, child))
}
