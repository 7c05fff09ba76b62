//! `cargo xtask simulate`: builds the simulation, which needs the worker, and runs it with the arguments given.

use std::{
    path::Path,
    process::{Command, ExitCode},
};

pub(crate) fn run(root: &Path, arguments: &[String]) -> ExitCode {
    let status = Command::new("cargo")
        .args(["run", "--quiet", "--locked", "--package", "countersign-simulation", "--manifest-path"])
        .arg(root.join("Cargo.toml"))
        .arg("--")
        .args(arguments)
        .status();
    match status {
        Ok(status) => ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)),
        Err(error) => {
            eprintln!("xtask simulate: cargo cannot be run: {error}");
            ExitCode::FAILURE
        }
    }
}
