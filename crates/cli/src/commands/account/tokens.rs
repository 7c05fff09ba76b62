//! `account tokens`.

use clap::{Args, Subcommand, ValueEnum};
use http::Method;
use serde_json::json;

use crate::{
    client::{Client, segment},
    output::{self, Tone},
    table::{Cell, Fields, Table, list, moment, text},
};

/// API tokens of the account.
#[derive(Debug, Args)]
pub(super) struct Tokens {
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List the tokens, without their texts (the default)
    List,
    /// Make a token and show it, this once
    Create {
        /// What it is for
        #[arg(long)]
        name: String,
        /// What it may do
        #[arg(long, default_value = "read")]
        right: Right,
        /// When it ends, such as 2027-01-01 [default: never]
        #[arg(long, value_name = "DATE")]
        expires: Option<String>,
        /// Whose token it is [default: the caller]
        #[arg(long, value_name = "ID")]
        user: Option<String>,
    },
    /// Revoke a token at once
    Revoke {
        /// Id of the token
        id: String,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Right {
    /// Look at everything
    Read,
    /// And post events, send envelopes, act on deliveries
    Write,
    /// And change subscriptions and credentials
    Admin,
}

pub(super) async fn run(given: &Tokens, client: &Client, json: bool) -> anyhow::Result<()> {
    match given.verb.as_ref().unwrap_or(&Verb::List) {
        Verb::List => {
            let answer = client.get(&client.api("tokens").await?).await?;
            if json {
                return output::json(&answer);
            }
            let mut table = Table::new(["ID", "NAME", "RIGHT", "LAST 4", "STATE", "CREATED", "EXPIRES"]);
            for token in list(&answer, "tokens")? {
                let live = token["live"].as_bool() == Some(true);
                let state = if live { Cell::toned(Tone::Good, "live") } else { Cell::toned(Tone::Bad, "expired") };
                table.row([
                    text(token, "id").into(),
                    text(token, "name").into(),
                    text(token, "right").into(),
                    text(token, "hint").into(),
                    state,
                    moment(token, "createdAt").into(),
                    moment(token, "expiresAt").into(),
                ]);
            }
            table.print("there is no token")
        }
        Verb::Create { name, right, expires, user } => {
            let right = match right {
                Right::Read => "read",
                Right::Write => "write",
                Right::Admin => "admin",
            };
            let mut body = json!({"name": name, "right": right});
            if let Some(expires) = expires {
                body["expiresAt"] = expires.as_str().into();
            }
            if let Some(user) = user {
                body["userId"] = user.as_str().into();
            }
            let token = client.call(Method::POST, &client.api("tokens").await?, Some(&body)).await?;
            if json {
                return output::json(&token);
            }
            let mut fields = Fields::default();
            fields.add("id", text(&token, "id"));
            fields.add("right", text(&token, "right"));
            fields.add("expires", moment(&token, "expiresAt"));
            fields.toned("token", Tone::Strong, text(&token, "token"));
            fields.print()?;
            output::note("note: the token is shown this once");
            Ok(())
        }
        Verb::Revoke { id } => {
            client.call(Method::DELETE, &client.api(&format!("tokens/{}", segment(id))).await?, None).await?;
            output::done(json, &format!("revoked token {id}"), &json!({"revoked": id}))
        }
    }
}
