//! Several nodes on one PostgreSQL under load, and what must hold whatever happened to them.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use countersign_testkit::{Answer, Listener, PostgresServer};
use http::{Method, StatusCode};
use serde_json::json;
use tokio::{process::Command, task::JoinSet};

use super::{
    http::Client,
    patience::until,
    process::Running,
    server::{Options, Server},
};

/// How long a client waits before it asks the next node.
const PAUSE: Duration = Duration::from_millis(20);
/// Times that a client asks for one event until it is accepted: many minutes.
const TRIES_MAX: usize = 20_000;
/// The key of the vault, the same on all nodes: 32 bytes in Base64.
const SECRET_KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
/// A dead node's leases run out after 30 s; what it had in flight goes then.
pub(crate) const LEASE: Duration = Duration::from_secs(30);
/// How long deliveries may take after the last event: a lease, and what a busy machine needs.
const PATIENCE: Duration = Duration::from_secs(120);
/// The database of every scenario.
pub(crate) const DATABASE: &str = "nodes";

/// Starts PostgreSQL with an empty database; `None` when the test was skipped.
pub(crate) async fn database() -> Option<PostgresServer> {
    let server = tokio::task::spawn_blocking(PostgresServer::start).await.expect("it starts")?;
    server.create_database(DATABASE, "template1");
    Some(server)
}

/// A `serve` node on this database.
pub(crate) fn serve(url: &str) -> Options {
    let targets = ["--allow-private-targets", "127.0.0.1", "--allow-plain-http", "true"];
    Options::production().with(&["--database-url", url, "--log", "warn"]).with(&targets).environment("COUNTERSIGN_SECRET_KEY", SECRET_KEY)
}

/// A `work` node on this database.
pub(crate) async fn work(url: &str) -> Running {
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
    command
        .args(["work", "--database-url", url, "--log", "warn"])
        .args(["--allow-private-targets", "127.0.0.1", "--allow-plain-http", "true"])
        .env("COUNTERSIGN_SECRET_KEY", SECRET_KEY)
        .current_dir(std::env::temp_dir());
    let mut running = Running::start("countersign work", command);
    running.says("countersign works").await;
    running
}

/// So many `serve` nodes on this database, the first of which has made the tables.
pub(crate) async fn nodes(count: usize, url: &str) -> Vec<Server> {
    let mut nodes = Vec::with_capacity(count);
    for _ in 0..count {
        nodes.push(Server::start(serve(url)).await);
    }
    nodes
}

/// Subscribes a listener to everything that is posted here.
pub(crate) async fn subscribe(restapi: &Client, url: &str) {
    let configuration = json!({
        "configurationType": "custom", "name": "sink", "urlToPublishTo": url, "allowEnvelopePublish": "true", "allUsers": "true",
        "deliveryMode": "SIM", "events": ["click-agreed"], "eventData": {"version": "restv2.1"},
    });
    restapi.post("/connect", &configuration).await;
}

/// A listener that notes what arrives.
pub(crate) struct Sink {
    pub(crate) listener: Listener,
    arrivals: Arc<Mutex<HashMap<u64, Vec<Arrival>>>>,
}

/// A message.
#[derive(Clone, Debug)]
pub(crate) struct Arrival {
    /// The delivery that brought it.
    pub(crate) delivery: String,
    /// When.
    pub(crate) at: Instant,
}

impl Sink {
    /// One that answers 200.
    pub(crate) async fn start() -> Self {
        Self::start_with(|_, _| Answer::ok()).await
    }

    /// One that answers by the number of the event, and by how often it has come before.
    pub(crate) async fn start_with(answer: impl Fn(u64, usize) -> Answer + Send + Sync + 'static) -> Self {
        let listener = Listener::start().await;
        let arrivals = Arc::<Mutex<HashMap<u64, Vec<Arrival>>>>::default();
        let notes = Arc::clone(&arrivals);
        listener.answer_with(move |received| {
            let delivery = received.header("x-countersign-delivery").unwrap_or_default().to_owned();
            let Some(number) = received.json()["data"]["number"].as_u64() else { return Answer::status(400) };
            let mut notes = notes.lock().unwrap_or_else(PoisonError::into_inner);
            let of_this = notes.entry(number).or_default();
            of_this.push(Arrival { delivery, at: Instant::now() });
            answer(number, of_this.len() - 1)
        });
        Self { listener, arrivals }
    }

    /// What arrived, by number.
    pub(crate) fn arrivals(&self) -> MutexGuard<'_, HashMap<u64, Vec<Arrival>>> {
        self.arrivals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Numbers that came more than once.
    pub(crate) fn twice(&self) -> usize {
        self.arrivals().values().filter(|sent| sent.len() > 1).count()
    }
}

/// Clients that post events without an end, each under an idempotency key, and again to the next node where one refuses the
/// connection, breaks it or answers 503.
pub(crate) struct Load {
    ledger: Arc<Ledger>,
    clients: JoinSet<()>,
}

#[derive(Default)]
struct Ledger {
    apis: Mutex<Vec<Client>>,
    next: AtomicU64,
    acknowledged: Mutex<HashMap<u64, Instant>>,
    turned_away: AtomicU64,
    stop: AtomicBool,
}

/// What was posted.
pub(crate) struct Posted {
    /// When each event was acknowledged; all numbers from 0.
    pub(crate) acknowledged: HashMap<u64, Instant>,
    /// Requests that a client had to bring to another node.
    pub(crate) turned_away: u64,
}

impl Load {
    /// So many clients, each with a pause between two events.
    pub(crate) fn start(nodes: &[Server], clients: usize, pause: Duration) -> Self {
        Self::of(nodes.iter().map(Server::api).collect(), clients, pause)
    }

    /// As [`Load::start`], over these APIs.
    pub(crate) fn of(apis: Vec<Client>, clients: usize, pause: Duration) -> Self {
        let ledger = Arc::new(Ledger { apis: Mutex::new(apis), ..Ledger::default() });
        let mut tasks = JoinSet::new();
        for client in 0..clients {
            let ledger = Arc::clone(&ledger);
            tasks.spawn(async move {
                let mut turn = client;
                while !ledger.stop.load(Ordering::Relaxed) {
                    let number = ledger.next.fetch_add(1, Ordering::Relaxed);
                    let apis = ledger.apis.lock().unwrap_or_else(PoisonError::into_inner).clone();
                    turn = post(&apis, turn, number, &ledger.turned_away).await + 1;
                    ledger.acknowledged.lock().unwrap_or_else(PoisonError::into_inner).insert(number, Instant::now());
                    tokio::time::sleep(pause).await;
                }
            });
        }
        Self { ledger, clients: tasks }
    }

    /// Goes to this node as well from now on.
    pub(crate) fn add(&self, node: &Server) {
        self.ledger.apis.lock().unwrap_or_else(PoisonError::into_inner).push(node.api());
    }

    /// Events acknowledged so far.
    pub(crate) fn acknowledged(&self) -> usize {
        self.ledger.acknowledged.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Requests that a client had to bring to another node so far.
    pub(crate) fn turned_away(&self) -> u64 {
        self.ledger.turned_away.load(Ordering::Relaxed)
    }

    /// Waits until so many more are acknowledged.
    pub(crate) async fn go_on(&self, count: usize) {
        let before = self.acknowledged();
        until("acknowledged events", async || (self.acknowledged() >= before + count).then_some(())).await;
    }

    /// Ends it: every client sees its last event acknowledged.
    pub(crate) async fn end(mut self) -> Posted {
        self.ledger.stop.store(true, Ordering::Relaxed);
        while let Some(ended) = self.clients.join_next().await {
            ended.expect("a client does not panic");
        }
        let acknowledged = std::mem::take(&mut *self.ledger.acknowledged.lock().unwrap_or_else(PoisonError::into_inner));
        assert_eq!(acknowledged.len() as u64, self.ledger.next.load(Ordering::Relaxed), "each client ends with an acknowledged event");
        Posted { acknowledged, turned_away: self.ledger.turned_away.load(Ordering::Relaxed) }
    }
}

/// Posts one event until it is accepted, to one node after the other from this one on. Answers which took it.
pub(crate) async fn post(apis: &[Client], from: usize, number: u64, turned_away: &AtomicU64) -> usize {
    let event = json!({"event": "click-agreed", "data": {"number": number}});
    let key = format!("event-{number}");
    for turn in from..from + TRIES_MAX {
        match apis[turn % apis.len()].send_under(Method::POST, "/events", Some(&event), Some(&key)).await {
            Ok(reply) if reply.status == StatusCode::ACCEPTED => return turn % apis.len(),
            Ok(reply) => {
                assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE, "{}", reply.text);
                assert!(reply.retry_after.is_some(), "a 503 says when to come back: {}", reply.text);
            }
            Err(_) => {}
        }
        turned_away.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(PAUSE).await;
    }
    panic!("event {number} was not accepted");
}

/// Asks the database.
pub(crate) fn ask(database: &PostgresServer, sql: &str) -> Vec<String> {
    tokio::task::block_in_place(|| database.ask(DATABASE, sql))
}

/// Waits until nothing is unfinished, and holds the records against what arrived: each event once, each delivery once, recorded
/// delivered once; what was sent twice carries the same id.
pub(crate) async fn all_is_delivered(database: &PostgresServer, sink: &Sink, events: u64, words: &[String]) {
    let unfinished = || ask(database, "SELECT count(*) FROM delivery WHERE state < 2").concat();
    let deadline = Instant::now() + PATIENCE;
    while unfinished() != "0" && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let unfinished = unfinished();
    {
        let arrivals = sink.arrivals();
        let missing: Vec<u64> = (0..events).filter(|number| !arrivals.contains_key(number)).collect();
        assert_eq!((unfinished.as_str(), missing), ("0", Vec::new()), "{}", words.concat());
        let same = |sent: &Vec<Arrival>| sent.iter().all(|arrival| arrival.delivery == sent[0].delivery);
        assert!(arrivals.values().all(same), "what was sent twice carries the id of the first time");
    }
    let counts = ask(database, "SELECT (SELECT count(*) FROM event), count(*), count(*) FILTER (WHERE state = 2) FROM delivery");
    assert_eq!(counts, [format!("{events}|{events}|{events}")], "each event once, each delivery once, all delivered");
    let twice = "SELECT count(*) FROM (SELECT FROM attempt WHERE status = 200 GROUP BY delivery HAVING count(*) > 1) twice";
    assert_eq!(ask(database, twice), ["0"], "no delivery is recorded delivered twice");
    let twice = "SELECT count(*) FROM (SELECT FROM attempt GROUP BY delivery, started_at HAVING count(*) > 1) twice";
    assert_eq!(ask(database, twice), ["0"], "no attempt is recorded twice");
}

/// How long after its acknowledgement each event arrived first, shortest first.
pub(crate) fn delays(posted: &Posted, sink: &Sink) -> Vec<Duration> {
    let arrivals = sink.arrivals();
    let first = |number: &u64| arrivals.get(number).and_then(|sent| sent.iter().map(|arrival| arrival.at).min());
    let mut delays: Vec<Duration> =
        posted.acknowledged.iter().filter_map(|(number, at)| Some(first(number)?.saturating_duration_since(*at))).collect();
    delays.sort();
    delays
}
