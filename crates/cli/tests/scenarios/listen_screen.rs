//! The live list in a real terminal: driven by keys, looked at as a person would.

use std::time::Duration;

use bytes::Bytes;
use countersign_testkit::Listener;
use tempfile::TempDir;
use tokio::process::Command;

use super::support::{
    Sender,
    listening::{KEY, message, signed},
    script::program,
    until,
};

/// A terminal of tmux, on a server of its own. It ends when this is dropped.
struct Screen {
    folder: TempDir,
}

impl Screen {
    /// Runs a shell command in it; `None` when there is no tmux.
    async fn start(command: &str) -> Option<Self> {
        program("tmux")?;
        let screen = Self { folder: tempfile::tempdir().expect("a temporary folder") };
        screen.tmux(&["-f", "/dev/null", "new-session", "-d", "-x", "200", "-y", "50", command]).await;
        Some(screen)
    }

    async fn tmux(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().await.expect("tmux runs");
        assert!(output.status.success(), "tmux {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("tmux");
        command.arg("-S").arg(self.folder.path().join("socket")).args(arguments).env("TERM", "xterm-256color").env_remove("TMUX");
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("COUNTERSIGN_")) {
            command.env_remove(name);
        }
        command
    }

    /// Presses keys, by their names in tmux.
    async fn press(&self, keys: &[&str]) {
        self.tmux(&[&["send-keys"], keys].concat()).await;
    }

    /// What is on the screen once it is as wanted.
    async fn shows(&self, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        let look = async || {
            let text = self.tmux(&["capture-pane", "-p"]).await;
            if wanted(&text) { Ok(text) } else { Err(text) }
        };
        let mut last = String::new();
        let seen = tokio::time::timeout(
            Duration::from_secs(50),
            until(what, async || match look().await {
                Ok(text) => Some(text),
                Err(text) => {
                    last = text;
                    None
                }
            }),
        )
        .await;
        seen.unwrap_or_else(|_| panic!("the screen never showed {what}:\n{last}"))
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = std::process::Command::new("tmux").arg("-S").arg(self.folder.path().join("socket")).arg("kill-server").status();
    }
}

#[tokio::test]
async fn a_person_sees_arrivals_filters_them_looks_into_one_and_forwards_it_again() {
    let application = Listener::start().await;
    let binary = env!("CARGO_BIN_EXE_countersign");
    let forward = application.url("/connect");
    let Some(screen) = Screen::start(&format!(
        "cd /; {binary} listen --port 0 --hmac-key '{KEY}' --forward {forward}; echo ended with $?; exec sleep 600"
    ))
    .await
    else {
        return;
    };
    let text = screen.shows("where it listens", |text| text.contains("nothing has arrived yet") && text.contains("q quit")).await;
    let url =
        text.split_once("countersign listens on ").and_then(|(_, rest)| rest.split_whitespace().next()).expect("its address").to_owned();

    // Arrivals appear, each with the verdict of its layers and where it went.
    let sender = Sender::new();
    assert_eq!(sender.send(&url, &message("envelope-sent", 1)).await.0, 200);
    assert_eq!(sender.send(&url, &message("recipient-completed", 2)).await.0, 200);
    let unsigned = Bytes::from_static(b"{\"event\":\"envelope-voided\",\"evil\":\"\\u001b[2J\"}");
    assert_eq!(sender.post(&url, &signed(b"something else"), unsigned).await.expect("an answer").0, 401);
    let text = screen.shows("three arrivals", |text| text.contains("envelope-voided") && text.contains("recipient-completed")).await;
    let row = |name: &str| text.lines().find(|line| line.contains(name)).unwrap_or_else(|| panic!("{name} in\n{text}")).to_owned();
    assert!(row("envelope-sent").contains("200 accepted  hmac key 1 fits header 1"), "{text}");
    assert!(row("envelope-sent").contains(&format!("-> {forward} 200")), "{text}");
    assert!(row("envelope-voided").contains("401 refused  hmac "), "{text}");

    // The filter.
    screen.press(&["/", "r", "e", "c", "i", "p", "i", "e", "n", "t", "Enter"]).await;
    let text = screen.shows("the filtered list", |text| text.contains("filter: recipient") && !text.contains("envelope-sent")).await;
    assert!(text.contains("recipient-completed"), "{text}");
    screen.press(&["/"]).await;
    screen.press(&["Escape"]).await;

    // The detail pane of the oldest, pretty and raw.
    screen.shows("the whole list", |text| text.contains("envelope-sent")).await;
    screen.press(&["End"]).await;
    screen.press(&["Enter"]).await;
    let text = screen.shows("the detail pane", |text| text.contains("\"apiVersion\": \"v2.1\",")).await;
    for words in ["POST /", "hmac: key 1 fits header 1", "x-docusign-signature-1: ", "body, ", "pretty"] {
        assert!(text.contains(words), "{words} in\n{text}");
    }
    screen.press(&["r"]).await;
    screen.shows("the raw body", |text| text.contains("\"apiVersion\":\"v2.1\",")).await;

    // Forward again, and copy.
    screen.press(&["f"]).await;
    let received = application.wait_for(3).await;
    assert_eq!(received[2].body, message("envelope-sent", 1));
    assert_eq!(received[2].header("x-countersign-delivery"), received[0].header("x-countersign-delivery"));
    screen.shows("that it was forwarded", |text| text.contains("forwarded again: 1")).await;
    screen.press(&["c"]).await;
    screen.shows("the command", |text| text.contains("copied: curl -sS -X POST ")).await;

    // The end gives the terminal back, and a summary.
    screen.press(&["q"]).await;
    let text = screen.shows("the end", |text| text.contains("ended with 0")).await;
    assert!(text.contains("2 accepted, 0 duplicates, 1 refused (hmac 1), 0 not taken; 3 forwarded"), "{text}");
    assert!(!text.contains("q quit"), "the screen is gone\n{text}");
}

#[tokio::test]
async fn a_signal_gives_the_terminal_back_too() {
    let binary = env!("CARGO_BIN_EXE_countersign");
    let command = format!("cd /; {binary} listen --port 0 --no-verify; echo ended with $?; exec sleep 600");
    let Some(screen) = Screen::start(&command).await else { return };
    screen.shows("the list", |text| text.contains("NOTHING IS VERIFIED")).await;
    let pids = screen.tmux(&["list-panes", "-F", "#{pane_pid}"]).await;
    let children = Command::new("ps").args(["-o", "pid=", "--ppid", pids.trim()]).output().await.expect("ps runs");
    let child = String::from_utf8_lossy(&children.stdout).trim().to_owned();
    let killed = Command::new("kill").args(["-TERM", &child]).status().await.expect("kill runs");
    assert!(killed.success(), "{child:?}");
    let text = screen.shows("the end", |text| text.contains("ended with 0")).await;
    assert!(text.contains("0 accepted") && !text.contains("q quit"), "{text}");
}
