//! Programs in Python and Node: the official SDKs and a certified authorization server, which judge us from outside.
//!
//! What they need is installed by `ci/test`, which says where. A test that lacks it says loudly that it was skipped, and fails
//! where nothing may be skipped.

use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

use super::{process::Running, server::Server};

/// A Python with the packages of `tests/python/requirements.txt`.
const PYTHON: &str = "COUNTERSIGN_TEST_PYTHON";
/// A folder `node_modules` with the packages of `tests/node/package.json`.
const NODE_MODULES: &str = "COUNTERSIGN_TEST_NODE_MODULES";
/// Set where a test that lacks something must fail.
const SKIP_NONE: &str = "COUNTERSIGN_TEST_SKIP_NONE";

/// Runs a script in `tests/python` against the server; `false` when it was skipped.
pub(crate) async fn python(server: &mut Server, script: &str) -> bool {
    let Some(interpreter) = installed(PYTHON) else { return false };
    let mut command = Command::new(interpreter);
    command.arg(folder("python").join(script)).env("PYTHONUNBUFFERED", "1").env("PYTHONDONTWRITEBYTECODE", "1");
    judged(server, script, command).await;
    true
}

/// Runs a script in `tests/node` against the server; `false` when it was skipped.
pub(crate) async fn node(server: &mut Server, script: &str) -> bool {
    let Some(room) = node_room() else { return false };
    let mut command = Command::new("node");
    command.arg(room.path().join(script));
    if let Some(ca) = &server.ca {
        command.env("NODE_EXTRA_CA_CERTS", ca);
    }
    judged(server, script, command).await;
    true
}

/// A script in `tests/node` that serves until the test is over.
pub(crate) struct NodeScript {
    /// What it said of itself on its first line.
    pub(crate) says: Value,
    // The program first: it runs in the folder.
    running: Running,
    _room: TempDir,
}

impl NodeScript {
    /// Starts it; `None` when it was skipped.
    pub(crate) async fn start(script: &str, settings: &Value) -> Option<Self> {
        let room = node_room()?;
        let mut command = Command::new("node");
        command.arg(room.path().join(script)).arg(settings.to_string());
        let mut running = Running::start(script, command);
        let line = format!("{{{}", running.says("{").await);
        let says = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{script} said {line}: {error}"));
        Some(Self { says, running, _room: room })
    }

    /// One of the texts it said of itself.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.says[name].as_str().unwrap_or_else(|| panic!("there is no {name} in {}", self.says))
    }

    /// What it has said, for a failing test.
    pub(crate) fn words(&self) -> String {
        self.running.words()
    }
}

/// Runs a script that ends by itself, and fails with its words and the server's when it found fault.
async fn judged(server: &mut Server, script: &str, mut command: Command) {
    for (name, value) in server.for_scripts() {
        command.env(name, value);
    }
    let mut running = Running::start(script, command);
    let status = running.end().await;
    let words = running.words();
    assert!(status.success(), "{script} ended with {status}{words}{}", server.words());
    assert!(words.contains("\nall well: "), "{script} ended without a verdict{words}");
    println!("{words}");
}

/// A program of the machine; `None`, with a loud line, when it is not there.
pub(crate) fn program(name: &str) -> Option<PathBuf> {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&folders).map(|folder| folder.join(name)).find(|path| path.is_file());
    if found.is_none() {
        assert!(std::env::var_os(SKIP_NONE).is_none(), "{name} is not installed, and nothing may be skipped; run ci/test");
        eprintln!("SKIPPED: {name} is not installed; ci/test installs what this test needs and runs it");
    }
    found
}

/// Where something is installed; `None`, with a loud line, when it is not.
fn installed(variable: &str) -> Option<PathBuf> {
    match std::env::var_os(variable) {
        Some(path) if !path.is_empty() => Some(path.into()),
        _ if std::env::var_os(SKIP_NONE).is_some() => panic!("{variable} is not set, and nothing may be skipped; run ci/test"),
        _ => {
            eprintln!("SKIPPED: {variable} is not set; ci/test installs what this test needs and runs it");
            None
        }
    }
}

/// Says loudly that a test was skipped, and why; panics where nothing may be skipped.
pub(crate) fn skip(why: &str) {
    assert!(std::env::var_os(SKIP_NONE).is_none(), "{why}");
    eprintln!("SKIPPED: {why}");
}

/// The scripts beside their packages: Node looks for packages where a module lies, and nowhere else.
fn node_room() -> Option<TempDir> {
    let modules = installed(NODE_MODULES)?;
    let room = tempfile::tempdir().expect("a temporary folder");
    std::os::unix::fs::symlink(modules, room.path().join("node_modules")).expect("a link to the packages");
    for entry in std::fs::read_dir(folder("node")).expect("the scripts are there") {
        let path = entry.expect("the scripts can be listed").path();
        if path.extension().is_some_and(|extension| extension == "mjs") {
            std::fs::copy(&path, room.path().join(path.file_name().expect("a file has a name"))).expect("a script can be copied");
        }
    }
    Some(room)
}

fn folder(language: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests").join(language)
}
