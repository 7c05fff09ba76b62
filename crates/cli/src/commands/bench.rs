//! `bench`: figures of this machine, each beside the raw limit of the same run and beside its aim.

use std::{path::PathBuf, process::ExitCode};

use anyhow::Context;
use clap::{Args, Subcommand};
use serde_json::Value;

use crate::{
    bench::{
        bare::{self, Errand},
        bare_handler, plot,
        profile::{Plan, Profile},
        profiles::{
            ALL, arrays, backlog, bodies, deliveries, disk, history, intake, isolation, keys, latency, listen, oauth, postgres, tls,
        },
        progress::Progress,
        report::Report,
    },
    output::{Paint, json, line, note, print},
    signals::Signals,
};

/// Measure: a server as a child process, a sink, and the raw limit beside them.
#[derive(Debug, Args)]
pub(crate) struct Bench {
    #[command(subcommand)]
    profile: Option<Verb>,
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
    /// Draw the figures with aims into this file (SVG) as well
    #[arg(long, global = true, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Events to post and count, 100 or more (default: by profile)
    #[arg(long, global = true, alias = "rows", value_parser = clap::value_parser!(u64).range(100..=100_000_000))]
    events: Option<u64>,
    /// Size of the events' data, 256 to 1048576 bytes (default: 2048, or by profile)
    #[arg(long, global = true, value_parser = body_bytes)]
    bytes: Option<usize>,
    /// Requests at once, 1 to 1024 (default: 64, or by profile)
    #[arg(long, global = true, value_parser = clap::value_parser!(u16).range(1..=1024))]
    in_flight: Option<u16>,
    /// Rounds of which the medians count, 1 to 99 (default: 5; backlog 1)
    #[arg(long, global = true, alias = "runs", value_parser = clap::value_parser!(u8).range(1..=99))]
    rounds: Option<u8>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    #[command(about = format!("{} (the default)", deliveries::PROFILE.about))]
    Deliveries,
    #[command(about = arrays::PROFILE.about)]
    Arrays,
    #[command(about = intake::PROFILE.about)]
    Intake,
    #[command(about = latency::PROFILE.about)]
    Latency,
    #[command(about = disk::PROFILE.about)]
    Disk,
    #[command(about = keys::PROFILE.about)]
    Keys,
    #[command(about = oauth::PROFILE.about)]
    Oauth,
    #[command(about = tls::PROFILE.about)]
    Tls,
    #[command(about = bodies::PROFILE.about)]
    Bodies,
    #[command(about = isolation::PROFILE.about)]
    Isolation,
    #[command(about = listen::PROFILE.about)]
    Listen,
    #[command(about = postgres::PROFILE.about)]
    Postgres,
    #[command(about = backlog::PROFILE.about)]
    Backlog,
    #[command(about = history::PROFILE.about)]
    History {
        /// Attempts stored, 10000 or more
        #[arg(long, default_value_t = 10_000_000, value_parser = clap::value_parser!(u64).range(10_000..=1_000_000_000))]
        attempts: u64,
    },
    /// All of these, one after another: an hour or two
    All,
    /// The bare handler alone (used by others)
    #[command(hide = true)]
    BareHandler,
    /// The bare client alone, against a sink (used by others)
    #[command(hide = true)]
    BareClient(Errand),
}

/// Measures.
pub(crate) async fn run(given: Bench) -> anyhow::Result<ExitCode> {
    let one = |profile: &'static Profile| vec![profile];
    let mut attempts = 10_000_000;
    let profiles = match &given.profile {
        None | Some(Verb::Deliveries) => one(&deliveries::PROFILE),
        Some(Verb::Arrays) => one(&arrays::PROFILE),
        Some(Verb::Intake) => one(&intake::PROFILE),
        Some(Verb::Latency) => one(&latency::PROFILE),
        Some(Verb::Disk) => one(&disk::PROFILE),
        Some(Verb::Keys) => one(&keys::PROFILE),
        Some(Verb::Oauth) => one(&oauth::PROFILE),
        Some(Verb::Tls) => one(&tls::PROFILE),
        Some(Verb::Bodies) => one(&bodies::PROFILE),
        Some(Verb::Isolation) => one(&isolation::PROFILE),
        Some(Verb::Listen) => one(&listen::PROFILE),
        Some(Verb::Postgres) => one(&postgres::PROFILE),
        Some(Verb::Backlog) => one(&backlog::PROFILE),
        Some(Verb::History { attempts: asked }) => {
            attempts = *asked;
            one(&history::PROFILE)
        }
        Some(Verb::All) => ALL.to_vec(),
        Some(Verb::BareHandler) => {
            bare_handler::serve().await?;
            return Ok(ExitCode::SUCCESS);
        }
        Some(Verb::BareClient(errand)) => {
            let errand = errand.clone();
            let figures = tokio::task::spawn_blocking(move || bare::run(&errand)).await??;
            line(&serde_json::to_string(&figures)?)?;
            return Ok(ExitCode::SUCCESS);
        }
    };
    if let Some(file) = &given.svg {
        // A folder that is not there is said before the measuring, not after it.
        std::fs::write(file, plot::svg(&[])).with_context(|| format!("svg {}", file.display()))?;
    }
    let mut signals = Signals::hear()?;
    tokio::select! {
        measured = measure(&given, &profiles, attempts) => measured,
        // What was started goes with what is measured.
        code = signals.exit_code() => {
            note("countersign: interrupted; what was started is ended, and its folders are removed");
            Ok(ExitCode::from(code))
        }
    }
}

/// Runs profiles one after another. One that fails does not take the figures of the others with it.
async fn measure(given: &Bench, profiles: &[&'static Profile], attempts: u64) -> anyhow::Result<ExitCode> {
    let (paint, progress) = (Paint::stdout(), Progress::start());
    let (mut reports, mut failed) = (Vec::new(), ExitCode::SUCCESS);
    for profile in profiles {
        let plan = Plan {
            events: given.events,
            attempts,
            bytes: given.bytes,
            in_flight: usize::from(given.in_flight.unwrap_or(profile.in_flight)),
            rounds: given.rounds.map_or(profile.rounds, usize::from),
        };
        let measured = (profile.run)(plan, progress.clone()).await;
        progress.end();
        match measured {
            Ok(readings) => {
                let report = Report::of(profile, &readings);
                if !given.json {
                    print(&report.text(paint))?;
                }
                reports.push(report);
            }
            Err(error) if profiles.len() == 1 => return Err(error.context(format!("profile {}", profile.name))),
            Err(error) => {
                note(&format!("countersign: profile {} failed: {error:#}", profile.name));
                failed = ExitCode::FAILURE;
            }
        }
    }
    if given.json {
        json(&reports.iter().flat_map(Report::json).collect::<Vec<Value>>())?;
    }
    if let Some(file) = &given.svg {
        std::fs::write(file, plot::svg(&reports)).with_context(|| format!("svg {}", file.display()))?;
    }
    Ok(failed)
}

fn body_bytes(text: &str) -> Result<usize, String> {
    let refused = || format!("'{text}' is not a size from 256 to 1048576; write it in bytes");
    text.parse().ok().filter(|bytes| (256..=1 << 20).contains(bytes)).ok_or_else(refused)
}
