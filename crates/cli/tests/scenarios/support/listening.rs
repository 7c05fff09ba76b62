//! `countersign listen` as a process of its own, and messages to it.

use std::{path::PathBuf, sync::Arc};

use bytes::Bytes;
use countersign_signature::{HmacKey, sign};
use http::{HeaderMap, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

use super::process::Running;

/// The key that messages are signed with.
pub(crate) const KEY: &str = "bDjUQ7TJ0VyrYfEPSLvQpJTqYBhhzVnHbkvQvKzUvKM=";

/// A running listener. It is killed when this is dropped.
pub(crate) struct Listening {
    /// Where it listens, without a trailing slash.
    pub(crate) url: String,
    running: Running,
    arguments: Vec<String>,
    json: bool,
    folder: Arc<TempDir>,
}

impl Listening {
    /// Starts one on a free port, in a folder of its own, which relative paths among the arguments lie in.
    pub(crate) async fn start(arguments: &[&str]) -> Self {
        let folder = Arc::new(tempfile::tempdir().expect("a temporary folder"));
        let arguments: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
        let json = arguments.iter().any(|argument| argument == "--json");
        let mut running = run(&arguments, 0, &folder);
        let url = says_where(&mut running, json).await;
        Self { url, running, arguments, json, folder }
    }

    /// Kills it like a crash and starts it again at the same address.
    pub(crate) async fn crash_and_restart(&mut self) {
        self.running.kill().await;
        self.start_again().await;
    }

    /// Starts it again after it ended, with other arguments.
    pub(crate) async fn start_again_with(&mut self, arguments: &[&str]) {
        self.arguments = arguments.iter().map(|&argument| argument.to_owned()).collect();
        self.start_again().await;
    }

    /// Starts it again after it ended, at the same address.
    pub(crate) async fn start_again(&mut self) {
        let port = self.url.rsplit(':').next().and_then(|port| port.parse().ok()).expect("the URL ends in a port");
        self.running = run(&self.arguments, port, &self.folder);
        says_where(&mut self.running, self.json).await;
    }

    /// Ends it as an operator does; gives what it said.
    pub(crate) async fn terminate(&mut self) -> String {
        let status = self.running.terminate().await;
        let words = self.running.words();
        assert!(status.success(), "listen ended with {status}{words}");
        words
    }

    /// Ends it as somebody does who will not wait for what is under way: with a second signal. Gives what it said.
    pub(crate) async fn end_in_a_hurry(&mut self) -> String {
        self.running.signal("-INT").await;
        self.running.notes("press Ctrl-C again").await;
        self.running.signal("-TERM").await;
        let status = self.running.end().await;
        let words = self.running.words();
        assert!(status.success(), "listen ended with {status}{words}");
        words
    }

    /// The first line of JSON that fits.
    pub(crate) async fn told(&self, fits: impl Fn(&Value) -> bool) -> Value {
        let found = self.running.says_what(|line| serde_json::from_str::<Value>(line).ok().filter(|value| fits(value))).await;
        found.unwrap_or_else(|| panic!("it was not told{}", self.running.words()))
    }

    /// The first line that holds these words.
    pub(crate) async fn line(&self, words: &str) -> String {
        let found = self.running.says_what(|line| line.contains(words).then(|| line.to_owned())).await;
        found.unwrap_or_else(|| panic!("nothing said '{words}'{}", self.running.words()))
    }

    /// A path in its folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What it has said, for a failing test.
    pub(crate) fn words(&self) -> String {
        self.running.words()
    }
}

fn run(arguments: &[String], port: u16, folder: &TempDir) -> Running {
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
    command.args(["listen", "--port", &port.to_string()]).args(arguments).current_dir(folder.path());
    Running::start("countersign listen", command)
}

async fn says_where(running: &mut Running, json: bool) -> String {
    if json {
        let line = format!("{{{}", running.says("{").await);
        let told: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        return told["url"].as_str().expect("the first line says where").to_owned();
    }
    running.says("countersign listens on ").await
}

/// A message about the n-th envelope.
pub(crate) fn message(event: &str, number: u64) -> Bytes {
    let text = json!({
        "event": event, "apiVersion": "v2.1", "retryCount": 0, "configurationId": 10_000_001,
        "generatedDateTime": "2026-11-22T10:00:00.0000000Z",
        "data": {"accountId": "8b411bfe-54f5-47fc-bbf2-55d9a71a200f", "envelopeId": envelope(number), "number": number},
    });
    Bytes::from(text.to_string())
}

/// The n-th envelope's id.
pub(crate) fn envelope(number: u64) -> String {
    format!("71799c95-8417-4b16-90d5-{number:012x}")
}

/// Its signature headers.
pub(crate) fn signed(body: &[u8]) -> Vec<(String, String)> {
    let key = HmacKey::try_new(KEY).expect("a key");
    sign(std::slice::from_ref(&key), body).iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// A sender.
#[derive(Clone)]
pub(crate) struct Sender(Client<HttpConnector, Full<Bytes>>);

impl Sender {
    /// With connections of its own.
    pub(crate) fn new() -> Self {
        Self(Client::builder(TokioExecutor::new()).build_http())
    }

    /// Posts these bytes; an error when there is no answer.
    pub(crate) async fn post(&self, url: &str, headers: &[(String, String)], body: Bytes) -> Result<(StatusCode, HeaderMap), String> {
        let mut request = Request::post(url).header(header::CONTENT_TYPE, "application/json; charset=utf-8");
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(body)).map_err(|error| error.to_string())?;
        let exchange = async {
            let answer = self.0.request(request).await.map_err(|error| error.to_string())?;
            let (head, body) = answer.into_parts();
            body.collect().await.map_err(|error| error.to_string())?;
            Ok((head.status, head.headers))
        };
        tokio::time::timeout(std::time::Duration::from_secs(30), exchange).await.map_err(|_| "no answer within 30 s".to_owned())?
    }

    /// Posts a signed message that must be answered.
    pub(crate) async fn send(&self, url: &str, body: &Bytes) -> (StatusCode, HeaderMap) {
        self.post(url, &signed(body), body.clone()).await.expect("an answer")
    }

    /// The text at a URL.
    pub(crate) async fn get(&self, url: &str) -> (StatusCode, String) {
        let request = Request::get(url).body(Full::default()).expect("a request");
        let answer = self.0.request(request).await.expect("an answer");
        let status = answer.status();
        let body = answer.into_body().collect().await.expect("a body").to_bytes();
        (status, String::from_utf8_lossy(&body).into_owned())
    }
}
