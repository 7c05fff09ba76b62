//! Playing recipients.

use anyhow::anyhow;
use clap::Args;
use http::Method;
use serde_json::{Map, Value, json};

use crate::{
    client::{Client, segment},
    input::pair,
    misuse::Misuse,
    table::text,
};

/// A recipient of an envelope.
#[derive(Debug, Args)]
pub(super) struct Who {
    /// Id of the envelope
    pub(super) id: String,
    /// Id, address or name of the recipient [default: the first one whose turn it is]
    #[arg(long, value_name = "WHO")]
    pub(super) recipient: Option<String>,
}

/// A recipient, and what they fill in.
#[derive(Debug, Args)]
pub(super) struct Filling {
    #[command(flatten)]
    who: Who,
    /// Value of a field by its label; may be repeated
    #[arg(long = "tab", value_name = "LABEL=VALUE", value_parser = pair)]
    tabs: Vec<(String, String)>,
    /// Let every recipient act, one after the other, until nobody's turn is left
    #[arg(long, conflicts_with = "recipient")]
    all: bool,
}

/// Somebody who can act.
struct Recipient {
    id: String,
    name: String,
    email: String,
    status: String,
}

/// Fills in and acts: `complete` or `finish-later`.
pub(super) async fn fill(client: &Client, given: &Filling, action: &str) -> anyhow::Result<Value> {
    let tabs: Map<String, Value> = given.tabs.iter().map(|(label, value)| (label.clone(), value.as_str().into())).collect();
    let action = json!({"action": action, "tabs": tabs});
    let mut answer = play(client, &given.who, action.clone()).await?;
    // Each turn ends with one recipient fewer; the bound is only there for a server that does not keep to that.
    for _ in 0..1_000 {
        let in_turn = answer["recipients"].as_array().into_iter().flatten().any(|recipient| is_in_turn(&text(recipient, "status")));
        let is_open = matches!(text(&answer["envelope"], "status").as_str(), "sent" | "delivered");
        if !(given.all && in_turn && is_open) || action["action"] != "complete" {
            break;
        }
        answer = play(client, &given.who, action.clone()).await?;
    }
    Ok(answer)
}

/// Acts.
pub(super) async fn play(client: &Client, who: &Who, action: Value) -> anyhow::Result<Value> {
    let recipient = recipient(client, who).await?;
    let path = client.api(&format!("envelopes/{}/recipients/{}/actions", segment(&who.id), segment(&recipient))).await?;
    client.call(Method::POST, &path, Some(&action)).await
}

/// The id of the one meant.
async fn recipient(client: &Client, who: &Who) -> anyhow::Result<String> {
    let answer = client.get(&client.restapi(&format!("envelopes/{}/recipients", segment(&who.id))).await?).await?;
    let recipients = all(&answer);
    match &who.recipient {
        Some(named) => {
            let meant: Vec<&Recipient> = recipients
                .iter()
                .filter(|recipient| {
                    recipient.id == *named || recipient.email.eq_ignore_ascii_case(named) || recipient.name.eq_ignore_ascii_case(named)
                })
                .collect();
            match meant.as_slice() {
                [one] => Ok(one.id.clone()),
                [] => Err(Misuse::error(format!("the envelope has no recipient {named}"))),
                _ => Err(Misuse::error(format!("the envelope has several recipients {named}; give the id"))),
            }
        }
        None => {
            let next = recipients.iter().find(|recipient| is_in_turn(&recipient.status));
            next.map(|recipient| recipient.id.clone()).ok_or_else(|| anyhow!("it is nobody's turn in this envelope"))
        }
    }
}

/// Everybody who can act, in their order.
fn all(answer: &Value) -> Vec<Recipient> {
    let mut found: Vec<(u64, Recipient)> = ["signers", "inPersonSigners", "certifiedDeliveries"]
        .into_iter()
        .flat_map(|kind| answer[kind].as_array().into_iter().flatten())
        .map(|recipient| {
            let name = ["signerName", "name"].map(|member| text(recipient, member)).into_iter().find(|name| !name.is_empty());
            let email = ["signerEmail", "email"].map(|member| text(recipient, member)).into_iter().find(|email| !email.is_empty());
            let order = text(recipient, "routingOrder").parse().unwrap_or(u64::MAX);
            let (name, email) = (name.unwrap_or_default(), email.unwrap_or_default());
            (order, Recipient { id: text(recipient, "recipientId"), name, email, status: text(recipient, "status") })
        })
        .collect();
    found.sort_by_key(|(order, _)| *order);
    found.into_iter().map(|(_, recipient)| recipient).collect()
}

fn is_in_turn(status: &str) -> bool {
    matches!(status, "sent" | "delivered")
}
