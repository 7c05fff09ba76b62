//! The official Node SDK drives the main path; the messages are verified by Node's own `crypto`. One script in
//! `tests/node`, one test.

use super::support::{Server, node, server::Options};

#[tokio::test]
async fn the_node_sdk_manages_configurations_and_keys_sign_their_messages() {
    told(Options::dev(), "configurations.mjs").await;
}

#[tokio::test]
async fn the_node_sdk_sends_plays_polls_and_voids_envelopes_and_hears_every_step() {
    told(Options::dev(), "envelopes.mjs").await;
}

#[tokio::test]
async fn the_node_sdk_sees_logs_and_failures_and_republishes() {
    // What arrives a second time was asked for.
    told(Options::dev().with(&["--retry-schedule", "1h,1h"]), "failures.mjs").await;
}

#[tokio::test]
async fn the_node_sdk_sets_up_oauth_and_every_message_brings_a_token() {
    told(Options::dev(), "oauth.mjs").await;
}

#[tokio::test]
async fn the_node_sdk_logs_in() {
    told(Options::dev(), "login.mjs").await;
}

async fn told(options: Options, script: &str) {
    let mut server = Server::start(options).await;
    if node(&mut server, script).await {
        server.terminate().await;
    }
}
