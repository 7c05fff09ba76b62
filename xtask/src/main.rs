//! Chores a program does better than a page. `cargo xtask check` runs every check; each says what is wrong and where.
//! `cargo xtask fuzz` runs the fuzz targets, `cargo xtask simulate` the simulation, `kill-nodes` and `two-versions` the long tests of
//! several nodes.

mod circles;
mod edges;
mod fuzz;
mod lengths;
mod nodes;
mod secrets;
mod simulate;
mod sources;
mod words;

use std::{path::Path, process::ExitCode};

/// One check: its name and what it found.
type Check = (&'static str, fn(&Path) -> anyhow::Result<Vec<String>>);

const CHECKS: &[Check] = &[
    ("crates depend in one direction", edges::check),
    ("modules of a crate import in no circle", circles::check),
    ("files over 500 lines give their reason", lengths::check),
    ("no left marks, machine paths or registry hosts", words::check),
    ("secrets are compared in constant time", secrets::check),
    ("fuzz targets have seeds", fuzz::check),
];

fn main() -> ExitCode {
    // The manifest's folder is fixed when xtask is built; the workspace is its parent.
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."));
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.split_first() {
        Some((verb, [])) if verb == "check" => check(root),
        Some((verb, arguments)) if verb == "fuzz" => ended(verb, fuzz::run(root, arguments)),
        Some((verb, arguments)) if verb == "simulate" => simulate::run(root, arguments),
        Some((verb, arguments)) if verb == "kill-nodes" => ended(verb, nodes::kill(root, arguments)),
        Some((verb, [])) if verb == "two-versions" => ended(verb, nodes::two_versions(root)),
        _ => {
            eprintln!(
                "usage: cargo xtask check\n       cargo xtask fuzz [--seconds N] [TARGET ...]\n       cargo xtask simulate [--seed N] [--seeds N] \
                 [--listeners N] [--events N] [--json]\n       cargo xtask kill-nodes [40,10]\n       cargo xtask two-versions"
            );
            ExitCode::from(2)
        }
    }
}

fn ended(verb: &str, done: anyhow::Result<()>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask {verb}: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn check(root: &Path) -> ExitCode {
    let mut failed = false;
    for (name, run) in CHECKS {
        match run(root) {
            Ok(found) if found.is_empty() => println!("ok    {name}"),
            Ok(found) => {
                failed = true;
                println!("FAIL  {name}");
                for line in found {
                    println!("      {line}");
                }
            }
            Err(error) => {
                failed = true;
                println!("FAIL  {name}: {error:#}");
            }
        }
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
