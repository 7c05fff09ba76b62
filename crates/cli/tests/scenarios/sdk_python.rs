//! The official Python SDK drives the main path; the messages are verified by Python's own `hmac`. One script in
//! `tests/python`, one test.

use super::support::{Server, python, server::Options};

#[tokio::test]
async fn the_python_sdk_manages_configurations_and_keys_sign_their_messages() {
    told(Options::dev(), "configurations.py").await;
}

#[tokio::test]
async fn the_python_sdk_sends_plays_polls_and_voids_envelopes_and_hears_every_step() {
    told(Options::dev(), "envelopes.py").await;
}

#[tokio::test]
async fn the_python_sdk_sees_logs_and_failures_and_republishes() {
    // What arrives a second time was asked for.
    told(Options::dev().with(&["--retry-schedule", "1h,1h"]), "failures.py").await;
}

#[tokio::test]
async fn the_python_sdk_sets_up_oauth_and_every_message_brings_a_token() {
    told(Options::dev(), "oauth.py").await;
}

#[tokio::test]
async fn the_python_sdk_logs_in() {
    told(Options::dev(), "login.py").await;
}

async fn told(options: Options, script: &str) {
    let mut server = Server::start(options).await;
    if python(&mut server, script).await {
        server.terminate().await;
    }
}
