//! Requests that no client should send.

use axum::{body::Body, http::Request};
use countersign_authority::{Client, Settings};

use crate::caller::{ISSUER, Subject, basic};

fn subject() -> Subject {
    Subject::with(Settings::new(ISSUER).client(Client::with_secret_basic("sender", "s3cret").scopes(["read"])))
}

#[tokio::test]
async fn as_6749_3_a_malformed_form_is_an_invalid_request() {
    let subject = subject();
    for (row, body) in [
        ("repeated grant_type", "grant_type=client_credentials&grant_type=client_credentials"),
        ("repeated scope", "grant_type=client_credentials&scope=read&scope=read"),
        ("repeated unknown parameter", "grant_type=client_credentials&x=1&x=2"),
        ("two authentications", "grant_type=client_credentials&client_id=sender&client_secret=s3cret"),
        ("bad percent encoding", "grant_type=client_credentials&x=%zz"),
        ("no UTF-8", "grant_type=client_credentials&x=%ff"),
        ("an unknown assertion type", "grant_type=client_credentials&client_assertion=x&client_assertion_type=y"),
    ] {
        for path in ["/token", "/introspect", "/revoke"] {
            let answer = subject.post(path, &basic("sender", "s3cret"), body).await;
            assert_eq!(answer.error(), (400, "invalid_request".into()), "{row} at {path}");
            assert_eq!(answer.header("cache-control"), "no-store", "{row} at {path}");
        }
    }
}

#[tokio::test]
async fn as_6749_3_only_a_form_is_read() {
    let subject = subject();
    let form = "grant_type=client_credentials";
    for (content_type, body, expected) in [
        ("application/json", r#"{"grant_type":"client_credentials"}"#, 400),
        ("text/plain", form, 400),
        ("multipart/form-data; boundary=x", form, 400),
        ("application/x-www-form-urlencoded; charset=UTF-8", form, 200),
        ("Application/X-WWW-Form-Urlencoded", form, 200),
    ] {
        let request = Request::post("/token")
            .header("content-type", content_type)
            .header("authorization", basic("sender", "s3cret"))
            .body(Body::from(body))
            .unwrap();
        assert_eq!(subject.send(request).await.status, expected, "{content_type}");
    }
    let request = Request::post("/token").header("authorization", basic("sender", "s3cret")).body(Body::from(form)).unwrap();
    assert_eq!(subject.send(request).await.error(), (400, "invalid_request".into()), "no content type");
}

#[tokio::test]
async fn a_credential_in_the_address_is_refused_and_any_other_query_is_not() {
    let subject = subject();
    for (path, expected) in [
        ("/token?tenant=4", 200),
        ("/token?client_id=sender&client_secret=s3cret", 400),
        ("/token?client_assertion=x", 400),
        ("/introspect?token=abc", 400),
    ] {
        let answer = subject.post(path, &basic("sender", "s3cret"), "grant_type=client_credentials").await;
        assert_eq!(answer.status, expected, "{path}");
    }
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused() {
    let subject = subject();
    let body = format!("grant_type=client_credentials&x={}", "a".repeat(64 * 1024));
    let answer = subject.post("/token", &basic("sender", "s3cret"), &body).await;
    assert_eq!(answer.error(), (413, "invalid_request".into()));
}

#[tokio::test]
async fn a_token_request_is_a_post() {
    let answer = subject().get("/token").await;
    assert_eq!(answer.status, 405);
    assert_eq!(answer.header("allow"), "POST");
}

#[tokio::test]
async fn a_description_never_repeats_what_a_header_could_not_hold() {
    let answer = subject().post("/token", &basic("sender", "s3cret"), "grant_type=client_credentials&scope=%22%0d%0a%C3%BC").await;
    assert_eq!(answer.error(), (400, "invalid_scope".into()));
    assert!(answer.text("error_description").chars().all(|c| matches!(c, ' '..='~') && c != '"' && c != '\\'));
}
