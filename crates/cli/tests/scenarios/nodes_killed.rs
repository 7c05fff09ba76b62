//! Three nodes on one PostgreSQL under load, one of them killed (`kill -9`) every few moments, and PostgreSQL now and then.
//!
//! `COUNTERSIGN_TEST_KILLS=40,10` says how often: nodes, PostgreSQL. `cargo xtask kill-nodes` runs it with these.

use std::time::{Duration, Instant};

use super::support::{
    Server,
    fleet::{self, Load, Sink, all_is_delivered},
};

/// How often, where nothing is said.
const KILLS: (u32, u32) = (6, 2);
/// Where it is said.
const KILLS_VARIABLE: &str = "COUNTERSIGN_TEST_KILLS";
/// Clients that post at the same time.
const CLIENTS: usize = 8;
/// Between two events of one client: a load that leaves room for what is measured.
const PAUSE: Duration = Duration::from_millis(25);
/// Between two kills, at least and at most; a node is down for the second of them.
const BETWEEN_MS: (u32, u32) = (500, 1_500);
/// Within a lease what a dead node had in its hands is in those of another. On top of it: a poll, one retry, a busy machine.
const RECOVERY_MAX: Duration = Duration::from_secs(30 + 10);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_acknowledged_event_is_lost_when_nodes_and_the_database_are_killed_under_load() {
    let (node_kills, database_kills) = kills();
    let Some(mut database) = fleet::database().await else { return };
    let url = database.url(fleet::DATABASE);
    let began = Instant::now();
    let mut nodes = fleet::nodes(3, &url).await;
    let sink = Sink::start().await;
    fleet::subscribe(&nodes[0].restapi(), &sink.listener.url("/hook")).await;
    let load = Load::start(&nodes, CLIENTS, PAUSE);
    let mut back = Vec::new();
    for round in 1..=node_kills.max(database_kills) {
        load.go_on(20).await;
        tokio::time::sleep(random_within(BETWEEN_MS)).await;
        if round <= node_kills {
            let node = random_within((0, 2_999)).as_millis() as usize / 1_000;
            nodes[node].crash_and_restart(tokio::time::sleep(random_within(BETWEEN_MS))).await;
        }
        if round * database_kills / node_kills.max(1) > (round - 1) * database_kills / node_kills.max(1) {
            let killed = Instant::now();
            tokio::task::block_in_place(|| database.kill_at_once());
            load.go_on(1).await;
            back.push(killed.elapsed());
        }
    }
    load.go_on(20).await;
    let posted = load.end().await;
    let (events, ended) = (posted.acknowledged.len() as u64, began.elapsed());
    let words: Vec<String> = nodes.iter().map(Server::words).collect();
    all_is_delivered(&database, &sink, events, &words).await;

    let delays = fleet::delays(&posted, &sink);
    let at = |share: usize| delays[(delays.len() - 1) * share / 1_000];
    println!(
        "{events} events in {ended:.1?} over three nodes, {node_kills} kills of a node, {} of PostgreSQL (the next event accepted after \
         {back:.1?}): none lost, none recorded delivered twice; {} were sent twice, {} requests went to another node; from 202 to \
         arrival p50 {:.1?}, p99 {:.1?}, p99.9 {:.1?}, last {:.1?}; all done {:.1?} after the last",
        back.len(),
        sink.twice(),
        posted.turned_away,
        at(500),
        at(990),
        at(999),
        at(1_000),
        began.elapsed() - ended,
    );
    assert_eq!(back.len() as u32, database_kills);
    assert!(at(1_000) <= RECOVERY_MAX, "what a dead node held is sent within a lease: {:?}", at(1_000));
    for node in nodes {
        node.terminate().await;
    }
}

fn kills() -> (u32, u32) {
    let Ok(said) = std::env::var(KILLS_VARIABLE) else { return KILLS };
    let numbers = said.split_once(',').and_then(|(nodes, database)| Some((nodes.parse().ok()?, database.parse().ok()?)));
    numbers.unwrap_or_else(|| panic!("{KILLS_VARIABLE}={said}: two numbers are asked for, such as 40,10"))
}

fn random_within((least, most): (u32, u32)) -> Duration {
    let dice = getrandom::u32().expect("the system has random bytes");
    Duration::from_millis(u64::from(least + dice % (most - least)))
}
