//! `trigger`: a test event, sent by a server or, with `--to`, by this very command.

mod by_server;
mod direct;

use std::{process::ExitCode, time::Duration};

use clap::Args;
use countersign_core::event::EventName;

use crate::{
    client::Identity,
    input::{FileOrStdin, Source, duration},
    outbound::Outbound,
};

/// Make a server send a test event, or send one signed message yourself with --to.
///
/// With --to the message is made, signed and sent by this command, as a server would; loopback is permitted. Without it the
/// event is posted to the server, which says who wants it and why others do not. The exit code is 1 when nobody wants it, or when a
/// delivery waited for with --wait is not delivered.
#[derive(Debug, Args)]
pub(crate) struct Trigger {
    /// Send one message to this listener, without a server
    #[arg(long, value_name = "URL")]
    to: Option<String>,
    /// Name of the event [default: envelope-completed with --to, else test]
    #[arg(long, value_name = "NAME", value_parser = event_name)]
    event: Option<EventName>,
    /// File with the JSON for "data", or - [default: made-up ids]
    #[arg(long, value_name = "FILE", allow_hyphen_values = true)]
    data: Option<FileOrStdin>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// HMAC key that signs the message: a value, env:NAME, @FILE or -; may be repeated
    #[arg(long, value_name = "KEY", requires = "to", allow_hyphen_values = true, help_heading = "With --to")]
    key: Vec<Source>,
    /// Further header, such as 'Authorization: Bearer ...'; may be repeated
    #[arg(long = "header", value_name = "NAME: VALUE", requires = "to", help_heading = "With --to")]
    headers: Vec<String>,
    /// Address it to this subscription, whatever events that wants
    #[arg(long, value_name = "ID", conflicts_with = "to", help_heading = "Without --to")]
    subscription: Option<String>,
    /// Wait this long for the deliveries and show what became of them
    #[arg(long, value_name = "DURATION", conflicts_with = "to", value_parser = duration, help_heading = "Without --to")]
    wait: Option<Duration>,
    #[command(flatten)]
    identity: Identity,
    #[command(flatten)]
    outbound: Outbound,
}

fn event_name(text: &str) -> Result<EventName, String> {
    EventName::try_new(text).map_err(|refused| refused.to_string())
}

/// Sends it and shows what came of it.
pub(crate) async fn run(given: &Trigger) -> anyhow::Result<ExitCode> {
    match &given.to {
        Some(url) => direct::run(given, url).await,
        None => by_server::run(given).await,
    }
}
