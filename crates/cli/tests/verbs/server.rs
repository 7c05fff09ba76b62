//! A server of the test's own, and the verbs called against it.

use std::{
    io::{BufRead as _, BufReader, Lines},
    process::{Child, ChildStderr, Command, ExitStatus, Stdio},
    sync::Arc,
};

use tempfile::TempDir;

use crate::program::{Run, closed_pipe, program};

/// The account of every test server.
pub(crate) const ACCOUNT: &str = "93be49ab-afa0-4adf-933c-f752070d71ec";
const TOKEN: &str = "a-token-of-the-tests-with-enough-characters";

/// A running `countersign serve --dev`, killed when the test ends.
pub(crate) struct Server {
    child: Child,
    url: String,
    pub(crate) folder: Arc<TempDir>,
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::start_in(Arc::new(tempfile::tempdir().unwrap()), &[])
    }

    /// In a folder that may have data already.
    pub(crate) fn start_in(folder: Arc<TempDir>, further: &[&str]) -> Self {
        Self::begin(folder, further, Stdio::inherit())
    }

    /// The same, with its log to be read.
    pub(crate) fn start_heard(folder: Arc<TempDir>, further: &[&str]) -> Self {
        Self::begin(folder, further, Stdio::piped())
    }

    fn begin(folder: Arc<TempDir>, further: &[&str], log: Stdio) -> Self {
        let mut child = program(&["serve", "--dev", "--listen", "127.0.0.1:0", "--retry-schedule", "1h"])
            .args(further)
            .current_dir(folder.path())
            .envs([("COUNTERSIGN_ACCOUNT_ID", ACCOUNT), ("COUNTERSIGN_API_TOKEN", TOKEN), ("COUNTERSIGN_LOG", "error")])
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let url = lines.find_map(|line| line.unwrap().strip_prefix("countersign listens on ").map(str::to_owned)).expect("it says where");
        Self { child, url, folder }
    }

    /// The lines of its log, once.
    pub(crate) fn log(&mut self) -> Lines<BufReader<ChildStderr>> {
        BufReader::new(self.child.stderr.take().expect("its log is heard")).lines()
    }

    /// Sends it a signal, such as `INT`.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success(), "it runs");
    }

    /// Waits for its end.
    pub(crate) fn ended(mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    /// Its folder, which outlives the server with it.
    pub(crate) fn folder_handle(&self) -> Arc<TempDir> {
        Arc::clone(&self.folder)
    }

    /// A verb, told of this server by the environment.
    pub(crate) fn run(&self, arguments: &[&str]) -> Run {
        self.verb(arguments).output().unwrap().into()
    }

    /// The same, with nobody who reads its standard output.
    pub(crate) fn run_unread(&self, arguments: &[&str]) -> Run {
        let mut verb = self.verb(arguments);
        verb.stdout(closed_pipe()).stderr(Stdio::piped()).spawn().unwrap().wait_with_output().unwrap().into()
    }

    fn verb(&self, arguments: &[&str]) -> Command {
        let mut command = program(arguments);
        command.current_dir(self.folder.path()).envs([("COUNTERSIGN_URL", self.url.as_str()), ("COUNTERSIGN_API_TOKEN", TOKEN)]);
        command
    }

    /// A verb that must succeed, with its JSON.
    #[track_caller]
    pub(crate) fn json(&self, arguments: &[&str]) -> serde_json::Value {
        let run = self.run(&[arguments, &["--json"]].concat());
        assert_eq!(run.code, 0, "{arguments:?}: {run:?}");
        run.json()
    }

    /// A verb that must succeed, with what it prints for people.
    #[track_caller]
    pub(crate) fn text(&self, arguments: &[&str]) -> String {
        let run = self.run(arguments);
        assert_eq!(run.code, 0, "{arguments:?}: {run:?}");
        run.out
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
