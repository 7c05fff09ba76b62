//! `trigger`: a test event, sent by a server or, with `--to`, by this very command.

mod direct;

use std::process::ExitCode;

use clap::Args;
use countersign_core::event::EventName;

use crate::{
    input::{FileOrStdin, Source},
    outbound::Outbound,
};

/// Send a test event: one signed message to a URL, without a server.
#[derive(Debug, Args)]
pub(crate) struct Trigger {
    /// Listener to send one message to
    #[arg(long, value_name = "URL")]
    to: String,
    /// HMAC key that signs the message: a value, env:NAME, @FILE or -; may be repeated
    #[arg(long, value_name = "KEY", allow_hyphen_values = true)]
    key: Vec<Source>,
    /// Name of the event
    #[arg(long, value_name = "NAME", default_value = "envelope-completed", value_parser = event_name)]
    event: EventName,
    /// File with the JSON for "data", or - [default: made-up ids]
    #[arg(long, value_name = "FILE", allow_hyphen_values = true)]
    data: Option<FileOrStdin>,
    /// Further header, such as 'Authorization: Bearer ...'; may be repeated
    #[arg(long = "header", value_name = "NAME: VALUE")]
    headers: Vec<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    outbound: Outbound,
}

fn event_name(text: &str) -> Result<EventName, String> {
    EventName::try_new(text).map_err(|refused| refused.to_string())
}

/// Sends it and shows what came of it.
pub(crate) async fn run(given: &Trigger) -> anyhow::Result<ExitCode> {
    direct::run(given).await
}
