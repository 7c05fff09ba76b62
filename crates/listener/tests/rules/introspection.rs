//! L-7662: tokens that the authorization server is asked about.

use countersign_listener::{Introspector, TokenRefused, VerifyToken as _};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{AUDIENCE, CLIENT, FakeServer, ISSUER, NOW, expectations, verify, with};

const TOKEN: &str = "opaque-token-1";

fn active() -> Value {
    json!({
        "active": true, "client_id": CLIENT, "token_type": "Bearer", "exp": NOW + 600, "iat": NOW - 10,
        "aud": AUDIENCE, "iss": ISSUER, "scope": "notify", "sub": CLIENT,
    })
}

fn introspector(server: &FakeServer) -> Introspector {
    let endpoint = "https://id.example/introspect".parse().expect("a URI");
    Introspector::try_new(endpoint, "listener id", "p%ss:word+é", server.clone(), expectations()).expect("good credentials")
}

#[tokio::test]
async fn l_7662_1_the_token_is_posted_as_a_form_with_authentication() {
    let server = FakeServer::with_json(&active());
    assert!(verify(&introspector(&server), "a+b/c==").await.is_ok());
    let requests = server.requests.lock().expect("no panic");
    let request = &requests[0];
    assert_eq!((request.method(), request.uri().to_string().as_str()), (&Method::POST, "https://id.example/introspect"));
    assert_eq!(request.headers()["content-type"], "application/x-www-form-urlencoded");
    assert_eq!(request.body(), "token=a%2Bb%2Fc%3D%3D&token_type_hint=access_token");
    // base64 of "listener+id:p%25ss%3Aword%2B%C3%A9"
    assert_eq!(request.headers()["authorization"], "Basic bGlzdGVuZXIraWQ6cCUyNXNzJTNBd29yZCUyQiVDMyVBOQ==");
    assert!(request.headers()["authorization"].is_sensitive());
    let without = Introspector::try_new("https://id.example/".parse().expect("a URI"), "", "x", server.clone(), expectations());
    assert!(without.is_err());
}

#[tokio::test]
async fn l_7662_2_active_is_the_boolean_true_and_nothing_else() {
    for (value, expected) in [(json!(true), None), (json!(false), Some(TokenRefused::Inactive))] {
        let server = FakeServer::with_json(&with(active(), "active", value));
        assert_eq!(verify(&introspector(&server), TOKEN).await.err(), expected);
    }
    for value in [json!("true"), json!(1), json!([true]), json!({}), json!("false"), Value::Null] {
        let server = FakeServer::with_json(&with(active(), "active", value.clone()));
        let result = verify(&introspector(&server), TOKEN).await;
        assert!(matches!(result, Err(TokenRefused::Unavailable(_))), "{value}: {result:?}");
    }
}

#[tokio::test]
async fn l_7662_3_what_an_active_token_says_is_checked_all_the_same() {
    let rows: Vec<(&str, Value, Result<(), TokenRefused>)> = vec![
        ("good", active(), Ok(())),
        ("expired", with(active(), "exp", (NOW - 61).into()), Err(TokenRefused::Expired { seconds: 61 })),
        ("exp as text", with(active(), "exp", "9".into()), Err(TokenRefused::Claim("exp"))),
        ("no exp", with(active(), "exp", Value::Null), Ok(())),
        ("not yet", with(active(), "nbf", (NOW + 61).into()), Err(TokenRefused::NotYet)),
        ("other issuer", with(active(), "iss", "https://evil.example".into()), Err(TokenRefused::Issuer)),
        ("no issuer", with(active(), "iss", Value::Null), Ok(())),
        ("other audience", with(active(), "aud", "x".into()), Err(TokenRefused::Audience)),
        ("no audience", with(active(), "aud", Value::Null), Err(TokenRefused::Claim("aud"))),
        ("other scope", with(active(), "scope", "x".into()), Err(TokenRefused::Scope { scope: "notify".into() })),
        ("other client", with(with(active(), "client_id", "x".into()), "sub", "x".into()), Err(TokenRefused::Client)),
        ("no client", with(with(active(), "client_id", Value::Null), "sub", Value::Null), Err(TokenRefused::Client)),
        ("DPoP", with(active(), "token_type", "DPoP".into()), Err(TokenRefused::Type)),
        ("bearer in lower case", with(active(), "token_type", "bearer".into()), Ok(())),
        ("bound", with(active(), "cnf", json!({"x5t#S256": "x"})), Err(TokenRefused::Binding)),
    ];
    for (row, answer, expected) in rows {
        let server = FakeServer::with_json(&answer);
        assert_eq!(verify(&introspector(&server), TOKEN).await.map(|_| ()), expected, "{row}");
    }
    let server = FakeServer::with_json(&with(active(), "aud", Value::Null));
    assert!(verify(&introspector(&server).accept_absent_audience(), TOKEN).await.is_ok());
    server.set_json(&with(active(), "aud", "x".into()));
    assert_eq!(verify(&introspector(&server).accept_absent_audience(), TOKEN).await, Err(TokenRefused::Audience));
}

#[tokio::test]
async fn l_7662_4_trouble_with_the_server_is_unavailable_and_never_a_yes() {
    let good = active().to_string();
    let long = with(active(), "x", "x".repeat(64 * 1024).into()).to_string();
    let twice = good.replacen('{', "{\"active\":false,", 1);
    let rows: [(&str, StatusCode, &str, &str); 9] = [
        ("server error", StatusCode::INTERNAL_SERVER_ERROR, "application/json", &good),
        ("redirect", StatusCode::TEMPORARY_REDIRECT, "application/json", &good),
        ("created", StatusCode::CREATED, "application/json", &good),
        ("html", StatusCode::OK, "text/html", &good),
        ("not json", StatusCode::OK, "application/json", "yes"),
        ("array", StatusCode::OK, "application/json", "[true]"),
        ("active twice", StatusCode::OK, "application/json", &twice),
        ("over 64 KiB", StatusCode::OK, "application/json", &long),
        ("too many requests", StatusCode::TOO_MANY_REQUESTS, "application/json", &good),
    ];
    for (row, status, kind, body) in rows {
        let server = FakeServer::with_json(&json!({}));
        server.set(status, kind, body);
        let result = verify(&introspector(&server), TOKEN).await;
        assert!(matches!(result, Err(TokenRefused::Unavailable(_))), "{row}: {result:?}");
    }
    let server = FakeServer::with_json(&active());
    let introspector = introspector(&server);
    server.set_down();
    assert!(matches!(verify(&introspector, TOKEN).await, Err(TokenRefused::Unavailable(_))));
    server.set_json(&active());
    assert!(verify(&introspector, TOKEN).await.is_ok(), "trouble is not remembered");
}

#[tokio::test(start_paused = true)]
async fn l_7662_4_a_server_that_does_not_answer_is_unavailable() {
    let never = |_: http::Request<bytes::Bytes>, _: usize| std::future::pending();
    let endpoint = "https://id.example/introspect".parse().expect("a URI");
    let introspector = Introspector::try_new(endpoint, "id", "secret", never, expectations()).expect("good credentials");
    assert_eq!(verify(&introspector, TOKEN).await, Err(TokenRefused::Unavailable("no answer within 10 s".into())));
}

#[tokio::test]
async fn l_7662_5_answers_are_kept_for_a_minute_and_refusals_for_ten_seconds() {
    let server = FakeServer::with_json(&active());
    let introspector = introspector(&server);
    for (after, count) in [(0, 1), (0, 1), (59, 1), (60, 2)] {
        assert!(introspector.verify(TOKEN, None, NOW + after).await.is_ok());
        assert_eq!(server.count(), count, "after {after} s");
    }
    server.set_json(&json!({"active": false}));
    for (after, count) in [(61, 2), (119, 2), (120, 3), (129, 3), (130, 4)] {
        let accepted = introspector.verify(TOKEN, None, NOW + after).await.is_ok();
        assert_eq!((accepted, server.count()), (after < 120, count), "after {after} s");
    }
}

#[tokio::test]
async fn l_7662_5_no_answer_is_kept_beyond_the_life_of_its_token() {
    let server = FakeServer::with_json(&with(active(), "exp", (NOW + 5).into()));
    let introspector = introspector(&server);
    assert!(introspector.verify(TOKEN, None, NOW).await.is_ok());
    assert!(introspector.verify(TOKEN, None, NOW + 4).await.is_ok());
    assert_eq!(server.count(), 1);
    assert!(introspector.verify(TOKEN, None, NOW + 5).await.is_ok(), "within the leeway, and asked again");
    assert_eq!(server.count(), 2);
    assert_eq!(introspector.verify(TOKEN, None, NOW + 65).await, Err(TokenRefused::Expired { seconds: 60 }));
}

#[tokio::test]
async fn l_7662_6_what_is_no_token_is_not_asked_about() {
    let server = FakeServer::with_json(&active());
    let introspector = introspector(&server);
    for token in ["", "=", "a b", "a\"b", "ä", "a,b", &"a".repeat(8 * 1024 + 1)] {
        assert!(matches!(verify(&introspector, token).await, Err(TokenRefused::Malformed(_))), "{token:.20}");
    }
    assert_eq!(server.count(), 0);
    assert!(verify(&introspector, &"a".repeat(8 * 1024)).await.is_ok());
    assert!(server.requests.lock().expect("no panic").iter().all(|request| request.uri().query().is_none()));
}

#[tokio::test]
async fn l_7662_7_a_refusal_of_our_own_credentials_is_said_so() {
    for status in [StatusCode::BAD_REQUEST, StatusCode::UNAUTHORIZED] {
        let server = FakeServer::with_json(&active());
        server.set(status, "application/json", r#"{"error":"invalid_client"}"#);
        match verify(&introspector(&server), TOKEN).await {
            Err(TokenRefused::Unavailable(words)) => assert!(words.contains("our own client id and secret"), "{words}"),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn l_9701_1_an_answer_as_a_jwt_is_not_taken() {
    let server = FakeServer::with_json(&active());
    let introspector = introspector(&server);
    verify(&introspector, TOKEN).await.expect("the answer as JSON is good");
    assert_eq!(server.requests.lock().expect("no panic")[0].headers()["accept"], "application/json", "it is not asked for");
    let key = crate::support::ServerKey::es256("k1");
    let header = json!({"typ": "token-introspection+jwt", "alg": "ES256", "kid": "k1"}).to_string();
    let jwt = key.sign(&header, &json!({"iss": ISSUER, "aud": AUDIENCE, "iat": NOW, "token_introspection": active()}).to_string());
    for kind in ["application/token-introspection+jwt", "application/jwt", "application/json"] {
        server.set(StatusCode::OK, kind, &jwt);
        let refused = introspector.verify("another-token", None, NOW).await;
        assert!(matches!(refused, Err(TokenRefused::Unavailable(_))), "{kind}: {refused:?}");
    }
}
