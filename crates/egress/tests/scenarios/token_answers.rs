//! Whatever an authorization server answers: either a token, or nothing is sent and the reason is told in its own words.

use std::time::{Duration, Instant};

use countersign_core::auth::ContentTypeRule;

use crate::{
    authorization_server::{AuthorizationServer, Source, bind, token_answer},
    server::{Reply, Server, answer, egress_with, patient, quick},
};

const JSON: &[&str] = &["Content-Type: application/json"];

/// What becomes of an answer.
enum Fate {
    /// A token that lives so many seconds.
    Token(u64),
    /// None, by a fault of configuration, and the words contain this.
    Configuration(&'static str),
    /// None, but that may pass by itself.
    Passing(&'static str),
}

#[tokio::test]
async fn every_mode_of_an_authorization_server_ends_in_a_token_or_in_its_reason() {
    use Fate::{Configuration, Passing, Token};
    let chunked = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
    let wide = "x".repeat(20_000);
    let rows: Vec<(&str, Reply, Fate)> = vec![
        ("an hour", token_answer("t", r#","expires_in":3600"#), Token(3_600)),
        ("no expires_in", token_answer("t", ""), Token(300)),
        ("expires_in 1", token_answer("t", r#","expires_in":1"#), Token(1)),
        ("expires_in as text", token_answer("t", r#","expires_in":"3600""#), Token(3_600)),
        ("expires_in 1e18", token_answer("t", r#","expires_in":1e18"#), Token(86_400)),
        ("expires_in 0", token_answer("t", r#","expires_in":0"#), Configuration("expires_in is not above zero")),
        ("expires_in -1", token_answer("t", r#","expires_in":-1"#), Configuration("expires_in is not above zero")),
        ("expires_in of a wrong type", token_answer("t", r#","expires_in":[1]"#), Configuration("expires_in is not a number")),
        (
            "HTML with 200",
            answer("200 OK", &["Content-Type: text/html"], "<h1>Sign in</h1>"),
            Configuration("not JSON but text/html: <h1>Sign in</h1>"),
        ),
        ("no content type", answer("200 OK", &[], r#"{"access_token":"t","token_type":"Bearer"}"#), Configuration("no Content-Type")),
        ("an array", answer("200 OK", JSON, "[]"), Configuration("not a JSON object")),
        ("half of an object", answer("200 OK", JSON, r#"{"access_token":"t""#), Configuration("not a JSON object")),
        ("nothing", answer("200 OK", JSON, ""), Configuration("not a JSON object")),
        ("no token", answer("200 OK", JSON, r#"{"token_type":"Bearer"}"#), Configuration("access_token is missing")),
        ("no type", answer("200 OK", JSON, r#"{"access_token":"t"}"#), Configuration("token_type is missing")),
        (
            "another type",
            answer("200 OK", JSON, r#"{"access_token":"t","token_type":"mac"}"#),
            Configuration("the token type 'mac' is not Bearer"),
        ),
        ("a token that breaks a header", token_answer(r"t\r\nX-Evil: 1", ""), Configuration("cannot have")),
        ("a token beyond all measure", token_answer(&wide, ""), Configuration("longer than 12 KiB")),
        (
            "a redirect",
            answer("302 Found", &["Location: http://169.254.169.254/"], ""),
            Configuration("a redirect, which is never followed"),
        ),
        ("invalid_client", answer("401 No", JSON, r#"{"error":"invalid_client"}"#), Configuration("answered 401: invalid_client")),
        ("invalid_scope", answer("400 No", JSON, r#"{"error":"invalid_scope"}"#), Configuration("answered 400: invalid_scope")),
        ("not found", answer("404 Not Found", &[], "no such page"), Configuration("answered 404: no such page")),
        (
            "a description that attacks a terminal",
            answer("400 No", JSON, r#"{"error":"invalid_request","error_description":"\u001b[2J\u202etxt"}"#),
            Configuration(r"invalid_request: \u{1b}[2J\u{202e}txt"),
        ),
        (
            "the secret echoed",
            answer("401 No", JSON, r#"{"error":"invalid_client","error_description":"not 'correct horse'"}"#),
            Configuration("not '********'"),
        ),
        ("busy", answer("429 Too Many", JSON, r#"{"error":"slow_down"}"#), Passing("answered 429: slow_down")),
        ("server error", answer("500 Oops", &[], "stack trace"), Passing("answered 500: stack trace")),
        ("down", answer("503 Down", &[], "<html>maintenance</html>"), Passing("answered 503: <html>maintenance</html>")),
        (
            "an endless answer",
            Reply::Endless(chunked.into(), b"400\r\n".iter().copied().chain([b' '; 1_024]).chain(*b"\r\n").collect()),
            Configuration("longer than 64 KiB"),
        ),
        ("a broken answer", Reply::WriteAndClose(format!("{chunked}2\r\n{{\"").into_bytes()), Passing("closed before an answer")),
        ("a dripping answer", Reply::WriteAndHang(format!("{chunked}2\r\n{{\"\r\n").into_bytes()), Passing("no answer in time")),
        ("closed", Reply::WriteAndClose(Vec::new()), Passing("cannot be reached: the connection was closed")),
        ("garbage", Reply::WriteAndClose(b"what?\r\n\r\n".to_vec()), Passing("not valid HTTP")),
        ("silent", Reply::WriteAndHang(Vec::new()), Passing("no answer in time")),
    ];
    for (name, reply, fate) in rows {
        let authority = AuthorizationServer::with(usize::MAX >> 4, move |_, _| reply.clone()).await;
        // Only those that wait for the deadline get a short one.
        let settings = if matches!(name, "silent" | "a dripping answer") { quick() } else { patient() };
        let (source, bound) = (Source::through(egress_with(settings)), authority.bound());
        let started = Instant::now();
        let result = source.tokens.token(&bound).await;
        assert!(started.elapsed() < Duration::from_secs(40), "{name} took {:?}", started.elapsed());
        let state = source.tokens.state(&bound.key()).expect("it was asked for");
        match (result, fate) {
            (Ok(token), Token(seconds)) => {
                assert_eq!(token.cached().expires_at.since(token.cached().obtained_at), Duration::from_secs(seconds), "{name}");
                assert!(state.authorized, "{name}");
            }
            (Err(failure), Configuration(words) | Passing(words)) => {
                let text = failure.to_string();
                assert!(text.contains(words), "{name}: {text}");
                assert!(!text.contains("correct horse") && text.chars().count() < 500, "{name}: {text}");
                assert!(!state.authorized && state.last_failure == Some(failure), "{name}");
            }
            (result, _) => panic!("{name}: {result:?}"),
        }
        assert_eq!(authority.requests(), 1, "{name} was asked more than once");
    }
}

#[tokio::test]
async fn faults_of_configuration_and_passing_ones_are_told_apart() {
    for (status, body, configuration) in [
        ("401 No", r#"{"error":"invalid_client"}"#, true),
        ("200 OK", "<h1>Sign in</h1>", true),
        ("503 Down", "", false),
        ("429 Too Many", r#"{"error":"invalid_client"}"#, false),
    ] {
        let server = Server::always(answer(status, JSON, body)).await;
        let source = Source::new();
        let bound = bind(countersign_core::auth::OAuthConnection::new(server.url("/"), "client", "secret"));
        let failure = source.tokens.token(&bound).await.expect_err(status);
        assert_eq!(failure.cause.is_configuration_fault(), configuration, "{status} {body}");
    }
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let bound = bind(countersign_core::auth::OAuthConnection::new(format!("http://{closed}/"), "client", "secret"));
    let failure = Source::new().tokens.token(&bound).await.expect_err("nobody is there");
    assert_eq!(failure.to_string(), "there is no access token: the authorization server cannot be reached: the connection was refused");
    assert!(!failure.cause.is_configuration_fault());
}

#[tokio::test]
async fn a_mislabelled_token_is_taken_when_the_connection_says_so() {
    let body = r#"{"access_token":"t","token_type":"bearer"}"#;
    let server = Server::always(answer("200 OK", &["Content-Type: text/plain"], body)).await;
    let mut connection = countersign_core::auth::OAuthConnection::new(server.url("/"), "client", "secret");
    Source::new().tokens.token(&bind(connection.clone())).await.expect_err("strict by default");
    connection.content_type_rule = ContentTypeRule::Any;
    assert_eq!(Source::new().header(&bind(connection)).await, "Bearer t");
}
