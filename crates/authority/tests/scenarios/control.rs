//! Faults and rotation over HTTP.

use axum::{body::Body, http::Request};
use countersign_authority::{Client, Settings};
use serde_json::json;

use crate::caller::{Answer, ISSUER, Subject, basic};

fn subject(control_endpoints: bool) -> Subject {
    Subject::with(Settings { control_endpoints, ..Settings::new(ISSUER) }.client(Client::with_secret_basic("sender", "s")))
}

async fn call(subject: &Subject, method: &str, path: &str) -> Answer {
    subject.send(Request::builder().method(method).uri(path).body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn there_is_no_control_unless_the_settings_say_so() {
    let subject = subject(false);
    for (method, path) in [("GET", "/control/faults"), ("PUT", "/control/faults/html"), ("POST", "/control/keys/rotate")] {
        assert_eq!(call(&subject, method, path).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn faults_are_switched_by_name() {
    let subject = subject(true);
    assert_eq!(call(&subject, "PUT", "/control/faults/html*1").await.json()["on"], json!(["token:html*1"]));
    assert_eq!(call(&subject, "PUT", "/control/faults/jwks:slow").await.json()["on"], json!(["token:html*1", "jwks:slow"]));
    let failing = subject.post("/token", &basic("sender", "s"), "grant_type=client_credentials").await;
    assert_eq!(failing.header("content-type"), "text/html; charset=utf-8");
    assert_eq!(call(&subject, "GET", "/control/faults").await.json()["on"], json!(["jwks:slow"]));
    assert_eq!(call(&subject, "DELETE", "/control/faults/jwks:slow").await.json()["on"], json!([]));
    call(&subject, "PUT", "/control/faults/html").await;
    assert_eq!(call(&subject, "DELETE", "/control/faults").await.json()["on"], json!([]));
    assert_eq!(call(&subject, "PUT", "/control/faults/sleepy").await.status, 404);
    assert_eq!(call(&subject, "PUT", "/control/delay/250").await.json()["delay_ms"], 250);
    assert_eq!(call(&subject, "PUT", "/control/delay/86400000").await.json()["delay_ms"], 600_000, "a request is not held for a day");
}

#[tokio::test]
async fn keys_are_rotated_and_counters_read() {
    let subject = subject(true);
    let kid = call(&subject, "POST", "/control/keys/rotate").await.text("kid");
    let keys = subject.get("/jwks").await.json();
    assert_eq!((keys["keys"][0]["kid"].as_str(), keys["keys"].as_array().map(Vec::len)), (Some(kid.as_str()), Some(2)));
    assert_eq!(call(&subject, "POST", "/control/keys/retire").await.json()["published"], 1);
    assert_eq!(call(&subject, "GET", "/control/stats").await.json()["jwks_requests"], 1);
}
