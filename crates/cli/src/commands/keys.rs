//! `keys`: the HMAC keys of the account.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use http::Method;
use serde_json::json;

use crate::{
    client::{ServerArgs, segment},
    input::{Inputs, Source},
    output,
    table::{Fields, Table, list, moment, text},
};

/// HMAC keys of the account: each signs every message, in a header of its own.
#[derive(Debug, Args)]
pub(crate) struct Keys {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List the keys in the order of their headers, truncated (the default)
    List,
    /// Make a key and show it, this once
    Create {
        /// Take this key over instead of making one: a value, env:NAME, @FILE or -
        #[arg(long, value_name = "KEY", allow_hyphen_values = true)]
        secret: Option<Source>,
    },
    /// Delete a key: it signs no further message
    Delete {
        /// Id of the key
        id: String,
    },
}

/// Talks to the server.
pub(crate) async fn run(given: &Keys) -> anyhow::Result<ExitCode> {
    let client = given.server.client()?;
    match given.verb.as_ref().unwrap_or(&Verb::List) {
        Verb::List => {
            let answer = client.get(&client.api("keys").await?).await?;
            if given.server.json {
                output::json(&answer)?;
            } else {
                let mut table = Table::new(["HEADER", "ID", "KEY", "CREATED"]);
                for (number, key) in (1..).zip(list(&answer, "keys")?) {
                    table.row([
                        format!("X-DocuSign-Signature-{number}").into(),
                        text(key, "id").into(),
                        text(key, "hint").into(),
                        moment(key, "createdAt").into(),
                    ]);
                }
                table.print("there is no key; messages are sent without a signature")?;
            }
        }
        Verb::Create { secret } => {
            let secret = secret.as_ref().map(|source| Inputs::default().secret(source, "--secret")).transpose()?;
            let body = secret.as_ref().map_or_else(|| json!({}), |secret| json!({"secret": secret.expose_secret()}));
            let key = client.call(Method::POST, &client.api("keys").await?, Some(&body)).await?;
            if given.server.json {
                output::json(&key)?;
            } else {
                let mut fields = Fields::default();
                fields.add("id", text(&key, "id"));
                fields.toned("key", output::Tone::Strong, text(&key, "secret"));
                fields.print()?;
                output::note("note: the key is shown this once; give it to the listener now");
            }
        }
        Verb::Delete { id } => {
            client.call(Method::DELETE, &client.api(&format!("keys/{}", segment(id))).await?, None).await?;
            output::done(given.server.json, &format!("deleted key {id}"), &json!({"deleted": id}))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
