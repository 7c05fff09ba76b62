//! Programs in Python and Node. What they need is installed by `ci/test`; a test that lacks it says loudly that it was skipped, and fails
//! where nothing may be skipped.

use std::{
    env, fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

/// A Python with the packages of `tests/python/requirements.txt`.
const PYTHON: &str = "COUNTERSIGN_TEST_PYTHON";
/// A folder `node_modules` with the packages of `tests/node/package.json`.
const NODE_MODULES: &str = "COUNTERSIGN_TEST_NODE_MODULES";
/// Set where a test that lacks something must fail.
const SKIP_NONE: &str = "COUNTERSIGN_TEST_SKIP_NONE";

/// A server of others, which ends when this is dropped.
pub(crate) struct Served {
    /// What it said of itself on its first line.
    pub(crate) says: Value,
    child: Child,
    _room: Option<TempDir>,
}

impl Served {
    /// A script in `tests/python`; `None` when it was skipped.
    pub(crate) fn python(script: &str, settings: &Value) -> Option<Self> {
        let mut command = Command::new(installed(PYTHON)?);
        command.arg(scripts("python").join(script)).arg(settings.to_string()).env("PYTHONUNBUFFERED", "1");
        Some(Self::start(script, command, None))
    }

    /// A script in `tests/node`; `None` when it was skipped.
    pub(crate) fn node(script: &str, settings: &Value) -> Option<Self> {
        let modules = installed(NODE_MODULES)?;
        // Node looks for packages where a module lies, and nowhere else.
        let room = tempfile::tempdir().expect("a temporary folder");
        symlink(modules, room.path().join("node_modules")).expect("a link to the packages");
        for entry in fs::read_dir(scripts("node")).expect("the scripts are there") {
            let path = entry.expect("the scripts can be listed").path();
            if path.extension().is_some_and(|kind| kind == "mjs") {
                fs::copy(&path, room.path().join(path.file_name().expect("a file has a name"))).expect("a script can be copied");
            }
        }
        let mut command = Command::new("node");
        command.arg(room.path().join(script)).arg(settings.to_string());
        Some(Self::start(script, command, Some(room)))
    }

    /// One of the texts it said of itself.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.says[name].as_str().unwrap_or_else(|| panic!("there is no {name} in {}", self.says))
    }

    fn start(script: &str, mut command: Command, room: Option<TempDir>) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .spawn()
            .unwrap_or_else(|error| panic!("{script} does not start: {error}"));
        let out = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut served = Self { says: Value::Null, child, _room: room };
        let mut lines = out.lines().map_while(Result::ok);
        let line = lines.find(|line| line.starts_with('{'));
        // A program whose words nobody reads stops.
        std::thread::spawn(move || lines.for_each(drop));
        served.says = serde_json::from_str(&line.unwrap_or_else(|| panic!("{script} ended without a word"))).expect("a line of JSON");
        served
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a program answers on `input`; `None` when it was skipped.
pub(crate) fn answer(program: &str, arguments: &[&str], input: &[u8]) -> Option<String> {
    let started = Command::new(program).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut child = match started {
        Ok(child) => child,
        Err(error) if env::var_os(SKIP_NONE).is_some() => panic!("{program} does not start, and nothing may be skipped: {error}"),
        Err(error) => {
            eprintln!("SKIPPED: {program} does not start: {error}");
            return None;
        }
    };
    child.stdin.take().expect("it is piped").write_all(input).expect("it reads");
    let mut text = String::new();
    child.stdout.take().expect("it is piped").read_to_string(&mut text).expect("it answers with text");
    assert!(child.wait().expect("it ends").success(), "{program} failed");
    Some(text.trim_end().to_owned())
}

/// Where something is installed; `None`, with a loud line, when it is not.
fn installed(variable: &str) -> Option<PathBuf> {
    match env::var_os(variable) {
        Some(path) if !path.is_empty() => Some(path.into()),
        _ if env::var_os(SKIP_NONE).is_some() => panic!("{variable} is not set, and nothing may be skipped; run ci/test"),
        _ => {
            eprintln!("SKIPPED: {variable} is not set; ci/test installs what this test needs and runs it");
            None
        }
    }
}

fn scripts(language: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests").join(language)
}
