//! Tests of several nodes that take too long, or need too much, for every run.
//!
//! `cargo xtask kill-nodes [NODES,DATABASE]` kills nodes and PostgreSQL under load so many times, 40 and 10 where nothing is said.
//! `cargo xtask two-versions` builds the program from before the newest migration of PostgreSQL and lets both work on one database.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, bail, ensure};

/// Kills of a node and of PostgreSQL.
const KILLS: &str = "40,10";
/// Migrations of PostgreSQL, in order of their names.
const MIGRATIONS: &str = "crates/store/migrations/postgres";

/// `kill-nodes`.
pub(crate) fn kill(root: &Path, arguments: &[String]) -> anyhow::Result<()> {
    let kills = match arguments {
        [] => KILLS,
        [kills] => kills,
        _ => bail!("one argument is asked for, such as {KILLS}"),
    };
    test(root, "nodes_killed::", "COUNTERSIGN_TEST_KILLS", Path::new(kills))
}

/// `two-versions`.
pub(crate) fn two_versions(root: &Path) -> anyhow::Result<()> {
    let commit = before_newest_migration(root)?;
    let folder = root.join("target/two-versions");
    println!("== the program of {commit}");
    let program = build(root, &folder, &commit)?;
    test(root, "two_versions::", "COUNTERSIGN_TEST_FORMER_PROGRAM", &program)
}

/// The commit before the one that added the newest migration.
fn before_newest_migration(root: &Path) -> anyhow::Result<String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(root.join(MIGRATIONS)).context(MIGRATIONS)? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    let newest = names.last().context("there are no migrations")?;
    let file = format!("{MIGRATIONS}/{newest}");
    let added = git(root, &["log", "--diff-filter=A", "--format=%H", "-1", "--", &file])?;
    ensure!(!added.is_empty(), "{file} is not committed");
    git(root, &["rev-parse", &format!("{added}^")])
}

/// Builds the program of a commit in a folder of its own.
fn build(root: &Path, folder: &Path, commit: &str) -> anyhow::Result<PathBuf> {
    let source = folder.join("source");
    if source.exists() {
        fs::remove_dir_all(&source)?;
    }
    fs::create_dir_all(&source)?;
    let mut archive = Command::new("git").arg("-C").arg(root).args(["archive", commit]).stdout(Stdio::piped()).spawn().context("git")?;
    let taken = archive.stdout.take().context("what git says")?;
    let unpacked = Command::new("tar").arg("-x").arg("-C").arg(&source).stdin(taken).status().context("tar")?;
    ensure!(archive.wait()?.success() && unpacked.success(), "the source of {commit} cannot be had");
    let target = folder.join("build");
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--release", "--locked", "--quiet", "--package", "countersign", "--bin", "countersign"]);
    let built = cargo.current_dir(&source).env("CARGO_TARGET_DIR", &target).status().context("cargo")?;
    ensure!(built.success(), "the program of {commit} does not build");
    Ok(target.join("release/countersign"))
}

/// Runs the scenarios whose names begin so on a release build, which is what a fleet runs, and shows what they say.
fn test(root: &Path, name: &str, variable: &str, value: &Path) -> anyhow::Result<()> {
    let mut cargo = Command::new("cargo");
    cargo.args(["test", "--release", "--locked", "--quiet", "--package", "countersign", "--test", "scenarios", name, "--", "--nocapture"]);
    let passed = cargo.current_dir(root).env(variable, value).env("COUNTERSIGN_TEST_SKIP_NONE", "1").status().context("cargo")?;
    ensure!(passed.success(), "a promise was broken; see above");
    Ok(())
}

fn git(root: &Path, arguments: &[&str]) -> anyhow::Result<String> {
    let asked = Command::new("git").arg("-C").arg(root).args(arguments).output().context("git")?;
    ensure!(asked.status.success(), "git {}: {}", arguments.join(" "), String::from_utf8_lossy(&asked.stderr).trim());
    Ok(String::from_utf8_lossy(&asked.stdout).trim().to_owned())
}
