//! The layer: what reaches the application, and what the sender is told. L-6750, L-7617, H.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU16, AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Extension, Router,
    body::{Body, to_bytes},
    routing::post,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use countersign_listener::{
    Authorized, BasicCheck, Checked, Listener, ListenerBuilder, ListenerRefused, MemoryReplayGuard, Refusal, Verdict,
};
use countersign_signature::{
    HmacKey, Match, Mismatch, sign,
    standard_webhooks::{self, StandardKey},
};
use http::{HeaderMap, Request, Response, StatusCode, header};
use tower::ServiceExt as _;

use crate::support::{FakeServer, NOW, ServerKey, TestClock, good_claims, with};

const BODY: &[u8] = b"{\"event\":\"envelope-sent\" }\n";

fn hmac_key() -> HmacKey {
    HmacKey::try_new("bDjUQ7TJ0VyrYfEPSLvQpJTqYBhhzVnHbkvQvKzUvKM=").expect("a key")
}

fn basic() -> BasicCheck {
    BasicCheck::try_new("docu", "s3cret").expect("a good pair")
}

fn basic_header(pair: &str) -> String {
    format!("Basic {}", STANDARD.encode(pair))
}

/// An application that gives back what it got, behind a listener.
fn app(builder: ListenerBuilder) -> Router {
    let clock = TestClock::new().clock();
    let listener = builder.clock(clock).build().expect("something is checked");
    let echo = |Extension(verdict): Extension<Verdict>, body: Bytes| async move {
        assert!(verdict.is_accepted());
        body
    };
    Router::new().route("/webhook", post(echo)).layer(listener.layer())
}

async fn send(app: &Router, headers: &[(&str, &str)], body: impl Into<Body>) -> (StatusCode, HeaderMap, Bytes) {
    send_to(app, "/webhook", headers, body).await
}

async fn send_to(app: &Router, uri: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> (StatusCode, HeaderMap, Bytes) {
    let mut request = Request::post(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = app.clone().oneshot(request.body(body.into()).expect("a request")).await.expect("axum does not fail");
    let (head, body) = answer.into_parts();
    (head.status, head.headers, to_bytes(body, 1 << 20).await.expect("a short answer"))
}

fn challenges(headers: &HeaderMap) -> Vec<&str> {
    headers.get_all(header::WWW_AUTHENTICATE).iter().map(|value| value.to_str().expect("ASCII")).collect()
}

fn signed() -> Vec<(&'static str, String)> {
    sign(&[hmac_key()], BODY).iter().map(|(name, value)| (name, value.to_owned())).collect()
}

/// Headers as `send` takes them.
fn pairs<'a>(headers: &'a [(&'static str, String)], more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    headers.iter().map(|(name, value)| (*name, value.as_str())).chain(more.iter().copied()).collect()
}

#[tokio::test]
async fn a_signed_body_reaches_the_application_byte_for_byte() {
    let app = app(Listener::builder().hmac([hmac_key()]));
    let (status, _, body) = send(&app, &pairs(&signed(), &[]), BODY).await;
    assert_eq!((status, body.as_ref()), (StatusCode::OK, BODY));
    let (status, headers, body) = send(&app, &pairs(&signed(), &[]), BODY.trim_ascii_end()).await;
    assert_eq!((status, body.as_ref()), (StatusCode::UNAUTHORIZED, &b""[..]));
    assert_eq!(challenges(&headers), ["HMAC-SHA256 realm=\"webhooks\""]);
    assert_eq!(send(&app, &[], BODY).await.0, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn basic_or_bearer_goes_with_the_signature_and_neither_replaces_it() {
    let key = ServerKey::es256("k1");
    let server = FakeServer::with_keys(&[&key]);
    let app = app(Listener::builder().hmac([hmac_key()]).basic(basic()).bearer(server.jwt_verifier()));
    let bearer = format!("Bearer {}", key.token(&good_claims()));
    let (good_basic, bad_basic) = (basic_header("docu:s3cret"), basic_header("docu:wrong"));
    let rows: Vec<(&str, Option<&str>, bool, StatusCode)> = vec![
        ("basic and signature", Some(&good_basic), true, StatusCode::OK),
        ("token and signature", Some(&bearer), true, StatusCode::OK),
        ("signature alone", None, true, StatusCode::UNAUTHORIZED),
        ("basic alone", Some(&good_basic), false, StatusCode::UNAUTHORIZED),
        ("token alone", Some(&bearer), false, StatusCode::UNAUTHORIZED),
        ("wrong password", Some(&bad_basic), true, StatusCode::UNAUTHORIZED),
        ("unknown scheme", Some("Digest x"), true, StatusCode::UNAUTHORIZED),
        ("nothing", None, false, StatusCode::UNAUTHORIZED),
    ];
    let signature = signed();
    for (row, authorization, with_signature, expected) in rows {
        let authorization: Vec<_> = authorization.map(|value| ("authorization", value)).into_iter().collect();
        let headers = pairs(if with_signature { &signature } else { &[] }, &authorization);
        assert_eq!(send(&app, &headers, BODY).await.0, expected, "{row}");
    }
}

#[tokio::test]
async fn the_verdict_says_what_each_check_found() {
    let key = ServerKey::es256("k1");
    let server = FakeServer::with_keys(&[&key]);
    let seen: Arc<Mutex<Vec<Verdict>>> = Arc::default();
    let observed = Arc::clone(&seen);
    let other = HmacKey::try_new("another key of this account").expect("a key");
    let app = app(Listener::builder()
        .hmac([other, hmac_key()])
        .bearer(server.jwt_verifier())
        .account_ids(["A1"])
        .observer(move |_, verdict| observed.lock().expect("no panic").push(verdict.clone())));
    let token = format!("Bearer {}", key.token(&good_claims()));
    let signature = signed();
    send(&app, &pairs(&signature, &[("authorization", &token), ("x-docusign-accountid", "a1")]), BODY).await;
    send(&app, &pairs(&signature, &[("authorization", &token)]), "changed").await;
    send(&app, &signature.iter().map(|(name, value)| (*name, value.as_str())).collect::<Vec<_>>(), BODY).await;
    let seen = seen.lock().expect("no panic");
    assert_eq!(seen[0].hmac, Checked::Passed(Match { key: 1, header: 1 }));
    assert_eq!((seen[0].account.passed().map(String::as_str), &seen[0].body), (Some("a1"), &Checked::Passed(BODY.len())));
    match &seen[0].authorization {
        Checked::Passed(Authorized::Bearer(claims)) => assert_eq!(claims.client_id.as_deref(), Some("connect")),
        other => panic!("{other:?}"),
    }
    assert_eq!(seen[1].hmac, Checked::Refused(Refusal::Hmac(Mismatch::NoMatch { keys: 2, headers: 1 })));
    assert_eq!(seen[1].account, Checked::Refused(Refusal::Account));
    assert_eq!(seen[2].authorization, Checked::Refused(Refusal::NoCredentials));
    assert_eq!((&seen[2].body, &seen[2].hmac), (&Checked::NotReached, &Checked::NotAsked));
}

#[tokio::test]
async fn l_6750_1_a_token_in_two_places_is_an_invalid_request() {
    let key = ServerKey::es256("k1");
    let app = app(Listener::builder().bearer(FakeServer::with_keys(&[&key]).jwt_verifier()));
    let token = key.token(&good_claims());
    let bearer = format!("Bearer {token}");
    let authorization = ("authorization", bearer.as_str());
    let form = ("content-type", "application/x-www-form-urlencoded; charset=utf-8");
    let in_query = format!("/webhook?a=b&access_token={token}");
    let twice = send(&app, &[authorization, authorization], BODY).await;
    let queried = send_to(&app, &in_query, &[authorization], BODY).await;
    let posted = send(&app, &[authorization, form], format!("access_token={token}")).await;
    let escaped = send_to(&app, &format!("/webhook?%61ccess%5ftoken={token}"), &[authorization], BODY).await;
    let binary = send(&app, &[authorization, form], [b"a=\xff&access_token=".as_slice(), token.as_bytes()].concat()).await;
    for (status, headers, _) in [twice, queried, posted, escaped, binary] {
        assert_eq!(status, StatusCode::BAD_REQUEST);
        assert_eq!(challenges(&headers), ["Bearer realm=\"webhooks\", error=\"invalid_request\""]);
    }
    assert_eq!(send_to(&app, &in_query, &[], BODY).await.0, StatusCode::UNAUTHORIZED, "a token in the query alone is none");
    assert_eq!(send(&app, &[authorization], BODY).await.0, StatusCode::OK);
    for other in
        ["/webhook?access_tokens=x", "/webhook?my_access_token=x", "/webhook?a=access_token", "/webhook?access%5token=x", "/webhook?%"]
    {
        assert_eq!(send_to(&app, other, &[authorization], BODY).await.0, StatusCode::OK, "{other}");
    }
}

#[tokio::test]
async fn l_6750_2_each_refusal_has_its_status_and_challenge() {
    let key = ServerKey::es256("k1");
    let server = FakeServer::with_keys(&[&key]);
    let app = app(Listener::builder().bearer(server.jwt_verifier()).realm("connect"));
    let answer = async |token: Option<String>| {
        let value = token.map(|token| format!("Bearer {token}"));
        let headers: Vec<_> = value.iter().map(|value| ("authorization", value.as_str())).collect();
        let (status, headers, body) = send(&app, &headers, BODY).await;
        assert!(body.is_empty());
        (status, challenges(&headers).into_iter().map(str::to_owned).collect::<Vec<_>>())
    };
    let plain = vec!["Bearer realm=\"connect\"".to_owned()];
    let with_error = |error: &str| vec![format!("Bearer realm=\"connect\", error=\"{error}\"")];
    let expired = key.token(&with(good_claims(), "exp", (NOW - 100).into()));
    let without_scope = key.token(&with(good_claims(), "scope", "other".into()));
    assert_eq!(answer(None).await, (StatusCode::UNAUTHORIZED, plain));
    assert_eq!(answer(Some(expired)).await, (StatusCode::UNAUTHORIZED, with_error("invalid_token")));
    assert_eq!(answer(Some("not\"a\"token".into())).await, (StatusCode::UNAUTHORIZED, with_error("invalid_token")));
    assert_eq!(answer(Some(without_scope)).await, (StatusCode::FORBIDDEN, with_error("insufficient_scope")));
}

#[tokio::test]
async fn l_6750_3_the_scheme_is_compared_without_case() {
    let key = ServerKey::es256("k1");
    let app = app(Listener::builder().basic(basic()).bearer(FakeServer::with_keys(&[&key]).jwt_verifier()));
    let token = key.token(&good_claims());
    let pair = STANDARD.encode("docu:s3cret");
    for value in [format!("bearer {token}"), format!("BEARER {token}"), format!("basic {pair}"), format!("bAsIc {pair}")] {
        assert_eq!(send(&app, &[("authorization", &value)], BODY).await.0, StatusCode::OK, "{value:.10}");
    }
    for value in [format!("Bearer{token}"), format!("Token {token}"), token.clone()] {
        assert_eq!(send(&app, &[("authorization", &value)], BODY).await.0, StatusCode::UNAUTHORIZED, "{value:.10}");
    }
}

#[tokio::test]
async fn l_6750_4_the_reason_is_not_told_to_the_sender() {
    let key = ServerKey::es256("k1");
    let app = app(Listener::builder().hmac([hmac_key()]).bearer(FakeServer::with_keys(&[&key]).jwt_verifier()));
    let refused = |name: &str, value: serde_json::Value| format!("Bearer {}", key.token(&with(good_claims(), name, value)));
    let mut answers = Vec::new();
    for value in [refused("iss", "x".into()), refused("aud", "x".into()), refused("exp", 1.into()), refused("client_id", 1.into())] {
        let (status, headers, body) = send(&app, &[("authorization", &value)], BODY).await;
        answers.push((status, format!("{headers:?}"), body));
    }
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{answers:?}");
}

#[tokio::test]
async fn l_7662_4_a_server_that_is_down_is_answered_with_503() {
    let key = ServerKey::es256("k1");
    let server = FakeServer::with_keys(&[&key]);
    server.set_down();
    let app = app(Listener::builder().bearer(server.jwt_verifier()));
    let token = format!("Bearer {}", key.token(&good_claims()));
    let (status, headers, _) = send(&app, &[("authorization", &token)], BODY).await;
    assert_eq!((status, headers.get("retry-after").map(|value| value.as_bytes())), (StatusCode::SERVICE_UNAVAILABLE, Some(&b"30"[..])));
    assert!(challenges(&headers).is_empty());
}

#[tokio::test]
async fn l_7617_1_basic_is_challenged_with_realm_and_charset() {
    let second = BasicCheck::try_new("new", "user").expect("a good pair");
    let app = app(Listener::builder().basic(basic()).basic(second));
    for pair in ["docu:s3cret", "new:user"] {
        assert_eq!(send(&app, &[("authorization", &basic_header(pair))], BODY).await.0, StatusCode::OK, "{pair}");
    }
    for value in
        [basic_header("docu:user"), basic_header("new:s3cret"), basic_header("docu"), basic_header(""), "Basic %".into(), "Basic".into()]
    {
        let (status, headers, _) = send(&app, &[("authorization", &value)], BODY).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{value}");
        assert_eq!(challenges(&headers), ["Basic realm=\"webhooks\", charset=\"UTF-8\""]);
    }
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_answered_with_413_however_it_comes() {
    let app = app(Listener::builder().basic(basic()).body_bytes_max(100));
    let good = basic_header("docu:s3cret");
    let auth = ("authorization", good.as_str());
    let chunks = |count: usize| {
        Body::from_stream(futures_util::stream::iter((0..count).map(|_| Ok::<_, std::io::Error>(Bytes::from_static(&[b'x'; 10])))))
    };
    assert_eq!(send(&app, &[auth], chunks(10)).await.0, StatusCode::OK);
    assert_eq!(send(&app, &[auth], chunks(11)).await.0, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(send(&app, &[auth], vec![b'x'; 101]).await.0, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(send(&app, &[auth, ("content-length", "101")], "short").await.0, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(send(&app, &[auth, ("content-length", "99999999999999999999")], "short").await.0, StatusCode::OK, "no number is no length");
    assert_eq!(send(&app, &[], chunks(11)).await.0, StatusCode::UNAUTHORIZED, "the body of a stranger is not read");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_arrive_or_breaks_off_is_refused() {
    let app = app(Listener::builder().basic(basic()).body_timeout(Duration::from_secs(5)));
    let good = basic_header("docu:s3cret");
    let never = Body::from_stream(futures_util::stream::pending::<Result<Bytes, std::io::Error>>());
    assert_eq!(send(&app, &[("authorization", &good)], never).await.0, StatusCode::REQUEST_TIMEOUT);
    let broken = Body::from_stream(futures_util::stream::iter([Ok(Bytes::from_static(b"x")), Err(std::io::Error::other("reset"))]));
    assert_eq!(send(&app, &[("authorization", &good)], broken).await.0, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn all_bodies_at_once_are_bounded_and_who_finds_no_room_is_told_to_come_again() {
    let (started, release) = (Arc::new(tokio::sync::Notify::new()), Arc::new(tokio::sync::Notify::new()));
    let listener = Listener::builder().basic(basic()).body_bytes_max(100).bodies_bytes_max(150).build().expect("something is checked");
    let app = {
        let (started, release) = (Arc::clone(&started), Arc::clone(&release));
        let handler = async move |body: Bytes| {
            if body.len() == 100 {
                started.notify_one();
                release.notified().await;
            }
            body
        };
        Router::new().route("/webhook", post(handler)).layer(listener.layer())
    };
    let good = basic_header("docu:s3cret");
    let auth = [("authorization", good.as_str())];
    let pieces = |count: usize| {
        Body::from_stream(futures_util::stream::iter((0..count).map(|_| Ok::<_, std::io::Error>(Bytes::from_static(&[b'x'; 10])))))
    };
    let held = {
        let (app, good) = (app.clone(), good.clone());
        tokio::spawn(async move { send(&app, &[("authorization", &good)], vec![b'x'; 100]).await.0 })
    };
    started.notified().await;
    let (status, headers, _) = send(&app, &auth, pieces(6)).await;
    assert_eq!((status, headers.contains_key("retry-after")), (StatusCode::SERVICE_UNAVAILABLE, true));
    let (status, _, body) = send(&app, &auth, pieces(5)).await;
    assert_eq!((status, body.len()), (StatusCode::OK, 50), "what has room is taken, and what was refused holds nothing");
    release.notify_one();
    assert_eq!(held.await.expect("no panic"), StatusCode::OK);
    for _ in 0..5 {
        assert_eq!(send(&app, &auth, pieces(9)).await.0, StatusCode::OK, "what was held is given back");
    }
}

#[tokio::test]
async fn only_expected_accounts_are_let_through() {
    let app = app(Listener::builder().hmac([hmac_key()]).account_ids(["4d9b5c1e-0000-4000-8000-000000000001"]));
    let signature = signed();
    let account = "x-docusign-accountid";
    let good = "4D9B5C1E-0000-4000-8000-000000000001";
    assert_eq!(send(&app, &pairs(&signature, &[(account, good)]), BODY).await.0, StatusCode::OK);
    assert_eq!(send(&app, &pairs(&signature, &[(account, "other")]), BODY).await.0, StatusCode::FORBIDDEN);
    assert_eq!(send(&app, &pairs(&signature, &[(account, good), (account, good)]), BODY).await.0, StatusCode::FORBIDDEN);
    assert_eq!(send(&app, &pairs(&signature, &[]), BODY).await.0, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn standard_webhooks_signatures_expire() {
    let key = StandardKey::try_new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("a secret");
    let time = TestClock::new();
    let listener = Listener::builder().standard_webhooks([key.clone()]).clock(time.clock()).build().expect("something is checked");
    let app = Router::new().route("/webhook", post(|| async {})).layer(listener.layer());
    let headers = standard_webhooks::sign(&[key], "dlv_1", NOW as i64, BODY).expect("an id");
    let headers: Vec<_> = headers.iter().collect();
    time.advance(300);
    assert_eq!(send(&app, &headers, BODY).await.0, StatusCode::OK);
    time.advance(1);
    assert_eq!(send(&app, &headers, BODY).await.0, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_message_is_handed_on_once_and_again_after_a_failure() {
    let listener = Listener::builder().hmac([hmac_key()]).replay_guard(MemoryReplayGuard::default()).build().expect("something is checked");
    let (calls, status) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicU16::new(500)));
    let app = {
        let (calls, status) = (Arc::clone(&calls), Arc::clone(&status));
        let handler = move || {
            calls.fetch_add(1, Ordering::SeqCst);
            let status = StatusCode::from_u16(status.load(Ordering::SeqCst)).expect("a status");
            async move { status }
        };
        Router::new().route("/webhook", post(handler)).layer(listener.layer())
    };
    let signature = signed();
    let headers = pairs(&signature, &[]);
    assert_eq!(send(&app, &headers, BODY).await.0, StatusCode::INTERNAL_SERVER_ERROR);
    status.store(202, Ordering::SeqCst);
    assert_eq!(send(&app, &headers, BODY).await.0, StatusCode::ACCEPTED);
    let (again, answer, _) = send(&app, &headers, BODY).await;
    assert_eq!((again, answer.contains_key("x-countersign-duplicate")), (StatusCode::OK, true));
    assert_eq!(calls.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_message_that_is_being_handled_is_answered_with_503() {
    let listener = Listener::builder().hmac([hmac_key()]).replay_guard(MemoryReplayGuard::default()).build().expect("something is checked");
    let (started, release) = (Arc::new(tokio::sync::Notify::new()), Arc::new(tokio::sync::Notify::new()));
    let app = {
        let (started, release) = (Arc::clone(&started), Arc::clone(&release));
        let handler = move || {
            let (started, release) = (Arc::clone(&started), Arc::clone(&release));
            async move {
                started.notify_one();
                release.notified().await;
            }
        };
        Router::new().route("/webhook", post(handler)).layer(listener.layer())
    };
    let signature = signed();
    let first = {
        let (app, signature) = (app.clone(), signature.clone());
        tokio::spawn(async move { send(&app, &pairs(&signature, &[]), BODY).await.0 })
    };
    started.notified().await;
    assert_eq!(send(&app, &pairs(&signature, &[]), BODY).await.0, StatusCode::SERVICE_UNAVAILABLE);
    release.notify_one();
    assert_eq!(first.await.expect("no panic"), StatusCode::OK);
}

#[test]
fn a_listener_that_would_check_nothing_is_not_built() {
    let refused = |builder: ListenerBuilder| builder.build().err();
    assert_eq!(refused(Listener::builder()), Some(ListenerRefused::NoCheck));
    assert_eq!(refused(Listener::builder().account_ids(["a"])), Some(ListenerRefused::NoCheck));
    assert_eq!(refused(Listener::builder().hmac([])), Some(ListenerRefused::NoKeys));
    assert_eq!(refused(Listener::builder().basic(basic()).standard_webhooks([])), Some(ListenerRefused::NoKeys));
    assert_eq!(refused(Listener::builder().basic(basic()).account_ids([""; 0])), Some(ListenerRefused::NoAccounts));
    for realm in ["a\"b", "a\\b", "a\nb", "é"] {
        assert_eq!(refused(Listener::builder().basic(basic()).realm(realm)), Some(ListenerRefused::Realm), "{realm}");
    }
}

#[tokio::test]
async fn examine_shows_every_check_even_after_a_refusal() {
    let listener = Listener::builder().hmac([hmac_key()]).basic(basic()).account_ids(["a"]).build().expect("something is checked");
    let mut request = Request::post("/webhook").header("x-docusign-accountid", "a");
    for (name, value) in sign(&[hmac_key()], BODY).iter() {
        request = request.header(name, value);
    }
    let (head, ()) = request.body(()).expect("a request").into_parts();
    let verdict = listener.examine(&head, &Bytes::from_static(BODY)).await;
    assert_eq!(verdict.refusal(), Some(&Refusal::NoCredentials));
    assert_eq!(verdict.hmac, Checked::Passed(Match { key: 0, header: 1 }));
    assert_eq!(verdict.account.passed().map(String::as_str), Some("a"));
}

#[tokio::test]
async fn it_works_without_axum_and_passes_errors_of_the_service_on() {
    use http_body_util::Full;
    use tower::{Layer as _, service_fn};
    let listener = Listener::builder().hmac([hmac_key()]).build().expect("something is checked");
    let service = listener.layer().layer(service_fn(|request: Request<Full<Bytes>>| async move {
        if request.uri().path() == "/fails" { Err("broken") } else { Ok(Response::new(Full::new(Bytes::from_static(b"taken")))) }
    }));
    let mut request = Request::post("/fails");
    for (name, value) in sign(&[hmac_key()], BODY).iter() {
        request = request.header(name, value);
    }
    let failed = service.clone().oneshot(request.body(Full::new(Bytes::from_static(BODY))).expect("a request")).await;
    assert_eq!(failed.err(), Some("broken"));
    let refused = service.oneshot(Request::post("/").body(Full::new(Bytes::new())).expect("a request")).await.expect("an answer");
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
}
