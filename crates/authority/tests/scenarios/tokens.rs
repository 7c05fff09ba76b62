//! Client credentials, and the tokens they bring.

use std::{collections::HashSet, time::Duration};

use countersign_authority::{Authority, Client, Settings, SigningAlgorithm};

use crate::caller::{ISSUER, START_S, Subject, basic, form, verified};

fn settings() -> Settings {
    Settings::new(ISSUER)
        .client(Client::with_secret_basic("sender", "s3cret").scopes(["notify", "read"]).audiences(["https://listener.test/"]))
        .client(Client::with_secret_basic("bare", "s3cret"))
        .client(Client::with_secret_post("poster", "s3cret"))
        .client(Client::with_secret_basic("opaque", "s3cret").opaque_tokens().scopes(["notify"]))
        .client(Client::with_secret_basic("a:b c", "p+q %/ü=&").token_lifetime(Duration::from_secs(60)))
}

#[tokio::test]
async fn as_9068_1_a_token_has_every_claim_of_the_jwt_profile() {
    for (signing, algorithm) in
        [(SigningAlgorithm::Es256, jsonwebtoken::Algorithm::ES256), (SigningAlgorithm::Rs256, jsonwebtoken::Algorithm::RS256)]
    {
        let subject = Subject::with(Settings { signing, ..settings() });
        let answer = subject.post("/token", &basic("sender", "s3cret"), "grant_type=client_credentials").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.header("content-type"), "application/json");
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(answer.text("token_type"), "Bearer");
        assert_eq!(answer.json()["expires_in"], 3600);
        assert_eq!(answer.text("scope"), "notify read");

        let (header, claims) = verified(&subject, &answer.text("access_token")).await;
        assert_eq!((header.typ.as_deref(), header.alg), (Some("at+jwt"), algorithm));
        assert!(claims["jti"].as_str().is_some_and(|jti| jti.len() >= 22), "at least 128 random bits: {claims}");
        let mut rest = claims;
        rest.as_object_mut().unwrap().remove("jti");
        assert_eq!(
            rest,
            serde_json::json!({
                "iss": ISSUER,
                "exp": START_S + 3600,
                "aud": "https://listener.test/",
                "sub": "sender",
                "client_id": "sender",
                "iat": START_S,
                "scope": "notify read",
            })
        );
    }
}

#[tokio::test]
async fn a_secret_with_special_characters_works_by_basic_when_form_encoded() {
    let subject = Subject::with(settings());
    let answer = subject.post("/token", &basic("a:b c", "p+q %/ü=&"), "grant_type=client_credentials").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json()["expires_in"], 60, "the client's own lifetime");
    assert_eq!(verified(&subject, &answer.text("access_token")).await.1["client_id"], "a:b c");
}

#[tokio::test]
async fn as_6749_6_a_client_registered_for_it_sends_its_secret_in_the_body() {
    let subject = Subject::with(settings());
    let body = form(&[("grant_type", "client_credentials"), ("client_id", "poster"), ("client_secret", "s3cret")]);
    assert_eq!(subject.post("/token", "", &body).await.status, 200);
    let by_header = subject.post("/token", &basic("poster", "s3cret"), "grant_type=client_credentials").await;
    assert_eq!(by_header.error(), (401, "invalid_client".into()));
}

#[tokio::test]
async fn as_6749_4_failed_authentication_is_401_with_a_challenge_and_never_repeats_the_secret() {
    let subject = Subject::with(settings());
    for (row, authorization, body) in [
        ("wrong secret", basic("sender", "hunter2"), "grant_type=client_credentials".to_owned()),
        ("unknown client", basic("nobody", "hunter2"), "grant_type=client_credentials".to_owned()),
        ("none", String::new(), "grant_type=client_credentials".to_owned()),
        ("id alone", String::new(), "grant_type=client_credentials&client_id=sender".to_owned()),
        ("wrong secret in the body", String::new(), "grant_type=client_credentials&client_id=poster&client_secret=hunter2".to_owned()),
    ] {
        let answer = subject.post("/token", &authorization, &body).await;
        assert_eq!(answer.error(), (401, "invalid_client".into()), "{row}");
        assert!(answer.header("www-authenticate").starts_with("Basic realm="), "{row}");
        assert_eq!(answer.header("cache-control"), "no-store", "{row}");
        assert!(!String::from_utf8_lossy(&answer.body).contains("hunter2"), "{row}");
    }
    assert_eq!(subject.authority.stats().tokens_issued, 0);
}

#[tokio::test]
async fn audience_and_resource_decide_whom_the_token_is_for() {
    let subject = Subject::with(settings());
    for (row, body, expected) in [
        ("neither", form(&[]), serde_json::json!(ISSUER)),
        ("audience", form(&[("audience", "urn:listener")]), serde_json::json!("urn:listener")),
        ("resource", form(&[("resource", "https://l.test/")]), serde_json::json!("https://l.test/")),
        (
            "two resources",
            form(&[("resource", "https://l.test/"), ("resource", "https://m.test/")]),
            serde_json::json!(["https://l.test/", "https://m.test/"]),
        ),
    ] {
        let body = format!("grant_type=client_credentials&{body}");
        let answer = subject.post("/token", &basic("bare", "s3cret"), &body).await;
        assert_eq!(answer.status, 200, "{row}: {answer:?}");
        assert_eq!(verified(&subject, &answer.text("access_token")).await.1["aud"], expected, "{row}");
    }
    let foreign = subject.post("/token", &basic("sender", "s3cret"), "grant_type=client_credentials&audience=https://other.test/").await;
    assert_eq!(foreign.error(), (400, "invalid_target".into()));
}

#[tokio::test]
async fn as_6749_5_an_unknown_scope_is_refused_and_a_known_one_is_granted() {
    let subject = Subject::with(settings());
    let ask = |scope: &'static str| {
        let body = form(&[("grant_type", "client_credentials"), ("scope", scope)]);
        let subject = &subject;
        async move { subject.post("/token", &basic("sender", "s3cret"), &body).await }
    };
    assert_eq!(ask("read").await.text("scope"), "read");
    assert_eq!(ask("read admin").await.error(), (400, "invalid_scope".into()));
    let bare = subject.post("/token", &basic("bare", "s3cret"), "grant_type=client_credentials").await;
    assert!(bare.json().get("scope").is_none(), "a client without scopes gets none");
}

#[tokio::test]
async fn as_6749_2_an_opaque_token_says_nothing_and_is_long_and_different_each_time() {
    let subject = Subject::with(settings());
    let mut seen = HashSet::new();
    for _ in 0..20 {
        let token = subject.token(&basic("opaque", "s3cret")).await;
        assert!(token.len() >= 27 && !token.contains('.'), "at least 160 random bits, and no JWT: {token}");
        assert!(seen.insert(token));
    }
}

#[tokio::test]
async fn other_grants_are_refused_by_name() {
    let subject = Subject::with(settings());
    for (row, body, expected) in [
        ("password", "grant_type=password&username=a&password=b", "unsupported_grant_type"),
        ("none", "scope=read", "invalid_request"),
        ("empty", "grant_type=", "invalid_request"),
    ] {
        assert_eq!(subject.post("/token", &basic("sender", "s3cret"), body).await.error(), (400, expected.into()), "{row}");
    }
}

#[tokio::test]
async fn every_request_for_a_token_is_counted() {
    let subject = Subject::with(settings());
    subject.token(&basic("sender", "s3cret")).await;
    subject.post("/token", &basic("sender", "wrong"), "grant_type=client_credentials").await;
    subject.get("/token").await;
    let stats = subject.authority.stats();
    assert_eq!((stats.token_requests, stats.tokens_issued), (2, 1));
}

#[tokio::test]
async fn as_9700_9_the_subject_of_a_token_is_its_client_and_nobody_else_has_that_id() {
    let subject = Subject::with(settings());
    for client in ["sender", "bare"] {
        let token = subject.token(&basic(client, "s3cret")).await;
        let claims = verified(&subject, &token).await.1;
        assert_eq!((claims["sub"].as_str(), claims["client_id"].as_str()), (Some(client), Some(client)));
    }
    // There are no users; what could take a client's id is another client, and that is refused.
    let twice = settings().client(Client::with_secret_post("sender", "other"));
    assert!(Authority::try_new(twice).is_err());
}
