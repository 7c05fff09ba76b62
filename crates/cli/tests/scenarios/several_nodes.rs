//! Several nodes on one PostgreSQL: any of them answers any request, and one that is killed takes nothing with it.
//!
//! Two `serve` nodes and a `work` node share a database. One is killed (`kill -9`) under load. At the end every event has arrived,
//! and the records have each delivery once, delivered once. And each of three nodes that is taken down in order and started again
//! under load is missed by nobody: a rolling restart.

use std::time::{Duration, Instant};

use super::support::{
    Client, Server,
    fleet::{self, Load, Sink, all_is_delivered, ask},
    server::TOKEN,
};

/// Clients that post at the same time.
const CLIENTS: usize = 8;
/// Between two events of one client.
const PAUSE: Duration = Duration::from_millis(10);
/// A node's lease is 30 s.
const LEASE_AND_MORE: Duration = Duration::from_secs(90);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_nodes_on_one_database_lose_nothing_when_one_is_killed() {
    let Some(database) = fleet::database().await else { return };
    let url = database.url(fleet::DATABASE);
    let began = Instant::now();
    let mut serving = fleet::nodes(2, &url).await;
    let mut worker = fleet::work(&url).await;
    let sink = Sink::start().await;
    fleet::subscribe(&serving[0].restapi(), &sink.listener.url("/hook")).await;
    let load = Load::start(&serving, CLIENTS, PAUSE);
    load.go_on(150).await;
    // Dropping it kills it like a crash.
    drop(serving.remove(0));
    load.go_on(350).await;
    let posted = load.end().await;

    let left = &serving[0];
    let events = posted.acknowledged.len() as u64;
    all_is_delivered(&database, &sink, events, &[left.words(), worker.words()]).await;
    println!("{events} events over three nodes, one killed, in {:.1?}; {} were sent twice", began.elapsed(), sink.twice());

    // The node that was killed counts as live until its lease has ended.
    let client = Client::new(left.url.clone(), Some(TOKEN));
    let nodes = loop {
        let nodes = client.get("/api/v1/nodes").await;
        let live = nodes["nodes"].as_array().map_or(0, |all| all.iter().filter(|node| node["live"] == true).count());
        if live == 2 {
            break nodes;
        }
        assert!(began.elapsed() < LEASE_AND_MORE, "{nodes}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    assert_eq!(nodes["store"]["backend"], "postgres", "{nodes}");
    assert!(worker.terminate().await.success(), "{}", worker.words());
    for node in serving {
        node.terminate().await;
    }
    // The killed one is fenced only if it held something that others took.
    let killed = nodes["nodes"].as_array().and_then(|all| all.iter().find(|node| node["live"] == false)).map(|node| node["name"].clone());
    let killed = killed.as_ref().and_then(|name| name.as_str()).expect("it is listed");
    let left = format!("SELECT count(*) FROM node WHERE NOT fenced AND expires_at > 0 AND name <> '{killed}'");
    assert_eq!(ask(&database, &left), ["0"], "who ends well signs off");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_restart_is_seen_by_no_client_and_no_listener() {
    let Some(database) = fleet::database().await else { return };
    let url = database.url(fleet::DATABASE);
    let mut nodes = fleet::nodes(3, &url).await;
    // What is under way when a node is told to end takes a moment.
    let sink = Sink::start_with(|_, _| countersign_testkit::Answer::ok().delay(Duration::from_millis(30))).await;
    fleet::subscribe(&nodes[0].restapi(), &sink.listener.url("/hook")).await;
    let load = Load::start(&nodes, CLIENTS, PAUSE);
    let mut took = Vec::new();
    for node in &mut nodes {
        load.go_on(100).await;
        let began = Instant::now();
        node.restart().await;
        took.push(began.elapsed());
    }
    load.go_on(100).await;
    let posted = load.end().await;
    let events = posted.acknowledged.len() as u64;
    let words: Vec<String> = nodes.iter().map(Server::words).collect();
    all_is_delivered(&database, &sink, events, &words).await;
    assert_eq!(sink.twice(), 0, "nobody was cut off, so nothing goes out twice");
    let attempts = ask(&database, "SELECT count(*), count(*) FILTER (WHERE status = 200 AND counted) FROM attempt");
    assert_eq!(attempts, [format!("{events}|{events}")], "each was attempted once");
    let last = fleet::delays(&posted, &sink).pop().unwrap_or_default();
    assert!(last < fleet::LEASE, "no lease had to run out: {last:?}");
    println!(
        "{events} events over three nodes, each restarted in turn in {took:.1?}; {} requests went to the next node, the latest arrived \
         after {last:.1?}",
        posted.turned_away
    );
    for node in nodes {
        node.terminate().await;
    }
}
