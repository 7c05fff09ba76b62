//! `account`: the account itself, its users, tokens and certificates, its authorization server, and the applications that log in.

mod certificates;
mod integration_keys;
mod oauth;
mod operator;
mod tokens;
mod users;

use std::process::ExitCode;

use clap::{Args, Subcommand};
use http::Method;
use serde_json::{Map, Value, json};

use crate::{
    client::{Client, ServerArgs},
    misuse::Misuse,
    output,
    table::{Fields, moment, text},
};

/// The account: its name and backlog, users, API tokens, OAuth connection, certificates, integration keys.
#[derive(Debug, Args)]
pub(crate) struct Account {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Show the account and how much waits for it (the default)
    Show,
    /// Change the account's name or time zone
    Update {
        /// Its name
        #[arg(long)]
        name: Option<String>,
        /// TimeZone of XML messages, such as 'Pacific Standard Time'
        #[arg(long, value_name = "NAME")]
        time_zone: Option<String>,
        /// TimeZoneOffset of XML messages: hours east of UTC
        #[arg(long, value_name = "HOURS", allow_negative_numbers = true)]
        time_zone_offset: Option<i8>,
    },
    /// For the operator: make an account in the data directory, while no server uses it
    Create(operator::Create),
    /// For the operator: show or assign the domains whose recipients the account hears of, while no server uses it
    Domains(operator::Domains),
    /// Who acts in the account
    Users(users::Users),
    /// API tokens
    Tokens(tokens::Tokens),
    /// The connection to an authorization server, where access tokens come from
    Oauth(oauth::OAuth),
    /// Client certificates and CAs for mutual TLS
    Certificates(certificates::Certificates),
    /// Applications that log in through /oauth/token
    IntegrationKeys(integration_keys::IntegrationKeys),
}

/// Talks to the server, or to the data directory.
pub(crate) async fn run(given: &Account) -> anyhow::Result<ExitCode> {
    let json = given.server.json;
    match &given.verb {
        Some(Verb::Create(create)) => operator::create(create, json).await?,
        Some(Verb::Domains(domains)) => operator::domains(domains, json).await?,
        other => on_server(other.as_ref().unwrap_or(&Verb::Show), &given.server.client()?, json).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn on_server(verb: &Verb, client: &Client, json: bool) -> anyhow::Result<()> {
    match verb {
        Verb::Create(_) | Verb::Domains(_) => {}
        Verb::Show => {
            let path = client.api("").await?;
            let mut account = client.get(path.trim_end_matches('/')).await?;
            let backlog = client.get(&client.api("backlog").await?).await?;
            if json {
                account["backlog"] = backlog;
                output::json(&account)?;
            } else {
                show(&account, &backlog)?;
            }
        }
        Verb::Update { name, time_zone, time_zone_offset } => {
            let mut change = Map::new();
            change.extend(name.as_ref().map(|name| ("name".to_owned(), name.as_str().into())));
            change.extend(time_zone.as_ref().map(|zone| ("timeZone".to_owned(), zone.as_str().into())));
            change.extend(time_zone_offset.map(|hours| ("timeZoneOffsetHours".to_owned(), hours.into())));
            if change.is_empty() {
                return Err(Misuse::error("there is nothing to change; give --name, --time-zone or --time-zone-offset"));
            }
            let path = client.api("").await?;
            let account = client.call(Method::PUT, path.trim_end_matches('/'), Some(&Value::Object(change))).await?;
            if json { output::json(&account)? } else { show(&account, &json!({}))? }
        }
        Verb::Users(users) => users::run(users, client, json).await?,
        Verb::Tokens(tokens) => tokens::run(tokens, client, json).await?,
        Verb::Oauth(connection) => oauth::run(connection, client, json).await?,
        Verb::Certificates(certificates) => certificates::run(certificates, client, json).await?,
        Verb::IntegrationKeys(keys) => integration_keys::run(keys, client, json).await?,
    }
    Ok(())
}

fn show(account: &Value, backlog: &Value) -> anyhow::Result<()> {
    let mut fields = Fields::default();
    fields.add("id", text(account, "id"));
    fields.add("number", text(account, "number"));
    fields.add("name", text(account, "name"));
    fields.add("created", moment(account, "createdAt"));
    fields.add("time zone", text(account, "timeZone"));
    fields.add("recipient domains", text(account, "recipientDomains"));
    for (name, member) in [("waiting", "waiting"), ("held", "held"), ("in flight", "leased"), ("parked", "parked")] {
        fields.add(name, text(backlog, member));
    }
    fields.add("oldest due", moment(backlog, "oldestDueAt"));
    fields.print()
}
