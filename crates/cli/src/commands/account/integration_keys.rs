//! `account integration-keys`.

use clap::{Args, Subcommand};
use http::Method;
use serde_json::{Value, json};

use crate::{
    client::{Client, segment},
    output::{self, Tone},
    table::{Fields, Table, list, moment, text},
};

/// Applications that log in through /oauth/token, as the SDKs do.
#[derive(Debug, Args)]
pub(super) struct IntegrationKeys {
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List the integration keys (the default)
    List,
    /// Make an integration key; its secrets are shown this once
    Create {
        /// What it is for
        #[arg(long)]
        name: String,
        /// Where the authorization code may be sent; may be repeated
        #[arg(long = "redirect-uri", value_name = "URL")]
        redirect_uris: Vec<String>,
        /// Make no client secret
        #[arg(long)]
        no_secret: bool,
        /// Make an RSA key pair for the JWT grant
        #[arg(long)]
        key_pair: bool,
    },
    /// Make a new client secret; the old one ends at once
    NewSecret {
        /// Client id
        id: String,
    },
    /// Make a further RSA key pair
    NewKeyPair {
        /// Client id
        id: String,
    },
    /// Delete an integration key; its tokens end at once
    Delete {
        /// Client id
        id: String,
    },
}

pub(super) async fn run(given: &IntegrationKeys, client: &Client, json: bool) -> anyhow::Result<()> {
    let made = match given.verb.as_ref().unwrap_or(&Verb::List) {
        Verb::List => {
            let answer = client.get(&client.api("integration-keys").await?).await?;
            return if json { output::json(&answer) } else { print(list(&answer, "integrationKeys")?) };
        }
        Verb::Delete { id } => {
            client.call(Method::DELETE, &client.api(&format!("integration-keys/{}", segment(id))).await?, None).await?;
            return output::done(json, &format!("deleted integration key {id}"), &json!({"deleted": id}));
        }
        Verb::Create { name, redirect_uris, no_secret, key_pair } => {
            let body = json!({"name": name, "redirectUris": redirect_uris, "generateSecret": !no_secret, "generateKeyPair": key_pair});
            client.call(Method::POST, &client.api("integration-keys").await?, Some(&body)).await?
        }
        Verb::NewSecret { id } => {
            client.call(Method::POST, &client.api(&format!("integration-keys/{}/secret", segment(id))).await?, None).await?
        }
        Verb::NewKeyPair { id } => {
            client.call(Method::POST, &client.api(&format!("integration-keys/{}/key-pairs", segment(id))).await?, None).await?
        }
    };
    if json {
        return output::json(&made);
    }
    let mut fields = Fields::default();
    fields.add("client id", text(&made, "clientId"));
    fields.add("name", text(&made, "name"));
    fields.toned("client secret", Tone::Strong, text(&made, "clientSecret"));
    fields.print()?;
    if let Some(pem) = made["privateKeyPem"].as_str() {
        output::print(&output::escape_lines(pem))?;
        output::line("")?;
    }
    output::note("note: secrets are shown this once");
    Ok(())
}

fn print(keys: &[Value]) -> anyhow::Result<()> {
    let mut table = Table::new(["CLIENT ID", "NAME", "SECRET", "PUBLIC KEYS", "CREATED"]);
    for key in keys {
        let secret = if key["hasSecret"].as_bool() == Some(true) { "yes" } else { "no" };
        let pairs = key["publicKeysPem"].as_array().map_or(0, Vec::len);
        table.row([
            text(key, "clientId").into(),
            text(key, "name").into(),
            secret.into(),
            pairs.to_string().into(),
            moment(key, "createdAt").into(),
        ]);
    }
    table.print("there is no integration key")
}
