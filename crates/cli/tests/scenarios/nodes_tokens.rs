//! Three nodes that send with a token: each asks the authorization server once in the life of one.

use std::time::{Duration, Instant};

use countersign_authority as authority;
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
    let lives = (elapsed.as_secs_f64() / (LIFE.as_secs_f64() * RENEWED_FROM)).ceil() as u64;
    let events = posted.acknowledged.len() as u64;
    println!("{events} messages from three nodes, {requests} token requests in {elapsed:.1?} with tokens of {LIFE:?}");
    assert!((6..=3 * lives).contains(&requests), "{requests} token requests in {elapsed:?}");
    let words: Vec<String> = nodes.iter().map(Server::words).collect();
    all_is_delivered(&database, &sink, events, &words).await;
    for node in nodes {
        node.terminate().await;
    }
}
