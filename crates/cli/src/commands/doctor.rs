//! `doctor`: what is wrong with an installation, from the outside.

mod finding;
mod listeners;
mod local;
mod remote;

use std::{path::PathBuf, process::ExitCode};

use clap::Args;
use serde_json::json;

use self::finding::{Finding, State};
use crate::{
    client::ServerArgs,
    output::{self, Paint, Tone, escape},
};

/// Check settings, data directory, server, token, clocks, store, backlog and listeners, and say what to do.
///
/// Nothing is changed and nothing is sent to a listener: it is only connected to. Exits with 1 when a check fails.
#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// Settings file of the server on this machine [default: countersign.toml, if it is there]
    #[arg(long, env = "COUNTERSIGN_CONFIG", hide_env_values = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Do not connect to the listeners
    #[arg(long)]
    no_listeners: bool,
    #[command(flatten)]
    server: ServerArgs,
}

/// Makes all checks; exit code 1 when one fails.
pub(crate) async fn run(given: &Doctor) -> anyhow::Result<ExitCode> {
    let client = given.server.client_without_token()?;
    let mut findings = local::check(given.config.as_deref(), client.is_local()).await;
    let subscriptions = remote::check(&client, &mut findings).await;
    if !given.no_listeners {
        findings.extend(listeners::check(&subscriptions, given.server.ca()).await);
    }
    if given.server.json {
        let checks: Vec<_> = findings.iter().map(Finding::for_programs).collect();
        output::json(&json!({"checks": checks}))?;
    } else {
        print(&findings)?;
    }
    let failed = findings.iter().any(|finding| finding.state == State::Failed);
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn print(findings: &[Finding]) -> anyhow::Result<()> {
    let paint = Paint::stdout();
    let width = findings.iter().map(|finding| finding.check.chars().count()).max().unwrap_or_default();
    let mut text = String::new();
    for Finding { check, state, words } in findings {
        let tone = match state {
            State::Fine => Tone::Good,
            State::Odd => Tone::Odd,
            State::Failed => Tone::Bad,
            State::Skipped => Tone::Dim,
        };
        text.push_str(&format!("{}  {check:<width$}  {}\n", paint.paint(tone, &format!("{:<7}", state.word())), escape(words)));
    }
    output::print(&text)
}
