//! `account users`.

use clap::{Args, Subcommand};
use http::Method;
use serde_json::{Value, json};

use crate::{
    client::{Client, segment, with_query},
    output::{self, Tone},
    table::{Cell, Table, list, moment, text},
};

/// Users asked for in one call.
const PAGE: u32 = 1_000;

/// Who acts in the account.
#[derive(Debug, Args)]
pub(super) struct Users {
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List the users (the default)
    List,
    /// Add a user
    Create {
        /// Name
        #[arg(long)]
        name: String,
        /// E-mail address
        #[arg(long)]
        email: String,
        /// May administer the account
        #[arg(long)]
        admin: bool,
    },
    /// Remove a user; their tokens end at once
    Delete {
        /// Id of the user
        id: String,
    },
}

pub(super) async fn run(given: &Users, client: &Client, json: bool) -> anyhow::Result<()> {
    match given.verb.as_ref().unwrap_or(&Verb::List) {
        Verb::List => {
            let users = all(client).await?;
            if json {
                return output::json(&json!({"users": users}));
            }
            print(&users)
        }
        Verb::Create { name, email, admin } => {
            let body = json!({"name": name, "email": email, "admin": admin});
            let user = client.call(Method::POST, &client.api("users").await?, Some(&body)).await?;
            if json { output::json(&user) } else { print(std::slice::from_ref(&user)) }
        }
        Verb::Delete { id } => {
            client.call(Method::DELETE, &client.api(&format!("users/{}", segment(id))).await?, None).await?;
            output::done(json, &format!("removed user {id}"), &json!({"deleted": id}))
        }
    }
}

async fn all(client: &Client) -> anyhow::Result<Vec<Value>> {
    let mut users = Vec::new();
    let mut after = None;
    loop {
        let path = with_query(&client.api("users").await?, [("limit", Some(PAGE.to_string())), ("after", after.take())]);
        let page = client.get(&path).await?;
        users.extend_from_slice(list(&page, "users")?);
        match page["next"].as_str() {
            Some(next) => after = Some(next.to_owned()),
            None => return Ok(users),
        }
    }
}

fn print(users: &[Value]) -> anyhow::Result<()> {
    let mut table = Table::new(["ID", "NAME", "EMAIL", "ROLE", "CREATED"]);
    for user in users {
        let role = if user["admin"].as_bool() == Some(true) { Cell::toned(Tone::Strong, "admin") } else { "user".into() };
        table.row([text(user, "id").into(), text(user, "name").into(), text(user, "email").into(), role, moment(user, "createdAt").into()]);
    }
    table.print("there is no user")
}
