//! `cargo xtask fuzz`: builds the targets of `fuzz/` with coverage counters and runs each for a while.
//!
//! `cargo-fuzz` asks for a nightly compiler because of its sanitizers. Safe Rust has little to gain from those, and the coverage that
//! guides libFuzzer comes from a pass of LLVM that a stable compiler has as well; so this asks for nothing but a C++ compiler.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, bail, ensure};

/// How long a target runs when nothing is said, in seconds.
const SECONDS_DEFAULT: u32 = 60;
/// An input that takes longer is a hang, in seconds.
const HANG_SECONDS: u32 = 10;
/// An input that needs more memory is a fault, in MiB.
const MEMORY_MIB_MAX: u32 = 1_024;
/// The longest input made; what breaks on more than this breaks on less.
const INPUT_BYTES_MAX: u32 = 16 * 1_024;
/// What makes libFuzzer see which code an input reaches and what it is compared with.
const COVERAGE: &[&str] = &[
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Ccodegen-units=1",
];
/// How much of what a faulty target said is shown.
const LINES_SHOWN: usize = 60;
/// Between flags in `CARGO_ENCODED_RUSTFLAGS`.
const FLAG_SEPARATOR: &str = "\u{1f}";

/// A target as the manifest of `fuzz/` names it.
struct Target {
    name: String,
    features: Vec<String>,
}

/// Runs the targets named in the arguments (`[--seconds N] [TARGET ...]`), or all.
pub(crate) fn run(root: &Path, arguments: &[String]) -> anyhow::Result<()> {
    let (seconds, wanted) = read_arguments(arguments)?;
    let folder = root.join("fuzz");
    let mut targets = targets(&folder)?;
    for name in &wanted {
        ensure!(
            targets.iter().any(|target| target.name == *name),
            "there is no target {name}; there are {}",
            targets.iter().map(|target| target.name.as_str()).collect::<Vec<_>>().join(", ")
        );
    }
    targets.retain(|target| wanted.is_empty() || wanted.contains(&target.name));
    let host = host()?;
    let mut faulty = Vec::new();
    for target in &targets {
        println!("== {}: building", target.name);
        let program = build(&folder, &host, target)?;
        println!("== {}: {seconds} s", target.name);
        if !fuzz(&folder, target, &program, seconds)? {
            faulty.push(target.name.as_str());
        }
    }
    ensure!(faulty.is_empty(), "inputs that break a promise were found by {}; they are in fuzz/artifacts", faulty.join(", "));
    println!("== {} targets, no fault", targets.len());
    Ok(())
}

fn read_arguments(arguments: &[String]) -> anyhow::Result<(u32, BTreeSet<String>)> {
    let mut seconds = SECONDS_DEFAULT;
    let mut wanted = BTreeSet::new();
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let value = match argument.split_once('=') {
            Some(("--seconds", value)) => Some(value.to_owned()),
            _ if argument == "--seconds" => Some(arguments.next().cloned().unwrap_or_default()),
            _ => None,
        };
        match value {
            Some(value) => {
                seconds = value.parse().ok().filter(|seconds| *seconds > 0).context("--seconds takes a number above 0, such as 60")?;
            }
            None if argument.starts_with('-') => bail!("there is no option {argument}; there is --seconds N"),
            None => {
                wanted.insert(argument.clone());
            }
        }
    }
    Ok((seconds, wanted))
}

fn targets(folder: &Path) -> anyhow::Result<Vec<Target>> {
    let path = folder.join("Cargo.toml");
    let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    let manifest: toml::Table = toml::from_str(&text).with_context(|| format!("reading {}", path.display()))?;
    let text_of = |value: &toml::Value| value.as_str().map(str::to_owned);
    let bins = manifest.get("bin").and_then(toml::Value::as_array).map(Vec::as_slice).unwrap_or_default();
    Ok(bins
        .iter()
        .filter_map(|bin| {
            let features = bin.get("required-features").and_then(toml::Value::as_array).map(Vec::as_slice).unwrap_or_default();
            Some(Target { name: bin.get("name").and_then(text_of)?, features: features.iter().filter_map(text_of).collect() })
        })
        .collect())
}

/// The platform as the compiler names it. It has to be named for the flags not to reach build scripts and macros.
fn host() -> anyhow::Result<String> {
    let output = Command::new("rustc").arg("-vV").output().context("running rustc; install a Rust toolchain")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().find_map(|line| line.strip_prefix("host: ")).map(str::to_owned).context("rustc -vV names no host")
}

fn build(folder: &Path, host: &str, target: &Target) -> anyhow::Result<PathBuf> {
    let compiler = std::env::var("CXX").unwrap_or_else(|_| "c++".to_owned());
    ensure!(
        Command::new(&compiler).arg("--version").output().is_ok_and(|output| output.status.success()),
        "the C++ compiler '{compiler}' is missing, which libFuzzer is built with; install one (Debian: g++) or name it in CXX"
    );
    let mut command = Command::new("cargo");
    command
        .args(["build", "--quiet", "--release", "--locked", "--target", host, "--bin", &target.name, "--manifest-path"])
        .arg(folder.join("Cargo.toml"))
        .env("CARGO_TARGET_DIR", folder.join("target"))
        .env_remove("RUSTFLAGS")
        .env("CARGO_ENCODED_RUSTFLAGS", COVERAGE.join(FLAG_SEPARATOR));
    if !target.features.is_empty() {
        command.args(["--features", &target.features.join(",")]);
    }
    ensure!(command.status().context("running cargo")?.success(), "the target {} does not build", target.name);
    Ok(folder.join("target").join(host).join("release").join(&target.name))
}

/// Whether the target went through without a fault.
fn fuzz(folder: &Path, target: &Target, program: &Path, seconds: u32) -> anyhow::Result<bool> {
    let seeds = folder.join("corpus").join(&target.name);
    ensure!(seeds.is_dir(), "{} is missing; put a few seeds there", seeds.display());
    let found = folder.join("target/found").join(&target.name);
    let artifacts = folder.join("artifacts").join(&target.name);
    for made in [&found, &artifacts] {
        fs::create_dir_all(made).with_context(|| format!("making {}", made.display()))?;
    }
    // The first folder takes what is found; the seeds are only read.
    let log = folder.join("target/found").join(format!("{}.log", target.name));
    let status = Command::new(program)
        .args([&found, &seeds])
        .arg(format!("-artifact_prefix={}/", artifacts.display()))
        .args([format!("-max_total_time={seconds}"), format!("-timeout={HANG_SECONDS}")])
        .args([format!("-rss_limit_mb={MEMORY_MIB_MAX}"), format!("-max_len={INPUT_BYTES_MAX}")])
        .arg("-print_final_stats=1")
        .stderr(File::create(&log).with_context(|| format!("writing {}", log.display()))?)
        .status()
        .with_context(|| format!("running {}", program.display()))?;
    let said = String::from_utf8_lossy(&fs::read(&log)?).into_owned();
    let lines: Vec<&str> = said.lines().collect();
    if status.success() {
        let told = ["number_of_executed_units", "average_exec_per_sec", "slowest_unit_time_sec", "peak_rss_mb"];
        lines.iter().filter(|line| told.iter().any(|name| line.contains(name))).for_each(|line| println!("{line}"));
    } else {
        lines[lines.len().saturating_sub(LINES_SHOWN)..].iter().for_each(|line| println!("{line}"));
        println!("== {}: FAULT; all it said is in {}", target.name, log.display());
    }
    Ok(status.success())
}

/// Every target has seeds in the repository, and every folder of seeds its target.
pub(crate) fn check(root: &Path) -> anyhow::Result<Vec<String>> {
    let folder = root.join("fuzz");
    let names: BTreeSet<String> = targets(&folder)?.into_iter().map(|target| target.name).collect();
    let mut seeded = BTreeSet::new();
    for entry in fs::read_dir(folder.join("corpus")).context("reading fuzz/corpus")? {
        let path = entry?.path();
        if fs::read_dir(&path).is_ok_and(|mut files| files.next().is_some()) {
            seeded.extend(path.file_name().and_then(|name| name.to_str()).map(str::to_owned));
        }
    }
    let without = names.difference(&seeded).map(|name| format!("fuzz/corpus/{name} has no seeds"));
    let stray = seeded.difference(&names).map(|name| format!("fuzz/corpus/{name} has no target in fuzz/Cargo.toml"));
    Ok(without.chain(stray).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_seconds_and_names() {
        let read = |text: &str| read_arguments(&text.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
        assert_eq!(read("").expect("nothing is needed"), (60, BTreeSet::new()));
        assert_eq!(read("--seconds 5 explain").expect("both"), (5, BTreeSet::from(["explain".to_owned()])));
        assert_eq!(read("explain --seconds=5").expect("both"), (5, BTreeSet::from(["explain".to_owned()])));
        for text in ["--seconds", "--seconds 0", "--seconds soon", "--second 5"] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
