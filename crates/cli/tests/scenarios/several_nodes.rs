//! Several nodes on one PostgreSQL: any of them answers any request, and one that is killed takes nothing with it.
//!
//! Two `serve` nodes and a `work` node share a database. Events are posted to both in turn, each under an idempotency key, and
//! again to the other node where one refuses the connection or answers 503. One node is killed (`kill -9`) under way. At the end every event
//! has arrived, and the records have each delivery once, delivered once.
//!
//! In the second story it is the database that is killed, time and again.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use countersign_testkit::{Answer, Listener, PostgresServer};
use http::{Method, StatusCode};
use serde_json::json;
use tokio::{process::Command, task::JoinSet};

use super::support::{
    Client, Server,
    process::Running,
    server::{Options, TOKEN},
    until,
};

/// Events posted.
const EVENTS: u64 = 500;
/// Of these so many are acknowledged when a node is killed.
const KILLED_AT: usize = 150;
/// Clients that post at the same time.
const CLIENTS: u64 = 8;
/// How long a client waits before it asks the other node.
const PAUSE: Duration = Duration::from_millis(20);
/// The key of the vault, the same on all nodes: 32 bytes in Base64.
const SECRET_KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
/// A dead node's leases run out after 30 s; what it had in flight goes then.
const PATIENCE: Duration = Duration::from_secs(120);

type Arrivals = Arc<Mutex<HashMap<u64, Vec<String>>>>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_nodes_on_one_database_lose_nothing_when_one_is_killed() {
    let Some(database) = tokio::task::spawn_blocking(PostgresServer::start).await.expect("it starts") else { return };
    database.create_database("nodes", "template1");
    let began = Instant::now();
    let first = Server::start(options(&database)).await;
    let second = Server::start(options(&database)).await;
    let mut worker = work(&database).await;
    let (listener, arrivals) = receive().await;
    subscribe(&first.restapi(), &listener.url("/hook")).await;

    let acknowledged = Arc::new(Mutex::new(0));
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        let apis = [first.api(), second.api()];
        let acknowledged = Arc::clone(&acknowledged);
        clients.spawn(async move {
            for number in (client..EVENTS).step_by(CLIENTS as usize) {
                post(&apis, number).await;
                *acknowledged.lock().unwrap_or_else(PoisonError::into_inner) += 1;
            }
        });
    }
    let so_many = || *acknowledged.lock().unwrap_or_else(PoisonError::into_inner);
    until("a third of the events", async || (so_many() >= KILLED_AT).then_some(())).await;
    // Dropping it kills it like a crash.
    drop(first);
    while let Some(ended) = clients.join_next().await {
        ended.expect("a client does not panic");
    }

    all_is_delivered(&database, &arrivals, EVENTS, &[second.words(), worker.words()]).await;
    let twice = arrivals.lock().unwrap_or_else(PoisonError::into_inner).values().filter(|sent| sent.len() > 1).count();
    println!("{EVENTS} events over three nodes, one killed, in {:.1?}; {twice} were sent twice", began.elapsed());

    let nodes = Client::new(second.url.clone(), Some(TOKEN)).get("/api/v1/nodes").await;
    let live = nodes["nodes"].as_array().map_or(0, |all| all.iter().filter(|node| node["live"] == true).count());
    assert_eq!((live, nodes["store"]["backend"].as_str()), (2, Some("postgres")), "{nodes}");
    assert!(worker.terminate().await.success(), "{}", worker.words());
    second.terminate().await;
    assert_eq!(database.ask("nodes", "SELECT count(*) FROM node WHERE NOT fenced AND expires_at > 0"), ["0"], "who ends well signs off");
}

/// Kills of the database.
const DATABASE_KILLS: u32 = 5;
/// Events acknowledged between two of them, at least.
const BETWEEN: usize = 30;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_acknowledged_event_is_lost_when_the_database_is_killed_under_load() {
    let Some(mut database) = tokio::task::spawn_blocking(PostgresServer::start).await.expect("it starts") else { return };
    database.create_database("nodes", "template1");
    let began = Instant::now();
    let server = Server::start(options(&database)).await;
    let (listener, arrivals) = receive().await;
    subscribe(&server.restapi(), &listener.url("/hook")).await;

    let acknowledged = Arc::new(AtomicU64::new(0));
    let next = Arc::new(AtomicU64::new(0));
    let stop = Arc::new(AtomicBool::new(false));
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let (api, acknowledged, next, stop) = (server.api(), Arc::clone(&acknowledged), Arc::clone(&next), Arc::clone(&stop));
        clients.spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                post(&[api.clone(), api.clone()], next.fetch_add(1, Ordering::Relaxed)).await;
                acknowledged.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    for _ in 0..DATABASE_KILLS {
        let before = acknowledged.load(Ordering::Relaxed);
        until("acknowledged events", async || (acknowledged.load(Ordering::Relaxed) >= before + BETWEEN as u64).then_some(())).await;
        tokio::task::block_in_place(|| {
            database.kill();
            assert!(database.resume(), "the database starts again");
        });
    }
    stop.store(true, Ordering::Relaxed);
    while let Some(ended) = clients.join_next().await {
        ended.expect("a client does not panic");
    }
    let events = acknowledged.load(Ordering::Relaxed);
    assert_eq!(events, next.load(Ordering::Relaxed), "each client ends with an event that was acknowledged");
    all_is_delivered(&database, &arrivals, events, &[server.words()]).await;
    println!("{events} events, the database killed {DATABASE_KILLS} times, in {:.1?}", began.elapsed());
    server.terminate().await;
}

/// A listener that notes what arrives: the numbers, each with the deliveries that brought it.
async fn receive() -> (Listener, Arrivals) {
    let listener = Listener::start().await;
    let arrivals = Arrivals::default();
    let sink = Arc::clone(&arrivals);
    listener.answer_with(move |received| {
        let delivery = received.header("x-countersign-delivery").unwrap_or_default().to_owned();
        if let Some(number) = received.json()["data"]["number"].as_u64() {
            sink.lock().unwrap_or_else(PoisonError::into_inner).entry(number).or_default().push(delivery);
        }
        Answer::ok()
    });
    (listener, arrivals)
}

/// Waits until nothing is unfinished, and holds the records against what arrived: each event once, each delivery once, recorded
/// delivered once; what was sent twice carries the same id.
async fn all_is_delivered(database: &PostgresServer, arrivals: &Arrivals, events: u64, words: &[String]) {
    let ask = |sql: &str| tokio::task::block_in_place(|| database.ask("nodes", sql));
    let unfinished = || ask("SELECT count(*) FROM delivery WHERE state < 2").concat();
    let deadline = Instant::now() + PATIENCE;
    while unfinished() != "0" && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let unfinished = unfinished();
    {
        let arrivals = arrivals.lock().unwrap_or_else(PoisonError::into_inner);
        let missing: Vec<u64> = (0..events).filter(|number| !arrivals.contains_key(number)).collect();
        assert_eq!((unfinished.as_str(), missing), ("0", Vec::new()), "{}", words.concat());
        assert!(arrivals.values().all(|sent| sent.iter().all(|id| id == &sent[0])), "what was sent twice carries the id of the first time");
    }
    let counts = ask("SELECT (SELECT count(*) FROM event), count(*), count(*) FILTER (WHERE state = 2) FROM delivery");
    assert_eq!(counts, [format!("{events}|{events}|{events}")], "each event once, each delivery once");
    let accepted_twice = ask("SELECT count(*) FROM (SELECT FROM attempt WHERE status = 200 GROUP BY delivery HAVING count(*) > 1) twice");
    assert_eq!(accepted_twice, ["0"], "no delivery is recorded delivered twice");
}

fn options(database: &PostgresServer) -> Options {
    let settings = ["--database-url", &database.url("nodes"), "--log", "warn"];
    let targets = ["--allow-private-targets", "127.0.0.1", "--allow-plain-http", "true"];
    Options::production().with(&settings).with(&targets).environment("COUNTERSIGN_SECRET_KEY", SECRET_KEY)
}

async fn work(database: &PostgresServer) -> Running {
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
    command
        .args(["work", "--database-url", &database.url("nodes"), "--log", "warn"])
        .args(["--allow-private-targets", "127.0.0.1", "--allow-plain-http", "true"])
        .env("COUNTERSIGN_SECRET_KEY", SECRET_KEY)
        .current_dir(std::env::temp_dir());
    let mut running = Running::start("countersign work", command);
    running.says("countersign works").await;
    running
}

async fn subscribe(restapi: &Client, url: &str) {
    let configuration = json!({
        "configurationType": "custom", "name": "sink", "urlToPublishTo": url, "allowEnvelopePublish": "true", "allUsers": "true",
        "deliveryMode": "SIM", "events": ["click-agreed"], "eventData": {"version": "restv2.1"},
    });
    restapi.post("/connect", &configuration).await;
}

/// Posts one event under its own key until it is accepted: to the node whose turn it is, then to the other.
async fn post(apis: &[Client; 2], number: u64) {
    let event = json!({"event": "click-agreed", "data": {"number": number}});
    let key = format!("event-{number}");
    for turn in 0..1_000 {
        let api = &apis[usize::try_from(number + turn).unwrap_or(0) % apis.len()];
        match api.send_under(Method::POST, "/events", Some(&event), Some(&key)).await {
            Ok(reply) if reply.status == StatusCode::ACCEPTED => return,
            Ok(reply) => {
                assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE, "{}", reply.text);
                assert!(reply.retry_after.is_some(), "a 503 says when to come back: {}", reply.text);
            }
            Err(_) => {}
        }
        tokio::time::sleep(PAUSE).await;
    }
    panic!("event {number} was not accepted");
}
