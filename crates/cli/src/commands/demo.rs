//! `demo`: the whole story in a terminal within seconds.

use std::{io::IsTerminal, process::ExitCode};

use clap::Args;

use crate::{
    demo::{screen::Screen, story::Demo},
    logging,
    signals::stopped,
};

/// The whole story: server, authorization server, listener; an envelope is sent, viewed and signed.
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// End after the story, also in a terminal
    #[arg(long)]
    once: bool,
}

/// Plays the story. In a terminal it stays up until Ctrl-C.
pub(crate) async fn run(given: DemoArgs) -> anyhow::Result<ExitCode> {
    logging::start(Some("warn"), None)?;
    let mut demo = Demo::start(Screen::stdout()).await?;
    let good = demo.play().await?;
    if std::io::stdout().is_terminal() && !given.once {
        demo.invite(demo.token());
        stopped().await?;
    }
    demo.end().await;
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
