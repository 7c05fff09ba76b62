//! Nobody reads: `countersign deliveries | head -1` ends quietly, and a server serves on.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    process::{Child, Command, Stdio},
};

use serde_json::Value;

use crate::{
    program::{closed_pipe, program},
    server::Server,
};

#[test]
fn a_reader_that_leaves_is_no_failure() {
    let server = Server::start();
    server.json(&["keys", "create"]);
    let document = server.folder.path().join("lease.txt");
    std::fs::write(&document, "a lease").unwrap();
    let sent = server.json(&["envelope", "send", document.to_str().unwrap(), "--to", "anna@example.com"]);
    let envelope = sent["envelopeId"].as_str().unwrap();
    for arguments in [
        &["--help"][..],
        &["--version"],
        &["completions", "bash"],
        &["sign", "--key", "a-key-of-more-than-sixteen-bytes", "--body", document.to_str().unwrap()],
        &["account"],
        &["account", "tokens"],
        &["config", "--json"],
        &["deliveries"],
        &["deliveries", "--json"],
        &["doctor"],
        &["envelope"],
        &["envelope", "show", envelope],
        &["envelope", "history", envelope],
        &["envelope", "download", envelope, "--document", "1"],
        &["keys"],
        &["nodes"],
        &["replay", "--all", "--dry-run"],
        &["trigger"],
        &["demo"],
    ] {
        let run = server.run_unread(arguments);
        assert_eq!((run.code, run.err.as_str()), (0, ""), "{arguments:?}");
    }
}

/// A process that does not outlive its test.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_server_serves_on_when_nobody_reads_what_it_says() {
    let folder = tempfile::tempdir().unwrap();
    let child = program(&["serve", "--dev", "--listen", "127.0.0.1:0", "--log-format", "json"])
        .current_dir(folder.path())
        .stdout(closed_pipe())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut server = Killed(child);
    let mut log = BufReader::new(server.0.stderr.take().unwrap()).lines();
    let mut said = log.by_ref().map_while(Result::ok).filter_map(|line| serde_json::from_str::<Value>(&line).ok());
    let url = said.find_map(|line| line["url"].as_str().map(str::to_owned)).expect("its log says where");
    drop(log);
    // From here on the log has no reader either.
    let mut connection = TcpStream::connect(url.trim_start_matches("http://")).unwrap();
    connection.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(folder.path().join("countersign-data/first-token").exists(), "the token is where nobody has to read it at once");
    assert!(Command::new("kill").args(["-TERM", &server.0.id().to_string()]).status().unwrap().success());
    assert_eq!(server.0.wait().unwrap().code(), Some(0), "it stops as it was told");
}
