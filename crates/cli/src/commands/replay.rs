//! `replay`: send deliveries again, by filter, as a durable job of the server.

use std::{process::ExitCode, time::Duration};

use clap::Args;
use http::Method;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use crate::{
    client::{Client, ServerArgs, segment},
    delivery_filter::Filter,
    misuse::Misuse,
    output,
    table::text,
};

/// Time between two looks at a job.
const LOOK_EVERY: Duration = Duration::from_millis(300);

/// Send deliveries again: what waits or is parked keeps its id, what was delivered is sent by a new delivery.
///
/// The server does it as a job, which goes on when this command ends. Interrupting the command does not cancel it.
#[derive(Debug, Args)]
pub(crate) struct Replay {
    #[command(flatten)]
    filter: Filter,
    /// Replay everything: needed when no filter is given
    #[arg(long)]
    all: bool,
    /// Only count what would be done
    #[arg(long)]
    dry_run: bool,
    /// Start the job and do not wait for its end
    #[arg(long, conflicts_with = "dry_run")]
    no_wait: bool,
    /// Follow a job that was started before
    #[arg(long, value_name = "ID", conflicts_with_all = ["dry_run", "no_wait", "all"])]
    job: Option<String>,
    /// Cancel a job
    #[arg(long, value_name = "ID", conflicts_with_all = ["dry_run", "no_wait", "all", "job"])]
    cancel: Option<String>,
    #[command(flatten)]
    server: ServerArgs,
}

/// Talks to the server; exit code 1 when the job fails or is cancelled.
pub(crate) async fn run(given: &Replay) -> anyhow::Result<ExitCode> {
    let client = given.server.client()?;
    if let Some(id) = &given.cancel {
        let job = client.call(Method::POST, &client.api(&format!("jobs/{}/cancel", segment(id))).await?, None).await?;
        return ended(&job, given.server.json, "cancelled");
    }
    if let Some(id) = &given.job {
        let job = client.get(&client.api(&format!("jobs/{}", segment(id))).await?).await?;
        return ended(&followed(&client, job, None).await?, given.server.json, "finished");
    }
    if given.filter.is_empty() && !given.all {
        return Err(Misuse::error("give a filter such as --state parked or --subscription ID, or --all for everything"));
    }
    let path = client.api("deliveries/replay").await?;
    let dry = client.call(Method::POST, &path, Some(&json!({"filter": given.filter.json(), "dryRun": true}))).await?;
    if given.dry_run {
        if given.server.json {
            output::json(&dry)?;
        } else {
            let more = if dry["complete"].as_bool() == Some(false) { "; there are more, which were not counted" } else { "" };
            output::line(&format!("would do: {}{more}", counts(&dry)))?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let job = client.call(Method::POST, &path, Some(&json!({"filter": given.filter.json()}))).await?;
    if given.no_wait {
        let id = text(&job, "id");
        output::done(given.server.json, &format!("started job {id}; follow it with 'countersign replay --job {id}'"), &job)?;
        return Ok(ExitCode::SUCCESS);
    }
    let total = ["retried", "replayed", "skipped"].iter().filter_map(|name| dry[*name].as_u64()).sum();
    let total = (dry["complete"].as_bool() != Some(false)).then_some(total);
    ended(&followed(&client, job, total).await?, given.server.json, "finished")
}

/// Looks at the job until it has ended.
async fn followed(client: &Client, mut job: Value, total: Option<u64>) -> anyhow::Result<Value> {
    let bar = bar(total);
    let path = client.api(&format!("jobs/{}", segment(&text(&job, "id")))).await?;
    while text(&job, "state") == "running" {
        let progress = &job["progress"];
        let done: u64 = ["retried", "replayed", "skipped"].iter().filter_map(|name| progress[*name].as_u64()).sum();
        bar.set_position(done);
        bar.set_message(counts(progress));
        tokio::time::sleep(LOOK_EVERY).await;
        job = client.get(&path).await?;
    }
    bar.finish_and_clear();
    Ok(job)
}

/// On stderr, and only when that is a terminal.
fn bar(total: Option<u64>) -> ProgressBar {
    let (bar, template) = match total {
        Some(total) => (ProgressBar::new(total), "{bar:40} {pos}/{len}  {msg}"),
        None => (ProgressBar::new_spinner(), "{spinner} {pos}  {msg}"),
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}

fn ended(job: &Value, as_json: bool, wanted: &str) -> anyhow::Result<ExitCode> {
    let state = text(job, "state");
    if as_json {
        output::json(job)?;
    } else {
        let error = text(&job["progress"], "error");
        let error = if error.is_empty() { String::new() } else { format!(": {error}") };
        output::line(&output::escape(&format!("job {} is {state}: {}{error}", text(job, "id"), counts(&job["progress"]))))?;
    }
    Ok(if state == wanted { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn counts(value: &Value) -> String {
    let number = |name: &str| value[name].as_u64().unwrap_or_default();
    format!("{} attempted again, {} sent anew, {} passed over", number("retried"), number("replayed"), number("skipped"))
}
