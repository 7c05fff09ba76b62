//! `config`: Connect configurations, which are the account's subscriptions.

mod form;
mod shown;

use std::process::ExitCode;

use clap::{Args, Subcommand};
use http::Method;
use serde_json::{Value, json};
use url::Url;

use crate::{
    client::{Client, ServerArgs, segment},
    input::{FileOrStdin, Inputs},
    misuse::Misuse,
    output,
    table::{list, text},
};

/// Longest file of a subscription, in bytes: what the server takes.
const FILE_BYTES_MAX: usize = 1 << 20;

/// Connect configurations: who is told of which events, where and how.
#[derive(Debug, Args)]
pub(crate) struct Config {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List the configurations (the default)
    List,
    /// Show one
    Show {
        /// Id of the configuration
        id: String,
    },
    /// Make one
    Create(Box<Written>),
    /// Change one; what is not given stays
    Update {
        /// Id of the configuration
        id: String,
        #[command(flatten)]
        written: Box<Written>,
    },
    /// Hold deliveries, and go on matching
    Pause {
        /// Id of the configuration
        id: String,
    },
    /// Send what was held
    Resume {
        /// Id of the configuration
        id: String,
    },
    /// Switch it on, also after the system has disabled it
    Activate {
        /// Id of the configuration
        id: String,
    },
    /// Switch it off: events are not matched any more
    Deactivate {
        /// Id of the configuration
        id: String,
    },
    /// Delete it; what waits is cancelled
    Delete {
        /// Id of the configuration
        id: String,
    },
    /// Send it a test message, whatever events it wants
    Test {
        /// Id of the configuration
        id: String,
        /// Name of the event
        #[arg(long, value_name = "NAME")]
        event: Option<String>,
    },
}

/// A configuration, written by flags, in a file, or both; flags win.
#[derive(Debug, Args)]
struct Written {
    /// File with the JSON of a subscription, as /api/v1 takes it, or -
    #[arg(long = "file", value_name = "FILE", allow_hyphen_values = true)]
    file: Option<FileOrStdin>,
    #[command(flatten)]
    form: form::Form,
}

impl Written {
    fn body(&self) -> anyhow::Result<Value> {
        let mut inputs = Inputs::default();
        let mut body = match &self.file {
            Some(file) => {
                let bytes = inputs.file(file, "--file", FILE_BYTES_MAX)?;
                serde_json::from_slice(&bytes).map_err(|error| Misuse::error(format!("--file: {file} is not JSON: {error}")))?
            }
            None => json!({}),
        };
        let Some(members) = body.as_object_mut() else {
            return Err(Misuse::error("--file: a subscription is a JSON object"));
        };
        self.form.write(members, &mut inputs)?;
        if members.is_empty() {
            return Err(Misuse::error("nothing is given; see --help for the flags"));
        }
        Ok(body)
    }
}

/// Talks to the server.
pub(crate) async fn run(given: &Config) -> anyhow::Result<ExitCode> {
    let client = given.server.client()?;
    let json = given.server.json;
    let show = |subscription: &Value| if json { output::json(subscription) } else { shown::whole(subscription) };
    match given.verb.as_ref().unwrap_or(&Verb::List) {
        Verb::List => {
            let answer = client.get(&client.api("subscriptions").await?).await?;
            if json { output::json(&answer)? } else { shown::listed(list(&answer, "subscriptions")?)? }
        }
        Verb::Show { id } => show(&client.get(&path(&client, id).await?).await?)?,
        Verb::Create(written) => {
            let mut body = written.body()?;
            if body["name"].is_null() {
                body["name"] = host(&text(&body, "url")).into();
            }
            let subscription = client.call(Method::POST, &client.api("subscriptions").await?, Some(&body)).await?;
            show(&subscription)?;
            warn(&subscription);
        }
        Verb::Update { id, written } => {
            let subscription = change(&client, id, &written.body()?).await?;
            show(&subscription)?;
            warn(&subscription);
        }
        Verb::Pause { id } => show(&change(&client, id, &json!({"paused": true})).await?)?,
        Verb::Resume { id } => show(&change(&client, id, &json!({"paused": false})).await?)?,
        Verb::Activate { id } => show(&change(&client, id, &json!({"active": true})).await?)?,
        Verb::Deactivate { id } => show(&change(&client, id, &json!({"active": false})).await?)?,
        Verb::Delete { id } => {
            client.call(Method::DELETE, &path(&client, id).await?, None).await?;
            output::done(json, &format!("deleted configuration {id}"), &json!({"deleted": id}))?;
        }
        Verb::Test { id, event } => {
            let body = event.as_ref().map_or_else(|| json!({}), |event| json!({"event": event}));
            let answer = client.call(Method::POST, &format!("{}/test", path(&client, id).await?), Some(&body)).await?;
            let delivery = text(&answer, "delivery");
            output::done(json, &format!("sent as {delivery}; see 'countersign deliveries show {delivery}'"), &answer)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn path(client: &Client, id: &str) -> anyhow::Result<String> {
    client.api(&format!("subscriptions/{}", segment(id))).await
}

async fn change(client: &Client, id: &str, body: &Value) -> anyhow::Result<Value> {
    client.call(Method::PATCH, &path(client, id).await?, Some(body)).await
}

/// A name for a configuration that was given none: where it leads.
fn host(url: &str) -> String {
    let host = Url::parse(url).ok().and_then(|url| url.host_str().map(str::to_owned));
    host.unwrap_or_else(|| "listener".to_owned())
}

/// What the server thinks is odd about it.
fn warn(subscription: &Value) {
    for warning in subscription["warnings"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        output::note(&format!("warning: {warning}"));
    }
}
