//! What was acknowledged survives `kill -9`: the promise of the 202.
//!
//! Clients post events without a pause, each under a number of its own, and note the number when the 202 has arrived. The
//! server is killed at a random instant, started again on the same data and the same port, and killed again. At the end every
//! noted number must have arrived at the listener.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use countersign_signature::{HmacKey, verify};
use countersign_testkit::{Answer, Listener, Received};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::{sync::watch, task::JoinSet};

use super::support::{Client, Server, server::Options, until};

/// Kills.
const ROUNDS: u32 = 50;
/// Clients that post at the same time: so many events are under way at every kill.
const CLIENTS: usize = 24;
/// How long a round lasts once the first event of it is acknowledged, at least and at most.
const ROUND_MS: (u32, u32) = (60, 460);

/// What has happened to the numbers.
#[derive(Default)]
struct Ledger {
    /// Answered 202.
    acknowledged: HashSet<u64>,
    /// Arrived: the deliveries that brought them, and how often.
    arrived: HashMap<u64, (HashSet<String>, u32)>,
    /// What is wrong with a message, in words.
    faults: Vec<String>,
}

type Shared = Arc<Mutex<Ledger>>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_acknowledged_event_is_lost_when_the_server_is_killed_fifty_times_under_load() {
    let began = Instant::now();
    // Plain http to this machine alone, and no second port that a restart would have to get back.
    let options = Options::production().with(&["--allow-private-targets", "127.0.0.1", "--allow-plain-http", "true"]);
    let mut server = Server::start(options.with(&["--retry-schedule", "1s,1s,1s,1s,1s,1s,1s,1s,1s,1s", "--log", "warn"])).await;
    let listener = Listener::start().await;
    let key = subscribe(&server, &listener).await;
    let ledger = Shared::default();
    let sink = Arc::clone(&ledger);
    listener.answer_with(move |received| {
        note_arrival(&sink, &key, received);
        Answer::ok()
    });

    let (lives, life) = watch::channel(Some(1_u32));
    let next = Arc::new(AtomicU64::new(1));
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        clients.spawn(post_without_a_pause(server.api(), Arc::clone(&next), Arc::clone(&ledger), life.clone()));
    }
    for round in 1..=ROUNDS {
        let before = acknowledged(&ledger);
        until("an acknowledged event", async || (acknowledged(&ledger) > before).then_some(())).await;
        tokio::time::sleep(random_within(ROUND_MS)).await;
        server.crash_and_restart(std::future::ready(())).await;
        lives.send_replace(Some(round + 1));
    }
    lives.send_replace(None);
    while let Some(ended) = clients.join_next().await {
        ended.expect("a client does not panic");
    }

    let missing = until_all_have_arrived(&ledger).await;
    let unfinished = if missing.is_empty() { String::new() } else { shown(&missing, &server).await };
    let words = server.words();
    server.terminate().await;
    let ledger = ledger.lock().unwrap_or_else(PoisonError::into_inner);
    let duplicates: u32 = ledger.arrived.values().map(|(_, times)| times - 1).sum();
    println!(
        "{ROUNDS} kills in {:.1?}: {} events acknowledged, {} arrived, {} of them never acknowledged, {duplicates} duplicates, {} missing",
        began.elapsed(),
        ledger.acknowledged.len(),
        ledger.arrived.len(),
        ledger.arrived.keys().filter(|number| !ledger.acknowledged.contains(number)).count(),
        missing.len(),
    );
    assert!(missing.is_empty(), "acknowledged and lost: {unfinished}{words}");
    assert_eq!(ledger.faults, Vec::<String>::new());
    let twice: Vec<_> = ledger.arrived.iter().filter(|(_, (deliveries, _))| deliveries.len() != 1).collect();
    assert!(twice.is_empty(), "a duplicate carries the delivery id of the first: {twice:?}");
    assert!(ledger.acknowledged.len() > ROUNDS as usize * 10, "that was no load: {}", ledger.acknowledged.len());
}

/// Subscribes the listener to everything, signed; gives the key.
async fn subscribe(server: &Server, listener: &Listener) -> HmacKey {
    let restapi = server.restapi();
    let key = restapi.post("/connect/secret", &json!({})).await;
    let configuration = json!({
        "configurationType": "custom", "name": "sink", "urlToPublishTo": listener.url("/hook"), "allowEnvelopePublish": "true",
        "allUsers": "true", "includeHMAC": "true", "deliveryMode": "SIM", "events": ["click-agreed"],
        "eventData": {"version": "restv2.1"},
    });
    restapi.post("/connect", &configuration).await;
    HmacKey::try_new(key["secret"].as_str().expect("a new key is shown")).expect("a key that the server made is a key")
}

/// Posts one event after the other, each once: what is not answered is not repeated, so that every arrival beyond the first is a
/// duplicate of the server's making. Ends when there is no further life.
async fn post_without_a_pause(api: Client, next: Arc<AtomicU64>, ledger: Shared, mut life: watch::Receiver<Option<u32>>) {
    while life.borrow_and_update().is_some() {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let event = json!({"event": "click-agreed", "data": {"number": number, "text": "a parcel"}});
        match api.send(Method::POST, "/events", Some(&event)).await {
            Ok(reply) if reply.status == StatusCode::ACCEPTED => {
                ledger.lock().unwrap_or_else(PoisonError::into_inner).acknowledged.insert(number);
            }
            Ok(reply) => {
                ledger.lock().unwrap_or_else(PoisonError::into_inner).faults.push(format!("answered {}: {}", reply.status, reply.text))
            }
            // Killed: nothing can be said before it lives again.
            Err(_) => {
                let _ = life.changed().await;
            }
        }
    }
}

fn note_arrival(ledger: &Shared, key: &HmacKey, received: &Received) {
    let headers = received.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    let signed = verify(std::slice::from_ref(key), headers, &received.body).is_ok();
    let delivery = received.header("x-countersign-delivery").unwrap_or_default().to_owned();
    let number = received.json()["data"]["number"].as_u64();
    let mut ledger = ledger.lock().unwrap_or_else(PoisonError::into_inner);
    match number {
        Some(number) if signed && !delivery.is_empty() => {
            let (deliveries, times) = ledger.arrived.entry(number).or_default();
            deliveries.insert(delivery);
            *times += 1;
        }
        _ => ledger.faults.push(format!("a message without number, delivery or valid signature: {received:?}")),
    }
}

/// Waits for everything acknowledged; gives the numbers that did not come within the time.
async fn until_all_have_arrived(ledger: &Shared) -> Vec<u64> {
    let missing = || -> Vec<u64> {
        let ledger = ledger.lock().unwrap_or_else(PoisonError::into_inner);
        ledger.acknowledged.iter().filter(|number| !ledger.arrived.contains_key(number)).copied().collect()
    };
    // A dead node's leases run out after 30 s; what it had in flight goes then.
    let deadline = Instant::now() + Duration::from_secs(75);
    while Instant::now() < deadline {
        if missing().is_empty() {
            return Vec::new();
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    missing()
}

/// The first of what is missing, and what the server says of unfinished deliveries.
async fn shown(missing: &[u64], server: &Server) -> String {
    let unfinished = server.api().get("/deliveries?state=waiting,leased,parked").await;
    let some = unfinished["deliveries"].as_array().map(|all| all.iter().take(5).map(Value::to_string).collect::<Vec<_>>());
    format!("{} numbers such as {:?}; unfinished: {some:?}", missing.len(), &missing[..missing.len().min(10)])
}

fn acknowledged(ledger: &Shared) -> usize {
    ledger.lock().unwrap_or_else(PoisonError::into_inner).acknowledged.len()
}

fn random_within((least, most): (u32, u32)) -> Duration {
    let dice = getrandom::u32().expect("the system has random bytes");
    Duration::from_millis(u64::from(least + dice % (most - least)))
}
