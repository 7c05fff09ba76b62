//! Nodes whose clocks are a minute apart: `libfaketime` moves that of one of them.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use countersign_testkit::Answer;

use super::support::{
    Client, Server,
    fleet::{self, Load, Sink, all_is_delivered, ask},
    script::skip,
    server::TOKEN,
};

/// Where the packages of Debian and others keep it.
const LIBRARIES: [&str; 4] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/faketime/libfaketimeMT.so.1",
    "/usr/lib64/faketime/libfaketimeMT.so.1",
];
/// The pause before the one retry.
const GAP: Duration = Duration::from_secs(3);
/// On top of it: jitter, a poll, a busy machine.
const LATE_MAX: Duration = Duration::from_secs(15);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_whose_clocks_are_a_minute_apart_keep_leases_and_pauses() {
    let Some(library) = LIBRARIES.into_iter().find(|path| Path::new(path).is_file()) else {
        return skip("libfaketime is missing: install the package faketime");
    };
    let Some(database) = fleet::database().await else { return };
    let options = || fleet::serve(&database.url(fleet::DATABASE)).with(&["--retry-schedule", "3s,3s,3s"]);
    let off = |by: &str| {
        options().environment("LD_PRELOAD", library).environment("FAKETIME", by).environment("FAKETIME_DONT_FAKE_MONOTONIC", "1")
    };
    let nodes = [Server::start(options()).await, Server::start(off("+60s")).await, Server::start(off("-60s")).await];
    // Every fourth fails at first. An answer takes a while, in which leases must hold.
    let fails = |number: u64| number.is_multiple_of(4);
    let answer =
        move |number, before| Answer::status(if fails(number) && before == 0 { 500 } else { 200 }).delay(Duration::from_millis(100));
    let sink = Sink::start_with(answer).await;
    fleet::subscribe(&nodes[0].restapi(), &sink.listener.url("/hook")).await;
    let began = Instant::now();
    let load = Load::start(&nodes, 6, Duration::from_millis(20));
    load.go_on(200).await;
    // Past a heartbeat of each, and what a minute's difference would have made of a lease.
    tokio::time::sleep(Duration::from_secs(12).saturating_sub(began.elapsed())).await;
    let posted = load.end().await;
    let events = posted.acknowledged.len() as u64;
    let words: Vec<String> = nodes.iter().map(Server::words).collect();
    all_is_delivered(&database, &sink, events, &words).await;

    for (number, sent) in &*sink.arrivals() {
        assert_eq!(sent.len(), if fails(*number) { 2 } else { 1 }, "event {number}: nobody takes what another one has");
        if let [first, second] = &sent[..] {
            let pause = second.at.duration_since(first.at);
            assert!(pause >= GAP && pause <= GAP + LATE_MAX, "event {number} was repeated after {pause:?}");
        }
    }
    let apart = "SELECT max(abs(d.generated_at - extract(epoch FROM clock_timestamp()) * 1000000)) < 40000000 FROM delivery d";
    assert_eq!(ask(&database, apart), ["t"], "what they write is in the database's time");
    let seen = Client::new(nodes[1].url.clone(), Some(TOKEN)).get("/api/v1/nodes").await;
    assert!(seen["store"]["warnings"].to_string().contains("apart"), "it is said: {seen}");
    for node in nodes {
        node.terminate().await;
    }
}
