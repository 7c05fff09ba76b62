//! Three nodes that send with a token: each asks the authorization server once in the life of one.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use countersign_authority as authority;
use countersign_testkit::Received;
use serde_json::json;

use super::support::{
    Server,
    fleet::{self, Load, Sink, all_is_delivered},
    until,
};

/// How long tokens live.
const LIFE: Duration = Duration::from_secs(10);
/// From 70 % of its life on a token is renewed ahead of time.
const RENEWED_FROM: f64 = 0.7;
/// Between the issue of a token and the first message that carries it, at most, on a busy machine.
const FIRST_USE: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_node_asks_for_a_token_once_in_its_life() {
    let Some(database) = fleet::database().await else { return };
    let settings = authority::Settings {
        token_lifetime: LIFE,
        ..authority::Settings::new("http://127.0.0.1").client(authority::Client::with_secret_basic("sender", "s3cret").scopes(["notify"]))
    };
    let issuer = authority::Running::start(settings).await.expect("it starts");
    let nodes = fleet::nodes(3, &database.url(fleet::DATABASE)).await;
    let sink = Sink::start().await;
    let restapi = nodes[0].restapi();
    let connection = json!({
        "authorizationServerUrl": issuer.token_endpoint(), "clientId": "sender", "clientSecret": "s3cret", "scope": "notify",
    });
    restapi.post("/connect/oauth", &connection).await;
    let began = Instant::now();
    assert_eq!(issuer.stats().token_requests, 1, "saving asks");
    let configuration = json!({
        "configurationType": "custom", "name": "with tokens", "urlToPublishTo": sink.listener.url("/hook"),
        "allowEnvelopePublish": "true", "allUsers": "true", "includeOAuth": "true", "deliveryMode": "SIM", "events": ["click-agreed"],
        "eventData": {"version": "restv2.1"},
    });
    restapi.post("/connect", &configuration).await;

    // The token of the saving is used from here on.
    let until_first_use = began.elapsed() + FIRST_USE;
    let load = Load::start(&nodes, 6, Duration::from_millis(20));
    load.go_on(100).await;
    until("each node to ask", async || (issuer.stats().token_requests >= 3).then_some(())).await;
    if began.elapsed().as_secs_f64() < LIFE.as_secs_f64() * RENEWED_FROM {
        assert_eq!(issuer.stats().token_requests, 3, "one for each node, however many messages it sends");
    }
    // For the life of two more.
    tokio::time::sleep((LIFE * 2).saturating_sub(began.elapsed())).await;
    let (requests, elapsed) = (issuer.stats().token_requests, began.elapsed());
    let posted = load.end().await;
    let events = posted.acknowledged.len() as u64;
    println!("{events} messages from three nodes, {requests} token requests in {elapsed:.1?} with tokens of {LIFE:?}");
    let words: Vec<String> = nodes.iter().map(Server::words).collect();
    all_is_delivered(&database, &sink, events, &words).await;

    let requests = issuer.stats().token_requests;
    let by_node = first_uses_by_node(&sink.listener.requests());
    assert_eq!(by_node.len(), 3, "no token is used by two nodes: {by_node:?}");
    for uses in &by_node {
        assert!(uses.len() >= 2, "each node sent over two lives: {by_node:?}");
        for pair in uses.windows(2) {
            let apart = pair[1] - pair[0] + until_first_use;
            assert!(apart >= LIFE.mul_f64(RENEWED_FROM), "a node asked again {apart:?} after it had a token of {LIFE:?}: {by_node:?}");
        }
    }
    let used = by_node.iter().map(Vec::len).sum::<usize>() as u64;
    assert!((used..=used + 3).contains(&requests), "{requests} tokens for {used} that were used, and one of each node that may be next");
    for node in nodes {
        node.terminate().await;
    }
}

/// When each token was first used, for each node. A node is told by its connections: what came over one of them came from one node, and
/// a node goes on with its connections when it has another token.
fn first_uses_by_node(requests: &[Received]) -> Vec<Vec<Instant>> {
    let mut tokens = BTreeMap::<&str, (Instant, BTreeSet<u64>)>::new();
    for request in requests {
        let token = request.header("authorization").expect("a token");
        let (first, connections) = tokens.entry(token).or_insert((request.arrived_at, BTreeSet::new()));
        *first = request.arrived_at.min(*first);
        connections.insert(request.connection);
    }
    let mut nodes: Vec<(Vec<Instant>, BTreeSet<u64>)> = Vec::new();
    for (first, connections) in tokens.into_values() {
        let (same, others): (Vec<_>, Vec<_>) = nodes.into_iter().partition(|(_, known)| !known.is_disjoint(&connections));
        let whole = same.into_iter().fold((vec![first], connections), |(mut uses, mut all), (more, known)| {
            uses.extend(more);
            all.extend(known);
            (uses, all)
        });
        nodes = others;
        nodes.push(whole);
    }
    nodes.iter_mut().for_each(|(uses, _)| uses.sort());
    nodes.into_iter().map(|(uses, _)| uses).collect()
}
