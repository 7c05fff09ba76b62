//! `bench`: figures of this machine, each beside the bare client's of the same run.

use std::{net::SocketAddr, process::ExitCode};

use clap::{Args, Subcommand};

use crate::{
    bench::{backlog, bare, deliveries, isolation, listen},
    output::line,
};

/// Measure: a server as a child process, a sink, and the bare client beside them.
#[derive(Debug, Args)]
pub(crate) struct Bench {
    #[command(subcommand)]
    profile: Option<Profile>,
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
    /// Events to post and count
    #[arg(long, global = true)]
    events: Option<u64>,
    /// Size of the events' data, in bytes
    #[arg(long, global = true, default_value_t = 2_048)]
    bytes: usize,
    /// Requests at once
    #[arg(long, global = true, default_value_t = 64)]
    in_flight: usize,
}

#[derive(Debug, Subcommand)]
enum Profile {
    /// Deliveries at fan-out 1 and 10 (the default)
    Deliveries,
    /// A healthy listener alone, and beside one that hangs
    Isolation,
    /// Many deliveries waiting: memory and start
    Backlog {
        /// How many
        #[arg(long, default_value_t = 1_000_000)]
        rows: u64,
    },
    /// The durable inbox beside a bare handler: messages verified and stored a second
    Listen {
        /// Runs of each, of which the medians count
        #[arg(long, default_value_t = 5)]
        runs: usize,
    },
    /// The bare handler alone (used by listen)
    #[command(hide = true)]
    BareListener,
    /// The bare client alone, against a sink (used by the others)
    #[command(hide = true)]
    BareClient {
        /// The sink
        sink: SocketAddr,
    },
}

/// Measures.
pub(crate) async fn run(given: Bench) -> anyhow::Result<ExitCode> {
    match given.profile.unwrap_or(Profile::Deliveries) {
        Profile::Deliveries => {
            let mut all = Vec::new();
            for (fan_out, events) in [(1, given.events.unwrap_or(20_000)), (10, given.events.unwrap_or(20_000) / 4)] {
                let plan = deliveries::Plan { events: events.max(100), bytes: given.bytes, in_flight: given.in_flight.max(1), fan_out };
                let figures = deliveries::run(plan).await?;
                if !given.json {
                    show_deliveries(&figures)?;
                }
                all.push(figures);
            }
            if given.json {
                line(&serde_json::to_string_pretty(&all)?)?;
            }
        }
        Profile::Isolation => {
            let figures = isolation::run(given.events.unwrap_or(2_000)).await?;
            if given.json {
                line(&serde_json::to_string_pretty(&figures)?)?;
            } else {
                line(&format!("healthy listener alone           p99 {:>9.2} ms", figures.alone_p99_ms))?;
                line(&format!("healthy listener beside hanging  p99 {:>9.2} ms", figures.beside_hanging_p99_ms))?;
                line(&format!("ratio                                {:>9.2}", figures.ratio))?;
                line(&format!("sent to the hanging one {} and held by it {}", figures.sent_to_hanging, figures.held_by_hanging))?;
            }
        }
        Profile::Backlog { rows } => {
            let figures = backlog::run(rows.max(1), given.bytes).await?;
            if given.json {
                line(&serde_json::to_string_pretty(&figures)?)?;
            } else {
                line(&format!("deliveries waiting              {:>12}", figures.waiting))?;
                line(&format!("accepted, arrays of 1,000       {:>12.0} /s", figures.accepted_per_second))?;
                line(&format!("peak memory while taking in     {:>12.1} MB", mega(figures.peak_memory_bytes)))?;
                line(&format!("peak memory after a restart     {:>12.1} MB", mega(figures.memory_after_restart_bytes)))?;
                line(&format!("start                           {:>12.0} ms", figures.start_ms))?;
            }
        }
        Profile::Listen { runs } => {
            let plan = listen::Plan {
                messages: given.events.unwrap_or(20_000).max(100),
                bytes: given.bytes,
                in_flight: given.in_flight.max(1),
                runs,
            };
            let figures = listen::run(plan).await?;
            if given.json {
                line(&serde_json::to_string_pretty(&figures)?)?;
            } else {
                show_listen(&figures)?;
            }
        }
        Profile::BareListener => listen::serve_bare().await?,
        Profile::BareClient { sink } => {
            let (count, bytes, in_flight) = (given.events.unwrap_or(20_000), given.bytes, given.in_flight.max(1));
            let figures = tokio::task::spawn_blocking(move || bare::run(sink, count, bytes, in_flight)).await??;
            line(&serde_json::to_string(&figures)?)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn show_listen(figures: &listen::Figures) -> anyhow::Result<()> {
    line(&format!(
        "verified and stored           {:>10.0} /s   {:>6.1} % of the bare handler's requests",
        figures.stored_per_second,
        figures.share_of_bare * 100.0
    ))?;
    line(&format!("bare handler                  {:>10.0} /s", figures.bare_per_second))?;
    line(&format!("verified, stored, passed on   {:>10.0} /s", figures.passed_on_per_second))?;
    line(&format!(
        "processor time                {:>10.4} s per 1,000, the bare handler's {:.4}",
        figures.cpu_seconds_per_1000, figures.bare_cpu_seconds_per_1000
    ))
}

fn show_deliveries(figures: &deliveries::Figures) -> anyhow::Result<()> {
    line(&format!("fan-out {}, {} events", figures.fan_out, figures.events))?;
    line(&format!(
        "  deliveries            {:>12.0} /s   {:>6.1} % of the bare client's POSTs",
        figures.deliveries_per_second,
        figures.rate_of_bare * 100.0
    ))?;
    line(&format!(
        "  processor time        {:>12.4} s per 1,000   {:>6.2} times the bare client's",
        figures.cpu_seconds_per_1000, figures.cpu_of_bare
    ))?;
    line(&format!("  accepted              {:>12.2} ms p50 {:>9.2} ms p99", figures.accepted_p50_ms, figures.accepted_p99_ms))?;
    line(&format!(
        "  accept to received    {:>12.2} ms p50 {:>9.2} ms p99",
        figures.accept_to_received_p50_ms, figures.accept_to_received_p99_ms
    ))?;
    line(&format!("  peak memory           {:>12.1} MB", mega(figures.peak_memory_bytes)))?;
    line(&format!("  on disk               {:>12} bytes per event", figures.disk_bytes_per_event))?;
    line(&format!(
        "  bare client           {:>12.0} POSTs/s   {:.4} s per 1,000",
        figures.bare.posts_per_second, figures.bare.cpu_seconds_per_1000
    ))?;
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "a figure to read")]
fn mega(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
