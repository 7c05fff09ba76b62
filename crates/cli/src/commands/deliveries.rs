//! `deliveries`: what became of each event for each subscription.

mod shown;

use std::process::ExitCode;

use clap::{Args, Subcommand};
use http::{HeaderMap, Method};
use serde_json::{Value, json};

use crate::{
    client::{Client, ServerArgs, segment, with_query},
    delivery_filter::Filter,
    misuse::Misuse,
    output,
    table::list,
};

/// Deliveries in one answer of the server.
const PAGE_MAX: u32 = 1_000;

/// Look at deliveries, newest first; retry or cancel one.
#[derive(Debug, Args)]
pub(crate) struct Deliveries {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    list: List,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List deliveries (the default)
    List(List),
    /// Show one delivery with its attempts
    Show {
        /// Id of the delivery
        id: String,
        /// Show this attempt as sent and as answered: its id, or `last`
        #[arg(long, value_name = "ID")]
        attempt: Option<String>,
    },
    /// Write the body of an attempt to stdout, byte for byte as it was sent
    Body {
        /// Id of the delivery
        id: String,
        /// Id of the attempt
        #[arg(long, value_name = "ID", default_value = "last")]
        attempt: String,
    },
    /// Attempt a waiting or parked delivery again at once
    Retry {
        /// Id of the delivery
        id: String,
    },
    /// Send a delivered one once more, by a new delivery
    Replay {
        /// Id of the delivery
        id: String,
    },
    /// Give up a waiting or parked delivery
    Cancel {
        /// Id of the delivery
        id: String,
    },
}

/// What to list.
#[derive(Debug, Args)]
struct List {
    #[command(flatten)]
    filter: Filter,
    /// List at most so many
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
    /// Continue after this delivery: the `next` of an earlier answer
    #[arg(long, value_name = "ID")]
    before: Option<String>,
}

/// Talks to the server.
pub(crate) async fn run(given: &Deliveries) -> anyhow::Result<ExitCode> {
    if given.verb.is_some() && !(given.list.filter.is_empty() && given.list.before.is_none()) {
        return Err(Misuse::error("a filter stands behind 'list', or without a command"));
    }
    let client = given.server.client()?;
    let json = given.server.json;
    match &given.verb {
        None => listed(&client, &given.list, json).await?,
        Some(Verb::List(list)) => listed(&client, list, json).await?,
        Some(Verb::Show { id, attempt: None }) => {
            let delivery = one(&client, id).await?;
            if json { output::json(&delivery)? } else { shown::whole(&delivery)? }
        }
        Some(Verb::Show { id, attempt: Some(attempt) }) => {
            let delivery = one(&client, id).await?;
            let attempt = find(&delivery, attempt)?;
            if json { output::json(attempt)? } else { shown::attempt(attempt)? }
        }
        Some(Verb::Body { id, attempt }) => {
            let delivery = one(&client, id).await?;
            let attempt = find(&delivery, attempt)?["id"].as_str().unwrap_or_default().to_owned();
            let path = client.api(&format!("deliveries/{}/attempts/{}/body", segment(id), segment(&attempt))).await?;
            let answer = client.exchange(Method::GET, &path, None, HeaderMap::new()).await?;
            output::bytes(&answer.body)?;
        }
        Some(Verb::Retry { id }) => changed(&act(&client, id, "retry").await?, json)?,
        Some(Verb::Cancel { id }) => changed(&act(&client, id, "cancel").await?, json)?,
        Some(Verb::Replay { id }) => {
            let answer = act(&client, id, "replay").await?;
            let words =
                if answer["replayed"].as_u64() == Some(1) { "it is sent once more by a new delivery" } else { "it is attempted again" };
            output::done(json, &format!("{id}: {words}"), &answer)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn listed(client: &Client, asked: &List, json: bool) -> anyhow::Result<()> {
    let mut deliveries: Vec<Value> = Vec::new();
    let mut before = asked.before.clone();
    let mut left = asked.limit;
    let next = loop {
        let mut pairs = asked.filter.pairs();
        pairs.push(("limit", Some(left.min(PAGE_MAX).to_string())));
        pairs.push(("before", before.take()));
        let page = client.get(&with_query(&client.api("deliveries").await?, pairs)).await?;
        let found = list(&page, "deliveries")?;
        deliveries.extend_from_slice(found);
        left = left.saturating_sub(u32::try_from(found.len()).unwrap_or(u32::MAX));
        match page["next"].as_str() {
            Some(next) if left > 0 && !found.is_empty() => before = Some(next.to_owned()),
            next => break next.map(str::to_owned),
        }
    };
    if json {
        return output::json(&json!({"deliveries": deliveries, "next": next}));
    }
    shown::listed(&deliveries)?;
    if let Some(next) = next {
        output::note(&format!("note: there are more; continue with --before {next}"));
    }
    Ok(())
}

async fn one(client: &Client, id: &str) -> anyhow::Result<Value> {
    client.get(&client.api(&format!("deliveries/{}", segment(id))).await?).await
}

async fn act(client: &Client, id: &str, what: &str) -> anyhow::Result<Value> {
    client.call(Method::POST, &client.api(&format!("deliveries/{}/{what}", segment(id))).await?, None).await
}

fn changed(delivery: &Value, json: bool) -> anyhow::Result<()> {
    if json { output::json(delivery) } else { shown::listed(std::slice::from_ref(delivery)) }
}

fn find<'a>(delivery: &'a Value, attempt: &str) -> anyhow::Result<&'a Value> {
    let attempts = list(delivery, "attempts")?;
    let found = match attempt {
        // By time: they are numbered by ids that only grow.
        "last" => attempts.iter().max_by_key(|row| row["startedAt"].as_str().unwrap_or_default().to_owned()),
        id => attempts.iter().find(|row| row["id"].as_str() == Some(id)),
    };
    found.ok_or_else(|| {
        Misuse::error(if attempts.is_empty() {
            "there was no attempt yet".to_owned()
        } else {
            format!("the delivery has no attempt {attempt}")
        })
    })
}
