//! Logs: lines for people in a terminal, JSON otherwise; to stderr, so that stdout stays for results.

use std::io::IsTerminal;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::{Layer, filter::Targets, layer::SubscriberExt, util::SubscriberInitExt};

/// How logs look.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Starts logging. `filter` is a level, or a list such as `info,countersign_deliver=debug`.
///
/// # Errors
/// One clause that says what is wrong with the filter.
pub(crate) fn start(filter: Option<&str>, format: Option<LogFormat>) -> anyhow::Result<()> {
    let filter = match filter {
        Some(text) => text.parse::<Targets>().map_err(|error| {
            anyhow::anyhow!("log filter '{text}' cannot be read ({error}); write a level such as info, or info,countersign_deliver=debug")
        })?,
        None => Targets::new().with_default(LevelFilter::INFO),
    };
    let json = match format {
        Some(format) => format == LogFormat::Json,
        None => !std::io::stderr().is_terminal(),
    };
    // Complaining about a closed stderr on stderr would panic.
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).log_internal_errors(false);
    let layer = if json { layer.json().flatten_event(true).boxed() } else { layer.with_target(false).compact().boxed() };
    tracing_subscriber::registry()
        .with(layer.with_filter(filter))
        .try_init()
        .map_err(|error| anyhow::anyhow!("logging does not start: {error}"))
}
