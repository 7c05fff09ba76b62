//! The three listeners of the guide, taken from its page and run before our sender: they accept what is signed with a key of theirs and
//! nothing else.

use std::{
    env, fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc,
    time::Duration,
};

const PAGE: &str = include_str!("../../../docs/guide/listeners.md");
const KEY: &str = "bDjUQ7TJ0VyrYfEPSLvQpJTqYBhhzVnHbkvQvKzUvKM=";
const OTHER_KEY: &str = "another key of the rotation before";
const STRANGERS_KEY: &str = "a key of nobody here";
/// Set for the run of this very program that is the Rust listener.
const SERVES: &str = "GUIDE_LISTENER_SERVES";
/// Set where a test that lacks something must fail.
const SKIP_NONE: &str = "COUNTERSIGN_TEST_SKIP_NONE";
/// Far beyond what a start or a message takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// The Rust listener, compiled as it stands on the page.
mod on_the_page {
    include!("guide/listener.rs");

    /// Listens until the process ends.
    pub(super) fn serve() {
        main().expect("it listens");
    }
}

#[test]
fn the_python_listener_of_the_guide_takes_what_is_signed_and_nothing_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let script = folder.path().join("listener.py");
    fs::write(&script, block("python")).expect("it can be written");
    is_a_good_listener(program("python3", &[script.as_path()]));
}

#[test]
fn the_node_listener_of_the_guide_takes_what_is_signed_and_nothing_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let script = folder.path().join("listener.mjs");
    fs::write(&script, block("js")).expect("it can be written");
    is_a_good_listener(program("node", &[script.as_path()]));
}

#[test]
fn the_rust_listener_of_the_guide_takes_what_is_signed_and_nothing_else() {
    assert_eq!(block("rust").trim_end(), include_str!("guide/listener.rs").trim_end(), "the page shows what is compiled");
    let own = env::current_exe().expect("a program knows itself");
    let mut command = Command::new(own);
    command.args(["--exact", "serves_when_it_is_told_to", "--nocapture"]).env(SERVES, "1");
    is_a_good_listener(Some(command));
}

/// Not a test but the listener of the one above, in a process of its own; run with the others it has nothing to do.
#[test]
fn serves_when_it_is_told_to() {
    if env::var_os(SERVES).is_some() {
        on_the_page::serve();
    }
}

/// The only block of that language with a listener in it.
fn block(language: &str) -> &'static str {
    let opening = format!("```{language}\n");
    let blocks: Vec<&str> = PAGE.split(&opening).skip(1).map(|rest| rest.split("```\n").next().unwrap_or_default()).collect();
    assert_eq!(blocks.len(), 1, "the page has one block of {language}");
    blocks[0]
}

/// A program with a file; `None`, with a loud line, when it is not installed.
fn program(name: &str, arguments: &[&Path]) -> Option<Command> {
    match Command::new(name).arg("--version").stdout(Stdio::null()).status() {
        Ok(_) => {
            let mut command = Command::new(name);
            command.args(arguments);
            Some(command)
        }
        Err(error) if env::var_os(SKIP_NONE).is_some() => panic!("{name} does not start, and nothing may be skipped: {error}"),
        Err(error) => {
            eprintln!("SKIPPED: {name} does not start: {error}");
            None
        }
    }
}

fn is_a_good_listener(command: Option<Command>) {
    let Some(command) = command else { return };
    let listener = Running::start(command);
    let url = format!("http://127.0.0.1:{}/connect", listener.port);
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data.json");
    fs::write(&data, "{\"name\": \"Müller & Söhne <a\\/b>\",\n  \"n\": 1.50}").expect("it can be written");
    let data = data.to_str().expect("a plain path");

    for (row, keys, more, accepted) in [
        ("its key", &[KEY][..], &[][..], true),
        ("its older key", &[OTHER_KEY], &[], true),
        ("a stranger's key beside its own", &[STRANGERS_KEY, KEY], &[], true),
        ("a stranger's key", &[STRANGERS_KEY], &[], false),
        ("no key", &[], &[], false),
        ("text of all kinds", &[KEY], &["--event", "invoice.paid", "--data", data], true),
        ("a signature that is none", &[], &["--header", "X-DocuSign-Signature-1: x"], false),
        ("its key again", &[KEY], &[], true),
    ] {
        let mut sender = Command::new(env!("CARGO_BIN_EXE_countersign"));
        sender.args(["trigger", "--to", &url]).args(more);
        for key in keys {
            sender.args(["--key", key]);
        }
        let output = sender.stdin(Stdio::null()).output().expect("the sender starts");
        let text = String::from_utf8_lossy(&output.stdout);
        let answer = if accepted { "\n200" } else { "\n401" };
        assert!(text.contains(answer), "{row}: {text}{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(i32::from(!accepted)), "{row}: {text}");
    }
    let words = listener.end();
    assert_eq!(words.iter().filter(|line| line.contains("bytes")).count(), 5, "it told of each message that it took: {words:?}");
}

/// A listener that runs, which ends when this is dropped.
struct Running {
    child: Child,
    port: u16,
    lines: mpsc::Receiver<String>,
}

impl Running {
    fn start(mut command: Command) -> Self {
        let keys = format!("{OTHER_KEY},{KEY}");
        let mut child = command
            .env("CONNECT_KEYS", keys)
            .env("PORT", "0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the listener starts");
        let out = BufReader::new(child.stdout.take().expect("it is piped"));
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let mut running = Self { child, port: 0, lines };
        while running.port == 0 {
            let line = running.lines.recv_timeout(PATIENCE).expect("it says on which port it listens");
            if let Some((_, port)) = line.split_once("listening on port ") {
                running.port = port.trim().parse().expect("a port");
            }
        }
        running
    }

    /// Ends it, and answers what it said since it started.
    fn end(mut self) -> Vec<String> {
        // What it has answered it has told before; the pipe may still hold some of it.
        self.child.kill().expect("it runs");
        self.lines.iter().collect()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
