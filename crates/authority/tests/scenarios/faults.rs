//! AS-FAULT: every way to fail can be switched on by name, and none is on by default.

use std::time::Duration;

use axum::{body::Body, http::Request};
use countersign_authority::{ActiveFault, Client, Endpoint, Fault, Settings, Uses};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::caller::{Answer, ISSUER, START_S, Subject, basic, form, verified};

fn subject() -> Subject {
    Subject::with(
        Settings::new(ISSUER)
            .client(Client::with_secret_basic("sender", "hunter2").audiences(["https://listener.test/"]))
            .client(Client::with_secret_basic("listener", "s").resource_server()),
    )
}

async fn ask(subject: &Subject) -> Answer {
    subject.post("/token", &basic("sender", "hunter2"), "grant_type=client_credentials").await
}

/// The answer to one request with this fault.
async fn with(fault: Fault) -> Answer {
    let subject = subject();
    subject.authority.faults().on(fault);
    ask(&subject).await
}

#[tokio::test]
async fn as_fault_nothing_fails_unless_asked() {
    let subject = subject();
    assert_eq!(subject.authority.faults().active(), []);
    for _ in 0..20 {
        assert_eq!(ask(&subject).await.status, 200);
    }
}

#[tokio::test]
async fn a_server_in_trouble_says_so() {
    for (fault, status, retry_after) in
        [(Fault::ServerError, 500, ""), (Fault::Unavailable, 503, "1"), (Fault::TooManyRequests, 429, "1"), (Fault::Redirect, 307, "")]
    {
        let answer = with(fault).await;
        assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (status, retry_after), "{fault}");
    }
    assert_eq!(with(Fault::Redirect).await.header("location"), "https://elsewhere.invalid/token");
}

#[tokio::test]
async fn an_answer_can_be_no_answer() {
    let garbage = with(Fault::Garbage).await;
    assert_eq!((garbage.status.as_u16(), garbage.header("content-type")), (200, "application/json"));
    assert!(serde_json::from_slice::<Value>(&garbage.body).is_err());

    let html = with(Fault::Html).await;
    assert_eq!((html.status.as_u16(), html.header("content-type")), (200, "text/html; charset=utf-8"));
    assert!(html.body.starts_with(b"<!doctype html>"));

    let mistyped = with(Fault::WrongContentType).await;
    assert_eq!((mistyped.status.as_u16(), mistyped.header("content-type")), (200, "text/plain"));
    assert_eq!(mistyped.text("token_type"), "Bearer");
}

#[tokio::test]
async fn a_huge_answer_goes_on_and_takes_no_memory_here() {
    let subject = subject();
    subject.authority.faults().on(Fault::HugeAnswer);
    let request = Request::post("/token").body(Body::empty()).unwrap();
    let mut body = subject.authority.standalone().oneshot(request).await.unwrap().into_body();
    let mut read = 0;
    while read < 8 << 20 {
        read += body.frame().await.unwrap().unwrap().into_data().unwrap().len();
    }
}

#[tokio::test]
async fn a_token_answer_can_be_wrong_in_each_member() {
    let members = |answer: &Answer| (answer.json()["access_token"].clone(), answer.json()["token_type"].clone());
    assert_eq!(members(&with(Fault::WrongTokenType).await).1, "mac");
    assert!(members(&with(Fault::TokenNotText).await).0.is_number());
    assert!(members(&with(Fault::TokenWithLineBreak).await).0.as_str().unwrap().contains("\r\n"));
    for (fault, expected) in [
        (Fault::NoExpiresIn, None),
        (Fault::ExpiresInZero, Some(json!(0))),
        (Fault::ExpiresInNegative, Some(json!(-1))),
        (Fault::ExpiresInOne, Some(json!(1))),
        (Fault::ExpiresInHuge, Some(json!(1e18))),
        (Fault::ExpiresInText, Some(json!("3600"))),
    ] {
        assert_eq!(with(fault).await.json().get("expires_in"), expected.as_ref(), "{fault}");
    }
}

#[tokio::test]
async fn a_secret_can_be_echoed() {
    let answer = with(Fault::SecretEchoed).await;
    assert_eq!(answer.error(), (401, "invalid_client".into()));
    assert!(answer.text("error_description").contains("hunter2"));
}

#[tokio::test]
async fn a_token_can_be_expired_revoked_or_for_another_when_it_arrives() {
    let subject = subject();
    let faults = subject.authority.faults();

    faults.times(Fault::ExpiredOnArrival, 1);
    let expired = ask(&subject).await;
    assert_eq!(expired.json()["expires_in"], 3600, "the answer pretends");
    let token = expired.text("access_token");
    assert!(verified(&subject, &token).await.1["exp"].as_u64().unwrap() < START_S);
    assert_eq!(subject.introspect(&basic("listener", "s"), &token).await, json!({ "active": false }));

    faults.times(Fault::RevokedOnArrival, 1);
    let token = ask(&subject).await.text("access_token");
    assert!(verified(&subject, &token).await.1["exp"].as_u64().unwrap() > START_S, "its signature and its times are good");
    assert_eq!(subject.introspect(&basic("listener", "s"), &token).await, json!({ "active": false }));

    faults.times(Fault::WrongAudience, 1);
    let token = ask(&subject).await.text("access_token");
    assert_eq!(verified(&subject, &token).await.1["aud"], "https://another-listener.invalid/");

    let token = ask(&subject).await.text("access_token");
    assert_eq!(verified(&subject, &token).await.1["aud"], "https://listener.test/", "the faults have gone off by themselves");
    assert_eq!(subject.introspect(&basic("listener", "s"), &token).await["active"], true);
}

#[tokio::test]
async fn a_key_can_be_rotated_without_notice() {
    let subject = subject();
    let before = subject.get("/jwks").await.json();
    subject.authority.faults().times(Fault::KeyRotated, 1);
    let token = ask(&subject).await.text("access_token");
    let after = subject.get("/jwks").await.json();
    assert_eq!(after["keys"].as_array().map(Vec::len), Some(1));
    assert_ne!(before["keys"][0]["kid"], after["keys"][0]["kid"]);
    verified(&subject, &token).await;
}

#[tokio::test(start_paused = true)]
async fn a_slow_answer_comes_late() {
    let subject = subject();
    subject.authority.faults().set_delay(Duration::from_secs(30));
    subject.authority.faults().on(Fault::Slow);
    let began = tokio::time::Instant::now();
    assert_eq!(ask(&subject).await.status, 200);
    let took = began.elapsed();
    assert!(took >= Duration::from_secs(30) && took < Duration::from_secs(31), "{took:?}");
}

#[tokio::test]
async fn every_endpoint_can_fail_on_its_own() {
    for (endpoint, path) in [
        (Endpoint::Introspection, "/introspect"),
        (Endpoint::Revocation, "/revoke"),
        (Endpoint::Jwks, "/jwks"),
        (Endpoint::Metadata, "/.well-known/openid-configuration"),
    ] {
        let subject = subject();
        subject.authority.faults().switch_on(ActiveFault { endpoint, fault: Fault::ServerError, uses: Uses::Times(1) }).unwrap();
        let call = || async {
            match endpoint {
                Endpoint::Introspection | Endpoint::Revocation => {
                    subject.post(path, &basic("listener", "s"), &form(&[("token", "x")])).await.status.as_u16()
                }
                _ => subject.get(path).await.status.as_u16(),
            }
        };
        assert_eq!(ask(&subject).await.status, 200, "the token endpoint is well");
        assert_eq!((call().await, call().await), (500, 200), "{endpoint}");
    }
}

#[tokio::test]
async fn as_fault_every_fault_is_switched_on_by_its_name_and_shows() {
    for fault in Fault::ALL.into_iter().filter(|fault| !matches!(fault, Fault::HugeAnswer | Fault::ConnectionReset | Fault::Slow)) {
        let subject = subject();
        let healthy = ask(&subject).await;
        let keys = subject.get("/jwks").await.body;
        subject.authority.faults().switch_on_by_name(fault.name()).unwrap();
        let failing = ask(&subject).await;
        let token = failing.status == 200 && failing.header("content-type") == "application/json" && fault > Fault::HugeAnswer;
        let claims_differ = token && fault >= Fault::ExpiredOnArrival && {
            let token = failing.text("access_token");
            let claims = verified(&subject, &token).await.1;
            claims["aud"] != "https://listener.test/"
                || claims["iat"] != START_S
                || subject.introspect(&basic("listener", "s"), &token).await["active"] == false
                || subject.get("/jwks").await.body != keys
        };
        let shape = |answer: &Answer| {
            let json = serde_json::from_slice::<Value>(&answer.body).unwrap_or_default();
            let token = json["access_token"].as_str().map(|token| token.contains('\n'));
            (answer.status, answer.header("content-type").to_owned(), token, json["token_type"].clone(), json.get("expires_in").cloned())
        };
        assert!(claims_differ || shape(&failing) != shape(&healthy), "{fault} does not show");
    }
}

#[tokio::test]
async fn requests_that_a_fault_answered_are_counted_too() {
    let subject = subject();
    subject.authority.faults().on(Fault::ServerError);
    ask(&subject).await;
    ask(&subject).await;
    let stats = subject.authority.stats();
    assert_eq!((stats.token_requests, stats.tokens_issued), (2, 0));
}
