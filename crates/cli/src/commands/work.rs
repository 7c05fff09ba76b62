//! `work`: a worker alone, on PostgreSQL.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;

use crate::{
    commands::serve::stop_when_told,
    logging,
    misuse::Misuse,
    output,
    process::{Plan, Process, Role},
    settings::{self, ServeSettings},
};

/// A worker alone, on PostgreSQL: delivers what `serve` takes in on other machines.
///
/// It takes the settings of serve, so that one file serves all nodes; those of the API have no say here. With --admin-listen it serves
/// health and metrics.
#[derive(Debug, Args)]
pub(crate) struct Work {
    /// Read settings from this file (default: countersign.toml, if it is there)
    #[arg(long, env = "COUNTERSIGN_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    settings: ServeSettings,
}

/// Works until it is told to stop.
pub(crate) async fn run(given: Work) -> anyhow::Result<ExitCode> {
    let settings = settings::merge(given.config.as_deref(), given.settings)?;
    if settings.database_url.is_none() {
        return Err(Misuse::error("work needs database-url: the embedded store has one process alone, which is serve".to_owned()));
    }
    logging::start(settings.log.as_deref(), settings.log_format)?;
    let process = Process::start(Plan { settings, role: Role::Work, ..Plan::default() }).await?;
    output::line("countersign works")?;
    stop_when_told(process).await
}
