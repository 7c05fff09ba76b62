//! Chores a program does better than a page. `cargo xtask check` runs every check; each says what is wrong and where.

mod circles;
mod edges;
mod lengths;
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
];

fn main() -> ExitCode {
    let verb = std::env::args().nth(1);
    match verb.as_deref() {
        Some("check") => check(),
        _ => {
            eprintln!("usage: cargo xtask check");
            ExitCode::from(2)
        }
    }
}

fn check() -> ExitCode {
    // The manifest's folder is fixed when xtask is built; the workspace is its parent.
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."));
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
