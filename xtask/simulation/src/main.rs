//! Ten thousand listeners and one worker on paper: a simulation from event to event that drives the worker's own decisions and says
//! which of its promises were kept. `cargo xtask simulate` runs it; its tests run a thousand small worlds.
//!
//! A package of its own, so that `xtask` itself is built in seconds: this one needs the worker.

mod arguments;
mod calendar;
mod dice;
mod disk;
mod ledger;
mod measured;
mod node;
mod party;
mod promises;
mod report;
mod scenario;
mod witness;
mod world;

use std::{process::ExitCode, time::Instant};

use crate::{
    arguments::{Arguments, USAGE},
    report::Report,
};

fn main() -> ExitCode {
    let arguments = match Arguments::read(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(error) => {
            eprintln!("{error:#}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let mut broken = Vec::new();
    for seed in (0..arguments.seeds).map(|nth| arguments.seed.wrapping_add(nth)) {
        let began = Instant::now();
        let report = Report::of(seed, arguments.listeners, arguments.events);
        if arguments.json {
            println!("{}", report.json());
        } else {
            println!("{}\n  simulated in {:.1} s\n", report.text(), began.elapsed().as_secs_f64());
        }
        if !report.kept() {
            broken.push(report.command());
        }
    }
    if broken.is_empty() {
        return ExitCode::SUCCESS;
    }
    eprintln!("promises were broken; repeat it with:");
    broken.iter().for_each(|command| eprintln!("  {command}"));
    ExitCode::FAILURE
}

#[cfg(test)]
mod tests;
