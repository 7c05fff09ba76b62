//! `envelope`: send documents to be signed, look at them, and play their recipients.

mod playing;
mod sending;
mod shown;

use std::{path::PathBuf, process::ExitCode};

use anyhow::Context as _;
use clap::{Args, Subcommand};
use countersign_core::Timestamp;
use countersign_egress::{Clock as _, SystemClock};
use http::{HeaderMap, HeaderValue, Method, header};
use serde_json::{Value, json};

use crate::{
    client::{Client, ServerArgs, segment, with_query},
    output,
    table::{list, text},
};

/// How far back a list looks unless told otherwise.
const LIST_DAYS: u64 = 30;

/// Envelopes: send documents, look at them, play their recipients.
#[derive(Debug, Args)]
pub(crate) struct Envelope {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Send documents to be signed
    Send(Box<sending::Sending>),
    /// List envelopes, newest first (the default: those of the last 30 days)
    List(List),
    /// Show an envelope with its recipients
    Show {
        /// Id of the envelope
        id: String,
    },
    /// Play a recipient: sign (and view, if that has not been done)
    Sign(playing::Filling),
    /// Play a recipient: open the documents
    View(playing::Who),
    /// Play a recipient: put it off, keeping what was filled in
    FinishLater(playing::Filling),
    /// Play a recipient: decline
    Decline {
        #[command(flatten)]
        who: playing::Who,
        /// Why
        #[arg(long)]
        reason: Option<String>,
    },
    /// Play a recipient: fail the identity check
    AuthenticationFailed(playing::Who),
    /// Void the envelope
    Void {
        /// Id of the envelope
        id: String,
        /// Why; its recipients are told
        #[arg(long)]
        reason: String,
    },
    /// Remind those whose turn it is
    Resend {
        /// Id of the envelope
        id: String,
    },
    /// Show what was done with the envelope, and by whom
    History {
        /// Id of the envelope
        id: String,
    },
    /// Write a document to a file, or to stdout
    Download {
        /// Id of the envelope
        id: String,
        /// Which: a number, combined, archive or certificate
        #[arg(long, value_name = "WHICH", default_value = "combined")]
        document: String,
        /// File to write [default: stdout]
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
    },
}

/// What to list.
#[derive(Debug, Default, Args)]
struct List {
    /// Statuses, separated by commas, such as sent,completed
    #[arg(long)]
    status: Option<String>,
    /// Changed at this time or later [default: 30 days ago]
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Changed before this time
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    /// With this text in the subject, or a recipient
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
    /// At most so many
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    limit: Option<u32>,
}

/// Talks to the server.
pub(crate) async fn run(given: &Envelope) -> anyhow::Result<ExitCode> {
    let client = given.server.client()?;
    let json = given.server.json;
    match &given.verb {
        None => listed(&client, &List::default(), json).await?,
        Some(Verb::List(list)) => listed(&client, list, json).await?,
        Some(Verb::Send(sending)) => {
            let answer = client.call(Method::POST, &client.restapi("envelopes").await?, Some(&sending.body()?)).await?;
            let id = text(&answer, "envelopeId");
            if json { output::json(&answer)? } else { output::line(&output::escape(&format!("{id} {}", text(&answer, "status"))))? }
        }
        Some(Verb::Show { id }) => {
            let envelope = one(&client, id).await?;
            if json { output::json(&envelope)? } else { shown::whole(&envelope)? }
        }
        Some(Verb::Sign(filling)) => played(&playing::fill(&client, filling, "complete").await?, json)?,
        Some(Verb::FinishLater(filling)) => played(&playing::fill(&client, filling, "finish-later").await?, json)?,
        Some(Verb::View(who)) => played(&playing::play(&client, who, json!({"action": "deliver"})).await?, json)?,
        Some(Verb::AuthenticationFailed(who)) => {
            played(&playing::play(&client, who, json!({"action": "authentication-failed"})).await?, json)?;
        }
        Some(Verb::Decline { who, reason }) => {
            let mut action = json!({"action": "decline"});
            if let Some(reason) = reason {
                action["reason"] = reason.as_str().into();
            }
            played(&playing::play(&client, who, action).await?, json)?;
        }
        Some(Verb::Void { id, reason }) => {
            let answer =
                client.call(Method::PUT, &path(&client, id).await?, Some(&json!({"status": "voided", "voidedReason": reason}))).await?;
            output::done(json, &format!("{id} voided"), &answer)?;
        }
        Some(Verb::Resend { id }) => {
            let path = with_query(&path(&client, id).await?, [("resend_envelope", Some("true".to_owned()))]);
            let answer = client.call(Method::PUT, &path, Some(&json!({}))).await?;
            output::done(json, &format!("{id} sent again to those whose turn it is"), &answer)?;
        }
        Some(Verb::History { id }) => {
            let answer = client.get(&format!("{}/audit_events", path(&client, id).await?)).await?;
            if json { output::json(&answer)? } else { shown::history(list(&answer, "auditEvents")?)? }
        }
        Some(Verb::Download { id, document, output }) => download(&client, id, document, output.as_ref()).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn path(client: &Client, id: &str) -> anyhow::Result<String> {
    client.restapi(&format!("envelopes/{}", segment(id))).await
}

/// The envelope with all that is shown of it.
async fn one(client: &Client, id: &str) -> anyhow::Result<Value> {
    let include = Some("recipients,documents,custom_fields".to_owned());
    client.get(&with_query(&path(client, id).await?, [("include", include)])).await
}

async fn listed(client: &Client, asked: &List, json: bool) -> anyhow::Result<()> {
    let from = asked.from.clone().unwrap_or_else(|| {
        let days = std::time::Duration::from_secs(LIST_DAYS * 24 * 3_600);
        Timestamp::minus(SystemClock.now(), days).to_short_fraction()
    });
    let pairs = [
        ("from_date", Some(from)),
        ("to_date", asked.to.clone()),
        ("status", asked.status.clone()),
        ("search_text", asked.search.clone()),
        ("count", Some(asked.limit.unwrap_or(50).to_string())),
        ("order", Some("desc".to_owned())),
        ("include", Some("recipients".to_owned())),
    ];
    let answer = client.get(&with_query(&client.restapi("envelopes").await?, pairs)).await?;
    if json {
        return output::json(&answer);
    }
    // Connect leaves the list out when nothing is found.
    shown::listed(answer["envelopes"].as_array().map_or(&[], Vec::as_slice))?;
    let (size, total) = (text(&answer, "resultSetSize"), text(&answer, "totalSetSize"));
    if size != total {
        output::note(&format!("note: {size} of {total}; raise --limit or narrow the dates"));
    }
    Ok(())
}

fn played(answer: &Value, json: bool) -> anyhow::Result<()> {
    if json { output::json(answer) } else { shown::played(answer) }
}

async fn download(client: &Client, id: &str, document: &str, to: Option<&PathBuf>) -> anyhow::Result<()> {
    let path = format!("{}/documents/{}", path(client, id).await?, segment(document));
    let headers = HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static("*/*"))]);
    let answer = client.exchange(Method::GET, &path, None, headers).await?;
    match to {
        Some(file) => {
            std::fs::write(file, &answer.body).with_context(|| format!("writing {}", file.display()))?;
            output::note(&format!("{} bytes written to {}", answer.body.len(), file.display()));
        }
        None => output::bytes(&answer.body)?,
    }
    Ok(())
}
