//! From a data directory to PostgreSQL and back, as an operator does it: export, import, start. What waited is delivered, under the
//! ids and with the keys of before.

use std::{
    collections::{BTreeSet, HashMap},
    path::Path,
    process::Output,
};

use countersign_signature::{HmacKey, verify};
use countersign_testkit::{Answer, Listener, PostgresServer, Received};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

use super::support::{
    Client,
    process::Running,
    server::{ACCOUNT, TOKEN},
    until,
};

/// Events that wait when the store is moved.
const EVENTS: usize = 20;

/// A server on a data directory, or on a database with its key in the directory.
struct Serving {
    running: Running,
    api: Client,
    restapi: Client,
}

impl Serving {
    async fn start(folder: &Path, store: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--log", "warn", "--retry-schedule", "1s,1s,1s,1s,1s,1s,1s,1s,1s,1s"])
            .args(["--allow-private-targets", "127.0.0.1", "--allow-plain-http", "true"])
            .args(store)
            .env("COUNTERSIGN_ACCOUNT_ID", ACCOUNT)
            .env("COUNTERSIGN_API_TOKEN", TOKEN)
            .current_dir(folder);
        let mut running = Running::start("countersign serve", command);
        let url = running.says("countersign listens on ").await;
        let client = |path: &str| Client::new(format!("{url}{path}/accounts/{ACCOUNT}"), Some(TOKEN));
        Self { running, api: client("/api/v1"), restapi: client("/restapi/v2.1") }
    }

    async fn stop(mut self) {
        assert!(self.running.terminate().await.success(), "{}", self.running.words());
    }
}

async fn verb(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("COUNTERSIGN_")) {
        command.env_remove(name);
    }
    command.args(arguments).current_dir(folder).output().await.expect("it starts")
}

/// The JSON of a verb that does what it is told.
async fn told(folder: &Path, arguments: &[&str]) -> Value {
    let output = verb(folder, &[arguments, &["--json"]].concat()).await;
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waited_is_delivered_after_a_move_to_postgresql_and_is_known_after_the_way_back() {
    let Some(database) = tokio::task::spawn_blocking(PostgresServer::start).await.expect("it starts") else { return };
    database.create_database("moved", "template1");
    let url = database.url("moved");
    let folder = TempDir::new().expect("a folder");
    let listener = Listener::start().await;
    listener.answer(Answer::status(503));

    let embedded = Serving::start(folder.path(), &["--data-dir", "first"]).await;
    let key = subscribe(&embedded.restapi, &listener.url("/hook")).await;
    for number in 0..EVENTS {
        embedded.api.post("/events", &json!({"event": "click-agreed", "data": {"number": number}})).await;
    }
    // One of them was tried at least; behind an open breaker the others are not.
    listener.wait_for(1).await;
    let waiting = deliveries(&embedded.api, "id").await;
    let while_used = verb(folder.path(), &["export", "used.export", "--data-dir", "first"]).await;
    let said = String::from_utf8_lossy(&while_used.stderr).into_owned();
    assert!(while_used.status.success() && said.contains("stop it first when you move"), "{while_used:?}");
    embedded.stop().await;

    let exported = told(folder.path(), &["export", "moving.export", "--data-dir", "first"]).await;
    let to_database = ["--database-url", url.as_str(), "--data-dir", "first"];
    let imported = told(folder.path(), &[&["import", "moving.export"][..], &to_database].concat()).await;
    assert_eq!((&imported["tables"], &imported["bytesBefore"]), (&exported["tables"], &json!(0)));
    let twice = verb(folder.path(), &[&["import", "moving.export"][..], &to_database].concat()).await;
    assert!(String::from_utf8_lossy(&twice.stderr).contains("is not empty: table account has rows"), "{twice:?}");

    listener.clear();
    listener.answer(Answer::ok());
    let on_database = Serving::start(folder.path(), &to_database).await;
    let arrived = arrived(&listener.wait_for(EVENTS).await, &key);
    assert_eq!(arrived.len(), EVENTS, "each event");
    assert_eq!(arrived.into_values().collect::<BTreeSet<_>>(), waiting.into_iter().collect(), "under the id of before");
    let all_delivered = vec!["delivered"; EVENTS];
    until("the log shows all as delivered", async || (deliveries(&on_database.api, "state").await == all_delivered).then_some(())).await;
    on_database.stop().await;

    let exported = told(folder.path(), &[&["export", "back.export"][..], &to_database].concat()).await;
    std::fs::create_dir(folder.path().join("second")).expect("made");
    let without_key = verb(folder.path(), &["import", "back.export", "--data-dir", "second"]).await;
    assert!(String::from_utf8_lossy(&without_key.stderr).contains("key file second/secret.key is missing"), "{without_key:?}");
    std::fs::copy(folder.path().join("first/secret.key"), folder.path().join("second/secret.key")).expect("copied");
    let imported = told(folder.path(), &["import", "back.export", "--data-dir", "second"]).await;
    assert_eq!(imported["tables"], exported["tables"]);
    let back = Serving::start(folder.path(), &["--data-dir", "second"]).await;
    assert_eq!(deliveries(&back.api, "state").await, all_delivered);
    back.stop().await;
}

async fn subscribe(restapi: &Client, url: &str) -> HmacKey {
    let secret = restapi.post("/connect/secret", &json!({})).await;
    let configuration = json!({
        "configurationType": "custom", "name": "sink", "urlToPublishTo": url, "allowEnvelopePublish": "true", "allUsers": "true",
        "deliveryMode": "SIM", "events": ["click-agreed"], "eventData": {"version": "restv2.1"}, "includeHMAC": "true",
    });
    restapi.post("/connect", &configuration).await;
    HmacKey::try_new(secret["secret"].as_str().expect("a new key is shown")).expect("a key that the server made is a key")
}

/// The numbers that came with a valid signature, each with its delivery.
fn arrived(received: &[Received], key: &HmacKey) -> HashMap<u64, String> {
    received
        .iter()
        .map(|received| {
            let headers = received.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
            assert!(verify(std::slice::from_ref(key), headers, &received.body).is_ok(), "the key is that of before");
            let delivery = received.header("x-countersign-delivery").expect("its id").to_owned();
            (received.json()["data"]["number"].as_u64().expect("its number"), delivery)
        })
        .collect()
}

/// One member of each delivery, newest first.
async fn deliveries(api: &Client, member: &str) -> Vec<String> {
    let page = api.get("/deliveries?limit=100").await;
    let deliveries = page["deliveries"].as_array().unwrap_or_else(|| panic!("{page}"));
    deliveries.iter().map(|delivery| delivery[member].as_str().unwrap_or_default().to_owned()).collect()
}
